# SPDX-License-Identifier: BSD-2-Clause
"""pvguest's portable objects are the same in both builds, and tell neither from the other.

Asks make how pvguest.elf and native.elf are linked: outside the architecture and the front ends both
take the same object files, each compiled once. Then compiles these with the flags that make gave and
looks for a symbol, a string or a macro that says on what the kernel runs.
"""

import concurrent.futures
import os
import re
import shlex
import subprocess
import tempfile

from _tree import files, finish, read

OWN = {"pvguest.elf": ("pvguest/arch/pv/", "pvguest/drivers/front/"),
       "native.elf": ("pvguest/arch/native/",)}
TELLING = re.compile(r"\bhv_|\bHV_|hvlib|hypercall|hypervisor|paravirt|paravane|\bxen|\bpv\b|\bpv_|"
                     r"\bis_pv|native|bare|emulat|\bsplit driver|\bdomain|grant|back end|front end", re.I)
# Conditions on anything but the guard of a header, and on the debug build.
CONDITION = re.compile(r"^\s*#\s*(?:if|ifdef|elif)\b(.*)$", re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
HEADERS = ("pvguest/include/arch/", "pvguest/include/front/", "pvguest/include/back/",
           "pvguest/include/model/", "pvguest/include/root/", "pvguest/include/user/")


def commands():
    """Every command that makes both images, as make would run them from nothing."""
    build = "build/" + ("clang" if "clang" in os.environ.get("CC", "") else "gcc") + "-release"
    targets = [f"{build}/{name}" for name in OWN]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "DEBUG", "T")}
    done = subprocess.run(["make", "-Bn", "V=1", "DEBUG=0", *targets], capture_output=True, text=True,
                          check=False, env=env)
    if done.returncode:
        finish([f"make -Bn: {done.stderr.strip()}"])
    return [shlex.split(line) for line in done.stdout.splitlines()
            if line.startswith(("ld ", "gcc ", "clang ")) and "$" not in line]


def output(command):
    return command[command.index("-o") + 1] if "-o" in command else ""


def links(found):
    """{image: the object files of its link that are not its own}."""
    shared = {}
    for image, own in OWN.items():
        link = next(c for c in found if c[0] == "ld" and output(c).endswith("/" + image))
        objects = [re.sub(r"^build/[^/]+/obj/", "", o) for o in link if o.endswith(".o")]
        shared[image] = {o for o in objects if not o.startswith(own)}
    return shared


def telling_bytes(path):
    """Names and strings of an object file that tell, its debugging information apart."""
    names = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    found = [line.split()[-1] for line in names.splitlines() if TELLING.search(line.split()[-1])]
    bare = path + ".bare"
    subprocess.run(["objcopy", "--strip-all", "--remove-section=.comment", path, bare], check=True)
    with open(bare, "rb") as f:
        texts = re.findall(rb"[\x20-\x7e]{2,}", f.read())
    return found + [t.decode() for t in texts if TELLING.search(t.decode())]


def compile_one(job):
    command, folder = job
    source = command[command.index("-c") + 1]
    path = os.path.join(folder, source.replace("/", "_") + ".o")
    command = [w for w in command if w not in ("-MMD", "-MP")]
    command[command.index("-o") + 1] = path
    subprocess.run(command, check=True)
    return [f"{source}: {text!r} tells on what it runs" for text in telling_bytes(path)]


def telling_source(path):
    """Macros and names that no object shows, and conditions."""
    text = COMMENT.sub(lambda m: "\n" * m.group(0).count("\n"), read(path))
    found = [f"{path}: the condition '{c.strip()}'" for c in CONDITION.findall(text)]
    for number, line in enumerate(text.splitlines(), 1):
        if TELLING.search(line):
            found.append(f"{path}:{number}: tells on what it runs: {line.strip()}")
    return found


all_commands = commands()
shared = links(all_commands)
first, second = shared.values()
problems = [f"{o} is linked in one of the images only" for o in sorted(first ^ second)]
compiled = [c for c in all_commands if "-c" in c and c[c.index("-c") + 1].endswith(".c")]
portable = []
for name in sorted(first & second - {"user.o"}):
    of = [c for c in compiled if output(c).endswith("/obj/" + name)]
    if len(of) > 1:
        problems.append(f"{name} is compiled {len(of)} times")
    portable += of[:1]
jobs = [c for c in portable if not c[c.index("-c") + 1].startswith("pvguest/arch/")]
if len(jobs) < 20:
    problems.append(f"only {len(jobs)} portable objects: that cannot be all of the kernel")
with tempfile.TemporaryDirectory() as scratch:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(compile_one, [(c, scratch) for c in jobs]):
            problems += found
sources = [c[c.index("-c") + 1] for c in jobs]
for source in sources + [h for h in files(".h", folders=("pvguest/include",))
                         if not h.startswith(HEADERS) and h != "pvguest/include/config.h"]:
    problems += telling_source(source)
finish(problems, f"{len(jobs)} objects in both images")

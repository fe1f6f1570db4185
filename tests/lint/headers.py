# SPDX-License-Identifier: BSD-2-Clause
"""Every header compiles alone, with both compilers and all warnings.

C17 for all of them; those of abi/ also with -Wpadded. Those and the library's also as C++17: guests
may be written in it, and any language with a C++ compiler may implement the other side.
"""

import concurrent.futures
import os
import subprocess
import tempfile

from _tree import files, finish

WARNINGS = ("-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wvla -Wundef -Wcast-qual "
            "-Wimplicit-fallthrough -Werror").split()
C_ONLY = "-Wstrict-prototypes -Wmissing-prototypes".split()
BARE = ("-ffreestanding -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing "
        "-fsyntax-only").split()
INCLUDES = {
    "abi": ["abi"],
    "hyp": ["abi", "hyp/include"],
    "libhypercall": ["abi", "libhypercall/include"],
    "pvguest": ["abi", "libhypercall/include", "pvguest/include"],
    "tests": ["abi", "libhypercall/include", "tests/harness/guest"],
}
UNIT = ["abi", "hyp/include", "libhypercall/include", "pvguest/include", "tests/unit"]
# As in the Makefile: what stands in for pvguest's architecture never sees hyp's headers.
UNIT_PV = [d for d in UNIT if d != "hyp/include"]


def jobs():
    """(description, command) of every compilation; -include, so that a header is not the main file."""
    for path in files(".h", folders=tuple(INCLUDES)):
        area = path.split("/")[0]
        unit = path.startswith("tests/unit/")
        pv = path.startswith("tests/unit/host_pv")
        flags = [f for d in (UNIT_PV if pv else UNIT if unit else INCLUDES[area])
                 for f in (["-iquote", d, "-idirafter", d] if unit else [f"-I{d}"])]
        if os.path.dirname(path).startswith("hyp/arch"):
            flags.append("-I" + os.path.dirname(path))
        bare = ["-fsyntax-only"] if unit else BARE
        for compiler in ("gcc", "clang"):
            for debug in "01":
                yield (f"{path} ({compiler}, HYP_DEBUG={debug})",
                       [compiler, "-std=c17", *WARNINGS, *C_ONLY, *bare, f"-DHYP_DEBUG={debug}",
                        *flags, *(["-Wpadded"] if area == "abi" else []), "-include", path])
        if path.startswith(("abi/", "libhypercall/include/")):
            for compiler in ("g++", "clang++"):
                yield (f"{path} ({compiler})", [compiler, "-std=c++17", *WARNINGS, *BARE,
                                                *(["-Wpadded"] if area == "abi" else []),
                                                *flags, "-include", path])


def compile_one(job):
    name, command = job
    language = "c++" if "++" in command[0] else "c"
    done = subprocess.run([*command, "-x", language, EMPTY], capture_output=True, text=True,
                          check=False)
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    return f"{name}: {(errors or [done.stderr.strip()])[0]}" if done.returncode else None


with tempfile.NamedTemporaryFile(suffix=".c") as empty:
    # ISO C wants a declaration in a translation unit.
    empty.write(b"typedef int not_empty;\n")
    empty.flush()
    EMPTY = empty.name
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(compile_one, list(jobs())))
finish([r for r in results if r], f"{len(results)} compilations")

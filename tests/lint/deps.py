# SPDX-License-Identifier: BSD-2-Clause
"""Every tool that the Makefile and the scripts call belongs to a package of `make deps`.

A word of a recipe or of a shell script that is the name of a program on this machine counts as a
call; so does, in a Python file, the first string of a list. dpkg names the package that owns the
program: it must be listed, essential, or a direct dependency of a listed one (gcc needs gcc-12).
"""

import ast
import os
import re
import shutil
import subprocess

from _tree import files, finish, read

WORD = re.compile(r"(?<![\w.$/-])(?:/usr/bin/)?[a-z][a-z0-9_+-]*[a-z0-9+](?![\w/=])")


def make_variable(name):
    """A variable's words, asked from make itself."""
    text = f"include Makefile\nprint:\n\t@echo $({name})\n"
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", "-s", "--no-print-directory", "-f", "-", "print"], text=True,
                          input=text, capture_output=True, check=True, env=environment).stdout.split()


def makefile_words():
    text = read("Makefile").replace("\\\n", " ")
    for line in re.findall(r"^\t(.*)$", text, re.M):
        # What is printed is no command.
        yield from WORD.findall(re.sub(r"echo '[^']*'|echo \"[^\"]*\"", "", line))
    yield from re.findall(r"\$\(shell ([a-z][\w-]*)", text)
    for name in ("LD", "AR", "NM", "OBJCOPY", "CC", "PYTHON"):
        yield from make_variable(name)


def script_words(path):
    for line in read(path).splitlines():
        yield from WORD.findall(re.sub(r"^\s*#.*|\"[^\"$]*\"|'[^']*'", "", line))


def python_words(path):
    """First strings of lists, strings of tuples, and those named in capitals (QEMU = "...")."""
    for node in ast.walk(ast.parse(read(path))):
        values = []
        if isinstance(node, ast.List):
            values = node.elts[:1]
        elif isinstance(node, ast.Tuple):
            values = node.elts
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) \
                and node.func.attr in ("run", "Popen"):
            values = node.args[:1]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) \
                and node.targets[0].id.isupper():
            values = [node.value]
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) \
                    and re.fullmatch(r"(/usr/bin/)?[a-z][\w.+-]*", value.value):
                yield value.value


def candidates(path):
    """The names by which dpkg may know a file: a merged system has it as /bin and as /usr/bin."""
    real = os.path.realpath(path)
    return {path, real, path.replace("/usr/", "/", 1), real.replace("/usr/", "/", 1)}


def owners(paths):
    """The packages of each file, asked in one go."""
    done = subprocess.run(["dpkg-query", "-S", *sorted(set().union(*map(candidates, paths)))],
                          capture_output=True, text=True, check=False)
    known = {}
    for line in done.stdout.splitlines():
        names, path = line.rsplit(": ", 1)
        known.setdefault(path, set()).update(p.split(":")[0].strip() for p in names.split(","))
    return {p: set().union(*(known.get(c, set()) for c in candidates(p))) for p in paths}


# Tools of the campaigns come with `make deps-assurance`.
CAMPAIGNS = ("tests/proof/", "tests/harness/coverage.py")


def packages(variables):
    """(listed, allowed)"""
    listed = {name for v in variables for name in make_variable(v)}
    rows = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\t${Essential}\t${Priority}\t"
                           "${Depends}, ${Pre-Depends}\n"], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    allowed = set(listed)
    for row in rows:
        name, essential, priority, needs = row.split("\t")
        if essential == "yes" or priority == "required":
            allowed.add(name)
        if name in listed:
            allowed |= {re.split(r"[ (:]", need.strip())[0] for need in re.split(r"[,|]", needs)}
    return listed, allowed


listed, allowed = packages(["PACKAGES"])
_, campaigns = packages(["PACKAGES", "PACKAGES_ASSURANCE"])
calls = {}
sources = [("Makefile", makefile_words())]
sources += [(p, script_words(p)) for p in files(".sh", "/run")]
sources += [(p, python_words(p)) for p in files(".py")]
for where, words in sources:
    for word in words:
        calls.setdefault(word, where)

programs = {word: shutil.which(word) for word in sorted(calls)}
tools = [word for word in programs if programs[word]]
packages_of = owners([programs[word] for word in tools])
problems = []
for word in tools:
    where, names = calls[word], packages_of[programs[word]]
    if not names & (campaigns if where.startswith(CAMPAIGNS) else allowed):
        problems.append(f"{where}: {word} belongs to {', '.join(names) or 'no package'}, "
                        "which make deps does not install")
print("tools:", " ".join(tools))
finish(problems, f"{len(tools)} tools, {len(listed)} packages")

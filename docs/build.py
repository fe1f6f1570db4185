# SPDX-License-Identifier: BSD-2-Clause
"""Builds the documentation: `build.py build/docs`. Warnings are errors, and so are broken links.

The sources are copied to OUT/source, where what is made from the tree joins them: drawings, pages of the
ABI lists, of the tests and attacks, tables of benchmarks, the steps of the guided tour, and one page per
public header. Doxygen reads the headers and leaves XML, Breathe takes it from there, and Sphinx makes
OUT/html.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

import figures
import gen_abi
import gen_advisories
import gen_bench
import gen_porting
import gen_tests
import gen_tour
import gen_types
import links

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
# Name, folder and title of what Doxygen reads, one project each.
PROJECTS = (("abi", "abi", "ABI headers"),
            ("libhypercall", "libhypercall/include", "libhypercall headers"))


def doxygen(out, project, folder):
    """XML of the headers below folder. A warning ends the build."""
    output = os.path.join(out, "doxygen", project)
    shutil.rmtree(output, ignore_errors=True)
    os.makedirs(output)
    with open(os.path.join(HERE, "Doxyfile"), encoding="utf-8") as f:
        settings = f.read()
    settings += f"\nINPUT = {folder}\nOUTPUT_DIRECTORY = {output}\n"
    subprocess.run(["doxygen", "-"], input=settings, text=True, check=True)


def header_page(project, folder, title):
    """A page with the contracts of every header below folder."""
    lines = [title, "=" * len(title), "", f"Made from the comments of ``{folder}/``.", ""]
    for path in sorted(glob.glob(f"{folder}/**/*.h", recursive=True)):
        name = os.path.relpath(path, folder)
        lines += [name, "-" * len(name), "", f".. doxygenfile:: {path}",
                  f"   :project: {project}", ""]
    return "\n".join(lines)


def bundle(scripts):
    """Debian's furo leaves its script as a module that imports another, and pages take it as a plain one,
    so nothing in it runs: neither the switch between light and dark nor the marks of where one is. The
    two become one script, which also works from a file."""
    path = os.path.join(scripts, "furo.js")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    line, _, rest = text.partition("\n")
    if re.fullmatch(r'import Gumshoe from "./gumshoe-patched.js";', line):
        with open(os.path.join(scripts, "gumshoe-patched.js"), encoding="utf-8") as f:
            text = f.read() + rest
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def main():
    out = os.path.abspath(sys.argv[1])
    os.chdir(TOP)
    source = os.path.join(out, "source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__", "*.py", "*.trace", "Doxyfile"))
    shutil.copy(os.path.join(HERE, "conf.py"), source)
    reference = os.path.join(source, "reference")
    os.makedirs(reference, exist_ok=True)
    types = gen_types.parse()
    gen_abi.write(reference, {s.name for found, _ in types.values() for s in found})
    gen_types.write(reference, types)
    gen_advisories.write(reference)
    gen_bench.write(reference)
    gen_porting.write(reference)
    gen_tests.write(reference)
    drawings = os.path.join(source, "figures")
    figures.write(drawings)
    gen_tour.write(reference, drawings)
    for project, folder, title in PROJECTS:
        doxygen(out, project, folder)
        page = os.path.join(reference, f"{project}-headers.rst")
        with open(page, "w", encoding="utf-8") as f:
            f.write(header_page(project, folder, title))
    subprocess.run(["/usr/bin/python3", "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2",
                    "-d", os.path.join(out, "doctrees"), source, os.path.join(out, "html")],
                   check=True, env=dict(os.environ, PYTHONPATH=HERE,
                                        PARAVANE_DOXYGEN=os.path.join(out, "doxygen")))
    bundle(os.path.join(out, "html", "_static", "scripts"))
    problems = links.check(os.path.join(out, "html"), gen_abi.names() + gen_types.names(types))
    if problems:
        sys.exit("\n".join(problems))
    print(f"docs: {os.path.relpath(out)}/html/index.html")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as why:
        sys.exit(why.returncode or 1)

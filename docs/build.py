# SPDX-License-Identifier: BSD-2-Clause
"""Builds the documentation: `build.py build/docs`. Warnings are errors.

The sources are copied to OUT/source, where the pages made from the ABI lists and one page per
public header join them. Doxygen reads the headers and leaves XML, Breathe takes it from there, and
Sphinx makes OUT/html.
"""

import glob
import os
import shutil
import subprocess
import sys

import gen_abi

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
GROUPS = (("abi", "ABI headers"), ("libhypercall/include", "libhypercall"))


def doxygen(out):
    """XML of the public headers. A warning ends the build."""
    folders = [d for d, _ in GROUPS if os.path.isdir(d)]
    shutil.rmtree(os.path.join(out, "doxygen"), ignore_errors=True)
    os.makedirs(os.path.join(out, "doxygen"))
    with open(os.path.join(HERE, "Doxyfile"), encoding="utf-8") as f:
        settings = f.read()
    settings += f"\nINPUT = {' '.join(folders)}\nOUTPUT_DIRECTORY = {out}/doxygen\n"
    subprocess.run(["doxygen", "-"], input=settings, text=True, check=True)


def header_page(folder, title):
    """A page with the contracts of every header below folder."""
    lines = [title, "=" * len(title), "", f"Made from the comments of ``{folder}/``.", ""]
    for path in sorted(glob.glob(f"{folder}/**/*.h", recursive=True)):
        name = os.path.relpath(path, folder)
        lines += [name, "-" * len(name), "", f".. doxygenfile:: {path}", "   :project: paravane", ""]
    return "\n".join(lines)


def main():
    out = os.path.abspath(sys.argv[1])
    os.chdir(TOP)
    source = os.path.join(out, "source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("__pycache__", "*.py", "Doxyfile"))
    shutil.copy(os.path.join(HERE, "conf.py"), source)
    reference = os.path.join(source, "reference")
    os.makedirs(reference, exist_ok=True)
    doxygen(out)
    sys.argv = ["gen_abi.py", reference]
    gen_abi.main()
    for folder, title in GROUPS:
        if glob.glob(f"{folder}/**/*.h", recursive=True):
            name = "abi" if folder == "abi" else "libhypercall"
            with open(os.path.join(reference, f"{name}-headers.rst"), "w", encoding="utf-8") as f:
                f.write(header_page(folder, title))
    subprocess.run(["/usr/bin/python3", "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2",
                    "-d", os.path.join(out, "doctrees"), source, os.path.join(out, "html")],
                   check=True, env=dict(os.environ, PARAVANE_DOXYGEN=os.path.join(out, "doxygen/xml")))
    print(f"docs: {os.path.relpath(out)}/html/index.html")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as why:
        sys.exit(why.returncode or 1)

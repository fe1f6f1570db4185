# SPDX-License-Identifier: BSD-2-Clause
"""`make coverage`: what the unit tests have run of the hypervisor, told and judged by gcovr.

Writes HTML pages, prints a line for each file with the lines that were not run, and fails below the
limits. Branches that the compiler made and no source line has are left out.
"""

import argparse
import os
import subprocess
import sys

LINES, BRANCHES = 90, 80  # percent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="folder with the notes and counts of gcov")
    parser.add_argument("folder", nargs="+", help="of the tree, to be judged")
    args = parser.parse_args()
    pages = os.path.join(args.build, "html")
    os.makedirs(pages, exist_ok=True)
    command = ["gcovr", "--root", ".", "--object-directory", args.build, "--exclude-unreachable-branches",
               *(f"--filter={folder}/" for folder in args.folder)]
    for more in (["--html-details", os.path.join(pages, "index.html")],
                 ["--print-summary", "--fail-under-line", str(LINES), "--fail-under-branch", str(BRANCHES)]):
        done = subprocess.run([*command, *more, args.build], check=False)
        if done.returncode:
            print(f"coverage: at least {LINES}% of the lines and {BRANCHES}% of the branches are wanted")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

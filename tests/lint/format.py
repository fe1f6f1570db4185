# SPDX-License-Identifier: BSD-2-Clause
"""Every C file is laid out as clang-format would."""

import subprocess

from _tree import files, finish

paths = files(".c", ".h")
done = subprocess.run(["clang-format", "--dry-run", "-Werror", *paths], capture_output=True,
                      text=True, check=False) if paths else None
problems = [line for line in done.stderr.splitlines() if "error:" in line] if done else []
finish(problems, f"{len(paths)} files")

# SPDX-License-Identifier: BSD-2-Clause
"""Every source file names its licence in its first line."""

from _tree import files, finish, read

TAG = "SPDX-License-Identifier: BSD-2-Clause"
SUFFIXES = (".c", ".h", ".S", ".def", ".lds", ".py", ".sh", ".awk", ".cfg", ".conf", "Makefile", "run")

paths = files(*SUFFIXES) + ["Makefile"]
# A script's first line may have to be its interpreter.
finish([f"{p}: no {TAG}" for p in paths if TAG not in "".join(read(p).splitlines()[:2])],
       f"{len(paths)} files")

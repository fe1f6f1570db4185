# SPDX-License-Identifier: BSD-2-Clause
"""Ring 0 stays small: fewer than 9,000 lines of code in hyp/, as cloc counts them."""

import json
import os
import subprocess

from _tree import finish

LIMIT = 9000

if not os.path.isdir("hyp"):
    finish([], "no hyp yet")
out = subprocess.run(["cloc", "--quiet", "--json", "hyp"], capture_output=True, text=True,
                     check=True).stdout
code = json.loads(out[out.index("{"):])["SUM"]["code"] if "{" in out else 0
finish([f"hyp/ has {code} lines of code, the limit is {LIMIT}"] if code >= LIMIT else [],
       f"{code} lines of code, limit {LIMIT}")

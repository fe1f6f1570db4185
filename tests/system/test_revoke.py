# SPDX-License-Identifier: BSD-2-Clause
"""A front end takes back what it lent at every step of the back end's work on a request (G10).

Under -icount shift=0 a nanosecond is an instruction. The front end sends a request, sleeps for a number of
nanoseconds in which root's back end has the processor, and revokes: each of the rings, the data region, and
every combination. Root must live and declare the peer gone, nothing may be written to memory that was taken
back, and the next connection must work. A vulnerable back end faults in its own kernel, or goes on with what
is somebody else's by then.

The whole path, instruction by instruction, takes long: STEPS=all make test T='system/*every_step*'. Otherwise
every 211th is tried.
"""

import os
import re

import conf

PATH = 6000  # instructions from the send until the answer is there, and more


def revoke(system, first, stride, steps):
    """One machine's share; returns how many revocations there were and how many came after the answer."""
    image = system.random_image(200 * 1024, seed=9)
    drives, _ = conf.drives(system, image)
    role = f"revoke first={first} stride={stride} steps={steps}"
    text = conf.domain("x", role, disks=("vda split",), memory="8M")
    with system.boot_demo(text, root="poweroff=all", drives=drives, icount=True,
                          timeout=55.0) as machine:
        end = machine.wait()
    found = re.search(r"REVOKE ok done=(\d+) answered=(\d+)", machine.text)
    system.check(found is not None, f"first={first} stride={stride}: {machine.last_line()}")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    return int(found[1]), int(found[2])


def test_revoked_at_every_step(system):
    "whatever step of a request a revocation hits, root lives and the next connection works"
    if os.environ.get("STEPS") == "all":
        shares = [revoke(system, first, 1, 40) for first in range(0, PATH, 40)]
    else:
        shares = [revoke(system, 0, 211, PATH // 211)]
    done, answered = (sum(share[i] for share in shares) for i in (0, 1))
    system.check(0 < answered < done, f"{answered} of {done} requests were answered before: not all, not none")

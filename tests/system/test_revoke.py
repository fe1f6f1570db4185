# SPDX-License-Identifier: BSD-2-Clause
"""A front end takes back what it lent at every step of the back end's work on a request (G10).

Under -icount shift=0 a nanosecond is an instruction. The front end fills the ring with reads, sleeps for a number of
nanoseconds in which root's back end has the processor, and revokes: each of the rings, the data region, and
every combination. The back end has more to do than it can before it has to give way, so that each revocation comes in
the middle of its work on a request. Root must live and declare the peer gone, nothing may be written to memory that was
taken back, and the next connection must work. The disk is root's RAM there: a real one answers when the host does,
and so a run with one, in which requests are under way in the device, is made in the host's time. A vulnerable back end
faults in its own kernel, or goes on with what is somebody else's by then.

The whole path, instruction by instruction, takes long: STEPS=all make test T='system/*every_step*'. Otherwise
every 211th is tried.
"""

import os
import re

import conf

# In nanoseconds, which are instructions: from here on a sleeper gets the processor back at once, from
# one that has more requests before it than it can serve until then; and what one request takes, and more.
FIRST, PATH = 52000, 6000


def revoke(system, first, stride, steps, disk="rd0"):
    """One machine's share; how many revocations there were, and how many came amid the reads."""
    image = system.random_image(200 * 1024, seed=9)
    role = f"revoke first={first} stride={stride} steps={steps}"
    text = conf.domain("x", role, disks=(f"{disk} split",), memory="8M", more=("weight = 65535",))
    medium = {"drives": conf.drives(system, image)[0]} if disk == "vda" else {"ramdisk": image, "icount": True}
    with system.boot_demo(text, root="poweroff=all", timeout=55.0, **medium) as machine:
        end = machine.wait()
    found = re.search(r"REVOKE ok done=(\d+) amid=(\d+)", machine.text)
    system.check(found is not None, f"first={first} stride={stride}: {machine.last_line()}")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    return int(found[1]), int(found[2])


def test_revoked_at_every_step(system):
    "whatever step of a request a revocation hits, root lives and the next connection works"
    if os.environ.get("STEPS") == "all":
        shares = [revoke(system, first, 1, 40) for first in range(FIRST, FIRST + PATH, 40)]
    else:
        shares = [revoke(system, FIRST, 211, PATH // 211)]
    done, amid = (sum(share[i] for share in shares) for i in (0, 1))
    system.check(amid == done, f"{amid} of {done} revocations came amid the reads")


def test_revoked_with_requests_in_the_device(system):
    "the same, at any time, with a disk that answers when it likes"
    done, _ = revoke(system, 0, 4999, 24, disk="vda")
    system.check(done == 24 * 7, f"{done} revocations")

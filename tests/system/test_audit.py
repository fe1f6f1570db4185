# SPDX-License-Identifier: BSD-2-Clause
"""The audit finds what it is for: each kind of error, planted in a debug build, is seen and named."""

KINDS = ("maps", "grant-count", "pin-count", "charge", "live-count", "leak", "double-use", "free-list",
         "quarantine", "no-grant", "shared-page", "mmio", "leaf-bits", "shared-writable",
         "table-reachable", "vcpus", "views", "write-exec")


def root(system, append):
    """Boots a root that ends by itself; hyp audits when it does."""
    return system.boot("tests/guest/version.elf root", append=append)


def test_clean(system):
    "with nothing planted there is nothing to find"
    with root(system, "") as machine:
        machine.expect(r"^hyp: audit: ok \(\d+ frames, 1 domains\)$")
        system.check(machine.wait().orderly, "an orderly end")


def test_planted(system):
    "each kind of planted error is found, and called by its name"
    for kind in KINDS:
        with root(system, f"audit-plant={kind}") as machine:
            machine.expect(rf"^hyp: audit-plant: {kind}$")
            machine.expect(rf"^hyp: audit: {kind}: ")
            found = machine.expect(r"^hyp: audit: (\d+) errors$")
            system.check(int(found[1]) > 0, "the errors are counted")
            machine.wait()


test_clean.needs = "debug"
test_planted.needs = "debug"

# SPDX-License-Identifier: BSD-2-Clause
"""The guest of docs/abi/bare.S: made from the reference alone, without the library."""

LINK = ["ld", "-nostdlib", "-static", "-z", "noexecstack", "-z", "max-page-size=4096",
        "-T", "libhypercall/guest.lds"]


def boots(system, compiler, *flags):
    """Builds it as its page says, boots it, and sees both lines and a clean end."""
    made = system.run(compiler, *flags, "-c", "docs/abi/bare.S", "-o", system.path("bare.o"))
    system.check(made.returncode == 0, made.stdout)
    linked = system.run(*LINK, system.path("bare.o"), "-o", system.path("bare.elf"))
    system.check(linked.returncode == 0, linked.stdout)
    with system.boot(system.path("bare.elf"), icount=True) as machine:
        machine.expect(r"^hello, without a library$")
        machine.expect(r"^the timer came$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")


def test_gcc(system):
    "a guest written from the reference alone, assembled by gcc"
    boots(system, "gcc")


def test_clang(system):
    "the same by clang"
    boots(system, "clang", "--target=x86_64-unknown-none-elf")

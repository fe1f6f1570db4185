# SPDX-License-Identifier: BSD-2-Clause
"""hyp's own boot: what it says, what it refuses, and what a panic looks like.

No module is loaded: everything asserted here is printed before core looks for root.
"""

BUILD_ID = r"[0-9a-f]{40}"


def test_says_what_it_found(system):
    "the first lines name the build, the clocks, the CPU and the memory"
    with system.boot(memory=300, icount=True) as machine:
        machine.expect(rf"^hyp: Paravane \S+ \((gcc|clang), (debug|release)\) build {BUILD_ID}$")
        clock = machine.expect(r"^hyp: clock: TSC (\S+) MHz, LAPIC timer (\S+) MHz")
        machine.expect(r"^hyp: cpu: QEMU")
        machine.expect(r"^hyp: speculation: .*none is mitigated")
        memory = machine.expect(r"^hyp: memory: (\d+) MiB, (\d+) KiB free")
        boot = machine.expect(r"^hyp: boot: first line at TSC (\d+), now (\d+); "
                              r"zeroing (\d+), calibration (\d+)\s")
    system.check(clock.groups() == ("1000.000000", "1000.000000"),
                 f"1 GHz under -icount shift=0, not {clock.groups()}")
    system.check(295 <= int(memory[1]) <= 300 and int(memory[2]) > 290 * 1024,
                 f"300 MiB of memory, not {memory[0]}")
    first, now, zeroing, calibration = map(int, boot.groups())
    system.check(calibration <= 5_000_000, f"calibration within 5 ms, not {calibration} ns")
    system.check(now - first - zeroing - calibration < 1_500_000,
                 f"a short boot, not {now - first - zeroing - calibration} instructions")


def test_much_memory(system):
    "memory above 4 GiB is found and mapped"
    with system.boot(memory=6144) as machine:
        memory = machine.expect(r"^hyp: memory: (\d+) MiB, (\d+) KiB free")
        machine.expect(r"^hyp: boot: ")
    system.check(int(memory[2]) > 6100 * 1024, f"6 GiB free, not {memory[0]}")


def test_names_what_the_cpu_lacks(system):
    "a CPU without a required feature is refused with one clear line"
    for feature in ("nx", "smep", "smap", "fsgsbase", "xsave"):
        with system.boot(extra=["-cpu", f"max,-{feature}"]) as machine:
            machine.expect(rf"^hyp: this CPU has no {feature.upper()}; Paravane cannot run here$")
            system.check(machine.wait().panic, f"without {feature} hyp stops")


def test_refuses_a_32_bit_cpu(system):
    "a CPU without long mode is refused with one clear line"
    with system.boot(extra=["-cpu", "max,-lm"]) as machine:
        machine.expect(r"^hyp: this CPU has no 64-bit mode")
        system.check(machine.wait().panic, "hyp stops")


def panics(system, kind, reason, caller):
    """Provokes a panic and checks everything that it has to print."""
    with system.boot(append=f"panic-test={kind}") as machine:
        build = machine.expect(rf"build ({BUILD_ID})$")
        machine.expect(rf"^hyp: PANIC: {reason}")
        machine.expect(rf"^hyp: version .* build {build[1]}, cpu 0$")
        machine.expect(r"^hyp: rip ffff8200[0-9a-f]{8} rsp ffff83[0-9a-f]{10} ")
        machine.expect(r"^hyp: backtrace:$")
        machine.expect(rf"^hyp:   {caller}\+0x[0-9a-f]+ \[")
        machine.expect(r"^hyp:   trace 0: .* boot ")
        end = machine.wait()
    system.check(end.panic, f"a panic ends the machine as such, not by {end}")


def test_panic_assert(system):
    "a failed assertion prints build id, registers, backtrace and trace"
    panics(system, "assert", r"ASSERT: boot == NULL \(.*panic_test\.c:\d+\)", "boot_finish")


def test_panic_page_fault(system):
    "so does a page fault in hyp, with its address"
    panics(system, "pf", r"#PF in hyp: writing ffff838000000000, error 2", "boot_finish")


def test_panic_invalid_opcode(system):
    "so does an invalid instruction"
    panics(system, "ud", r"#UD in hyp: ", "boot_finish")


def test_panic_stack_overflow(system):
    "a stack overflow hits the guard page and is told by the double fault's own stack"
    panics(system, "df", r"stack overflow: #DF after a fault on guard page ffff8380", "overflow_stack")


def test_panic_lock_order(system):
    "a lock that is taken after one of a higher rank is told where it is taken"
    panics(system, "lock", r"ASSERT: .*lock_ranks.*lock\.c:\d+\)", "lock_rank_push")


for _test in (test_panic_assert, test_panic_page_fault, test_panic_invalid_opcode,
              test_panic_stack_overflow, test_panic_lock_order):
    _test.needs = "debug"

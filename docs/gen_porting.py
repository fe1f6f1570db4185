# SPDX-License-Identifier: BSD-2-Clause
"""Counts what each operation takes on the bare machine and as a guest: `gen_porting.py FOLDER`.

porting.inc: a table of all operations. porting-NAME.inc: one line for the section of an operation.
A line counts when it holds code: neither blank nor comment alone. A part names a file, or functions
of it; a name that is not there is an error, so that the pages cannot fall behind the tree.
"""

import glob
import os
import re
import sys

NATIVE, PV, LIB = "pvguest/arch/native", "pvguest/arch/pv", "libhypercall"
DRIVERS = "pvguest/drivers"
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


class Missing(Exception):
    """A part that the tree does not have."""


# name: (title, bare machine, guest, library); a part is "path" or "path: function function".
OPERATIONS = {
    "boot": ("start", [
        f"{NATIVE}/boot.S",
        f"{NATIVE}/start.c: physical copy_text take_modules take_region take_map native_start "
        "free_start give_memory arch_init arch_start",
        f"{NATIVE}/cpu.c: need bit leaf_or_none set_features set_tss native_cpu_load native_cpu_init"],
        [f"{PV}/start.c: guest_main arch_init arch_start"],
        [f"{LIB}/arch/x86_64/start.S", f"{LIB}/src/init.c", f"{LIB}/src/start.c"]),
    "memory": ("page tables", [
        f"{NATIVE}/memory.c: arch_page_address arch_frame_of table_alloc table_at slot walk kernel_map "
        "image_map direct_rights direct_map native_memory_init arch_space_create tables_free "
        "arch_space_destroy load arch_space_switch space_set arch_space_map arch_space_unmap",
        f"{NATIVE}/cpu.c: native_set_stack"],
        [f"{PV}/memory.c"],
        [f"{LIB}/src/memory.c: run_all hv_map_range hv_unmap_range hv_space_end"]),
    "traps": ("faults", [
        f"{NATIVE}/entry.S: trap native_stubs", f"{NATIVE}/cpu.c: set_idt",
        f"{NATIVE}/trap.c: name_of is_text line show_trail show_registers kernel_fault native_trap"],
        [f"{PV}/entry.S: hv_entry_user", f"{PV}/user.c: user_event"],
        [f"{LIB}/arch/x86_64/entry.S", f"{LIB}/src/trap.c"]),
    "syscalls": ("system calls, user mode", [
        f"{NATIVE}/entry.S: native_syscall native_enter_user",
        f"{NATIVE}/trap.c: arch_user_start arch_user_set_fs"],
        [f"{PV}/entry.S: hv_entry_syscall",
         f"{PV}/user.c: user_refused arch_user_start arch_user_set_fs"], []),
    "interrupts": ("interrupts", [
        f"{NATIVE}/entry.S: interrupt",
        f"{NATIVE}/irq.c: apic_read apic_write ioapic_read ioapic_write pin_set ioapic_init "
        "native_apic_enable native_irq_init serve native_interrupt arch_irq_save arch_irq_restore arch_irq_attach "
        "arch_irq_detach arch_irq_isa_line"],
        [f"{PV}/start.c: arch_irq_save arch_irq_restore pv_serve dispatch arch_irq_attach arch_irq_detach "
         "arch_irq_isa_line"],
        [f"{LIB}/src/event.c"]),
    "timer": ("timer and time", [
        f"{NATIVE}/clock.c", f"{NATIVE}/irq.c: native_apic_timer native_apic_timer_left"],
        [f"{PV}/clock.c", f"{PV}/start.c: on_timer timer_event pv_timer_listen"], [f"{LIB}/src/clock.c"]),
    "console": ("console", [
        f"{NATIVE}/console.c: native_console_init put arch_early_write", f"{DRIVERS}/hw/uart.c"],
        [f"{PV}/start.c: arch_early_write", f"{DRIVERS}/front/console.c"],
        [f"{LIB}/src/console.c"]),
    "disk": ("disk", [f"{DRIVERS}/hw/ide*.c"], [f"{DRIVERS}/front/block*.c"],
             [f"{LIB}/src/{name}.c" for name in ("ring", "grant", "device")]),
    "devices": ("registers, DMA, messages", [
        f"{NATIVE}/device.c", f"{NATIVE}/memory.c: arch_mmio_map", f"{NATIVE}/irq.c: arch_msi_line"],
        [f"{PV}/device.c"], []),
    "cpus": ("other CPUs", [f"{NATIVE}/acpi.c", f"{NATIVE}/smp.c",
                            f"{NATIVE}/cpu.c: native_cpu_prepare"],
             [f"{PV}/smp.c"], [f"{LIB}/src/vcpu.c"]),
    "idle": ("idling", [f"{NATIVE}/irq.c: arch_idle"], [f"{PV}/start.c: arch_idle"], []),
    "shutdown": ("switching off", [f"{NATIVE}/console.c: arch_shutdown"],
                 [f"{PV}/start.c: arch_shutdown"], []),
}


def code(text):
    """Lines that hold code."""
    bare = COMMENT.sub(lambda m: "\n" * m.group(0).count("\n"), text)
    return sum(1 for line in bare.splitlines() if line.strip())


def function(path, text, name):
    """The text of one function: in C as clang-format lays it out, in assembly from label to .size."""
    if path.endswith(".S"):
        pattern = rf"^{name}:\n.*?^\s*\.size\s+{name}\b"
    else:
        pattern = rf"^[\w_][^\n;={{}}]*\b{name}\([^;{{}}]*\)\n\{{\n.*?^\}}"
    found = re.search(pattern, text, re.M | re.S)
    if not found:
        raise Missing(f"{path}: no function {name}")
    return found.group(0)


def count(part):
    """(path, lines) of each file of a part."""
    pattern, _, names = part.partition(": ")
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise Missing(f"no file {pattern}")
    for path in paths:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        lines = sum(code(function(path, text, n)) for n in names.split()) if names else code(text)
        yield path, lines


def total(parts):
    counted = [c for part in parts for c in count(part)]
    return sum(lines for _, lines in counted), sorted({path for path, _ in counted})


def folder_lines(folder):
    return total([f"{folder}/*.[chS]"])[0]


def listed(paths):
    return ", ".join(f"``{os.path.relpath(p, 'pvguest') if p.startswith('pvguest') else p}``"
                     for p in paths)


def line_of(native, guest, library):
    text = f"*Lines of code.* Bare machine: {native[0]} ({listed(native[1])}). "
    text += f"Paravane: {guest[0]} ({listed(guest[1])})"
    if library[0]:
        text += f", and {library[0]} of the library ({listed(library[1])})"
    return text + ".\n"


def table(counts):
    out = [".. list-table::", "   :header-rows: 1", "", "   * - operation", "     - bare machine",
           "     - Paravane", "     - of the library"]
    for name, three in counts.items():
        out += [f"   * - :ref:`{OPERATIONS[name][0]} <port-{name}>`"]
        out += [f"     - {n}" if n else "     -" for n, _ in three]
    own = [folder_lines(NATIVE), folder_lines(PV)]
    parts = [sum(c[i][0] for c in counts.values()) for i in range(3)]
    out += ["   * - all of these"] + [f"     - {n}" for n in parts]
    out += ["   * - ``arch/native/`` and ``arch/pv/`` alone, headers too", f"     - {own[0]}",
            f"     - {own[1]}", "     -"]
    same = sum(folder_lines(f"pvguest/{d}") for d in ("kernel", "guest", "arch/x86"))
    out += ["   * - the same in both: ``kernel/``, ``guest/``, ``arch/x86/``", f"     - {same}", f"     - {same}", "     -"]
    return "\n".join(out) + "\n"


def write(folder):
    counts = {name: [total(parts) for parts in op[1:]] for name, op in OPERATIONS.items()}
    for name, three in counts.items():
        with open(os.path.join(folder, f"porting-{name}.inc"), "w", encoding="utf-8") as f:
            f.write(line_of(*three))
    with open(os.path.join(folder, "porting.inc"), "w", encoding="utf-8") as f:
        f.write(table(counts))


if __name__ == "__main__":
    write(sys.argv[1])

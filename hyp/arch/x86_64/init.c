/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init.c: the order in which the machine comes up.
 *
 * Owns struct boot_info. First on the boot stack and the boot page tables, which are writable and
 * executable throughout; then, with neither, on the boot CPU's own stack behind its guard page.
 */
#include "arch/insn.h"
#include "audit.h"
#include "boot_arch.h"
#include "cpu.h"
#include "machine.h"
#include "platform.h"
#include "printk.h"
#include "string.h"
#include "trace.h"
#include "uart.h"
#include "version.h"

#define TRACE_PAGES ((sizeof(struct trace_ring) + PAGE_MASK) / PAGE_SIZE)

static struct boot_info boot;

static void report_memory(void) {
    uint64_t free_bytes = 0;

    for (uint32_t i = 0; i < boot.free_count; i++)
        free_bytes += boot.free[i].end - boot.free[i].start;
    printk("memory: %lu MiB, %lu KiB free; image %lx-%lx; %u modules by %s", boot.ram_bytes >> 20,
           free_bytes >> 10, boot.image_start, boot.image_end, boot.module_count, boot.loader);
}

/* On the boot CPU's own stack and the final page tables. */
static void boot_finish(void) {
    struct cpu *cpu = this_cpu();

    cpus[0] = cpu;
    cpu_count = 1;
    cpu_syscall_init(cpu);
    pic_init();
    apic_init(cpu);
    ioapic_init();
    clock_init(&boot);
    rtc_read(&boot);
    smp_start(&boot);
    for (uint32_t i = 0; i < cpu_count; i++) cpus[i]->trace = bootmem_alloc(TRACE_PAGES);
    bootmem_finish();
    paging_check();
    cpu_report();
    report_memory();
    trace(HV_TRACE_boot, boot.mem_count, boot.module_count, platform.cpu_count);
    panic_test(&boot);
    printk("boot: first line at TSC %lu, now %lu; zeroing %lu, calibration %lu",
           boot.tsc_first_line, rdtsc(), boot.tsc_zeroing, boot.tsc_calibration);
    hyp_main(&boot);
}

void boot_start(uint32_t magic, uint32_t info) {
    struct cpu *cpu;

    uart_init();
    boot.tsc_first_line = rdtsc();
    printk("Paravane " HYP_VERSION " (" HYP_COMPILER ", " HYP_BUILD ") build %s", build_id());
    idt_init();
    cpu_features_init();
    cpu_control_init();
    multiboot_parse(&boot, magic, info);
    acpi_init(&boot);
    bootmem_init(&boot);
    paging_init(&boot);
    cpu = cpu_area_create(0);
    write_cr3(hyp_root);
    desc_load(cpu);
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; call *%1" : : "D"(cpu), "S"(boot_finish));
    __builtin_unreachable();
}

bool boot_option(const struct boot_info *info, const char *name, char *value, size_t size) {
    size_t length = strlen(name);

    for (const char *p = info->cmdline, *end; *p != '\0'; p = end + (*end == ' ')) {
        for (end = p; *end != '\0' && *end != ' ';) end++;
        if ((size_t)(end - p) >= length && strncmp(p, name, length) == 0 &&
            (p + length == end || p[length] == '=')) {
            const char *text = p + length + (p + length < end);
            size_t n = (size_t)(end - text) < size - 1 ? (size_t)(end - text) : size - 1;

            memcpy(value, text, n);
            value[n] = '\0';
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.c: what the CPU must have, what hyp switches on, and what the CPU says of its leaks.
 *
 * cpu_features is written here once. Without NX, SMEP, SMAP, FSGSBASE, SYSCALL and XSAVE hyp
 * cannot keep its promises, so a CPU without one of them is refused with one line.
 */
#include "arch/cpu.h"
#include "arch/insn.h"
#include "boot_arch.h"
#include "cpu.h"
#include "machine.h"
#include "printk.h"
#include "string.h"

#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)

/* IA32_PAT's reset value: 0 WB, 1 WT, 2 UC-, 3 UC, and again. */
#define PAT_DEFAULT UINT64_C(0x0007040600070406)

/* CF PF AF ZF SF TF IF DF OF IOPL NT RF VM AC VIF VIP ID: SYSCALL enters with none of them. */
#define SFMASK UINT64_C(0x3f7fd5)

struct cpu_features cpu_features;
struct cpu *cpus[CPU_MAX];
uint32_t cpu_count;

static struct cpuid_regs leaf(uint32_t number, uint32_t subleaf) {
    /* Leaves beyond the highest return the highest basic one's data: treat them as empty. */
    if (cpuid(number & 0x80000000, 0).a < number) return (struct cpuid_regs){ 0, 0, 0, 0 };
    return cpuid(number, subleaf);
}

static void require(uint32_t word, unsigned int bit, const char *name) {
    if (!(word & (UINT32_C(1) << bit))) {
        printk("this CPU has no %s; Paravane cannot run here", name);
        machine_halt();
    }
}

void cpu_features_init(void) {
    struct cpuid_regs basic = leaf(1, 0), ext = leaf(7, 0), amd = leaf(0x80000001, 0);

    require(amd.d, 20, "NX");
    require(amd.d, 11, "SYSCALL");
    require(ext.b, 7, "SMEP");
    require(ext.b, 20, "SMAP");
    require(ext.b, 0, "FSGSBASE");
    require(basic.c, 26, "XSAVE");
    require(basic.d, 9, "local APIC");
    require(basic.d, 13, "global pages");
    cpu_features.umip = ext.c & (1u << 2);
    /* Invariant, or a hypervisor vouches for it. */
    cpu_features.steady_tsc = leaf(0x80000007, 0).d & (1u << 8) || basic.c & (1u << 31);
    cpu_features.physical_bits = leaf(0x80000008, 0).a & 0xff;
    cpu_features.xcr0 = XCR0_X87 | XCR0_SSE | (basic.c & (1u << 28) ? XCR0_AVX : 0);
}

void cpu_control_init(void) {
    uint64_t cr4 = CR4_DE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT |
                   CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
    wrmsr(MSR_PAT, PAT_DEFAULT);
    write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_WP) &
              ~(CR0_EM | CR0_TS | CR0_AM | CR0_CD | CR0_NW));
    write_cr4(cr4 | (cpu_features.umip ? CR4_UMIP : 0));
    xsetbv(0, cpu_features.xcr0);
    /* Valid for the XCR0 that was just set. */
    cpu_features.xsave_size = (cpuid(13, 0).b + 63) & ~63u;
    write_dr7(0x400);
    for (uint32_t msr = MSR_SYSENTER_CS; msr <= MSR_SYSENTER_EIP; msr++) wrmsr(msr, 0);
}

/* entry.S */
void syscall_entry(void);

void cpu_syscall_init(struct cpu *cpu) {
    wrmsr(MSR_STAR, ((uint64_t)SEL_SYSRET << 48) | ((uint64_t)SEL_HYP_CODE << 32));
    wrmsr(MSR_LSTAR, (uintptr_t)syscall_entry);
    wrmsr(MSR_CSTAR, 0);
    wrmsr(MSR_SFMASK, SFMASK);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, (uintptr_t)cpu);
}

/* Nothing is mitigated; all there is to say is what the CPU itself reports. */
static void report_speculation(void) {
    uint64_t caps;

    if (!(leaf(7, 0).d & (1u << 29))) {
        printk("speculation: Meltdown, MDS, Spectre: not reported by this CPU; none is mitigated");
        return;
    }
    caps = rdmsr(MSR_ARCH_CAPS);
    printk("speculation: Meltdown %s, MDS %s, Spectre v2 %s; none is mitigated",
           caps & 0x01 ? "no" : "YES", caps & 0x20 ? "no" : "YES",
           caps & 0x02 ? "enhanced IBRS (not used)" : "YES");
}

void cpu_report(void) {
    char name[49] = "";

    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid_regs r = leaf(0x80000002 + i, 0);

        memcpy(name + 16 * i, &r, 16);
    }
    printk("cpu: %s; xcr0 %x, %u bytes of state%s", name, cpu_features.xcr0,
           cpu_features.xsave_size, cpu_features.umip ? "" : "; no UMIP");
    report_speculation();
}

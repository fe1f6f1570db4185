/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processors' own tables. Owns GDT and IDT, which all share, and of each CPU the TSS, the stack
 * of the faults that must not use the one they interrupted, and what GS names while SYSCALL needs
 * it. No port is user mode's: the TSS has no bitmap.
 */
#include "arch/cpu.h"
#include "insn.h"
#include "kstring.h"
#include "layout.h"
#include "mem.h"
#include "native.h"
#include "printk.h"

#define EXTRA_STACK 4096u
#define GATE        0x8e00u /* present, ring 0, interrupt gate: interrupts are off behind it */
#define VECTOR_NMI  2u
#define VECTOR_DF   8u
#define VECTOR_MC   18u

#define MSR_EFER   0xc0000080u
#define MSR_STAR   0xc0000081u
#define MSR_LSTAR  0xc0000082u
#define MSR_SFMASK 0xc0000084u
#define MSR_SWAPGS 0xc0000102u
#define EFER_SCE   ((uint64_t)1 << 0)
#define EFER_NXE   ((uint64_t)1 << 11)
/* TF, IF, DF, IOPL, NT, AC: none of them the user's once the kernel runs. */
#define SYSCALL_CLEARS 0x47700u

#define CR4_PGE        ((uint64_t)1 << 7)
#define CR4_OSFXSR     ((uint64_t)1 << 9)
#define CR4_OSXMMEXCPT ((uint64_t)1 << 10)
#define CR4_UMIP       ((uint64_t)1 << 11)
#define CR4_FSGSBASE   ((uint64_t)1 << 16)
#define CR4_SMEP       ((uint64_t)1 << 20)
#define CR4_SMAP       ((uint64_t)1 << 21)

struct tss {
    uint32_t rsvd0;
    uint64_t rsp[3];
    uint64_t rsvd1;
    uint64_t ist[7];
    uint64_t rsvd2;
    uint16_t rsvd3;
    uint16_t bitmap; /* beyond the limit: every port faults */
} __attribute__((packed));

struct gate {
    uint16_t low, selector, flags, middle;
    uint32_t high, rsvd;
};

struct table {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static struct tss tss[NATIVE_MAX_CPUS];
static struct native_cpu_area area[NATIVE_MAX_CPUS];
static struct gate idt[VECTORS];
static char extra_stack[EXTRA_STACK] __attribute__((aligned(16))); /* of CPU 0 */
static uint64_t gdt[SEL_TSS / 8 + 2 * NATIVE_MAX_CPUS] = {
    0,
    0x00af9b000000ffff, /* kernel code, 64 bit */
    0x00cf93000000ffff, /* kernel data */
    0x00cff3000000ffff, /* user data */
    0x00affb000000ffff, /* user code; behind it two words for each TSS */
};

static void need(bool there, const char *what)
{
    if (!there) {
        panic("this CPU has no %s", what);
    }
}

static bool bit(uint32_t word, unsigned n)
{
    return (word >> n & 1) != 0;
}

/* CPUID answers for a leaf beyond the last with another one's data. */
static struct cpuid leaf_or_none(uint32_t leaf)
{
    return cpuid(leaf & 0x80000000).a >= leaf ? cpuid(leaf) : (struct cpuid){ 0 };
}

static void set_features(void)
{
    struct cpuid one = cpuid(1), seven = leaf_or_none(7), extended = leaf_or_none(0x80000001);
    uint64_t cr4 = read_cr4();

    need(bit(one.d, 9), "local APIC");
    need(bit(one.d, 13), "global pages");
    need(bit(one.d, 24), "FXSAVE");
    need(bit(extended.d, 11), "SYSCALL");
    need(bit(extended.d, 20), "no-execute pages");
    need(bit(seven.b, 0), "FSGSBASE");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
    cr4 |= CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
    cr4 |= bit(seven.b, 7) ? CR4_SMEP : 0;
    cr4 |= bit(seven.b, 20) ? CR4_SMAP : 0;
    cr4 |= bit(seven.c, 2) ? CR4_UMIP : 0;
    write_cr4(cr4);
}

static void set_tss(unsigned n, const char *stack)
{
    uint64_t base = (uint64_t)&tss[n];
    uint64_t *entry = &gdt[SEL_TSS / 8 + 2 * n];

    tss[n] = (struct tss){ .bitmap = sizeof(struct tss), .ist[0] = (uint64_t)stack + EXTRA_STACK };
    entry[0] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 |
               (base >> 24 & 0xff) << 56;
    entry[1] = base >> 32;
}

static void set_idt(void)
{
    for (unsigned v = 0; v < VECTORS; v++) {
        uint64_t at = (uint64_t)native_stubs + v * (uint64_t)16;
        unsigned ist = v == VECTOR_NMI || v == VECTOR_DF || v == VECTOR_MC;

        idt[v] = (struct gate){ .low = (uint16_t)at,
                                .selector = SEL_KERNEL_CODE,
                                .flags = (uint16_t)(GATE | ist),
                                .middle = (uint16_t)(at >> 16),
                                .high = (uint32_t)(at >> 32) };
    }
}

void native_set_stack(uint64_t top)
{
    unsigned n = arch_cpu();

    tss[n].rsp[0] = top;
    area[n].kernel_stack = top;
}

bool native_cpu_prepare(unsigned n)
{
    const char *stack = page_alloc(EXTRA_STACK / PAGE_SIZE);

    if (stack) {
        set_tss(n, stack);
    }
    return stack != NULL;
}

void native_cpu_load(unsigned n)
{
    struct table g = { sizeof(gdt) - 1, (uint64_t)gdt };
    struct table i = { sizeof(idt) - 1, (uint64_t)idt };

    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(g), "r"(SEL_TSS + 16 * n) : "memory");
    __asm__ volatile("lidt %0" : : "m"(i) : "memory");
    set_features();
    wrmsr(MSR_STAR, (uint64_t)SEL_KERNEL_CODE << 32 | (uint64_t)(SEL_KERNEL_DATA | 3) << 48);
    wrmsr(MSR_LSTAR, (uint64_t)native_syscall);
    wrmsr(MSR_SFMASK, SYSCALL_CLEARS);
    wrmsr(MSR_SWAPGS, (uint64_t)&area[n]);
}

void native_cpu_init(void)
{
    set_tss(0, extra_stack);
    set_idt();
    native_cpu_load(0);
}

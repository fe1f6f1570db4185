/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * desc.c: descriptor tables and the per-CPU area of stacks.
 *
 * A CPU's area is a row of 32 KiB cells, each an unmapped guard and then, at the top, a stack
 * aligned to STACK_SIZE whose last word points to struct cpu:
 *
 *     guard | main stack, struct cpu | guard | NMI | guard | #DB | guard | #DF | guard | #MC
 *
 * NMI, #DB, #DF and #MC can come when RSP is a guest's or the stack has overflowed: they have IST
 * stacks. Selectors are flat; there is no LDT, and only #BP and #OF gates have DPL 3, so that any
 * other INT n of a guest is #GP.
 */
#include "arch/trap.h"
#include "boot_arch.h"
#include "cpu.h"
#include "string.h"

#define CELL_SIZE  (2 * STACK_SIZE)
#define AREA_SIZE  (8 * CELL_SIZE)
#define IST_PAGES  2
#define STUB_SIZE  16
#define GATE_TRAP  0x8e /* interrupt gate: present, DPL 0, clears IF */
#define GATE_USER  0xee
#define IOMAP_SIZE 8192

/* In the order of their cells; 0 in a gate: none of them. */
enum { IST_NMI = 1, IST_DB, IST_DF, IST_MC, IST_COUNT };

struct tss {
    uint32_t rsvd0;
    uint64_t rsp[3];
    uint64_t rsvd1;
    uint64_t ist[7];
    uint16_t rsvd2[5], iomap_base;
    uint8_t iomap[IOMAP_SIZE + 1]; /* the CPU reads one byte beyond the last port's: all ones */
} __attribute__((packed));
_Static_assert(offsetof(struct tss, iomap) == TSS_IOMAP_OPEN, "the bitmap's place");

/* The padding puts the TSS's RSP words on 8-byte boundaries. */
struct arch_cpu {
    uint64_t gdt[7];
    uint32_t rsvd;
    struct tss tss;
};
_Static_assert((offsetof(struct arch_cpu, tss) + offsetof(struct tss, rsp)) % 8 == 0, "alignment");

struct gate {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset1;
    uint32_t offset2, rsvd;
};

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static struct gate idt[256] __attribute__((aligned(16)));

static struct arch_cpu *arch_cpus[CPU_MAX];

static const uint8_t vector_ist[256] = {
    [VECTOR_NMI] = IST_NMI, [VECTOR_DB] = IST_DB, [VECTOR_DF] = IST_DF, [VECTOR_MC] = IST_MC
};

void idt_load(void) {
    struct table_register idtr = { sizeof(idt) - 1, (uintptr_t)idt };

    __asm__ volatile("lidt %0" : : "m"(idtr));
}

/* Until desc_load() there is no TSS: gates without IST, on the boot stack. */
void idt_init(void) {
    for (unsigned int v = 0; v < 256; v++) {
        uintptr_t stub = (uintptr_t)trap_stubs + v * STUB_SIZE;
        bool user = v == VECTOR_BP || v == VECTOR_OF;

        idt[v] = (struct gate){
            (uint16_t)stub,         SEL_HYP_CODE,           0, user ? GATE_USER : GATE_TRAP,
            (uint16_t)(stub >> 16), (uint32_t)(stub >> 32), 0
        };
    }
    idt_load();
}

static void gdt_fill(struct arch_cpu *arch) {
    uintptr_t base = (uintptr_t)&arch->tss;
    uint64_t limit = sizeof(arch->tss) - 1;

    arch->gdt[1] = 0x00af9b000000ffff; /* code 64, DPL 0 */
    arch->gdt[2] = 0x00cf93000000ffff; /* data, DPL 0 */
    arch->gdt[3] = 0x00cff3000000ffff; /* data, DPL 3 */
    arch->gdt[4] = 0x00affb000000ffff; /* code 64, DPL 3 */
    arch->gdt[5] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    arch->gdt[6] = base >> 32;
}

/* Maps one stack; returns where its pointer to struct cpu goes. */
static struct cpu **map_stack(uint32_t id, unsigned int cell, uint64_t pages) {
    uintptr_t end = HYP_STACK_BASE + id * AREA_SIZE + (cell + 1) * CELL_SIZE;

    paging_map_stack(end - pages * PAGE_SIZE, pages);
    return (struct cpu **)end - 1;
}

/* Makes a CPU's stacks and tables. They are seen from hyp_root on; not written before. */
struct cpu *cpu_area_create(uint32_t id) {
    struct arch_cpu *arch = bootmem_alloc((sizeof(*arch) + PAGE_MASK) / PAGE_SIZE);

    arch_cpus[id] = arch;
    arch->tss.iomap_base = TSS_IOMAP_CLOSED;
    memset(arch->tss.iomap, 0xff, sizeof(arch->tss.iomap));
    map_stack(id, 0, STACK_SIZE / PAGE_SIZE);
    for (unsigned int ist = 1; ist < IST_COUNT; ist++) /* below the pointer, 16-byte aligned */
        arch->tss.ist[ist - 1] = (uintptr_t)map_stack(id, ist, IST_PAGES) - 8;
    return (struct cpu *)(HYP_STACK_BASE + id * AREA_SIZE + CELL_SIZE) - 1;
}

static void load_gdt(struct arch_cpu *arch) {
    struct table_register gdtr = { sizeof(arch->gdt) - 1, (uintptr_t)arch->gdt };

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%ds\n\t"
                     "movl %2, %%es\n\t"
                     "movl %2, %%ss\n\t"
                     "movl %3, %%fs\n\t"
                     "movl %3, %%gs\n\t"
                     "lldt %w3\n\t"
                     "ltr %w4"
                     :
                     : "m"(gdtr), "i"(SEL_HYP_CODE), "r"(SEL_HYP_DATA), "r"(0), "r"(SEL_TSS)
                     : "rax", "memory");
}

/* On the final page tables; the boot CPU still on the boot stack. */
void desc_load(struct cpu *cpu) {
    uint32_t id = (uint32_t)(((uintptr_t)cpu - HYP_STACK_BASE) / AREA_SIZE);
    struct arch_cpu *arch = arch_cpus[id];

    cpu->id = id;
    cpu->self = cpu;
    cpu->tss_rsp0 = (uint64_t *)(void *)((char *)&arch->tss + offsetof(struct tss, rsp));
    cpu->tss_iomap = arch->tss.iomap;
    cpu->tss_iobase = (uint16_t *)(void *)((char *)&arch->tss + offsetof(struct tss, iomap_base));
    *cpu->tss_rsp0 = (uintptr_t)cpu;
    for (unsigned int ist = 1; ist < IST_COUNT; ist++)
        *(struct cpu **)(arch->tss.ist[ist - 1] + 8) = cpu;
    gdt_fill(arch);
    load_gdt(arch);
    if (id != 0) return;
    for (unsigned int v = 0; v < 256; v++) idt[v].ist = vector_ist[v];
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backtrace.c: names for code addresses, and the chain of frame pointers.
 *
 * The symbol table is made from the linked image (hyp/symbols.awk), sorted by address, text only.
 * The walk believes a frame pointer only while it stays on one stack and moves up.
 */
#include "boot_arch.h"
#include "printk.h"

#define FRAMES_MAX 24

struct hyp_symbol {
    uint64_t address;
    const char *name;
};

/* From the generated table. */
extern const struct hyp_symbol hyp_symbols[];
extern const uint64_t hyp_symbol_count;

/* The last symbol at or below an address of code. */
static const struct hyp_symbol *symbol_of(uint64_t address) {
    const struct hyp_symbol *s = &hyp_symbols[hyp_symbol_count];

    if (address >= (uintptr_t)image_rodata_start) return NULL;
    while (s > hyp_symbols)
        if ((--s)->address <= address) return s;
    return NULL;
}

static void print_code_address(uint64_t address) {
    const struct hyp_symbol *s = symbol_of(address);

    if (s != NULL)
        printk("  %s+0x%lx [%lx]", s->name, address - s->address, address);
    else
        printk("  [%lx]", address);
}

void backtrace(const struct regs *regs) {
    /* After an overflow RSP is in the guard; the frame pointer is still on the stack above. */
    uint64_t fp = regs->rbp, here = paging_in_guard(regs->rsp) ? fp : regs->rsp;
    uint64_t end = (here | (STACK_SIZE - 1)) + 1;

    printk("backtrace:");
    print_code_address(regs->rip);
    for (int i = 0; i < FRAMES_MAX && fp >= here && fp + 16 < end && fp % 8 == 0; i++) {
        const uint64_t *frame = (const uint64_t *)fp;

        print_code_address(frame[1] - 1); /* the call, not what follows it */
        here = fp + 16;
        fp = frame[0];
    }
}

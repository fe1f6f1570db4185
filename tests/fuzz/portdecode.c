/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder of port instructions and the arithmetic of their string forms: the input is the
 * instruction's bytes and the guest's registers. Every run makes progress, stays in its page or is
 * one element that does not, and the whole transfer is as long as RCX says.
 *
 * inputs: 3000000
 * sources: hyp/core/portdecode.c
 */
#include "fuzz.h"

#include "portdecode.h"

#define RUNS 64

static void check_decoded(const struct port_insn *p, size_t n)
{
    require(p->length >= 1 && p->length <= PORT_INSN_MAX && p->length <= n);
    require(p->size == 1 || p->size == 2 || p->size == 4);
    require(p->address_size == 4 || p->address_size == 8);
    require(!p->rep || p->string);
    require(p->segment == PORT_SEG_FLAT || (p->string && !p->in));
    require(!p->port_dx || p->port_imm == 0);
}

static void check_runs(const struct port_insn *p, struct regs *regs, uint64_t base, bool df)
{
    uint64_t mask = p->address_size == 4 ? 0xffffffff : ~(uint64_t)0;

    for (int i = 0; i < RUNS; i++) {
        uint64_t left = p->rep ? regs->rcx & mask : 1;
        struct port_run run = port_run_next(p, regs, base, df);

        require(run.count <= left && run.bytes == run.count * p->size && run.bytes <= 4096);
        require((run.count == 0) == (left == 0));
        require(run.count <= 1 || run.lowest % 4096 + run.bytes <= 4096);
        if (port_regs_advance(p, regs, df, run.count)) {
            require(!p->rep || (regs->rcx & mask) == 0);
            return;
        }
        require(p->rep && (regs->rcx & mask) == left - run.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint8_t flags = take8(&in), elements[64], turned[64];
    struct regs regs;
    struct port_insn insn;
    uint64_t base = take64(&in);

    memset(&regs, 0, sizeof regs);
    regs.rcx = take64(&in);
    regs.rsi = take64(&in);
    regs.rdi = take64(&in);
    take_bytes(&in, elements, sizeof elements);
    port_elements_reverse(turned, elements, flags % 16, 1u << (flags >> 4) % 3);
    /* The rest, in a block of its exact size: ASan sees a byte that is read too far. */
    uint8_t *bytes = malloc(in.left ? in.left : 1);

    memcpy(bytes, in.at, in.left);
    memset(&insn, 0xa5, sizeof insn);
    if (port_decode(bytes, in.left, &insn)) {
        check_decoded(&insn, in.left);
        (void)port_number(&insn, base);
        if (insn.string)
            check_runs(&insn, &regs, insn.in ? 0 : base, flags & 1);
    }
    free(bytes);
    return 0;
}

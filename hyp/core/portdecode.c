/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decode of IN, OUT, INS and OUTS in 64-bit code, and the arithmetic of REP.
 *
 * Owns no data. Invariants: at most PORT_INSN_MAX bytes and never more than the caller has are
 * looked at; anything that the CPU would not execute as a port instruction is refused, so that the
 * caller reflects the fault to the guest instead of emulating something else.
 */
#include "portdecode.h"
#include "arch/layout.h"
#include "string.h"

/* What the prefixes said. A REX counts only when the opcode follows it directly. */
struct prefixes {
    bool lock, rep, operand16, address32, rex_w;
    enum port_segment segment;
};

/*
 * Take one legacy prefix, or say that the byte is none. REPNE repeats INS and OUTS like REP. CS,
 * DS, ES and SS overrides are null prefixes in 64-bit mode: they do not undo an FS or GS before
 * them.
 */
static bool take_legacy(struct prefixes *p, uint8_t byte) {
    p->lock |= byte == 0xf0;
    p->rep |= byte == 0xf2 || byte == 0xf3;
    p->operand16 |= byte == 0x66;
    p->address32 |= byte == 0x67;
    if ((byte & 0xfe) == 0x64) p->segment = byte == 0x64 ? PORT_SEG_FS : PORT_SEG_GS;
    /* The rest: ES, CS, SS and DS, which mean nothing in 64-bit mode. */
    return byte == 0xf0 || (byte & 0xfe) == 0xf2 || (byte & 0xfc) == 0x64 || (byte & 0xe7) == 0x26;
}

/* Consume all prefixes; returns the index of the opcode, or n when the bytes ran out. */
static size_t take_prefixes(struct prefixes *p, const uint8_t *bytes, size_t n) {
    size_t i = 0;

    for (; i < n; i++)
        if ((bytes[i] & 0xf0) == 0x40)
            p->rex_w = (bytes[i] & 0x08) != 0;
        else if (take_legacy(p, bytes[i]))
            p->rex_w = false;
        else
            break;
    return i;
}

/*
 * The twelve opcodes: E4-E7 take an immediate, EC-EF take DX, 6C-6F are the string forms. In each
 * group bit 1 says OUT and bit 0 says "operand size", else a byte. No port access is wider than 32
 * bits: REX.W overrides 66 as everywhere, and then means 32.
 */
bool port_decode(const uint8_t *bytes, size_t n, struct port_insn *out) {
    struct prefixes p = { .segment = PORT_SEG_FLAT };

    if (n > PORT_INSN_MAX) n = PORT_INSN_MAX;
    size_t at = take_prefixes(&p, bytes, n);
    if (at == n || p.lock) return false;

    uint8_t opcode = bytes[at++], group = opcode & 0xfc;
    bool immediate = group == 0xe4, string = group == 0x6c;
    if ((!immediate && !string && group != 0xec) || (immediate && at == n)) return false;

    *out = (struct port_insn){
        .in = !(opcode & 2),
        .string = string,
        .rep = string && p.rep,
        .port_dx = !immediate,
        .port_imm = immediate ? bytes[at] : 0,
        .size = !(opcode & 1)             ? 1
                : p.operand16 && !p.rex_w ? 2
                                          : 4,
        .address_size = p.address32 ? 4 : 8,
        .length = (uint8_t)(at + immediate),
        .segment = string && (opcode & 2) ? p.segment : PORT_SEG_FLAT,
    };
    return true;
}

uint16_t port_number(const struct port_insn *insn, uint64_t rdx) {
    return insn->port_dx ? (uint16_t)rdx : insn->port_imm;
}

/* The bits of a register that the address size lets the instruction see. */
static uint64_t address_mask(const struct port_insn *insn) {
    return insn->address_size == 4 ? UINT32_MAX : UINT64_MAX;
}

/*
 * How many elements, from `offset` on in the given direction, stay in the page of the first. The
 * offset itself must not wrap on the way either: behind 4 GiB a 32-bit offset goes on at base + 0,
 * which is another page, and with an odd base it does so in the middle of one.
 */
static uint64_t elements_in_page(const struct port_insn *insn, uint64_t linear, uint64_t offset,
                                 bool df) {
    uint64_t first = linear % PAGE_SIZE, behind = PAGE_SIZE - first - insn->size;
    uint64_t fit = (df ? first : behind) / insn->size + 1;
    uint64_t before_wrap = (df ? offset : address_mask(insn) - offset) / insn->size + 1;

    if (first + insn->size > PAGE_SIZE) return 1;
    return insn->address_size == 4 && before_wrap < fit ? before_wrap : fit;
}

struct port_run port_run_next(const struct port_insn *insn, const struct regs *regs, uint64_t base,
                              bool df) {
    uint64_t offset = (insn->in ? regs->rdi : regs->rsi) & address_mask(insn);
    uint64_t linear = base + offset;
    uint64_t wanted = insn->rep ? regs->rcx & address_mask(insn) : 1;
    uint64_t count = elements_in_page(insn, linear, offset, df);

    if (count > wanted) count = wanted;
    if (df && count > 0) linear -= (count - 1) * insn->size;
    return (struct port_run){ linear, (uint32_t)count, (uint32_t)count * insn->size };
}

bool port_regs_advance(const struct port_insn *insn, struct regs *regs, bool df, uint32_t done) {
    uint64_t *index = insn->in ? &regs->rdi : &regs->rsi;
    uint64_t step = (uint64_t)done * insn->size, mask = address_mask(insn);

    /* Like any write of a 32-bit register, an advance by 32 bits clears the upper half. */
    if (done > 0) *index = (df ? *index - step : *index + step) & mask;
    if (!insn->rep) return done > 0;
    if (done > 0) regs->rcx = (regs->rcx - done) & mask;
    return (regs->rcx & mask) == 0;
}

void port_elements_reverse(uint8_t *to, const uint8_t *from, uint32_t count, unsigned size) {
    for (uint32_t i = 0; i < count; i++)
        memcpy(to + (size_t)i * size, from + (size_t)(count - 1 - i) * size, size);
}

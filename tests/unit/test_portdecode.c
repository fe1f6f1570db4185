/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decode of every IN, OUT, INS and OUTS encoding, and the REP arithmetic, against models.
 *
 * The decoder is compared with a table of the opcodes and a model that reads the prefixes backwards
 * from the opcode, over every sequence of up to four prefixes. The REP arithmetic is compared with
 * a machine that moves one element at a time. Buffers have the exact size, so that ASan sees a byte
 * read too far.
 *
 * sources: hyp/core/portdecode.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portdecode.h"

/* Check's own assertions talk to the parent each time: too slow for the loops here. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("%s", #x);                                                                \
    } while (0)

static const uint8_t prefix_bytes[] = {
    0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x40, 0x41, 0x42,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f,
};
#define PREFIXES (sizeof(prefix_bytes))

/* Written from the opcode map: what each port opcode is, without prefixes. */
static const struct opcode_row {
    uint8_t opcode;
    bool in, string, imm, wide;
} opcode_rows[] = {
    { 0xe4, true, false, true, false },   { 0xe5, true, false, true, true },
    { 0xe6, false, false, true, false },  { 0xe7, false, false, true, true },
    { 0xec, true, false, false, false },  { 0xed, true, false, false, true },
    { 0xee, false, false, false, false }, { 0xef, false, false, false, true },
    { 0x6c, true, true, false, false },   { 0x6d, true, true, false, true },
    { 0x6e, false, true, false, false },  { 0x6f, false, true, false, true },
};

static const struct opcode_row *find_row(uint8_t opcode)
{
    for (size_t i = 0; i < sizeof(opcode_rows) / sizeof(opcode_rows[0]); i++)
        if (opcode_rows[i].opcode == opcode)
            return &opcode_rows[i];
    return NULL;
}

static bool has(const uint8_t *bytes, size_t n, uint8_t wanted)
{
    return n > 0 && memchr(bytes, wanted, n) != NULL;
}

/* The model: `n` bytes of prefix, an opcode, and `left` bytes behind it. */
static bool model_decode(const uint8_t *bytes, size_t n, size_t left, struct port_insn *m)
{
    const struct opcode_row *row = find_row(bytes[n]);
    bool wide_rex = n > 0 && (bytes[n - 1] & 0xf8) == 0x48;

    if (!row || has(bytes, n, 0xf0) || (row->imm && left == 0))
        return false;
    if (n + 1 + row->imm > 15)
        return false;
    memset(m, 0, sizeof(*m));
    m->in = row->in;
    m->string = row->string;
    m->rep = row->string && (has(bytes, n, 0xf2) || has(bytes, n, 0xf3));
    m->port_dx = !row->imm;
    m->port_imm = row->imm ? bytes[n + 1] : 0;
    m->size = 1;
    if (row->wide)
        m->size = has(bytes, n, 0x66) && !wide_rex ? 2 : 4;
    m->address_size = has(bytes, n, 0x67) ? 4 : 8;
    m->length = (uint8_t)(n + 1 + row->imm);
    m->segment = PORT_SEG_FLAT;
    for (size_t i = 0; i < n && row->string && !row->in; i++) {
        if (bytes[i] == 0x64)
            m->segment = PORT_SEG_FS;
        if (bytes[i] == 0x65)
            m->segment = PORT_SEG_GS;
    }
    return true;
}

static bool same(const struct port_insn *a, const struct port_insn *b)
{
    return a->in == b->in && a->string == b->string && a->rep == b->rep &&
           a->port_dx == b->port_dx && a->port_imm == b->port_imm && a->size == b->size &&
           a->address_size == b->address_size && a->length == b->length && a->segment == b->segment;
}

/* Compare decoder and model on `n` prefixes in a buffer that ends `left` bytes after the opcode. */
static void compare(const uint8_t *bytes, size_t n, size_t left)
{
    struct port_insn got = { 0 }, want = { 0 };
    bool is_port = model_decode(bytes, n, left, &want);

    if (port_decode(bytes, n + 1 + left, &got) != is_port || !same(&got, &want)) {
        for (size_t i = 0; i < n + 1 + left; i++)
            fprintf(stderr, " %02x", bytes[i]);
        ck_abort_msg("decoder and model differ on these %zu bytes", n + 1 + left);
    }
}

/* Every opcode for up to three prefixes; for four, the port opcodes and their neighbours. */
static void compare_opcodes(uint8_t *bytes, size_t n)
{
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        if (memchr(prefix_bytes, (int)opcode, PREFIXES))
            continue;
        if (n > 3 && (opcode & 0xf0) != 0xe0 && (opcode & 0xf0) != 0x60)
            continue;
        bytes[n] = (uint8_t)opcode;
        bytes[n + 1] = (uint8_t)(opcode * 7 + n);
        compare(bytes, n, 1);
    }
}

static void walk(uint8_t *bytes, size_t n, size_t depth)
{
    if (n == depth) {
        compare_opcodes(bytes, n);
        return;
    }
    for (size_t i = 0; i < PREFIXES; i++) {
        bytes[n] = prefix_bytes[i];
        walk(bytes, n + 1, depth);
    }
}

START_TEST(test_every_prefix_combination)
{
    uint8_t *bytes = malloc((size_t)_i + 2);

    walk(bytes, 0, (size_t)_i);
    free(bytes);
}
END_TEST

/* Every immediate, and an immediate that is not there. */
START_TEST(test_immediates)
{
    for (unsigned opcode = 0xe4; opcode <= 0xe7; opcode++) {
        for (unsigned imm = 0; imm < 256; imm++) {
            uint8_t bytes[2] = { (uint8_t)opcode, (uint8_t)imm };
            struct port_insn insn;
            compare(bytes, 0, 1);
            must(port_decode(bytes, 2, &insn));
            must(port_number(&insn, 0x12345) == imm);
        }
        uint8_t *lone = malloc(1);
        struct port_insn insn;
        lone[0] = (uint8_t)opcode;
        must(!port_decode(lone, 1, &insn));
        free(lone);
    }
}
END_TEST

/* Prefixes only, of every length: truncated or over-long, never a port instruction. */
START_TEST(test_prefixes_alone)
{
    struct port_insn insn;

    must(!port_decode(NULL, 0, &insn));
    for (size_t n = 1; n <= 40; n++) {
        uint8_t *bytes = malloc(n);
        for (size_t p = 0; p < PREFIXES; p++) {
            memset(bytes, prefix_bytes[p], n);
            must(!port_decode(bytes, n, &insn));
        }
        free(bytes);
    }
}
END_TEST

/* Fifteen bytes are an instruction, sixteen are not, however many bytes were fetched. */
START_TEST(test_length_limit)
{
    for (size_t n = 0; n <= 20; n++) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            uint8_t *bytes = malloc(n + 2);
            memset(bytes, 0x66, n);
            bytes[n] = (uint8_t)opcode;
            bytes[n + 1] = 0x80;
            if (!memchr(prefix_bytes, (int)opcode, PREFIXES))
                compare(bytes, n, 1);
            free(bytes);
        }
    }
}
END_TEST

/* Random strings of prefixes up to the limit, cut at every place. */
START_TEST(test_random_long_sequences)
{
    srand(7);
    for (int round = 0; round < 100000; round++) {
        size_t n = (size_t)rand() % 16;
        uint8_t bytes[18];
        for (size_t i = 0; i < n; i++)
            bytes[i] = prefix_bytes[(size_t)rand() % PREFIXES];
        bytes[n] = opcode_rows[(size_t)rand() % 12].opcode;
        bytes[n + 1] = (uint8_t)rand();
        compare(bytes, n, 0);
        compare(bytes, n, 1);
        for (size_t cut = 0; cut <= n; cut++) {
            struct port_insn insn;
            must(!port_decode(bytes, cut, &insn));
        }
    }
}
END_TEST

/* A refused instruction leaves the caller's structure alone. */
START_TEST(test_refusal_writes_nothing)
{
    const uint8_t locked[] = { 0xf0, 0x6d };
    struct port_insn insn, before;

    memset(&insn, 0x5a, sizeof(insn));
    memcpy(&before, &insn, sizeof(insn));
    must(!port_decode(locked, sizeof(locked), &insn));
    must(memcmp(&before, &insn, sizeof(insn)) == 0);
}
END_TEST

/* Bytes that begin like port instructions or contain one, and are something else. */
START_TEST(test_lookalikes)
{
    static const uint8_t cases[][4] = {
        { 0x0f, 0xed, 0xc0, 0 },    { 0xc5, 0xfd, 0xed, 0xc0 }, { 0x62, 0xed, 0, 0 },
        { 0x8f, 0xec, 0, 0 },       { 0x90, 0xec, 0, 0 },       { 0xcd, 0xec, 0, 0 },
        { 0x48, 0x0f, 0x6c, 0xc0 }, { 0xf3, 0xa4, 0x6c, 0 },    { 0x9b, 0xec, 0, 0 },
    };
    struct port_insn insn;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        must(!port_decode(cases[i], 4, &insn));
}
END_TEST

START_TEST(test_port_number)
{
    struct port_insn dx = { .port_dx = true, .port_imm = 0 };
    struct port_insn imm = { .port_dx = false, .port_imm = 0xf4 };

    must(port_number(&dx, 0xffffffffffff01f0) == 0x1f0);
    must(port_number(&dx, 0xffff) == 0xffff);
    must(port_number(&imm, 0x1f0) == 0xf4);
}
END_TEST

/* --- REP arithmetic: one element at a time ------------------------------------------------- */

struct machine {
    struct port_insn insn;
    struct regs regs;
    uint64_t base;
    bool df;
};

static uint64_t low_bits(const struct machine *m, uint64_t value)
{
    return m->insn.address_size == 4 ? (uint32_t)value : value;
}

static uint64_t *index_of(struct machine *m)
{
    return m->insn.in ? &m->regs.rdi : &m->regs.rsi;
}

static uint64_t element_address(struct machine *m)
{
    return m->base + low_bits(m, *index_of(m));
}

/* One iteration of the CPU's loop; false when the count was already zero. */
static bool step(struct machine *m)
{
    uint64_t *index = index_of(m);

    if (m->insn.rep && low_bits(m, m->regs.rcx) == 0)
        return false;
    *index = low_bits(m, m->df ? *index - m->insn.size : *index + m->insn.size);
    if (m->insn.rep)
        m->regs.rcx = low_bits(m, m->regs.rcx - 1);
    return true;
}

static uint64_t page_of(uint64_t address)
{
    return address >> 12;
}

/* Take the run from the code under test and check each element of it on the machine. */
static void check_run(struct machine m)
{
    struct port_run run = port_run_next(&m.insn, &m.regs, m.base, m.df);
    struct regs after = m.regs;
    uint64_t first = element_address(&m), expected = first, lowest = first;
    bool straddles = page_of(first) != page_of(first + m.insn.size - 1);

    must(run.bytes == run.count * m.insn.size);
    must(run.bytes <= 4096);
    bool ended = port_regs_advance(&m.insn, &after, m.df, run.count);
    for (uint32_t i = 0; i < run.count; i++) {
        uint64_t here = element_address(&m);
        must(here == expected);
        lowest = here;
        if (!straddles) {
            must(page_of(here) == page_of(first));
            must(page_of(here + m.insn.size - 1) == page_of(first));
        }
        expected = m.df ? expected - m.insn.size : expected + m.insn.size;
        must(step(&m));
        if (!m.insn.rep)
            break;
    }
    if (run.count > 0)
        must(run.lowest == (m.df ? lowest : first));
    must(memcmp(&after, &m.regs, sizeof(after)) == 0);

    bool more = m.insn.rep && low_bits(&m, m.regs.rcx) != 0;
    must(ended == !more);
    if (straddles && run.count > 0)
        must(run.count == 1);
    /* The run is the longest: the next element is elsewhere, or jumps by a wrapped offset. */
    uint64_t next = element_address(&m);
    if (more && !straddles && next == expected)
        must(page_of(next) != page_of(first) || page_of(next + m.insn.size - 1) != page_of(first));
}

static uint64_t edge(void)
{
    static const uint64_t edges[] = { 0,
                                      1,
                                      2,
                                      3,
                                      4,
                                      0xffc,
                                      0xffd,
                                      0xffe,
                                      0xfff,
                                      0x1000,
                                      0x1001,
                                      0xfffff000,
                                      0xfffffffd,
                                      0xffffffff,
                                      0x100000000,
                                      0x7ffffffff000,
                                      0xffffffff80000ffc,
                                      ~0ull - 1,
                                      ~0ull };
    uint64_t random = (uint64_t)rand() << 32 ^ (uint64_t)rand();

    if (rand() % 4 == 0)
        return random;
    return edges[(size_t)rand() % (sizeof(edges) / sizeof(edges[0]))] + (uint64_t)(rand() % 9) - 4;
}

START_TEST(test_runs_against_machine)
{
    static const uint8_t sizes[] = { 1, 2, 4 };

    srand(11);
    for (int i = 0; i < 100000; i++) {
        struct machine m = {
            .insn = { .in = rand() & 1,
                      .string = true,
                      .rep = rand() % 4 != 0,
                      .port_dx = true,
                      .size = sizes[rand() % 3],
                      .address_size = rand() & 1 ? 4 : 8,
                      .length = 2 },
            .regs = { .rcx = edge(), .rsi = edge(), .rdi = edge() },
            .base = rand() & 1 ? 0 : edge(),
            .df = rand() & 1,
        };
        if (m.insn.in)
            m.base = 0;
        check_run(m);
    }
}
END_TEST

/* A whole transfer in runs touches what the CPU's loop touches, in its order. */
START_TEST(test_whole_transfer)
{
    srand(13);
    for (int i = 0; i < 1000; i++) {
        static const uint8_t sizes[] = { 1, 2, 4 };
        struct machine m = {
            .insn = { .in = rand() & 1,
                      .string = true,
                      .rep = true,
                      .size = sizes[rand() % 3],
                      .address_size = rand() & 1 ? 4 : 8 },
            .regs = { .rcx = (uint64_t)(rand() % 10000), .rsi = edge(), .rdi = edge() },
            .df = rand() & 1,
        };
        struct regs regs = m.regs;
        bool ended = false;
        for (int runs = 0; !ended; runs++) {
            struct port_run run = port_run_next(&m.insn, &regs, 0, m.df);
            must(run.count > 0 || low_bits(&m, regs.rcx) == 0);
            ended = port_regs_advance(&m.insn, &regs, m.df, run.count);
            for (uint32_t k = 0; k < run.count; k++)
                must(step(&m));
            must(runs < 10000);
        }
        must(!step(&m));
        must(memcmp(&regs, &m.regs, sizeof(regs)) == 0);
    }
}
END_TEST

/* Written out by hand, so that machine and code cannot share a mistake about the common cases. */
START_TEST(test_runs_by_hand)
{
    struct port_insn insw = { .in = true,
                              .string = true,
                              .rep = true,
                              .size = 2,
                              .address_size = 8,
                              .port_dx = true,
                              .length = 3 };
    struct regs regs = { .rcx = 4096, .rsi = 0x1111, .rdi = 0x5ffc };
    struct port_run run = port_run_next(&insw, &regs, 0, false);

    must(run.lowest == 0x5ffc);
    must(run.count == 2);
    must(!port_regs_advance(&insw, &regs, false, 2));
    must(regs.rcx == 4094);
    must(regs.rdi == 0x6000);
    must(regs.rsi == 0x1111);
    run = port_run_next(&insw, &regs, 0, false);
    must(run.count == 2048);
    regs.rdi = 0x6006;
    run = port_run_next(&insw, &regs, 0, true);
    must(run.lowest == 0x6000);
    must(run.count == 4);
    regs.rcx = 0;
    must(port_run_next(&insw, &regs, 0, false).count == 0);
    must(port_regs_advance(&insw, &regs, false, 0));

    insw.address_size = 4;
    regs = (struct regs){ .rcx = 0xaaaaaaaa00000003, .rdi = 0xbbbbbbbbfffffffe };
    run = port_run_next(&insw, &regs, 0, false);
    must(run.lowest == 0xfffffffe);
    must(run.count == 1);
    must(!port_regs_advance(&insw, &regs, false, 1));
    must(regs.rcx == 2);
    must(regs.rdi == 0);
}
END_TEST

START_TEST(test_reverse)
{
    for (unsigned size = 1; size <= 4; size *= 2) {
        for (uint32_t count = 0; count < 70; count++) {
            size_t bytes = (size_t)count * size;
            uint8_t *data = malloc(bytes + 1), *turned = malloc(bytes + 1);
            for (size_t i = 0; i < bytes; i++)
                data[i] = (uint8_t)i;
            port_elements_reverse(turned, data, count, size);
            for (size_t i = 0; i < bytes; i++) {
                size_t from = (count - 1 - i / size) * size + i % size;
                must(turned[i] == (uint8_t)from);
            }
            free(turned);
            free(data);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("portdecode");
    TCase *decode = tcase_create("decode");
    TCase *rep = tcase_create("rep");

    tcase_set_timeout(decode, 120);
    tcase_set_timeout(rep, 120);
    tcase_add_loop_test(decode, test_every_prefix_combination, 0, 5);
    tcase_add_test(decode, test_immediates);
    tcase_add_test(decode, test_prefixes_alone);
    tcase_add_test(decode, test_length_limit);
    tcase_add_test(decode, test_random_long_sequences);
    tcase_add_test(decode, test_refusal_writes_nothing);
    tcase_add_test(decode, test_lookalikes);
    tcase_add_test(decode, test_port_number);
    tcase_add_test(rep, test_runs_against_machine);
    tcase_add_test(rep, test_whole_transfer);
    tcase_add_test(rep, test_runs_by_hand);
    tcase_add_test(rep, test_reverse);
    suite_add_tcase(suite, decode);
    suite_add_tcase(suite, rep);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin of QEMU that counts what a machine does between two marker instructions, by layer: whose
 * code it was is told by its address, since the images lie apart.
 *
 *     -plugin count.so,out=FILE,guest=LO-HI,root=LO-HI,hyp=LO-HI,stubs=ADDRESS,copier=LO-HI
 *
 * A marker is `nopl IMM(%rax)`, which no compiler makes with such a displacement. Between BEGIN and
 * END is a sample. EMPTY: the samples so far had nothing between them, and their median is taken
 * off all that follow. DROP: the last sample is none; ONLY: those before it are none. ROW: the
 * samples so far are a row; its line in FILE has their number, and for the median sample (by
 * instructions) all counters, as name=value. Markers are not counted. With `profile=on` there
 * follow, of all samples together (dropped ones too), lines "AT address times" for each
 * instruction.
 *
 * An instruction that faults is tried and not done: the virtual clock of -icount does not count it,
 * and neither is it counted here. It was the last one of whoever ran since the last return from the
 * hypervisor.
 *
 * With several processors who waits for another one is not counted: of a loop with a PAUSE in it
 * the first turn up to there counts and what follows the last, as if it had looked twice.
 *
 * Owns the counters. With one processor they are added to by inlined code, else by calls. Several
 * take turns in one thread, as they do under -icount: nothing here is locked. The interface is
 * QEMU's of version 1, declared here since Debian packages no header for it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- QEMU's interface ---- */

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_RW = 3 };

struct qemu_info {
    const char *target_name;
    struct {
        int min, cur;
    } version;
    bool system_emulation;
    struct {
        int smp_vcpus, max_vcpus;
    } system;
};

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*cb)(unsigned, void *),
                                            enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *at, uint64_t add);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*cb)(unsigned, uint32_t, uint64_t, void *),
                                      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw,
                                      void *data);
bool qemu_plugin_mem_is_store(uint32_t info);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

#define EXPORT __attribute__((visibility("default")))
extern EXPORT int qemu_plugin_version;
int qemu_plugin_version = 1;

/* ---- what is counted ---- */

#define LAYERS  5 /* those that are named, and `other` */
#define SAMPLES 1024

struct counts {
    uint64_t instructions[LAYERS];
    uint64_t moved[LAYERS];    /* bytes, by MOVS, INS and OUTS */
    uint64_t copying[LAYERS];  /* instructions: iterations of these, and copying functions */
    uint64_t syscalls[LAYERS]; /* by whom */
    uint64_t ports[LAYERS];    /* IN and OUT; a REP of them counts once in a guest that traps */
    uint64_t faults;           /* exceptions of whatever layer */
    uint64_t interrupts;
    uint64_t roots; /* loads of CR3 */
};

#define WORDS (sizeof(struct counts) / sizeof(uint64_t))

static struct layer {
    char name[16];
    uint64_t low, high;
} layer[LAYERS];
static unsigned layers;
static uint64_t copier_low, copier_high; /* a function that copies by a loop */
static uint64_t stubs; /* 256 of 16 bytes: where the processor enters on a vector */

static struct counts now, base, empty;
static uint64_t returned[LAYERS]; /* instructions when code was last returned to */
static struct sample {
    struct counts counts;
    uint64_t total;
    uint64_t wall; /* nanoseconds */
} sample[SAMPLES];
static unsigned samples;
static uint64_t wall_base;
static FILE *out;

static void fail(const char *why)
{
    fprintf(stderr, "plugin: %s\n", why);
    exit(1);
}

/* ---- several processors ---- */

#define CPUS      8
#define TURN_MOST 32

static bool several;

/*
 * Of each processor: what it has done since its last PAUSE, if nothing has interrupted it there. A
 * loop that waits comes back to its PAUSE within TURN_MOST instructions: no work between two waits
 * at one place is so short. The longest turn of the hypervisor's is that of epoch_wait.
 */
static struct turn {
    void *pause; /* its address; NULL: none */
    uint64_t done[LAYERS];
    unsigned layer, before; /* of the last instruction, and of the one before that */
} turn[CPUS];

static void on_instruction(unsigned cpu, void *layer_of_it)
{
    struct turn *t = &turn[cpu];

    t->before = t->layer;
    t->layer = (unsigned)(uintptr_t)layer_of_it;
    t->done[t->layer]++;
    now.instructions[t->layer]++;
}

/* A PAUSE, and the same one again after a few instructions: they were a turn of who waits. */
static void on_pause(unsigned cpu, void *address)
{
    struct turn *t = &turn[cpu];
    uint64_t sum = 0;

    for (unsigned l = 0; l < LAYERS; l++) {
        sum += t->done[l];
    }
    for (unsigned l = 0; l < LAYERS && t->pause == address && sum <= TURN_MOST; l++) {
        now.instructions[l] -= t->done[l];
    }
    *t = (struct turn){ .pause = address, .layer = t->layer };
}

/* ---- the profile: how often each instruction was done, of the samples of a row ---- */

#define PLACES (1u << 18)

static struct place {
    uint64_t address; /* 0: free */
    uint64_t hits, base, sum;
} place[PLACES];
static bool profiling;

static uint64_t *hits_of(uint64_t address)
{
    size_t at = (size_t)(address * 0x9e3779b97f4a7c15u >> 46);

    while (place[at].address != 0 && place[at].address != address) {
        at = (at + 1) % PLACES;
    }
    place[at].address = address;
    return &place[at].hits;
}

static void profile_begin(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        place[i].base = place[i].hits;
    }
}

static void profile_end(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        place[i].sum += place[i].hits - place[i].base;
    }
}

static void profile_print(bool row)
{
    for (size_t i = 0; i < PLACES; i++) {
        if (place[i].sum > 0 && row) {
            fprintf(out, "AT %llx %llu\n", (unsigned long long)place[i].address,
                    (unsigned long long)place[i].sum);
        }
        place[i].sum = 0;
    }
}

/* ---- markers ---- */

enum mark { BEGIN = 0x50560001, END, EMPTY, ROW, DROP, ONLY };

static uint64_t wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void on_begin(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (profiling) {
        profile_begin();
    }
    base = now;
    wall_base = wall_clock();
}

static void on_end(unsigned cpu, void *data)
{
    struct sample *s = &sample[samples];
    uint64_t *to = (uint64_t *)&s->counts, *from = (uint64_t *)&base, *off = (uint64_t *)&empty;

    (void)cpu;
    (void)data;
    if (samples++ == SAMPLES) {
        fail("a row has too many samples");
    }
    s->wall = wall_clock() - wall_base;
    s->counts = now;
    s->total = 0;
    for (size_t i = 0; i < WORDS; i++) {
        to[i] -= from[i] + off[i];
    }
    for (unsigned l = 0; l < LAYERS; l++) {
        s->total += s->counts.instructions[l];
    }
    if (profiling) {
        profile_end();
    }
}

static int by_total(const void *a, const void *b)
{
    uint64_t x = ((const struct sample *)a)->total, y = ((const struct sample *)b)->total;

    return (x > y) - (x < y);
}

static int by_wall(const void *a, const void *b)
{
    uint64_t x = ((const struct sample *)a)->wall, y = ((const struct sample *)b)->wall;

    return (x > y) - (x < y);
}

static void on_empty(unsigned cpu, void *data)
{
    uint64_t *to = (uint64_t *)&empty;

    (void)cpu;
    (void)data;
    qsort(sample, samples, sizeof(*sample), by_total);
    for (size_t i = 0; i < WORDS && samples > 0; i++) {
        to[i] += ((uint64_t *)&sample[samples / 2].counts)[i];
    }
    profile_print(false);
    samples = 0;
}

static void on_return(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    memcpy(returned, now.instructions, sizeof(returned));
}

/* At the entry for an exception: `hyp`, whose entry it is, runs again already. */
static void on_fault(unsigned cpu, void *hyp)
{
    unsigned l = 0;

    now.faults++;
    if (several) {
        now.instructions[turn[cpu].before]--;
        return;
    }
    while (l < LAYERS - 1 && (&layer[l] == hyp || now.instructions[l] == returned[l])) {
        l++;
    }
    now.instructions[l]--;
}

/* At the entry for whatever vector. */
static void on_entry(unsigned cpu, void *data)
{
    (void)data;
    turn[cpu].pause = NULL;
}

static void print_layers(const char *name, const uint64_t *of)
{
    for (unsigned l = 0; l < layers; l++) {
        fprintf(out, " %s.%s=%llu", name, layer[l].name, (unsigned long long)of[l]);
    }
}

static void on_row(unsigned cpu, void *data)
{
    const struct sample *s = &sample[samples / 2];
    const struct counts *c = &s->counts;

    (void)cpu;
    (void)data;
    if (samples == 0) {
        fail("a row without samples: no BEGIN and END around what was measured");
    }
    qsort(sample, samples, sizeof(*sample), by_wall);
    fprintf(out, "ROW samples=%u wall=%llu", samples, (unsigned long long)s->wall);
    qsort(sample, samples, sizeof(*sample), by_total);
    fprintf(out, " below=%llu above=%llu second=%llu",
            (unsigned long long)sample[samples < 3 ? 0 : samples / 2 - 1].total,
            (unsigned long long)sample[samples / 2 + (samples > samples / 2 + 1)].total,
            (unsigned long long)sample[samples > 1].total);
    fprintf(out, " total=%llu min=%llu max=%llu faults=%llu interrupts=%llu roots=%llu",
            (unsigned long long)s->total, (unsigned long long)sample[0].total,
            (unsigned long long)sample[samples - 1].total, (unsigned long long)c->faults,
            (unsigned long long)c->interrupts, (unsigned long long)c->roots);
    print_layers("instructions", c->instructions);
    print_layers("moved", c->moved);
    print_layers("copying", c->copying);
    print_layers("syscalls", c->syscalls);
    print_layers("ports", c->ports);
    fputc('\n', out);
    profile_print(true);
    fflush(out);
    samples = 0;
}

static void on_drop(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    samples -= samples > 0;
}

static void on_only(unsigned cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (samples > 1) {
        sample[0] = sample[samples - 1];
        samples = 1;
    }
}

static void (*const on_mark[])(unsigned, void *) = { on_begin, on_end,  on_empty,
                                                     on_row,   on_drop, on_only };

/* ---- instructions ---- */

static unsigned layer_of(uint64_t address)
{
    unsigned l = 0;

    while (l < layers - 1 && (address < layer[l].low || address >= layer[l].high)) {
        l++;
    }
    return l;
}

static void add(struct qemu_plugin_insn *insn, uint64_t *to)
{
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, to, 1);
}

static void on_exec(struct qemu_plugin_insn *insn, void (*cb)(unsigned, void *), void *data)
{
    qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, QEMU_PLUGIN_CB_NO_REGS, data);
}

/* Bytes that one of MOVS, INS, OUTS moves at a time, by opcode and prefixes; 0: another. */
static unsigned width_of(uint8_t opcode, bool wide, bool narrow)
{
    switch (opcode) {
    case 0xa4: /* MOVSB, INSB, OUTSB */
    case 0x6c:
    case 0x6e:
        return 1;
    case 0xa5:
        return wide ? 8 : narrow ? 2 : 4;
    case 0x6d:
    case 0x6f:
        return narrow ? 2 : 4;
    default:
        return 0;
    }
}

/* What one of them moves at a time: by whom, and how many bytes. */
struct mover {
    unsigned layer, width;
    bool ins;
    bool load; /* OUTS: what is read counts, for the others what is written */
};

/* INS stores a dummy first, so that a fault comes before the port is read, and is tried again when
 * the port turns out to be a device: an address that was just written does not count again. */
static void on_move(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
    const struct mover *m = data;
    static uint64_t last;

    (void)cpu;
    if (qemu_plugin_mem_is_store(info) == m->load || (m->ins && address == last)) {
        return;
    }
    now.moved[m->layer] += m->width;
    if (m->ins) {
        last = address;
    }
}

static void count_string(struct qemu_plugin_insn *insn, uint8_t opcode, unsigned width, unsigned l)
{
    struct mover *m = malloc(sizeof(*m)); /* kept: QEMU does not tell when code is thrown away */

    if (!m) {
        fail("no memory");
    }
    *m = (struct mover){ .layer = l,
                         .width = width,
                         .ins = opcode == 0x6c || opcode == 0x6d,
                         .load = opcode == 0x6e || opcode == 0x6f };
    add(insn, &now.copying[l]);
    qemu_plugin_register_vcpu_mem_cb(insn, on_move, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, m);
}

static bool is_port(uint8_t opcode)
{
    return (opcode >= 0xe4 && opcode <= 0xe7) || (opcode >= 0xec && opcode <= 0xef) ||
           (opcode >= 0x6c && opcode <= 0x6f);
}

static void count_special(struct qemu_plugin_insn *insn, const uint8_t *code, size_t size,
                          unsigned l)
{
    bool wide = false, narrow = false;
    size_t at = 0;

    for (; at + 1 < size; at++) {
        if (code[at] == 0x66) {
            narrow = true;
        } else if ((code[at] & 0xf8) == 0x48) {
            wide = true;
        } else if (code[at] != 0xf2 && code[at] != 0xf3 && (code[at] & 0xf0) != 0x40) {
            break;
        }
    }
    if (code[at] == 0xcf) {
        on_exec(insn, on_return, NULL); /* IRET */
    } else if (code[at] == 0x0f && at + 1 < size) {
        if (code[at + 1] == 0x05) {
            add(insn, &now.syscalls[l]);
        } else if (code[at + 1] == 0x07) {
            on_exec(insn, on_return, NULL); /* SYSRET */
        } else if (code[at + 1] == 0x22 && at + 2 < size && (code[at + 2] & 0x38) == 0x18) {
            add(insn, &now.roots);
        }
        return;
    }
    if (width_of(code[at], wide, narrow) > 0) {
        count_string(insn, code[at], width_of(code[at], wide, narrow), l);
    }
    if (is_port(code[at])) {
        add(insn, &now.ports[l]);
    }
}

static bool is_mark(const uint8_t *code, size_t size, uint32_t *mark)
{
    if (size != 7 || code[0] != 0x0f || code[1] != 0x1f || code[2] != 0x80) {
        return false;
    }
    memcpy(mark, code + 3, sizeof(*mark));
    return *mark >= BEGIN && *mark <= ONLY;
}

static void instrument(struct qemu_plugin_insn *insn)
{
    const uint8_t *code = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    unsigned l = layer_of(address);
    uint32_t mark;

    if (is_mark(code, size, &mark)) {
        on_exec(insn, on_mark[mark - BEGIN], NULL);
        return;
    }
    if (several) {
        on_exec(insn, on_instruction, (void *)(uintptr_t)l);
    } else {
        add(insn, &now.instructions[l]);
    }
    if (several && size == 2 && code[0] == 0xf3 && code[1] == 0x90) {
        on_exec(insn, on_pause, (void *)(uintptr_t)address);
    }
    if (profiling) {
        add(insn, hits_of(address));
    }
    if (address >= copier_low && address < copier_high) {
        add(insn, &now.copying[l]);
    }
    count_special(insn, code, size, l);
    if (stubs && address - stubs < 4096 && address % 16 == 0) {
        if (several) {
            on_exec(insn, on_entry, NULL);
        }
        if (address - stubs < 32 * 16) {
            on_exec(insn, on_fault, &layer[l]);
        } else {
            add(insn, &now.interrupts);
        }
    }
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        instrument(qemu_plugin_tb_get_insn(tb, i));
    }
}

/* ---- start ---- */

/* LOW-HIGH */
static void range(const char *text, uint64_t *low, uint64_t *high)
{
    char *end;

    *low = strtoull(text, &end, 0);
    *high = *end == '-' ? strtoull(end + 1, NULL, 0) : 0;
    if (*high <= *low) {
        fail("a range is LOW-HIGH");
    }
}

static void add_layer(const char *name, const char *value)
{
    struct layer *l = &layer[layers++];

    if (layers == LAYERS || strlen(name) >= sizeof(l->name)) {
        fail("too many layers, or too long a name");
    }
    strcpy(l->name, name);
    range(value, &l->low, &l->high);
}

static void argument(char *text)
{
    char *value = strchr(text, '=');

    if (!value) {
        fail("an argument is NAME=VALUE");
    }
    *value++ = '\0';
    if (strcmp(text, "out") == 0) {
        out = fopen(value, "w");
    } else if (strcmp(text, "profile") == 0) {
        profiling = strcmp(value, "on") == 0;
    } else if (strcmp(text, "stubs") == 0) {
        stubs = strtoull(value, NULL, 0);
    } else if (strcmp(text, "copier") == 0) {
        range(value, &copier_low, &copier_high);
    } else {
        add_layer(text, value);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv)
{
    if (!info->system_emulation || info->system.smp_vcpus > CPUS) {
        fail("only for a machine of up to 8 processors");
    }
    several = info->system.smp_vcpus > 1;
    for (int i = 0; i < argc; i++) {
        argument(argv[i]);
    }
    if (!out) {
        fail("no file to write to");
    }
    strcpy(layer[layers++].name, "other");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a block request costs, by whatever driver stands behind a device: role `blockbench`. For a
 * run under -icount, where a nanosecond of the clock is an instruction of whoever runs: this kernel
 * and all that is beneath. `vda=MODE`, `hda=MODE` and `hda.pio=MODE` on the command line say which
 * devices are measured and under which name. With `medium=disk` the disk behind is a real one: then
 * the figures are wall clock of a run without -icount, and no two runs are alike.
 *
 * At depth 1 a request is timed from its call to its return; requests longer than BLOCK_MAX_BYTES
 * go through the block layer, which splits them. At depth 32 a pass of PIECES requests is timed as
 * a whole, where a longer request is so many pieces. What an empty measurement costs is taken off.
 *
 * Lines: "BENCH name mode unit median min max runs divisor", and behind it what the machine beneath
 * counted for this kernel meanwhile: "COUNT name mode key value divisor".
 */
#include "block.h"
#include "clock.h"
#include "guest.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"

#define RUNS   200u
#define PASSES 9u
#define DEPTH  32u
#define PIECES 512u /* of a pass; of long requests a quarter */
#define KIB    2u   /* sectors */

static uint64_t sample[RUNS];
static const char *unit = "instructions";

/* What is measured, and under which names. */
struct row {
    struct block_device *device;
    const char *mode;
    enum block_op op;
    uint32_t count; /* sectors */
    bool deep;      /* as many requests as the driver takes */
    char name[32];
};

/* The two ends of a measurement. Always called, so that an empty one costs as much as any. */
static __attribute__((noinline)) uint64_t begin(void)
{
    uint64_t now = clock_ns();

    measure_mark_begin();
    return now;
}

static __attribute__((noinline)) uint64_t end(void)
{
    measure_mark_end();
    return clock_ns();
}

/* Two ends with nothing between. */
static uint64_t empty_measurement(void)
{
    for (unsigned i = 0; i < RUNS; i++) {
        uint64_t from = begin();

        sample[i] = end() - from;
    }
    measure_mark_empty();
    samples_sort(sample, RUNS);
    return sample[RUNS / 2];
}

static void report(const struct row *r, unsigned runs, unsigned divisor)
{
    measure_mark_row();
    samples_sort(sample, runs);
    printk("BENCH %s %s %s %lu %lu %lu %u %u\n", r->name, r->mode, unit, sample[runs / 2],
           sample[0], sample[runs - 1], runs, divisor);
}

/* What the machine counted since `start`, in which `requests` were done, and the driver's accesses
 * of ports since it had made `accesses` of them. */
static void report_counts(const struct row *r, const struct measure *start, uint64_t accesses,
                          unsigned requests)
{
    struct measure m = measure_since(start);
    const struct arch_counter *c;

    for (unsigned i = 0; (c = arch_counter(i)) != NULL; i++) {
        printk("COUNT %s %s %s %lu %u\n", r->name, r->mode, c->key, m.usage.count[i], requests);
    }
    printk("COUNT %s %s copied_beneath %lu %u\n", r->name, r->mode, m.usage.copied, requests);
    printk("COUNT %s %s port_accesses %lu %u\n", r->name, r->mode,
           r->device->stats.accesses - accesses, requests);
}

static uint64_t place(const struct block_device *d, unsigned n, uint32_t count)
{
    return count == 0 ? 0 : (uint64_t)n * count % (d->sectors - d->sectors % count);
}

/* ---- depth 1 ---- */

static int one(const struct row *r, unsigned n, void *buffer)
{
    struct block_device *d = r->device;

    switch (r->op) {
    case BLOCK_READ:
        return block_read(d, place(d, n, r->count), r->count, buffer);
    case BLOCK_WRITE:
        return block_write(d, place(d, n, r->count), r->count, buffer);
    default:
        return block_flush(d);
    }
}

/* The same bytes for each of the sizes: fewer runs of the long ones. */
static unsigned runs_of(const struct row *r)
{
    return r->count > BLOCK_MAX_SECTORS ? RUNS * BLOCK_MAX_SECTORS / r->count : RUNS;
}

static int depth_one(const struct row *r, void *buffer)
{
    uint64_t empty = empty_measurement();
    struct measure start = measure_now();
    uint64_t accesses = r->device->stats.accesses;
    unsigned runs = runs_of(r);
    int error = 0;

    for (unsigned n = 0; n < runs && error == 0; n++) {
        uint64_t from = begin();

        error = one(r, n, buffer);
        sample[n] = end() - from - empty;
    }
    if (error == 0) {
        report(r, runs, 1);
        report_counts(r, &start, accesses, runs);
    }
    return error;
}

/* ---- depth 32 ---- */

static struct flight {
    struct block_request request[DEPTH];
    struct wait_queue waiters;
    unsigned pieces, submitted, finished;
    int error;
} flight;

static void flight_done(struct block_request *r)
{
    flight.finished++;
    flight.error = r->status < 0 ? r->status : flight.error;
    wait_wake_all(&flight.waiters);
}

static void flight_fill(const struct row *row, uint32_t count)
{
    for (unsigned i = 0; i < DEPTH && flight.submitted < flight.pieces; i++) {
        struct block_request *r = &flight.request[i];

        if (r->finished) {
            *r = (struct block_request){ .op = row->op,
                                         .sector = place(row->device, flight.submitted++, count),
                                         .count = count,
                                         .buffer = r->buffer,
                                         .done = flight_done };
            block_submit(row->device, r);
        }
    }
    block_kick(row->device);
}

static void pass(const struct row *r, uint32_t count)
{
    flight.submitted = flight.finished = 0;
    while (flight.finished < flight.pieces && flight.error == 0) {
        unsigned before;

        flight_fill(r, count);
        before = flight.submitted;
        wait_event(&flight.waiters, flight.finished == before || flight.error != 0);
    }
}

static int depth_many(const struct row *r, char *buffers)
{
    uint32_t count = r->count < BLOCK_MAX_SECTORS ? r->count : BLOCK_MAX_SECTORS;
    unsigned pieces = count == BLOCK_MAX_SECTORS ? PIECES / 4 : PIECES;
    unsigned requests = r->count == 0 ? pieces : pieces * count / r->count;
    uint64_t empty = empty_measurement();
    struct measure start = measure_now();
    uint64_t accesses = r->device->stats.accesses;

    flight.pieces = pieces;
    flight.error = 0;
    for (unsigned i = 0; i < DEPTH; i++) {
        flight.request[i] = (struct block_request){ .buffer = buffers + (size_t)i * BLOCK_MAX_BYTES,
                                                    .finished = true };
    }
    for (unsigned n = 0; n < PASSES && flight.error == 0; n++) {
        uint64_t from = begin();

        pass(r, count);
        sample[n] = end() - from - empty;
    }
    if (flight.error == 0) {
        report(r, PASSES, requests);
        report_counts(r, &start, accesses, PASSES * requests);
    }
    return flight.error;
}

/* ---- the rows ---- */

static const struct {
    const char *name;
    enum block_op op;
    uint32_t count;
} kinds[] = {
    { "read_4k", BLOCK_READ, 4 * KIB },
    { "read_16k", BLOCK_READ, 16 * KIB },
    { "read_64k", BLOCK_READ, 64 * KIB },
    { "read_256k", BLOCK_READ, 256 * KIB },
    { "read_1m", BLOCK_READ, 1024 * KIB },
    { "write_4k", BLOCK_WRITE, 4 * KIB },
    { "write_16k", BLOCK_WRITE, 16 * KIB },
    { "write_64k", BLOCK_WRITE, 64 * KIB },
    { "write_256k", BLOCK_WRITE, 256 * KIB },
    { "write_1m", BLOCK_WRITE, 1024 * KIB },
    { "flush", BLOCK_FLUSH, 0 },
};

/* DEPTH buffers in a row: the device's own where it has such that need no copy. */
static char *buffers_for(struct block_device *d)
{
    char *first = block_buffer_get(d);

    for (unsigned i = 1; first && i < DEPTH; i++) {
        if (block_buffer_get(d) != first + (size_t)i * BLOCK_MAX_BYTES) {
            printk("blockbench: the buffers of %s do not lie in a row\n", d->name);
            return NULL;
        }
    }
    return first ? first : page_alloc(DEPTH * BLOCK_MAX_BYTES / PAGE_SIZE);
}

/* The reads at DEPTH, over `queues=` queues in turn. */
static int over_queues(struct row *r, uint64_t queues, char *buffers)
{
    int error = 0;

    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && error == 0; k++) {
        if (kinds[k].op == BLOCK_READ) {
            r->op = kinds[k].op;
            r->count = kinds[k].count;
            format_text(r->name, sizeof(r->name), "block.%s_q32_queues%lu", kinds[k].name, queues);
            error = depth_many(r, buffers);
        }
    }
    return error;
}

/* All kinds at depth 1, and at DEPTH where the driver takes more than one request at a time. */
static int all_kinds(struct row *r, char *buffers)
{
    uint64_t queues = option_number("queues", 0);
    int error = 0;

    if (queues > 0) {
        return over_queues(r, queues, buffers);
    }

    for (unsigned deep = 0; deep <= (r->device->depth > 1); deep++) {
        for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && error == 0; k++) {
            r->op = kinds[k].op;
            r->count = kinds[k].count;
            format_text(r->name, sizeof(r->name), "block.%s%s", kinds[k].name, deep ? "_q32" : "");
            error = deep ? depth_many(r, buffers) : depth_one(r, buffers);
        }
    }
    return error;
}

static bool rows(const char *name)
{
    struct row r = { .device = block_find(name) };
    char mode[24], *buffers;

    if (!option_text(name, mode, sizeof(mode))) {
        return true;
    }
    r.mode = mode;
    if (!r.device) {
        printk("blockbench: there is no disk %s\n", name);
        return false;
    }
    buffers = buffers_for(r.device);
    if (!buffers || all_kinds(&r, buffers) != 0) {
        printk("blockbench: no buffers, or a request failed\n");
        return false;
    }
    return true;
}

static unsigned role_blockbench(void)
{
    char medium[8];

    if (option_text("medium", medium, sizeof(medium)) && strcmp(medium, "disk") == 0) {
        unit = "nanoseconds";
    }
    if (!rows("vda") || !rows("hda") || !rows("hda.pio")) {
        return 1;
    }
    printk("blockbench: done\n");
    return 0;
}

ROLE("blockbench", role_blockbench);

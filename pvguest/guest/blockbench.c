/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a block request costs, by whatever driver stands behind a device: role `blockbench`. For a
 * run under -icount, where a nanosecond of the clock is an instruction of whoever runs: this kernel
 * and all that is beneath. `vda=MODE` and `hda=MODE` on the command line say which devices are
 * measured and under which name. With `medium=disk` the disk behind is a real one: then the figures
 * are wall clock of a run without -icount, and no two runs are alike. With `busy=1` only the time
 * on the processor counts: for a real disk under -icount, whose own time is not anybody's
 * instructions.
 *
 * At depth 1 a request is timed from its call to its return. At depth 32 a pass of REQUESTS
 * requests is timed as a whole. What reading the clock costs is taken off. Lines: "BENCH name mode
 * unit median min max runs divisor".
 */
#include "block.h"
#include "clock.h"
#include "guest.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"

#define RUNS     200u
#define PASSES   15u
#define DEPTH    32u
#define REQUESTS 512u
#define KIB4     8u /* sectors */
#define KIB64    128u

static uint64_t sample[RUNS];
static const char *unit = "instructions";
static bool busy_only; /* what passes while the processor waits is left out */

static void sort_samples(unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        uint64_t value = sample[i];
        unsigned j = i;

        for (; j > 0 && sample[j - 1] > value; j--) {
            sample[j] = sample[j - 1];
        }
        sample[j] = value;
    }
}

static void report(const char *name, const char *mode, unsigned count, unsigned divisor)
{
    sort_samples(count);
    printk("BENCH %s %s %s %lu %lu %lu %u %u\n", name, mode, unit, sample[count / 2], sample[0],
           sample[count - 1], count, divisor);
}

/* The moment, in what is counted. */
static uint64_t stamp(void)
{
    return busy_only ? measure_now().usage.running : clock_ns();
}

/* Two readings with nothing between. */
static uint64_t empty_marker(void)
{
    for (unsigned i = 0; i < RUNS; i++) {
        uint64_t from = stamp();

        sample[i] = stamp() - from;
    }
    sort_samples(RUNS);
    return sample[RUNS / 2];
}

static uint64_t place(const struct block_device *d, unsigned n, uint32_t count)
{
    return count == 0 ? 0 : (uint64_t)n * count % (d->sectors - d->sectors % count);
}

/* A buffer that the device reaches itself, or else any. Kept until the end: rows use it again. */
static void *buffer_for(struct block_device *d)
{
    static struct block_device *of;
    static void *plain;

    if (of != d) {
        of = d;
        plain = block_buffer_get(d);
    }
    return plain ? plain : (plain = page_alloc(BLOCK_MAX_BYTES / PAGE_SIZE));
}

/* ---- depth 1 ---- */

static int one(struct block_device *d, enum block_op op, unsigned n, uint32_t count, void *buffer)
{
    switch (op) {
    case BLOCK_READ:
        return block_read(d, place(d, n, count), count, buffer);
    case BLOCK_WRITE:
        return block_write(d, place(d, n, count), count, buffer);
    default:
        return block_flush(d);
    }
}

static bool depth_one(struct block_device *d, const char *mode, const char *name, enum block_op op,
                      uint32_t count)
{
    uint64_t empty = empty_marker();
    void *buffer = buffer_for(d);
    int error = buffer ? 0 : BLOCK_EIO;

    for (unsigned n = 0; n < RUNS && error == 0; n++) {
        uint64_t from = stamp();

        error = one(d, op, n, count, buffer);
        sample[n] = stamp() - from - empty;
    }
    if (error == 0) {
        report(name, mode, RUNS, 1);
    }
    return error == 0;
}

/* ---- depth 32 ---- */

static struct flight {
    struct block_request request[DEPTH];
    struct wait_queue waiters;
    unsigned submitted, finished;
    int error;
} flight;

static void flight_done(struct block_request *r)
{
    flight.finished++;
    flight.error = r->status < 0 ? r->status : flight.error;
    wait_wake_all(&flight.waiters);
}

static void flight_fill(struct block_device *d, enum block_op op, uint32_t count)
{
    for (unsigned i = 0; i < DEPTH && flight.submitted < REQUESTS; i++) {
        struct block_request *r = &flight.request[i];

        if (r->finished) {
            *r = (struct block_request){ .op = op,
                                         .sector = place(d, flight.submitted++, count),
                                         .count = count,
                                         .buffer = r->buffer,
                                         .done = flight_done };
            block_submit(d, r);
        }
    }
    block_kick(d);
}

static void pass(struct block_device *d, enum block_op op, uint32_t count)
{
    flight.submitted = flight.finished = 0;
    while (flight.finished < REQUESTS && flight.error == 0) {
        unsigned before;

        flight_fill(d, op, count);
        before = flight.submitted;
        wait_event(&flight.waiters, flight.finished == before || flight.error != 0);
    }
}

/* What a pass costs in `unit`, of RUNS passes. */
static void passes(struct block_device *d, const char *mode, const char *name, enum block_op op,
                   uint32_t count, struct measure *last)
{
    uint64_t empty = empty_marker();

    for (unsigned n = 0; n < PASSES; n++) {
        struct measure start = measure_now();
        uint64_t from = stamp();

        pass(d, op, count);
        sample[n] = stamp() - from - empty;
        *last = measure_since(&start);
    }
    report(name, mode, PASSES, REQUESTS);
}

static void counted(const char *mode, const char *name, const char *what, uint64_t value)
{
    printk("BENCH %s %s %s %lu %lu %lu 1 %u\n", name, mode, what, value, value, value, REQUESTS);
}

static bool depth_many(struct block_device *d, const char *mode, const char *name, enum block_op op,
                       uint32_t count)
{
    const struct arch_counter *c;
    struct measure last = { 0 };

    flight.error = 0;
    for (unsigned i = 0; i < DEPTH; i++) {
        flight.request[i].buffer = i == 0 ? buffer_for(d) : block_buffer_get(d);
        flight.request[i].finished = true;
    }
    passes(d, mode, name, op, count, &last);
    for (unsigned i = 0; (c = arch_counter(i)) != NULL; i++) {
        counted(mode, name, c->key, last.usage.count[i]);
    }
    for (unsigned i = 1; i < DEPTH; i++) {
        block_buffer_put(d, flight.request[i].buffer);
    }
    return flight.error == 0;
}

/* ---- the rows ---- */

static bool rows_one(struct block_device *d, const char *mode)
{
    return depth_one(d, mode, "block.read_4k", BLOCK_READ, KIB4) &&
           depth_one(d, mode, "block.read_64k", BLOCK_READ, KIB64) &&
           depth_one(d, mode, "block.write_4k", BLOCK_WRITE, KIB4) &&
           depth_one(d, mode, "block.flush", BLOCK_FLUSH, 0);
}

static bool rows_many(struct block_device *d, const char *mode)
{
    return depth_many(d, mode, "block.read_4k_q32", BLOCK_READ, KIB4) &&
           depth_many(d, mode, "block.read_64k_q32", BLOCK_READ, KIB64) &&
           depth_many(d, mode, "block.write_4k_q32", BLOCK_WRITE, KIB4) &&
           depth_many(d, mode, "block.flush_q32", BLOCK_FLUSH, 0);
}

/* The rows of one device; depth 32 where the driver takes more than one request at a time. */
static bool rows(const char *name, bool one_too)
{
    struct block_device *d = block_find(name);
    char mode[24];

    if (!option_text(name, mode, sizeof(mode))) {
        return true;
    }
    if (!d) {
        printk("blockbench: there is no disk %s\n", name);
        return false;
    }
    if ((one_too && !rows_one(d, mode)) || (d->depth > 1 && !rows_many(d, mode))) {
        printk("blockbench: a request failed\n");
        return false;
    }
    return true;
}

static unsigned role_blockbench(void)
{
    char medium[8];
    bool one_too = option_number("deep", 0) == 0;

    if (option_text("medium", medium, sizeof(medium)) && strcmp(medium, "disk") == 0) {
        unit = "nanoseconds";
    }
    busy_only = option_number("busy", 0) != 0;
    if (!rows("vda", one_too) || !rows("hda", one_too)) {
        return 1;
    }
    printk("blockbench: done\n");
    return 0;
}

ROLE("blockbench", role_blockbench);

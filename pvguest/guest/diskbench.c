/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demonstration's guest with a disk: reads all of it by each way in which it is reached, and
 * prints what each cost; then writes and reads back on the scratch disk, runs the user programs,
 * and prints its share of the CPU. There is no cache in this kernel: each pass fetches every
 * sector.
 */
#include "block.h"
#include "clock.h"
#include "guest.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"
#include "reader.h"

#define UNIT 4096u /* the table's second half is per so many bytes */

struct pass {
    struct block_device *device;
    bool done;
    char hex[SHA256_HEX_BYTES];
    struct measure m;
    uint64_t requests;
    uint64_t bytes;
    uint64_t copied;   /* by the driver and beneath it */
    uint64_t accesses; /* of ports, by the driver */
};

#define MAX_PASSES 3u

static struct pass passes[MAX_PASSES];
static unsigned pass_count;

/* Those of the disks that are there; vdb is for writing. */
static void find_passes(void)
{
    static const char *const names[MAX_PASSES] = { "vda", "hda", "hda.pio" };

    for (unsigned i = 0; i < MAX_PASSES; i++) {
        struct block_device *d = block_find(names[i]);

        if (d) {
            passes[pass_count++].device = d;
        }
    }
}

static void result_line(const struct pass *p)
{
    const struct arch_counter *c;

    printk("RESULT pass=%s sha256=%s bytes=%lu requests=%lu accesses=%lu", p->device->way, p->hex,
           (unsigned long)p->bytes, (unsigned long)p->requests, (unsigned long)p->accesses);
    for (unsigned i = 0; (c = arch_counter(i)) != NULL; i++) {
        printk(" %s=%lu", c->key, (unsigned long)p->m.usage.count[i]);
    }
    printk(" copied=%lu ns=%lu running_ns=%lu\n", (unsigned long)p->copied, (unsigned long)p->m.ns,
           (unsigned long)p->m.usage.running);
}

static bool run_pass(struct pass *p)
{
    struct block_device *d = p->device;
    struct block_stats before = d->stats;
    struct measure start;
    int error;

    printk("%s: reading %s, %lu sectors\n", d->title, d->name, (unsigned long)d->sectors);
    start = measure_now();
    error = disk_digest(d, d->title, p->hex);
    p->m = measure_since(&start);
    if (error < 0) {
        printk("%s: read error %d\n", d->title, error);
        return false;
    }
    p->requests = d->stats.requests - before.requests;
    p->bytes = d->stats.bytes - before.bytes;
    p->copied = d->stats.copied - before.copied + p->m.usage.copied;
    p->accesses = d->stats.accesses - before.accesses;
    p->done = true;
    printk("SHA-256 (%s) %s\n", d->title, p->hex);
    return true;
}

/* What a row of the table shows of a pass; `n` is a number of a counter. */
typedef uint64_t (*value_fn)(const struct pass *p, unsigned n);

static uint64_t get_requests(const struct pass *p, unsigned n)
{
    (void)n;
    return p->requests;
}

static uint64_t get_accesses(const struct pass *p, unsigned n)
{
    (void)n;
    return p->accesses;
}

static uint64_t get_count(const struct pass *p, unsigned n)
{
    return p->m.usage.count[n];
}

static uint64_t get_copied(const struct pass *p, unsigned n)
{
    (void)n;
    return p->copied;
}

static uint64_t get_us(const struct pass *p, unsigned n)
{
    (void)n;
    return p->m.ns / 1000;
}

static uint64_t get_cpu_us(const struct pass *p, unsigned n)
{
    (void)n;
    return p->m.usage.running / 1000;
}

/* Hundredths are enough to tell a quarter of a hypercall from none. */
static void print_cell(uint64_t value, uint64_t units)
{
    uint64_t hundredths = units == 0 ? 0 : value * 100 / units;
    char text[24];

    format_text(text, sizeof(text), "%lu.%02lu", (unsigned long)(hundredths / 100),
                (unsigned long)(hundredths % 100));
    printk("%8s", text);
}

static void row(const char *name, value_fn get, unsigned n)
{
    printk("%-16s", name);
    for (unsigned i = 0; i < pass_count; i++) {
        printk("%12lu", (unsigned long)get(&passes[i], n));
        print_cell(get(&passes[i], n) * UNIT, passes[i].bytes);
    }
    printk("\n");
}

static void table(void)
{
    const struct arch_counter *c;

    printk("\n%-16s", "");
    for (unsigned i = 0; i < pass_count; i++) {
        printk("%12s%8s", passes[i].device->title, "per 4K");
    }
    printk("\n");
    row("requests", get_requests, 0);
    row("port accesses", get_accesses, 0);
    for (unsigned i = 0; (c = arch_counter(i)) != NULL; i++) {
        row(c->text, get_count, i);
    }
    row("bytes copied", get_copied, 0);
    row("wall clock, us", get_us, 0);
    row("own CPU time, us", get_cpu_us, 0);
    printk("\n");
}

/* All passes read the same data. */
static bool compare(void)
{
    for (unsigned i = 1; i < pass_count; i++) {
        if (strcmp(passes[0].hex, passes[i].hex) != 0) {
            printk("%s and %s gave different data\n", passes[0].device->title,
                   passes[i].device->title);
            return false;
        }
    }
    return true;
}

static bool report(void)
{
    bool all_done = true;

    for (unsigned i = 0; i < pass_count; i++) {
        all_done = all_done && passes[i].done;
    }
    if (!all_done) {
        return false;
    }
    table();
    for (unsigned i = 0; i < pass_count; i++) {
        result_line(&passes[i]);
    }
    return compare();
}

static unsigned role_diskbench(void)
{
    bool good;

    find_passes();
    good = pass_count > 0;
    if (!good) {
        printk("diskbench: there is no disk\n");
    }
    for (unsigned i = 0; i < pass_count; i++) {
        good = run_pass(&passes[i]) && good;
    }
    good = scratch_test() && good;
    good = user_programs() && good;
    good = report() && good;
    print_share();
    printk("DISKBENCH %s\n", good ? "ok" : "failed");
    return good ? 0 : 1;
}

ROLE("diskbench", role_diskbench);

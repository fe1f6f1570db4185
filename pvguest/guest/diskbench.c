/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demonstration's guest with a disk: reads all of it by the split driver and again through the
 * emulated IDE controller, and prints what each way cost; then writes and reads back on the
 * scratch disk, runs the user programs, and prints its share of the CPU. There is no cache in this
 * kernel: each pass fetches every sector.
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
    const char *name; /* in the table */
    const char *key;  /* in the RESULT line */
    const char *device;
    bool done;
    char hex[SHA256_HEX_BYTES];
    struct measure m;
    uint64_t requests;
    uint64_t bytes;
    uint64_t copied; /* by the guest's driver and by the hypervisor */
};

static struct pass passes[] = {
    { .name = "split driver", .key = "split", .device = "vda" },
    { .name = "emulated IDE", .key = "ide", .device = "hda" },
};

#define PASSES (sizeof(passes) / sizeof(passes[0]))

static void result_line(const struct pass *p)
{
    printk("RESULT pass=%s sha256=%s bytes=%lu requests=%lu port_traps=%lu transitions=%lu "
           "hypercalls=%lu",
           p->key, p->hex, (unsigned long)p->bytes, (unsigned long)p->requests,
           (unsigned long)p->m.port_traps, (unsigned long)p->m.transitions,
           (unsigned long)p->m.hypercalls);
    printk(" events=%lu copied=%lu ns=%lu running_ns=%lu\n", (unsigned long)p->m.events,
           (unsigned long)p->copied, (unsigned long)p->m.ns, (unsigned long)p->m.running);
}

static bool run_pass(struct pass *p)
{
    struct block_device *d = block_find(p->device);
    struct block_stats before;
    struct measure start;
    int error;

    if (!d) {
        printk("%s: no disk %s\n", p->name, p->device);
        return false;
    }
    printk("%s: reading %s, %lu sectors\n", p->name, d->name, (unsigned long)d->sectors);
    before = d->stats;
    start = measure_now();
    error = disk_digest(d, p->name, p->hex);
    p->m = measure_since(&start);
    if (error < 0) {
        printk("%s: read error %d\n", p->name, error);
        return false;
    }
    p->requests = d->stats.requests - before.requests;
    p->bytes = d->stats.bytes - before.bytes;
    p->copied = d->stats.copied - before.copied + p->m.hyp_copied;
    p->done = true;
    printk("SHA-256 (%s) %s\n", p->name, p->hex);
    return true;
}

typedef uint64_t (*value_fn)(const struct pass *p);

static uint64_t get_requests(const struct pass *p)
{
    return p->requests;
}

static uint64_t get_port_traps(const struct pass *p)
{
    return p->m.port_traps;
}

static uint64_t get_transitions(const struct pass *p)
{
    return p->m.transitions;
}

static uint64_t get_hypercalls(const struct pass *p)
{
    return p->m.hypercalls;
}

static uint64_t get_events(const struct pass *p)
{
    return p->m.events;
}

static uint64_t get_copied(const struct pass *p)
{
    return p->copied;
}

static uint64_t get_us(const struct pass *p)
{
    return p->m.ns / 1000;
}

static uint64_t get_cpu_us(const struct pass *p)
{
    return p->m.running / 1000;
}

static const struct row {
    const char *name;
    value_fn get;
} rows[] = {
    { "requests", get_requests },       { "trapped port accesses", get_port_traps },
    { "transitions", get_transitions }, { "hypercalls", get_hypercalls },
    { "events", get_events },           { "bytes copied", get_copied },
    { "wall clock, us", get_us },       { "own CPU time, us", get_cpu_us },
};

/* Hundredths are enough to tell a quarter of a hypercall from none. */
static void print_cell(uint64_t value, uint64_t units)
{
    uint64_t hundredths = units == 0 ? 0 : value * 100 / units;
    char text[24];

    format_text(text, sizeof(text), "%lu.%02lu", (unsigned long)(hundredths / 100),
                (unsigned long)(hundredths % 100));
    printk("%16s", text);
}

static void table(void)
{
    printk("\n%-24s", "");
    for (size_t i = 0; i < PASSES; i++) {
        printk("%16s%16s", passes[i].name, "per 4 KiB");
    }
    printk("\n");
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        printk("%-24s", rows[k].name);
        for (size_t i = 0; i < PASSES; i++) {
            printk("%16lu", (unsigned long)rows[k].get(&passes[i]));
            print_cell(rows[k].get(&passes[i]) * UNIT, passes[i].bytes);
        }
        printk("\n");
    }
    printk("\n");
}

unsigned role_diskbench(void)
{
    bool good = true;

    for (size_t i = 0; i < PASSES; i++) {
        good = run_pass(&passes[i]) && good;
    }
    good = scratch_test() && good;
    good = user_programs() && good;
    if (passes[0].done && passes[1].done) {
        table();
        for (size_t i = 0; i < PASSES; i++) {
            result_line(&passes[i]);
        }
        if (strcmp(passes[0].hex, passes[1].hex) != 0) {
            printk("the two ways gave different data\n");
            good = false;
        }
    }
    print_share();
    printk("DISKBENCH %s\n", good ? "ok" : "failed");
    return good ? 0 : 1;
}

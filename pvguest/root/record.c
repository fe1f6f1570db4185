/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt's `record`: all that the hypervisor's trace has to say about some milliseconds, for a
 * program on the host to read (`make trace`). Owns the memory that the rings are emptied into while
 * that time lasts; nothing is printed before it is over, so that printing is not what is recorded.
 * What the rings lost because they were not emptied in time is counted.
 */
#include "clock.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "root/command.h"
#include "root/vcpus.h"
#include "thread.h"

#include <hv_trace.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/clock.h>
#include <hvlib/decode.h>
#include <hvlib/event.h>
#include <hvlib/memory.h>

#define MS_MAX      10000u
#define PAGES_MOST  2048u
#define PAGES_LEAST 16u
#define CPUS_MOST   64u
#define ROUND_MAX   4000000u /* ns between two looks at the rings */
#define ROUND_MIN   100000u
#define MANY        96u /* entries of a ring in a round: look sooner */
#define FEW         24u
#define LINE        160u

struct stored {
    struct hv_trace_entry entry;
    uint64_t cpu;
};

static struct {
    struct stored *at;
    size_t pages, room, used;
    unsigned cpus;
    uint64_t next[CPUS_MOST], lost[CPUS_MOST];
    uint64_t from, to; /* ns */
} record;

static HV_BUFFER(4096) struct hv_trace_entry page[4096 / sizeof(struct hv_trace_entry)];
#define ENTRIES (sizeof(page) / sizeof(page[0]))

/* ---- while it lasts ---- */

static bool prepare(void)
{
    record.used = 0;
    record.cpus = processors();
    for (record.pages = PAGES_MOST; record.pages >= PAGES_LEAST; record.pages /= 2) {
        record.at = page_alloc(record.pages);
        if (record.at) {
            record.room = record.pages * PAGE_SIZE / sizeof(record.at[0]);
            return true;
        }
    }
    return false;
}

/* What has come to a ring since the last time; `keep`: or only where it ends now. Returns how many
 * entries it was. */
static uint64_t empty_ring(unsigned cpu, bool keep)
{
    uint64_t found = 0;
    int64_t n;
    do {
        n = hv_trace_read(cpu, record.next[cpu], hv_gpa(page), ENTRIES);
        for (int64_t i = 0; i < n && record.used < record.room; i++) {
            if (keep) {
                record.lost[cpu] += page[i].seq - record.next[cpu];
                record.at[record.used++] = (struct stored){ page[i], cpu };
            }
            record.next[cpu] = page[i].seq + 1;
            found++;
        }
    } while (n == ENTRIES && record.used < record.room);
    return found;
}

/* A ring that is filled quickly is looked at often; root's own looking is recorded, too. */
static uint64_t next_round(uint64_t round, uint64_t most)
{
    if (most > MANY && round > ROUND_MIN)
        return round / 2;
    return most < FEW && round < ROUND_MAX ? round * 2 : round;
}

/* To the end of the time, and what came while root slept towards it. */
static void empty_rings(uint64_t end)
{
    uint64_t round = ROUND_MIN;
    bool over;
    do {
        uint64_t most = 0;
        over = clock_ns() >= end;
        for (unsigned cpu = 0; cpu < record.cpus; cpu++) {
            uint64_t found = empty_ring(cpu, true);
            most = found > most ? found : most;
        }
        round = next_round(round, most);
        if (!over)
            thread_sleep_ns(round);
    } while (!over && record.used < record.room);
}

/* ---- printing ---- */

static char out[4096];
static size_t out_used;

static void out_flush(void)
{
    console_write(out, out_used);
    out_used = 0;
}

/* A whole line: nobody else's comes into the middle of it. */
__attribute__((format(printf, 1, 2))) static void line(const char *format, ...)
{
    va_list args;
    if (out_used + LINE > sizeof(out))
        out_flush();
    va_start(args, format);
    out_used += (size_t)format_textv(out + out_used, LINE, format, args);
    va_end(args);
}

/* Who there is, and what each vCPU did when the recording had just begun. */
static void print_domain(uint64_t number, uint64_t dom, const char *name)
{
    struct hv_vcpu_info i;
    line("RECORD domain %lu %s\n", number, name);
    for (uint64_t n = 0; n < HV_MAX_VCPUS; n++)
        if (vcpu_read(dom, n, &i))
            line("RECORD vcpu %lu %lu state=%u wait=%u cpu=%u since=%lu\n", number, n, i.state,
                 i.wait, i.cpu, i.since);
}

static void print_domains(void)
{
    print_domain(0, HV_SELF, "root");
    for (unsigned n = 0; n < domains_count(); n++)
        if (domains_get(n)->exists)
            print_domain(domains_get(n)->id, domains_get(n)->id, domains_get(n)->config->name);
}

static void print_entry(const struct stored *s)
{
    const struct hv_trace_entry *e = &s->entry;
    line("RECORD entry %lu %lu %lu %s %u %lx %lx %lx\n", s->cpu, e->seq,
         hv_clock_ns(&hv_vcpu->clock, e->tsc), hv_trace_name(e->event), e->domain, e->word[0],
         e->word[1], e->word[2]);
}

static void print_record(void)
{
    for (unsigned cpu = 0; cpu < record.cpus; cpu++)
        line("RECORD cpu %u lost=%lu\n", cpu, record.lost[cpu]);
    for (size_t i = 0; i < record.used; i++)
        print_entry(&record.at[i]);
    line("RECORD end entries=%lu from=%lu to=%lu\n", record.used, record.from, record.to);
    out_flush();
}

/* The vCPUs' states are asked for while changes of them are recorded: what was before the first of
 * these is known then. */
static void make_record(uint64_t ms)
{
    int64_t mask = hv_trace_mask(((uint64_t)1 << HV_TRACE_LIMIT) - 1);
    if (mask < 0) {
        printk("record: refused (%s)\n", error_name(mask));
        return;
    }
    for (unsigned cpu = 0; cpu < record.cpus; cpu++) {
        record.next[cpu] = record.lost[cpu] = 0;
        empty_ring(cpu, false);
    }
    record.from = clock_ns();
    print_domains();
    empty_rings(record.from + ms * NS_PER_MS);
    record.to = clock_ns();
    hv_trace_mask((uint64_t)mask);
    print_record();
}

static void run_record(const struct command_line *line_typed)
{
    uint64_t ms;
    if (!number_parse(line_typed->word[1], &ms) || ms == 0 || ms > MS_MAX)
        printk("record: '%s' is no number of milliseconds: 1 to %u\n", line_typed->word[1], MS_MAX);
    else if (!prepare())
        printk("record: no memory\n");
    else {
        make_record(ms);
        page_free(record.at, record.pages);
    }
}

COMMANDS(record_commands) = {
    { .name = "record",
      .arguments = "MS",
      .help = "all events of so many milliseconds, for `make trace`",
      .run = run_record },
};

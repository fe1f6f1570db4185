/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt's `top`: what each domain and each vCPU does, by the second. Owns the last two
 * readings of all of them. A row is the difference of two readings over the time between them; what
 * no domain has used of the processors was idle. Root's row contains what the readings themselves
 * cost.
 */
#include "clock.h"
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/consmux.h"
#include "root/vcpus.h"
#include "thread.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>

#define ROWS (CONFIG_DOMAINS + 1u) /* root is the first one */
#define PAGE 8192u                 /* bytes of a whole table; what is more is left out */

struct reading {
    bool there;
    uint64_t id;
    uint64_t cpu_ns;
    uint64_t used; /* frames */
    struct hv_counters counters;
    bool has[HV_MAX_VCPUS];
    struct hv_vcpu_info vcpu[HV_MAX_VCPUS];
};

struct readings {
    uint64_t ns;
    struct reading row[ROWS];
};

/* Events, hypercalls, transitions, trapped port accesses, bytes copied. */
enum { EVENTS, CALLS, TRANSITIONS, PORTS, COPIED, RATES };

struct rates {
    uint64_t share; /* of the CPU, in tenths of a percent */
    uint64_t rate[RATES];
    uint64_t used;
};

static struct readings before;
static struct readings now;
static char page[PAGE];
static size_t page_used;

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = format_textv(page + page_used, PAGE - page_used, format, args);
    va_end(args);
    page_used += (size_t)n < PAGE - page_used ? (size_t)n : PAGE - page_used - 1;
}

static void read_domain(struct reading *r, uint64_t dom)
{
    HV_BUFFER(512) struct hv_domain_info info = { 0 };
    HV_BUFFER(128) struct hv_counters counters = { 0 };
    r->there = hv_domain_info(dom, hv_gpa(&info)) >= 0 && hv_counters(dom, hv_gpa(&counters)) >= 0;
    r->id = info.id;
    r->cpu_ns = info.cpu_ns;
    r->used = info.used;
    r->counters = counters;
    for (uint64_t n = 0, left = info.vcpus; n < HV_MAX_VCPUS; n++) {
        r->has[n] = left && vcpu_read(dom, n, &r->vcpu[n]);
        left -= r->has[n];
    }
}

static void read_all(struct readings *r)
{
    r->ns = clock_ns();
    read_domain(&r->row[0], HV_SELF);
    for (unsigned n = 0; n < domains_count(); n++) {
        const struct domain *d = domains_get(n);
        r->row[n + 1].there = false;
        if (d->exists)
            read_domain(&r->row[n + 1], d->id);
    }
}

/* Of one row; of a domain that is new since the last reading, all that it has done. */
static struct rates difference(unsigned n, uint64_t ns)
{
    static const struct reading nothing;
    const struct reading *to = &now.row[n];
    const struct reading *from = &before.row[n];
    struct rates r = { .used = to->used };
    if (!from->there || from->id != to->id)
        from = &nothing;
    r.share = (to->cpu_ns - from->cpu_ns) * 1000 / ns;
    const struct hv_counters *a = &from->counters;
    const struct hv_counters *b = &to->counters;
    r.rate[EVENTS] = b->events_sent + b->upcalls - a->events_sent - a->upcalls;
    r.rate[CALLS] = b->hypercalls - a->hypercalls;
    r.rate[TRANSITIONS] = b->transitions - a->transitions;
    r.rate[PORTS] = b->port_traps - a->port_traps;
    r.rate[COPIED] = b->bytes_copied - a->bytes_copied;
    for (unsigned i = 0; i < RATES; i++)
        r.rate[i] = r.rate[i] * 1000 / (ns / NS_PER_MS);
    return r;
}

static void add_share(const char *number, const char *name, uint64_t share)
{
    add("%3s  %-15s %3lu.%lu%%", number, name, share / 10, share % 10);
}

static void add_row(const char *number, const char *name, const struct rates *r)
{
    add_share(number, name, r->share);
    for (unsigned i = 0; i < RATES; i++)
        add(" %7lu", i == COPIED ? r->rate[i] / 1024 : r->rate[i]);
    add(" %8lu\n", r->used * 4);
}

static const char *row_name(unsigned n)
{
    return n ? domains_get(n - 1)->config->name : "root";
}

/* ---- vCPUs ---- */

static uint64_t per_second(uint64_t from, uint64_t to, uint64_t ns)
{
    return (to - from) * 1000 / (ns / NS_PER_MS);
}

/* Its times are of its own two moments: together they are what has passed between these. */
static void add_vcpu(unsigned row, unsigned n)
{
    static const struct hv_vcpu_info nothing;
    const struct hv_vcpu_info *to = &now.row[row].vcpu[n], *from = &before.row[row].vcpu[n];
    const struct reading *was = &before.row[row];
    char name[24], list[AFFINITY_TEXT], cap[12] = "-";
    if (!was->there || was->id != now.row[row].id || !was->has[n])
        from = &nothing;
    uint64_t ns = 0;
    for (unsigned i = 0; i < 4; i++)
        ns += to->time[i] - from->time[i];
    ns = ns > NS_PER_MS ? ns : NS_PER_MS;
    uint64_t share = (to->time[HV_RUN_RUNNING] - from->time[HV_RUN_RUNNING]) * 1000 / ns;
    uint64_t steal = (to->time[HV_RUN_RUNNABLE] - from->time[HV_RUN_RUNNABLE]) * 1000 / ns;
    format_text(name, sizeof(name), "%s.%u", row_name(row), n);
    affinity_text(list, sizeof(list), to->affinity);
    if (to->cap)
        format_text(cap, sizeof(cap), "%u%%", to->cap);
    add("%-18s %3u %-7s %3lu.%lu%% %3lu.%lu%% %6lu %5lu %6u %5s %s\n", name, to->cpu,
        vcpu_state(to), share / 10, share % 10, steal / 10, steal % 10,
        per_second(from->wakeups, to->wakeups, ns),
        per_second(from->migrations, to->migrations, ns), to->weight, cap, list);
}

static void add_vcpus(void)
{
    unsigned left_out = 0;
    add("\nvCPU               cpu state    share  steal wake/s  move weight   cap affinity\n");
    for (unsigned row = 0; row <= domains_count(); row++) {
        for (unsigned n = 0; n < HV_MAX_VCPUS && now.row[row].there; n++) {
            if (!now.row[row].has[n])
                continue;
            if (page_used + 400 < PAGE)
                add_vcpu(row, n);
            else
                left_out++;
        }
    }
    if (left_out)
        add("and %u more\n", left_out);
}

/* The tables of what has happened between the two readings. */
static void make_page(void)
{
    uint64_t ns = now.ns - before.ns, all = processors() * 1000;
    struct rates sum = { 0 };
    page_used = 0;
    ns = ns > NS_PER_MS ? ns : NS_PER_MS;
    add("                             each second:                         KiB      KiB\n");
    add("  #  name             share  events   calls   traps   ports  copied   memory\n");
    for (unsigned n = 0; n <= domains_count(); n++) {
        char number[4];
        format_text(number, sizeof(number), "%u", n);
        const char *name = row_name(n);
        if (!now.row[n].there) {
            add("%3s  %-15s      -\n", number, name);
            continue;
        }
        struct rates r = difference(n, ns);
        add_row(number, name, &r);
        sum.share += r.share;
        sum.used += r.used;
        for (unsigned i = 0; i < RATES; i++)
            sum.rate[i] += r.rate[i];
    }
    add_share("", "idle", sum.share < all ? all - sum.share : 0);
    add("\n");
    add_row("", "sum", &sum);
    add_vcpus();
}

/* A key that ends it; whatever else is typed does nothing. */
static bool ended_by_key(uint64_t deadline)
{
    int c;
    while ((c = console_getc_until(deadline)) >= 0)
        if (c == 'q' || c == 'Q' || c == '\r' || c == '\n' || c == 3)
            return true;
    return false;
}

static void show_live(void)
{
    do {
        before = now;
        bool first = now.ns == 0;
        read_all(&now);
        if (!first) {
            make_page();
            add("q or Enter ends it\n");
            mux_show(page, page_used);
        }
    } while (!ended_by_key(now.ns + NS_PER_S));
}

static void print_tables(uint64_t count)
{
    read_all(&now);
    for (uint64_t n = 0; n < count; n++) {
        before = now;
        thread_sleep_ns(NS_PER_S);
        read_all(&now);
        make_page();
        console_write(page, page_used);
    }
}

static void run_top(const struct command_line *line)
{
    uint64_t count = 1;
    if (strcmp(line->word[1], "once") != 0 && !number_parse(line->word[1], &count))
        count = 0;
    now.ns = 0;
    if (line->words < 2)
        show_live();
    else if (count)
        print_tables(count);
    else
        printk("top: '%s' is neither 'once' nor a number of tables\n", line->word[1]);
}

static const char *const choices[] = { "once", NULL };

COMMANDS(top_commands) = {
    { .name = "top",
      .arguments = "[N]",
      .help = "what each domain and vCPU does, by the second",
      .more =
          "    Alone it shows a table again each second, until q or Enter is typed. `top once` "
          "and\n"
          "    `top N` print one or N tables, for scripts. traps are entries into the "
          "hypervisor of\n"
          "    any kind, ports are trapped accesses to emulated ports. Of a vCPU: the processor "
          "where\n"
          "    it runs or ran; steal is what it wanted to run, and others did or its cap "
          "forbade.\n",
      .run = run_top,
      .choices = choices,
      .optional = true },
};

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt's `top`: what each domain does, by the second. Owns the last two readings of all of
 * them. A row is the difference of two readings over the time between them; what no domain has used
 * of the processor was idle. Root's row contains what the readings themselves cost.
 */
#include "clock.h"
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/consmux.h"
#include "thread.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>

#define ROWS (CONFIG_DOMAINS + 1u) /* root is the first one */
#define PAGE 1536u                 /* bytes of a whole table */

struct reading {
    bool there;
    uint64_t id;
    uint64_t cpu_ns;
    uint64_t used; /* frames */
    struct hv_counters counters;
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

static struct reading read_domain(uint64_t dom)
{
    HV_BUFFER(512) struct hv_domain_info info = { 0 };
    HV_BUFFER(128) struct hv_counters counters = { 0 };
    if (hv_domain_info(dom, hv_gpa(&info)) < 0 || hv_counters(dom, hv_gpa(&counters)) < 0)
        return (struct reading){ .there = false };
    return (struct reading){ true, info.id, info.cpu_ns, info.used, counters };
}

static void read_all(struct readings *r)
{
    r->ns = clock_ns();
    r->row[0] = read_domain(HV_SELF);
    for (unsigned n = 0; n < domains_count(); n++) {
        const struct domain *d = domains_get(n);
        r->row[n + 1] = d->exists ? read_domain(d->id) : (struct reading){ .there = false };
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

/* The table of what has happened between the two readings. */
static void make_page(void)
{
    uint64_t ns = now.ns - before.ns;
    struct rates sum = { 0 };
    page_used = 0;
    ns = ns > NS_PER_MS ? ns : NS_PER_MS;
    add("                             each second:                         KiB      KiB\n");
    add("  #  name             share  events   calls   traps   ports  copied   memory\n");
    for (unsigned n = 0; n <= domains_count(); n++) {
        char number[4];
        format_text(number, sizeof(number), "%u", n);
        const char *name = n ? domains_get(n - 1)->config->name : "root";
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
    add_share("", "idle", sum.share < 1000 ? 1000 - sum.share : 0);
    add("\n");
    add_row("", "sum", &sum);
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

/* A number of at most four digits; 0: it is none. */
static uint64_t number(const char *text)
{
    uint64_t n = 0;
    if (strlen(text) > 4)
        return 0;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    return *text ? 0 : n;
}

static void run_top(const struct command_line *line)
{
    uint64_t count = strcmp(line->word[1], "once") == 0 ? 1 : number(line->word[1]);
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
      .help = "what each domain does, by the second",
      .more = "    Alone it shows a table again each second, until q or Enter is typed. `top once` "
              "and\n"
              "    `top N` print one or N tables, for scripts. traps are entries into the "
              "hypervisor of\n"
              "    any kind, ports are trapped accesses to emulated ports.\n",
      .run = run_top,
      .choices = choices,
      .optional = true },
};

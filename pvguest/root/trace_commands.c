/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt's commands that look into what happened: the hypervisor's trace of events, and the
 * hypercalls that a domain makes. Owns the page that both are read into. The hypervisor keeps what
 * it recorded; this asks for it and prints it, decoded by the library.
 */
#include "clock.h"
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/vcpus.h"
#include "thread.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/clock.h>
#include <hvlib/decode.h>
#include <hvlib/event.h>
#include <hvlib/memory.h>

#define ENDLESS (~(uint64_t)0)
#define SHOWN   20u  /* entries of `trace`, if not said */
#define TEXT    160u /* a decoded line */
#define POLL_NS ((uint64_t)1000000)
#define QUIET   5u /* seconds without a call that end `strace NAME N` */

static HV_BUFFER(4096) union {
    struct hv_trace_entry entry[4096 / sizeof(struct hv_trace_entry)];
    struct hv_call_entry call[4096 / sizeof(struct hv_call_entry)];
} page;

#define ENTRIES (sizeof(page.entry) / sizeof(page.entry[0]))
#define CALLS   (sizeof(page.call) / sizeof(page.call[0]))

/* A decimal number and nothing else; 0: it is none. */
static uint64_t number(const char *word)
{
    uint64_t n;
    return number_parse(word, &n) ? n : 0;
}

static const char *name_of(uint64_t dom)
{
    for (unsigned n = 0; n < domains_count(); n++)
        if (domains_get(n)->exists && domains_get(n)->id == dom)
            return domains_get(n)->config->name;
    return dom ? NULL : "root";
}

static void print_line(uint64_t tsc, const char *who, const char *text)
{
    uint64_t us = hv_clock_ns(&hv_vcpu->clock, tsc) / 1000;
    printk("%5lu.%06lu %s %s\n", us / 1000000, us % 1000000, who, text);
}

/* ---- trace ---- */

/* Who ran: the trace keeps the low half of the number. */
static void print_entry(const struct hv_trace_entry *e)
{
    char text[TEXT], who[24];
    const char *name = e->domain == ~(uint32_t)0 ? "-" : name_of(e->domain);
    format_text(who, sizeof(who), name ? "cpu 0 %-8s" : "cpu 0 %-8.0s%u", name ? name : "",
                e->domain);
    hv_decode_trace(text, sizeof(text), e, name_of);
    print_line(e->tsc, who, text);
}

/* Goes through the ring from `seq` to `end`; prints, or only counts, what concerns `dom`, but for
 * the first `skip` of it. */
static uint64_t walk(uint64_t seq, uint64_t end, uint64_t dom, uint64_t skip, bool print)
{
    uint64_t found = 0;
    int64_t n;
    while (seq < end && (n = hv_trace_read(0, seq, hv_gpa(&page), ENTRIES)) > 0) {
        for (int64_t i = 0; i < n && page.entry[i].seq < end; i++) {
            const struct hv_trace_entry *e = &page.entry[i];
            if (dom != HV_SELF && !hv_trace_concerns(e, dom))
                continue;
            if (found++ >= skip && print)
                print_entry(e);
        }
        seq = page.entry[n - 1].seq + 1;
    }
    return found;
}

/* Printing makes new entries: the end is where the ring ended before. What old ones they push out
 * meanwhile is not missed among the newest. */
static void print_trace(uint64_t dom, uint64_t count)
{
    uint64_t end = 0, found;
    for (int64_t n; (n = hv_trace_read(0, end, hv_gpa(&page), ENTRIES)) > 0;)
        end = page.entry[n - 1].seq + 1;
    found = walk(0, end, dom, 0, false);
    walk(0, end, dom, found > count ? found - count : 0, true);
}

/* The bits of an event's name, of all of them for "all"; 0: there is no such event. */
static uint64_t events_named(const char *name)
{
    uint64_t bits = 0;
    for (uint64_t n = 0; n < HV_TRACE_LIMIT; n++)
        if (strcmp(name, "all") == 0 || strcmp(name, hv_trace_name(n)) == 0)
            bits |= (uint64_t)1 << n;
    return bits;
}

static void print_recorded(uint64_t mask)
{
    printk("recorded:");
    for (uint64_t n = 0; n < HV_TRACE_LIMIT; n++)
        if (mask >> n & 1)
            printk(" %s", hv_trace_name(n));
    printk("\n");
}

static void switch_events(const struct command_line *line, bool on)
{
    static uint64_t mask = ((uint64_t)1 << HV_TRACE_state) - 1; /* as it is at the start */
    for (unsigned n = 2; n < line->words; n++) {
        uint64_t bits = events_named(line->word[n]);
        if (!bits)
            printk("no event '%s'\n", line->word[n]);
        mask = on ? mask | bits : mask & ~bits;
    }
    int64_t result = hv_trace_mask(mask);
    if (result < 0)
        printk("trace: refused (%s)\n", error_name(result));
    print_recorded(mask);
}

static void run_trace(const struct command_line *line)
{
    const char *first = line->word[1], *count = line->word[2];
    struct domain *d = domains_find(first);
    if (strcmp(first, "on") == 0 || strcmp(first, "off") == 0) {
        switch_events(line, first[1] == 'n');
        return;
    }
    if (line->words == 1 || (line->words == 2 && number(first))) {
        print_trace(HV_SELF, line->words == 1 ? SHOWN : number(first));
        return;
    }
    if (line->words > 2 && !number(count))
        printk("trace: '%s' is no number of entries\n", count);
    else if (strcmp(first, "root") == 0 || (d && domain_refresh(d)))
        print_trace(d ? d->id : 0, line->words > 2 ? number(count) : SHOWN);
    else if (d)
        printk("%s: does not exist now; create it first\n", first);
    else
        printk("no domain '%s' in the configuration\n", first);
}

/* ---- strace ---- */

/* Prints what was read, at most `most`; returns how many, and where to go on in *seq. */
static uint64_t print_calls(const char *who, int64_t n, uint64_t most, uint64_t *seq)
{
    uint64_t i = 0;
    for (; i < (uint64_t)n && i < most; i++) {
        char text[TEXT];
        hv_decode_call(text, sizeof(text), &page.call[i], name_of);
        print_line(page.call[i].tsc, who, text);
        *seq = page.call[i].seq + 1;
    }
    return i;
}

/* Is there no more to come? What is typed behind a command that ends by itself is left for the
 * next line. */
static bool at_end(struct domain *d, uint64_t most, uint64_t last)
{
    if (!domain_refresh(d) || domain_ended(d))
        return true;
    if (most == ENDLESS)
        return console_poll() >= 0;
    if (clock_ns() - last < QUIET * NS_PER_S)
        return false;
    printk("%s: no call within %u s\n", d->config->name, QUIET);
    return true;
}

/* Until so many calls were shown, or for ever. The domain waits while we print, so no call is
 * missed. */
static int64_t follow(struct domain *d, uint64_t seq, uint64_t most)
{
    uint64_t shown = 0, last = clock_ns();
    while (shown < most) {
        int64_t n = hv_call_trace_read(d->id, 0, seq, hv_gpa(&page), CALLS);
        if (n < 0)
            return n;
        shown += print_calls(d->config->name, n, most - shown, &seq);
        if (n > 0)
            last = clock_ns();
        if ((n == 0 || most == ENDLESS) && at_end(d, most, last))
            break;
        if (n == 0)
            thread_sleep_ns(POLL_NS);
    }
    return 0;
}

static void run_strace(const struct command_line *line)
{
    struct domain *d = line->domain;
    uint64_t most = number(line->word[2]);
    if (line->words > 2 && !most) {
        printk("strace: '%s' is no number of calls\n", line->word[2]);
        return;
    }
    if (line->words < 3)
        printk("the calls of %s; any key ends it\n", d->config->name);
    int64_t result = hv_call_trace(d->id, 0, HV_CALLS_ALL);
    if (result >= 0)
        result = follow(d, (uint64_t)result, most ? most : ENDLESS);
    hv_call_trace(d->id, 0, HV_CALLS_OFF);
    if (result < 0)
        printk("%s: refused (%s): it is %s\n", d->config->name, error_name(result),
               domain_state(d));
    else if (domain_ended(d))
        printk("%s: no more calls, it has ended (%s)\n", d->config->name, domain_state(d));
}

static const char *const trace_words[] = { "on", "off", NULL };

COMMANDS(trace_commands) = {
    { .name = "trace",
      .arguments = "[NAME] [N]",
      .help = "the last events in the hypervisor, of all or one domain",
      .more = "  trace 50           the last 50\n"
              "  trace a 50         the last 50 that have to do with domain a\n"
              "  trace off switch   leave out an event, or several, or all, from now on\n"
              "  trace on all       record it again\n",
      .run = run_trace,
      .choices = trace_words,
      .takes_root = true,
      .optional = true },
    { .name = "strace",
      .arguments = "NAME [N]",
      .help = "the hypercalls of a domain as it makes them",
      .more = "  strace a           until a key is pressed\n"
              "  strace a 10        the next ten, or until it makes none for five seconds\n"
              "No call is left out: the domain waits while its calls are printed.\n",
      .run = run_strace,
      .subject = COMMAND_EXISTING },
};

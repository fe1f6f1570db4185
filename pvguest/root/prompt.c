/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root's prompt: reads a line, splits it into a command and a name, does it. Owns the line. Every
 * command works on what the other modules offer; none of them can fail in a way that ends root.
 */
#include "back/blkback.h"
#include "back/conback.h"
#include "kstring.h"
#include "printk.h"
#include "root/consmux.h"
#include "root/domains.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>

/* With the prompt in front it fits 80 columns: erasing one row has to erase all of it. */
#define LINE   70u
#define PROMPT "paravane> "

struct command {
    const char *name;
    const char *argument; /* what it takes, or NULL */
    const char *help;
    void (*run)(struct domain *d);
    bool must_exist;
};

static const struct command commands[];

static void print_row(struct domain *d, unsigned number)
{
    if (!domain_refresh(d)) {
        printk("%3u  %-15s %-9s\n", number, d->config->name, "-");
        return;
    }
    printk("%3u  %-15s %-9s %6lu KiB %8lu ms\n", number, d->config->name, domain_state(d),
           d->info.used * 4, d->info.cpu_ns / 1000000);
}

static void run_list(struct domain *unused)
{
    (void)unused;
    printk("  #  name            state         memory         cpu\n");
    for (unsigned n = 0; n < domains_count(); n++)
        print_row(domains_get(n), n + 1);
}

static void run_info(struct domain *d)
{
    domain_print(d);
}

static void run_console(struct domain *d)
{
    console_back_focus(d->console);
}

static const char *error_name(int64_t error)
{
    static const struct {
        int64_t number;
        const char *name;
    } names[] = {
#define HV_ERROR(number, name, text) { number, "HV_E" #name },
#include <errors.def>
#undef HV_ERROR
    };
    for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
        if (names[n].number == -error)
            return names[n].name;
    return "unknown error";
}

static void tell(const struct domain *d, const char *done, int64_t result)
{
    if (result < 0)
        printk("%s: refused (%s): it is %s\n", d->config->name, error_name(result),
               domain_state(d));
    else
        printk("%s: %s\n", d->config->name, done);
}

static void run_pause(struct domain *d)
{
    tell(d, "paused", hv_domain_pause(d->id));
}

static void run_unpause(struct domain *d)
{
    tell(d, "runs again", hv_domain_unpause(d->id));
}

static void run_destroy(struct domain *d)
{
    domain_remove(d);
    printk("%s: destroyed\n", d->config->name);
}

static void run_create(struct domain *d)
{
    if (d->exists)
        printk("%s: exists already; destroy it first\n", d->config->name);
    else if (domain_build(d))
        tell(d, "started", hv_domain_start(d->id));
}

static void run_help(struct domain *unused)
{
    (void)unused;
    for (const struct command *c = commands; c->name; c++)
        printk("  %-8s %-5s %s\n", c->name, c->argument ? c->argument : "", c->help);
    printk("Ctrl-T 0 leads to this prompt, Ctrl-T 1..9 to a guest's console, Ctrl-T Ctrl-T to the "
           "next one.\n");
}

static const struct command commands[] = {
    { "help", NULL, "say this", run_help, false },
    { "list", NULL, "the domains of the configuration", run_list, false },
    { "info", "NAME", "all about one domain, or root", run_info, true },
    { "console", "NAME", "type to a domain, see its output as it comes", run_console, true },
    { "pause", "NAME", "stop a domain", run_pause, true },
    { "unpause", "NAME", "let it go on", run_unpause, true },
    { "destroy", "NAME", "take a domain away, with all that it holds", run_destroy, true },
    { "create", "NAME", "build and start a domain of the configuration", run_create, false },
    { "quit", NULL, "end all domains and the machine", NULL, false },
    { NULL, NULL, NULL, NULL, false },
};

static const struct command *find(const char *name)
{
    const struct command *c = commands;
    while (c->name && strcmp(c->name, name) != 0)
        c++;
    return c->name ? c : NULL;
}

/* Cut the line at blanks; returns the second word, "" when there is none. */
static char *split(char **line)
{
    char *s = *line;
    while (*s == ' ')
        s++;
    *line = s;
    while (*s && *s != ' ')
        s++;
    while (*s == ' ')
        *s++ = '\0';
    char *second = s;
    while (*s && *s != ' ')
        s++;
    *s = '\0';
    return second;
}

static void run(const struct command *c, const char *name)
{
    struct domain *d = c->argument ? domains_find(name) : NULL;
    if (c->run == run_info && strcmp(name, "root") == 0)
        root_print();
    else if (c->argument && !*name)
        printk("%s needs the name of a domain; list shows them\n", c->name);
    else if (c->argument && !d)
        printk("no domain '%s' in the configuration\n", name);
    else if (c->must_exist && !domain_refresh(d))
        printk("%s: does not exist now; create it first\n", name);
    else
        c->run(d);
}

void prompt_run(void)
{
    static char text[LINE];
    for (;;) {
        mux_read_line(PROMPT, text, sizeof(text));
        char *line = text;
        char *name = split(&line);
        const struct command *c = find(line);
        if (!*line)
            continue;
        if (!c)
            printk("no command '%s'; help lists them\n", line);
        else if (!c->run)
            return;
        else
            run(c, name);
    }
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prompt's commands about domains: look at them, stop them, take them away, build them. Owns
 * nothing; each works on what the other modules offer.
 */
#include "back/conback.h"
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/consmux.h"

#include <hvlib/arch/hypercall.h>

static void print_row(struct domain *d, unsigned number)
{
    if (!domain_refresh(d)) {
        printk("%3u  %-15s %-9s\n", number, d->config->name, "-");
        return;
    }
    printk("%3u  %-15s %-9s %6lu KiB %8lu ms\n", number, d->config->name, domain_state(d),
           d->info.used * 4, d->info.cpu_ns / 1000000);
}

static void run_list(const struct command_line *line)
{
    (void)line;
    printk("  #  name            state         memory         cpu\n");
    for (unsigned n = 0; n < domains_count(); n++)
        print_row(domains_get(n), n + 1);
}

static void run_info(const struct command_line *line)
{
    if (line->domain)
        domain_print(line->domain);
    else
        root_print();
}

static void run_console(const struct command_line *line)
{
    struct domain *d = line->domain;
    if (domain_ended(d))
        printk("%s: nobody reads there, it has ended (%s); log %s shows its lines\n",
               d->config->name, domain_state(d), d->config->name);
    else
        console_back_focus(d->console);
}

static void run_log(const struct command_line *line)
{
    if (!mux_print_log(line->word[1]))
        printk("%s: has not printed anything yet\n", line->word[1]);
}

static void tell(const struct domain *d, const char *done, int64_t result)
{
    if (result < 0)
        printk("%s: refused (%s): it is %s\n", d->config->name, error_name(result),
               domain_state(d));
    else
        printk("%s: %s\n", d->config->name, done);
}

static void run_pause(const struct command_line *line)
{
    tell(line->domain, "paused", hv_domain_pause(line->domain->id));
}

static void run_unpause(const struct command_line *line)
{
    tell(line->domain, "runs again", hv_domain_unpause(line->domain->id));
}

static void run_destroy(const struct command_line *line)
{
    domain_remove(line->domain);
    printk("%s: destroyed\n", line->domain->config->name);
}

static void run_create(const struct command_line *line)
{
    struct domain *d = line->domain;
    if (d->exists)
        printk("%s: exists already; destroy it first\n", d->config->name);
    else if (domain_build(d))
        tell(d, "started", hv_domain_start(d->id));
}

COMMANDS(domain_commands) = {
    { .name = "list",
      .arguments = "",
      .help = "the domains of the configuration",
      .run = run_list },
    { .name = "info",
      .arguments = "NAME",
      .help = "all about one domain, or root",
      .run = run_info,
      .subject = COMMAND_EXISTING,
      .takes_root = true },
    { .name = "console",
      .arguments = "NAME",
      .help = "type to a domain, see its output as it comes",
      .run = run_console,
      .subject = COMMAND_EXISTING },
    { .name = "log",
      .arguments = "NAME",
      .help = "what a domain's console, or root, has shown",
      .more = "    The last 16 KiB, of a domain that is gone too, until it is created again. Its "
              "lines\n"
              "    have its name in front, those of an emulated UART \"NAME.uart\".\n",
      .run = run_log,
      .subject = COMMAND_DOMAIN,
      .takes_root = true },
    { .name = "pause",
      .arguments = "NAME",
      .help = "stop a domain",
      .run = run_pause,
      .subject = COMMAND_EXISTING },
    { .name = "unpause",
      .arguments = "NAME",
      .help = "let it go on",
      .run = run_unpause,
      .subject = COMMAND_EXISTING },
    { .name = "destroy",
      .arguments = "NAME",
      .help = "take a domain away, with all that it holds",
      .run = run_destroy,
      .subject = COMMAND_EXISTING },
    { .name = "create",
      .arguments = "NAME",
      .help = "build and start a domain of the configuration",
      .run = run_create,
      .subject = COMMAND_DOMAIN },
};

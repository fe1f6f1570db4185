/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root's prompt: reads a line, splits it into words, finds the command among the tables that are
 * linked in, checks what its first word names, runs it. Owns the line. No command can fail in a way
 * that ends root.
 */
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/consmux.h"

#define PROMPT "paravane> "

static bool ending; /* quit was said */

const char *error_name(int64_t error)
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

static const struct command *find(const char *name)
{
    const struct command *c = __start_commands;
    while (c != __stop_commands && strcmp(c->name, name) != 0)
        c++;
    return c != __stop_commands ? c : NULL;
}

/* The first name behind `last` in the alphabet ("" to start): the tables come in any order. */
static const struct command *next_after(const char *last)
{
    const struct command *best = NULL;
    for (const struct command *c = __start_commands; c != __stop_commands; c++)
        if (strcmp(c->name, last) > 0 && (!best || strcmp(c->name, best->name) < 0))
            best = c;
    return best;
}

static void print_help(const struct command *c)
{
    char usage[40];
    format_text(usage, sizeof(usage), "%s %s", c->name, c->arguments);
    printk("  %-18s %s\n", usage, c->help);
}

static void run_help(const struct command_line *line)
{
    const struct command *one = find(line->word[1]);
    if (line->words > 1 && !one) {
        printk("no command '%s'; help lists them\n", line->word[1]);
        return;
    }
    if (one) {
        print_help(one);
        if (one->more)
            console_write(one->more, strlen(one->more));
        return;
    }
    for (const struct command *c = next_after(""); c; c = next_after(c->name))
        print_help(c);
    printk("Ctrl-T 0 leads to this prompt, Ctrl-T 1..9 to a guest's console, Ctrl-T Ctrl-T to the "
           "next one.\n");
}

static void run_quit(const struct command_line *line)
{
    (void)line;
    ending = true;
}

COMMANDS(prompt_commands) = {
    { .name = "help",
      .arguments = "[COMMAND]",
      .help = "the commands, or more about one",
      .run = run_help,
      .optional = true },
    { .name = "quit", .arguments = "", .help = "end all domains and the machine", .run = run_quit },
};

/* Cut the line at blanks. What is behind the last word that fits is left out. */
static void split(char *text, struct command_line *line)
{
    *line = (struct command_line){ .words = 0 };
    while (line->words < COMMAND_WORDS) {
        while (*text == ' ')
            text++;
        if (!*text)
            break;
        line->word[line->words++] = text;
        while (*text && *text != ' ')
            text++;
        if (*text)
            *text++ = '\0';
    }
    for (unsigned n = line->words; n < COMMAND_WORDS; n++)
        line->word[n] = "";
}

/* The name in the first argument, without what follows it in *line. */
static void split_subject(const struct command *c, struct command_line *line, char *name,
                          size_t size)
{
    const char *word = line->word[1];
    size_t length = 0;
    while (word[length] && !(c->takes_vcpu && word[length] == '.'))
        length++;
    line->vcpu = word + length + (word[length] == '.');
    format_text(name, length < size ? length + 1 : size, "%s", word);
}

/* Is the first argument what the command asks for? Complains if not. */
static bool find_subject(const struct command *c, struct command_line *line)
{
    char name[LINEEDIT_LINE];
    bool none = line->words < 2;
    split_subject(c, line, name, sizeof(name));
    if (c->subject == COMMAND_ANYTHING || (none && c->optional) ||
        (c->takes_root && strcmp(name, "root") == 0))
        return true;
    line->domain = domains_find(name);
    if (none)
        printk("%s needs the name of a domain; list shows them\n", c->name);
    else if (strcmp(name, "root") == 0)
        printk("%s works on other domains than root\n", c->name);
    else if (!line->domain)
        printk("no domain '%s' in the configuration\n", name);
    else if (c->subject == COMMAND_EXISTING && !domain_refresh(line->domain))
        printk("%s: does not exist now; create it first\n", name);
    else
        return true;
    return false;
}

/* Of the domains that may follow `c`, the `n`th; root is the last one. */
static const char *subject_name(const struct command *c, unsigned n)
{
    for (unsigned i = 0; i < domains_count() && c->subject != COMMAND_ANYTHING; i++)
        if ((c->subject == COMMAND_DOMAIN || domains_get(i)->exists) && n-- == 0)
            return domains_get(i)->config->name;
    return c->takes_root && n == 0 ? "root" : NULL;
}

/* What may stand at `word` of the line: a command as the first word and behind help, a domain or
 * one of the command's own words as the second. */
static const char *candidate(const char *text, size_t word, unsigned n)
{
    char copy[LINEEDIT_LINE];
    struct command_line line;
    memcpy(copy, text, word);
    copy[word] = '\0';
    split(copy, &line);
    const struct command *c = line.words ? find(line.word[0]) : NULL;
    if (line.words == 0 || (line.words == 1 && c && c->run == run_help))
        return n < (unsigned)(__stop_commands - __start_commands) ? __start_commands[n].name : NULL;
    if (line.words > 1 || !c)
        return NULL;
    for (const char *const *choice = c->choices; choice && *choice; choice++)
        if (n-- == 0)
            return *choice;
    return subject_name(c, n);
}

void prompt_run(void)
{
    static char text[LINEEDIT_LINE];
    mux_complete_with(candidate);
    while (!ending) {
        struct command_line line;
        mux_read_line(PROMPT, text, sizeof(text));
        split(text, &line);
        const struct command *c = find(line.word[0]);
        if (!line.words)
            continue;
        if (!c)
            printk("no command '%s'; help lists them\n", line.word[0]);
        else if (find_subject(c, &line))
            c->run(&line);
    }
}

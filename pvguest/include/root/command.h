/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of root's prompt. Each group of them is a table in a file of its own; whatever is
 * linked in is known to the prompt, to `help` and to completion, and no list names the files.
 */
#ifndef ROOT_COMMAND_H
#define ROOT_COMMAND_H

#include "root/domains.h"

#include <stdbool.h>

#define COMMAND_WORDS 8u /* of a line, the command's name included */

/** What a command's first argument has to name; the prompt refuses anything else. */
enum command_subject {
    COMMAND_ANYTHING, /* its own business, completed from nothing */
    COMMAND_DOMAIN,   /* a domain of the configuration, whether it exists or not */
    COMMAND_EXISTING, /* one that exists now; its info is fresh */
};

/** One line that was typed. */
struct command_line {
    const char *word[COMMAND_WORDS]; /* word[0] is the command; "" behind the last one */
    unsigned words;
    struct domain *domain; /* the subject; NULL when there is none or it is root */
    const char *vcpu;      /* what follows its name and a point; "": nothing does */
};

struct command {
    const char *name;
    const char *arguments; /* as help shows them; "" when it takes none */
    const char *help;      /* one line */
    const char *more;      /* what `help NAME` adds: whole lines; NULL: nothing */
    void (*run)(const struct command_line *line);
    const char *const *choices; /* other words the first argument may be, for completion; NULL at
                                   the end */
    enum command_subject subject;
    bool takes_root; /* the subject may be root */
    bool takes_vcpu; /* a point and a vCPU's number may follow the subject's name */
    bool optional;   /* the first argument may be left out */
};

/* The linker gathers the entries of a section named like a C identifier between two symbols. The
 * alignment is said so that no compiler widens it and leaves a gap between two tables. */
#define COMMANDS(table)                                                                            \
    static const struct command table[]                                                            \
        __attribute__((used, section("commands"), aligned(__alignof__(struct command))))

extern const struct command __start_commands[], __stop_commands[];

/** The name of an error of a hypercall. */
const char *error_name(int64_t error);
/** Read lines and do what they say; returns at quit. */
void prompt_run(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domains that root has built: one place for each section of the configuration, whether its
 * domain exists now or not.
 */
#ifndef ROOT_DOMAINS_H
#define ROOT_DOMAINS_H

#include "config.h"

#include <hv_domain.h>
#include <stdbool.h>

struct block_back;
struct console_back;
struct emul;

struct domain {
    const struct config_domain *config;
    bool exists;
    bool reported; /* its end was told */
    uint64_t id;
    struct hv_domain_info info; /* as last asked */
    struct console_back *console;
    struct block_back *block[CONFIG_DISKS];
    struct emul *emul;
};

/** Read the configuration from the boot module; false after a message. */
bool domains_configure(void);
unsigned domains_count(void);
struct domain *domains_get(unsigned n);
struct domain *domains_find(const char *name);

/** Build the domain, devices and all, ready to start; false after a message, with nothing left. */
bool domain_build(struct domain *d);
/** Take its devices away and destroy it. */
void domain_remove(struct domain *d);
/** Ask the hypervisor about it; false when it does not exist. */
bool domain_refresh(struct domain *d);
/** Has it shut down, or was it killed? */
bool domain_ended(const struct domain *d);
bool domain_succeeded(const struct domain *d);
const char *domain_state(const struct domain *d);

/** Look at all domains whenever one ends, and tell of it. */
void domains_watch(void);
/** Wait until `d` has ended, or for `ns` at most; false when it has not. */
bool domain_wait(struct domain *d, uint64_t ns);

/** What `info` prints. */
void domain_print(struct domain *d);
/** The same about root itself. */
void root_print(void);

#endif

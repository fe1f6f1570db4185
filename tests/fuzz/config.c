/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration parser: the input is the file. Whatever is accepted keeps the promises of
 * config.h; whatever is refused is refused in one terminated line.
 *
 * inputs: 2000000
 * sources: pvguest/root/config.c
 */
#include "fuzz.h"

#include "config.h"

static void check_domain(const struct config *c, const struct config_domain *d)
{
    unsigned ide = 0;

    require(memchr(d->name, 0, sizeof d->name) && memchr(d->image, 0, sizeof d->image));
    require(d->name[0] && d->image[0] && memchr(d->cmdline, 0, sizeof d->cmdline));
    require(d->memory >= CONFIG_MEMORY_MIN && d->memory <= CONFIG_MEMORY_MAX);
    require(d->memory % 4096 == 0 && d->disk_count <= CONFIG_DISKS);
    require(d->weight >= 1 && d->weight <= CONFIG_WEIGHT_MAX);
    require(config_find(c, d->name) == d);
    for (unsigned i = 0; i < d->disk_count; i++) {
        require(memchr(d->disks[i].name, 0, sizeof d->disks[i].name));
        ide += d->disks[i].transport == CONFIG_IDE;
    }
    require(ide <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    char message[CONFIG_MESSAGE];

    memset(&c, 0xa5, sizeof c);
    memset(message, 'x', sizeof message);
    if (config_parse("f", (const char *)data, size, &c, message, sizeof message) < 0) {
        require(memchr(message, 0, sizeof message) && message[0] && !strchr(message, '\n'));
        return 0;
    }
    require(c.domain_count >= 1 && c.domain_count <= CONFIG_DOMAINS);
    for (unsigned i = 0; i < c.domain_count; i++)
        check_domain(&c, &c.domains[i]);
    return 0;
}

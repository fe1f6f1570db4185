/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: which domains root builds, and what each gets.
 *
 *     # a whole-line comment
 *     [domain a]
 *     image   = pvguest.elf
 *     memory  = 16M
 *     cmdline = role=diskbench
 *     disk    = vda split          the PV split driver, read-only
 *     disk    = vda ide            the same disk behind an emulated IDE controller
 *     disk    = vdb split rw
 *     emulate = uart
 *     weight  = 256
 *     vcpus   = 2
 *
 * `image` and `memory` are required; `disk` and `emulate` may be repeated, all others are given
 * once at most. A domain has at most one IDE disk. Every line, the last one too, ends with a
 * newline. A parsed configuration has no pointers and is valid as a whole: root checks nothing a
 * second time but what only it can know (that the image and the disk exist).
 */
#ifndef PVGUEST_CONFIG_H
#define PVGUEST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DOMAINS    8u
#define CONFIG_DISKS      4u
#define CONFIG_NAME       16u  /**< bytes of a domain's name, terminator included */
#define CONFIG_DISK_NAME  8u   /**< bytes of a disk's name, terminator included */
#define CONFIG_IMAGE      48u  /**< bytes of an image's name, terminator included */
#define CONFIG_CMDLINE    256u /**< bytes of a command line, terminator included */
#define CONFIG_LINE       320u /**< bytes of a line at most, newline not counted */
#define CONFIG_MESSAGE    160u /**< a buffer that holds every message whole */
#define CONFIG_MEMORY_MIN ((uint64_t)1 << 20)
#define CONFIG_MEMORY_MAX ((uint64_t)64 << 30)
#define CONFIG_WEIGHT     256u /**< weight of a domain that names none */
#define CONFIG_WEIGHT_MAX 65535u
#define CONFIG_VCPUS_MAX  64u
#define CONFIG_VCPUS_ALL  0u /**< as many as processors run */

enum config_transport { CONFIG_SPLIT, CONFIG_IDE };

struct config_disk {
    char name[CONFIG_DISK_NAME];
    enum config_transport transport;
    bool writable;
};

struct config_domain {
    char name[CONFIG_NAME];
    char image[CONFIG_IMAGE];     /**< name of a boot module */
    char cmdline[CONFIG_CMDLINE]; /**< printable ASCII, may be empty */
    uint64_t memory;              /**< bytes, whole pages */
    struct config_disk disks[CONFIG_DISKS];
    unsigned disk_count;
    unsigned weight; /**< 1..CONFIG_WEIGHT_MAX */
    unsigned vcpus;  /**< 1..CONFIG_VCPUS_MAX, or CONFIG_VCPUS_ALL */
    bool uart;       /**< an emulated 16550 */
    unsigned line;   /**< of the file, where the domain begins */
};

struct config {
    struct config_domain domains[CONFIG_DOMAINS]; /**< in the order of the file */
    unsigned domain_count;                        /**< at least 1 */
};

/**
 * Parse the `bytes` bytes at `text`, which need no terminator, into `out`. Returns 0; or -1, with
 * one line like "paravane.conf:12: unknown key 'memroy'" in `message` (of `size` bytes, always
 * terminated) and `out` unspecified. `file` is the name used in the message.
 */
int config_parse(const char *file, const char *text, size_t bytes, struct config *out,
                 char *message, size_t size);

/** The domain of that name, or NULL. */
const struct config_domain *config_find(const struct config *c, const char *name);

#endif

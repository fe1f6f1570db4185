/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a domain from an image.
 *
 *   struct hv_build b = { .image = …, .image_bytes = …, .ram_pages = …, .cmdline = … };
 *   if (hv_build_create(&b) < 0) … b.why …
 *   … ports, grants and device pages for b.id; hv_build_page(&b) takes pages of its RAM …
 *   if (hv_build_finish(&b, devices, count) < 0) … b.why …
 *   hv_domain_start(b.id);
 *
 * A build that fails takes the domain apart again. One build at a time.
 */
#ifndef HVLIB_BUILDER_H
#define HVLIB_BUILDER_H

#include "hvlib/cxx.h"
#include "hvlib/elf.h"
#include <hv_domain.h>
#include <hv_start.h>

HV_C_BEGIN

struct hv_build {
    const void *image;     /**< IN the ELF file, anywhere in the builder's RAM */
    uint64_t image_bytes;  /**< IN */
    const char *cmdline;   /**< IN or NULL; read by hv_build_finish */
    uint64_t ram_pages;    /**< IN */
    uint64_t window_pages; /**< IN */
    uint64_t quota;        /**< IN frames; 0: RAM and a fair amount for tables, OUT what it was */
    uint32_t weight;       /**< IN share of the CPU; 0: 256 */
    uint32_t flags;        /**< IN HV_CREATE_… */
    uint32_t domains;      /**< IN that may exist below it, with HV_CREATE_MAY_CREATE */
    uint32_t control_port; /**< IN for hv_build_finish: the domain's port to its controller; 0 or
                              ~0: none */
    uint32_t vcpus;        /**< IN that it may have, of its own quota; 0: 1 */
    uint64_t id;           /**< OUT the domain, from hv_build_create on */
    const char *why;       /**< OUT what was wrong, one line */
    struct hv_elf elf;     /**< OUT */
    uint64_t next_gfn;     /**< OUT first GFN that nothing uses */
    uint64_t start_gfn;
    uint64_t list_gfn;
};

/** Create the domain, populate its RAM, copy the image in. Returns 0 or an error. */
int64_t hv_build_create(struct hv_build *b);

/** Take a page of the new domain's RAM for a device. Returns its GFN, or -HV_ENOMEM. */
int64_t hv_build_page(struct hv_build *b);

/** Write start page and device list, map the kernel half, set the start registers. Returns 0 or an
 * error. The domain does not run yet. */
int64_t hv_build_finish(struct hv_build *b, const struct hv_device *devices, uint32_t count);

/** Rewrite the device list of a domain that was built (raise its control port afterwards). Returns
 * 0 or an error. */
int64_t hv_build_devices(const struct hv_build *b, const struct hv_device *devices, uint32_t count);

/** Destroy a domain, to the last step. Returns 0 or an error of domain_destroy. */
int64_t hv_domain_end(uint64_t dom);

HV_C_END

#endif

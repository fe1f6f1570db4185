/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start of day: the start page and the device list.
 *
 * A guest starts at its ELF entry in kernel mode, masked, with RDI = virtual address of the start
 * page, RSP as the builder chose (0), RFLAGS 0x202, FS and GS base 0, other registers 0. Mapped in
 * its kernel half: the ELF segments with their rights, the start page and the device list page
 * (read-only), and vCPU 0's shared page (read-write). The rest of its RAM is not mapped; the guest
 * maps it.
 *
 * The start page is a header and then records, each with a tag and a size in bytes (header
 * included, a multiple of 8); HV_START_END is the last. Unknown tags are skipped.
 */
#ifndef HV_START_H
#define HV_START_H

#include "hv_call.h"

#define HV_START_MAGIC ((uint64_t)0x656e617661726150) /**< "Paravane", little endian */

/** What the page begins with. */
struct hv_start_header {
    uint64_t magic;
    uint32_t version; /**< HV_ABI_VERSION of the hypervisor */
    uint32_t bytes;   /**< of header and all records */
};
HV_STATIC_ASSERT(sizeof(struct hv_start_header) == 16, "layout");

/** Tags. */
#define HV_START_END      0u
#define HV_START_DOMAIN   1u /**< struct hv_start_domain */
#define HV_START_FEATURES 2u /**< struct hv_start_u64: feature bits */
#define HV_START_MEMORY   3u /**< struct hv_start_memory, one a range */
#define HV_START_CMDLINE  4u /**< struct hv_start_string */
#define HV_START_CLOCK    5u /**< struct hv_start_u64: wall clock at boot, nanoseconds since 1970 */
#define HV_START_MODULE   6u /**< struct hv_start_module, in the order of the boot loader */
#define HV_START_VCPU     7u /**< struct hv_start_page: vCPU 0's shared page */
#define HV_START_DEVICES  8u /**< struct hv_start_page: the device list */

/** What every record begins with. */
struct hv_start_record {
    uint32_t tag;
    uint32_t size;
};

/** HV_START_DOMAIN. */
struct hv_start_domain {
    struct hv_start_record r;
    uint64_t id;
    uint64_t parent;
    uint32_t
        control_port; /**< port to the controller, raised when the device list changes; ~0: none */
    uint32_t rsvd;
};

/** HV_START_FEATURES, HV_START_CLOCK. */
struct hv_start_u64 {
    struct hv_start_record r;
    uint64_t value;
};

/** Kinds of memory ranges. */
#define HV_RANGE_RAM    1u /**< populated frames */
#define HV_RANGE_WINDOW 2u
#define HV_RANGE_MMIO   3u
#define HV_RANGE_SHARED 4u
#define HV_RANGE_IMAGE                                                                             \
    5u /**< the part of RAM that image, start page and device list fill: [gfn, gfn + count) */

/** HV_START_MEMORY. */
struct hv_start_memory {
    struct hv_start_record r;
    uint32_t kind;
    uint32_t rsvd;
    uint64_t gfn;
    uint64_t count;
};

/** HV_START_CMDLINE. */
struct hv_start_string {
    struct hv_start_record r;
    char text[8]; /**< NUL-terminated, as long as size says */
};

/** HV_START_MODULE. */
struct hv_start_module {
    struct hv_start_record r;
    uint64_t gfn;   /**< first frame of the module in RAM */
    uint64_t bytes; /**< its length */
    char text[8];   /**< its string, NUL-terminated */
};

/** HV_START_VCPU, HV_START_DEVICES. */
struct hv_start_page {
    struct hv_start_record r;
    uint64_t gfn;
    uint64_t address; /**< virtual address where it is mapped at the start */
};

/** Features of this hypervisor (HV_START_FEATURES). */
#define HV_FEATURE_IO_ROUTE ((uint64_t)1 << 0) /**< ports can be routed to a device model */
#define HV_FEATURE_CONSOLE  ((uint64_t)1 << 1) /**< this domain holds the console */
#define HV_FEATURE_DEBUG    ((uint64_t)1 << 2) /**< a debug build of the hypervisor */

/** Classes of devices. */
#define HV_DEVICE_NONE    0u
#define HV_DEVICE_CONSOLE 1u
#define HV_DEVICE_BLOCK   2u
#define HV_DEVICE_IRQ     3u /**< an emulated interrupt line: index is the ISA IRQ number */
/** This class and those above are never given out here: two domains agree on what they are. */
#define HV_DEVICE_PRIVATE 0x8000u

/** A device, as the front end's list names it. The back end keeps its own record, with the grant
 * instead of the frame. */
struct hv_device {
    uint32_t class_; /**< HV_DEVICE_… */
    uint32_t index;  /**< 0.. within the class */
    uint64_t peer;   /**< the back end's domain */
    uint64_t page;   /**< GFN of the device page, a frame of the front end */
    uint32_t port;   /**< the front end's port to the back end */
    uint32_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_device) == 32, "layout");

/** The device list page; the controller may rewrite it (domain_copy) and then raises the control
 * port. */
struct hv_device_list {
    uint64_t generation; /**< changes with every rewrite; odd while it is being rewritten */
    uint32_t count;
    uint32_t rsvd;
    struct hv_device device[127];
};
HV_STATIC_ASSERT(sizeof(struct hv_device_list) == 4080, "layout");

#endif

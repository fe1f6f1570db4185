/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the start page says, and the guest's main function.
 *
 * The page is read-only and its controller's; every record is checked to lie inside it before use.
 */
#ifndef HVLIB_START_H
#define HVLIB_START_H

#include "hvlib/cxx.h"
#include <hv_start.h>
#include <stdbool.h>

HV_C_BEGIN

/** The guest's main function, called with everything set up and upcalls masked. What it returns is
 * the reason of the shutdown. */
uint32_t guest_main(void);

/** The first record with this tag behind `after` (NULL: from the start), or NULL. */
const struct hv_start_record *hv_start_find(uint32_t tag, const struct hv_start_record *after);

/** This domain's number and its parent's; the port to the controller, ~0: none. */
uint64_t hv_start_domain_id(void);
uint64_t hv_start_parent(void);
uint32_t hv_start_control_port(void);
/** Feature bits, HV_FEATURE_…. */
uint64_t hv_start_features(void);
/** Wall clock at boot, nanoseconds since 1970; 0: unknown. */
uint64_t hv_start_clock(void);

/** The command line, "" when there is none. */
const char *hv_start_cmdline(void);
/** Copy the value of `key=value` on the command line (words are separated by spaces) to `value`, at
 * most `bytes` with its NUL. A word that is `key` alone has the value "". Returns false when there
 * is no such word or it does not fit. */
bool hv_start_option(const char *key, char *value, uint64_t bytes);
/** The same for a number (decimal, or hexadecimal after 0x); `otherwise` when it is missing or no
 * number. */
uint64_t hv_start_number(const char *key, uint64_t otherwise);

/** Memory range `index` of `kind` (HV_RANGE_…), or NULL. */
const struct hv_start_memory *hv_start_range(uint32_t kind, uint32_t index);
/** Boot module `index`, or NULL. */
const struct hv_start_module *hv_module_get(uint32_t index);
/** The bytes of a module. */
const void *hv_module_data(const struct hv_start_module *module);

/** The device list. The controller may rewrite it at any time: read it with hv_start_device. */
const struct hv_device_list *hv_start_devices(void);
/** Copy the device of `device_class` with `index` out of the list, consistently. Returns false when
 * there is none. */
bool hv_start_device(uint32_t device_class, uint32_t index, struct hv_device *device);

/** First frame, from GFN `from` on, of RAM that neither the image, nor the start page, nor a boot
 * module uses, with all of [gfn, *count + gfn) free; *count is 0 when there is none. */
uint64_t hv_start_free_range(uint64_t from, uint64_t *count);

/** The largest of these runs. */
uint64_t hv_start_free_ram(uint64_t *count);

/** Use this page as the start page; start-up does, before guest_main. Returns false when it is none
 * of this ABI. */
bool hv_start_use(const void *start_page);

HV_C_END

#endif

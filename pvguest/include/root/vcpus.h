/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypervisor tells root about vCPUs and processors, and both as text.
 */
#ifndef ROOT_VCPUS_H
#define ROOT_VCPUS_H

#include <hv_vcpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AFFINITY_TEXT 192u /* bytes of the longest list, terminator included */

/** Ask about a vCPU (dom: HV_SELF for root); false when it or its domain does not exist. */
bool vcpu_read(uint64_t dom, uint64_t vcpu, struct hv_vcpu_info *info);
/** What it does, in a word. */
const char *vcpu_state(const struct hv_vcpu_info *info);

/** How many processors run. */
unsigned processors(void);
/** The processors of a mask as a list like "0-2,5"; "all" when no one is left out. */
void affinity_text(char *text, size_t size, uint64_t mask);
/** The mask that such a list stands for; 0: it is none, or names a processor that is not there. */
uint64_t affinity_parse(const char *text);

/** A decimal number of at most nine digits and nothing else. */
bool number_parse(const char *text, uint64_t *number);

#endif

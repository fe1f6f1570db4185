/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains without an image, made by the bare calls: what a domain that may create can make of
 * nothing but its own memory.
 */
#ifndef RAW_H
#define RAW_H

#include "test.h"

/** Create; every field of the structure that is not named is 0 but for vcpus, which is 1, and the
 * domains of one that may create, 4. */
static inline int64_t raw_create(struct hv_domain_create c)
{
    HV_BUFFER(64) struct hv_domain_create in = c;

    in.vcpus = in.vcpus ? in.vcpus : 1;
    in.domains = in.flags && !in.domains ? 4 : in.domains;
    return hv_domain_create(hv_gpa(&in));
}

/** A small one of this weight. */
static inline int64_t raw_small(uint32_t weight, uint32_t flags)
{
    return raw_create((struct hv_domain_create){
        .quota = 64, .ram_pages = 4, .window_pages = 1, .weight = weight, .flags = flags });
}

/** Give it a page of code (JMP to itself) and a context; start it. */
static inline void raw_spin(uint64_t dom)
{
    HV_BUFFER(64) static const uint8_t code[2] = { 0xeb, 0xfe };
    HV_BUFFER(64) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };

    NEED(hv_populate(dom, 0, 1));
    NEED(hv_domain_copy(dom, 0, hv_gpa(code), sizeof code, 1));
    NEED(test_map(dom, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(hv_vcpu_set_context(dom, 0, hv_gpa(&context)));
    NEED(hv_domain_start(dom));
}

#endif

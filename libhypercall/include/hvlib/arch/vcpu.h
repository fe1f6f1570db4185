/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU this is: in kernel mode the GS base is the address of its shared page.
 *
 * A read or write through GS is one instruction on whatever vCPU it is executed, so that code which
 * an upcall may move to another vCPU still names the one that it is on. An address from
 * hv_this_page stays right only while upcalls are masked, or where nothing is ever moved.
 */
#ifndef HVLIB_ARCH_VCPU_H
#define HVLIB_ARCH_VCPU_H

#include <hv_vcpu.h>

/** The calling vCPU's shared page. */
static inline struct hv_vcpu_page *hv_this_page(void)
{
    struct hv_vcpu_page *page;

    __asm__ volatile("rdgsbase %0" : "=r"(page));
    return page;
}

/** Make the page at this address that of the calling vCPU, until an entry loads what set_entry was
 * given. */
static inline void hv_use_page(uint64_t address)
{
    __asm__ volatile("wrgsbase %0" : : "r"(address) : "memory");
}

/** `masked` of the calling vCPU. */
static inline uint32_t hv_get_masked(void)
{
    uint32_t masked;

    __asm__ volatile("movl %%gs:%c1, %0"
                     : "=r"(masked)
                     : "i"(offsetof(struct hv_vcpu_page, masked))
                     : "memory");
    return masked;
}

static inline void hv_set_masked(uint32_t masked)
{
    __asm__ volatile("movl %0, %%gs:%c1"
                     :
                     : "ri"(masked), "i"(offsetof(struct hv_vcpu_page, masked))
                     : "memory");
}

/** A selector word of the calling vCPU: is an event of this priority pending? */
#define HV_GET_SELECTOR(priority)                                                                  \
    __extension__({                                                                                \
        uint64_t sel_;                                                                             \
        __asm__ volatile("movq %%gs:%c1, %0"                                                       \
                         : "=r"(sel_)                                                              \
                         : "i"(offsetof(struct hv_vcpu_page, pending_sel[priority]))               \
                         : "memory");                                                              \
        sel_;                                                                                      \
    })

#endif

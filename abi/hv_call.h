/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of the interface: version, hypercalls, errors; all made from the two lists.
 */
#ifndef HV_CALL_H
#define HV_CALL_H

#include <stddef.h>
#include <stdint.h>

/** Version of this ABI. A guest image names the version that it was built for in an ELF note. */
#define HV_ABI_MAJOR   0u
#define HV_ABI_MINOR   1u
#define HV_ABI_VERSION (HV_ABI_MAJOR << 16 | HV_ABI_MINOR)

/** ELF note of a guest image: name "Paravane", type 1, descriptor one uint32_t, HV_ABI_VERSION. */
#define HV_NOTE_NAME "Paravane"
#define HV_NOTE_ABI  1u

/** Asserted layouts, in C and in C++. */
#ifdef __cplusplus
#define HV_STATIC_ASSERT(cond, msg) static_assert(cond, msg)
#else
#define HV_STATIC_ASSERT(cond, msg) _Static_assert(cond, msg)
#endif

/** Types of arguments and of words in traces. All are uint64_t: the name says what a value means,
 * and with it how to print it. */
typedef uint64_t hv_dom_t;          /**< a domain's number, or HV_SELF */
typedef uint64_t hv_gpa_t;          /**< a guest physical address */
typedef uint64_t hv_gfn_t;          /**< a guest frame number */
typedef uint64_t hv_addr_t;         /**< a guest virtual address, or a device address */
typedef uint64_t hv_ns_t;           /**< nanoseconds since boot */
typedef uint64_t hv_rights_t;       /**< HV_MAP_… */
typedef uint64_t hv_result_t;       /**< a result, or -HV_E… */
typedef uint64_t hv_trap_t;         /**< an exception's vector */
typedef uint64_t hv_port_state_t;   /**< HV_PORT_… */
typedef uint64_t hv_domain_state_t; /**< HV_DOMAIN_… */
typedef uint64_t hv_run_state_t;    /**< HV_RUN_…, and HV_WAIT_… from bit 8 on */
typedef uint64_t hv_none_t;         /**< nothing: 0 */

enum hv_hypercall {
#define HV_CALL(nr, name, ...) HV_NR_##name = nr,
#include "hypercalls.def"
    /** One more than the highest number in use. */
    HV_NR_LIMIT
};

enum hv_error {
#define HV_ERROR(nr, name, text) HV_E##name = nr,
#include "errors.def"
#undef HV_ERROR
};

/** The calling domain, wherever a domain is named. Domain numbers are 64 bits, never used twice in
 * one boot; root is 0. */
#define HV_SELF (~(uint64_t)0)

/** Bytes of a page; a guest physical address is GFN * HV_PAGE_SIZE + offset. */
#define HV_PAGE_SHIFT 12u
#define HV_PAGE_SIZE  4096u

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trap and emulate: a port access of a guest kernel, as its device model sees it.
 */
#ifndef HV_IO_H
#define HV_IO_H

#include "hv_call.h"

/** States of a slot. */
#define HV_IO_IDLE    0u
#define HV_IO_PENDING 1u

/**
 * One slot of the request page, vCPU n at slot n; written by the hypervisor (ordering: all fields,
 * then state with release). Up to a page of data of an OUTS is in the data page (request page + 1 +
 * n). INS data come with io_complete.
 */
struct hv_io_request {
    uint32_t state; /**< HV_IO_… */
    uint16_t port;
    uint8_t size;    /**< bytes of an element: 1, 2, 4 */
    uint8_t write;   /**< 1: OUT, OUTS */
    uint32_t string; /**< 1: INS, OUTS */
    uint32_t count;  /**< elements, 1 unless string; at most a page of them */
    uint32_t value;  /**< OUT: the value */
    uint32_t rsvd;
    uint64_t domain; /**< who asks */
    uint64_t seq;    /**< counts the requests of this vCPU */
    uint64_t rsvd2[3];
};
HV_STATIC_ASSERT(sizeof(struct hv_io_request) == 64, "layout");

#endif

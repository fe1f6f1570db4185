/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a back end meets its front end: what the builder made on the front end's behalf.
 */
#ifndef BACK_PLACE_H
#define BACK_PLACE_H

#include <stdint.h>

struct back_place {
    uint64_t peer; /* domain of the front end */
    uint64_t page; /* grant of the device page, read-write */
    uint32_t port; /* own port to the front end */
};

#endif

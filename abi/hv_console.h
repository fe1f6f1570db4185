/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console device protocol on hv_ring.h: slots carry up to 60 bytes of text. The front end's request
 * ring carries output, the back end's response ring carries input.
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include "hv_ring.h"

/** Bytes of text in a slot. */
#define HV_CONSOLE_TEXT 60u

/** A slot of either ring. */
struct hv_console_slot {
    uint32_t bytes; /**< 0..HV_CONSOLE_TEXT */
    char text[HV_CONSOLE_TEXT];
};
HV_STATIC_ASSERT(sizeof(struct hv_console_slot) == 64, "layout");

#endif

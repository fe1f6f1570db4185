/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit: recounts every reference to every frame. Debug builds only; release builds answer 0 at
 * once.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include <stdint.h>

#if HYP_DEBUG
#define AUDIT 1
#else
#define AUDIT 0
#endif

/* What the audit counts for a frame; the array is frame.c's, as long as the frame table. */
struct audit_count {
    uint32_t maps;
    uint16_t grants, pins, live;
    uint16_t writer; /* domain slot + 1 that maps it writable; AUDIT_SHARED: several */
    uint8_t refs;    /* P2M entries, table entries or window arrays that own it; stops at 255 */
    uint8_t rsvd[3];
};

/* NULL in release builds. */
extern struct audit_count *frame_audit;

/* Prints `audit: ok (N frames, M domains)` or one `audit: <what>` line an error; returns errors. */
int audit_run(void);

#endif

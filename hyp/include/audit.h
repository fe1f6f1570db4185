/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit: recounts every reference to every frame. It is a test (tests/audit) that runs inside
 * the hypervisor, linked into debug builds alone; release builds answer 0 at once.
 */
#pragma once

#include <stdint.h>

/* What the audit counts for a frame; the array is frame.c's, as long as the frame table. */
struct audit_count {
    int32_t maps;
    uint16_t grants, pins;
    uint16_t refs; /* P2M entries, table entries and pins that own it */
    uint16_t free; /* of the first frame of a superframe: how many of it are free */
    int32_t large; /* and: 2 MiB leaves that name it */
};

/* Room for nothing in release builds. */
extern struct audit_count *frame_audit;

struct boot_info;

/* audit_run: prints `audit: ok (N frames, M domains)` or one `audit: <what>` line an error; returns
 * errors. panic_test: fails in the way the boot option panic-test=KIND asks for. paging_check: W^X,
 * asked of hyp's tables themselves. */
#if HYP_DEBUG
int audit_run(void);
void panic_test(const struct boot_info *boot);
void paging_check(void);
#else
static inline int audit_run(void) { return 0; }
static inline void panic_test(const struct boot_info *boot) { (void)boot; }
static inline void paging_check(void) {}
#endif

/* audit_plant.c: makes the error that the boot option audit-plant=KIND names, so that a test sees
 * the audit find it. Once, and only for the audit: what comes after it is broken. */
void audit_plant(void);

/* A short name for an error, and what is wrong. */
void audit_error(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

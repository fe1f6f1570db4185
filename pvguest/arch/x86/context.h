/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the C and the assembly of thread contexts.
 */
#ifndef PVGUEST_X86_CONTEXT_H
#define PVGUEST_X86_CONTEXT_H

/** First instructions of a new thread: fn in R12, its argument in R13. */
void context_start(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the guest test runtime call in each other.
 */
#ifndef INTERNAL_H
#define INTERNAL_H

#include "test.h"

/** Reasons of a child's shutdown, by verdict. */
enum verdict { SUCCESS, SKIP, ERROR, FAILURE, VERDICTS };

/** See escape.S. */
int64_t test_escape_call(int64_t (*fn)(void *arg), void *arg);
_Noreturn void test_escape(int64_t value);

/** Install the handlers of faults and system calls. */
void test_faults_start(void);
/** A child's end of the link to its parent. */
void test_child_start(void);

#endif

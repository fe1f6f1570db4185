/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * panic_test.c: makes hyp fail on request (panic-test=assert|pf|ud|df|lock), so that a test can see
 * that a panic says what it should. Debug builds only; a release build ignores the option.
 */
#include "arch/layout.h"
#include "audit.h"
#include "boot.h"
#include "bug.h"
#include "domain.h"
#include "frame.h"
#include "string.h"

static int overflow_stack(volatile int *depth) {
    volatile char filler[512];

    filler[0] = (char)*depth;
    *depth += 1;
    return *depth > 1000000 ? filler[0] : overflow_stack(depth) + filler[0];
}

/* The domain tree's comes before the memory's. */
static __attribute__((noinline)) void lock_backwards(void) {
    spin_lock(&memory_lock);
    spin_lock(&tree_lock);
}

static bool is(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX) == 0; }

void panic_test(const struct boot_info *boot) {
    char kind[16];
    volatile int depth = 0;

    if (!boot_option(boot, "panic-test", kind, sizeof(kind))) return;
    if (is(kind, "assert"))
        ASSERT(boot == NULL);
    else if (is(kind, "pf"))
        *(volatile char *)HYP_STACK_BASE = 0;
    else if (is(kind, "ud"))
        __asm__ volatile("ud2");
    else if (is(kind, "df"))
        overflow_stack(&depth);
    else if (is(kind, "lock"))
        lock_backwards();
}

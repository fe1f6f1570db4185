/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of many user programs that run side by side: it keeps values in extended registers and in
 * memory that comes and goes, while it yields and is moved from CPU to CPU. At the end it reads
 * memory that it gave back, where another CPU may have an old translation: it must be killed there.
 */
#include "user/lib.h"

#define PAGE   4096
#define PAGES  4
#define ROUNDS 20
#define SPINS  2000

static unsigned long now(void)
{
    unsigned long t[2] = { 0, 0 };

    (void)user_syscall(USER_CLOCK_GETTIME, 1, (long)t, 0, 0, 0);
    return t[0] * 1000000000ul + t[1];
}

static int fail(const char *what)
{
    user_puts("storm: FAILED: ");
    user_puts(what);
    user_puts("\n");
    return 1;
}

/* A system call, and long enough in user mode that other CPUs do much meanwhile. */
static void pass(void)
{
    (void)user_syscall(USER_YIELD, 0, 0, 0, 0, 0);
    for (volatile int i = 0; i < SPINS; i++) {
    }
}

static long get(void)
{
    return user_syscall(USER_MMAP, 0, PAGES * PAGE, 3, 0x22, -1);
}

static int holds(volatile unsigned long *p, unsigned long value)
{
    for (int i = 0; i < PAGES; i++) {
        if (p[i * PAGE / 8] != 0) {
            return 0;
        }
        p[i * PAGE / 8] = value + (unsigned long)i;
    }
    pass();
    for (int i = 0; i < PAGES; i++) {
        if (p[i * PAGE / 8] != value + (unsigned long)i) {
            return 0;
        }
    }
    return 1;
}

int main(void)
{
    unsigned long value = now();
    long at = 0;

    for (int round = 0; round < ROUNDS; round++) {
        value = value * 6364136223846793005ul + 1442695040888963407ul;
        at = get();
        user_keep(value);
        if (at < 0 || !holds((volatile unsigned long *)at, value)) {
            return fail("memory has changed");
        }
        if (user_kept() != value) {
            return fail("an extended register has changed");
        }
        if (user_syscall(USER_MUNMAP, at, PAGES * PAGE, 0, 0, 0) != 0) {
            return fail("memory cannot be given back");
        }
    }
    pass();
    user_print("storm: FAILED: what was given back is ", *(volatile unsigned long *)at, "\n");
    return 1;
}

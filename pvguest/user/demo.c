/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user program of the demonstration: makes system calls and page faults of each kind that the
 * kernel serves, checks what comes back, and says how it went. Exit status 0: all as it should be.
 */
#include "user/lib.h"

#define PAGE       4096
#define BSS_PAGES  32
#define HEAP_PAGES 16
#define CALLS      50
#define ROUNDS     40

static unsigned char zeroes[BSS_PAGES * PAGE];
static unsigned long known = 0x5eed;
static int failures;

static void expect(int ok, const char *what)
{
    if (!ok) {
        user_puts("user: FAILED: ");
        user_puts(what);
        user_puts("\n");
        failures++;
    }
}

/* Every page must read as zero at its first touch and keep what is written. */
static int touch(volatile unsigned char *p, unsigned long pages)
{
    int ok = 1;

    for (unsigned long i = 0; i < pages; i++) {
        ok = ok && p[i * PAGE] == 0 && p[i * PAGE + PAGE - 1] == 0;
        p[i * PAGE] = (unsigned char)(i + 1);
    }
    for (unsigned long i = 0; i < pages; i++) {
        ok = ok && p[i * PAGE] == (unsigned char)(i + 1);
    }
    return ok;
}

static void memory(void)
{
    long heap = user_syscall(USER_BRK, 0, 0, 0, 0, 0);
    long end = user_syscall(USER_BRK, heap + HEAP_PAGES * PAGE, 0, 0, 0, 0);
    long map = user_syscall(USER_MMAP, 0, HEAP_PAGES * PAGE, 3, 0x22, -1);

    expect(touch(zeroes, BSS_PAGES), "bss");
    expect(end == heap + HEAP_PAGES * PAGE, "brk");
    expect(touch((volatile unsigned char *)heap, HEAP_PAGES), "heap");
    expect(map > 0, "mmap");
    if (map > 0) {
        expect(touch((volatile unsigned char *)map, HEAP_PAGES), "mapping");
        expect(user_syscall(USER_MUNMAP, map, HEAP_PAGES * PAGE, 0, 0, 0) == 0, "munmap");
    }
}

static unsigned long now(void)
{
    unsigned long t[2] = { 0, 0 };

    expect(user_syscall(USER_CLOCK_GETTIME, 1, (long)t, 0, 0, 0) == 0, "clock_gettime");
    return t[0] * 1000000000ul + t[1];
}

/* The shortest of many rounds: others may have run in between in all but that one. */
static unsigned long shortest_call(void)
{
    unsigned long best = ~0ul;

    for (int round = 0; round < ROUNDS; round++) {
        unsigned long start = now();
        unsigned long took;

        for (int i = 0; i < CALLS; i++) {
            (void)user_syscall(USER_GETPID, 0, 0, 0, 0, 0);
        }
        took = now() - start;
        best = took < best ? took : best;
    }
    return best / CALLS;
}

static void system_calls(void)
{
    unsigned long start = now();
    long pid = user_syscall(USER_GETPID, 0, 0, 0, 0, 0);

    expect(pid > 0 && user_syscall(USER_GETPID, 0, 0, 0, 0, 0) == pid, "getpid");
    expect(user_syscall(9999, 0, 0, 0, 0, 0) == -38, "an unknown call");
    expect(user_syscall(USER_WRITE, 1, 0x1000, 10, 0, 0) == -14, "write from nowhere");
    user_print("user: a system call takes ", shortest_call(), " ns\n");
    expect(now() > start, "time stands still");
}

int main(void)
{
    user_print("user: hello from ring 3, process ",
               (unsigned long)user_syscall(USER_GETPID, 0, 0, 0, 0, 0), "\n");
    expect(known == 0x5eed, "data");
    memory();
    system_calls();
    user_print("user: ", (unsigned long)failures, " failures\n");
    return failures == 0 ? 0 : 1;
}

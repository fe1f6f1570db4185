/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls of user programs: the numbers, arguments and errors are Linux's on x86-64, so that a
 * static Linux program that needs no more than these runs as it is. Owns the table. They run with
 * interrupts off; what blocks lets others run meanwhile.
 */
#include "arch/user.h"
#include "clock.h"
#include "cpu.h"
#include "printk.h"
#include "process.h"
#include "thread.h"

#define ENOSYS 38
#define EBADF  9
#define EFAULT 14
#define EINVAL 22
#define ENOMEM 12

#define PROT_WRITE    2u
#define PROT_EXEC     4u
#define MAP_ANONYMOUS 0x20u
#define ARCH_SET_FS   0x1002u

#define WRITE_CHUNK 256u

typedef int64_t (*syscall_fn)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

#define ARGS uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5

/* Arguments that a call does not take. */
#define UNUSED(x) ((void)(x))

static int64_t sys_write(ARGS)
{
    char text[WRITE_CHUNK];
    uint64_t done = 0;

    UNUSED(a3), UNUSED(a4), UNUSED(a5);
    if (a0 != 1 && a0 != 2) {
        return -EBADF;
    }
    while (done < a2) {
        size_t n = a2 - done < sizeof(text) ? a2 - done : sizeof(text);

        if (!copy_from_user(text, a1 + done, n)) {
            return done > 0 ? (int64_t)done : -EFAULT;
        }
        console_write(text, n);
        done += n;
    }
    return (int64_t)done;
}

static int64_t sys_mmap(ARGS)
{
    uint64_t start;

    UNUSED(a4), UNUSED(a5);
    if (a0 != 0 || !(a3 & MAP_ANONYMOUS)) {
        return -EINVAL;
    }
    start = process_mmap(a1, (a2 & PROT_WRITE) != 0, (a2 & PROT_EXEC) != 0);
    return start ? (int64_t)start : -ENOMEM;
}

static int64_t sys_munmap(ARGS)
{
    UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    return process_munmap(a0, a1) == 0 ? 0 : -EINVAL;
}

static int64_t sys_brk(ARGS)
{
    UNUSED(a1), UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    return (int64_t)process_brk(a0);
}

static int64_t sys_getpid(ARGS)
{
    UNUSED(a0), UNUSED(a1), UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    return 1;
}

static int64_t sys_yield(ARGS)
{
    UNUSED(a0), UNUSED(a1), UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    thread_yield();
    return 0;
}

static int64_t sys_exit(ARGS)
{
    UNUSED(a1), UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    process_exit((int)(a0 & 0xff));
}

/* Clock 0 is the time of day, 1 the time since boot. */
static int64_t sys_clock_gettime(ARGS)
{
    uint64_t now = a0 == 0 ? clock_wall_ns() : clock_ns();
    uint64_t out[2] = { now / NS_PER_S, now % NS_PER_S };

    UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    if (a0 > 1) {
        return -EINVAL;
    }
    return copy_to_user(a1, out, sizeof(out)) ? 0 : -EFAULT;
}

static int64_t sys_nanosleep(ARGS)
{
    uint64_t in[2];

    UNUSED(a1), UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    if (!copy_from_user(in, a0, sizeof(in))) {
        return -EFAULT;
    }
    if (in[0] > UINT32_MAX || in[1] >= NS_PER_S) {
        return -EINVAL;
    }
    thread_sleep_ns(in[0] * NS_PER_S + in[1]);
    return 0;
}

static int64_t sys_arch_prctl(ARGS)
{
    UNUSED(a2), UNUSED(a3), UNUSED(a4), UNUSED(a5);
    if (a0 != ARCH_SET_FS || a1 >> 47 != 0) {
        return -EINVAL;
    }
    arch_user_set_fs(a1);
    return 0;
}

static const syscall_fn table[] = {
    [1] = sys_write,        [9] = sys_mmap,
    [11] = sys_munmap,      [12] = sys_brk,
    [24] = sys_yield,       [35] = sys_nanosleep,
    [39] = sys_getpid,      [60] = sys_exit,
    [158] = sys_arch_prctl, [228] = sys_clock_gettime,
    [231] = sys_exit,
};

int64_t syscall_dispatch(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                         uint64_t a5, uint64_t nr)
{
    int64_t result = -ENOSYS;

    kernel_enter_user();
    process_called();
    if (nr < sizeof(table) / sizeof(table[0]) && table[nr]) {
        result = table[nr](a0, a1, a2, a3, a4, a5);
    }
    user_return();
    return result;
}

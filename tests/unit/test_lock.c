/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks: what a debug build says of each order in which two ranks can be taken, of pairs and of a
 * lock that is given up twice; that a try never waits; and tickets across their wrap.
 *
 * sources: hyp/lib/lock.c
 */
#define _DEFAULT_SOURCE
#include <check.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "bug.h"
#include "cpu.h"
#include "lock.h"

#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

static struct cpu cpu0;
static jmp_buf refused;

struct cpu *this_cpu(void)
{
    return &cpu0;
}

_Noreturn void panic(const char *format, ...)
{
    (void)format;
    longjmp(refused, 1);
}

/* Whether the check lets each of these happen. */
static bool takes(struct spinlock *lock)
{
    if (setjmp(refused) != 0) {
        return false;
    }
    spin_lock(lock);
    return true;
}

static bool takes_pair(struct spinlock *a, struct spinlock *b)
{
    if (setjmp(refused) != 0) {
        return false;
    }
    spin_lock_pair(a, b);
    return true;
}

static bool gives_up(struct spinlock *lock)
{
    if (setjmp(refused) != 0) {
        return false;
    }
    spin_unlock(lock);
    return true;
}

START_TEST(test_ranks)
{
    for (uint32_t a = LOCK_DOMAINS; a <= LOCK_CONSOLE; a++) {
        for (uint32_t b = LOCK_DOMAINS; b <= LOCK_CONSOLE; b++) {
            struct spinlock first, second;
            bool taken;

            cpu0.lock_ranks = 0;
            spin_lock_init(&first, a);
            spin_lock_init(&second, b);
            spin_lock(&first);
            taken = takes(&second);
            must(taken == (b > a || !HYP_DEBUG));
            if (!taken) {
                must(second.next == second.owner); /* before a ticket was drawn */
                continue;
            }
            spin_unlock(&second);
            spin_unlock(&first);
            must(cpu0.lock_ranks == 0);
        }
    }
}
END_TEST

/* In whichever order they are named, once if they are one; and nothing of a higher rank is held. */
START_TEST(test_pairs)
{
    static struct spinlock locks[2], sched = SPINLOCK_INIT(LOCK_SCHED);

    for (unsigned int n = 0; n < 4; n++) {
        struct spinlock *a = &locks[n & 1], *b = &locks[n >> 1];

        cpu0.lock_ranks = 0;
        spin_lock_init(&locks[0], LOCK_EVENT);
        spin_lock_init(&locks[1], LOCK_EVENT);
        spin_lock_pair(a, b);
        must(a->next == 1 && b->next == 1 && a->owner == 0 && b->owner == 0);
        spin_lock(&sched);
        spin_unlock(&sched);
        spin_unlock_pair(a, b);
        must(a->owner == 1 && b->owner == 1 && cpu0.lock_ranks == 0);
    }
    spin_lock(&sched);
    must(takes_pair(&locks[0], &locks[1]) == !HYP_DEBUG);
}
END_TEST

/* Somebody has the lower one until a taker waits for it: has that one drawn for the other? */
static struct spinlock ordered[2];
static volatile sig_atomic_t in_order;

static void give_up_lower(int signal)
{
    (void)signal;
    if (READ_ONCE(ordered[0].next) != 2) {
        return;
    }
    in_order = READ_ONCE(ordered[1].next) == 0;
    WRITE_ONCE(ordered[0].owner, 1);
}

START_TEST(test_pairs_by_address)
{
    const struct itimerval each = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };

    sigaction(SIGALRM, &(struct sigaction){ .sa_handler = give_up_lower }, NULL);
    for (unsigned int n = 0; n < 2; n++) {
        cpu0.lock_ranks = 0;
        in_order = 0;
        spin_lock_init(&ordered[0], LOCK_EVENT);
        spin_lock_init(&ordered[1], LOCK_EVENT);
        ordered[0].next = 1;
        setitimer(ITIMER_REAL, &each, NULL);
        spin_lock_pair(&ordered[n], &ordered[1 - n]);
        setitimer(ITIMER_REAL, &never, NULL);
        must(in_order && ordered[1].next == 1);
    }
}
END_TEST

START_TEST(test_given_up_twice)
{
    static struct spinlock lock = SPINLOCK_INIT(LOCK_IRQ);

    cpu0.lock_ranks = 0;
    spin_lock(&lock);
    spin_unlock(&lock);
    must(gives_up(&lock) == !HYP_DEBUG);
}
END_TEST

/* Somebody else has it, or waits; and more takers than a ticket has values. */
START_TEST(test_try)
{
    static struct spinlock lock = SPINLOCK_INIT(LOCK_MEMORY);

    cpu0.lock_ranks = 0;
    lock.next = 1;
    must(!spin_try_lock(&lock) && cpu0.lock_ranks == 0);
    lock.owner = 1;
    for (uint32_t i = 0; i < 70000; i++) {
        must(spin_try_lock(&lock) && (uint16_t)(lock.next - lock.owner) == 1);
        must(cpu0.lock_ranks == (HYP_DEBUG ? 1u << LOCK_MEMORY : 0));
        spin_unlock(&lock);
    }
    must(lock.next == lock.owner);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lock");
    TCase *tests = tcase_create("lock");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_ranks);
    tcase_add_test(tests, test_pairs);
    tcase_add_test(tests, test_pairs_by_address);
    tcase_add_test(tests, test_given_up_twice);
    tcase_add_test(tests, test_try);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

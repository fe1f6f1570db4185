/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel tries itself: threads that hand over to each other, a mutex under contention, sleeping
 * and deadlines, an idle second, timers, threads that end, memory that comes back. Role `selftest`.
 */
#include "clock.h"
#include "guest.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"

#define WORKERS 8u
#define TURNS   200u
#define THREADS 64u

/* What a second's sleep may cost: of each kind of entry a few, but none that come all the time. */
#define IDLE_MOST 20u

static unsigned failures;

static void expect(bool ok, const char *what)
{
    if (!ok) {
        printk("selftest: FAILED: %s\n", what);
        failures++;
    }
}

static struct {
    struct mutex lock;
    struct wait_queue waiters;
    unsigned inside; /* threads that hold the lock: never more than one */
    unsigned most;
    unsigned count;
    unsigned ended;
} shared;

static void worker(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < TURNS; i++) {
        unsigned seen;

        mutex_lock(&shared.lock);
        shared.inside++;
        shared.most = shared.inside > shared.most ? shared.inside : shared.most;
        seen = shared.count;
        thread_yield(); /* whoever the mutex does not hold back shows here */
        shared.count = seen + 1;
        shared.inside--;
        mutex_unlock(&shared.lock);
    }
    shared.ended++;
    wait_wake_all(&shared.waiters);
}

static void test_mutex(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)thread_create("worker", worker, NULL);
    }
    wait_event(&shared.waiters, shared.ended == WORKERS);
    expect(shared.count == WORKERS * TURNS, "no turn is lost");
    expect(shared.most == 1, "one thread at a time holds the mutex");
}

static struct {
    struct wait_queue ping, pong;
    unsigned turn;
} game;

static void player(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < TURNS; i++) {
        wait_event(&game.ping, game.turn % 2 == 1);
        game.turn++;
        wait_wake_one(&game.pong);
    }
}

static void test_hand_over(void)
{
    (void)thread_create("player", player, NULL);
    for (unsigned i = 0; i < TURNS; i++) {
        game.turn++;
        wait_wake_one(&game.ping);
        wait_event(&game.pong, game.turn % 2 == 0);
    }
    expect(game.turn == 2 * TURNS, "each waits for the other");
}

static void test_time(void)
{
    struct wait_queue nobody = { 0 };
    uint64_t start = clock_ns();
    uint64_t flags;

    thread_sleep_ns(3 * NS_PER_MS);
    expect(clock_ns() - start >= 3 * NS_PER_MS, "a sleep is not too short");
    start = clock_ns();
    flags = irq_save();
    expect(!wait_block_until(&nobody, start + NS_PER_MS), "a deadline is told");
    irq_restore(flags);
    expect(clock_ns() >= start + NS_PER_MS, "a deadline does not come early");
    expect(!nobody.first, "who gave up waits no more");
}

/* With nobody to run there is no tick: neither entries nor interrupts but for the sleep itself. */
static void test_idle(void)
{
    const struct arch_counter *c;
    struct measure start, m;

    thread_sleep_ns(NS_PER_S / 10); /* what was printed is gone */
    start = measure_now();
    thread_sleep_ns(NS_PER_S);
    m = measure_since(&start);
    for (unsigned i = 0; (c = arch_counter(i)) != NULL; i++) {
        printk("an idle second: %lu %s\n", (unsigned long)m.usage.count[i], c->text);
        expect(m.usage.count[i] <= IDLE_MOST, "an idle second has no tick");
    }
}

static struct {
    unsigned order[3];
    unsigned count;
    struct wait_queue waiters;
} expired;

static void expiry(void *arg)
{
    if (expired.count < 3) {
        expired.order[expired.count] = *(unsigned *)arg;
    }
    expired.count++;
    wait_wake_all(&expired.waiters);
}

static void test_timers(void)
{
    static struct timer timers[4];
    static unsigned name[4] = { 0, 1, 2, 3 };
    uint64_t flags = irq_save(); /* whatever time this takes, none expires before all are set */
    uint64_t now = clock_ns();

    timer_set(&timers[2], now + 3 * NS_PER_MS, expiry, &name[2]);
    timer_set(&timers[0], now + NS_PER_MS, expiry, &name[0]);
    timer_set(&timers[3], now + 2 * NS_PER_MS, expiry, &name[3]);
    timer_set(&timers[1], now + 9 * NS_PER_S, expiry, &name[1]);
    timer_set(&timers[1], now + 2 * NS_PER_MS, expiry, &name[1]);
    timer_cancel(&timers[3]);
    irq_restore(flags);
    wait_event(&expired.waiters, expired.count == 3);
    for (unsigned i = 0; i < 3; i++) {
        expect(expired.order[i] == i, "timers run in the order of their deadlines");
    }
}

static void ender(void *arg)
{
    ++*(unsigned *)arg;
}

/* The stack of a thread that ended is freed by the next one that runs. */
static void test_ends(void)
{
    static unsigned ends;
    size_t before;

    (void)thread_create("first", ender, &ends);
    thread_yield();
    before = pages_free();
    for (unsigned i = 0; i < THREADS; i++) {
        (void)thread_create("ender", ender, &ends);
        thread_yield();
    }
    expect(ends == THREADS + 1, "every thread runs");
    expect(pages_free() + 8 >= before, "threads that ended give their stacks back");
}

static void test_memory(void)
{
    size_t before = pages_free();
    char *big = page_alloc(300);
    char *small = kmalloc(100);

    expect(big && small, "there is memory");
    if (big && small) {
        expect(page_frame(big + 299 * PAGE_SIZE) == page_frame(big) + 299, "pages adjoin");
        expect(page_address(page_frame(big)) == big, "frame and address agree");
        memset(big, 0x5a, (size_t)300 * PAGE_SIZE);
        page_free(big, 300);
        kfree(small);
        big = page_alloc(300);
        expect(big && big[0] == 0 && big[300 * PAGE_SIZE - 1] == 0, "memory comes zeroed");
        page_free(big, 300);
    }
    expect(pages_free() + 1 >= before, "memory comes back");
}

static unsigned role_selftest(void)
{
    test_mutex();
    test_hand_over();
    test_time();
    test_idle();
    test_timers();
    test_ends();
    test_memory();
    expect(user_programs(), "user programs");
    printk("SELFTEST %s\n", failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}

ROLE("selftest", role_selftest);

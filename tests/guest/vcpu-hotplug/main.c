/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=4 timeout=180 memory=512
 *
 * vCPUs come and go while everything flies to them. A domain of 64 starts, stops and starts anew
 * its own; each of them, while it is up, sends IPIs to others at random, yields to them, sets its
 * timer, and waits by block and by poll. Meanwhile its controller takes vCPUs down and brings them
 * up again where they run, moves them between processors, pauses the domain, and at last ends it in
 * the midst of all that. Held here: who is down does not run, and keeps what was raised for it; who
 * is up gets on; no vCPU is in two places; the memory is back.
 *
 * ARGUMENTS=rounds=N ends that many domains.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "vCPUs go up and down, move and end under events, timers and IPIs";

#define VCPUS  HV_MAX_VCPUS
#define STACK  16384u
#define ROUNDS 4u
#define STEPS  400u /* of the controller, in each life */

/* Words of the shared page: what the domain has started; of each vCPU, that it gets on, and who has
 * it in hand, since the domain and its controller may not both start one. */
enum { STARTED, BEATS = 16, HANDS = BEATS + VCPUS };

static bool take(uint64_t other, uint64_t n)
{
    return __atomic_exchange_n(&test_shared(other)[HANDS + n], 1, __ATOMIC_ACQUIRE) == 0;
}

static void leave(uint64_t other, uint64_t n)
{
    __atomic_store_n(&test_shared(other)[HANDS + n], 0, __ATOMIC_RELEASE);
}

static struct worker {
    uint64_t ipi, timer; /* its ports */
    volatile uint64_t caught, here, starts;
    volatile bool leave;
} worker[VCPUS];

static uint64_t random_below(uint64_t n)
{
    static uint64_t seed[VCPUS];
    uint64_t *s = &seed[hv_vcpu_number()];

    *s = *s * 6364136223846793005u + 1442695040888963407u + hv_vcpu_number();
    return (*s >> 33) % n;
}

/* ---- in the domain ---- */

static void on_event(uint32_t port, void *arg)
{
    struct worker *w = arg;

    CHECK(port == w->ipi || port == w->timer);
    CHECK_EQ(hv_vcpu_number(), (uint64_t)(w - worker));
    w->caught = w->caught + 1;
}

static void kick_somebody(void)
{
    uint64_t port = worker[random_below(VCPUS)].ipi;

    if (port)
        CHECK_EQ(hv_event_send(port), 0);
}

/* Itself, or one that there never was, is refused. */
static void yield_to_somebody(void)
{
    uint64_t n = random_below(VCPUS), self = hv_vcpu_number();
    int64_t r = hv_sched_yield_to(n);

    CHECK(r == -HV_EINVAL || (r == 0 && n != self));
}

/* One thing at random; what waits is ended by the timer at the latest. */
static void work_once(const struct worker *w)
{
    uint32_t port = (uint32_t)w->timer;
    uint64_t until = hv_now() + random_below(200000);

    switch (random_below(6)) {
    case 0:
        kick_somebody();
        break;
    case 1:
        hv_yield();
        break;
    case 2:
        hv_mask();
        NEED(hv_set_timer(until));
        hv_wait();
        hv_unmask();
        break;
    case 3:
        CHECK(hv_event_await(&port, 1, until) >= 0);
        break;
    case 4:
        yield_to_somebody();
        break;
    default:
        for (uint64_t n = random_below(1000); n--;)
            hv_relax();
    }
}

/* A register that C does not use, and which is its vCPU's own on every processor. */
static void keep(uint64_t value)
{
    __asm__ volatile("movq %0, %%xmm15" : : "r"(value));
}

static uint64_t kept(void)
{
    uint64_t value;

    __asm__ volatile("movq %%xmm15, %0" : "=r"(value));
    return value;
}

/* A vCPU that two processors run, or one with what another processor had of it before, is found
 * here. */
static void work(void *arg)
{
    struct worker *w = arg;
    volatile uint64_t *beat = &test_shared(TEST_PARENT)[BEATS + (uint64_t)(w - worker)];
    uint64_t mine = w->starts = w->starts + 1;

    CHECK_EQ(__atomic_fetch_add(&w->here, 1, __ATOMIC_SEQ_CST), 0);
    hv_unmask();
    while (!w->leave) {
        uint64_t was = *beat << 8 | (uint64_t)(w - worker);

        keep(was);
        work_once(w);
        CHECK_EQ(kept(), was);
        CHECK_EQ(w->here, 1);
        CHECK_EQ(w->starts, mine);
        CHECK_EQ(hv_vcpu_number(), (uint64_t)(w - worker));
        *beat = *beat + 1;
    }
    hv_mask();
    __atomic_fetch_sub(&w->here, 1, __ATOMIC_SEQ_CST);
}

static void begin(uint32_t n)
{
    static char stacks[VCPUS][STACK] __attribute__((aligned(4096)));

    CHECK_EQ(hv_vcpu_start(n, work, &worker[n], stacks[n], STACK), 0);
}

static _Noreturn void stuck(uint32_t n)
{
    const struct hv_vcpu_page *page = hv_va((HV_GFN_SHARED + n) << HV_PAGE_SHIFT);
    struct hv_runstate run;

    hv_run_state_of(page, &run);
    test_failure("vCPU %u does not leave: run-state %u since %lu of %lu, masked %u, selector %lx",
                 n, run.state, run.since, hv_now(), page->masked,
                 page->pending_sel[HV_PRIORITY_NORMAL]);
}

/* Its function returns, and it goes down by itself. */
static void finish(uint32_t n)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS / 2;

    for (worker[n].leave = true; worker[n].here; hv_yield())
        if (hv_now() > end)
            stuck(n);
    CHECK_EQ(hv_vcpu_stop(n), 0);
    worker[n].leave = false;
}

/* Never ends by itself. */
static _Noreturn void be_many(void)
{
    volatile uint64_t *s = test_shared(TEST_PARENT);

    for (uint32_t n = 1; n < VCPUS; n++) {
        struct worker *w = &worker[n];

        NEED(hv_vcpu_create(HV_SELF, n));
        w->timer = (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, n, on_event, w));
        w->ipi = (uint64_t)NEED(hv_event_listen(HV_BIND_IPI, n, 0, on_event, w));
        begin(n);
    }
    for (;;) {
        uint32_t n = 1 + (uint32_t)random_below(VCPUS - 1);

        if (take(TEST_PARENT, n)) {
            finish(n);
            begin(n);
            leave(TEST_PARENT, n);
        }
        kick_somebody();
        s[BEATS] = s[BEATS] + 1;
        s[STARTED] = s[STARTED] + 1;
    }
}

/* ---- its controller ---- */

static uint64_t beats(uint64_t dom)
{
    uint64_t sum = 0;

    for (unsigned n = 0; n < VCPUS; n++)
        sum += test_shared(dom)[BEATS + n];
    return sum;
}

static void down(uint64_t dom, uint64_t n)
{
    while (NEED(hv_vcpu_down(dom, n)) > 0)
        hv_relax();
}

static void await_beat(uint64_t dom, uint64_t n)
{
    volatile uint64_t *beat = &test_shared(dom)[BEATS + n];
    uint64_t was = *beat, end = hv_now() + TEST_PATIENCE_NS;

    for (; *beat == was; hv_yield()) {
        CHECK_EQ(test_info(dom).state, HV_DOMAIN_RUNNING);
        if (hv_now() > end)
            test_failure("vCPU %lu does not get on, at %lu; %lu beats in all", n, was, beats(dom));
    }
}

/* Down, where it may be running at this moment, and up again. */
static void toggle(uint64_t dom, uint64_t n, bool look)
{
    down(dom, n);
    uint64_t at = test_shared(dom)[BEATS + n];

    CHECK_EQ(hv_vcpu_down(dom, n), 0);
    hv_yield();
    NEED(hv_vcpu_set_affinity(dom, n, 1 + random_below((1u << test_cpus()) - 1)));
    CHECK_EQ(test_shared(dom)[BEATS + n], at);
    CHECK_EQ(hv_vcpu_up(dom, n), 0);
    if (look)
        await_beat(dom, n);
}

static void step(uint64_t dom, unsigned i)
{
    uint64_t n = random_below(VCPUS);

    switch (random_below(8)) {
    case 0:
        CHECK_EQ(hv_domain_pause(dom), 0);
        uint64_t at = beats(dom);

        hv_yield();
        CHECK_EQ(beats(dom), at);
        CHECK_EQ(hv_domain_unpause(dom), 0);
        break;
    case 1:
    case 2:
        CHECK_EQ(hv_vcpu_set_affinity(dom, n, 1 + random_below((1u << test_cpus()) - 1)), 0);
        break;
    default:
        if (take(dom, n)) {
            toggle(dom, n, i % 16 == 0);
            leave(dom, n);
        }
    }
}

/* One domain, from its start to its end amid everything. */
static void life(unsigned round)
{
    test_options.vcpus = VCPUS;
    uint64_t dom = test_spawn("many", 2048), from;

    await_beat(dom, 0);
    from = test_shared(dom)[STARTED];
    for (unsigned i = 0; i < STEPS; i++)
        step(dom, i);
    for (unsigned n = 0; n < VCPUS; n += 9)
        await_beat(dom, n);
    hv_printf("round %u: %lu started, %lu beats\n", round, test_shared(dom)[STARTED] - from,
              beats(dom));
    CHECK(test_shared(dom)[STARTED] > from);
    if (round % 4 == 1)
        CHECK_EQ(hv_domain_pause(dom), 0);
    if (round % 4 == 2)
        down(dom, 0);
    if (round % 4 == 3)
        for (unsigned n = 0; n < VCPUS; n++)
            CHECK_EQ(hv_vcpu_set_affinity(dom, n, 1), 0);
    test_destroy(dom);
}

void test_main(void)
{
    uint64_t used = 0;

    if (test_is("many"))
        be_many();
    for (unsigned round = 0; round < test_argument("rounds", ROUNDS); round++) {
        life(round);
        used = used ? used : test_info(HV_SELF).used;
        CHECK_EQ(test_info(HV_SELF).used, used);
    }
}

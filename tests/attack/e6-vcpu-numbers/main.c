/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60 again=2
 *
 * Threat (E6). Calls name a virtual CPU by its number. It is compared with how many there can be,
 * not with how many this domain has; or truncated first; or compared and then used by a
 * mispredicted branch. Or a vCPU is set up, started and stopped in an order that nobody thought of:
 * twice, while it runs, when it is gone.
 *
 * The guest names every number up to 4,096 and the nasty ones
 * in each call that takes one, on itself, on a child in each state of its life, and on one that is
 * half taken apart; it sets contexts, starts, pauses and destroys in every order. On a domain of
 * four it makes the calls of vCPUs at random, with a model that says what each must answer; then by
 * three vCPUs of its own at once, on the same four. A vulnerable system uses a pointer behind the
 * last vCPU, runs one that has no context, or two processors run one.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "nasty.h"
#include "raw.h"
#include <hv_trace.h>

const char test_title[] = "no number but its own names a virtual CPU, in no state of its domain";

static const uint64_t large[] = { NASTY_LARGE, NASTY_NONCANONICAL, NASTY_HYP };

static HV_BUFFER(64) struct hv_vcpu_context context;
static uint8_t *page;
static uint64_t port;

/* Every call that takes a vCPU. `gone`: what the ones answer that need a living domain; `self`:
 * those for descendants alone are refused whatever the number is. */
static void check_number(uint64_t dom, uint64_t vcpu, int64_t in_state, int64_t error)
{
    bool self = dom == HV_SELF;

    CHECK_EQ(hv_vcpu_set_context(dom, vcpu, hv_gpa(&context)), in_state);
    CHECK_EQ(hv_event_bind(dom, HV_BIND_VIRQ, HV_VIRQ_TIMER, vcpu, 0), error);
    CHECK_EQ(hv_event_bind(dom, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, vcpu, 0), error);
    if (self)
        CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, vcpu), error);
    CHECK_EQ(hv_io_complete(dom, vcpu, 0, hv_gpa(page)), self ? -HV_EPERM : error);
    CHECK_EQ(hv_call_trace(dom, vcpu, HV_CALLS_NEWEST), self ? -HV_EPERM : error);
    CHECK_EQ(hv_call_trace_read(dom, vcpu, 0, hv_gpa(page), 1), self ? -HV_EPERM : error);
    CHECK_EQ(hv_vcpu_create(dom, vcpu), error);
    CHECK_EQ(hv_vcpu_up(dom, vcpu), error);
    CHECK_EQ(hv_vcpu_down(dom, vcpu), error);
    CHECK_EQ(hv_event_bind(dom, HV_BIND_IPI, vcpu, 0, 0), error);
    CHECK_EQ(hv_vcpu_info(dom, vcpu, hv_gpa(page)), self && !test_is("root") ? -HV_EPERM : error);
    if (self)
        CHECK_EQ(hv_vcpu_set_affinity(dom, vcpu, 1), test_is("root") ? error : -HV_EPERM);
    memset(page, 0xaa, 64);
}

static void check_numbers(uint64_t dom, int64_t in_state, int64_t error)
{
    for (uint64_t n = 1; n < 4096; n++)
        check_number(dom, n, in_state, error);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        check_number(dom, large[i], in_state, error);
}

/* What the number 0 answers in this state. */
static void check_zero(uint64_t dom, int64_t set, int64_t start, int64_t pause, int64_t unpause)
{
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), set);
    CHECK_EQ(hv_domain_start(dom), start);
    CHECK_EQ(hv_domain_pause(dom), pause);
    CHECK_EQ(hv_domain_unpause(dom), unpause);
}

static void give_code(uint64_t dom)
{
    static const uint8_t jump[2] __attribute__((aligned(64))) = { 0xeb, 0xfe };

    NEED(hv_populate(dom, 0, 1));
    NEED(hv_domain_copy(dom, 0, hv_gpa(jump), sizeof jump, 1));
    NEED(test_map(dom, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
}

static void run_a_while(void)
{
    for (int i = 0; i < 20; i++)
        hv_yield();
}

static void check_life(void)
{
    uint64_t dom = (uint64_t)NEED(raw_small(16, 0));
    struct hv_vcpu_context bad;

    give_code(dom);
    /* Built: there is nothing to start yet. */
    CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_pause(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_unpause(dom), -HV_EINVAL);
    check_numbers(dom, -HV_EINVAL, -HV_EINVAL);
    /* A context is all or nothing: a bad one leaves it without. */
    bad = context;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        context.rip = large[i];
        if (large[i] < HV_KERNEL_START)
            CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), -HV_EINVAL);
        context.rip = bad.rip;
        context.rsp = large[i];
        if (large[i] < HV_KERNEL_START && large[i] >= HV_USER_END + HV_PAGE_SIZE)
            CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), -HV_EINVAL);
        context = bad;
    }
    context.rip = 0;
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), -HV_EINVAL);
    context = bad;
    CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
    /* Twice before the start is allowed: the second one counts. */
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), 0);
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), 0);
    CHECK_EQ(hv_domain_start(dom), 0);
    /* It runs. */
    run_a_while();
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), -HV_EBUSY);
    CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
    check_numbers(dom, -HV_EINVAL, -HV_EINVAL);
    CHECK_EQ(hv_domain_unpause(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_pause(dom), 0);
    /* Paused. */
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), -HV_EBUSY);
    CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_pause(dom), -HV_EINVAL);
    check_numbers(dom, -HV_EINVAL, -HV_EINVAL);
    test_wait_off(dom, 0);
    uint64_t ran = test_info(dom).cpu_ns;

    run_a_while();
    CHECK_EQ(test_info(dom).cpu_ns, ran);
    CHECK_EQ(hv_domain_unpause(dom), 0);
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; test_info(dom).cpu_ns <= ran; hv_yield())
        CHECK(hv_now() < end);
    /* Half gone, step by step, to the end. */
    while (hv_domain_destroy(dom) > 0) {
        check_zero(dom, -HV_EPERM, -HV_EDEAD, -HV_EDEAD, -HV_EDEAD);
        check_number(dom, 1, -HV_EPERM, -HV_EPERM);
        check_number(dom, ~(uint64_t)0, -HV_EPERM, -HV_EPERM);
    }
    check_zero(dom, -HV_EPERM, -HV_EPERM, -HV_EPERM, -HV_EPERM);
    check_numbers(dom, -HV_EPERM, -HV_EPERM);
}

/* Ended by a fault: it has vCPUs still, which nothing brings back to life. */
static void check_killed(void)
{
    uint64_t dom = (uint64_t)NEED(raw_small(16, 0));

    give_code(dom);
    context.rip = HV_KERNEL_START + 0x5000;
    CHECK_EQ(hv_vcpu_set_context(dom, 0, hv_gpa(&context)), 0);
    context.rip = HV_KERNEL_START;
    CHECK_EQ(hv_domain_start(dom), 0);
    test_wait(dom, NULL);
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_KILLED);
    check_zero(dom, -HV_EDEAD, -HV_EDEAD, -HV_EDEAD, -HV_EDEAD);
    check_numbers(dom, -HV_EINVAL, -HV_EINVAL);
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
    run_a_while();
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_KILLED);
    CHECK_EQ(hv_domain_end(dom), 0);
}

/* ---- at random ---- */

#define MANY  4u
#define CALLS 4000u

static struct {
    bool made, context, up;
} model[MANY];

static uint64_t seed = 1;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static int64_t expect_create(uint64_t n)
{
    if (model[n].made)
        return -HV_EBUSY;
    model[n].made = true;
    return 0;
}

static int64_t expect_context(uint64_t n)
{
    if (!model[n].made)
        return -HV_EINVAL;
    if (model[n].up)
        return -HV_EBUSY;
    model[n].context = true;
    return 0;
}

static int64_t expect_up(uint64_t n)
{
    if (!model[n].made || !model[n].context)
        return -HV_EINVAL;
    if (model[n].up)
        return -HV_EBUSY;
    model[n].up = true;
    return 0;
}

static int64_t expect_down(uint64_t n)
{
    if (!model[n].made)
        return -HV_EINVAL;
    model[n].up = false;
    return 0;
}

static void check_random(void)
{
    uint64_t dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 80, .ram_pages = 4, .window_pages = 1, .vcpus = MANY, .weight = 1 }));
    bool paused = false;

    memset(model, 0, sizeof model);
    raw_spin(dom);
    model[0].made = model[0].context = model[0].up = true;
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t n = below(MANY);

        switch (below(6)) {
        case 0:
            CHECK_EQ(hv_vcpu_create(dom, n), expect_create(n));
            break;
        case 1:
            CHECK_EQ(hv_vcpu_set_context(dom, n, hv_gpa(&context)), expect_context(n));
            break;
        case 2:
            CHECK_EQ(hv_vcpu_up(dom, n), expect_up(n));
            break;
        case 3:
            while (NEED(hv_vcpu_down(dom, model[n].made ? n : 0)) > 0)
                ;
            (void)expect_down(model[n].made ? n : 0);
            break;
        case 4:
            CHECK_EQ(hv_domain_pause(dom), paused ? -HV_EINVAL : 0);
            CHECK_EQ(hv_domain_unpause(dom), 0);
            paused = false;
            break;
        default:
            hv_yield();
        }
    }
    for (uint64_t n = 0; n < MANY; n++)
        CHECK_EQ(hv_vcpu_set_affinity(dom, n, 1), model[n].made ? 0 : -HV_EINVAL);
    CHECK_EQ(hv_domain_end(dom), 0);
}

/* ---- at random, by several at once ---- */

#define CALLERS 3u
#define STACK   16384u

static uint64_t shared_target;
static volatile uint32_t callers_done;

static bool is_one_of(int64_t result, int64_t a, int64_t b, int64_t c)
{
    return result == a || result == b || result == c;
}

/* Whatever the others do to the same vCPUs: each answer is one that some order of them explains. */
static void call_at_random(void *arg)
{
    uint64_t s = (uint64_t)(uintptr_t)arg, dom = shared_target;

    for (unsigned i = 0; i < CALLS; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        uint64_t n = (s >> 33) % MANY;

        switch ((s >> 40) % 7) {
        case 0:
            CHECK(is_one_of(hv_vcpu_create(dom, n), 0, -HV_EBUSY, 0));
            break;
        case 1:
            CHECK(
                is_one_of(hv_vcpu_set_context(dom, n, hv_gpa(&context)), 0, -HV_EINVAL, -HV_EBUSY));
            break;
        case 2:
            CHECK(is_one_of(hv_vcpu_up(dom, n), 0, -HV_EINVAL, -HV_EBUSY));
            break;
        case 3:
            CHECK(is_one_of(hv_vcpu_down(dom, n), 0, 1, -HV_EINVAL));
            break;
        case 4:
            CHECK(is_one_of(hv_domain_pause(dom), 0, -HV_EINVAL, 0));
            CHECK(is_one_of(hv_domain_unpause(dom), 0, -HV_EINVAL, 0));
            break;
        case 5:
            CHECK(is_one_of(hv_vcpu_set_affinity(dom, n, 1 + (s >> 50) % 3), 0, -HV_EINVAL, 0));
            break;
        default:
            hv_yield();
        }
    }
    __atomic_fetch_add(&callers_done, 1, __ATOMIC_RELEASE);
}

static void check_at_once(void)
{
    static char stacks[CALLERS][STACK] __attribute__((aligned(4096)));

    shared_target = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 80, .ram_pages = 4, .window_pages = 1, .vcpus = MANY, .weight = 64 }));
    raw_spin(shared_target);
    for (uint32_t n = 1; n < CALLERS; n++)
        CHECK_EQ(hv_vcpu_start(n, call_at_random, (void *)(uintptr_t)n, stacks[n], STACK), 0);
    call_at_random(NULL);
    while (callers_done != CALLERS)
        hv_yield();
    for (uint32_t n = 1; n < CALLERS; n++)
        CHECK_EQ(hv_vcpu_stop(n), 0);
    /* It lives; its vCPUs can be taken down, all of them, and none runs then. */
    CHECK_EQ(test_info(shared_target).state, HV_DOMAIN_RUNNING);
    for (uint64_t n = 0; n < MANY; n++)
        while (hv_vcpu_down(shared_target, n) > 0)
            hv_yield();
    uint64_t ran = test_info(shared_target).cpu_ns;

    run_a_while();
    CHECK_EQ(test_info(shared_target).cpu_ns, ran);
    CHECK_EQ(hv_domain_end(shared_target), 0);
}

/* On itself: a domain that may have one. */
static void be_single(void)
{
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, 0), 0);
    check_numbers(HV_SELF, -HV_EINVAL, -HV_EINVAL);
    CHECK_EQ(hv_vcpu_set_context(HV_SELF, 0, hv_gpa(&context)), -HV_EBUSY);
    CHECK_EQ(hv_vcpu_create(HV_SELF, 0), -HV_EBUSY);
    CHECK_EQ(hv_vcpu_up(HV_SELF, 0), -HV_EBUSY);
    CHECK_EQ(hv_vcpu_up(hv_start_parent(), 0), -HV_EPERM);
    CHECK_EQ(hv_vcpu_down(hv_start_parent(), 0), -HV_EPERM);
    CHECK_EQ(hv_vcpu_create(hv_start_parent(), 1), -HV_EPERM);
    CHECK_EQ(hv_vcpu_set_affinity(HV_SELF, 0, 1), -HV_EPERM);
    CHECK_EQ(hv_sched_set(HV_SELF, 1, 0), -HV_EPERM);
    CHECK_EQ(hv_vcpu_info(HV_SELF, 0, hv_gpa(page)), -HV_EPERM);
    CHECK_EQ(hv_vcpu_info(hv_start_parent(), 0, hv_gpa(page)), -HV_EPERM);
}

void test_main(void)
{
    uint64_t self = hv_start_domain_id();

    page = test_pages(1);
    context = (struct hv_vcpu_context){ .rip = HV_KERNEL_START, .rsp = HV_KERNEL_START };
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    if (!test_is("root")) {
        be_single();
        return;
    }
    test_join(test_spawn("single", 0));
    check_random();
    check_at_once();
    CHECK_EQ(hv_vcpu_set_context(self, 0, hv_gpa(&context)), -HV_EBUSY);
    CHECK_EQ(hv_domain_start(self), -HV_EPERM);
    CHECK_EQ(hv_domain_pause(self), -HV_EPERM);
    for (int i = 0; i < 4; i++)
        check_life();
    check_killed();
}

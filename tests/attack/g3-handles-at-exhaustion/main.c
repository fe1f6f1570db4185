/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=2 timeout=60
 *
 * Threat (G3; XSA-228). Many processors take and give back numbered things at once, at the limit of
 * what there is: the last free number, the last frame for its record. Where looking for a free one
 * and taking it are two steps, the same number is handed out twice, and what one has given up the
 * other still uses; where giving up is not complete before the number is free again, counts are
 * lost.
 *
 * Four vCPUs of a domain with hardly any quota take grants, spaces and ports until one is refused,
 * then give all of theirs back, and so on; then they map grants of their parent's into windows, of
 * which there are fewer than they want. Held here: no number has two holders at a time, a reference
 * never comes twice, each of them works for its holder, and all of the quota is there at the end.
 */
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define RW      (HV_MAP_READ | HV_MAP_WRITE)
#define VCPUS   4u
#define STACK   16384u
#define MOST    400u /* of one vCPU at a time */
#define ROUNDS  2u
#define WINDOWS 4u /* one of them is the harness's */
#define LOANS   (2 * VCPUS)

const char test_title[] = "at the limit of what there is no number is handed out twice";

static char stacks[VCPUS][STACK] __attribute__((aligned(4096)));
static uint32_t holder[8192]; /* vCPU + 1 that holds the number, of the kind that is tried */
static uint64_t refused[VCPUS], taken[VCPUS], lent_gfn;
static uint32_t done;
static volatile bool go; /* all of them are there: starting one takes frames, too */
static uint64_t *loans;  /* references to pages of the parent's, out of the page that it shares */
static uint32_t port;

static void hold(uint64_t number, uint32_t v)
{
    CHECK(number < sizeof holder / sizeof *holder);
    CHECK_EQ(__atomic_exchange_n(&holder[number], v + 1, __ATOMIC_SEQ_CST), 0);
}

/* Before it is given back: from then on it may be somebody else's. */
static void let_go(uint64_t number, uint32_t v)
{
    CHECK_EQ(__atomic_exchange_n(&holder[number], 0, __ATOMIC_SEQ_CST), v + 1);
}

/* ---- what there is ---- */

static int64_t take_space(uint32_t v, uint64_t n)
{
    (void)v;
    (void)n;
    return hv_space_create(HV_SELF);
}

static int64_t give_space(uint64_t space)
{
    return hv_space_end(HV_SELF, space);
}

/* The reference says whether it is the same slot; the generation never comes again. */
static uint64_t newest[8192];

static int64_t take_grant(uint32_t v, uint64_t n)
{
    (void)v;
    (void)n;
    return hv_grant_create(HV_SELF, hv_start_parent(), lent_gfn, 1, RW);
}

static int64_t give_grant(uint64_t ref)
{
    return hv_grant_end(HV_SELF, ref, 0);
}

static int64_t take_port(uint32_t v, uint64_t n)
{
    (void)v;
    (void)n;
    return hv_event_alloc(HV_SELF, hv_start_parent());
}

static int64_t give_port(uint64_t n)
{
    return hv_event_close(HV_SELF, n);
}

static const struct kind {
    const char *name;
    int64_t (*take)(uint32_t v, uint64_t n);
    int64_t (*give)(uint64_t number);
    uint64_t mask; /* of the part that is a number */
} kinds[] = {
    { "spaces", take_space, give_space, ~(uint64_t)0 },
    { "grants", take_grant, give_grant, ((uint64_t)1 << HV_GRANT_SLOT_BITS) - 1 },
    { "ports", take_port, give_port, ~(uint64_t)0 },
};
#define KINDS (sizeof kinds / sizeof *kinds)
static const struct kind *kind;

static void check_new(uint64_t got)
{
    uint64_t *last = &newest[got & kind->mask];

    if (kind->mask == ~(uint64_t)0)
        return;
    CHECK(*last < got);
    *last = got;
}

/* ---- each vCPU ---- */

static void at_the_limit(uint32_t v)
{
    static uint64_t mine[VCPUS][MOST];
    uint64_t count = 0;
    int64_t got = 0;

    while (count < MOST && (got = kind->take(v, count)) > 0) {
        hold((uint64_t)got & kind->mask, v);
        check_new((uint64_t)got);
        mine[v][count++] = (uint64_t)got;
    }
    if (got <= 0) {
        CHECK(got == -HV_ENOMEM || got == -HV_ENOSPC);
        refused[v]++;
    }
    taken[v] += count;
    while (count > 0) {
        let_go(mine[v][--count] & kind->mask, v);
        CHECK_EQ(kind->give(mine[v][count]), 0);
    }
}

static void numbers(void *arg)
{
    uint32_t v = (uint32_t)(uintptr_t)arg;

    while (!go)
        hv_yield();
    for (unsigned i = 0; i < ROUNDS; i++)
        at_the_limit(v);
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
}

/* A window of those that there are, two too few for all; what is written there, there it is. */
static void windows(void *arg)
{
    uint32_t v = (uint32_t)(uintptr_t)arg, word = 0;

    for (unsigned i = 0; i < ROUNDS * 4; i++) {
        void *at[2] = { NULL, NULL };

        for (unsigned n = 0; n < 2; n++) {
            int64_t result =
                hv_window_map(hv_start_parent(), loans[2 * v + n], 1, port, RW, &at[n]);

            if (result == 0)
                CHECK_EQ(hv_guard_write32(at[n], 100 * v + n), 0);
            else
                CHECK(result == -HV_ENOSPC || result == -HV_ENOMEM);
            taken[v] += result == 0;
            refused[v] += result != 0;
            at[n] = result == 0 ? at[n] : NULL;
        }
        for (unsigned n = 0; n < 2; n++) {
            if (!at[n])
                continue;
            CHECK_EQ(hv_guard_read32(at[n], &word), 0);
            CHECK_EQ(word, 100 * v + n);
            CHECK_EQ(hv_window_unmap(at[n], 1), 0);
        }
    }
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
}

static void on_all(const char *what, hv_vcpu_fn fn, bool at_limit)
{
    uint64_t all = 0, no = 0;

    memset(refused, 0, sizeof refused);
    memset(taken, 0, sizeof taken);
    done = 0;
    go = false;
    for (uint32_t v = 1; v < VCPUS; v++)
        CHECK_EQ(hv_vcpu_start(v, fn, (void *)(uintptr_t)v, stacks[v], STACK), 0);
    go = true;
    fn(NULL);
    while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < VCPUS)
        hv_yield();
    for (uint32_t v = 0; v < VCPUS; v++) {
        if (v > 0)
            CHECK_EQ(hv_vcpu_stop(v), 0);
        all += taken[v];
        no += refused[v];
    }
    hv_printf("%s: %lu taken, %lu times refused\n", what, all, no);
    CHECK(all > 0);
    CHECK(!at_limit || no > 0);
}

/* All of the quota but a frame or two. */
static uint64_t ballast[MOST], ballasts;

static void take_ballast(void)
{
    int64_t space;

    while ((space = hv_space_create(HV_SELF)) > 0)
        ballast[ballasts++] = (uint64_t)space;
    CHECK_EQ(space, -HV_ENOMEM);
}

static void drop_ballast(void)
{
    while (ballasts > 0)
        CHECK_EQ(hv_space_end(HV_SELF, ballast[--ballasts]), 0);
}

enum { STAGE };

static void many(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    static uint64_t refs[LOANS];

    port = (uint32_t)test_port(TEST_PARENT);
    lent_gfn = hv_gfn(test_pages(1));
    test_await(TEST_PARENT, STAGE, 1);
    for (unsigned i = 0; i < LOANS; i++)
        refs[i] = shared[16 + i];
    loans = refs;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned n = 0; n < KINDS; n++) {
            kind = &kinds[n];
            if (n == 1)
                take_ballast();
            on_all(kind->name, numbers, true);
            test_signal(TEST_PARENT, STAGE, 2 + n);
        }
        drop_ballast();
        /* Whether they meet at the limit is a matter of when they run. */
        on_all("windows", windows, false);
        test_signal(TEST_PARENT, STAGE, 2 + KINDS);
        test_await(TEST_PARENT, STAGE, 1);
    }
}

/* Each of its stages may take its time. */
static void await_all(uint64_t child)
{
    for (unsigned n = 0; n <= KINDS; n++) {
        const volatile uint64_t *stage = &test_shared(child)[STAGE];
        uint64_t end = hv_now() + TEST_PATIENCE_NS;

        while (*stage < 2 + n && hv_now() < end)
            hv_yield();
        CHECK(*stage >= 2 + n);
    }
}

/* Frames that were freed are charged until the epoch has passed: a domain's end waits for it. */
static uint64_t used_by(uint64_t dom)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = 150, .ram_pages = 1, .vcpus = 1, .weight = 256 };
    uint64_t other = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));

    while (hv_domain_destroy(other) > 0)
        ;
    return test_info(dom).used;
}

void test_main(void)
{
    uint64_t child, used, refs[LOANS];

    if (test_is("many")) {
        many();
        return;
    }
    test_options = (struct test_options){ .vcpus = VCPUS, .window_pages = WINDOWS, .quota = 21 };
    child = test_spawn("many", 0);
    for (unsigned i = 0; i < LOANS; i++) {
        refs[i] = (uint64_t)NEED(hv_grant_give(child, test_pages(1), 1, RW));
        test_shared(child)[16 + i] = refs[i];
    }
    test_signal(child, STAGE, 1);
    await_all(child); /* what is made once is there now */
    used = used_by(child);
    test_signal(child, STAGE, 1);
    await_all(child);
    CHECK_EQ(used_by(child), used);
    for (unsigned i = 0; i < LOANS; i++)
        CHECK_EQ(hv_grant_end(HV_SELF, refs[i], 0), 0);
    test_signal(child, STAGE, 1);
    test_join(child);
}

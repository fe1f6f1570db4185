/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (M4, and H3 on one processor). A call that works through an array is interrupted by what
 * becomes due meanwhile. What was tested is the array that runs through. Forgotten was the one that
 * stops in the middle: its place is kept in the guest's registers or memory, an entry is done twice
 * or not at all, a reference that it took is lost with it; or the upcall at the end overwrites the
 * result that the call had in RAX.
 *
 * A timer of this guest becomes due at every place of every call that takes an array or a range, in
 * steps of a few hundred instructions; the handler does a batch of its own, in the same tables. A
 * second domain's timer preempts the guest there. Then a child is destroyed by the handler, in the
 * middle of work that the guest does on its behalf: from there on each call is -HV_EPERM. And every
 * short call is made with an event pending, held back and not. A vulnerable system counts wrongly,
 * loses frames (the audit counts behind this test), or returns another call's result.
 *
 * Here no batch stops for an event: the bound of each is what an event waits for at most. What this
 * test holds is that it makes no difference where the event comes.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"

#define R       HV_MAP_READ
#define RW      (HV_MAP_READ | HV_MAP_WRITE)
#define PAGES   64u
#define ENTRIES 32u
#define DEVICE  0x10u
#define USER_AT ((uint64_t)0x10000000)
#define STEPS   48u

const char test_title[] = "a call ends as it should, wherever an event falls into it";

static uint64_t child, spare_child, self_gfn, base, nested, space, other_space, windows, port;
static uint8_t *ram, *page;
static struct hv_map_run *runs;
static struct hv_dma_run dma[PAGES] __attribute__((aligned(4096)));
static int64_t dma_runs;
static uint64_t refs[ENTRIES];

/* ---- what the handler does ---- */

static volatile uint64_t fired;
static volatile bool destroys;

static void on_timer(uint32_t p, void *arg)
{
    HV_BUFFER(64) static struct hv_map_run run[2];

    (void)p;
    (void)arg;
    fired++;
    if (destroys) {
        CHECK_EQ(hv_domain_destroy(spare_child), 1);
        destroys = false;
    }
    for (unsigned i = 0; i < 2; i++)
        run[i] = (struct hv_map_run){ nested + i * HV_PAGE_SIZE, self_gfn + i, 1, RW };
    CHECK_EQ(hv_map(HV_SELF, 0, hv_gpa(run), 2), 2);
    CHECK_EQ(*(volatile uint8_t *)(uintptr_t)nested, ram[0]);
    for (unsigned i = 0; i < 2; i++)
        run[i] = (struct hv_map_run){ .address = nested + i * HV_PAGE_SIZE, .count = 1 };
    CHECK_EQ(hv_unmap(HV_SELF, 0, hv_gpa(run), 2), 2);
}

/* ---- the verbs, in pairs of do and undo ---- */

static void fill_runs(uint64_t at, uint64_t gfn, uint32_t rights)
{
    for (uint64_t i = 0; i < PAGES; i++)
        runs[i] = (struct hv_map_run){ at + i * HV_PAGE_SIZE, gfn ? gfn + i : 0, 1, rights };
}

static int64_t map(void)
{
    fill_runs(base, self_gfn, RW);
    return hv_map(HV_SELF, 0, hv_gpa(runs), PAGES);
}

static int64_t protect(void)
{
    fill_runs(base, 0, R);
    return hv_protect(HV_SELF, 0, hv_gpa(runs), PAGES);
}

static int64_t unmap(void)
{
    for (uint64_t i = 0; i < PAGES; i++)
        CHECK_EQ(*(uint8_t *)(uintptr_t)(base + i * HV_PAGE_SIZE), i);
    CHECK_EQ(test_try_write(base, 0), 14);
    fill_runs(base, 0, 0);
    return hv_unmap(HV_SELF, 0, hv_gpa(runs), PAGES);
}

static int64_t map_user(void)
{
    fill_runs(USER_AT, self_gfn, RW);
    return hv_map(HV_SELF, space, hv_gpa(runs), PAGES);
}

static int64_t copy(void)
{
    return hv_space_copy(HV_SELF, space, other_space, USER_AT, PAGES, HV_COPY_WRITE_PROTECT);
}

static int64_t query(void)
{
    int64_t n;

    memset(page, 0xee, HV_PAGE_SIZE);
    n = hv_space_query(HV_SELF, other_space, USER_AT, PAGES, hv_gpa(page), HV_QUERY_CLEAR);
    for (unsigned i = 0; i < PAGES; i++)
        CHECK_EQ(page[i] & ~(HV_QUERY_ACCESSED | HV_QUERY_DIRTY), R);
    CHECK_EQ(page[PAGES], 0xee);
    return n;
}

static int64_t unmap_user(void)
{
    fill_runs(USER_AT, 0, 0);
    return hv_unmap(HV_SELF, space, hv_gpa(runs), PAGES);
}

static int64_t unmap_other(void)
{
    fill_runs(USER_AT, 0, 0);
    return hv_unmap(HV_SELF, other_space, hv_gpa(runs), PAGES);
}

static int64_t populate(void)
{
    return hv_populate(child, 1000, PAGES);
}

static int64_t give_back(void)
{
    return hv_give_back(child, 1000, PAGES);
}

static int64_t grant_create(void)
{
    for (uint64_t i = 0; i < ENTRIES; i++) {
        int64_t ref = hv_grant_create(child, hv_start_domain_id(), 10 + i, 1, RW);

        if (ref < 0)
            return ref;
        refs[i] = (uint64_t)ref;
    }
    return 0;
}

static int64_t grant_map(void)
{
    struct hv_grant_map *m = (void *)page;

    for (uint64_t i = 0; i < ENTRIES; i++)
        m[i] = (struct hv_grant_map){
            child, refs[i], windows + i, (uint32_t)port, RW, 1, base + i * HV_PAGE_SIZE
        };
    return hv_grant_map(HV_SELF, hv_gpa(page), ENTRIES);
}

static int64_t grant_unmap(void)
{
    for (uint64_t i = 0; i < ENTRIES; i++) {
        CHECK_EQ(test_try_write(base + i * HV_PAGE_SIZE, i), TEST_NO_FAULT);
        ((uint64_t *)page)[i] = windows + i;
    }
    NEED(hv_unmap_range(HV_SELF, 0, base, ENTRIES));
    return hv_grant_unmap(HV_SELF, hv_gpa(page), ENTRIES);
}

static int64_t grant_copy(void)
{
    struct hv_grant_copy *c = (void *)page;

    for (uint64_t i = 0; i < ENTRIES; i++)
        c[i] = (struct hv_grant_copy){ child, refs[i],
                                       0,     (self_gfn + i) * HV_PAGE_SIZE,
                                       4096,  i % 2 ? HV_GRANT_COPY_TO_PEER : 0 };
    return hv_grant_copy(hv_gpa(page), ENTRIES);
}

static int64_t grant_end(void)
{
    for (uint64_t i = 0; i < ENTRIES; i++) {
        int64_t result = hv_grant_end(child, refs[i], 0);

        if (result < 0)
            return result;
    }
    for (uint64_t i = 0; i < PAGES; i++)
        memset(ram + i * HV_PAGE_SIZE, (int)i, 64);
    return 0;
}

static int64_t dma_map(void)
{
    int64_t pages = 0;

    dma_runs = hv_dma_map(DEVICE, self_gfn, PAGES, hv_gpa(dma));
    for (int64_t i = 0; i < dma_runs; i++)
        pages += (int64_t)dma[i].pages;
    return dma_runs < 0 ? dma_runs : pages;
}

static int64_t dma_unmap(void)
{
    int64_t pages = 0;

    for (int64_t i = 0; i < dma_runs; i++)
        pages += hv_dma_unmap(DEVICE, dma[i].address, dma[i].pages);
    return pages;
}

static int64_t domain_copy(void)
{
    return hv_domain_copy(child, 100 * HV_PAGE_SIZE, self_gfn * HV_PAGE_SIZE, 65536, 1);
}

static const struct verb {
    int64_t (*call)(void);
    int64_t result;
} verbs[] = {
    { map, PAGES },           { protect, PAGES },      { unmap, PAGES },
    { map_user, PAGES },      { copy, PAGES },         { query, 0 },
    { unmap_user, PAGES },    { unmap_other, PAGES },  { populate, PAGES },
    { give_back, PAGES },     { grant_create, 0 },     { grant_map, ENTRIES },
    { grant_unmap, ENTRIES }, { grant_copy, ENTRIES }, { grant_end, 0 },
    { dma_map, PAGES },       { dma_unmap, PAGES },    { domain_copy, 65536 },
};
#define VERBS (sizeof verbs / sizeof *verbs)

/* How long each takes when nothing comes. */
static uint64_t length[VERBS];

static void measure(void)
{
    for (size_t v = 0; v < VERBS; v++) {
        uint64_t start = hv_now();

        CHECK_EQ(verbs[v].call(), verbs[v].result);
        length[v] = hv_now() - start;
        CHECK(length[v] > STEPS);
    }
}

/* One round: the timer is due `step` parts of each verb's length after it is set. */
static void round_at(uint64_t step)
{
    for (size_t v = 0; v < VERBS; v++) {
        uint64_t before = fired;

        NEED(hv_set_timer(hv_now() + 1 + length[v] * step / STEPS));
        CHECK_EQ(verbs[v].call(), verbs[v].result);
        while (fired == before)
            hv_yield();
        CHECK_EQ(fired, before + 1);
    }
}

/* ---- in between, the domain that the work is for goes away ---- */

static void check_destroyed_between(void)
{
    uint64_t done = 0, start, total = 0;
    int64_t n;

    for (uint64_t step = 0; step < 24; step++) {
        uint64_t before = fired;

        spare_child = (uint64_t)NEED(raw_create((struct hv_domain_create){
            .quota = 1400, .ram_pages = 1024, .window_pages = 1, .weight = 16 }));
        destroys = step > 0; /* the first time shows how long all takes */
        start = hv_now();
        if (destroys)
            NEED(hv_set_timer(start + 1 + total * step / 24));
        for (done = 0; done < 1024; done += (uint64_t)n) {
            n = hv_populate(spare_child, done, 64);
            if (n < 0)
                break;
            CHECK_EQ(n, 64);
        }
        total = step == 0 ? hv_now() - start : total;
        if (step == 0) {
            CHECK_EQ(done, 1024);
        } else {
            while (fired == before)
                hv_yield();
            if (done < 1024)
                CHECK_EQ(n, -HV_EPERM);
            CHECK_EQ(hv_populate(spare_child, 0, 1), -HV_EPERM);
            CHECK_EQ(hv_grant_create(spare_child, child, 0, 1, R), -HV_EPERM);
        }
        CHECK_EQ(hv_domain_end(spare_child), 0);
    }
}

/* ---- short calls, with an event pending before ---- */

static int64_t short_call(unsigned i)
{
    static const uint64_t none[1];

    switch (i) {
    case 0:
        return hv_version() - HV_ABI_VERSION;
    case 1:
        return hv_domain_info(HV_SELF, hv_gpa(page));
    case 2:
        return hv_event_status(HV_SELF, port, hv_gpa(page));
    case 3:
        return hv_event_set_priority(HV_SELF, port, HV_PRIORITY_NORMAL);
    case 4:
        return hv_yield();
    case 5:
        return hv_counters(HV_SELF, hv_gpa(page));
    case 6:
        return hv_event_status(HV_SELF, ~(uint64_t)0, hv_gpa(page)) + HV_EINVAL;
    case 7:
        return hv_domain_pause(HV_SELF) + HV_EPERM;
    case 8:
        return hv_call6(HV_NR_LIMIT, none[0], 0, 0, 0, 0, 0) + HV_ENOSYS;
    default:
        return -1;
    }
}
#define SHORTS 9u

static void check_pending(void)
{
    for (unsigned i = 0; i < SHORTS; i++) {
        CHECK_EQ(short_call(i), 0);
        /* Held back. */
        uint64_t before = fired;

        hv_mask();
        NEED(hv_set_timer(1)); /* past: raised at once */
        while (!hv_event_pending())
            hv_yield();
        CHECK_EQ(short_call(i), 0);
        CHECK_EQ(fired, before);
        hv_unmask();
        CHECK_EQ(fired, before + 1);
        /* Not held back: between SYSCALL and its result, at each of the first 300 instructions. */
        for (uint64_t at = 0; at < 300; at += 7) {
            before = fired;
            NEED(hv_set_timer(hv_now() + 1 + at));
            CHECK_EQ(short_call(i), 0);
            while (fired == before)
                hv_yield();
            CHECK_EQ(fired, before + 1);
        }
    }
}

/* ---- a call that raises an event for its own caller: the upcall comes behind it ---- */

static volatile unsigned ends;

static void on_end(uint32_t p, void *arg)
{
    (void)p;
    (void)arg;
    ends++;
}

static void check_own_upcall(void)
{
    uint64_t listens =
        (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, on_end, NULL));

    for (unsigned i = 1; i <= 20; i++) {
        uint64_t dom = (uint64_t)NEED(raw_small(16, 0));

        CHECK_EQ(hv_domain_info(dom, hv_gpa(page)), 0);
        CHECK_EQ(hv_domain_destroy(dom), 1);
        CHECK_EQ(ends, i);
        CHECK_EQ(hv_domain_end(dom), 0);
    }
    CHECK_EQ(hv_event_end(listens), 0);
}

/* ---- the one that preempts ---- */

static void be_preemptor(void)
{
    uint64_t n = 0;

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    test_signal(TEST_PARENT, 1, 1);
    while (test_shared(TEST_PARENT)[0] == 0) {
        hv_mask();
        NEED(hv_set_timer(hv_now() + 9001 + n++ % 64 * 37));
        hv_wait();
        hv_unmask();
        test_shared(TEST_PARENT)[32] = n;
    }
}

void test_main(void)
{
    if (test_is("preemptor")) {
        be_preemptor();
        return;
    }
    ram = test_pages(PAGES);
    page = test_pages(1);
    runs = test_pages(1);
    self_gfn = hv_gfn(ram);
    for (uint64_t i = 0; i < PAGES; i++)
        memset(ram + i * HV_PAGE_SIZE, (int)i, 64);
    base = test_addresses(PAGES);
    nested = test_addresses(2);
    windows = test_windows(ENTRIES);
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    other_space = (uint64_t)NEED(hv_space_create(HV_SELF));
    child = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 800, .ram_pages = 2048, .window_pages = 1, .weight = 16 }));
    NEED(hv_populate(child, 0, 200));
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));

    uint64_t used = test_info(HV_SELF).used, child_used;

    measure();
    test_settle();
    child_used = test_info(child).used;
    for (uint64_t step = 0; step < STEPS; step++)
        round_at(step);
    check_pending();
    check_own_upcall();
    check_destroyed_between();

    uint64_t preemptor = test_spawn("preemptor", 192), seen;

    test_await(preemptor, 1, 1);
    seen = test_shared(preemptor)[32];
    for (uint64_t step = 0;
         step < STEPS || (!test_virtual_time() && test_shared(preemptor)[32] <= seen + STEPS);
         step++)
        round_at(step % STEPS);
    CHECK(test_shared(preemptor)[32] > seen + STEPS);
    test_signal(preemptor, 0, 1);
    test_join(preemptor);
    /* Nothing that a round took has stayed. */
    test_settle();
    CHECK_EQ(test_info(child).used, child_used);
    measure();
    CHECK_EQ(test_info(HV_SELF).quarantined, 0);
    test_settle();
    CHECK(test_info(HV_SELF).used <= used + 64);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
    CHECK_EQ(hv_space_end(HV_SELF, other_space), 0);
    CHECK_EQ(hv_domain_end(child), 0);
}

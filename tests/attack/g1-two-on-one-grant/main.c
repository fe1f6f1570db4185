/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=2 timeout=60
 *
 * Threat (G1, on two processors; XSA-218, XSA-224 in spirit). Mapping, unmapping, ending and
 * revoking a grant each look at what the others change. Where two of them, called on two
 * processors, look before either has changed anything, the grant is mapped twice, ended twice or
 * ended while it is mapped, and a count is wrong for ever.
 *
 * Two vCPUs run every sequence of three steps out of: a new grant of a page, map it, unmap it, end
 * it, revoke it, map a leaf, unmap the leaf, copy; in opposite orders, on the one grant that there
 * is, and do not wait for each other. Each has a window of its own, and knows by itself what of
 * that must be; of the grant it knows which answers there can be, that one end alone succeeds, and
 * that it is never mapped for both. At the end the page must go back to the hypervisor, which it
 * does only when nothing counts it any more.
 */
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define RW    (HV_MAP_READ | HV_MAP_WRITE)
#define STACK 16384u
#define LENT  180u /* a page of the child's that nothing else uses */

const char test_title[] = "two processors at one grant leave nothing counted";

enum step { CREATE, MAP, UNMAP, END, REVOKE, LEAF, NO_LEAF, COPY, STEPS };

static uint64_t child, port;
static uint64_t ref; /* of the grant; 0: there is none */
static uint64_t created, ended;

struct side {
    uint64_t window, address, target;
    uint64_t holds; /* the reference that it has mapped, unless that was revoked */
    bool taken, leaf;
    bool ends; /* it ends the grant at this moment */
    volatile bool through;
    uint64_t done[STEPS];
    struct hv_grant_map map __attribute__((aligned(64)));
    struct hv_grant_copy copy __attribute__((aligned(64)));
    uint64_t list __attribute__((aligned(64)));
    struct hv_map_run run __attribute__((aligned(64)));
};

static struct side sides[2] __attribute__((aligned(4096)));
static char stack[STACK] __attribute__((aligned(4096)));
static volatile bool over;
static unsigned sequences; /* that each side runs */

static uint64_t now(void)
{
    return __atomic_load_n(&ref, __ATOMIC_SEQ_CST);
}

static bool one_of(int64_t result, int64_t a, int64_t b)
{
    return result == a || result == b;
}

static void create(struct side *s)
{
    uint64_t none = 0;
    int64_t made;

    if (now() != 0)
        return;
    made = hv_grant_create(child, 0, LENT, 1, RW);
    CHECK(made > 0);
    if (__atomic_compare_exchange_n(&ref, &none, (uint64_t)made, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&created, 1, __ATOMIC_SEQ_CST);
        s->done[CREATE]++;
    } else {
        CHECK_EQ(hv_grant_end(child, (uint64_t)made, 0), 0);
    }
}

static void map(struct side *s)
{
    uint64_t r = now();

    s->map = (struct hv_grant_map){ child, r, s->window, (uint32_t)port, RW, 1, 0 };
    int64_t result = hv_grant_map(HV_SELF, hv_gpa(&s->map), 1);

    if (result != 1) {
        CHECK(one_of(result, -HV_EINVAL, -HV_EBUSY));
        return;
    }
    CHECK(r != 0 && !s->taken);
    s->taken = true;
    s->done[MAP]++;
    __atomic_store_n(&s->holds, r, __ATOMIC_SEQ_CST);
    CHECK(__atomic_load_n(&sides[s == sides].holds, __ATOMIC_SEQ_CST) != r);
}

/* The page is not to be touched any more. An end on the other processor takes it away before it
 * asks this one to forget it: until that end returns, the frame is nobody else's. */
static void check_gone(const struct side *s)
{
    for (;;) {
        bool ends = __atomic_load_n(&sides[s == sides].ends, __ATOMIC_SEQ_CST);

        if (hv_guard_write32((uint32_t *)(uintptr_t)s->address, 1) == -HV_EDEAD)
            return;
        CHECK(ends);
    }
}

static void unmap(struct side *s)
{
    s->list = s->window;
    __atomic_store_n(&s->holds, 0, __ATOMIC_SEQ_CST);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&s->list), 1), s->taken ? 1 : -HV_EINVAL);
    check_gone(s);
    s->done[UNMAP] += s->taken;
    s->taken = s->leaf = false;
}

static void end_with(struct side *s, bool force)
{
    uint64_t r = now(), gone = r;

    __atomic_store_n(&s->ends, true, __ATOMIC_SEQ_CST);
    int64_t result = hv_grant_end(child, r, force);

    __atomic_store_n(&s->ends, false, __ATOMIC_SEQ_CST);
    if (result == -HV_EBUSY && !force)
        return;
    CHECK(one_of(result, 0, -HV_EINVAL));
    if (result == 0) {
        s->done[force ? REVOKE : END]++;
        __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    }
    /* Either way it is over; the other may not have come so far as to say so. */
    __atomic_compare_exchange_n(&ref, &gone, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void map_leaf(struct side *s)
{
    if (s->leaf)
        return;
    s->run =
        (struct hv_map_run){ .address = s->address, .gfn = s->window, .count = 1, .rights = RW };
    int64_t result = hv_map(HV_SELF, 0, hv_gpa(&s->run), 1);

    CHECK(s->taken ? one_of(result, 1, -HV_EFAULT) : result == -HV_EINVAL);
    s->leaf = result == 1;
    s->done[LEAF] += s->leaf;
    if (s->leaf) /* it may be revoked at any moment */
        CHECK(one_of(hv_guard_write32((uint32_t *)(uintptr_t)s->address, 1), 0, -HV_EDEAD));
}

static void unmap_leaf(struct side *s)
{
    s->run = (struct hv_map_run){ .address = s->address, .count = 1 };
    CHECK_EQ(hv_unmap(HV_SELF, 0, hv_gpa(&s->run), 1), 1);
    check_gone(s);
    s->done[NO_LEAF] += s->leaf;
    s->leaf = false;
}

static void copy(struct side *s)
{
    s->copy = (struct hv_grant_copy){ child, now(), 0, s->target, 8, HV_GRANT_COPY_TO_PEER };
    int64_t result = hv_grant_copy(hv_gpa(&s->copy), 1);

    CHECK(one_of(result, 1, -HV_EINVAL));
    s->done[COPY] += result == 1;
}

static void run(struct side *s, enum step step)
{
    switch (step) {
    case CREATE:
        create(s);
        break;
    case MAP:
        map(s);
        break;
    case UNMAP:
        unmap(s);
        break;
    case END:
    case REVOKE:
        end_with(s, step == REVOKE);
        break;
    case LEAF:
        map_leaf(s);
        break;
    case NO_LEAF:
        unmap_leaf(s);
        break;
    default:
        copy(s);
        break;
    }
}

/* All sequences of three steps, each behind a new grant if there is none; again while the other has
 * not been through. */
static void run_all(void *arg)
{
    struct side *s = arg;
    const unsigned all = sequences;

    for (unsigned i = 0; i < all || !sides[s == sides].through; i++) {
        unsigned sequence = s == sides ? i % all : all - 1 - i % all;

        create(s);
        for (unsigned n = 0; n < 3; n++, sequence /= STEPS)
            run(s, (enum step)(sequence % STEPS));
        if (i == all - 1)
            s->through = true;
    }
    unmap(s);
    if (s != sides)
        over = true;
}

/* Freed frames stay charged until the flush epoch; the end of a domain waits for it. */
static void settle(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = 150, .ram_pages = 1, .vcpus = 1, .weight = 256 };
    uint64_t dom = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));

    while (hv_domain_destroy(dom) > 0)
        ;
}

static void finish(void)
{
    while (!over)
        hv_yield();
    CHECK_EQ(hv_vcpu_stop(1), 0);
    if (now() != 0)
        end_with(sides, false);
    CHECK_EQ(now(), 0);
    CHECK_EQ(created, ended);
    CHECK_EQ(sides[0].done[MAP] + sides[1].done[MAP], sides[0].done[UNMAP] + sides[1].done[UNMAP]);
    CHECK_EQ(hv_give_back(child, LENT, 1), 1);
    CHECK_EQ(hv_populate(child, LENT, 1), 1);
    settle();
}

static void start(unsigned length)
{
    sequences = length;
    over = sides[0].through = sides[1].through = false;
    CHECK_EQ(hv_vcpu_start(1, run_all, &sides[1], stack, STACK), 0);
    run_all(&sides[0]);
    finish();
}

void test_main(void)
{
    if (!test_is("root"))
        return;
    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    for (unsigned i = 0; i < 2; i++) {
        sides[i].window = test_windows(1);
        sides[i].address = test_addresses(1);
        sides[i].target = hv_gpa(test_pages(1));
    }
    start(STEPS); /* what is only ever allocated once is there now */
    uint64_t used = test_info(child).used;

    start(STEPS * STEPS * STEPS);
    CHECK_EQ(test_info(child).used, used);
    for (unsigned step = 0; step < STEPS; step++)
        hv_printf("%u: %lu %lu\n", step, sides[0].done[step], sides[1].done[step]);
    CHECK(sides[0].done[MAP] + sides[1].done[MAP] > 0);
    test_destroy(child);
}

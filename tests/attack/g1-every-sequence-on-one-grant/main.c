/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=120
 *
 * Threat (G1). A grant is mapped, unmapped, ended and revoked, and each of these counts something.
 * Each order that a driver uses was checked; forgotten was one that no driver uses: unmap after
 * revoke, end in between two maps, a second end. A count goes wrong by one, and the frame is freed
 * while it is mapped, or never.
 *
 * This guest runs every sequence of six steps out of: map into a window, unmap the window, end,
 * revoke, map a leaf, unmap the leaf, copy, and a new grant of the same page. It knows from a model
 * of a few lines what each must answer, and after each sequence the page must go back to the
 * hypervisor, which it does only when nothing counts it any more. (The catalogue asks for two vCPUs
 * as well: they come with domains that have several.)
 */
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define LENGTH 6u

const char test_title[] = "after every sequence on a grant nothing is left counted";

enum step { CREATE, MAP, UNMAP, END, REVOKE, LEAF, NO_LEAF, COPY, STEPS };

#define LENT 180u /* a page of the child's that nothing else uses */

static uint64_t child, port, window, address, target;

/* ---- the model ---- */

static struct {
    bool live;    /* the grant */
    bool mapped;  /* in the window */
    bool revoked; /* the window is taken by a grant that was revoked */
    bool leaf;
    uint64_t ref;
} now;

static int64_t do_map(void)
{
    HV_BUFFER(64) struct hv_grant_map m = { child, now.ref, window, (uint32_t)port, RW, 1, 0 };

    return hv_grant_map(HV_SELF, hv_gpa(&m), 1);
}

static int64_t do_unmap(void)
{
    HV_BUFFER(8) uint64_t list = window;

    return hv_grant_unmap(HV_SELF, hv_gpa(&list), 1);
}

static int64_t do_copy(void)
{
    HV_BUFFER(64) struct hv_grant_copy c = { child, now.ref, 0, target, 8, HV_GRANT_COPY_TO_PEER };

    return hv_grant_copy(hv_gpa(&c), 1);
}

static void step_create(void)
{
    if (now.live)
        return;
    int64_t ref = hv_grant_create(child, 0, LENT, 1, RW);

    CHECK(ref > 0);
    CHECK((uint64_t)ref != now.ref);
    now.ref = (uint64_t)ref;
    now.live = true;
}

static void step_map(void)
{
    int64_t expected = !now.live     ? -HV_EINVAL
                       : now.mapped  ? -HV_EBUSY
                       : now.revoked ? -HV_EINVAL
                                     : 1;

    CHECK_EQ(do_map(), expected);
    now.mapped = now.mapped || expected == 1;
}

static void step_unmap(void)
{
    int64_t expected = now.mapped || now.revoked ? 1 : -HV_EINVAL;

    CHECK_EQ(do_unmap(), expected);
    if (expected == 1)
        now.mapped = now.revoked = now.leaf = false;
}

static void step_end(void)
{
    int64_t expected = !now.live ? -HV_EINVAL : now.mapped ? -HV_EBUSY : 0;

    CHECK_EQ(hv_grant_end(child, now.ref, 0), expected);
    if (expected == 0)
        now.live = false;
}

static void step_revoke(void)
{
    CHECK_EQ(hv_grant_end(child, now.ref, 1), now.live ? 0 : -HV_EINVAL);
    if (now.mapped) {
        now.revoked = true;
        now.leaf = false;
    }
    now.live = now.mapped = false;
}

static void step_leaf(void)
{
    int64_t expected = now.mapped ? 1 : now.revoked ? -HV_EFAULT : -HV_EINVAL;

    if (now.leaf)
        return;
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), expected);
    now.leaf = expected == 1;
}

static void step_no_leaf(void)
{
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    now.leaf = false;
}

static void step_copy(void)
{
    CHECK_EQ(do_copy(), now.live ? 1 : -HV_EINVAL);
}

static void run(enum step step)
{
    static void (*const steps[STEPS])(void) = { step_create, step_map,  step_unmap,   step_end,
                                                step_revoke, step_leaf, step_no_leaf, step_copy };

    steps[step]();
}

/* ---- all sequences ---- */

static void finish(unsigned long sequence)
{
    if (now.leaf)
        run(NO_LEAF);
    if (now.mapped || now.revoked)
        run(UNMAP);
    if (now.live) {
        CHECK_EQ(hv_give_back(child, LENT, 1), -HV_EBUSY);
        run(END);
    }
    if (sequence % 8 == 0) { /* what it costs is mostly the zeroing */
        CHECK_EQ(hv_give_back(child, LENT, 1), 1);
        CHECK_EQ(hv_populate(child, LENT, 1), 1);
    }
}

static void check_sequence(unsigned long sequence)
{
    unsigned long rest = sequence;

    run(CREATE);
    for (unsigned i = 0; i < LENGTH - 1; i++, rest /= STEPS)
        run((enum step)(rest % STEPS));
    finish(sequence);
}

/* Freed frames stay charged until the flush epoch; the end of a domain forces it. */
static void settle(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = 150, .ram_pages = 1, .vcpus = 1, .weight = 256 };
    uint64_t dom = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));

    while (hv_domain_destroy(dom) > 0)
        ;
}

void test_main(void)
{
    unsigned long sequences = 1;

    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    window = test_windows(1);
    address = test_addresses(1);
    target = hv_gpa(test_pages(1));
    for (unsigned i = 0; i < LENGTH - 1; i++)
        sequences *= STEPS;
    check_sequence(sequences / 3); /* what is only ever allocated once is there now */
    settle();
    uint64_t used = test_info(child).used, own = test_info(HV_SELF).used;

    for (unsigned long s = 0; s < sequences; s++)
        check_sequence(s);
    settle();
    CHECK_EQ(test_info(child).used, used);
    CHECK_EQ(test_info(HV_SELF).used, own);
    test_destroy(child);
}

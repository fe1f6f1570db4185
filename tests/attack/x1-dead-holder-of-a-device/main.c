/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=120
 *
 * Threat (X1). A domain dies with frames that its device may still write to. Its ancestor takes it
 * apart and resets its devices, in any order and from any point of the way on. Each of the two
 * alone was right; forgotten was what one of them leaves undone because the other has not been
 * called yet: records that were kept for the pins are never freed, windows that one pass has
 * skipped are skipped by the other.
 *
 * This guest holds a device, pins its own RAM and a window of its parent's memory, dies, and has
 * its parent stop the destruction after each number of steps to reset its devices. A vulnerable
 * hypervisor finds charges left when it frees the record, and panics; or a grant that says it is
 * mapped by a domain that is gone, and panics when it ends.
 */
#include "hvlib/builder.h"
#include "hvlib/grant.h"
#include "test.h"

#define DEVICE  0x10u
#define WINDOWS 1600u /* more than one step of going through them */
#define RAM     300u
#define RW      (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "a dead device holder gives everything back, whatever the order";

/* ---- the holder ---- */

static void be_holder(void)
{
    HV_BUFFER(256) struct hv_dma_run runs[2];
    uint64_t gfn = hv_gfn(test_pages(1));

    test_await(TEST_PARENT, 0, 1);
    CHECK_EQ(hv_dma_map(DEVICE, gfn, 1, hv_gpa(runs)), 1);
    CHECK_EQ(hv_dma_map(DEVICE, gfn, 1, hv_gpa(runs)), 1);
    if (test_argument("window", 0)) {
        /* Through the page that it shares with its parent. */
        gfn = hv_gfn((void *)(uintptr_t)test_shared(TEST_PARENT));
        CHECK_EQ(hv_dma_map(DEVICE, gfn, 1, hv_gpa(runs)), 1);
    }
    test_signal(TEST_PARENT, 1, 1);
}

/* ---- its parent ---- */

static uint64_t build_holder(bool window)
{
    uint64_t child = test_build("holder", RAM, window ? "window=1" : NULL);

    CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    CHECK_EQ(hv_devices_reset(child), -HV_EINVAL); /* it lives */
    CHECK_EQ(hv_domain_start(child), 0);
    test_signal(child, 0, 1);
    test_wait(child, NULL);
    CHECK_EQ(test_shared(child)[1], 1);
    return child;
}

/* Resets until there is nothing left to do, or the hypervisor says that it is too early. */
static void reset(uint64_t child)
{
    int64_t left;

    do {
        left = hv_devices_reset(child);
    } while (left > 0);
    CHECK(left == 0 || left == -HV_EBUSY || left == -HV_EPERM); /* -HV_EPERM: gone before */
}

/* Everything of it is back: the grant too, which nobody has any more. */
static void check_gone(uint64_t child, uint64_t ref)
{
    HV_BUFFER(512) struct hv_domain_info info;

    CHECK_EQ(hv_domain_info(child, hv_gpa(&info)), -HV_EPERM);
    CHECK_EQ(hv_domain_destroy(child), -HV_EPERM);
    CHECK_EQ(hv_devices_reset(child), -HV_EPERM);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), 0);
}

/* The way it is meant: destroy, then reset. */
static void check_legal(bool window)
{
    uint64_t child = build_holder(window), ref = test_ref(child);
    struct hv_domain_info info;

    CHECK_EQ(hv_domain_end(child), 0);
    info = test_info(child);
    CHECK_EQ(info.state, HV_DOMAIN_DYING);
    CHECK_EQ(info.quarantined, 1);
    CHECK_EQ(hv_domain_start(child), -HV_EDEAD);
    reset(child);
    check_gone(child, ref);
    CHECK_EQ(hv_event_end(test_port(child)), 0);
    test_forget(child);
}

/* `steps` of destroying, a reset (one step of it, or all), the rest. True: it was gone before. */
static bool check_order(unsigned steps, bool whole, bool window)
{
    uint64_t child = build_holder(window), ref = test_ref(child);
    int64_t left = 1;

    for (unsigned i = 0; i < steps && left > 0; i++)
        left = hv_domain_destroy(child);
    bool done = left == 0;

    if (whole) {
        reset(child);
    } else {
        int64_t r = hv_devices_reset(child);

        CHECK(r == 1 || r == 0 || r == -HV_EBUSY || (done && r == -HV_EPERM));
    }
    left = hv_domain_end(child);
    CHECK(left == 0 || left == -HV_EPERM); /* the reset may have been all that it waited for */
    if (left == 0)
        reset(child);
    check_gone(child, ref);
    CHECK_EQ(hv_event_end(test_port(child)), 0);
    test_forget(child);
    return done;
}

void test_main(void)
{
    if (test_is("holder")) {
        be_holder();
        return;
    }
    test_options.window_pages = WINDOWS;
    uint64_t used = 0;

    check_legal(false);
    used = test_info(HV_SELF).used;
    check_legal(true);
    for (unsigned steps = 0; steps < 100; steps++) {
        bool done = check_order(steps, false, steps & 1);

        if (check_order(steps, true, !(steps & 1)) && done)
            break;
        CHECK(steps < 99);
    }
    CHECK_EQ(test_info(HV_SELF).used, used);
}

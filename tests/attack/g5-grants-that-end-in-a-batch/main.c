/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (G5). A back end hands many grants of one front end to the hypervisor in one call. The
 * front end ends some of them, revokes others and takes back what the call's own memory lies in,
 * so that the batch meets a hole at an index that nobody thought of. A vulnerable system loses
 * count: it reports entries that were not done, leaves some done that nobody will undo, or uses
 * memory that is not the owner's any more.
 *
 * Each batch is run with the hole at each index. What is before it is done and counted, what is
 * behind it is untouched, the error shows when the hole comes first; and the front end's page goes
 * back to the hypervisor at the end, which it does only when nothing counts it. (On one processor
 * no grant ends while a call runs; with several this is the same lock's work.)
 */
#include "hvlib/grant.h"
#include "test.h"

#define RW   (HV_MAP_READ | HV_MAP_WRITE)
#define N    16u
#define LENT 160u

const char test_title[] = "a batch stops at the grant that is gone, and counts right";

static uint64_t child, port, window, address, ref[N];
static struct hv_grant_map maps[N] __attribute__((aligned(1024)));
static struct hv_grant_copy copies[N] __attribute__((aligned(1024)));
static uint64_t windows[N] __attribute__((aligned(128)));
static uint8_t *own;

static void lend(uint64_t i)
{
    ref[i] = (uint64_t)NEED(hv_grant_create(child, 0, LENT + i, 1, RW));
    maps[i] = (struct hv_grant_map){
        child, ref[i], window + i, (uint32_t)port, RW, 1, address + i * HV_PAGE_SIZE
    };
    copies[i] =
        (struct hv_grant_copy){ child, ref[i], 0, hv_gpa(own) + i * 64, 64, HV_GRANT_COPY_TO_PEER };
    windows[i] = window + i;
}

static int64_t stopped(uint64_t at, int64_t error)
{
    return at ? (int64_t)at : error;
}

static void check_copies(uint64_t hole)
{
    CHECK_EQ(hv_grant_copy(hv_gpa(copies), N), N);
    CHECK_EQ(hv_grant_end(child, ref[hole], 1), 0);
    memset(own, (int)hole + 1, HV_PAGE_SIZE);
    CHECK_EQ(hv_grant_copy(hv_gpa(copies), N), stopped(hole, -HV_EINVAL));
    for (uint64_t i = 0; i < N; i++) {
        uint8_t byte = 0;

        NEED(hv_copy_from_domain(child, (LENT + i) * HV_PAGE_SIZE, &byte, 1));
        CHECK_EQ(byte, i < hole ? hole + 1 : 0);
        byte = 0;
        NEED(hv_copy_to_domain(child, (LENT + i) * HV_PAGE_SIZE, &byte, 1));
    }
    memset(own, 0, HV_PAGE_SIZE);
    lend(hole);
}

static void check_maps(uint64_t hole)
{
    CHECK_EQ(hv_grant_end(child, ref[hole], 0), 0);
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(maps), N), stopped(hole, -HV_EINVAL));
    for (uint64_t i = 0; i < N; i++)
        CHECK_EQ(test_try_read(maps[i].address, NULL), i < hole ? TEST_NO_FAULT : 14);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(windows), N), stopped(hole, -HV_EINVAL));
    lend(hole);
}

/* Windows whose grant was revoked are released like the others, once. */
static void check_unmaps(uint64_t hole)
{
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(maps), N), N);
    CHECK_EQ(hv_grant_end(child, ref[hole], 1), 0);
    CHECK_EQ(test_try_read(maps[hole].address, NULL), 14);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(windows), N), N);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(windows), N), -HV_EINVAL);
    lend(hole);
}

/* The array, and what a copy goes to, lie in a window that is revoked. */
static void check_buffers(uint64_t hole)
{
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(maps), 1), 1);
    copies[hole].gpa = window << HV_PAGE_SHIFT;
    copies[0].ref = ref[1]; /* not through the grant that the window is of */
    CHECK_EQ(hv_grant_copy(hv_gpa(copies), N), N);
    CHECK_EQ(hv_grant_end(child, ref[0], 1), 0);
    CHECK_EQ(hv_grant_copy(hv_gpa(copies), N), stopped(hole, -HV_EFAULT));
    CHECK_EQ(hv_grant_copy(window << HV_PAGE_SHIFT, 1), -HV_EFAULT);
    CHECK_EQ(hv_grant_map(HV_SELF, window << HV_PAGE_SHIFT, 1), -HV_EFAULT);
    CHECK_EQ(hv_grant_unmap(HV_SELF, window << HV_PAGE_SHIFT, 1), -HV_EFAULT);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(windows), 1), 1);
    lend(0);
    copies[hole].gpa = hv_gpa(own) + hole * 64;
}

void test_main(void)
{
    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    window = test_windows(N);
    address = test_addresses(N);
    own = test_pages(1);
    for (uint64_t i = 0; i < N; i++)
        lend(i);
    for (uint64_t hole = 0; hole < N; hole++) {
        check_copies(hole);
        check_maps(hole);
        check_unmaps(hole);
        check_buffers(hole);
    }
    for (uint64_t i = 0; i < N; i++)
        CHECK_EQ(hv_grant_end(child, ref[i], 0), 0);
    CHECK_EQ(hv_give_back(child, LENT, N), N);
    test_destroy(child);
}

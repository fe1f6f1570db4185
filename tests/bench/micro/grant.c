/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows grant.*: a back end's use of pages that another domain lends, which never runs here.
 */
#include "bench.h"

#define LENT_GFN 64u /* of the owner's, BATCH pages */
#define RW       (HV_MAP_READ | HV_MAP_WRITE)

static struct hv_grant_map grants[BATCH] __attribute__((aligned(2048)));
static uint64_t windows[BATCH] __attribute__((aligned(256)));
static struct hv_grant_copy copy __attribute__((aligned(64)));
static uint8_t *own;

/*
 * Page i of the owner's, lent by a grant of its own, to window i and to page i of a range. Behind
 * the range another page stays mapped, as in a back end that has other windows: the tables are
 * there, as they have to be before Xen maps a grant.
 */
static void fill(uint64_t owner)
{
    uint64_t window = test_windows(BATCH), address = test_addresses(BATCH + 1);
    uint32_t port = (uint32_t)NEED(hv_event_alloc(HV_SELF, owner));

    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t ref = (uint64_t)NEED(hv_grant_create(owner, 0, LENT_GFN + i, 1, RW));

        windows[i] = window + i;
        grants[i] = (struct hv_grant_map){
            owner, ref, window + i, port, RW, 1, address + i * (uint64_t)HV_PAGE_SIZE
        };
    }
    CHECK_EQ(test_map(HV_SELF, 0, address + BATCH * (uint64_t)HV_PAGE_SIZE, hv_gfn(own), 1, RW), 1);
    copy = (struct hv_grant_copy){ owner, grants[0].ref, 0, hv_gpa(own), HV_PAGE_SIZE, 0 };
}

static uint64_t touch(void)
{
    return *(volatile uint64_t *)(uintptr_t)grants[0].address;
}

/* What a round leaves behind is what the next one starts from; so the last one's results tell. */
static int64_t result[2];

static inline void round(uint32_t count)
{
    result[0] = hv_grant_map(HV_SELF, hv_gpa(grants), count);
    result[1] = hv_grant_unmap(HV_SELF, hv_gpa(windows), count);
}

static void check_round(uint32_t count)
{
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ(result[i], count);
}

static void bench_grant(void)
{
    uint64_t owner = test_build("grant", 192, NULL);
    static const uint64_t word = 0x0123456789abcdef;

    own = test_pages(1);
    fill(owner);
    NEED(hv_copy_to_domain(owner, LENT_GFN * HV_PAGE_SIZE, &word, sizeof word));
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(grants), 1), 1);
    CHECK_EQ(touch(), word);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(windows), 1), 1);
    MEASURE("grant.map_unmap", 1, , round(1));
    check_round(1);
    MEASURE("grant.map_unmap_batch", BATCH, , round(BATCH));
    check_round(BATCH);
    MEASURE("grant.copy_4k", 1, , result[0] = hv_grant_copy(hv_gpa(&copy), 1));
    CHECK_EQ(result[0], 1);
    CHECK_EQ(*(uint64_t *)(void *)own, word);
    test_destroy(owner);
}

BENCH_FAMILY(grant, .run = bench_grant);

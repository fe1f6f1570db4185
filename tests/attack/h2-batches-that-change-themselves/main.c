/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (H2). A multicall runs other calls from an array in guest memory. Each call was checked by
 * itself; forgotten was that one of them changes what the next one, or the array itself, stands on:
 * the address space, the mapping of the array, the array. Here a batch is one verb, and there is no
 * number for a multicall: that door is not there. What is left is a batch whose own array it
 * changes.
 *
 * This guest runs all hypercall numbers that are none, batches with a bad entry at each index,
 * batches that unmap or revoke or overwrite the memory that holds them. A vulnerable system acts on
 * what an earlier entry left behind. Held here: entries are read once, before they take effect; the
 * count says exactly how far it came; nothing behind a bad entry happened.
 */
#include "hvlib/grant.h"
#include "test.h"

#define R   HV_MAP_READ
#define RW  (HV_MAP_READ | HV_MAP_WRITE)
#define MAX HV_MAX_MAP_RUNS

const char test_title[] = "a batch is one verb, and does not trip over its own array";

static uint64_t child, port, base, gfn;
static struct hv_map_run *runs;

static void check_no_multicall(void)
{
    for (uint64_t nr = HV_NR_LIMIT; nr < 4096; nr++)
        CHECK_EQ(hv_call6(nr, hv_gpa(runs), 1, hv_gpa(runs), 1, 0, 0), -HV_ENOSYS);
    for (uint64_t nr = 0; nr < HV_NR_LIMIT; nr++) {
        CHECK_EQ(hv_call6(nr | (uint64_t)1 << 32, 0, 0, 0, 0, 0, 0), -HV_ENOSYS);
        CHECK_EQ(hv_call6(nr | (uint64_t)1 << 63, 0, 0, 0, 0, 0, 0), -HV_ENOSYS);
    }
}

static void fill(void)
{
    for (uint64_t i = 0; i < MAX; i++)
        runs[i] = (struct hv_map_run){ base + i * HV_PAGE_SIZE, gfn, 1, RW };
}

/* A bad entry at each index: what is before it is done, what is behind it is not. */
static void check_each_index(void)
{
    for (uint64_t bad = 0; bad < MAX; bad += 9) {
        fill();
        runs[bad].rights = 8;
        CHECK_EQ(hv_map(HV_SELF, 0, hv_gpa(runs), MAX), bad ? (int64_t)bad : -HV_EINVAL);
        for (uint64_t i = 0; i < MAX; i++)
            CHECK_EQ(test_try_read(base + i * HV_PAGE_SIZE, NULL), i < bad ? TEST_NO_FAULT : 14);
        CHECK_EQ(hv_unmap_range(HV_SELF, 0, base, MAX), 0);
    }
    fill();
    CHECK_EQ(hv_map(HV_SELF, 0, hv_gpa(runs), MAX), MAX);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, base, MAX), 0);
}

/* The bound of one call, across runs: the rest is for the next call. */
static void check_bound(void)
{
    uint64_t many = hv_gfn(test_pages(600)), at = test_addresses(1200);

    runs[0] = (struct hv_map_run){ at, many, 600, RW };
    runs[1] = (struct hv_map_run){ at + 600 * HV_PAGE_SIZE, many, 600, RW };
    CHECK_EQ(hv_map(HV_SELF, 0, hv_gpa(runs), 2), HV_MAX_MAP_PAGES);
    CHECK_EQ(test_try_read(at + (uint64_t)(HV_MAX_MAP_PAGES - 1) * HV_PAGE_SIZE, NULL),
             TEST_NO_FAULT);
    CHECK_EQ(test_try_read(at + (uint64_t)HV_MAX_MAP_PAGES * HV_PAGE_SIZE, NULL), 14);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, 1200), 0);
}

/* The batch takes away the guest's own mapping of the page that the batch lies in. */
static void check_unmaps_itself(void)
{
    struct hv_map_run *page = test_pages(1);
    uint64_t at = (uint64_t)(uintptr_t)page, gpa = hv_gpa(page);

    CHECK_EQ(test_map(HV_SELF, 0, base, gfn, 2, RW), 2);
    page[0] = (struct hv_map_run){ .address = at, .count = 1 };
    page[1] = (struct hv_map_run){ .address = base, .count = 2 };
    CHECK_EQ(hv_unmap(HV_SELF, 0, gpa, 2), 3);
    CHECK_EQ(test_try_read(at, NULL), 14);
    CHECK_EQ(test_try_read(base, NULL), 14);
    CHECK_EQ(test_map(HV_SELF, 0, at, gpa >> HV_PAGE_SHIFT, 1, RW), 1);
}

/* ---- windows ---- */

static int64_t window_map(uint64_t window, uint64_t ref)
{
    HV_BUFFER(64) struct hv_grant_map m = { child, ref, window, (uint32_t)port, RW, 1, 0 };

    return hv_grant_map(HV_SELF, hv_gpa(&m), 1);
}

/* The array of grant_unmap lies in the first window that it unmaps, also in the longest. */
static void check_unmaps_its_window(uint64_t count)
{
    uint64_t first = test_windows(1), second = test_windows(1), *list = test_pages(1);
    uint64_t a = (uint64_t)NEED(hv_grant_create(child, 0, 180, 1, RW));
    uint64_t b = (uint64_t)NEED(hv_grant_create(child, 0, 181, 1, RW));
    int64_t done;

    NEED(window_map(first, a));
    NEED(window_map(second, b));
    for (uint64_t i = 0; i < count; i++)
        list[i] = i == 0 ? first : second;
    NEED(hv_copy_to_domain(child, 180 * HV_PAGE_SIZE, list, HV_PAGE_SIZE));
    done = hv_grant_unmap(HV_SELF, first << HV_PAGE_SHIFT, count);
    CHECK_EQ(done, 2); /* the third entry names a window that is free by then */
    CHECK_EQ(hv_grant_end(child, a, 0), 0);
    CHECK_EQ(hv_grant_end(child, b, 0), 0);
}

/* The first entry of grant_copy copies other entries over the array. */
static void check_overwrites_itself(void)
{
    struct hv_grant_copy *list = test_pages(1), *other = test_pages(1);
    uint64_t ref = (uint64_t)NEED(hv_grant_create(child, 0, 180, 2, RW));
    uint8_t *target = test_pages(1);

    list[0] = (struct hv_grant_copy){ child, ref, 0, hv_gpa(list), HV_PAGE_SIZE, 0 };
    list[1] = (struct hv_grant_copy){ child, ref, HV_PAGE_SIZE, hv_gpa(target), 16, 0 };
    for (unsigned i = 0; i < 64; i++)
        other[i] = (struct hv_grant_copy){ ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0,
                                           ~(uint64_t)0, ~0u,          ~0u };
    NEED(hv_copy_to_domain(child, 180 * HV_PAGE_SIZE, other, HV_PAGE_SIZE));
    memset(other, 0x77, HV_PAGE_SIZE);
    NEED(hv_copy_to_domain(child, 181 * HV_PAGE_SIZE, other, HV_PAGE_SIZE));
    CHECK_EQ(hv_grant_copy(hv_gpa(list), 2), 2);
    CHECK_EQ(target[0], 0x77);
    CHECK_EQ(target[15], 0x77);
    CHECK_EQ(target[16], 0);
    CHECK_EQ(list[0].ref, ~(uint64_t)0);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

/* The same window, grant or range twice in one batch: the second entry finds the first's work. */
static void check_twice(void)
{
    HV_BUFFER(128) struct hv_grant_map m[2];
    HV_BUFFER(16) uint64_t list[2];
    uint64_t ref = (uint64_t)NEED(hv_grant_create(child, 0, 180, 1, RW)), window = test_windows(2);
    uint64_t other = (uint64_t)NEED(hv_grant_create(child, 0, 181, 1, RW));

    m[0] = (struct hv_grant_map){ child, ref, window, (uint32_t)port, RW, 1, 0 };
    m[1] = m[0];
    m[1].window++;
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(m), 2), 1);
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(m + 1), 1), -HV_EBUSY);
    CHECK_EQ(window_map(window, other), -HV_EINVAL); /* the window is taken */
    CHECK_EQ(hv_grant_end(child, other, 0), 0);
    list[0] = list[1] = window;
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(list), 2), 1);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(list), 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
    runs[0] = (struct hv_map_run){ base, gfn, 1, RW };
    runs[1] = (struct hv_map_run){ base, gfn + 1, 1, R };
    CHECK_EQ(hv_map(HV_SELF, 0, hv_gpa(runs), 2), 2);
    CHECK_EQ(test_try_write(base, 1), 14);
    CHECK_EQ(test_unmap(HV_SELF, 0, base, 1), 1);
}

void test_main(void)
{
    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    base = test_addresses(MAX);
    gfn = hv_gfn(test_pages(2));
    runs = test_pages(1);
    check_no_multicall();
    check_each_index();
    check_bound();
    check_unmaps_itself();
    check_unmaps_its_window(2);
    check_unmaps_its_window(HV_MAX_GRANT_BATCH);
    check_overwrites_itself();
    check_twice();
    test_destroy(child);
}

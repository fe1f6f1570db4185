/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map, protect and unmap in the kernel half: what is mapped can be used with exactly the rights
 * given, and what is unmapped faults, at once.
 */
#include "test.h"

#define RW (HV_MAP_READ | HV_MAP_WRITE)
#define PF 14u

const char test_title[] = "pages can be used as they are mapped, and not otherwise";

static uint64_t address, gfn;

static void check_rights(void)
{
    uint64_t value = 0;

    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, RW), 1);
    CHECK_EQ(test_try_write(address, 42), TEST_NO_FAULT);
    CHECK_EQ(*(uint64_t *)hv_va(gfn << HV_PAGE_SHIFT), 42);
    CHECK_EQ(test_try_exec(address), PF);

    CHECK_EQ(hv_protect_range(HV_SELF, 0, address, 1, HV_MAP_READ), 0);
    CHECK_EQ(test_try_write(address, 43), PF);
    CHECK_EQ(test_try_read(address, &value), TEST_NO_FAULT);
    CHECK_EQ(value, 42);

    *(uint8_t *)hv_va(gfn << HV_PAGE_SHIFT) = 0xc3; /* ret */
    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, HV_MAP_READ | HV_MAP_EXEC), 1);
    CHECK_EQ(test_try_exec(address), TEST_NO_FAULT);

    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    CHECK_EQ(test_try_read(address, NULL), PF);
}

static void read_first(void *arg)
{
    *(volatile uint64_t *)arg;
}

static void check_fault_frame(void)
{
    struct hv_frame frame;

    CHECK_EQ(test_try(read_first, (void *)(uintptr_t)(address + 8), &frame), PF);
    CHECK_EQ(frame.cr2, address + 8);
    CHECK_EQ(frame.user, 0);
    CHECK_EQ(frame.prev_masked, 0);
}

/* A run that crosses tables, longer than what one call does. */
static void check_long_run(void)
{
    uint64_t count = 3 * HV_MAX_MAP_PAGES / 2, range = test_addresses(count);
    uint64_t first = hv_gfn(test_pages(count));

    CHECK_EQ(hv_map_range(HV_SELF, 0, range, first, count, RW), 0);
    for (uint64_t i = 0; i < count; i++)
        *(uint64_t *)(uintptr_t)(range + i * HV_PAGE_SIZE) = i;
    for (uint64_t i = 0; i < count; i++)
        CHECK_EQ(*(uint64_t *)hv_va((first + i) << HV_PAGE_SHIFT), i);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, range, count), 0);
    for (uint64_t i = 0; i < count; i += 511)
        CHECK_EQ(test_try_read(range + i * HV_PAGE_SIZE, NULL), PF);
}

static void check_refused(void)
{
    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, RW | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, address + 1, gfn, 1, RW), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, 0x400000, gfn, 1, RW), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 0, RW), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, 0), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, HV_MAX_SPACES, address, gfn, 1, RW), -HV_EINVAL);
    CHECK_EQ(test_map(12345, 0, address, gfn, 1, RW), -HV_EPERM);
    CHECK_EQ(hv_map(HV_SELF, 0, ~(uint64_t)0, 1), -HV_EFAULT);
    CHECK_EQ(test_try_read(address, NULL), PF);
}

void test_main(void)
{
    address = test_addresses(1);
    gfn = hv_gfn(test_pages(1));
    check_rights();
    check_fault_frame();
    check_long_run();
    check_refused();
    test_success();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first thing that must work: root starts, the start page says what it must, the console
 * prints.
 */
#include "test.h"

const char test_title[] = "root starts and finds what the start page promises";

static void check_ram(void)
{
    uint64_t count, gfn = hv_start_free_ram(&count);

    CHECK(hv_start_range(HV_RANGE_RAM, 0) != NULL);
    CHECK(hv_start_range(HV_RANGE_IMAGE, 0) != NULL);
    CHECK(count >= 256);
    volatile uint64_t *first = hv_va(gfn << HV_PAGE_SHIFT);
    volatile uint64_t *last = hv_va((gfn + count - 1) << HV_PAGE_SHIFT);

    *first = 1;
    *last = 2;
    CHECK(*first == 1 && *last == 2);
}

void test_main(void)
{
    CHECK_EQ(hv_start_domain_id(), 0);
    CHECK_EQ(hv_start_control_port(), ~(uint32_t)0);
    CHECK(hv_start_features() & HV_FEATURE_CONSOLE);
    CHECK(hv_start_find(HV_START_VCPU, NULL) != NULL);
    CHECK(hv_start_find(99, NULL) == NULL);
    check_ram();
    test_success();
}

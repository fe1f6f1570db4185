/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (M6). A guest flushes the translation of an address. Flushing looks harmless, so the
 * address was not checked, and an INVLPG or a walk for a hypervisor's or a non-canonical address
 * faulted in ring 0, or an address that wraps made the loop endless. Paravane has no flush call:
 * unmap and protect flush what they change. So their addresses are what is left to attack.
 *
 * This guest unmaps and protects non-canonical, hypervisor, misaligned and wrapping addresses, runs
 * that start inside and end outside, and the half that is not the space's. A vulnerable system
 * faults, loops, or takes hyp's own pages away. Held here: -HV_EINVAL, and the page next to the
 * forbidden range is as it was; holes that the guest may name count as done.
 */
#include "nasty.h"
#include "test.h"

#define RW (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "unmap and protect reach nothing beyond the guest's own halves";

static const uint64_t outside[] = { NASTY_NONCANONICAL, NASTY_HYP, HV_USER_END, HV_KERNEL_START - 1,
                                    HV_KERNEL_START - HV_PAGE_SIZE };
static const uint32_t counts[] = { 1, 2, 512, 0x7fffffff, 0x80000000, 0xffffffff };

static uint64_t space, gfn;

static int64_t change(bool protect, uint64_t in, uint64_t address, uint32_t count)
{
    HV_BUFFER(32)
    struct hv_map_run run = { .address = address,
                              .count = count,
                              .rights = protect ? HV_MAP_READ : 0 };

    return protect ? hv_protect(HV_SELF, in, hv_gpa(&run), 1)
                   : hv_unmap(HV_SELF, in, hv_gpa(&run), 1);
}

static void refused(uint64_t in, uint64_t address, uint32_t count)
{
    CHECK_EQ(change(false, in, address, count), -HV_EINVAL);
    CHECK_EQ(change(true, in, address, count), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, in, address, gfn, count, RW), -HV_EINVAL);
}

/* The legal form, on holes and on pages, in both halves. */
static void check_legal(void)
{
    uint64_t address = test_addresses(1024);

    for (unsigned i = 0; i < 2; i++) {
        uint64_t in = i ? space : 0, at = i ? 0x400000 : address;

        for (unsigned protect = 0; protect < 2; protect++) {
            CHECK_EQ(change(protect, in, at, 1), 1);
            CHECK_EQ(change(protect, in, at, HV_MAX_MAP_PAGES), HV_MAX_MAP_PAGES);
            CHECK_EQ(test_map(HV_SELF, in, at, gfn, 1, RW), 1);
            CHECK_EQ(change(protect, in, at, 2), 2);
        }
        CHECK_EQ(change(false, in, at, 1), 1);
    }
}

static void check_outside(void)
{
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
            refused(0, outside[i] & ~(uint64_t)0xfff, counts[n]);
            refused(space, outside[i] & ~(uint64_t)0xfff, counts[n]);
        }
        refused(0, outside[i] | 1, 1);
        refused(space, outside[i] | 0x800, 1);
    }
}

static void check_wrong_half(void)
{
    refused(0, 0, 1);
    refused(0, 0x400000, 1);
    refused(space, HV_KERNEL_START, 1);
    refused(space, (uint64_t)(uintptr_t)hv_vcpu, 1);
    refused(space, 0 - (uint64_t)HV_PAGE_SIZE, 1);
}

/* From the last page of each half on, by every count that wraps. */
static void check_wrapping(void)
{
    uint64_t top = 0 - (uint64_t)HV_PAGE_SIZE, last = HV_USER_END - HV_PAGE_SIZE;

    CHECK_EQ(test_map(HV_SELF, 0, top, gfn, 1, RW), 1);
    CHECK_EQ(test_map(HV_SELF, space, last, gfn, 1, RW), 1);
    for (size_t n = 1; n < sizeof counts / sizeof *counts; n++) {
        refused(0, top, counts[n]);
        refused(space, last, counts[n]);
    }
    refused(0, top, 0);
    refused(space, last, 0);
    CHECK_EQ(test_try_write(top, 1), TEST_NO_FAULT);
    CHECK_EQ(change(false, 0, top, 1), 1);
    CHECK_EQ(test_try_write(top, 1), 14);
    CHECK_EQ(change(false, space, last, 1), 1);
}

/* A run as long as the half is bounded work, and says how far it came. */
static void check_whole_halves(void)
{
    int64_t done = change(false, space, 0, 0x7fffffff);

    CHECK(done >= 1);
    done = change(false, 0, HV_FREE_START + ((uint64_t)1 << 39), 0x7ffffff);
    CHECK(done >= 1);
    done = change(true, space, 0, 0x7fffffff);
    CHECK(done >= 1);
}

static void check_spaces(void)
{
    static const uint64_t none[] = { 2, HV_MAX_SPACES - 1, HV_MAX_SPACES, HV_MAX_SPACES + 1,
                                     NASTY_LARGE };

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        refused(none[i], 0x400000, 1);
        CHECK_EQ(hv_space_destroy(HV_SELF, none[i]), -HV_EINVAL);
    }
    CHECK_EQ(hv_space_destroy(HV_SELF, 0), -HV_EINVAL);
}

void test_main(void)
{
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    gfn = hv_gfn(test_pages(1));
    check_legal();
    check_outside();
    check_wrong_half();
    check_wrapping();
    check_whole_halves();
    check_spaces();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
    refused(space, 0x400000, 1);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (M1). A guest that writes a page table owns the machine. Hypervisors with guest-made
 * tables validated each entry; what was forgotten was an attribute of one (large page, a recursive
 * slot, a fast path that skips the check for "only flags changed"). Paravane takes no tables: the
 * door is not there. This test looks for one.
 *
 * This guest sets every rights bit that is not a right, names frames beyond every range, and looks
 * at each of the 256 top-level slots that are the hypervisor's, at the slots where a recursive
 * mapping would be, at the neighbours of an entry that it changes, and at what the user half and
 * the kernel half can see of each other. A vulnerable system maps more than was asked, or shows a
 * table.
 */
#include "nasty.h"
#include "test.h"

#define R          HV_MAP_READ
#define RW         (HV_MAP_READ | HV_MAP_WRITE)
#define RX         (HV_MAP_READ | HV_MAP_EXEC)
#define PF         14u
#define NEIGHBOURS 512u

const char test_title[] = "no call names a table, its size or another entry's rights";

static uint64_t address, gfn;

/* ---- rights are three bits, frames and addresses are whole ---- */

static int64_t protect(uint64_t at, uint32_t rights, uint64_t gfn_field)
{
    HV_BUFFER(32) struct hv_map_run run = { at, gfn_field, 1, rights };

    return hv_protect(HV_SELF, 0, hv_gpa(&run), 1);
}

static int64_t unmap(uint64_t at, uint32_t rights, uint64_t gfn_field)
{
    HV_BUFFER(32) struct hv_map_run run = { at, gfn_field, 1, rights };

    return hv_unmap(HV_SELF, 0, hv_gpa(&run), 1);
}

static void check_rights_bits(void)
{
    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, RW), 1);
    CHECK_EQ(protect(address, RW, 0), 1);
    for (unsigned bit = 3; bit < 32; bit++) {
        uint32_t odd = (uint32_t)1 << bit;

        CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, RW | odd), -HV_EINVAL);
        CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, odd), -HV_EINVAL);
        CHECK_EQ(protect(address, R | odd, 0), -HV_EINVAL);
    }
    CHECK_EQ(protect(address, 0, 0), -HV_EINVAL);
    CHECK_EQ(protect(address, ~(uint32_t)0, 0), -HV_EINVAL);
    CHECK_EQ(protect(address, RW | HV_MAP_EXEC, 0), -HV_EINVAL);
    CHECK_EQ(protect(address, RW, gfn), -HV_EINVAL);
    CHECK_EQ(unmap(address, RW, 0), -HV_EINVAL);
    CHECK_EQ(unmap(address, 0, gfn), -HV_EINVAL);
    CHECK_EQ(test_try_write(address, 1), TEST_NO_FAULT);
    CHECK_EQ(unmap(address, 0, 0), 1);
}

static void check_frame_bits(void)
{
    for (unsigned bit = 31; bit < 64; bit++) {
        int64_t result = test_map(HV_SELF, 0, address, gfn | (uint64_t)1 << bit, 1, RW);

        CHECK(result == -HV_EINVAL || result == -HV_EPERM);
    }
    for (unsigned bit = 0; bit < 12; bit++)
        CHECK_EQ(test_map(HV_SELF, 0, address | (uint64_t)1 << bit, gfn, 1, RW), -HV_EINVAL);
    CHECK_EQ(test_try_read(address, NULL), PF);
}

/* ---- the hypervisor's slots: nothing is readable, from neither mode ---- */

static uint64_t slot_address(unsigned slot)
{
    return (slot >= 256 ? 0xffff000000000000 : 0) | (uint64_t)slot << 39;
}

/* Where table entries would be if slot `slot` of the top level named the top level. */
static uint64_t recursive_address(unsigned slot)
{
    uint64_t s = slot;

    return (slot >= 256 ? 0xffff000000000000 : 0) | s << 39 | s << 30 | s << 21 | s << 12;
}

static void look_from_user(uint64_t space, uint8_t *code, uint64_t at)
{
    struct hv_frame f = { .rip = TEST_USER_CODE, .rflags = 0x202, .rdi = at };

    (void)code;
    CHECK_EQ(test_user_frame(space, &f), PF);
    CHECK_EQ(f.cr2, at);
}

static void check_slots(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint8_t *code = test_pages(1);

    memcpy(code, "\x8a\x07\x0f\x05", 4); /* mov (%rdi), %al; syscall */
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, RX));
    struct hv_frame f = { .rip = TEST_USER_CODE, .rflags = 0x202, .rdi = TEST_USER_CODE };

    CHECK_EQ(test_user_frame(space, &f), HV_VECTOR_SYSCALL);
    for (unsigned slot = 256; slot < 504; slot++) {
        CHECK_EQ(test_try_read(slot_address(slot), NULL), PF);
        CHECK_EQ(test_try_write(slot_address(slot), 0), PF);
        CHECK_EQ(test_try_exec(slot_address(slot)), PF);
        CHECK_EQ(test_try_read(recursive_address(slot), NULL), PF);
        look_from_user(space, code, slot_address(slot));
        look_from_user(space, code, recursive_address(slot));
        CHECK_EQ(test_map(HV_SELF, 0, slot_address(slot), gfn, 1, RW), -HV_EINVAL);
        CHECK_EQ(test_map(HV_SELF, space, slot_address(slot), gfn, 1, RW), -HV_EINVAL);
    }
    for (unsigned slot = 504; slot < 512; slot++)
        CHECK_EQ(test_try_read(recursive_address(slot), NULL), PF);
    /* Kernel addresses from user mode, whatever is mapped there. */
    look_from_user(space, code, (uint64_t)(uintptr_t)hv_vcpu);
    look_from_user(space, code, (uint64_t)(uintptr_t)code);
    look_from_user(space, code, (uint64_t)(uintptr_t)test_title);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* The kernel sees the user half of the space that it has switched to, but never runs it. */
static void check_kernel_view(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF)), value = 0;
    uint64_t *page = test_pages(1);

    page[0] = 0xc3;
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(page), 1, RX));
    CHECK_EQ(hv_switch(space, 0), 0);
    CHECK_EQ(test_try_read(TEST_USER_CODE, &value), TEST_NO_FAULT);
    CHECK_EQ(value, 0xc3);
    CHECK_EQ(test_try_exec(TEST_USER_CODE), PF);
    CHECK_EQ(test_try_write(TEST_USER_CODE, 1), PF);
    CHECK_EQ(hv_switch(0, 0), 0);
    CHECK_EQ(test_try_read(TEST_USER_CODE, NULL), PF);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* ---- neighbours: 512 aligned, contiguous pages, as a large page would be ---- */

static void check_each(uint64_t at, unsigned except, bool writable, bool readable)
{
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        uint64_t page = at + (uint64_t)i * HV_PAGE_SIZE, value = 0;
        bool odd = i == except;

        CHECK_EQ(test_try_read(page, &value), !odd || readable ? TEST_NO_FAULT : PF);
        if (!odd || readable)
            CHECK_EQ(value, i);
        CHECK_EQ(test_try_write(page, i), !odd || writable ? TEST_NO_FAULT : PF);
    }
}

static void check_neighbours(void)
{
    uint64_t at = (HV_FREE_START + ((uint64_t)1 << 39)) & ~(uint64_t)0x1fffff;
    uint64_t *pages = test_pages(2 * NEIGHBOURS), first = hv_gfn(pages), start;

    start = (first + NEIGHBOURS - 1) & ~(uint64_t)(NEIGHBOURS - 1);
    for (uint64_t i = 0; i < NEIGHBOURS; i++)
        *(uint64_t *)hv_va((start + i) << HV_PAGE_SHIFT) = i;
    CHECK_EQ(test_map(HV_SELF, 0, at, start, NEIGHBOURS, RW), NEIGHBOURS);
    check_each(at, ~0u, true, true);
    for (unsigned odd = 0; odd < NEIGHBOURS; odd += 73) {
        uint64_t page = at + (uint64_t)odd * HV_PAGE_SIZE;

        CHECK_EQ(protect(page, R, 0), 1);
        check_each(at, odd, false, true);
        CHECK_EQ(unmap(page, 0, 0), 1);
        check_each(at, odd, false, false);
        CHECK_EQ(test_map(HV_SELF, 0, page, start + odd, 1, RW), 1);
        check_each(at, ~0u, true, true);
    }
    CHECK_EQ(test_unmap(HV_SELF, 0, at, NEIGHBOURS), NEIGHBOURS);
}

/* Tables are charged but have no frame number: every RAM GFN that is populated is RAM. */
static void check_tables_have_no_gfn(void)
{
    uint64_t before = test_info(HV_SELF).used, space = (uint64_t)NEED(hv_space_create(HV_SELF));
    const struct hv_start_memory *ram = hv_start_range(HV_RANGE_RAM, 0);

    NEED(test_map(HV_SELF, space, TEST_USER_CODE, gfn, 1, R));
    CHECK(test_info(HV_SELF).used > before);
    for (uint64_t g = 0; g < 4096; g++)
        CHECK_EQ(test_map(HV_SELF, 0, address, ram->gfn + ram->count + g, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

void test_main(void)
{
    address = test_addresses(1);
    gfn = hv_gfn(test_pages(1));
    check_rights_bits();
    check_frame_bits();
    check_slots();
    check_kernel_view();
    check_neighbours();
    check_tables_have_no_gfn();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fork by space_copy: parent and child see the same pages until one of them writes, which faults
 * on both sides; each then has its own. And which pages were used, and written, is told truly, from
 * either view, and again after it was cleared.
 */
#include "test.h"

#define R     HV_MAP_READ
#define RW    (HV_MAP_READ | HV_MAP_WRITE)
#define RX    (HV_MAP_READ | HV_MAP_EXEC)
#define USED  HV_QUERY_ACCESSED
#define DIRTY (HV_QUERY_ACCESSED | HV_QUERY_DIRTY)
#define PF    14u
#define AT    ((uint64_t)0x7fffe00000)
#define PAGES 1300u /* more than one call copies, over the borders of tables */

const char test_title[] = "copies share until they are written, and what was used is known";

/* mov %rsi, (%rdi); syscall */
static const uint8_t writes[] = { 0x48, 0x89, 0x37, 0x0f, 0x05 };

static uint64_t parent, child, stack_top = 0x20000000;
static uint64_t *page;
static uint8_t *code;

static uint64_t at(uint64_t i)
{
    return AT + i * HV_PAGE_SIZE;
}

static uint32_t read_in(uint64_t space, uint64_t address, uint64_t *value)
{
    NEED(hv_switch(space, 0));
    uint32_t vector = test_try_read(address, value);

    NEED(hv_switch(0, 0));
    return vector;
}

static uint32_t write_in(uint64_t space, uint64_t address, uint64_t value)
{
    NEED(hv_switch(space, 0));
    uint32_t vector = test_try_write(address, value);

    NEED(hv_switch(0, 0));
    return vector;
}

static uint32_t user_write_in(uint64_t space, uint64_t address, uint64_t value)
{
    struct hv_frame f = {
        .rip = TEST_USER_CODE, .rsp = stack_top, .rflags = 0x202, .rdi = address, .rsi = value
    };

    return (uint32_t)NEED(test_user_frame(space, &f));
}

static uint8_t query(uint64_t space, uint64_t address, uint64_t flags)
{
    HV_BUFFER(64) uint8_t byte = 0xa5;

    CHECK_EQ(hv_space_query(HV_SELF, space, address, 1, hv_gpa(&byte), flags), 0);
    return byte;
}

/* As many calls as it takes; what one call did is whole pages. */
static void fork_all(void)
{
    uint64_t done = 0;

    while (done < PAGES + 2) {
        int64_t some = hv_space_copy(HV_SELF, parent, child, at(done) - HV_PAGE_SIZE,
                                     PAGES + 2 - done, HV_COPY_WRITE_PROTECT);

        CHECK(some > 0);
        done += (uint64_t)some;
    }
    CHECK_EQ(done, PAGES + 2);
}

static void check_fork(void)
{
    uint64_t value = 0, *own = test_pages(1);

    for (uint64_t i = 0; i < PAGES; i++)
        page[i * 512] = i;
    CHECK_EQ(write_in(parent, at(5), 5), TEST_NO_FAULT);
    fork_all();
    for (uint64_t i = 0; i < PAGES; i += 97) {
        CHECK_EQ(read_in(child, at(i), &value), TEST_NO_FAULT);
        CHECK_EQ(value, i);
        CHECK_EQ(write_in(child, at(i), 1), PF);
        CHECK_EQ(write_in(parent, at(i), 1), PF);
    }
    CHECK_EQ(write_in(parent, at(5), 1), PF); /* although it was just written to */
    CHECK_EQ(user_write_in(parent, at(6), 1), PF);
    CHECK_EQ(user_write_in(child, at(6), 1), PF);
    /* What a kernel does about the fault. */
    own[0] = page[5 * 512];
    CHECK_EQ(test_map(HV_SELF, child, at(5), hv_gfn(own), 1, RW), 1);
    CHECK_EQ(hv_protect_range(HV_SELF, parent, at(5), 1, RW), 0);
    CHECK_EQ(write_in(child, at(5), 1000), TEST_NO_FAULT);
    CHECK_EQ(write_in(parent, at(5), 2000), TEST_NO_FAULT);
    CHECK_EQ(own[0], 1000);
    CHECK_EQ(page[5 * 512], 2000);
    /* Without the flag nothing is taken, and the target has it all. */
    CHECK_EQ(hv_space_copy(HV_SELF, parent, child, at(5), 1, 0), 1);
    CHECK_EQ(write_in(child, at(5), 3000), TEST_NO_FAULT);
    CHECK_EQ(page[5 * 512], 3000);
}

/* The space that forks runs: what it could write with a moment ago it cannot when the call returns.
 */
static void check_fork_of_the_loaded(void)
{
    CHECK_EQ(hv_protect_range(HV_SELF, parent, at(20), 3, RW), 0);
    NEED(hv_switch(parent, 0));
    for (uint64_t i = 20; i < 23; i++)
        CHECK_EQ(test_try_write(at(i), i), TEST_NO_FAULT);
    CHECK_EQ(hv_space_copy(HV_SELF, parent, child, at(20), 1, HV_COPY_WRITE_PROTECT), 1);
    CHECK_EQ(test_try_write(at(20), 1), PF);
    CHECK_EQ(test_try_write(at(21), 21), TEST_NO_FAULT);
    CHECK_EQ(hv_space_copy(HV_SELF, parent, child, at(20), 3, HV_COPY_WRITE_PROTECT), 3);
    for (uint64_t i = 20; i < 23; i++)
        CHECK_EQ(test_try_write(at(i), 1), PF);
    NEED(hv_switch(0, 0));
}

/* Accessed and dirty, by kernel and user, in a space that is loaded or is not. */
static void check_query(void)
{
    CHECK_EQ(query(child, at(PAGES), 0), 0);
    CHECK_EQ(query(child, at(10), HV_QUERY_CLEAR) & R, R);
    CHECK_EQ(query(child, at(10), 0), R);
    CHECK_EQ(read_in(child, at(10), NULL), TEST_NO_FAULT);
    CHECK_EQ(query(child, at(10), 0), R | USED);
    CHECK_EQ(write_in(child, at(10), 1), PF);
    CHECK_EQ(query(child, at(10), 0), R | USED);
    CHECK_EQ(hv_protect_range(HV_SELF, child, at(10), 1, RW), 0);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(user_write_in(child, at(10), 1), HV_VECTOR_SYSCALL);
        CHECK_EQ(query(child, at(10), HV_QUERY_CLEAR), RW | DIRTY);
        CHECK_EQ(query(child, at(10), 0), RW);
    }
    /* Loaded, and with the translation at hand. */
    NEED(hv_switch(child, 0));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(test_try_write(at(10), i), TEST_NO_FAULT);
        CHECK_EQ(query(child, at(10), HV_QUERY_CLEAR), RW | DIRTY);
        CHECK_EQ(test_try_read(at(10), NULL), TEST_NO_FAULT);
        CHECK_EQ(query(child, at(10), HV_QUERY_CLEAR), RW | USED);
    }
    NEED(hv_switch(0, 0));
    CHECK_EQ(query(child, TEST_USER_CODE, HV_QUERY_CLEAR) & ~USED, RX);
    CHECK_EQ(query(0, (uint64_t)(uintptr_t)hv_va(hv_gpa(page)), 0), RW | DIRTY);
    CHECK_EQ(query(0, (uint64_t)(uintptr_t)hv_vcpu, 0), RW | DIRTY | HV_QUERY_NOT_RAM);
}

/* Many pages in one call, a byte each and no more. */
static void check_query_range(void)
{
    uint8_t *bytes = test_pages(1);

    memset(bytes, 0xa5, HV_PAGE_SIZE);
    CHECK_EQ(
        hv_space_query(HV_SELF, child, at(PAGES - 1000), HV_MAX_QUERY_PAGES, hv_gpa(bytes + 8), 0),
        0);
    for (uint64_t i = 0; i < HV_MAX_QUERY_PAGES; i++)
        CHECK_EQ(bytes[8 + i] & ~USED, i < 1000 ? R : 0);
    CHECK_EQ(bytes[7], 0xa5);
    CHECK_EQ(bytes[8 + HV_MAX_QUERY_PAGES], 0xa5);
}

void test_main(void)
{
    uint64_t *stack = test_pages(1);

    code = test_pages(1);
    memcpy(code, writes, sizeof writes);
    page = test_pages(PAGES);
    parent = (uint64_t)NEED(hv_space_create(HV_SELF));
    child = (uint64_t)NEED(hv_space_create(HV_SELF));
    NEED(hv_map_range(HV_SELF, parent, at(0), hv_gfn(page), PAGES, RW));
    for (unsigned i = 0; i < 2; i++) {
        NEED(test_map(HV_SELF, i ? child : parent, TEST_USER_CODE, hv_gfn(code), 1, RX));
        NEED(test_map(HV_SELF, i ? child : parent, stack_top - HV_PAGE_SIZE, hv_gfn(stack), 1, RW));
    }
    check_fork();
    check_fork_of_the_loaded();
    check_query();
    check_query_range();
    CHECK_EQ(hv_space_end(HV_SELF, child), 0);
    CHECK_EQ(hv_space_end(HV_SELF, parent), 0);
}

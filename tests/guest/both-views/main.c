/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space has two views, the user's and the kernel's. What is mapped, protected or unmapped is so
 * in both when the call returns, with the pages touched just before in each; the same address in
 * two spaces is two things; write and execute together are refused in the kernel half.
 */
#include "test.h"

#define R  HV_MAP_READ
#define RW (HV_MAP_READ | HV_MAP_WRITE)
#define RX (HV_MAP_READ | HV_MAP_EXEC)
#define PF 14u
#define AT ((uint64_t)0x10000000)

const char test_title[] = "rights are given and taken in both views of a space, at once";

/* mov (%rdi), %rax; syscall / mov %rsi, (%rdi); syscall / call *%rdi; syscall */
static const uint8_t reads[] = { 0x48, 0x8b, 0x07, 0x0f, 0x05 };
static const uint8_t writes[] = { 0x48, 0x89, 0x37, 0x0f, 0x05 };
static const uint8_t calls[] = { 0xff, 0xd7, 0x0f, 0x05 };

static uint64_t space, data_gfn, stack_top = 0x20000000;
static uint8_t *code;
static uint64_t *data;

static uint32_t user(const uint8_t *text, size_t bytes, uint64_t rdi, uint64_t *rax)
{
    struct hv_frame f = {
        .rip = TEST_USER_CODE, .rsp = stack_top, .rflags = 0x202, .rdi = rdi, .rsi = 99
    };

    memcpy(code, text, bytes);
    uint32_t vector = (uint32_t)NEED(test_user_frame(space, &f));

    if (rax)
        *rax = f.rax;
    return vector;
}

static uint32_t kernel(uint32_t (*access)(uint64_t, uint64_t *), uint64_t *value)
{
    NEED(hv_switch(space, 0));
    uint32_t vector = access(AT, value);

    NEED(hv_switch(0, 0));
    return vector;
}

static uint32_t kernel_write(uint64_t address, uint64_t *value)
{
    return test_try_write(address, *value);
}

/* What each view may do now. */
static void expect(bool read, bool write, bool exec)
{
    uint64_t rax = 0, value = 7;

    CHECK_EQ(user(reads, sizeof reads, AT, &rax), read ? HV_VECTOR_SYSCALL : PF);
    CHECK_EQ(kernel(test_try_read, &value), read ? TEST_NO_FAULT : PF);
    if (read)
        CHECK_EQ(rax, value);
    value = 0x00000000000000c3; /* ret */
    CHECK_EQ(user(writes, sizeof writes, AT, NULL), write ? HV_VECTOR_SYSCALL : PF);
    CHECK_EQ(kernel(kernel_write, &value), write ? TEST_NO_FAULT : PF);
    data[0] = 0xc3;
    CHECK_EQ(user(calls, sizeof calls, AT, NULL), exec ? HV_VECTOR_SYSCALL : PF);
}

static void check_rights(void)
{
    expect(false, false, false);
    CHECK_EQ(test_map(HV_SELF, space, AT, data_gfn, 1, RW), 1);
    expect(true, true, false);
    CHECK_EQ(hv_protect_range(HV_SELF, space, AT, 1, R), 0);
    expect(true, false, false);
    CHECK_EQ(hv_protect_range(HV_SELF, space, AT, 1, RX), 0);
    expect(true, false, true);
    CHECK_EQ(hv_protect_range(HV_SELF, space, AT, 1, RW | HV_MAP_EXEC), 0);
    expect(true, true, true);
    CHECK_EQ(hv_protect_range(HV_SELF, space, AT, 1, HV_MAP_WRITE), 0); /* read is implied */
    expect(true, true, false);
    CHECK_EQ(test_unmap(HV_SELF, space, AT, 1), 1);
    expect(false, false, false);
}

/* Replaced in place: the old frame is not seen again. */
static void check_replace(void)
{
    uint64_t *second = test_pages(1), value = 0;

    second[0] = 222;
    data[0] = 111;
    CHECK_EQ(test_map(HV_SELF, space, AT, data_gfn, 1, RW), 1);
    CHECK_EQ(user(reads, sizeof reads, AT, &value), HV_VECTOR_SYSCALL);
    CHECK_EQ(value, 111);
    CHECK_EQ(test_map(HV_SELF, space, AT, hv_gfn(second), 1, R), 1);
    CHECK_EQ(user(reads, sizeof reads, AT, &value), HV_VECTOR_SYSCALL);
    CHECK_EQ(value, 222);
    CHECK_EQ(kernel(test_try_read, &value), TEST_NO_FAULT);
    CHECK_EQ(value, 222);
    CHECK_EQ(user(writes, sizeof writes, AT, NULL), PF);
    CHECK_EQ(test_unmap(HV_SELF, space, AT, 1), 1);
}

/* The space that is not loaded is changed too, and the loaded one not with it. */
static void check_two_spaces(void)
{
    uint64_t other = (uint64_t)NEED(hv_space_create(HV_SELF)), value = 0;
    uint64_t *second = test_pages(1);

    second[0] = 333;
    data[0] = 444;
    CHECK_EQ(test_map(HV_SELF, space, AT, data_gfn, 1, R), 1);
    CHECK_EQ(test_map(HV_SELF, other, AT, hv_gfn(second), 1, R), 1);
    for (unsigned i = 0; i < 4; i++) {
        NEED(hv_switch(i % 2 ? other : space, 0));
        CHECK_EQ(test_try_read(AT, &value), TEST_NO_FAULT);
        CHECK_EQ(value, i % 2 ? 333 : 444);
    }
    NEED(hv_switch(other, 0));
    CHECK_EQ(test_unmap(HV_SELF, space, AT, 1), 1);
    CHECK_EQ(test_try_read(AT, &value), TEST_NO_FAULT);
    NEED(hv_switch(space, 0));
    CHECK_EQ(test_try_read(AT, NULL), PF);
    CHECK_EQ(hv_space_destroy(HV_SELF, space), -HV_EBUSY);
    NEED(hv_switch(0, 0));
    CHECK_EQ(hv_space_end(HV_SELF, other), 0);
    CHECK_EQ(hv_switch(other, 0), -HV_EINVAL);
}

/* Kernel half: never writable and executable, by map or by protect; in the user half it is allowed.
 */
static void check_kernel_wx(void)
{
    uint64_t at = test_addresses(4);

    CHECK_EQ(test_map(HV_SELF, 0, at, data_gfn, 1, RW | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, at, data_gfn, 1, HV_MAP_WRITE | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, at, data_gfn, 1, RW), 1);
    CHECK_EQ(hv_protect_range(HV_SELF, 0, at, 1, RW | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(hv_protect_range(HV_SELF, 0, at, 1, HV_MAP_WRITE | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(test_try_exec(at), PF);
    CHECK_EQ(test_try_write(at, 0xc3), TEST_NO_FAULT);
    CHECK_EQ(hv_protect_range(HV_SELF, 0, at, 1, RX), 0);
    CHECK_EQ(test_try_exec(at), TEST_NO_FAULT);
    CHECK_EQ(test_try_write(at, 1), PF);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, 1), 0);
    CHECK_EQ(test_try_exec(at), PF);
    /* The user half of a space is never executable for the kernel. */
    data[0] = 0xc3;
    CHECK_EQ(test_map(HV_SELF, space, AT, data_gfn, 1, RX), 1);
    NEED(hv_switch(space, 0));
    CHECK_EQ(test_try_exec(AT), PF);
    NEED(hv_switch(0, 0));
    CHECK_EQ(test_unmap(HV_SELF, space, AT, 1), 1);
}

void test_main(void)
{
    uint8_t *stack = test_pages(1);

    code = test_pages(1);
    data = test_pages(1);
    data_gfn = hv_gfn(data);
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, RX));
    NEED(test_map(HV_SELF, space, stack_top - HV_PAGE_SIZE, hv_gfn(stack), 1, RW));
    check_rights();
    check_replace();
    check_two_spaces();
    check_kernel_wx();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

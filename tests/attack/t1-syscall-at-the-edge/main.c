/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T1). SYSRET loads RIP from RCX. On Intel's processors a RCX that is not canonical faults
 * in ring 0, on the guest's stack: whoever may choose it owns the machine. Return paths checked the
 * RIP that a guest sets by a call; what was forgotten is the RIP that SYSCALL itself makes: a
 * SYSCALL in the last two bytes below the canonical hole returns to the first byte of the hole.
 *
 * This guest puts SYSCALL at the last address that it can map, asks for the page behind it in every
 * way, returns to user mode at addresses in the hole and in the hypervisor, by SYSRET and by IRET,
 * and makes a hypercall from the last two bytes of the address space, whose return address wraps to
 * 0. A vulnerable system resets, panics, or runs the guest in ring 0.
 *
 * Not shown here: Intel's fault in ring 0. QEMU faults in ring 3, as AMD does. That no such address
 * gets so far is what the refusals below hold.
 */
#include "nasty.h"
#include "test.h"

#define RX        (HV_MAP_READ | HV_MAP_EXEC)
#define RW        (HV_MAP_READ | HV_MAP_WRITE)
#define PF        14u
#define LAST_PAGE (HV_USER_END - HV_PAGE_SIZE)

const char test_title[] = "no return leads into the canonical hole or the hypervisor";

static const uint64_t holes[] = { NASTY_NONCANONICAL };
static const uint64_t hyp[] = { NASTY_HYP };

static uint64_t space;
static uint8_t *code;

static void enter(uint64_t rip, uint64_t rsp, uint32_t vector, struct hv_frame *f)
{
    *f = (struct hv_frame){ .rip = rip, .rsp = rsp, .rflags = 0x202, .vector = vector };
    CHECK(test_user_frame(space, f) >= 0);
}

static void check_last_mappable_page(void)
{
    struct hv_frame f;

    CHECK_EQ(test_map(HV_SELF, space, LAST_PAGE, hv_gfn(code), 1, RX), 1);
    enter(HV_USER_END - 2, TEST_USER_STACK, HV_VECTOR_EVENT, &f);
    CHECK_EQ(f.vector, HV_VECTOR_SYSCALL);
    CHECK_EQ(f.rip, HV_USER_END);
    for (unsigned i = 0; i < 2; i++) {
        enter(HV_USER_END, TEST_USER_STACK, i ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT, &f);
        CHECK_EQ(f.vector, PF);
        CHECK_EQ(f.cr2, HV_USER_END);
        CHECK_EQ(f.rip, HV_USER_END);
    }
}

static void check_page_behind_it(void)
{
    uint64_t gfn = hv_gfn(code);

    CHECK_EQ(test_map(HV_SELF, space, HV_USER_END, gfn, 1, RX), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, HV_USER_END, gfn, 1, RX), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, space, LAST_PAGE, gfn, 2, RX), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, space, LAST_PAGE, gfn, 0xffffffff, RX), -HV_EINVAL);
    CHECK_EQ(test_unmap(HV_SELF, space, HV_USER_END, 1), -HV_EINVAL);
    CHECK_EQ(test_unmap(HV_SELF, space, LAST_PAGE, 2), -HV_EINVAL);
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        uint64_t page = holes[i] & ~(uint64_t)(HV_PAGE_SIZE - 1);

        CHECK_EQ(test_map(HV_SELF, space, page, gfn, 1, RX), -HV_EINVAL);
        CHECK_EQ(test_map(HV_SELF, 0, page, gfn, 1, RX), -HV_EINVAL);
    }
}

/* Refused, with nothing changed: upcalls are as masked as before, and the legal return works. */
static void check_holes(void)
{
    struct hv_frame f;

    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        for (unsigned by = 0; by < 2; by++) {
            f = (struct hv_frame){ .rip = holes[i], .rsp = TEST_USER_STACK, .rflags = 0x202 };
            f.vector = by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT;
            CHECK_EQ(test_user_frame(space, &f), -HV_EINVAL);
            enter(HV_USER_END - 2, TEST_USER_STACK, f.vector, &f);
            CHECK_EQ(f.vector, HV_VECTOR_SYSCALL);
        }
    }
}

/* A canonical address of the hypervisor is only a page fault of the user. */
static void check_hypervisor(void)
{
    struct hv_frame f;

    for (size_t i = 0; i < sizeof hyp / sizeof *hyp; i++) {
        for (unsigned by = 0; by < 2; by++) {
            enter(hyp[i], TEST_USER_STACK, by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT, &f);
            CHECK_EQ(f.vector, PF);
            CHECK_EQ(f.user, 1);
            CHECK_EQ(f.rip, hyp[i]);
            CHECK_EQ(f.cr2, hyp[i]);
        }
    }
}

/* The stack pointer is the user's own: it is loaded as it is and given back as it was. */
static void check_stacks(void)
{
    struct hv_frame f;

    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        enter(HV_USER_END - 2, holes[i], HV_VECTOR_SYSCALL, &f);
        CHECK_EQ(f.vector, HV_VECTOR_SYSCALL);
        CHECK_EQ(f.rsp, holes[i]);
    }
}

/* Jumps of the user's own: into the hole, and off the end of the last page. */
static void check_jumps(void)
{
    struct hv_frame f;

    code[0] = 0xff; /* jmp *%rdi */
    code[1] = 0xe7;
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        f = (struct hv_frame){ .rip = LAST_PAGE, .rflags = 0x202, .rdi = holes[i] };
        CHECK_EQ(test_user_frame(space, &f), 13);
    }
    f = (struct hv_frame){ .rip = LAST_PAGE, .rflags = 0x202, .rdi = HV_USER_END - 1 };
    code[HV_PAGE_SIZE - 1] = 0x0f; /* an opcode whose second byte is on the page behind */
    CHECK_EQ(test_user_frame(space, &f), PF);
    CHECK_EQ(f.cr2, HV_USER_END);
    code[HV_PAGE_SIZE - 1] = 0x05;
}

/* A hypercall whose return address is 2^64, that is 0: a page fault of this kernel, there. */
static void call_top(void *arg)
{
    __asm__ volatile("call *%0" : : "r"(arg), "a"(HV_NR_version) : "rcx", "r11", "memory");
}

static void check_top_of_memory(void)
{
    uint64_t top = 0 - (uint64_t)HV_PAGE_SIZE;
    struct hv_frame f;

    CHECK_EQ(test_map(HV_SELF, 0, top, hv_gfn(code), 1, RX), 1);
    CHECK_EQ(test_try(call_top, (void *)(uintptr_t)(0 - (uint64_t)2), &f), PF);
    CHECK_EQ(f.rip, 0);
    CHECK_EQ(f.cr2, 0);
    CHECK_EQ(f.user, 0);
    CHECK_EQ(f.rax, HV_ABI_VERSION);
    CHECK_EQ(test_map(HV_SELF, 0, top, hv_gfn(code), 2, RX), -HV_EINVAL);
    CHECK_EQ(test_unmap(HV_SELF, 0, top, 2), -HV_EINVAL);
    CHECK_EQ(test_unmap(HV_SELF, 0, top, 1), 1);
}

void test_main(void)
{
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    code = test_pages(1);
    code[HV_PAGE_SIZE - 2] = 0x0f; /* syscall */
    code[HV_PAGE_SIZE - 1] = 0x05;
    check_last_mappable_page();
    check_page_behind_it();
    check_holes();
    check_hypervisor();
    check_stacks();
    check_jumps();
    check_top_of_memory();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
    CHECK_EQ(hv_version(), HV_ABI_VERSION);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (T4). MOV SS holds debug exceptions back for one instruction. When that one is SYSCALL or
 * INT n, the exception comes at the first instruction of the hypervisor: still on the guest's
 * stack, with the guest's GS, in ring 0. The handler took what it found there for its own.
 *
 * This guest looks for a way to a breakpoint: there is no call for debug registers, and MOV to them
 * is #GP, which leaves it TF and INT1. It puts both before MOV SS, and behind that SYSCALL, INT3,
 * INT1, UD2, a faulting access and a port, in kernel and in user mode, with every RSP between a
 * good one and the hypervisor's own. A vulnerable system runs on a stack of the guest's choice in
 * ring 0. Held here: the guest has its own #DB or the exception of what stands behind, and all
 * registers; no word that it writes is watched.
 *
 * QEMU's processor does not hold the exception back: the one on the first instruction of SYSCALL is
 * not to be shown here. There it arrives on a stack of its own and is ignored (trap_stubs.S).
 */
#include "nasty.h"
#include "test.h"

#define DB 1u
#define BP 3u
#define UD 6u
#define GP 13u
#define PF 14u
#define TF 0x100u

const char test_title[] = "no debug exception behind MOV SS reaches the hypervisor's own code";

static const uint64_t stacks[] = {
    0, 8, 0x1000, ~(uint64_t)7, HV_USER_END, HV_KERNEL_START, NASTY_NONCANONICAL, NASTY_HYP
};
#define STACKS (sizeof stacks / sizeof *stacks)

/* What stands behind MOV SS. It is two bytes, MOV SS too. */
static const struct {
    uint8_t code[8];
    uint32_t bytes;
    uint32_t kernel, user; /* its vector without TF */
} behind[] = {
    { { 0x0f, 0x05 }, 2, TEST_NO_FAULT, HV_VECTOR_SYSCALL }, /* syscall */
    { { 0xcc }, 1, BP, BP },                                 /* int3 */
    { { 0xf1 }, 1, DB, DB },                                 /* int1 */
    { { 0xcd, 0x80 }, 2, GP, GP },                           /* int $0x80 */
    { { 0xcd, 0x01 }, 2, GP, GP },                           /* int $1: not open to ring 3 */
    { { 0x0f, 0x0b }, 2, UD, UD },                           /* ud2 */
    { { 0xf4 }, 1, GP, GP },                                 /* hlt */
    { { 0xe6, 0x80 }, 2, TEST_NO_FAULT, GP },                /* out %al, $0x80: root holds it */
    { { 0x8a, 0x04, 0x25, 16, 0, 0, 0 }, 7, PF, PF },        /* mov 16, %al */
};
#define BEHIND (sizeof behind / sizeof *behind)

/* QEMU takes INT1 for undefined where no debugger listens. */
static uint32_t own_vector(size_t i, uint32_t vector)
{
    return behind[i].kernel == DB && vector == UD ? DB : vector;
}

/* ---- ways to a breakpoint ---- */

#define WRITE_DR(n)                                                                                \
    static void write_dr##n(void *arg)                                                             \
    {                                                                                              \
        __asm__ volatile("mov %0, %%dr" #n : : "r"(arg));                                          \
    }
WRITE_DR(0)
WRITE_DR(1)
WRITE_DR(2)
WRITE_DR(3)
WRITE_DR(6)
WRITE_DR(7)

static volatile uint64_t watched;

static void check_no_breakpoint(void)
{
    static void (*const write[])(void *) = { write_dr0, write_dr1, write_dr2,
                                             write_dr3, write_dr6, write_dr7 };

    for (size_t i = 0; i < sizeof write / sizeof *write; i++)
        CHECK_EQ(test_try(write[i], (void *)(uintptr_t)&watched, NULL), GP);
    CHECK_EQ(test_try(write_dr7, (void *)(uintptr_t)0x90703, NULL), GP);
    CHECK_EQ(test_try_write((uint64_t)(uintptr_t)&watched, 1), TEST_NO_FAULT);
    CHECK_EQ(watched, 1);
}

static uint8_t *code;

static uint32_t selector(void)
{
    uint32_t ss;

    __asm__ volatile("mov %%ss, %0" : "=r"(ss));
    return ss;
}

/* ---- kernel mode ---- */

struct attempt {
    uint64_t at, flags;
};

static void run(void *arg)
{
    const struct attempt *a = arg;
    uint64_t rax = HV_NR_version, rcx = selector(), rdi = a->flags;

    __asm__ volatile("call *%[at]"
                     : "+a"(rax), "+c"(rcx), "+D"(rdi)
                     : [at] "r"(a->at)
                     : "rsi", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    __asm__ volatile("push $0x202; popf" : : : "cc", "memory");
}

/* PUSH RDI; POPF; MOV SS, ECX; what stands behind; RET. MOV SS is the first with TF. */
static void check_kernel(uint64_t at, size_t i, bool step)
{
    struct attempt a = { at, 0x202 | (step ? TF : 0) };
    uint64_t mov_ss = at + 2;
    struct hv_frame f;
    uint32_t vector;

    memset(code, 0xc3, 64);
    memcpy(code, "\x57\x9d\x8e\xd1", 4);
    memcpy(code + 4, behind[i].code, behind[i].bytes);
    vector = test_try(run, &a, &f);
    if (vector == TEST_NO_FAULT) {
        CHECK(!step);
        CHECK_EQ(behind[i].kernel, TEST_NO_FAULT);
        return;
    }
    CHECK_EQ(f.user, 0);
    CHECK(f.rip >= mov_ss + 2 && f.rip <= mov_ss + 2 + behind[i].bytes);
    if (!step || vector != DB)
        CHECK_EQ(own_vector(i, vector), behind[i].kernel);
}

static void check_in_kernel_mode(void)
{
    uint64_t at = test_addresses(1);

    NEED(test_map(HV_SELF, 0, at, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    for (size_t i = 0; i < BEHIND; i++) {
        check_kernel(at, i, false);
        check_kernel(at, i, true);
    }
}

/* ---- user mode ---- */

/* MOV SS, ECX; what stands behind; SYSCALL, should that fall through. */
static uint64_t put(size_t i)
{
    memset(code, 0x90, 64);
    memcpy(code, "\x8e\xd1", 2);
    memcpy(code + 2, behind[i].code, behind[i].bytes);
    memcpy(code + 32, "\x0f\x05", 2);
    return TEST_USER_CODE;
}

static void check_user(uint64_t space, size_t i, uint64_t rsp, bool step)
{
    struct hv_frame f = { .rip = put(i),
                          .rsp = rsp,
                          .rflags = 0x202 | (step ? TF : 0),
                          .rcx = selector(),
                          .rbx = 0x5a5a,
                          .vector = HV_VECTOR_EVENT };
    uint32_t vector = (uint32_t)NEED(test_user_frame(space, &f));

    CHECK_EQ(f.user, 1);
    CHECK_EQ(f.rsp, rsp);
    CHECK_EQ(f.rbx, 0x5a5a);
    if (step && vector == DB) {
        /* Behind MOV SS, or where hardware has it: behind what follows. */
        CHECK(f.rip == TEST_USER_CODE + 2 || f.rip == TEST_USER_CODE + 2 + behind[i].bytes);
        return;
    }
    CHECK_EQ(own_vector(i, vector), behind[i].user);
    CHECK(f.rip >= TEST_USER_CODE + 2 && f.rip <= TEST_USER_CODE + 34);
}

static void check_in_user_mode(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    for (size_t i = 0; i < BEHIND; i++)
        for (size_t s = 0; s < STACKS; s++) {
            check_user(space, i, stacks[s], false);
            check_user(space, i, stacks[s], true);
        }
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

void test_main(void)
{
    code = test_pages(1);
    check_no_breakpoint();
    check_in_kernel_mode();
    check_in_user_mode();
}

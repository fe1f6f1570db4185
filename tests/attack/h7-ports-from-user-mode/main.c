/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (H7). Ring 3 is a guest's kernel and its user programs alike, and the processor's port
 * bitmap knows no difference: a port that a kernel holds is open to its programs, and a routed
 * port's fault from user mode looks like the kernel's. The bitmap's content was checked; forgotten
 * was when it is in force.
 *
 * User programs of root, which holds nearly all ports, read all 65,536 and write some, at every
 * width, by IN, INS, OUT and OUTS; a program in a domain with routed ports does the same; and
 * kernels use what nobody may ever hold. A vulnerable system lets a program program a disk, or
 * shows a device model a request that no kernel made. Held here: #GP, always, and an idle request
 * page; the same access by the kernel works.
 */
#include "test.h"
#include <hv_io.h>

#define GP 13u

const char test_title[] = "no port access of a user program reaches a port or a model";

/* in %dx: al, ax, eax; out; insb; outsb; rep insb; rep outsb; each followed by syscall */
static const uint8_t codes[][5] = {
    { 0xec, 0x0f, 0x05 },       { 0x66, 0xed, 0x0f, 0x05 }, { 0xed, 0x0f, 0x05 },
    { 0xee, 0x0f, 0x05 },       { 0x66, 0xef, 0x0f, 0x05 }, { 0xef, 0x0f, 0x05 },
    { 0x6c, 0x0f, 0x05 },       { 0x6e, 0x0f, 0x05 },       { 0xf3, 0x6c, 0x0f, 0x05 },
    { 0xf3, 0x6e, 0x0f, 0x05 },
};
#define CODES     (sizeof codes / sizeof *codes)
#define FIRST_OUT 3u

static uint64_t space;
static uint8_t *code;

static void make_space(void)
{
    uint8_t *stack = test_pages(1);

    code = test_pages(1);
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(HV_SELF, space, TEST_USER_STACK - HV_PAGE_SIZE, hv_gfn(stack), 1,
                  HV_MAP_READ | HV_MAP_WRITE));
}

static void user_access(size_t c, uint16_t at)
{
    struct hv_frame f = {
        .rip = TEST_USER_CODE, .rsp = TEST_USER_STACK, .rflags = 0x202, .rdx = at, .rcx = 16
    };

    f.rsi = f.rdi = TEST_USER_STACK - 64;
    memcpy(code, codes[c], sizeof codes[c]);
    int64_t vector = test_user_frame(space, &f);

    if (vector != GP || f.rip != TEST_USER_CODE || f.rcx != 16)
        test_failure("code %zu, port %x from user mode: vector %ld", c, at, vector);
}

static void user_accesses(void)
{
    static const uint16_t some[] = { 0x20,  0x21,  0x40,  0x43,   0x60,  0x64,  0x70,  0x80,
                                     0xa0,  0xcf8, 0xcf9, 0xcfc,  0x1f0, 0x1f7, 0x2f8, 0x3f8,
                                     0x3fd, 0xf4,  0x604, 0xb004, 0,     0xffff };

    for (uint32_t at = 0; at < 0x10000; at++)
        user_access(0, (uint16_t)at);
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        for (size_t c = 0; c < CODES; c++)
            user_access(c, some[i]);
    }
}

/* ---- kernels ---- */

static void kernel_in(void *arg)
{
    __asm__ volatile("in %%dx, %%al" : : "d"((uint32_t)(uintptr_t)arg) : "rax");
}

static void kernel_out(void *arg)
{
    __asm__ volatile("out %%al, %%dx" : : "d"((uint32_t)(uintptr_t)arg), "a"(0));
}

static void kernel_in_wide(void *arg)
{
    __asm__ volatile("in %%dx, %%eax" : : "d"((uint32_t)(uintptr_t)arg) : "rax");
}

static void no_access(uint64_t at)
{
    CHECK_EQ(test_try(kernel_in, (void *)(uintptr_t)at, NULL), GP);
    CHECK_EQ(test_try(kernel_out, (void *)(uintptr_t)at, NULL), GP);
}

/* What nobody holds: UART, PICs, PIT, exit device; nor a wide access that reaches into them. */
static void check_reserved(void)
{
    static const struct {
        uint16_t first, count;
    } reserved[] = { { 0x3f8, 8 }, { 0x20, 2 }, { 0xa0, 2 }, { 0x40, 4 },
                     { 0xf4, 4 },  { 0x61, 1 }, { 0x4d0, 2 } };

    CHECK_EQ(test_try(kernel_in, (void *)0x80, NULL), TEST_NO_FAULT);
    CHECK_EQ(test_try(kernel_in_wide, (void *)0xcf8, NULL), TEST_NO_FAULT);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        for (uint64_t n = 0; n < reserved[i].count; n++)
            no_access(reserved[i].first + n);
        CHECK_EQ(test_try(kernel_in_wide, (void *)(uintptr_t)(reserved[i].first - 1), NULL), GP);
    }
}

static void check_assign_reserved(uint64_t child)
{
    static const uint64_t never[] = {
        0x3f8, 0x3ff, 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0xf4, 0xf7
    };

    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0x170, 8), 0);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, never[i], 1), -HV_EPERM);
        CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, never[i] - 1, 3), -HV_EPERM);
    }
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0, 0x10000), -HV_EPERM);
}

/* ---- a domain with routed ports (0x1f0-0x1f7), assigned ones (0x170-0x177), and no others ---- */

static void emulated(void)
{
    uint64_t value = 0;

    make_space();
    user_accesses();
    test_signal(TEST_PARENT, 1, 1); /* from here on requests are the kernel's */
    __asm__ volatile("in %%dx, %%al" : "+a"(value) : "d"(0x1f0));
    CHECK_EQ(value, 0x5a);
    CHECK_EQ(test_try(kernel_in, (void *)0x177, NULL), TEST_NO_FAULT);
    CHECK_EQ(test_try(kernel_in, (void *)0x178, NULL), GP);
    CHECK_EQ(test_try(kernel_in_wide, (void *)0x175, NULL), GP);
    /* A wide access that the route does not hold as a whole is nobody's. */
    CHECK_EQ(test_try(kernel_in_wide, (void *)0x1f5, NULL), GP);
    CHECK_EQ(test_try(kernel_in_wide, (void *)0x1ef, NULL), GP);
    for (uint64_t at = 0; at < 0x10000; at += at >= 0x400 ? 61 : 1) {
        if ((at >= 0x170 && at < 0x178) || (at >= 0x1f0 && at < 0x1f8))
            continue;
        no_access(at);
    }
}

static void check_emulated(void)
{
    uint64_t child = test_build("emulated", 0, NULL),
             port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    volatile struct hv_io_request *r = test_pages(2);
    struct hv_domain_info info = { 0 };

    check_assign_reserved(child);
    CHECK_EQ(hv_io_route(child, 0x1f0, 8, port, hv_gfn(r)), 0);
    NEED(hv_domain_start(child));
    while (r->state != HV_IO_PENDING && info.state != HV_DOMAIN_SHUTDOWN) {
        hv_yield();
        info = test_info(child);
    }
    CHECK_EQ(test_shared(child)[1], 1);
    CHECK_EQ(r->seq, 1);
    CHECK_EQ(test_counters(child).port_traps, 1);
    CHECK_EQ(hv_io_complete(child, 0, 0x5a, 0), 0);
    test_join(child);
}

void test_main(void)
{
    if (test_is("emulated")) {
        emulated();
        return;
    }
    make_space();
    user_accesses();
    check_reserved();
    check_emulated();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (T3). Every gate of the interrupt table can be named by `int n`. The gates that a guest
 * may use were checked with a guest that had set up its handlers; what was forgotten is the guest
 * that has not: the hypervisor went through a null entry point, or took its own interrupt vector
 * (timer, IPI, spurious) for real.
 *
 * This guest runs all 256 `int n`, INT1, INT3, INTO and UD2: as the first instruction of a child
 * that has never set an entry point, each in a child of its own, then in a kernel and in user mode
 * with entry points set. A vulnerable system panics, or believes in an interrupt that never came.
 * Held here: the child dies with a report and its vector, the others are handed the exception.
 */
#include "test.h"

#define GP 13u

const char test_title[] = "software interrupts end a guest without entry points, and only it";

/* Stub n is eight bytes: `int $n; ud2`; then INT1, INT3, INTO, UD2, a load from 0, a jump to 0. */
__asm__(".pushsection .text.stubs, \"ax\", @progbits\n"
        ".balign 8\n"
        ".globl stubs\n"
        "stubs:\n"
        ".set n, 0\n"
        ".rept 256\n"
        ".byte 0xcd, n\n"
        "ud2\n"
        ".balign 8\n"
        ".set n, n + 1\n"
        ".endr\n"
        ".byte 0xf1\n .balign 8\n"
        ".byte 0xcc\n .balign 8\n"
        ".byte 0xce\n .balign 8\n"
        "ud2\n .balign 8\n"
        "mov 0, %al\n .balign 8\n"
        "xor %eax, %eax\n jmp *%rax\n .balign 8\n"
        ".popsection\n");
extern const char stubs[];

enum { INT1 = 256, INT3, INTO, UD2, LOAD, JUMP, STUBS };

static uint64_t stub(unsigned n)
{
    return (uint64_t)(uintptr_t)stubs + (uint64_t)n * 8;
}

/* INT1 is a trap by nature; of the gates, the breakpoint's alone may be open to ring 3. */
static bool vector_fits(unsigned n, uint32_t vector)
{
    static const uint32_t own[] = { [INT1 - INT1] = 1, [INT3 - INT1] = 3,  [INTO - INT1] = 6,
                                    [UD2 - INT1] = 6,  [LOAD - INT1] = 14, [JUMP - INT1] = 14 };

    if (n >= INT1) /* QEMU takes INT1 for undefined where no debugger listens */
        return vector == own[n - INT1] || (n == INT1 && vector == 6);
    return vector == GP || (vector == n && (n == 3 || n == 4));
}

static void check_without_entries(unsigned n)
{
    uint64_t child = test_build("raw", 192, NULL);
    HV_BUFFER(32) struct hv_vcpu_context context = { .rip = stub(n) };
    struct hv_domain_info info;

    NEED(hv_vcpu_set_context(child, 0, hv_gpa(&context)));
    CHECK_EQ(hv_domain_start(child), 0);
    test_wait(child, &info);
    CHECK_EQ(info.state, HV_DOMAIN_KILLED);
    CHECK(strstr(info.report, "entry points") != NULL);
    if (!vector_fits(n, info.vector))
        test_failure("stub %u before entry points: vector %u", n, info.vector);
    test_destroy(child);
}

static void call_stub(void *arg)
{
    ((void (*)(void))arg)();
}

static void check_in_kernel(unsigned n)
{
    struct hv_frame f;
    uint32_t vector = test_try(call_stub, (void *)(uintptr_t)stub(n), &f);

    if (!vector_fits(n, vector))
        test_failure("stub %u in kernel mode: vector %u", n, vector);
    CHECK_EQ(f.user, 0);
    if (vector == GP)
        CHECK_EQ(f.rip, stub(n));
}

static void check_in_user(uint64_t space, unsigned n)
{
    uint64_t first_page = stub(0) & ~(uint64_t)(HV_PAGE_SIZE - 1);
    struct hv_frame f = { .rip = TEST_USER_CODE + stub(n) - first_page,
                          .rsp = TEST_USER_STACK,
                          .rflags = 0x202 };
    uint32_t vector = (uint32_t)NEED(test_user_frame(space, &f));

    if (!vector_fits(n, vector))
        test_failure("stub %u in user mode: vector %u", n, vector);
    CHECK_EQ(f.user, 1);
}

void test_main(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t bystander = test_build("bystander", 0, NULL);

    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(stubs), 2, HV_MAP_READ | HV_MAP_EXEC));
    for (unsigned n = 0; n < STUBS; n++) {
        check_in_kernel(n);
        check_in_user(space, n);
    }
    for (unsigned n = 0; n < STUBS; n++)
        check_without_entries(n);
    CHECK_EQ(test_info(bystander).state, HV_DOMAIN_BUILDING);
    test_destroy(bystander);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T5). At an entry the processor or the hypervisor finds the guest's stack pointer. It was
 * checked where a frame is pushed on it; forgotten were the paths that only pass it on: SYSRET with
 * a stack pointer that is not canonical, IRET with one in the hypervisor, a fault taken while it is
 * garbage.
 *
 * This guest loads every kind of bad RSP, in kernel and in user mode, and then makes a hypercall, a
 * fault on the hot path (#PF) and on the slow one (#UD), sends itself an event, and waits for a
 * timer. Its entry point stores RSP before it uses it. A vulnerable system writes through it or
 * faults in ring 0. Held here: RSP arrives and is saved as it was; a guest whose entry code pushes
 * on it dies of a double fault, alone.
 */
#include "hvlib/clock.h"
#include "internal.h"
#include "nasty.h"
#include "test.h"

const char test_title[] = "a bad stack pointer is the guest's own trouble";

static const uint64_t bad[] = { 0,
                                1,
                                7,
                                0x1000,
                                HV_USER_END,
                                HV_USER_END + 0xfff,
                                HV_FREE_START,
                                ~(uint64_t)0,
                                ~(uint64_t)7,
                                NASTY_NONCANONICAL,
                                NASTY_HYP };
#define BAD (sizeof bad / sizeof *bad)

/* ---- kernel mode, with an entry point that needs no stack ---- */

uint64_t entry_rsp;
char entry_stack[8192] __attribute__((aligned(4096)));
_Noreturn void entered(void);
void stackless_entry(void);

__asm__(".pushsection .text.entry, \"ax\", @progbits\n"
        ".globl stackless_entry\n"
        "stackless_entry:\n"
        "mov %rsp, entry_rsp(%rip)\n"
        "mov $entry_stack + 8192, %rsp\n"
        "call entered\n"
        "ud2\n"
        ".popsection\n");

static struct hv_save_area saved;

void entered(void)
{
    saved = hv_vcpu->save;
    *(volatile uint32_t *)&hv_vcpu->busy = 0;
    test_escape((int64_t)saved.vector);
}

static int64_t undefined(void *arg)
{
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(arg) : "memory");
    return 0;
}

static int64_t page_fault(void *arg)
{
    __asm__ volatile("mov %0, %%rsp; movb $0, 16" : : "r"(arg) : "memory");
    return 0;
}

static uint64_t other_end;

static int64_t send(void *arg)
{
    __asm__ volatile("mov %0, %%rsp; syscall; ud2"
                     :
                     : "r"(arg), "a"(HV_NR_event_send), "D"(other_end)
                     : "rcx", "r11", "memory");
    return 0;
}

static uint64_t deadline;

static int64_t wait_for_timer(void *arg)
{
    __asm__ volatile("mov %0, %%rsp; syscall; 1: pause; jmp 1b"
                     :
                     : "r"(arg), "a"(HV_NR_set_timer), "D"(deadline)
                     : "rcx", "r11", "memory");
    return 0;
}

static uint64_t call_with(uint64_t rsp)
{
    uint64_t result = HV_NR_version;

    __asm__ volatile("mov %%rsp, %%r12; mov %1, %%rsp; syscall; xchg %%rsp, %%r12"
                     : "+a"(result)
                     : "r"(rsp)
                     : "rcx", "r11", "r12", "memory");
    return result;
}

static void expect(int64_t (*fn)(void *), uint64_t rsp, uint32_t vector)
{
    entry_rsp = ~rsp;
    CHECK_EQ(test_escape_call(fn, (void *)(uintptr_t)rsp), vector);
    CHECK_EQ(entry_rsp, rsp);
    CHECK_EQ(saved.rsp, rsp);
    /* Serve and forget what is pending, then take upcalls again. */
    hv_event_poll();
    *(volatile uint32_t *)&hv_vcpu->masked = 0;
}

static void set_stackless_entries(void)
{
    uint64_t at = (uint64_t)(uintptr_t)stackless_entry;
    HV_BUFFER(64) struct hv_entry entry = { at, at, at, (uint64_t)(uintptr_t)hv_vcpu, 0, 0 };

    NEED(hv_set_entry(hv_gpa(&entry)));
}

static void kernel_mode(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));

    other_end =
        (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    set_stackless_entries();
    for (size_t i = 0; i < BAD; i++) {
        CHECK_EQ(call_with(bad[i]), HV_ABI_VERSION);
        expect(undefined, bad[i], 6);
        expect(page_fault, bad[i], 14);
        CHECK_EQ(saved.cr2, 16);
        expect(send, bad[i], HV_VECTOR_EVENT);
        deadline = hv_now() + 100000;
        expect(wait_for_timer, bad[i], HV_VECTOR_EVENT);
    }
    hv_shutdown(0);
}

/* ---- user mode ---- */

static const struct {
    uint32_t vector;
    uint8_t code[8];
} user[] = {
    { HV_VECTOR_SYSCALL, { 0x0f, 0x05 } },
    { 6, { 0x0f, 0x0b } },
    { 14, { 0x8a, 0x04, 0x25, 16, 0, 0, 0 } }, /* mov 16, %al */
};

static void user_mode(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint8_t *code = test_pages(1);

    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    for (size_t i = 0; i < BAD; i++) {
        for (size_t n = 0; n < sizeof user / sizeof *user; n++) {
            for (unsigned by = 0; by < 2; by++) {
                struct hv_frame f = { .rip = TEST_USER_CODE, .rsp = bad[i], .rflags = 0x202 };

                f.vector = by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT;
                memcpy(code, user[n].code, sizeof user[n].code);
                CHECK_EQ(test_user_frame(space, &f), user[n].vector);
                CHECK_EQ(f.rsp, bad[i]);
            }
        }
        /* A push: the processor's own check of the stack, whatever it says, is the user's fault. */
        struct hv_frame f = { .rip = TEST_USER_CODE, .rsp = bad[i], .rflags = 0x202 };

        code[0] = 0x50;
        int64_t vector = test_user_frame(space, &f);

        CHECK(vector == 12 || vector == 13 || vector == 14);
        CHECK_EQ(f.rip, TEST_USER_CODE);
    }
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* ---- guests that fall over it ---- */

static void fall_over(void)
{
    struct hv_frame f = { .rip = 0x400000, .rflags = 0x202, .vector = HV_VECTOR_SYSCALL };

    hv_mask();
    if (test_is("pushes-on-it"))
        undefined((void *)(uintptr_t)bad[test_argument("which", 0)]);
    NEED(hv_set_entries(0, HV_FREE_START)); /* a stack where nothing is mapped */
    NEED(hv_enter_user(&f));
}

static void check_double_faults(void)
{
    char which[16];

    for (size_t i = 0; i < BAD; i += 3) {
        hv_snprintf(which, sizeof which, "which=%lu", i);
        uint64_t child = test_build("pushes-on-it", 192, which);

        CHECK_EQ(hv_domain_start(child), 0);
        test_join_killed(child, "double fault");
    }
    test_join_killed(test_spawn("stack-not-mapped", 192), "double fault");
}

void test_main(void)
{
    if (test_is("kernel-mode"))
        kernel_mode();
    else if (!test_is("root"))
        fall_over();
    user_mode();
    test_join(test_spawn("kernel-mode", 0));
    check_double_faults();
}

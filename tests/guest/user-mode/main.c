/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode: system calls, faults, and events come to the kernel with the user's state, and the
 * state that the kernel gives is what the user runs with.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "user mode enters the kernel with its state, and leaves with it";

#define CODE(name, text)                                                                           \
    extern const char name[], name##_end[];                                                        \
    __asm__(".section .rodata.user, \"a\"\n" #name ":\n" text "\n" #name "_end:\n.previous\n")

#define SIZE(name) ((size_t)(name##_end - name))

CODE(code_syscall, "lea 1(%rdi), %rax; mov $0x22, %edx; mov $0x99, %r15d; syscall; ud2");
CODE(code_fault, "mov $0x1234000, %ebx; mov %rbx, (%rbx); ud2");
CODE(code_kernel, "mov (%rdi), %rax; ud2");
CODE(code_invalid, "push %rdi; pop %rcx; ud2");
CODE(code_privileged, "cli; ud2");
CODE(code_port, "in $0x60, %al; ud2");
CODE(code_breakpoint, "int3; ud2");
CODE(code_divide, "xor %edx, %edx; xor %ecx, %ecx; div %ecx; ud2");
CODE(code_push, "push $1; syscall; ud2");
CODE(code_spin, "1: inc %rax; dec %rdi; jnz 1b; syscall");

static void check_syscall(void)
{
    struct hv_frame f;

    CHECK_EQ(test_user(code_syscall, SIZE(code_syscall), 41, &f), HV_VECTOR_SYSCALL);
    CHECK_EQ(f.rax, 42);
    CHECK_EQ(f.rdi, 41);
    CHECK_EQ(f.rdx, 0x22);
    CHECK_EQ(f.r15, 0x99);
    CHECK_EQ(f.rsp, TEST_USER_STACK);
    CHECK_EQ(f.rip, TEST_USER_CODE + SIZE(code_syscall) - 2);
    CHECK_EQ(f.user, 1);
    CHECK(f.rflags & 0x200);
}

static void check_faults(void)
{
    struct hv_frame f;

    CHECK_EQ(test_user(code_fault, SIZE(code_fault), 0, &f), 14);
    CHECK_EQ(f.cr2, 0x1234000);
    CHECK_EQ(f.error, 6); /* write, user, not present */
    CHECK_EQ(f.rbx, 0x1234000);
    CHECK_EQ(test_user(code_invalid, SIZE(code_invalid), 77, &f), 6);
    CHECK_EQ(f.rcx, 77);
    CHECK_EQ(f.rip, TEST_USER_CODE + SIZE(code_invalid) - 2);
    CHECK_EQ(test_user(code_privileged, SIZE(code_privileged), 0, &f), 13);
    CHECK_EQ(test_user(code_port, SIZE(code_port), 0, &f), 13);
    CHECK_EQ(test_user(code_breakpoint, SIZE(code_breakpoint), 0, &f), 3);
    CHECK_EQ(test_user(code_divide, SIZE(code_divide), 0, &f), 0);
}

/* The kernel half is not there for the user: nor its code, nor its shared page. */
static void check_kernel_half(void)
{
    static uint64_t secret = 5;
    struct hv_frame f;
    const volatile void *kernel[] = { &secret, hv_vcpu, (const void *)(uintptr_t)check_syscall,
                                      hv_va(0) };

    for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++) {
        uint64_t address = (uint64_t)(uintptr_t)kernel[i];

        CHECK_EQ(test_user(code_kernel, SIZE(code_kernel), address, &f), 14);
        CHECK_EQ(f.cr2, address);
        CHECK_EQ(f.error & 4, 4);
    }
}

/* An address that is not canonical, or flags that a user must not have. */
static void check_refused(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    struct hv_frame f = { .rip = (uint64_t)1 << 47, .rsp = TEST_USER_STACK, .rflags = 0x202 };

    CHECK_EQ(test_user_frame(space, &f), -HV_EINVAL);
    f.rip = TEST_USER_CODE;
    f.gs_base = (uint64_t)1 << 63;
    CHECK_EQ(test_user_frame(space, &f), -HV_EINVAL);
    f.gs_base = 0;
    f.rflags = ~(uint64_t)0 & ~(uint64_t)0x100; /* all but single step */
    CHECK_EQ(test_user_frame(space, &f), 14);
    CHECK_EQ(f.rip, TEST_USER_CODE);
    CHECK_EQ(f.rflags & 0x37000, 0); /* IOPL, NT, RF, VM */
    CHECK_EQ(f.rflags & 0x200, 0x200);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* Much longer than the millisecond of the timer. */
#define SPINS 30000000u

static unsigned ticks;

static void on_tick(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    ticks++;
}

/* An event while the user runs is served, and the user goes on as if nothing had been. */
static void check_event(void)
{
    struct hv_frame f;
    uint64_t timer = (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_tick, NULL));

    CHECK_EQ(hv_set_timer(hv_now() + 1000000), 0);
    do {
        CHECK_EQ(test_user(code_spin, SIZE(code_spin), SPINS, &f), HV_VECTOR_SYSCALL);
        CHECK_EQ(f.rax, SPINS);
    } while (!test_virtual_time() && ticks == 0); /* the host's timers may be late */
    CHECK_EQ(ticks, 1);
    CHECK_EQ(hv_event_end(timer), 0);
}

static unsigned served;
static uint64_t pushed;

static void on_first(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    served++;
    pushed = *(volatile uint64_t *)(TEST_USER_STACK - 8);
}

/* One that was pending before is served first: the user has not run an instruction. */
static void check_event_first(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    uint64_t other = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, HV_SELF, port, on_first, NULL));
    bool was = hv_mask();
    struct hv_frame f;

    NEED(hv_event_send(port));
    CHECK_EQ(test_user(code_push, SIZE(code_push), 0, &f), HV_VECTOR_SYSCALL);
    CHECK_EQ(f.rsp, TEST_USER_STACK - 8);
    CHECK_EQ(served, 1);
    CHECK_EQ(pushed, 0);
    hv_restore(was);
    CHECK_EQ(hv_event_end(other), 0);
    CHECK_EQ(hv_event_end(port), 0);
}

void test_main(void)
{
    check_syscall();
    check_faults();
    check_kernel_half();
    check_refused();
    check_event();
    check_event_first();
}

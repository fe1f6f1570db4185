/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upcalls at every instruction: of the interrupted code, of its way back, of the unmasking. Each
 * handler sets the timer a nanosecond later than the one before, so that with one instruction a
 * nanosecond the upcalls sweep over everything in between, the restartable range included. All
 * registers and flags must be as they were, every upcall must come, and the stack must not grow
 * with their number.
 *
 * qemu: icount=1 timeout=60
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "an upcall at any instruction changes nothing that it interrupts";

#define SWEEP 3000u

static uint64_t deepest, upcalls, done;

static void on_timer(uint32_t port, void *arg)
{
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    (void)port;
    (void)arg;
    if (here < deepest)
        deepest = here;
    if (++upcalls == SWEEP)
        done = 1;
    else
        hv_set_timer(hv_now() + upcalls / 3);
}

/* All registers but RSP count together, through carry and zero flag; returns the number of wrong
 * ones when the handler says that it is done. */
static uint64_t count_together(void)
{
    uint64_t wrong;

    __asm__ volatile(
        "push %%rbx; push %%rbp\n\t"
        "xor %%eax, %%eax\n\t"
        "1: add $1, %%rax\n\t"
        "mov %%rax, %%rbx; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi\n\t"
        "mov %%rax, %%rdi; mov %%rax, %%rbp; mov %%rax, %%r8; mov %%rax, %%r9\n\t"
        "mov %%rax, %%r10; mov %%rax, %%r11; mov %%rax, %%r12; mov %%rax, %%r13\n\t"
        "mov %%rax, %%r14; mov %%rax, %%r15\n\t"
        "stc; nop; jnc 2f; clc; nop; jc 2f; cmp %%rax, %%rbx; nop; jne 2f\n\t"
        "cmp %%rax, %%rcx; jne 2f; cmp %%rax, %%rdx; jne 2f; cmp %%rax, %%rsi; jne 2f\n\t"
        "cmp %%rax, %%rdi; jne 2f; cmp %%rax, %%rbp; jne 2f; cmp %%rax, %%r8; jne 2f\n\t"
        "cmp %%rax, %%r9; jne 2f; cmp %%rax, %%r10; jne 2f; cmp %%rax, %%r11; jne 2f\n\t"
        "cmp %%rax, %%r12; jne 2f; cmp %%rax, %%r13; jne 2f; cmp %%rax, %%r14; jne 2f\n\t"
        "cmp %%rax, %%r15; jne 2f\n\t"
        "cmpq $0, %1; je 1b\n\t"
        "xor %%eax, %%eax; jmp 3f\n\t"
        "2: mov $1, %%eax\n\t"
        "3: pop %%rbp; pop %%rbx"
        : "=&a"(wrong)
        : "m"(done)
        : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "memory", "cc");
    return wrong;
}

/* The same sweep over a loop that masks and unmasks. */
static void mask_and_unmask(void)
{
    while (!*(volatile uint64_t *)&done) {
        CHECK(!hv_mask());
        hv_unmask();
    }
}

static void sweep(void)
{
    deepest = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    upcalls = 0;
    done = 0;
    CHECK_EQ(hv_set_timer(hv_now() + 1), 0);
}

void test_main(void)
{
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));
    sweep();
    CHECK_EQ(count_together(), 0);
    CHECK_EQ(upcalls, SWEEP);
    CHECK(here - deepest < 1024);
    sweep();
    mask_and_unmask();
    CHECK_EQ(upcalls, SWEEP);
    CHECK(here - deepest < 1024);
}

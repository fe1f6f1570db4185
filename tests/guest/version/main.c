/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest hypercall, and numbers that are none: each is -HV_ENOSYS, whatever the high bits of
 * the number are, and registers that the interface promises to keep are kept.
 */
#include "test.h"

const char test_title[] = "version answers, unknown numbers are refused, registers are kept";

static void check_unknown(void)
{
    static const uint64_t numbers[] = {
        HV_NR_LIMIT,       HV_NR_LIMIT + 1,   63,          64, 255, 0x7fffffff, 0x80000000,
        (uint64_t)1 << 32, (uint64_t)1 << 63, ~(uint64_t)0
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CHECK_EQ(hv_call0(numbers[i]), -HV_ENOSYS);
}

/* All but RAX, RCX and R11, set to known values around one call. */
static void check_registers(void)
{
    uint64_t wrong = 0;

    __asm__ volatile("push %%rbx; push %%rbp\n\t"
                     "mov $0x1001, %%ebx; mov $0x1002, %%edx; mov $0x1003, %%esi\n\t"
                     "mov $0x1004, %%edi; mov $0x1005, %%r8d; mov $0x1006, %%r9d\n\t"
                     "mov $0x1007, %%r10d; mov $0x1008, %%r12d; mov $0x1009, %%r13d\n\t"
                     "mov $0x100a, %%r14d; mov $0x100b, %%r15d; mov $0x100c, %%ebp\n\t"
                     "xor %%eax, %%eax; syscall\n\t"
                     "sub $0x1001, %%rbx; sub $0x1002, %%rdx; or %%rdx, %%rbx\n\t"
                     "sub $0x1003, %%rsi; or %%rsi, %%rbx; sub $0x1004, %%rdi\n\t"
                     "or %%rdi, %%rbx; sub $0x1005, %%r8; or %%r8, %%rbx\n\t"
                     "sub $0x1006, %%r9; or %%r9, %%rbx; sub $0x1007, %%r10\n\t"
                     "or %%r10, %%rbx; sub $0x1008, %%r12; or %%r12, %%rbx\n\t"
                     "sub $0x1009, %%r13; or %%r13, %%rbx; sub $0x100a, %%r14\n\t"
                     "or %%r14, %%rbx; sub $0x100b, %%r15; or %%r15, %%rbx\n\t"
                     "sub $0x100c, %%rbp; or %%rbp, %%rbx; mov %%rbx, %%rax\n\t"
                     "pop %%rbp; pop %%rbx"
                     : "=a"(wrong)
                     :
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
    CHECK_EQ(wrong, 0);
}

void test_main(void)
{
    CHECK_EQ(hv_version(), HV_ABI_VERSION);
    check_unknown();
    check_registers();
    test_success();
}

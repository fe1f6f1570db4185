/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode under the hypervisor: the C half of entry.S. Owns nothing. Everything here runs with
 * interrupts off on the kernel stack of the user's thread.
 */
#include "arch/user.h"

#include "cpu.h"
#include "printk.h"
#include "pv.h"
#include "thread.h"

#include <hvlib/event.h>
#include <hvlib/trap.h>

#define VECTOR_PAGE_FAULT 14u
#define ERROR_WRITE       2u
#define ERROR_FETCH       16u

void user_event(uint32_t vector, uint32_t error, uint64_t cr2, uint64_t rip)
{
    struct user_fault f = {
        .kind = vector == VECTOR_PAGE_FAULT ? USER_FAULT_PAGE : USER_FAULT_OTHER,
        .vector = vector,
        .write = (error & ERROR_WRITE) != 0,
        .exec = (error & ERROR_FETCH) != 0,
        .address = cr2,
        .rip = rip,
    };

    if (vector != HV_VECTOR_EVENT) {
        process_fault(&f);
        return;
    }
    kernel_enter_user();
    hv_event_poll();
    user_return();
}

void user_refused(int64_t error)
{
    panic("return to user mode refused (%ld)", (long)error);
}

void arch_user_start(uint64_t entry, uint64_t stack)
{
    struct hv_frame frame = {
        .vector = HV_VECTOR_EVENT, .user = 1, .rip = entry, .rsp = stack, .rflags = 0x202
    };

    (void)hv_mask();
    user_refused(hv_enter_user(&frame));
}

void arch_user_set_fs(uint64_t base)
{
    __asm__ volatile("wrfsbase %0" : : "r"(base));
}

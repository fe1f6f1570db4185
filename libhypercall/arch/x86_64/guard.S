/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarded accesses to windows: the instructions of hvlib/guard.h that may meet a revoked grant.
 *
 * Each function is a leaf that leaves the stack alone. hv_trap sends a page fault between
 * hv_guard_start and hv_guard_end to hv_guard_gone, which returns -HV_EDEAD to the caller: RSP is
 * still what it was at the function's entry, and callee-saved registers are untouched.
 */
#include "asm-offsets.h"

    .text
    .globl hv_guard_start, hv_guard_end, hv_guard_gone
    .balign 16
hv_guard_start:

/* int64_t hv_guard_copy(void *to, const void *from, size_t bytes) */
    .globl hv_guard_copy
    .type hv_guard_copy, @function
hv_guard_copy:
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    xor %eax, %eax
    ret
    .size hv_guard_copy, . - hv_guard_copy

/* int64_t hv_guard_fill(void *to, uint8_t value, size_t bytes) */
    .globl hv_guard_fill
    .type hv_guard_fill, @function
hv_guard_fill:
    movzbl %sil, %eax
    mov %rdx, %rcx
    rep stosb
    xor %eax, %eax
    ret
    .size hv_guard_fill, . - hv_guard_fill

/* int64_t hv_guard_read32(const uint32_t *at, uint32_t *value) */
    .globl hv_guard_read32
    .type hv_guard_read32, @function
hv_guard_read32:
    mov (%rdi), %eax
    mov %eax, (%rsi)
    xor %eax, %eax
    ret
    .size hv_guard_read32, . - hv_guard_read32

/* int64_t hv_guard_write32(uint32_t *at, uint32_t value) */
    .globl hv_guard_write32
    .type hv_guard_write32, @function
hv_guard_write32:
    mov %esi, (%rdi)
    xor %eax, %eax
    ret
    .size hv_guard_write32, . - hv_guard_write32
hv_guard_end:

    .type hv_guard_gone, @function
hv_guard_gone:
    mov $-HV_EDEAD, %rax
    ret
    .size hv_guard_gone, . - hv_guard_gone

    .section .note.GNU-stack, "", @progbits

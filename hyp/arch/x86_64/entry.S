/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hot paths between guests and the hypervisor: hypercall, system call and page fault on their way to the guest's
 * kernel, upcall behind a hypercall, return to user mode. Everything else saves all registers and goes to C.
 *
 * Invariants. Interrupts are off from entry to exit. struct cpu is at the top of the pCPU's stack: after SYSCALL RSP is its address. A
 * trap from ring 3 arrives with RSP inside vcpu.regs, because RSP0 points to its end. While RSP holds a vCPU's address
 * or a guest's stack, only NMI, #DB, #DF and #MC can come, and these have stacks of their own.
 * Words of the shared page are the guest's: each is read once, and what is written there is never read back.
 * SFMASK has cleared AC, DF, TF and IF at SYSCALL; trap_stubs.S clears AC and DF for the gates.
 */
#include "arch/asm.h"
#include "asm-offsets.h"

/* Bytes below struct cpu that a hypercall's handler finds: ten saved registers and, inside it, the return address. */
#define SAVED 80

/* A word into the save area that RAX points to; RCX is clobbered. */
#define SAVE(word, field) movq word, %rcx; movq %rcx, SAVE_##field(%rax)
/* The registers of a hypercall's caller from and to what hc_traced knows as struct call_frame; RSP = struct cpu. */
    .macro CALL_SAVE
    pushq CPU_SCRATCH(%rsp)
    pushq %rcx
    pushq %r11
    movq CPU_VCPU + 24(%rsp), %r11
    .irp reg, rdi, rsi, rdx, r10, r8, r9, rax
    pushq %\reg
    .endr
    .endm
    .macro CALL_RESTORE
    addq $8, %rsp
    .irp reg, r9, r8, r10, rdx, rsi, rdi
    popq %\reg
    .endr
    .endm

/* A register into, or the top of the stack into its place in, the vCPU that R11 points to. */
#define STORE(reg) movq %reg, REGS_##reg(%r11);
#define POP(reg) popq REGS_##reg(%r11);
/* And back; or into the save area that RAX points to, by way of RCX. */
#define LOAD(reg) movq REGS_##reg(%r11), %reg;
#define COPY(reg) movq REGS_##reg(%r11), %rcx; movq %rcx, SAVE_##reg(%rax);
/* Into the guest's kernel, at the address in RCX. */
#define KERNEL_RUN movl $RFLAGS_FIXED, %r11d; sysretq

    .text

    /* From here on the pCPU is not in user mode: the save area, RAX, says so, and the guest's ports, which its kernel alone may use,
     * are open. \cpu: struct cpu; RAX and RCX are clobbered. */
    .macro USER_LEAVE cpu
    movl $0, CPU_USER_MODE(\cpu)
    rdgsbase %rcx
    movq %rcx, SAVE_gs_base(%rax)
    movq $0, SAVE_prev_masked(%rax)
    movl $1, PAGE_MASKED(%rax)
    movq CPU_TSS_IOBASE(\cpu), %rcx
    movzwl CPU_IOBASE_KERNEL(\cpu), %eax
    movw %ax, (%rcx)
    .endm

    /* What an upcall's save area says beside the registers, and that it is in use. R11: the vCPU. */
    .macro EVENT page
    incq VCPU_UPCALLS(%r11)
    movl $1, PAGE_MASKED(\page)
    movl $1, PAGE_BUSY(\page)
    movq $HV_VECTOR_EVENT, SAVE_vector(\page) /* and error 0 */
    movq $0, SAVE_prev_masked(\page)
    .endm

    /* The same, if the vCPU may have an upcall. */
    .macro EVENT_UNLESS page, otherwise
    cmpq $0, PAGE_MASKED(\page) /* masked and busy: one word, read once */
    jne \otherwise
    cmpq $0, VCPU_ENTRY_EVENT_KERNEL(%r11)
    je \otherwise
    EVENT \page
    .endm

    /* From user mode into the kernel, at the address in \entry; the vCPU is \base bytes from RSP. */
    .macro KERNEL_ENTER base, entry
    movq \base + VCPU_KERNEL_GS_BASE(%rsp), %rcx
    wrgsbase %rcx
    movq \base + VCPU_ROOT_KERNEL(%rsp), %rcx
    movq %rcx, %cr3
    movq \base + \entry(%rsp), %rcx
    movq \base + VCPU_KERNEL_STACK(%rsp), %rsp
    KERNEL_RUN
    .endm

    /* A word of the save area, RAX, that has to be a canonical address, into the vCPU, R11. */
    .macro TAKE_ADDRESS from, to
    movq \from(%rax), %rcx
    movq %rcx, \to(%r11)
    shlq $16, %rcx
    sarq $16, %rcx
    cmpq %rcx, \to(%r11)
    jne return_to_user_bad
    .endm

    .balign 64
FUNCTION(syscall_entry):
    swapgs
    movq %rsp, %gs:CPU_SCRATCH
    movq %gs:CPU_SELF, %rsp
    swapgs
    cmpl $0, CPU_USER_MODE(%rsp)
    jne syscall_user
    cmpq $HV_NR_RETURN_TO_USER, %rax
    je return_to_user

    CALL_SAVE
    incq VCPU_HYPERCALLS(%r11)
    cmpq $HV_NR_LIMIT, %rax
    jae hypercall_unknown
    /* A mispredicted branch must not use a number beyond the table as an index. */
    sbbq %rcx, %rcx
    andq %rcx, %rax
    movq VCPU_CALLS(%r11), %r11
    movq %r10, %rcx
    call *(%r11, %rax, 8)
hypercall_exit:
    cmpl $0, CPU_WORK + SAVED(%rsp)
    jne hypercall_work
hypercall_return:
    CALL_RESTORE
    popq %r11
    popq %rcx
    popq %rsp
    sysretq
    .size syscall_entry, . - syscall_entry

hypercall_unknown:
    movq VCPU_CALLS(%r11), %r11
    call *8 * HV_NR_LIMIT(%r11)
    jmp hypercall_exit

    /* Something is due. The frequent case, an upcall to the caller itself, stays here. */
    .balign 16
hypercall_work:
    cmpl $CPU_WORK_UPCALL, CPU_WORK + SAVED(%rsp)
    jne hypercall_leave
    lock andl $~CPU_WORK_UPCALL, CPU_WORK + SAVED(%rsp)
    movq CPU_VCPU + SAVED(%rsp), %r11
    movq VCPU_PAGE(%r11), %rcx
    EVENT_UNLESS %rcx, hypercall_return
    movq %rax, SAVE_rax(%rcx)
    CALL_RESTORE
    popq SAVE_rflags(%rcx)
    popq SAVE_rip(%rcx)
    popq %rsp
    movq %rsp, SAVE_rsp(%rcx)
    movq VCPU_ENTRY_EVENT_KERNEL(%r11), %rcx
    KERNEL_RUN

    /* All registers into the vCPU, then C. RCX and R11 are lost by the ABI: they get what SYSCALL put there. */
hypercall_leave:
    movq CPU_VCPU + SAVED(%rsp), %r11
    STORE(rax) STORE(r15) STORE(r14) STORE(r13) STORE(r12) STORE(rbp) STORE(rbx)
    addq $8, %rsp
    POP(r9) POP(r8) POP(r10) POP(rdx) POP(rsi) POP(rdi)
    popq %rax
    movq %rax, REGS_rflags(%r11)
    movq %rax, REGS_r11(%r11)
    popq %rax
    movq %rax, REGS_rip(%r11)
    movq %rax, REGS_rcx(%r11)
    popq REGS_rsp(%r11)
    movq $SEL_GUEST_CODE, REGS_cs(%r11)
    movq $SEL_GUEST_DATA, REGS_ss(%r11)
    jmp leave

    /*
     * SYSCALL in user mode: the guest's kernel takes it. RCX = RIP and R11 = RFLAGS of the user; RSP = struct cpu.
     */
    .balign 64
syscall_user:
    movq %rax, CPU_SCRATCH2(%rsp)
    movq CPU_VCPU(%rsp), %rax
    movq VCPU_PAGE(%rax), %rax
    movq %rcx, SAVE_rip(%rax)
    movq %r11, SAVE_rflags(%rax)
    SAVE(CPU_SCRATCH(%rsp), rsp)
    SAVE(CPU_SCRATCH2(%rsp), rax)
    movq $HV_VECTOR_SYSCALL, SAVE_vector(%rax)
    movl $1, PAGE_BUSY(%rax)
    USER_LEAVE %rsp
    movq CPU_VCPU(%rsp), %rsp
    incq VCPU_SYSCALLS(%rsp)
    KERNEL_ENTER 0, VCPU_ENTRY_SYSCALL

    /*
     * A trap from ring 3: RSP = &vcpu.regs.vector, all registers are the guest's. Page faults go straight to the
     * guest's kernel, unless it cannot take one.
     */
    .balign 64
FUNCTION(entry_from_guest):
    .set BASE, -REGS_vector /* from RSP to the vCPU */
    cmpl $14, (%rsp)
    jne trap_slow
    movq %rax, BASE + REGS_rax(%rsp)
    movq BASE + VCPU_PAGE(%rsp), %rax
    cmpl $0, PAGE_BUSY(%rax)
    jne trap_slow_rax
    cmpq $0, BASE + VCPU_ENTRY_EVENT_KERNEL(%rsp)
    je trap_slow_rax
    incq BASE + VCPU_FAULTS(%rsp)
    movq %rcx, SAVE_rcx(%rax)
    movq %r11, SAVE_r11(%rax)
    SAVE(BASE + REGS_rax(%rsp), rax)
    SAVE(BASE + REGS_rip(%rsp), rip)
    SAVE(BASE + REGS_rflags(%rsp), rflags)
    SAVE(BASE + REGS_rsp(%rsp), rsp)
    SAVE(%cr2, cr2)
    movl $14, SAVE_vector(%rax)
    movl BASE + REGS_error(%rsp), %ecx
    movl %ecx, SAVE_error(%rax)
    movl $1, PAGE_BUSY(%rax)
    movq BASE + VCPU_CPU(%rsp), %r11
    cmpl $0, CPU_USER_MODE(%r11)
    jne page_fault_user

    movl PAGE_MASKED(%rax), %ecx
    movq %rcx, SAVE_prev_masked(%rax)
    movl $1, PAGE_MASKED(%rax)
    xorl %eax, %eax /* nothing of ours in a guest's registers */
    movq BASE + VCPU_ENTRY_EVENT_KERNEL(%rsp), %rcx
    movq BASE + REGS_rsp(%rsp), %rsp
    KERNEL_RUN

page_fault_user:
    USER_LEAVE %r11
    KERNEL_ENTER BASE, VCPU_ENTRY_EVENT_USER
    .size entry_from_guest, . - entry_from_guest

trap_slow_rax:
    movq BASE + REGS_rax(%rsp), %rax
FUNCTION(trap_slow):
    .irp reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
    pushq %\reg
    .endr
    movq %rsp, %rdi
    movq VCPU_CPU(%rsp), %rsp
    xorl %ebp, %ebp
    call trap_from_guest
    /* RSP = struct cpu. Whatever vCPU was loaded, its registers are in its struct. */
leave:
    movq %rsp, %rdi
    xorl %ebp, %ebp
    call vcpu_leave
    movq %rax, %rsp
    /* RSP = struct regs: all of it is loaded. */
FUNCTION(regs_load):
    .irp reg, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
    popq %\reg
    .endr
    addq $16, %rsp
    iretq
    .size trap_slow, . - trap_slow

    /*
     * The timer's interrupt of a guest: RSP = &vcpu.regs.r11, the registers up to there are saved. What follows as a rule,
     * an upcall to the very kernel that ran, stays here; the others get the registers that C has kept saved as well.
     */
    .balign 64
FUNCTION(timer_from_guest):
    movq VCPU_CPU - REGS_r11(%rsp), %rsp
    call irq_timer
    movq CPU_VCPU(%rsp), %r11
    incq VCPU_INTERRUPTS(%r11)
    movq VCPU_PAGE(%r11), %rax
    cmpl $CPU_WORK_UPCALL, CPU_WORK(%rsp)
    jne timer_leave
    cmpl $0, CPU_USER_MODE(%rsp)
    jne timer_leave
    lock andl $~CPU_WORK_UPCALL, CPU_WORK(%rsp)
    EVENT_UNLESS %rax, timer_leave
    COPY(rip) COPY(rflags) COPY(rsp) COPY(rax) COPY(rcx) COPY(r11)
    movq %rcx, %rax /* nothing of ours in a guest's registers */
    LOAD(r10) LOAD(r9) LOAD(r8) LOAD(rdx) LOAD(rsi) LOAD(rdi) LOAD(rsp)
    movq VCPU_ENTRY_EVENT_KERNEL(%r11), %rcx
    KERNEL_RUN

timer_leave:
    STORE(r15) STORE(r14) STORE(r13) STORE(r12) STORE(rbp) STORE(rbx)
    jmp leave

    /* _Noreturn void arch_run(struct cpu *c): forget this stack, run guests. */
FUNCTION(arch_run):
    movq %rdi, %rsp
    jmp leave
    .size arch_run, . - arch_run

    /*
     * hypercall return_to_user: RSP = struct cpu, RCX = caller's RIP, R11 = its RFLAGS, RDI..R15 are already the user's.
     */
    .balign 64
return_to_user:
    movq %rcx, CPU_SCRATCH2(%rsp)
    movq %r11, CPU_SCRATCH3(%rsp)
    movq CPU_VCPU(%rsp), %r11
    movq VCPU_PAGE(%r11), %rax
    incq VCPU_HYPERCALLS(%r11)
    cmpl $0, VCPU_RETURN_FAST(%r11)
    je return_to_user_slow
return_to_user_checked:
    TAKE_ADDRESS SAVE_rip, REGS_rip
    TAKE_ADDRESS SAVE_gs_base, VCPU_GS_BASE
    movq SAVE_rflags(%rax), %rcx
    andl $RFLAGS_USER_MASK, %ecx
    orl $RFLAGS_FIXED, %ecx
    movq %rcx, REGS_rflags(%r11)
    movq SAVE_rsp(%rax), %rcx
    movq %rcx, REGS_rsp(%r11)
    movq $0, PAGE_MASKED(%rax) /* masked and busy */
    mfence                     /* then look: a sender sets pending, then reads masked */
    movq PAGE_PENDING_SEL(%rax), %rcx
    orq PAGE_PENDING_SEL + 8(%rax), %rcx
    jnz return_to_user_event
    movl $1, CPU_USER_MODE(%rsp)
    movq CPU_TSS_IOBASE(%rsp), %rcx
    movw $TSS_IOMAP_CLOSED, (%rcx)
    movq VCPU_ROOT_USER(%r11), %rcx
    movq %rcx, %cr3
    movq VCPU_GS_BASE(%r11), %rcx
    wrgsbase %rcx
    cmpl $HV_VECTOR_SYSCALL, SAVE_vector(%rax)
    jne return_to_user_iret
    movq SAVE_rax(%rax), %rax
    movq REGS_rip(%r11), %rcx
    movq REGS_rsp(%r11), %rsp
    movq REGS_rflags(%r11), %r11
    sysretq

return_to_user_iret:
    movq $SEL_GUEST_CODE, REGS_cs(%r11)
    movq $SEL_GUEST_DATA, REGS_ss(%r11)
    leaq REGS_rip(%r11), %rsp
    movq SAVE_rcx(%rax), %rcx
    movq SAVE_r11(%rax), %r11
    movq SAVE_rax(%rax), %rax
    iretq

    /* An event is pending: it interrupts the user before the first instruction. The save area holds the user's state already; the
     * words that were checked are written again, so that they are the ones that count. */
return_to_user_event:
    cmpl $HV_VECTOR_SYSCALL, SAVE_vector(%rax)
    jne 1f
    /* Behind a system call RCX and R11 are the user's RIP and RFLAGS. */
    SAVE(REGS_rip(%r11), rcx)
    SAVE(REGS_rflags(%r11), r11)
1:
    SAVE(REGS_rip(%r11), rip)
    SAVE(REGS_rflags(%r11), rflags)
    EVENT %rax
    xorl %eax, %eax
    movq VCPU_ENTRY_EVENT_USER(%r11), %rcx
    movq VCPU_KERNEL_STACK(%r11), %rsp
    KERNEL_RUN

    /* No entry points are set, or the caller is traced: then its own number as the result means that it waits. */
return_to_user_slow:
    cmpq $0, VCPU_ENTRY_SYSCALL(%r11)
    je return_to_user_bad
    movl $HV_NR_RETURN_TO_USER, %eax
    movq CPU_SCRATCH2(%rsp), %rcx
    movq CPU_SCRATCH3(%rsp), %r11
    CALL_SAVE
    movq VCPU_CALLS(%r11), %r11
    call *8 * HV_NR_RETURN_TO_USER(%r11)
    testq %rax, %rax
    jnz hypercall_leave
    CALL_RESTORE
    addq $24, %rsp
    movq CPU_VCPU(%rsp), %r11
    movq VCPU_PAGE(%r11), %rax
    jmp return_to_user_checked

    /* Nothing has changed: the caller goes on behind the call with -HV_EINVAL, all other registers kept. */
return_to_user_bad:
    movq $-HV_EINVAL, %rax
    movq CPU_SCRATCH2(%rsp), %rcx
    movq CPU_SCRATCH3(%rsp), %r11
    movq CPU_SCRATCH(%rsp), %rsp
    sysretq

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * The state of every kind of entry, word by word: what the save area holds, what is in the
 * registers, which flags are set. An entry point of its own stores all of it before anything else.
 */
#include "hvlib/clock.h"
#include "internal.h"
#include "test.h"

const char test_title[] = "each entry saves and loads exactly what the interface says";

#define RSP_WORD     ((uint64_t)0x7ffdeadbe000)
#define KERNEL_GS    ((uint64_t)0x00007eee00001000)
#define KERNEL_STACK HV_FREE_START /* where nothing is mapped: only passed on */

/* ---- the entry points ---- */

struct entry_state {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rsp, rflags, gs_base, fs_base, point;
};
struct entry_state at_entry;
uint64_t shared_page;
char entry_stack[8192] __attribute__((aligned(4096)));
_Noreturn void entered(void);
void point_syscall(void);
void point_user(void);
void point_kernel(void);

__asm__(".pushsection .text.entry, \"ax\", @progbits\n"
        ".globl point_syscall, point_user, point_kernel\n"
        "point_syscall: movq $1, at_entry + 152(%rip); jmp store\n"
        "point_user: movq $2, at_entry + 152(%rip); jmp store\n"
        "point_kernel: movq $3, at_entry + 152(%rip)\n"
        "store:\n"
        ".set n, 0\n"
        ".irp reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rsp\n"
        "mov %\\reg, at_entry + n(%rip)\n"
        ".set n, n + 8\n"
        ".endr\n"
        "mov $entry_stack + 8192, %rsp\n"
        "pushf; pop %rax; mov %rax, at_entry + 128(%rip)\n"
        "rdgsbase %rax; mov %rax, at_entry + 136(%rip)\n"
        "rdfsbase %rax; mov %rax, at_entry + 144(%rip)\n"
        "mov shared_page(%rip), %rax; wrgsbase %rax\n" /* C finds it by GS */
        "call entered\n"
        ".popsection\n");

static struct hv_vcpu_page seen;

void entered(void)
{
    memcpy(&seen, hv_vcpu, 1024);
    *(volatile uint32_t *)&hv_vcpu->busy = 0;
    test_escape(hv_vcpu->save.vector);
}

/* ---- the interrupted: all registers set to known values, in user mode or in the kernel ---- */

#define SET_REGISTERS                                                                              \
    "mov $0x101, %eax; mov $0x102, %ebx; mov $0x103, %ecx; mov $0x104, %edx\n"                     \
    "mov $0x105, %esi; mov $0x106, %edi; mov $0x107, %ebp; mov $0x108, %r8d\n"                     \
    "mov $0x109, %r9d; mov $0x10a, %r10d; mov $0x10b, %r11d; mov $0x10c, %r12d\n"                  \
    "mov $0x10d, %r13d; mov $0x10e, %r14d; mov $0x10f, %r15d\n"
#define SET_FLAGS "push $0x8d7; popf\n" /* all six status flags and AC off, DF off */

extern const char user_code[], user_syscall[], user_fault[], user_ud2[], user_spin[];
__asm__(".pushsection .rodata.user, \"a\", @progbits\n"
        "user_code:\n"
        "user_syscall:\n" SET_REGISTERS SET_FLAGS "syscall\n"
        "user_fault:\n" SET_REGISTERS SET_FLAGS "mov %al, 0x123456\n"
        "user_ud2:\n" SET_REGISTERS SET_FLAGS "ud2\n"
        "user_spin:\n" SET_REGISTERS SET_FLAGS "1: jmp 1b\n"
        ".popsection\n");

static uint64_t space;

static int64_t enter(void *arg)
{
    __asm__ volatile("wrfsbase %0" : : "r"((uint64_t)0x5555000));
    return hv_enter_user(arg);
}

static void run_user(const char *code, uint32_t return_vector)
{
    struct hv_frame f = { .rip = TEST_USER_CODE + (uint64_t)(code - user_code),
                          .rsp = TEST_USER_STACK,
                          .rflags = 0x202,
                          .gs_base = 0x6666000,
                          .vector = return_vector };

    hv_mask();
    test_escape_call(enter, &f);
}

/* RAX, RCX and R11 hold no meaning at an entry; all others pass through. */
static void check_passed_through(void)
{
    const uint64_t *r = &at_entry.rax;

    for (unsigned i = 0; i < 15; i++) {
        if (i != 0 && i != 2 && i != 10)
            CHECK_EQ(r[i], 0x101 + i);
    }
    CHECK_EQ(at_entry.fs_base, 0x5555000);
    CHECK_EQ(at_entry.rflags, 0x202);
}

static void check_user_entry(const char *code, uint32_t vector, uint64_t point)
{
    const struct hv_save_area *s = &seen.save;

    check_passed_through();
    CHECK_EQ(at_entry.point, point);
    CHECK_EQ(at_entry.rsp, KERNEL_STACK);
    CHECK_EQ(at_entry.gs_base, KERNEL_GS);
    CHECK_EQ(seen.masked, 1);
    CHECK_EQ(seen.busy, 1);
    CHECK_EQ(s->vector, vector);
    CHECK_EQ(s->prev_masked, 0);
    CHECK_EQ(s->rsp, TEST_USER_STACK);
    CHECK_EQ(s->rax, 0x101);
    CHECK_EQ(s->rflags & 0xcff & ~(uint64_t)0x10, 0x8d7 & 0xcff & ~0x10u);
    CHECK_EQ(s->rflags & 0x200, 0x200);
    CHECK_EQ(s->gs_base, 0x6666000);
    CHECK(s->rip >= TEST_USER_CODE + (uint64_t)(code - user_code));
    if (vector != HV_VECTOR_SYSCALL) {
        CHECK_EQ(s->rcx, 0x103);
        CHECK_EQ(s->r11, 0x10b);
    }
}

static void check_user(uint32_t return_vector)
{
    run_user(user_syscall, return_vector);
    check_user_entry(user_syscall, HV_VECTOR_SYSCALL, 1);
    CHECK_EQ(seen.save.rip, TEST_USER_CODE + (uint64_t)(user_fault - user_code));
    run_user(user_fault, return_vector);
    check_user_entry(user_fault, 14, 2);
    CHECK_EQ(seen.save.cr2, 0x123456);
    CHECK_EQ(seen.save.error, 6);
    run_user(user_ud2, return_vector);
    check_user_entry(user_ud2, 6, 2);
    CHECK_EQ(seen.save.error, 0);
    CHECK_EQ(seen.save.rip, TEST_USER_CODE + (uint64_t)(user_spin - user_code) - 2);
    NEED(hv_set_timer(hv_now() + 300000));
    run_user(user_spin, return_vector);
    if (seen.save.rip == TEST_USER_CODE + (uint64_t)(user_spin - user_code)) {
        hv_event_poll(); /* the timer was first: once more, later */
        NEED(hv_set_timer(hv_now() + 50000000));
        run_user(user_spin, return_vector);
    }
    check_user_entry(user_spin, HV_VECTOR_EVENT, 2);
    hv_event_poll();
}

/* ---- from the kernel: RSP and GS base are left alone, the mask is remembered ---- */

static int64_t kernel_ud2(void *arg)
{
    (void)arg;
    __asm__ volatile("mov %0, %%rsp\n" : : "r"(RSP_WORD));
    __asm__ volatile(SET_REGISTERS "ud2");
    return 0;
}

static int64_t kernel_fault(void *arg)
{
    (void)arg;
    __asm__ volatile("mov %0, %%rsp\n" : : "r"(RSP_WORD));
    __asm__ volatile(SET_REGISTERS "mov %al, 0x123456");
    return 0;
}

static void check_kernel(bool masked)
{
    for (unsigned i = 0; i < 2; i++) {
        __asm__ volatile("wrfsbase %0; wrgsbase %1"
                         :
                         : "r"((uint64_t)0x5555000), "r"((uint64_t)0x7777000));
        *(volatile uint32_t *)(uintptr_t)shared_page = masked;
        CHECK_EQ(test_escape_call(i ? kernel_fault : kernel_ud2, NULL), i ? 14 : 6);
        check_passed_through();
        CHECK_EQ(at_entry.point, 3);
        CHECK_EQ(at_entry.rsp, RSP_WORD);
        CHECK_EQ(at_entry.gs_base, 0x7777000);
        CHECK_EQ(seen.save.rsp, RSP_WORD);
        CHECK_EQ(seen.save.rax, 0x101);
        CHECK_EQ(seen.save.rcx, 0x103);
        CHECK_EQ(seen.save.r11, 0x10b);
        CHECK_EQ(seen.save.prev_masked, masked);
        CHECK_EQ(seen.save.error, i ? 6 : 0);
        CHECK_EQ(seen.masked, 1);
        CHECK_EQ(seen.busy, 1);
    }
}

/* An event that is pending when user mode is entered comes first, with the user's state untouched.
 */
static void check_event_on_return(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    uint64_t other =
        (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_domain_id(), port, 0));

    for (unsigned by = 0; by < 2; by++) {
        hv_mask();
        NEED(hv_event_send(other));
        run_user(user_ud2, by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT);
        CHECK_EQ(seen.save.vector, HV_VECTOR_EVENT);
        CHECK_EQ(at_entry.point, 2);
        CHECK_EQ(at_entry.rsp, KERNEL_STACK);
        CHECK_EQ(seen.save.rip, TEST_USER_CODE + (uint64_t)(user_ud2 - user_code));
        CHECK_EQ(seen.save.rsp, TEST_USER_STACK);
        CHECK_EQ(seen.save.gs_base, 0x6666000);
        CHECK_EQ(seen.save.prev_masked, 0);
        CHECK_EQ(seen.masked, 1);
        hv_event_poll();
    }
}

static void be_child(void)
{
    HV_BUFFER(64)
    struct hv_entry entry = { .syscall = (uint64_t)(uintptr_t)point_syscall,
                              .event_user = (uint64_t)(uintptr_t)point_user,
                              .event_kernel = (uint64_t)(uintptr_t)point_kernel,
                              .kernel_gs_base = KERNEL_GS };
    char *code = test_pages(2);

    shared_page = (uint64_t)(uintptr_t)hv_this_page();
    NEED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0));
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    memcpy(code, user_code, HV_PAGE_SIZE);
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(HV_SELF, space, TEST_USER_STACK - HV_PAGE_SIZE, hv_gfn(code) + 1, 1,
                  HV_MAP_READ | HV_MAP_WRITE));
    NEED(hv_set_entry(hv_gpa(&entry)));
    hv_use_page(shared_page); /* it has loaded the other base at once */
    NEED(hv_switch(space, KERNEL_STACK));
    check_user(HV_VECTOR_EVENT);
    check_user(HV_VECTOR_SYSCALL);
    check_kernel(false);
    check_kernel(true);
    check_event_on_return();
    hv_shutdown(0);
}

void test_main(void)
{
    if (test_is("child"))
        be_child();
    test_join(test_spawn("child", 0));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults in the kernel: with every register kept, inside handlers of faults and of events, and
 * masking as it was before; what a handler changes in the frame is what goes on.
 */
#include "test.h"

const char test_title[] = "faults nest, keep all registers, and leave masking alone";

static uint64_t hole;
static unsigned faults, depth, deepest;

/* Step over `mov (%rdi), %rax` (3 bytes), giving it a value. */
static void skip(struct hv_frame *f)
{
    faults++;
    CHECK_EQ(f->cr2, hole);
    CHECK(hv_mask());
    f->rip += 3;
    f->rax = 0x600d;
}

static uint64_t read_hole(void)
{
    uint64_t value;

    __asm__ volatile("mov (%%rdi), %%rax" : "=a"(value) : "D"(hole) : "memory");
    return value;
}

static void check_skip(void)
{
    hv_set_fault_handler(14, skip);
    CHECK_EQ(read_hole(), 0x600d);
    CHECK_EQ(faults, 1);
    CHECK(!hv_mask()); /* it was unmasked before, and is again */
    CHECK_EQ(read_hole(), 0x600d);
    CHECK(hv_mask());
    hv_unmask();
}

/* Each fault's handler faults again, one level deeper. */
static void dive(struct hv_frame *f)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    CHECK_EQ(f->prev_masked, depth > 1);
    if (depth < 10)
        CHECK_EQ(read_hole(), 100 - depth - 1);
    f->rip += 3;
    f->rax = 100 - depth;
    depth--;
}

static void check_nesting(void)
{
    hv_set_fault_handler(14, dive);
    CHECK_EQ(read_hole(), 99);
    CHECK_EQ(deepest, 10);
    CHECK_EQ(depth, 0);
    CHECK(!hv_mask());
    hv_unmask();
}

/* All registers, flags included, through a fault. */
static void check_registers(void)
{
    uint64_t wrong = 0;

    hv_set_fault_handler(14, skip);
    __asm__ volatile(
        "push %%rbx; push %%rbp\n\t"
        "mov $0x101, %%ebx; mov $0x102, %%ecx; mov $0x103, %%edx; mov $0x104, %%esi\n\t"
        "mov $0x105, %%ebp; mov $0x106, %%r8d; mov $0x107, %%r9d; mov $0x108, %%r10d\n\t"
        "mov $0x109, %%r11d; mov $0x10a, %%r12d; mov $0x10b, %%r13d; mov $0x10c, %%r14d\n\t"
        "mov $0x10d, %%r15d; stc; std\n\t"
        "mov (%%rdi), %%rax\n\t"
        "pushf; cld; popq %%rdi; not %%rdi; and $0x401, %%edi\n\t"
        "sub $0x600d, %%rax; or %%rax, %%rdi; sub $0x101, %%rbx; or %%rbx, %%rdi\n\t"
        "sub $0x102, %%rcx; or %%rcx, %%rdi; sub $0x103, %%rdx; or %%rdx, %%rdi\n\t"
        "sub $0x104, %%rsi; or %%rsi, %%rdi; sub $0x105, %%rbp; or %%rbp, %%rdi\n\t"
        "sub $0x106, %%r8; or %%r8, %%rdi; sub $0x107, %%r9; or %%r9, %%rdi\n\t"
        "sub $0x108, %%r10; or %%r10, %%rdi; sub $0x109, %%r11; or %%r11, %%rdi\n\t"
        "sub $0x10a, %%r12; or %%r12, %%rdi; sub $0x10b, %%r13; or %%r13, %%rdi\n\t"
        "sub $0x10c, %%r14; or %%r14, %%rdi; sub $0x10d, %%r15; or %%r15, %%rdi\n\t"
        "pop %%rbp; pop %%rbx"
        : "=D"(wrong)
        : "D"(hole)
        : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "memory", "cc");
    CHECK_EQ(wrong, 0);
}

static unsigned events;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    events++;
    CHECK_EQ(read_hole(), 0x600d);
    CHECK(hv_mask());
}

/* A fault inside an event handler returns masked, and the event's return unmasks. */
static void check_in_handler(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
    uint64_t other = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, 0, port, NULL, NULL));

    faults = 0;
    for (unsigned i = 1; i <= 10; i++) {
        CHECK_EQ(hv_event_send(other), 0);
        CHECK_EQ(events, i);
        CHECK_EQ(faults, i);
    }
    CHECK(!hv_mask());
    hv_unmask();
}

static void count_fault(struct hv_frame *f)
{
    f->rip += 2;
    faults++;
}

/* An invalid instruction, for a fault without an error code. */
static void check_invalid(void)
{
    hv_fault_fn old = hv_set_fault_handler(6, count_fault);

    faults = 0;
    __asm__ volatile("ud2");
    CHECK_EQ(faults, 1);
    hv_set_fault_handler(6, old);
    hv_set_fault_handler(14, old);
    CHECK_EQ(test_try_read(hole, NULL), 14);
}

void test_main(void)
{
    hole = test_addresses(1);
    check_skip();
    check_nesting();
    check_registers();
    check_in_handler();
    check_invalid();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (T10). A guest whose fault handler faults makes the hypervisor deliver a fault into a
 * fault. The first level was checked; what was forgotten is that it never ends: the hypervisor
 * loops with interrupts off, recurses on its own stack, or overwrites the one save area for ever
 * and starves everybody.
 *
 * These guests fault at the entry point itself, at an entry point that is not mapped, on the entry
 * stack, while handling an upcall, in user mode, with the shared page unmapped under them, and by
 * setting `busy` themselves. A vulnerable system hangs. Held here: a fault with `busy` set ends the
 * domain with a report that names it; a fault with `masked` alone is delivered; two bystanders go
 * on counting throughout.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "a guest that faults in its own entry path is ended, alone";

#define RW (HV_MAP_READ | HV_MAP_WRITE)

void ud2_entry(void);
void pushing_entry(void);
void reading_entry(void);

__asm__(".pushsection .text.entry, \"ax\", @progbits\n"
        ".globl ud2_entry, pushing_entry, reading_entry\n"
        "ud2_entry: ud2\n"
        "pushing_entry: xor %esp, %esp; push %rax\n"
        "reading_entry: mov 16, %rax\n"
        "jmp reading_entry\n"
        ".popsection\n");

static void set_points(uint64_t at)
{
    HV_BUFFER(64)
    struct hv_entry entry = { at, at, at, (uint64_t)(uintptr_t)hv_vcpu, HV_FREE_START, 0 };

    NEED(hv_set_entry(hv_gpa(&entry)));
}

static void fault(void)
{
    __asm__ volatile("ud2");
}

static void page_fault(void)
{
    volatile uintptr_t nowhere = 16; /* a constant address is an error to some compilers */

    *(volatile char *)nowhere = 0;
}

static void to_user(void)
{
    struct hv_frame f = { .rip = 0x400000, .rflags = 0x202 };

    hv_mask();
    hv_enter_user(&f);
}

/* An upcall whose entry faults. */
static void upcall(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));

    hv_event_send(
        (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_domain_id(), port, 0)));
}

static void unmap_shared(void)
{
    NEED(test_unmap(HV_SELF, 0, (uint64_t)(uintptr_t)hv_vcpu, 1));
    fault();
}

static void set_busy(void)
{
    *(volatile uint32_t *)&hv_vcpu->busy = 1;
    fault();
}

static void set_busy_page_fault(void)
{
    *(volatile uint32_t *)&hv_vcpu->busy = 0xffffffff;
    page_fault();
}

static const struct {
    const char *role;
    void (*entry)(void); /* NULL: the library's; 1: an address where nothing is mapped */
    void (*then)(void);
} victims[] = {
    { "ud2-ud2", ud2_entry, fault },
    { "ud2-pf", ud2_entry, page_fault },
    { "ud2-user", ud2_entry, to_user },
    { "ud2-upcall", ud2_entry, upcall },
    { "push-ud2", pushing_entry, fault },
    { "push-user", pushing_entry, to_user },
    { "push-upcall", pushing_entry, upcall },
    { "read-pf", reading_entry, page_fault },
    { "read-user", reading_entry, to_user },
    { "unmapped-ud2", (void (*)(void))(uintptr_t)HV_FREE_START, fault },
    { "unmapped-pf", (void (*)(void))(uintptr_t)HV_FREE_START, page_fault },
    { "unmapped-user", (void (*)(void))(uintptr_t)HV_FREE_START, to_user },
    { "unmapped-upcall", (void (*)(void))(uintptr_t)HV_FREE_START, upcall },
    { "no-shared-page", NULL, unmap_shared },
    { "busy-ud2", NULL, set_busy },
    { "busy-pf", NULL, set_busy_page_fault },
};

static void fall(void)
{
    for (size_t i = 0; i < sizeof victims / sizeof *victims; i++) {
        if (!test_is(victims[i].role))
            continue;
        if (victims[i].entry)
            set_points((uint64_t)(uintptr_t)victims[i].entry);
        victims[i].then();
        test_failure("%s lived on", test_role());
    }
}

static void count(void)
{
    for (;;)
        ++test_shared(TEST_PARENT)[32];
}

static void check_counts(uint64_t bystander)
{
    const volatile uint64_t *word = &test_shared(bystander)[32];
    uint64_t before = *word;

    while (*word == before)
        hv_yield();
    CHECK_EQ(test_info(bystander).state, HV_DOMAIN_RUNNING);
}

/* `masked` alone: delivered, with the mask as it was. */
static void check_masked_fault(void)
{
    struct hv_frame f;

    hv_mask();
    CHECK_EQ(test_try((void (*)(void *))page_fault, NULL, &f), 14);
    CHECK_EQ(f.prev_masked, 1);
    CHECK_EQ(*(volatile uint32_t *)&hv_vcpu->masked, 1);
    hv_unmask();
    CHECK_EQ(test_try((void (*)(void *))page_fault, NULL, &f), 14);
    CHECK_EQ(f.prev_masked, 0);
}

static unsigned calls, ticks;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    ++*(unsigned *)arg;
}

/* `busy` alone, with an event to come: it waits, at a hypercall's exit and at an interrupt's, as
 * the save area is still somebody's. */
static void check_busy_event(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, &calls));
    uint64_t other =
        (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_event, &ticks));
    *(volatile uint32_t *)&hv_vcpu->busy = 1;
    NEED(hv_event_send(other));
    CHECK_EQ(calls, 0);
    NEED(hv_set_timer(hv_now() + 100000));
    for (uint64_t end = hv_now() + 3000000; hv_now() < end;)
        hv_relax();
    CHECK_EQ(hv_yield(), 0);
    CHECK_EQ(calls + ticks, 0);
    hv_mask();
    *(volatile uint32_t *)&hv_vcpu->busy = 0;
    hv_unmask();
    CHECK_EQ(calls, 1);
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; *(volatile unsigned *)&ticks == 0;)
        CHECK(hv_now() < end); /* the machine's timer may be late */
    CHECK_EQ(ticks, 1);
}

void test_main(void)
{
    if (test_is("counts"))
        count();
    if (!test_is("root")) {
        fall();
        return;
    }
    check_masked_fault();
    check_busy_event();
    uint64_t a = test_spawn("counts", 192), b = test_spawn("counts", 192);

    for (size_t i = 0; i < sizeof victims / sizeof *victims; i++) {
        test_join_killed(test_spawn(victims[i].role, 192), "double fault");
        check_counts(a);
        check_counts(b);
    }
    test_destroy(a);
    test_destroy(b);
}

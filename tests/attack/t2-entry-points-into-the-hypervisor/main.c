/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T2). Entry points, bases and stacks that a guest registers are loaded by the hypervisor
 * later, where a fault is its own: WRGSBASE of a non-canonical base, SYSRET to a non-canonical
 * entry point, both in ring 0. The call that everybody uses was checked; the second way to set the
 * same word (start context of another vCPU, the word that is set with the address space) was
 * forgotten.
 *
 * This guest gives every address of three kinds (not canonical, the hypervisor's, for entry points
 * also the user half) in every word of set_entry, switch and vcpu_set_context, for itself and for a
 * child. A vulnerable system takes one, and dies at the next entry. Each refusal must leave what
 * was set before at work.
 */
#include "nasty.h"
#include "test.h"

const char test_title[] = "entry points, bases and stacks are the guest's own or refused";

static const uint64_t bad[] = { NASTY_NONCANONICAL, NASTY_HYP };
static const uint64_t user_half[] = { 0,           1,
                                      0x400000,    HV_USER_END - 1,
                                      HV_USER_END, HV_USER_END + 0xfff };
static const uint64_t good_words[] = {
    0, 8, 0x400000, HV_USER_END, HV_USER_END + 0xfff, HV_KERNEL_START, HV_KERNEL_IMAGE, ~(uint64_t)0
};

static char stack[8192] __attribute__((aligned(4096)));
static uint64_t port, other;
static unsigned calls;

static void on_event(uint32_t p, void *arg)
{
    (void)p;
    (void)arg;
    calls++;
}

/* The entry points that count are still the library's: an upcall and a fault arrive. */
static void still_works(void)
{
    unsigned before = calls;

    CHECK_EQ(hv_event_send(other), 0);
    CHECK_EQ(calls, before + 1);
    CHECK_EQ(test_try_read(HV_FREE_START, NULL), 14);
}

static struct hv_entry good_entry(void)
{
    return (struct hv_entry){
        .syscall = (uint64_t)(uintptr_t)hv_entry_syscall,
        .event_user = (uint64_t)(uintptr_t)hv_entry_user,
        .event_kernel = (uint64_t)(uintptr_t)hv_entry_kernel,
        .kernel_gs_base = (uint64_t)(uintptr_t)hv_vcpu,
        .kernel_stack = (uint64_t)(uintptr_t)stack + sizeof stack,
    };
}

static int64_t set_entry_word(unsigned word, uint64_t value)
{
    HV_BUFFER(64) struct hv_entry entry = good_entry();
    uint64_t page = entry.kernel_gs_base;
    int64_t result;

    ((uint64_t *)&entry)[word] = value;
    result = hv_set_entry(hv_gpa(&entry));
    hv_use_page(page); /* which the library finds by GS */
    return result;
}

static void check_set_entry(void)
{
    enum { FIRST_POINT = 0, LAST_POINT = 2, GS_BASE = 3, STACK = 4, RSVD = 5 };

    CHECK_EQ(set_entry_word(RSVD, 0), 0);
    still_works();
    for (unsigned word = FIRST_POINT; word <= STACK; word++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            CHECK_EQ(set_entry_word(word, bad[i]), -HV_EINVAL);
            still_works();
        }
    }
    for (unsigned word = FIRST_POINT; word <= LAST_POINT; word++) {
        for (size_t i = 0; i < sizeof user_half / sizeof *user_half; i++)
            CHECK_EQ(set_entry_word(word, user_half[i]), -HV_EINVAL);
    }
    for (unsigned bit = 0; bit < 64; bit++)
        CHECK_EQ(set_entry_word(RSVD, (uint64_t)1 << bit), -HV_EINVAL);
    still_works();
    for (size_t i = 0; i < sizeof good_words / sizeof *good_words; i++) {
        CHECK_EQ(set_entry_word(GS_BASE, good_words[i]), 0);
        CHECK_EQ(set_entry_word(STACK, good_words[i]), 0);
        still_works();
    }
    CHECK_EQ(set_entry_word(RSVD, 0), 0);
}

static void check_switch(void)
{
    static const uint64_t no_space[] = {
        1, 2, HV_MAX_SPACES - 1, HV_MAX_SPACES, HV_MAX_SPACES + 1, NASTY_LARGE
    };
    uint64_t top = (uint64_t)(uintptr_t)stack + sizeof stack;

    CHECK_EQ(hv_switch(0, top), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(hv_switch(0, bad[i]), -HV_EINVAL);
    for (size_t i = 0; i < sizeof no_space / sizeof *no_space; i++)
        CHECK_EQ(hv_switch(no_space[i], top), -HV_EINVAL);
    for (size_t i = 0; i < sizeof good_words / sizeof *good_words; i++)
        CHECK_EQ(hv_switch(0, good_words[i]), 0);
    CHECK_EQ(hv_switch(0, top), 0);
    still_works();
}

/* The word that is in force is the last good one: an entry from user mode lands on it. */
static void check_stack_in_force(void)
{
    static const uint8_t code[] = { 0x0f, 0x05 };
    struct hv_frame f;

    CHECK_EQ(test_user(code, sizeof code, 0, &f), HV_VECTOR_SYSCALL);
    CHECK_EQ(f.user, 1);
}

static int64_t set_context(uint64_t dom, uint64_t vcpu, uint64_t rip, uint64_t rsp)
{
    HV_BUFFER(32)
    struct hv_vcpu_context c = { .rip = rip, .rsp = rsp, .rdi = ~(uint64_t)0, .rsi = bad[0] };

    return hv_vcpu_set_context(dom, vcpu, hv_gpa(&c));
}

static void check_context(void)
{
    static const uint64_t no_vcpu[] = { 1, 2, HV_MAX_VCPUS - 1, HV_MAX_VCPUS, NASTY_LARGE };
    uint64_t child = test_build("idle", 0, NULL);

    CHECK_EQ(set_context(child, 0, HV_KERNEL_IMAGE, 0), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(set_context(child, 0, bad[i], 0), -HV_EINVAL);
        CHECK_EQ(set_context(child, 0, HV_KERNEL_IMAGE, bad[i]), -HV_EINVAL);
    }
    for (size_t i = 0; i < sizeof user_half / sizeof *user_half; i++)
        CHECK_EQ(set_context(child, 0, user_half[i], 0), -HV_EINVAL);
    for (size_t i = 0; i < sizeof good_words / sizeof *good_words; i++)
        CHECK_EQ(set_context(child, 0, HV_KERNEL_IMAGE, good_words[i]), 0);
    for (size_t i = 0; i < sizeof no_vcpu / sizeof *no_vcpu; i++)
        CHECK_EQ(set_context(child, no_vcpu[i], HV_KERNEL_IMAGE, 0), -HV_EINVAL);
    CHECK_EQ(set_context(HV_SELF, 0, HV_KERNEL_IMAGE, 0), -HV_EBUSY);
    /* What was refused last has not become the context: the child starts at the image's base, which
     * is not mapped, and dies of that. */
    CHECK_EQ(hv_domain_start(child), 0);
    int64_t late = set_context(child, 0, HV_KERNEL_IMAGE, 0);

    CHECK(late == -HV_EBUSY || late == -HV_EDEAD); /* it may have run already */
    test_join_killed(child, "entry points");
}

void test_main(void)
{
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
    other = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));
    check_set_entry();
    check_switch();
    check_stack_in_force();
    check_context();
    still_works();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (H6). A vCPU's shared page is registered by the guest in other hypervisors: at an odd
 * offset, twice, over the page of another vCPU; the address was checked, alignment and owner
 * forgotten. Here the pages are the hypervisor's own, at fixed frame numbers: there is no call that
 * places one. What is left is the page's content, which the guest may write at any time, and the
 * hypervisor writes too.
 *
 * These guests name shared pages of other vCPUs, map theirs twice and elsewhere, unmap it, and fill
 * each word of it with hostile values before hypercalls, events, timers, faults, blocks and the way
 * to user mode. A vulnerable system trusts a word: it jumps, indexes, loops, or divides by it. Held
 * here: the guest hurts itself alone (it loses events or dies with a report), and nobody else.
 */
#include "hvlib/clock.h"
#include "internal.h"
#include "nasty.h"
#include "test.h"

#define R  HV_MAP_READ
#define RW (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "whatever is in a shared page, it hurts its own guest alone";

static const uint64_t values[] = { 0,
                                   1,
                                   2,
                                   0xff,
                                   0x0101010101010101,
                                   0x5555555555555555,
                                   NASTY_LARGE,
                                   NASTY_HYP,
                                   NASTY_NONCANONICAL };
#define VALUES (sizeof values / sizeof *values)
#define WORDS  (HV_PAGE_SIZE / 8)

/* ---- places ---- */

static void check_places(void)
{
    uint64_t address = test_addresses(2), space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t child = test_build("idle", 192, NULL);

    /* The legal form: once more in the kernel half, by any of its own addresses. */
    CHECK_EQ(test_map(HV_SELF, 0, address, HV_GFN_SHARED, 1, RW), 1);
    CHECK_EQ(((volatile struct hv_vcpu_page *)(uintptr_t)address)->masked, 0);
    CHECK_EQ(test_map(HV_SELF, 0, address + HV_PAGE_SIZE, HV_GFN_SHARED, 1, R), 1);
    CHECK_EQ(test_try_write(address + HV_PAGE_SIZE, 0), 14);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 2), 2);
    for (uint64_t offset = 1; offset < HV_PAGE_SIZE; offset <<= 1)
        CHECK_EQ(test_map(HV_SELF, 0, address | offset, HV_GFN_SHARED, 1, RW), -HV_EINVAL);
    for (uint64_t n = 1; n < 2 * HV_MAX_VCPUS; n++) {
        CHECK_EQ(test_map(HV_SELF, 0, address, HV_GFN_SHARED + n, 1, RW), -HV_EINVAL);
        CHECK_EQ(test_map(child, 0, address, HV_GFN_SHARED + n, 1, RW), -HV_EINVAL);
    }
    for (size_t i = 0; i < VALUES; i++) {
        if (values[i] != 0)
            CHECK(test_map(HV_SELF, 0, address, HV_GFN_SHARED + values[i], 1, RW) < 0);
    }
    CHECK(test_map(HV_SELF, space, 0x400000, HV_GFN_SHARED, 1, RW) < 0);
    CHECK_EQ(hv_grant_create(HV_SELF, child, HV_GFN_SHARED, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_grant_create(child, 0, HV_GFN_SHARED, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_give_back(HV_SELF, HV_GFN_SHARED, 1), -HV_EINVAL);
    CHECK_EQ(hv_domain_copy(child, HV_GFN_SHARED << HV_PAGE_SHIFT, hv_gpa(&address), 8, 0),
             -HV_EFAULT);
    CHECK_EQ(hv_io_route(child, 0x300, 1, 1, HV_GFN_SHARED), -HV_EINVAL);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
    test_destroy(child);
}

/* ---- content ---- */

static uint64_t port, other;

/* Leaves what would only tell hyp to end the guest: `busy` with a fault to deliver. */
static void restore(void)
{
    volatile uint64_t *page = (volatile uint64_t *)hv_vcpu;

    for (unsigned i = 0; i < WORDS; i++)
        page[i] = 0;
    ((volatile struct hv_vcpu_page *)page)->masked = 1;
}

static int64_t to_user(void *arg)
{
    hv_enter_user(arg);
    return 0;
}

/* Everything that looks at the page, with `value` in word `word` (~0: in all words). */
static void provoke(unsigned word, uint64_t value)
{
    volatile uint64_t *page = (volatile uint64_t *)hv_vcpu;

    for (unsigned i = 0; i < WORDS; i++) {
        if (word == ~0u || i == word)
            page[i] = value;
    }
    CHECK_EQ(hv_version(), HV_ABI_VERSION);
    CHECK_EQ(hv_event_send(other), 0);
    CHECK_EQ(hv_yield(), 0);
    CHECK_EQ(hv_set_timer(1), 0);
    CHECK_EQ(hv_set_timer(0), 0);
    CHECK_EQ(hv_event_set_priority(HV_SELF, port, word & 1), 0);
    CHECK_EQ(hv_event_send(other), 0);
}

/* With upcalls masked by the library's stack in mind: word 0 is masked and busy, so not it. */
static void scribble(void)
{
    struct hv_frame user = { .rip = 0x400000, .rflags = 0x202 };

    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    other = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_domain_id(), port, 0));
    NEED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0));
    hv_mask();
    for (unsigned word = 1; word < WORDS; word++) {
        for (size_t i = 0; i < VALUES; i++)
            provoke(word, values[i]);
        restore();
        if (word % 32 == 0)
            CHECK_EQ(test_user_frame(0, &user), 14);
        user = (struct hv_frame){ .rip = 0x400000, .rflags = 0x202 };
        restore();
    }
    /* All words but the first: upcalls stay masked, and pending says that everything is. */
    for (size_t i = 0; i < VALUES; i++) {
        volatile uint64_t *page = (volatile uint64_t *)hv_vcpu;

        for (unsigned w = 1; w < WORDS; w++)
            page[w] = values[i];
        CHECK_EQ(hv_yield(), 0);
        CHECK_EQ(hv_event_send(other), 0);
        CHECK_EQ(hv_version(), HV_ABI_VERSION);
    }
    restore();
    (void)to_user;
}

/* All of it, flags included. What happens to this guest is its own affair: it says goodbye if it
 * can. */
static void suicide(void)
{
    volatile uint64_t *page = (volatile uint64_t *)hv_vcpu;
    uint64_t value = values[test_argument("which", 0)];

    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    other = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_domain_id(), port, 0));
    for (unsigned i = 0; i < WORDS; i++)
        page[i] = value;
    hv_event_send(other);
    hv_yield();
    for (unsigned i = 0; i < WORDS; i++)
        page[i] = value;
    hv_block();
    hv_set_timer(1);
    *(volatile uint8_t *)(uintptr_t)16 = 0;
    hv_shutdown(0);
}

static void count(void)
{
    for (;;)
        ++test_shared(TEST_PARENT)[32];
}

/* Ends each suicide, however it went on: dead, blocked for ever, or done. */
static void check_suicides(void)
{
    uint64_t bystander = test_spawn("counts", 192);
    const volatile uint64_t *word = &test_shared(bystander)[32];
    char which[16];

    for (size_t i = 0; i < VALUES; i++) {
        hv_snprintf(which, sizeof which, "which=%lu", i);
        uint64_t child = test_build("suicide", 192, which), before = *word;

        NEED(hv_domain_start(child));
        uint64_t start = hv_now();

        while (*word == before || hv_now() < start + 5000000) {
            CHECK(hv_now() < start + TEST_PATIENCE_NS);
            hv_yield();
        }
        test_destroy(child);
    }
    CHECK_EQ(test_info(bystander).state, HV_DOMAIN_RUNNING);
    test_destroy(bystander);
}

void test_main(void)
{
    if (test_is("scribbles"))
        scribble();
    if (test_is("suicide"))
        suicide();
    if (test_is("counts"))
        count();
    if (!test_is("root"))
        return;
    check_places();
    test_join(test_spawn("scribbles", 0));
    check_suicides();
}

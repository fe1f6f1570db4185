/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=3 timeout=60
 *
 * Threat (G4; XSA-73). Each operation on a grant needs the books of two domains. Two domains that
 * do it in both directions at the same time have them locked in opposite orders, and wait for each
 * other for ever; or a processor that waits for the other's TLB holds what that one wants before it
 * flushes.
 *
 * Two domains of two vCPUs each, on several processors, lend each other pages, map and copy what
 * the other lends, touch it, and end or revoke their own, without waiting for what the other does.
 * Held here: each of them gets through its rounds, every answer is one of those that there can be,
 * and both pages are their owners' at the end.
 */
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define STACK  16384u
#define ROUNDS 40u
#define VCPUS  2u

const char test_title[] = "two domains at each other's grants do not stop each other";

/* The page that root lends to both: for each side and vCPU what is on offer, and rounds done. */
struct offer {
    uint64_t ref, rounds;
};
static volatile struct offer *offers; /* [side][vCPU] */

static uint64_t side, peer, port;
static char stack[STACK] __attribute__((aligned(4096)));
static volatile uint32_t ready;

struct work {
    uint64_t window, address;
    uint8_t *lent[2], *local; /* one of the two is always on offer */
    uint64_t mapped, copied, revoked, ended;
    struct hv_grant_map map __attribute__((aligned(64)));
    struct hv_grant_copy copy __attribute__((aligned(64)));
    uint64_t list __attribute__((aligned(64)));
};
static struct work works[VCPUS] __attribute__((aligned(4096)));

/* What the other lends, as long as it lends it. */
static void use(struct work *w, uint64_t ref, uint32_t n)
{
    w->map = (struct hv_grant_map){ peer, ref, w->window, (uint32_t)port, RW, 1, w->address };
    w->copy = (struct hv_grant_copy){ peer, ref,
                                      64,   hv_gpa(w->local) + 64,
                                      64,   n % 2 ? HV_GRANT_COPY_TO_PEER : 0 };
    w->list = w->window;
    int64_t result = hv_grant_map(HV_SELF, hv_gpa(&w->map), 1);

    CHECK(result == 1 || result == -HV_EINVAL);
    if (result == 1) {
        w->mapped++;
        (void)hv_guard_write32((uint32_t *)(uintptr_t)w->address, n);
    }
    for (unsigned i = 0; i < 2; i++) {
        int64_t copied = hv_grant_copy(hv_gpa(&w->copy), 1);

        CHECK(copied == 1 || copied == -HV_EINVAL || copied == -HV_EFAULT);
        w->copied += copied == 1;
        /* Then into the window through which it has mapped the same. */
        w->copy.gpa = w->window << HV_PAGE_SHIFT;
    }
    if (result == 1) {
        CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&w->list), 1), 1);
        CHECK_EQ(hv_guard_write32((uint32_t *)(uintptr_t)w->address, n), -HV_EDEAD);
    }
}

/* Its own comes to an end, whatever the other does with it. */
static void end(struct work *w, uint64_t ref, uint8_t *lent, uint32_t n)
{
    uint64_t *words = (uint64_t *)(void *)lent;
    int64_t result = hv_grant_end(HV_SELF, ref, n % 3 == 0);

    if (result == -HV_EBUSY) {
        CHECK(n % 3 != 0);
        result = hv_grant_end(HV_SELF, ref, 1);
        w->revoked++;
    }
    CHECK_EQ(result, 0);
    w->ended++;
    for (unsigned i = 0; i < HV_PAGE_SIZE / 8; i++)
        words[i] = 0x4444;
    for (unsigned i = 0; i < HV_PAGE_SIZE / 8; i++)
        CHECK_EQ(words[i], 0x4444);
}

static void fight(void *arg)
{
    uint64_t v = (uint64_t)(uintptr_t)arg;
    volatile struct offer *mine = &offers[side * VCPUS + v], *his = &offers[!side * VCPUS + v];
    struct work *w = &works[v];
    uint64_t ref[2] = { 0, 0 };

    /* Until both are through: the other is not to have it easier at the end. */
    for (uint32_t n = 0; n < ROUNDS || his->rounds < ROUNDS; n++) {
        unsigned i = n % 2;

        ref[i] = (uint64_t)NEED(hv_grant_give(peer, w->lent[i], 1, RW));
        mine->ref = ref[i];
        use(w, his->ref, n);
        if (n > 0)
            end(w, ref[!i], w->lent[!i], n);
        ref[!i] = 0;
        mine->rounds = n + 1;
        hv_yield();
    }
    for (unsigned i = 0; i < 2; i++) {
        if (ref[i] != 0)
            end(w, ref[i], w->lent[i], 0);
    }
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
}

static void be_side(uint64_t which)
{
    const volatile uint64_t *shared = test_shared(TEST_PARENT);
    void *page;

    side = which;
    test_await(TEST_PARENT, 0, 1);
    peer = shared[1];
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    NEED(hv_window_map(hv_start_parent(), shared[2], 1, (uint32_t)port, RW, &page));
    offers = page;
    for (unsigned v = 0; v < VCPUS; v++) {
        works[v].window = test_windows(1);
        works[v].address = test_addresses(1);
        works[v].lent[0] = test_pages(1);
        works[v].lent[1] = test_pages(1);
        works[v].local = test_pages(1);
    }
    CHECK_EQ(hv_vcpu_start(1, fight, (void *)1, stack, STACK), 0);
    fight(NULL);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < VCPUS)
        hv_yield();
    for (unsigned v = 0; v < VCPUS; v++)
        hv_printf("vCPU %u: %lu mapped, %lu copied, %lu ended, %lu of them revoked\n", v,
                  works[v].mapped, works[v].copied, works[v].ended, works[v].revoked);
}

void test_main(void)
{
    uint64_t child[2], refs[2];
    void *page;

    if (test_is("a") || test_is("b")) {
        be_side(test_is("b"));
        return;
    }
    page = test_pages(1);
    test_options = (struct test_options){ .vcpus = VCPUS };
    child[0] = test_spawn("a", 0);
    child[1] = test_spawn("b", 0);
    for (unsigned i = 0; i < 2; i++) {
        refs[i] = (uint64_t)NEED(hv_grant_create(HV_SELF, child[i], hv_gfn(page), 1, RW));
        test_shared(child[i])[1] = child[!i];
        test_shared(child[i])[2] = refs[i];
    }
    for (unsigned i = 0; i < 2; i++)
        test_signal(child[i], 0, 1);
    /* What hangs is ended by the runner; a busy machine takes its time. */
    for (unsigned i = 0; i < 2; i++) {
        while (test_info(child[i]).state == HV_DOMAIN_RUNNING)
            hv_delay(1000000);
    }
    for (unsigned i = 0; i < 2; i++) {
        test_join(child[i]);
        CHECK_EQ(hv_grant_end(HV_SELF, refs[i], 0), 0);
    }
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60 again=2
 *
 * Threat (H5). Arguments lie in memory that somebody else can write: the check reads a word, the
 * use reads it again, and between the two it has changed. Or the call itself writes it: an answer
 * goes to where the question is read from, to the page that is asked about, to the one that is just
 * being pinned.
 *
 * A second domain flips every word of this guest's runs, in a page that both can write, between a
 * good value and a hostile one, as fast as it can; the guest calls with them. A second vCPU does
 * the same with the arguments of every kind of call that takes a structure or a batch. On one
 * processor the change falls between calls, on two (this test is run both ways) into them. Held
 * here: each call acts on one of the values of each word, wholly, and no third outcome exists:
 * where one of those that it took was hostile it is refused. The rest asks calls to write over
 * their own arguments, which needs no second processor. A vulnerable system maps what was not
 * checked.
 */
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define DEVICE 0x10u
#define CALLS  20000u /* or more: until both outcomes were seen */
#define AT     2048u  /* of the runs in the shared page */

const char test_title[] = "a call acts on its arguments as they were once, whoever changes them";

/* ---- the one that flips ---- */

/* Word n of a run: address, GFN, count and rights. */
static void be_flipper(void)
{
    volatile uint64_t *run = test_shared(TEST_PARENT) + AT / 8, *good = run + 8, *bad = run + 16;

    test_signal(TEST_PARENT, 1, 1);
    for (uint64_t n = 0; test_shared(TEST_PARENT)[0] == 0; n++) {
        run[n % 3] = bad[n % 3];
        if (n % 64 == 63)
            hv_yield();
        run[n % 3] = good[n % 3];
        test_shared(TEST_PARENT)[32] = n;
        if (n % 5 == 0)
            hv_yield();
    }
}

static void set(volatile uint64_t *at, uint64_t address, uint64_t gfn, uint64_t count_rights)
{
    at[0] = address;
    at[1] = gfn;
    at[2] = count_rights;
}

static void check_flipped(void)
{
    uint64_t flipper = test_spawn("flipper", 192), address = test_addresses(3), other = address;
    volatile uint64_t *run = test_shared(flipper) + AT / 8, *good = run + 8, *bad = run + 16;
    uint64_t gpa = hv_gpa(test_shared(flipper)) + AT, refused = 0, mapped = 0;
    uint8_t *frame = test_pages(1);

    address += HV_PAGE_SIZE;
    frame[0] = 0x77;
    set(good, address, hv_gfn(frame), (uint64_t)R << 32 | 1);
    /* A hypervisor's address, no frame, all of memory with all rights. */
    set(bad, 0xffff820000000000, HV_GFN_WINDOW - 1, ~(uint64_t)0);
    set(run, good[0], good[1], good[2]);
    test_await(flipper, 1, 1);
    /* The host may let the two of them run by turns, and the other one stand at the good value. */
    for (uint64_t i = 0; i < CALLS || mapped == 0 || refused == 0; i++) {
        int64_t result = hv_map(HV_SELF, 0, gpa, 1);
        uint64_t value = 0;

        if (result == -HV_EINVAL) {
            refused++;
            CHECK_EQ(test_try_read(address, NULL), 14);
        } else {
            CHECK_EQ(result, 1);
            mapped++;
            CHECK_EQ(test_try_read(address, &value), TEST_NO_FAULT);
            CHECK_EQ(value & 0xff, 0x77);
            CHECK_EQ(test_try_write(address, 0), 14);
            CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
        }
        if (i % 97 == 0) {
            CHECK_EQ(test_try_read(other, NULL), 14);
            CHECK_EQ(test_try_read(address + HV_PAGE_SIZE, NULL), 14);
        }
        if (i % 3 == 0)
            hv_yield();
    }
    hv_printf("%lu mapped, %lu refused, %lu flips\n", mapped, refused, test_shared(flipper)[32]);
    test_signal(flipper, 0, 1);
    test_join(flipper);
}

/* ---- a second vCPU that flips ---- */

#define CALLED 300u /* calls of each kind, or more: until both outcomes were seen */

static char stack[16384] __attribute__((aligned(4096)));

/* Words of the structure that lies at `at`, good and bad; equal ones stay as they are. */
static struct {
    volatile uint64_t *at;
    const uint64_t *good, *bad;
    uint64_t words;
    volatile bool over;
    uint64_t calls[2]; /* refused, done */
} flips;

static void flip(void *arg)
{
    (void)arg;
    for (uint64_t n = 0; !flips.over; n++) {
        uint64_t i = n % flips.words;

        flips.at[i] = flips.bad[i];
        for (volatile uint64_t rest = n % 37; rest > 0; rest = rest - 1)
            ;
        if (n % 32 == 31)
            hv_yield();
        flips.at[i] = flips.good[i];
        for (volatile uint64_t rest = n % 41; rest > 0; rest = rest - 1)
            ;
        if (n % 32 == 15)
            hv_yield();
    }
}

static void flip_start(void *at, const void *good, const void *bad, uint64_t bytes)
{
    flips.at = at;
    flips.good = good;
    flips.bad = bad;
    flips.words = bytes / 8;
    flips.over = false;
    flips.calls[0] = flips.calls[1] = 0;
    memcpy(at, good, bytes);
    CHECK_EQ(hv_vcpu_start(1, flip, NULL, stack, sizeof stack), 0);
}

/* Counts a call; true: another one is to come. When it has found either value is a matter of when
 * the two run. */
static bool flip_on(bool done)
{
    flips.calls[done]++;
    if ((flips.calls[0] + flips.calls[1]) % 8 == 0)
        hv_yield();
    return flips.calls[0] < 10 || flips.calls[1] < 10 || flips.calls[0] + flips.calls[1] < CALLED;
}

static void flip_stop(const char *what)
{
    flips.over = true;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    hv_printf("%s: %lu refused, %lu done\n", what, flips.calls[0], flips.calls[1]);
}

/* For reading, or for writing and execution, of a page or of half of memory. */
static void check_protect(void)
{
    uint64_t address = test_addresses(3) + HV_PAGE_SIZE;
    const struct hv_map_run good = { .address = address, .count = 1, .rights = R };
    const struct hv_map_run bad = {
        .address = 0xffff820000000000, .gfn = 1, .count = ~(uint32_t)0, .rights = RW | HV_MAP_EXEC
    };
    struct hv_map_run *run = test_pages(1);
    void *page = test_pages(1);
    int64_t result;

    flip_start(run, &good, &bad, sizeof good);
    do {
        CHECK_EQ(test_map(HV_SELF, 0, address, hv_gfn(page), 1, RW), 1);
        result = hv_protect(HV_SELF, 0, hv_gpa(run), 1);
        CHECK(result == 1 || result == -HV_EINVAL);
        CHECK_EQ(test_try_write(address, 1), result == 1 ? 14 : TEST_NO_FAULT);
        CHECK_EQ(test_try_exec(address), 14);
        CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    } while (flip_on(result == 1));
    flip_stop("protect");
}

static uint64_t lender, lent; /* a child that does not run; its page that is granted, by GFN */

/* More pages, more rights, another window, an address of the hypervisor's. */
static void check_grant_map(uint64_t port)
{
    uint64_t ref = (uint64_t)NEED(hv_grant_create(lender, hv_start_domain_id(), lent, 1, R));
    uint64_t window = test_windows(2), address = test_addresses(2);
    const struct hv_grant_map good = { lender, ref, window, (uint32_t)port, R, 1, address };
    const struct hv_grant_map bad = {
        lender, ref + 1, ~(uint64_t)0, 4000, RW, 2, 0xffff820000000000
    };
    struct hv_grant_map *m = test_pages(1);
    HV_BUFFER(8) uint64_t list = window;
    int64_t result;

    flip_start(m, &good, &bad, sizeof good);
    do {
        result = hv_grant_map(HV_SELF, hv_gpa(m), 1);
        CHECK(result == 1 || result == -HV_EINVAL);
        CHECK_EQ(test_try_write(address, 1), 14);
        CHECK_EQ(test_try_read(address, NULL), result == 1 ? TEST_NO_FAULT : 14);
        CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), result);
    } while (flip_on(result == 1));
    flip_stop("grant_map");
    CHECK_EQ(hv_grant_end(lender, ref, 0), 0);
}

/* Into a page that may be read, beyond it, beyond the grant. */
static void check_grant_copy(void)
{
    uint64_t ref = (uint64_t)NEED(hv_grant_create(lender, hv_start_domain_id(), lent, 1, R));
    uint64_t *to = test_pages(2); /* the second one stays as it is */
    const struct hv_grant_copy good = { lender, ref, 64, hv_gpa(to), 8, 0 };
    const struct hv_grant_copy bad = { lender,           ref + 1,
                                       HV_PAGE_SIZE,     0xffff820000000000,
                                       HV_PAGE_SIZE + 8, HV_GRANT_COPY_TO_PEER };
    struct hv_grant_copy *c = test_pages(1);
    int64_t result;

    flip_start(c, &good, &bad, sizeof good);
    do {
        to[0] = 1;
        result = hv_grant_copy(hv_gpa(c), 1);
        CHECK(result == 1 || result == -HV_EINVAL || result == -HV_EFAULT);
        CHECK_EQ(to[0], result == 1 ? 0 : 1);
        CHECK_EQ(to[1], 0);
    } while (flip_on(result == 1));
    flip_stop("grant_copy");
    CHECK_EQ(to[512], 0);
    CHECK_EQ(hv_grant_end(lender, ref, 0), 0);
}

/* Where it starts, and on which stack, of a vCPU that is down. */
static void check_context(void)
{
    const struct hv_vcpu_context good = { .rip = HV_KERNEL_IMAGE, .rsp = HV_KERNEL_IMAGE };
    const struct hv_vcpu_context bad = { .rip = 0xffff820000000000, .rsp = 0x8000000000000000 };
    struct hv_vcpu_context *c = test_pages(1);
    int64_t result;

    NEED(hv_vcpu_create(HV_SELF, 2));
    flip_start(c, &good, &bad, 2 * sizeof(uint64_t));
    do {
        result = hv_vcpu_set_context(HV_SELF, 2, hv_gpa(c));
        CHECK(result == 0 || result == -HV_EINVAL);
    } while (flip_on(result == 0));
    flip_stop("vcpu_set_context");
}

static void check_create(void)
{
    const struct hv_domain_create good = {
        .quota = 64, .ram_pages = 4, .window_pages = 1, .vcpus = 1, .weight = 16
    };
    const struct hv_domain_create bad = { .quota = ~(uint64_t)0,
                                          .ram_pages = ~(uint64_t)0,
                                          .window_pages = ~(uint64_t)0,
                                          .vcpus = HV_MAX_VCPUS + 1,
                                          .flags = ~(uint32_t)0,
                                          .rsvd0 = 1,
                                          .rsvd1 = 1 };
    struct hv_domain_create *c = test_pages(1);
    int64_t result;

    flip_start(c, &good, &bad, sizeof good);
    do {
        result = hv_domain_create(hv_gpa(c));
        CHECK(result > 0 || result == -HV_EINVAL || result == -HV_ENOMEM);
        if (result > 0) {
            struct hv_domain_info info = test_info((uint64_t)result);

            CHECK_EQ(info.quota, 64);
            CHECK_EQ(info.ram_pages, 4);
            while (hv_domain_destroy((uint64_t)result) > 0)
                ;
        }
    } while (flip_on(result > 0));
    flip_stop("domain_create");
}

static void check_flipping_vcpu(void)
{
    uint64_t port;

    lent = 150;
    lender = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_offer(lender, NULL, NULL));
    check_protect();
    check_grant_map(port);
    check_grant_copy();
    check_context();
    check_create();
    CHECK_EQ(hv_event_end(port), 0);
    test_destroy(lender);
}

/* ---- answers into what is asked about ---- */

/* The runs of dma_map are written into the page that is pinned. */
static void check_dma_into_itself(void)
{
    struct hv_dma_run *runs = test_pages(4);
    uint64_t pages = 0, gfn = hv_gfn(runs);
    int64_t n = hv_dma_map(DEVICE, gfn, 4, hv_gpa(runs));

    CHECK(n >= 1 && n <= 4);
    for (int64_t i = 0; i < n; i++)
        pages += runs[i].pages;
    CHECK_EQ(pages, 4);
    for (int64_t i = 0; i < n; i++)
        CHECK_EQ(hv_dma_unmap(DEVICE, runs[i].address, runs[i].pages), (int64_t)runs[i].pages);
}

/* The bytes of space_query go to the page whose byte is among them. */
static void check_query_into_itself(void)
{
    uint8_t *page = test_pages(2);
    uint64_t at = (uint64_t)(uintptr_t)page;

    memset(page, 0xee, 64);
    CHECK_EQ(hv_space_query(HV_SELF, 0, at, 2, hv_gpa(page), HV_QUERY_CLEAR), 0);
    CHECK_EQ(page[0], RW | HV_QUERY_ACCESSED | HV_QUERY_DIRTY);
    CHECK_EQ(page[2], 0xee);
    /* What hyp wrote through its own mapping left no mark; looking did. */
    CHECK_EQ(hv_space_query(HV_SELF, 0, at, 1, hv_gpa(page) + HV_PAGE_SIZE, 0), 0);
    CHECK_EQ(page[HV_PAGE_SIZE], RW | HV_QUERY_ACCESSED);
    /* The array of a map that takes the right to write from its own page. */
    struct hv_map_run *run = (void *)page;

    run[0] = (struct hv_map_run){ .address = at, .count = 1, .rights = R };
    CHECK_EQ(hv_protect(HV_SELF, 0, hv_gpa(run), 1), 1);
    CHECK_EQ(test_try_write(at, 0), 14);
    /* An answer goes by the frame, not by the leaf: the page is this guest's to be written. */
    CHECK_EQ(hv_domain_info(HV_SELF, hv_gpa(page)), 0);
    CHECK_EQ(*(uint64_t *)(void *)page, hv_start_domain_id());
    CHECK_EQ(test_map(HV_SELF, 0, at, hv_gfn(page), 1, RW), 1);
}

/* One frame from both sides, in all small distances: domain_copy through a window of the child's.
 */
static void check_copy_over_itself(void)
{
    uint64_t child = test_build("idle", 192, NULL), gfn = 150;
    uint64_t ref, window = test_windows(1);
    HV_BUFFER(64) struct hv_grant_map m;
    uint64_t *page = test_pages(1), *back = test_pages(1);
    uint64_t remote = gfn * HV_PAGE_SIZE, local = window * HV_PAGE_SIZE;
    uint64_t port = (uint64_t)NEED(hv_event_offer(child, NULL, NULL));

    ref = (uint64_t)NEED(hv_grant_create(child, hv_start_domain_id(), gfn, 1, RW));
    m = (struct hv_grant_map){ child, ref, window, (uint32_t)port, RW, 1, 0 };
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    for (uint64_t shift = 0; shift <= 64; shift += 8) {
        for (unsigned up = 0; up < 2; up++) {
            uint64_t from = up ? remote : remote + shift, to = up ? local + shift : local;

            for (uint64_t i = 0; i < 512; i++)
                page[i] = i;
            NEED(hv_copy_to_domain(child, remote, page, HV_PAGE_SIZE));
            CHECK_EQ(hv_domain_copy(child, from, to, HV_PAGE_SIZE - shift, 0),
                     (int64_t)(HV_PAGE_SIZE - shift));
            NEED(hv_copy_from_domain(child, remote, back, HV_PAGE_SIZE));
            /* Words in ascending order: downwards it is a move, upwards it repeats. */
            for (uint64_t i = 0, d = shift / 8; i < 512; i++) {
                uint64_t moved = i + d < 512 ? i + d : i, repeated = d ? i % d : i;

                CHECK_EQ(back[i], up ? repeated : moved);
            }
        }
    }
    /* Never beyond the window. */
    CHECK_EQ(hv_domain_copy(child, remote, local + 8, HV_PAGE_SIZE, 0), HV_PAGE_SIZE - 8);
    m.owner = window;
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
    CHECK_EQ(hv_event_end(port), 0);
    test_destroy(child);
}

/* A domain described in the page that the answer about it goes to, and a port whose number is the
 * word that its status overwrites. */
static void check_answers_over_questions(void)
{
    uint64_t *page = test_pages(1);
    struct hv_domain_create *c = (void *)page;
    uint64_t dom, gpa = hv_gpa(page), port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));

    *c = (struct hv_domain_create){
        .quota = 64, .ram_pages = 4, .window_pages = 1, .vcpus = 1, .weight = 16
    };
    dom = (uint64_t)NEED(hv_domain_create(gpa));
    CHECK_EQ(hv_domain_info(dom, gpa), 0);
    CHECK_EQ(page[0], dom);
    CHECK_EQ(hv_domain_create(gpa), -HV_EINVAL); /* the answer is no question */
    page[0] = port;
    CHECK_EQ(hv_event_status(HV_SELF, page[0], gpa), 0);
    CHECK_EQ(((struct hv_event_status *)(void *)page)->state, HV_PORT_UNBOUND);
    while (hv_domain_destroy(dom) > 0) {
    }
    CHECK_EQ(hv_event_end(port), 0);
}

void test_main(void)
{
    if (test_is("flipper"))
        be_flipper();
    if (!test_is("root"))
        return;
    check_flipped();
    check_flipping_vcpu();
    check_dma_into_itself();
    check_query_into_itself();
    check_copy_over_itself();
    check_answers_over_questions();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=2 timeout=60
 *
 * Threat (M2; XSA-241, XSA-401 in spirit). One processor takes a page away, another has
 * the translation in its TLB and goes on using the page. If the call returns before that processor
 * has flushed, the page is already something else: other content, another domain's RAM, a page
 * table.
 *
 * vCPU 1 touches a page without pause, on a processor of its own, in space 0 or in another space;
 * plainly, with a hypercall between two touches, or with a poll, in which its processor may have
 * let go of it. vCPU 0 unmaps the page, takes the right to write, maps another page there, or
 * copies the space so that both sides lose the right; and as soon as the call has returned it uses
 * the frame for something else. Held here: after the return there is no touch that does not fault,
 * the new content stays as it is, and frames that go back to the hypervisor come out of it clean.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "no touch lands in a page that another processor took away";

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define STACK  16384u
#define ROUNDS 6u
#define MORE   2000u /* touches to wait for, when nothing may come of them */
#define WORDS  (HV_PAGE_SIZE / 8)

static char stack[STACK] __attribute__((aligned(4096)));

/* ---- vCPU 1 ---- */

enum way { PLAIN, CALLS, POLLS, WAYS };

static volatile enum way way;
static volatile uint64_t at, space; /* what it touches; at changes while it is 0 alone */
static volatile uint64_t tried, landed;
static volatile bool over;

static void touch(void *arg)
{
    HV_BUFFER(8)
    uint32_t port = (uint32_t)NEED(hv_event_listen(HV_BIND_IPI, 1, 0, NULL, NULL)), n = 0;
    uint64_t loaded = 0;

    (void)arg;
    while (!over) {
        if (space != loaded) {
            loaded = space;
            NEED(hv_switch(loaded, (uint64_t)(uintptr_t)stack + STACK / 2));
        }
        if (at && hv_guard_write32((uint32_t *)(uintptr_t)at, ++n) == 0)
            landed = landed + 1;
        tried = tried + 1;
        if (way == CALLS)
            hv_version();
        else if (way == POLLS)
            CHECK_EQ(hv_poll(hv_gpa(&port), 1, hv_now() + (n % 64 ? 0 : 20000)), 0);
    }
}

static void wait_for(const volatile uint64_t *what, uint64_t value)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    while (*what < value) {
        CHECK(hv_now() < end);
        hv_relax();
    }
}

/* It is in the space, and has the page in its TLB. */
static void have_it_touched(uint64_t in, uint64_t address, enum way how)
{
    way = how;
    space = in;
    at = address;
    wait_for(&landed, landed + 3);
}

/* What was on its way when the call returned may still be counted, once. */
static void check_over(uint64_t from)
{
    wait_for(&tried, tried + (way == POLLS ? MORE / 20 : MORE));
    CHECK(landed <= from + 1);
    at = 0;
    wait_for(&tried, tried + 2);
}

/* ---- vCPU 0 ---- */

static uint64_t *page, *second; /* in space 0, as all RAM is */
static uint64_t home;           /* the other space */

static void fill(uint64_t *words, uint64_t value)
{
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = value;
}

static void check_content(const uint64_t *words, uint64_t value)
{
    for (unsigned i = 0; i < WORDS; i++) {
        if (words[i] != value)
            test_failure("word %u of a page that was taken away is 0x%lx", i, words[i]);
    }
}

static void map(uint64_t in, uint64_t address, const void *what, uint32_t rights)
{
    CHECK_EQ(test_map(HV_SELF, in, address, hv_gfn(what), 1, rights), 1);
}

/* Each of them takes away what vCPU 1 uses. */
enum taking { UNMAP, PROTECT, REPLACE, COPY, TAKINGS };

static uint64_t copied;

static void take(enum taking how, uint64_t in, uint64_t address)
{
    HV_BUFFER(32) struct hv_map_run run = { .address = address, .count = 1, .rights = R };

    switch (how) {
    case UNMAP:
        CHECK_EQ(test_unmap(HV_SELF, in, address, 1), 1);
        break;
    case PROTECT:
        CHECK_EQ(hv_protect(HV_SELF, in, hv_gpa(&run), 1), 1);
        break;
    case REPLACE: /* for reading: no write may land in either of both */
        map(in, address, second, R);
        break;
    default:
        copied = (uint64_t)NEED(hv_space_create(HV_SELF));
        CHECK_EQ(hv_space_copy(HV_SELF, in, copied, address, 1, HV_COPY_WRITE_PROTECT), 1);
        break;
    }
}

static void check_taking(enum taking how, uint64_t in, uint64_t address, enum way by)
{
    map(in, address, page, RW);
    fill(second, 7);
    have_it_touched(in, address, by);
    take(how, in, address);
    uint64_t from = landed;

    fill(page, 0x0a0a);
    check_over(from);
    check_content(page, 0x0a0a);
    check_content(second, 7);
    CHECK_EQ(test_unmap(HV_SELF, in, address, 1), 1);
    if (how == COPY)
        CHECK_EQ(hv_space_end(HV_SELF, copied), 0);
}

/* The page goes back to the hypervisor, which makes tables and another domain's RAM of what it has.
 */
static void check_given_back(uint64_t in, uint64_t address, uint64_t child, enum way by)
{
    uint64_t gfn = hv_gfn(page), from, other;

    map(in, address, page, RW);
    have_it_touched(in, address, by);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, (uint64_t)(uintptr_t)page, 1), 0);
    CHECK_EQ(test_unmap(HV_SELF, in, address, 1), 1);
    from = landed;
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
    other = (uint64_t)NEED(hv_space_create(HV_SELF));
    map(other, TEST_USER_CODE, second, R);
    CHECK_EQ(hv_populate(child, 0, 64), 64);
    check_over(from);
    for (uint64_t n = 0; n < 64; n++) {
        NEED(hv_copy_from_domain(child, n * HV_PAGE_SIZE, second, HV_PAGE_SIZE));
        check_content(second, 0);
    }
    CHECK_EQ(hv_give_back(child, 0, 64), 64);
    CHECK_EQ(hv_space_end(HV_SELF, other), 0);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_map_range(HV_SELF, 0, (uint64_t)(uintptr_t)page, gfn, 1, RW), 0);
    check_content(page, 0);
}

/* All of a run goes, by one call; what is touched is one page of it. */
static void check_run(uint64_t in, uint64_t address)
{
    const unsigned pages = 8;
    uint64_t *run = test_pages(pages);

    for (unsigned n = 0; n < pages; n++) {
        CHECK_EQ(test_map(HV_SELF, in, address, hv_gfn(run), pages, RW), pages);
        have_it_touched(in, address + n * HV_PAGE_SIZE, PLAIN);
        CHECK_EQ(test_unmap(HV_SELF, in, address, pages), pages);
        uint64_t from = landed;

        fill(run + n * WORDS, 0x0b0b);
        check_over(from);
        check_content(run + n * WORDS, 0x0b0b);
    }
}

static void check_in(uint64_t in, uint64_t address, uint64_t child)
{
    for (unsigned how = 0; how < TAKINGS; how++) {
        if (how == COPY && in == 0)
            continue; /* the kernel half is nobody's to copy */
        for (unsigned i = 0; i < ROUNDS; i++)
            check_taking((enum taking)how, in, address, (enum way)(i % WAYS));
    }
    for (unsigned i = 0; i < ROUNDS; i++)
        check_given_back(in, address, child, (enum way)(i % WAYS));
    check_run(in, address);
}

void test_main(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = 150, .ram_pages = 64, .vcpus = 1, .weight = 256 };
    uint64_t child, kernel;

    if (!test_is("root"))
        return;
    child = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));
    kernel = test_addresses(16);
    page = test_pages(1);
    second = test_pages(1);
    home = (uint64_t)NEED(hv_space_create(HV_SELF));
    CHECK_EQ(hv_vcpu_start(1, touch, NULL, stack, STACK), 0);
    check_in(0, kernel, child);
    check_in(home, TEST_USER_CODE, child);
    /* Space 0 is a part of every view: also while it is in another space. */
    space = home;
    wait_for(&tried, tried + 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        map(0, kernel, page, RW);
        have_it_touched(home, kernel, (enum way)(i % WAYS));
        CHECK_EQ(test_unmap(HV_SELF, 0, kernel, 1), 1);
        uint64_t from = landed;

        fill(page, 0x0c0c);
        check_over(from);
        check_content(page, 0x0c0c);
    }
    hv_printf("%lu touches, %lu of them landed\n", tried, landed);
    over = true;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_domain_end(child), 0);
}

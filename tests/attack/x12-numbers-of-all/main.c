/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X12). The machine has 256 numbers for domains. A child's memory and its share of the
 * processor are taken from its creator's; the number was forgotten: whoever may create takes them
 * all with children of the smallest quota, and then neither root nor anybody else can start a
 * domain. It gets round a limit of its own children by letting its children create.
 *
 * This guest may have eight domains below it. It asks for more, directly, for a child that may have
 * more, and by children of children; makes and destroys many hundreds; and fails half way through a
 * creation, which must cost nothing. Its sibling and root create all the while. A vulnerable
 * hypervisor answers them -HV_ENOSPC, or gives a number twice.
 */
#include "hvlib/builder.h"
#include "raw.h"

#define BELOW 8u

const char test_title[] = "who may create takes no number that it was not given";

static int64_t make(uint32_t domains)
{
    return raw_create((struct hv_domain_create){
        .quota = 64,
        .ram_pages = 4,
        .window_pages = 1,
        .weight = 8,
        .flags = domains != 0 ? HV_CREATE_MAY_CREATE : 0,
        .domains = domains,
    });
}

/* As many as it gets; all are destroyed again. */
static uint32_t make_all(void)
{
    uint64_t dom[HV_MAX_DOMAINS];
    uint32_t n = 0;
    int64_t id;

    while (n < HV_MAX_DOMAINS && (id = make(0)) > 0)
        dom[n++] = (uint64_t)id;
    CHECK_EQ(make(0), -HV_ENOSPC);
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(hv_domain_end(dom[i]), 0);
    return n;
}

static void check_sizes(void)
{
    static const uint32_t more[] = { BELOW, BELOW + 1, 255, 256, 1u << 31, ~0u };
    int64_t id;

    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        CHECK_EQ(make(more[i]), -HV_ENOSPC);
    /* The child and all that it may have: nothing is left. */
    id = make(BELOW - 1);
    CHECK(id > 0);
    CHECK_EQ(make(0), -HV_ENOSPC);
    CHECK_EQ(hv_domain_end((uint64_t)id), 0);
    /* Numbers for one that may not create. */
    CHECK_EQ(raw_create((struct hv_domain_create){
                 .quota = 64, .ram_pages = 4, .weight = 8, .domains = 1 }),
             -HV_EINVAL);
    /* Out of memory half way. */
    for (unsigned i = 0; i < 2 * BELOW; i++)
        CHECK_EQ(raw_create((struct hv_domain_create){ .quota = 12, .ram_pages = 4, .weight = 8 }),
                 -HV_ENOMEM);
    CHECK_EQ(make_all(), BELOW);
}

static void be_attacker(void)
{
    uint64_t last = 0, held[BELOW];

    check_sizes();
    test_signal(TEST_PARENT, 1, 1);
    /* Far more than there are; with several processors each end waits for all of them. */
    for (unsigned i = 0; i < (test_virtual_time() ? 600 : 300); i++) {
        int64_t id = make(i % 3);

        CHECK(id > (int64_t)last);
        last = (uint64_t)id;
        CHECK_EQ(hv_domain_end(last), 0);
        CHECK_EQ(hv_domain_pause(last), -HV_EPERM);
    }
    CHECK_EQ(make_all(), BELOW);
    /* Holds all of them until it is told to end. */
    for (unsigned i = 0; i < BELOW; i++)
        held[i] = (uint64_t)NEED(make(0));
    test_signal(TEST_PARENT, 1, 2);
    test_await(TEST_PARENT, 0, 1);
    for (unsigned i = 0; i < BELOW; i++)
        CHECK_EQ(hv_domain_end(held[i]), 0);
}

static void be_sibling(void)
{
    while (test_shared(TEST_PARENT)[0] == 0)
        CHECK_EQ(make_all(), BELOW);
}

static uint64_t spawn(const char *role)
{
    test_options =
        (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .domains = BELOW, .quota = 1024 };
    return test_spawn(role, 192);
}

void test_main(void)
{
    uint64_t attacker, sibling;

    if (test_is("attacker"))
        be_attacker();
    if (test_is("sibling"))
        be_sibling();
    if (!test_is("root"))
        return;
    sibling = spawn("sibling");
    attacker = spawn("attacker");
    for (uint64_t phase = 1; phase <= 2; phase++) {
        test_await(attacker, 1, phase);
        /* All but root's own, and what the two were given. */
        CHECK_EQ(make_all(), HV_MAX_DOMAINS - 1 - 2 * (1 + BELOW));
    }
    test_signal(attacker, 0, 1);
    test_signal(sibling, 0, 1);
    test_join(attacker);
    test_join(sibling);
    CHECK_EQ(make_all(), HV_MAX_DOMAINS - 1);
}

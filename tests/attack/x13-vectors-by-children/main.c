/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X13). The machine has some 170 interrupt vectors, so a domain may have sixteen. What it
 * holds it may hand down, to children that have sixteen each: a dozen of them, and the driver of
 * the disk that is restarted next finds none.
 *
 * This guest holds one device. It binds messages of it for itself, for children and for children's
 * children, on their behalf, closes them in other orders and destroys who has them. It never has
 * more than sixteen with all below it, and each comes back once: not twice, which would be the way
 * to more. Its sibling and root have theirs all the while. A vulnerable hypervisor runs out.
 */
#include "hvlib/builder.h"
#include "raw.h"

#define MSI_MAX 16u
#define DEVICE  0x30u

const char test_title[] = "children do not add to a domain's interrupt vectors";

static HV_BUFFER(64) struct hv_msi msi;

static int64_t bind(uint64_t dom)
{
    return hv_event_bind(dom, HV_BIND_MSI, DEVICE, 0, hv_gpa(&msi));
}

static void close(uint64_t dom, int64_t port)
{
    CHECK_EQ(hv_event_close(dom, (uint64_t)port), 0);
}

static uint64_t holder(void)
{
    int64_t id = raw_small(16, 0);

    CHECK(id > 0);
    CHECK_EQ(bind((uint64_t)id), -HV_EPERM); /* it has not got the device yet */
    CHECK_EQ(hv_assign((uint64_t)id, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    return (uint64_t)id;
}

/* Exactly sixteen can be had by these in turns; they are closed again. */
static void check_sixteen(const uint64_t *dom, unsigned count)
{
    int64_t port[MSI_MAX];

    for (unsigned i = 0; i < MSI_MAX; i++) {
        port[i] = bind(dom[i % count]);
        CHECK(port[i] > 0);
    }
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(bind(dom[i]), -HV_ENOSPC);
    for (unsigned i = 0; i < MSI_MAX; i++) {
        close(dom[i % count], port[i]);
        CHECK_EQ(hv_event_close(dom[i % count], (uint64_t)port[i]), -HV_EINVAL);
        port[i] = bind(dom[(i + 1) % count]); /* one is free: for whom does not matter */
        CHECK(port[i] > 0);
        CHECK_EQ(bind(dom[i % count]), -HV_ENOSPC);
        close(dom[(i + 1) % count], port[i]);
        port[i] = bind(dom[i % count]);
        CHECK(port[i] > 0);
    }
    for (unsigned i = 0; i < MSI_MAX; i++)
        close(dom[i % count], port[i]);
}

static void be_attacker(void)
{
    uint64_t dom[4] = { HV_SELF, holder(), holder(), holder() };

    check_sixteen(dom, 1);
    check_sixteen(dom + 1, 1);
    check_sixteen(dom, 4);
    for (unsigned turn = 0; turn < (test_virtual_time() ? 20 : 4); turn++) {
        for (unsigned i = 0; i < MSI_MAX; i++)
            CHECK(bind(dom[1]) > 0);
        CHECK_EQ(bind(dom[2]), -HV_ENOSPC);
        CHECK_EQ(bind(HV_SELF), -HV_ENOSPC);
        CHECK_EQ(hv_domain_end(dom[1]), 0); /* they come back with who had them */
        dom[1] = holder();
    }
    check_sixteen(dom, 4);
    for (unsigned i = 0; i < MSI_MAX; i++)
        CHECK(bind(dom[1 + i % 3]) > 0);
    test_signal(TEST_PARENT, 1, 1);
    test_await(TEST_PARENT, 0, 1);
    for (unsigned i = 1; i < 4; i++)
        CHECK_EQ(hv_domain_end(dom[i]), 0);
}

static void be_sibling(void)
{
    uint64_t dom = HV_SELF;

    while (test_shared(TEST_PARENT)[0] == 0)
        check_sixteen(&dom, 1);
}

static uint64_t spawn(const char *role)
{
    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 512 };
    uint64_t dom = test_build(role, 192, NULL);

    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    NEED(hv_domain_start(dom));
    return dom;
}

void test_main(void)
{
    int64_t port[2 * MSI_MAX];
    uint64_t attacker, sibling;

    if (test_is("attacker"))
        be_attacker();
    if (test_is("sibling"))
        be_sibling();
    if (!test_is("root"))
        return;
    sibling = spawn("sibling");
    attacker = spawn("attacker");
    test_await(attacker, 1, 1);
    /* Root has no limit but the machine's. */
    for (unsigned i = 0; i < 2 * MSI_MAX; i++) {
        port[i] = bind(HV_SELF);
        CHECK(port[i] > 0);
    }
    for (unsigned i = 0; i < 2 * MSI_MAX; i++)
        close(HV_SELF, port[i]);
    /* For a descendant it binds within the descendant's. */
    CHECK_EQ(bind(attacker), -HV_ENOSPC);
    test_signal(attacker, 0, 1);
    test_signal(sibling, 0, 1);
    test_join(attacker);
    test_join(sibling);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X5). A guest waits in the middle of an instruction for another domain to answer. Each of
 * the two can be paused, ended or destroyed meanwhile, by its own doing or by its ancestors; the
 * answer can come twice, late, from somebody else or with more data than was asked for. What still
 * points at the one that has gone (the route, the request page, the pending request, the wait) is
 * used after it.
 *
 * A domain in the middle is the model of its child's ports, and ends in every way that there is
 * while the child waits; the child must go on, reading ones. Then the child is paused and destroyed
 * while it waits. A vulnerable hypervisor panics, or the child waits for ever, or a frame that the
 * model gave back is still written to.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"
#include <hv_io.h>

#define PORT  0x70u
#define RW    (HV_MAP_READ | HV_MAP_WRITE)
#define DATA  (HV_KERNEL_START + HV_PAGE_SIZE)
#define STATE 1u /* word of the shared page: what the middle one has got to */

const char test_title[] = "a device model may go away at any time";

/* ---- the guest in the end: reads the port for ever ---- */

/* again: in $0x70, %al; mov %al, (%rdi); incl 8(%rdi); jmp again */
static HV_BUFFER(64) const uint8_t in_code[] = { 0xe4, PORT, 0x88, 0x07, 0xff,
                                                 0x47, 0x08, 0xeb, 0xf7 };
/* again: mov $0x70, %edx; mov $16, %ecx; lea 64(%rdi), %rdi; rep insb; sub $80, %rdi;
 * incl 8(%rdi); jmp again */
static HV_BUFFER(64) const uint8_t ins_code[] = { 0xba, PORT, 0,    0,    0,    0xb9, 16,
                                                  0,    0,    0,    0x48, 0x8d, 0x7f, 0x40,
                                                  0xf3, 0x6c, 0x48, 0x83, 0xef, 80,   0xff,
                                                  0x47, 0x08, 0xeb, 0xe7 };

static uint64_t build_reader(bool string, uint32_t weight)
{
    HV_BUFFER(64) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START, .rdi = DATA };
    int64_t id = raw_small(weight, 0);

    CHECK(id > 0);
    uint64_t dom = (uint64_t)id;

    NEED(hv_populate(dom, 0, 2));
    NEED(hv_domain_copy(dom, 0, hv_gpa(string ? ins_code : in_code),
                        string ? sizeof ins_code : sizeof in_code, 1));
    NEED(test_map(dom, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(dom, 0, DATA, 1, 1, RW));
    NEED(hv_vcpu_set_context(dom, 0, hv_gpa(&context)));
    return dom;
}

struct seen {
    uint8_t value;
    uint8_t pad[7];
    uint64_t rounds;
    uint8_t pad2[48];
    uint8_t string[16];
};

static struct seen look(uint64_t dom)
{
    HV_BUFFER(256) struct seen s = { 0 };

    CHECK_EQ(hv_domain_copy(dom, HV_PAGE_SIZE, hv_gpa(&s), sizeof s, 0), sizeof s);
    return s;
}

static struct hv_io_request *page;
static uint64_t port;

static void be_model(uint64_t dom)
{
    if (!page) {
        page = test_pages(2);
        port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    }
    memset(page, 0, sizeof *page);
    CHECK_EQ(hv_io_route(dom, PORT, 1, port, hv_gfn(page)), 0);
}

static void await_request(void)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    while (*(volatile uint32_t *)&page->state != HV_IO_PENDING) {
        if (hv_now() > end)
            test_failure("no request comes");
        hv_yield();
    }
}

/* It goes on, with all ones. */
static void await_ones(uint64_t dom, bool string)
{
    struct seen s = look(dom), now = s;
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    while (now.rounds < s.rounds + 3) {
        if (hv_now() > end)
            test_failure("the guest still waits");
        hv_yield();
        now = look(dom);
    }
    CHECK_EQ(string ? now.string[15] : now.value, 0xff);
}

/* ---- answers ---- */

static void check_answers(void)
{
    uint64_t dom = build_reader(false, 256);
    HV_BUFFER(64) uint8_t data[64] = { 0 };

    CHECK_EQ(hv_io_complete(dom, 0, 1, 0), -HV_EINVAL); /* no route */
    be_model(dom);
    CHECK_EQ(hv_io_complete(dom, 0, 1, 0), -HV_EINVAL); /* no request */
    CHECK_EQ(hv_domain_start(dom), 0);
    await_request();
    CHECK_EQ(page->port, PORT);
    CHECK_EQ(page->domain, dom);
    CHECK_EQ(hv_io_complete(dom, 1, 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(dom, ~(uint64_t)0, 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_domain_pause(dom), 0); /* it must not ask again in between */
    CHECK_EQ(hv_io_complete(dom, 0, 0x1234567800000042, ~(uint64_t)0), 0);
    CHECK_EQ(hv_io_complete(dom, 0, 1, 0), -HV_EINVAL); /* twice */
    CHECK_EQ(hv_domain_unpause(dom), 0);
    await_request();
    CHECK_EQ(look(dom).value, 0x42);
    CHECK_EQ(look(dom).rounds, 1);
    /* Its pages are in use, and not by the model alone. */
    CHECK_EQ(hv_io_route(dom, PORT, 1, port, hv_gfn(page)), -HV_EBUSY);
    CHECK_EQ(test_unmap(HV_SELF, 0, (uint64_t)(uintptr_t)page, 2), 2);
    CHECK_EQ(hv_give_back(HV_SELF, hv_gfn(page), 1), -HV_EBUSY);
    CHECK_EQ(hv_give_back(HV_SELF, hv_gfn(page) + 1, 1), -HV_EBUSY);
    CHECK_EQ(test_map(HV_SELF, 0, (uint64_t)(uintptr_t)page, hv_gfn(page), 2, RW), 2);
    CHECK_EQ(hv_domain_end(dom), 0); /* while it waits */
    CHECK_EQ(hv_io_complete(dom, 0, 1, 0), -HV_EPERM);

    dom = build_reader(true, 256);
    be_model(dom);
    CHECK_EQ(hv_domain_start(dom), 0);
    await_request();
    CHECK_EQ(page->count, 16);
    CHECK_EQ(hv_io_complete(dom, 0, 17, hv_gpa(data)), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(dom, 0, 0, hv_gpa(data)), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(dom, 0, ~(uint64_t)0, hv_gpa(data)), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(dom, 0, ((uint64_t)1 << 32) + 1, hv_gpa(data)), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(dom, 0, 16, ~(uint64_t)0 - 8), -HV_EFAULT);
    CHECK_EQ(hv_io_complete(dom, 0, 16, hv_gfn(page) * HV_PAGE_SIZE + HV_PAGE_SIZE - 8),
             -HV_EFAULT);
    data[0] = 7;
    CHECK_EQ(hv_io_complete(dom, 0, 16, hv_gpa(data)), 0);
    await_request();
    CHECK_EQ(look(dom).string[0], 7);
    /* The operand goes while the request is out: nothing is written, the guest gets its fault. */
    CHECK_EQ(test_unmap(dom, 0, DATA, 1), 1);
    data[0] = 8;
    CHECK_EQ(hv_io_complete(dom, 0, 16, hv_gpa(data)), 0);
    test_wait(dom, NULL);
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_KILLED);
    CHECK_EQ(test_info(dom).vector, 14);
    CHECK_EQ(look(dom).string[0], 7);
    CHECK_EQ(hv_domain_end(dom), 0);
}

static void check_pause(void)
{
    uint64_t dom = build_reader(false, 256), rounds;

    be_model(dom);
    CHECK_EQ(hv_domain_start(dom), 0);
    await_request();
    rounds = look(dom).rounds;
    CHECK_EQ(hv_domain_pause(dom), 0);
    CHECK_EQ(hv_domain_unpause(dom), 0); /* it must still wait */
    for (int i = 0; i < 50; i++)
        hv_yield();
    CHECK_EQ(look(dom).rounds, rounds);
    CHECK_EQ(hv_domain_pause(dom), 0);
    CHECK_EQ(hv_io_complete(dom, 0, 5, 0), 0); /* and still be paused */
    for (int i = 0; i < 50; i++)
        hv_yield();
    CHECK_EQ(look(dom).rounds, rounds);
    CHECK_EQ(hv_domain_unpause(dom), 0);
    await_request();
    CHECK_EQ(look(dom).rounds, rounds + 1);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0); /* a route whose port has gone */
    port = 0;
    CHECK_EQ(hv_io_complete(dom, 0, 5, 0), 0);
    for (int i = 0; i < 50; i++)
        hv_yield();
    CHECK_EQ(hv_domain_pause(dom), 0);
    CHECK_EQ(hv_domain_end(dom), 0);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
}

/* ---- the one in the middle ---- */

static void be_middle(void)
{
    bool string = test_argument("string", 0) != 0;
    uint64_t how = test_argument("how", 0), dom = build_reader(string, 64);

    be_model(dom);
    CHECK_EQ(hv_domain_start(dom), 0);
    await_request();
    test_shared(TEST_PARENT)[2] = dom;
    test_signal(TEST_PARENT, STATE, 1);
    if (how == 0)
        hv_shutdown(0);
    if (how == 1) {
        hv_mask();
        hv_vcpu->busy = 1;
        *(volatile uint64_t *)(uintptr_t)test_addresses(1) = 1; /* a double fault */
    }
    for (;;)
        hv_yield();
}

static void check_middle(uint64_t how, bool string)
{
    char arguments[32] = "how=0 string=0";

    arguments[4] = (char)('0' + how);
    arguments[13] = string ? '1' : '0';
    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 256 };
    uint64_t middle = test_build("middle", 0, arguments), dom;

    CHECK_EQ(hv_domain_start(middle), 0);
    test_await(middle, STATE, 1);
    dom = test_shared(middle)[2];
    if (how < 2) {
        test_wait(middle, NULL);
        await_ones(dom, string);
    } else {
        /* Root is above it but not its model. */
        CHECK_EQ(hv_io_complete(dom, 0, 1, 0), -HV_EINVAL);
        CHECK_EQ(hv_domain_pause(middle), 0);
    }
    CHECK_EQ(hv_domain_destroy(middle), -HV_EBUSY); /* its child goes first */
    CHECK_EQ(hv_domain_end(dom), 0);
    test_destroy(middle);
    test_options = (struct test_options){ 0 };
}

void test_main(void)
{
    if (test_is("middle")) {
        be_middle();
        return;
    }
    check_answers();
    check_pause();
    for (uint64_t how = 0; how < 3; how++) {
        check_middle(how, false);
        check_middle(how, true);
    }
}

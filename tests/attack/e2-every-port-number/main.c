/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (E2). A port number indexes tables: the port's, its pending bits, its peer's. The number
 * in the call that everybody uses was checked against the limit; forgotten were the others, the
 * limit itself, a table that grows and has not grown so far, a source that is bound twice.
 *
 * This guest gives every port number from 0 to beyond the limit to every call that takes one,
 * allocates all there are, binds each a second time, binds every virtual IRQ, interrupt line and
 * message vector until there are no more, and does it in a domain whose quota ends first. A
 * vulnerable system writes beyond a table or binds one source to two. (There is no poll in this
 * version: nothing takes a list of ports.)
 */
#include "nasty.h"
#include "test.h"

const char test_title[] = "every port number, free, used, bound or none, has its one answer";

static const uint64_t large[] = { HV_MAX_PORTS, HV_MAX_PORTS + 1, HV_MAX_PORTS + 64, NASTY_LARGE };
#define LARGES (sizeof large / sizeof *large)

static uint64_t status_gpa, self;
static struct hv_event_status *status;

static uint32_t state_of(uint64_t port)
{
    memset(status, 0xff, sizeof *status);
    CHECK_EQ(hv_event_status(HV_SELF, port, status_gpa), 0);
    return status->state;
}

/* A number that is no port: whoever asks is told so. */
static void check_none(uint64_t port)
{
    CHECK_EQ(hv_event_send(port), -HV_EINVAL);
    CHECK_EQ(hv_event_close(HV_SELF, port), -HV_EINVAL);
    CHECK_EQ(hv_event_unmask(port), -HV_EINVAL);
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_set_priority(HV_SELF, port, HV_PRIORITY_URGENT), -HV_EINVAL);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, self, port, 0), -HV_EINVAL);
}

static void check_free_numbers(void)
{
    for (uint64_t port = 0; port < HV_MAX_PORTS; port++) {
        check_none(port);
        if (port)
            CHECK_EQ(state_of(port), HV_PORT_FREE);
    }
    for (size_t i = 0; i < LARGES; i++) {
        check_none(large[i]);
        CHECK_EQ(hv_event_status(HV_SELF, large[i], status_gpa), -HV_EINVAL);
    }
    CHECK_EQ(hv_event_status(HV_SELF, 0, status_gpa), -HV_EINVAL);
}

/* Half of all ports, each bound by another: none is given out twice, none can be bound twice. */
static void check_all_ports(void)
{
    static uint8_t seen[HV_MAX_PORTS];
    uint64_t half = (HV_MAX_PORTS - 1) / 2;

    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < half; i++) {
        uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
        int64_t other = hv_event_bind(HV_SELF, HV_BIND_PEER, self, port, 0);

        CHECK(port > 0 && port < HV_MAX_PORTS && other > 0 && other < HV_MAX_PORTS);
        CHECK(!seen[port]++ && !seen[other]++);
        CHECK_EQ(state_of(port), HV_PORT_PEER);
        CHECK_EQ(status->source, other);
        CHECK_EQ(state_of((uint64_t)other), HV_PORT_PEER);
        CHECK_EQ(status->source, port);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, self, port, 0), -HV_EINVAL);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, self, (uint64_t)other, 0), -HV_EINVAL);
    }
    uint64_t last = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));

    CHECK_EQ(hv_event_alloc(HV_SELF, HV_SELF), -HV_ENOSPC);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, self, last, 0), -HV_ENOSPC);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, 0), -HV_ENOSPC);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, 9, 0, 0), -HV_ENOSPC);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10, 0, status_gpa), -HV_ENOSPC);
    CHECK_EQ(state_of(last), HV_PORT_UNBOUND);
    CHECK_EQ(hv_event_send(last), -HV_EINVAL);
    for (uint64_t port = 1; port < HV_MAX_PORTS; port++)
        CHECK_EQ(hv_event_close(HV_SELF, port), 0);
    check_free_numbers();
}

/* ---- sources ---- */

static void check_kinds(void)
{
    CHECK_EQ(hv_event_bind(HV_SELF, 0, 0, 0, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IPI + 1, 0, 0, 0), -HV_EINVAL);
    for (size_t i = 0; i < LARGES; i++) {
        CHECK_EQ(hv_event_bind(HV_SELF, large[i], 0, 0, 0), -HV_EINVAL);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, large[i], 0, 0), -HV_EINVAL);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, large[i], 0), -HV_EINVAL);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, large[i], 0, 0), -HV_EINVAL);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, 9, large[i] | 4, 0), -HV_EINVAL);
        CHECK(hv_event_bind(HV_SELF, HV_BIND_PEER, large[i] | 0x100, 1, 0) < 0);
        CHECK_EQ(hv_event_alloc(HV_SELF, large[i] == HV_SELF ? 12345 : large[i]), -HV_EINVAL);
    }
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_LIMIT, 0, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 1, 0), -HV_EINVAL);
}

static void check_virqs(void)
{
    for (uint64_t virq = 0; virq < HV_VIRQ_LIMIT; virq++) {
        uint64_t port = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, virq, 0, 0));

        CHECK_EQ(state_of(port), HV_PORT_VIRQ);
        CHECK_EQ(status->source, virq);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, virq, 0, 0), -HV_EBUSY);
        CHECK_EQ(hv_event_send(port), -HV_EINVAL);
        CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, 0), virq == HV_VIRQ_TIMER ? -HV_EINVAL : 0);
        CHECK_EQ(hv_event_unmask(port), -HV_EINVAL);
        CHECK_EQ(hv_event_close(HV_SELF, port), 0);
        CHECK_EQ(hv_event_close(HV_SELF,
                                (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, virq, 0, 0))),
                 0);
    }
}

/* Every line: bound at most once; the hypervisor's own console line never. */
static void check_lines(void)
{
    unsigned bound = 0;

    for (uint64_t gsi = 0; gsi < 256; gsi++) {
        int64_t port = hv_event_bind(HV_SELF, HV_BIND_IRQ, gsi, 0, 0);

        if (port < 0) {
            CHECK(port == -HV_EINVAL || port == -HV_EPERM);
            continue;
        }
        bound++;
        CHECK_EQ(state_of((uint64_t)port), HV_PORT_IRQ);
        CHECK_EQ(status->source, gsi);
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, gsi, 0, 0), -HV_EBUSY);
        CHECK_EQ(hv_event_unmask((uint64_t)port), 0);
        CHECK_EQ(hv_event_send((uint64_t)port), -HV_EINVAL);
        CHECK_EQ(hv_event_close(HV_SELF, (uint64_t)port), 0);
        CHECK_EQ(hv_event_unmask((uint64_t)port), -HV_EINVAL);
    }
    CHECK(bound >= 16);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, 4, 0, 0), -HV_EPERM);
}

/* Message vectors are few: they run out with an error, and come back. */
static void check_messages(void)
{
    unsigned first = 0, n;

    for (unsigned round = 0; round < 2; round++) {
        static uint64_t ports[256];
        int64_t port;

        for (n = 0;
             (port = hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10, 0, status_gpa)) > 0 && n < 255; n++)
            ports[n] = (uint64_t)port;
        CHECK_EQ(port, -HV_ENOSPC);
        CHECK(n > 32 && n < 240);
        while (n-- > 0)
            CHECK_EQ(hv_event_close(HV_SELF, ports[n]), 0);
        first += round == 0;
    }
    CHECK_EQ(first, 1);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10000, 0, status_gpa), -HV_EPERM);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, ~(uint64_t)0, 0, status_gpa), -HV_EPERM);
}

/* ---- between domains ---- */

static void child_main(void)
{
    uint64_t parent = hv_start_parent(), for_root = test_argument("for_root", 0);

    status = test_pages(1);
    status_gpa = hv_gpa(status);
    /* Ports of the parent that were allocated for somebody else, that are bound, that are free. */
    for (uint64_t port = 0; port < HV_MAX_PORTS; port++)
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, parent, port, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, parent, for_root, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_CONSOLE, 0, 0), -HV_EPERM);
    for (uint64_t gsi = 0; gsi < 24; gsi++)
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, gsi, 0, 0), -HV_EPERM);
    for (uint64_t device = 0; device < 0x10000; device += 8)
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, device, 0, status_gpa), -HV_EPERM);
    /* Ports cost frames, and the quota ends before the numbers do. */
    int64_t result;
    unsigned n = 0;

    while ((result = hv_event_alloc(HV_SELF, parent)) > 0)
        n++;
    CHECK(result == -HV_ENOMEM || result == -HV_ENOSPC);
    CHECK(n >= 64);
}

void test_main(void)
{
    if (test_is("child")) {
        child_main();
        return;
    }
    self = hv_start_domain_id();
    status = test_pages(1);
    status_gpa = hv_gpa(status);
    check_free_numbers();
    check_kinds();
    check_all_ports();
    check_virqs();
    check_lines();
    check_messages();
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    char arguments[32];

    hv_snprintf(arguments, sizeof arguments, "for_root=%lu", port);
    uint64_t child = test_build("child", 192, arguments);

    CHECK_EQ(hv_domain_start(child), 0);
    test_join(child);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Children: built from the image in the second module, linked to their parent by a granted page and
 * a pair of ports whose numbers are on the child's command line.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "internal.h"

#define USUAL_PAGES  1024u
#define WINDOW_PAGES 64u
#define MAX_CHILDREN 64u
/* Of a child that may create. */
#define USUAL_DOMAINS 32u
/* Tables of a child's own, of the usual size. */
#define ROOM_FOR_TABLES 320u
/* Between two looks at what another domain does. */
#define NAP_NS 200000u
/* Switches to each of two that share a processor. */
#define SHARED_TURNS 25u

struct link {
    uint64_t other; /* TEST_PARENT in a child */
    void *page;
    uint64_t ref;
    uint64_t port;
    bool used;
};

static struct link links[MAX_CHILDREN];
struct test_options test_options;

const char *test_role(void)
{
    static char role[32];

    if (!role[0] && !hv_start_option("role", role, sizeof role))
        memcpy(role, "root", 5);
    return role;
}

bool test_is(const char *role)
{
    return strcmp(test_role(), role) == 0;
}

uint64_t test_argument(const char *key, uint64_t otherwise)
{
    return hv_start_number(key, otherwise);
}

bool test_virtual_time(void)
{
    return test_argument("realtime", 0) == 0;
}

/* NULL: a domain that the test made without one. */
static struct link *link_to(uint64_t other)
{
    for (struct link *l = links; l < links + MAX_CHILDREN; l++) {
        if (l->used && l->other == other)
            return l;
    }
    return NULL;
}

static struct link *find_link(uint64_t other)
{
    struct link *l = link_to(other);

    if (!l)
        test_error("no link to domain %lu", other);
    return l;
}

static struct link *new_link(uint64_t other)
{
    for (struct link *l = links; l < links + MAX_CHILDREN; l++) {
        if (!l->used) {
            /* Pages are never given back: a slot keeps its own. */
            *l = (struct link){ .other = other, .page = l->page, .used = true };
            return l;
        }
    }
    test_error("more than %u children", MAX_CHILDREN);
}

static struct link *link_child(uint64_t child)
{
    struct link *l = new_link(child);

    if (!l->page)
        l->page = test_pages(1);
    memset(l->page, 0, HV_PAGE_SIZE);
    l->ref = (uint64_t)NEED(hv_grant_give(child, l->page, 1, HV_MAP_READ | HV_MAP_WRITE));
    l->port = (uint64_t)NEED(hv_event_offer(child, NULL, NULL));
    return l;
}

/* The module that comes last is this image again. */
static const struct hv_start_module *own_image(void)
{
    const struct hv_start_module *module = NULL, *next;

    for (uint32_t i = 0; (next = hv_module_get(i)) != NULL; i++)
        module = next;
    if (!module)
        test_error("no second module to build children from");
    return module;
}

uint64_t test_build(const char *role, uint64_t pages, const char *arguments)
{
    const struct hv_start_module *image = own_image();
    char cmdline[256];
    struct hv_build b = {
        .image = hv_module_data(image),
        .image_bytes = image->bytes,
        .ram_pages = pages ? pages : USUAL_PAGES,
        .window_pages = test_options.window_pages ? test_options.window_pages : WINDOW_PAGES,
        .cmdline = cmdline,
        .weight = test_options.weight,
        .vcpus = test_options.vcpus,
        .flags = test_options.flags,
        .domains = test_options.flags & HV_CREATE_MAY_CREATE && !test_options.domains
                       ? USUAL_DOMAINS
                       : test_options.domains,
    };

    if (test_options.quota)
        b.quota = b.ram_pages + b.window_pages / 64 + ROOM_FOR_TABLES + test_options.quota;
    int64_t result = hv_build_create(&b);

    if (result < 0)
        test_error("building %s: %s (%ld)", role, b.why, result);
    const struct link *l = link_child(b.id);

    hv_snprintf(cmdline, sizeof cmdline, "role=%s link_ref=0x%lx link_port=%lu realtime=%u %s",
                role, l->ref, l->port, !test_virtual_time(), arguments ? arguments : "");
    result = hv_build_finish(&b, NULL, 0);
    if (result < 0)
        test_error("building %s: %s (%ld)", role, b.why, result);
    return b.id;
}

uint64_t test_spawn(const char *role, uint64_t pages)
{
    uint64_t child = test_build(role, pages, NULL);

    NEED(hv_domain_start(child));
    return child;
}

void test_child_start(void)
{
    uint64_t parent = hv_start_parent(), ref = hv_start_number("link_ref", 0);
    struct link *l = new_link(TEST_PARENT);

    l->port = (uint64_t)NEED(
        hv_event_listen(HV_BIND_PEER, parent, hv_start_number("link_port", 0), NULL, NULL));
    NEED(hv_window_map(parent, ref, 1, (uint32_t)l->port, HV_MAP_READ | HV_MAP_WRITE, &l->page));
}

struct hv_domain_info test_info(uint64_t dom)
{
    HV_BUFFER(512) struct hv_domain_info info = { 0 };

    NEED(hv_domain_info(dom, hv_gpa(&info)));
    return info;
}

struct hv_counters test_counters(uint64_t dom)
{
    HV_BUFFER(128) struct hv_counters counters = { 0 };

    NEED(hv_counters(dom, hv_gpa(&counters)));
    return counters;
}

/* A call that fails for want of memory forces the epoch. */
void test_settle(void)
{
    HV_BUFFER(64)
    const struct hv_domain_create c = {
        .quota = test_info(HV_SELF).quota, .ram_pages = 1, .vcpus = 1, .weight = 1
    };

    test_check_eq(__FILE__, __LINE__, "hv_domain_create", hv_domain_create(hv_gpa(&c)), -HV_ENOMEM);
}

void test_wait_off(uint64_t child, uint64_t vcpu)
{
    HV_BUFFER(128) struct hv_vcpu_info info = { 0 };
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    for (;;) {
        NEED(hv_vcpu_info(child, vcpu, hv_gpa(&info)));
        if (info.wait != 0 && info.state != HV_RUN_RUNNING)
            return;
        if (hv_now() > end)
            test_failure("vCPU %lu of domain %lu is in state %u, waits for 0x%x", vcpu, child,
                         info.state, info.wait);
        hv_yield();
    }
}

static bool ended(uint32_t state)
{
    return state == HV_DOMAIN_SHUTDOWN || state == HV_DOMAIN_KILLED;
}

/* A turn for others. With several processors it is a nap, ended by any event of theirs: who only
 * looks again takes a processor of the host's, and the lock that domain_info needs, from them. */
static void pass(const struct link *l)
{
    HV_BUFFER(8) uint32_t port = l ? (uint32_t)l->port : 0;

    if (!l || test_virtual_time() || hv_poll(hv_gpa(&port), 1, hv_now() + NAP_NS) < 0)
        hv_yield();
}

void test_wait(uint64_t child, struct hv_domain_info *info)
{
    const struct link *l = link_to(child);
    uint64_t end = hv_now() + TEST_PATIENCE_NS;
    struct hv_domain_info now = test_info(child);

    while (!ended(now.state)) {
        if (hv_now() > end)
            test_failure("domain %lu does not end (state %u, rip 0x%lx)", child, now.state,
                         now.rip);
        pass(l);
        now = test_info(child);
    }
    if (info)
        *info = now;
}

uint32_t test_cpus(void)
{
    static uint32_t cpus;

    if (cpus)
        return cpus;
    while (cpus < 64 && hv_vcpu_set_affinity(HV_SELF, 0, (uint64_t)1 << cpus) == 0)
        cpus++;
    NEED(hv_vcpu_set_affinity(HV_SELF, 0, ~(uint64_t)0));
    return cpus;
}

void test_pin(uint64_t dom, uint64_t vcpu, uint32_t n)
{
    NEED(hv_vcpu_set_affinity(dom, vcpu, (uint64_t)1 << n % test_cpus()));
}

void test_destroy(uint64_t child)
{
    struct link *l = find_link(child);

    NEED(hv_domain_end(child));
    NEED(hv_grant_end(HV_SELF, l->ref, 1));
    NEED(hv_event_end(l->port));
    l->used = false;
}

void test_join(uint64_t child)
{
    struct hv_domain_info info = { 0 };

    test_wait(child, &info);
    if (info.state == HV_DOMAIN_KILLED)
        test_failure("domain %lu was killed: %s (vector %u, rip 0x%lx, cr2 0x%lx)", child,
                     info.report, info.vector, info.rip, info.cr2);
    if (info.reason == ERROR)
        test_error("domain %lu could not do its part", child);
    if (info.reason != SUCCESS)
        test_failure("domain %lu ended with reason %u", child, info.reason);
    test_destroy(child);
}

void test_join_killed(uint64_t child, const char *report)
{
    struct hv_domain_info info = { 0 };

    test_wait(child, &info);
    if (info.state != HV_DOMAIN_KILLED)
        test_failure("domain %lu was not killed but shut down with reason %u", child, info.reason);
    info.report[sizeof info.report - 1] = 0;
    if (!strstr(info.report, report))
        test_failure("domain %lu was killed for \"%s\", not \"%s\"", child, info.report, report);
    test_destroy(child);
}

static uint64_t switches(uint64_t a, uint64_t b)
{
    uint64_t of_a = test_counters(a).switches, of_b = test_counters(b).switches;

    return of_a < of_b ? of_a : of_b;
}

void test_share(uint64_t a, uint64_t b, unsigned n)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS, from;

    while (hv_vcpu_set_affinity(a, 0, (uint64_t)1 << n) < 0)
        n = (n + 1) % HV_MAX_VCPUS;
    NEED(hv_vcpu_set_affinity(b, 0, (uint64_t)1 << n));
    for (from = switches(a, b); switches(a, b) < from + SHARED_TURNS; hv_yield()) {
        if (hv_now() > end)
            test_failure("domains %lu and %lu do not share a processor", a, b);
    }
}

volatile uint64_t *test_shared(uint64_t other)
{
    return find_link(other)->page;
}

uint64_t test_port(uint64_t other)
{
    uint64_t port = find_link(other)->port;
    struct hv_event_status status;

    /* The other end is bound by the child, as the first thing it does; a send before that fails. */
    for (;;) {
        NEED(hv_event_query(port, &status));
        if (status.state != HV_PORT_UNBOUND)
            return port;
        hv_yield();
    }
}

uint64_t test_ref(uint64_t child)
{
    return find_link(child)->ref;
}

void test_forget(uint64_t child)
{
    find_link(child)->used = false;
}

void test_signal(uint64_t other, uint32_t index, uint64_t value)
{
    volatile uint64_t *word = &test_shared(other)[index];

    hv_fence();
    *word = value;
}

void test_await(uint64_t other, uint32_t index, uint64_t value)
{
    const struct link *l = find_link(other);
    const volatile uint64_t *word = &((volatile uint64_t *)l->page)[index];
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    while (*word != value) {
        if (hv_now() > end)
            test_failure("word %u of the page shared with domain %ld is %lu, not %lu", index,
                         (int64_t)other, *word, value);
        pass(l);
    }
    hv_fence();
}

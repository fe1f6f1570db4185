/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handlers of the system, event, scheduling, control and emulation hypercalls: each question
 * that they ask, asked by a caller for whom the answer is no, beside one for whom it is yes.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/p2m.c hyp/core/poll.c hyp/core/portdecode.c
 * sources: hyp/core/resource.c
 * sources: hyp/core/sched.c hyp/core/space.c hyp/core/space_table.c
 * sources: hyp/core/space_leaf.c hyp/core/timer.c
 * sources: hyp/core/trace.c hyp/lib/lock.c hyp/hc/hc_control.c hyp/hc/hc_emul.c hyp/hc/hc_event.c
 * sources: hyp/hc/hc_sched.c hyp/hc/hc_system.c hyp/hc/hc_trace.c hyp/hc/hc_vcpu.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "epoch.h"
#include "event.h"
#include "frame.h"
#include "grant.h"
#include "hc.h"
#include "hv_grant.h"
#include "hv_io.h"
#include "hv_start.h"
#include "p2m.h"
#include "sched.h"
#include "trace.h"
#include "vcpu.h"

#define FRAMES 8192u
#define PAGE   ((uint64_t)4096)
#define BUFFER (8 * PAGE)  /* a page of the caller's */
#define HOLE   (63 * PAGE) /* empty */
#define FAR    ((uint64_t)1 << 62)

static struct domain *root, *child, *grandchild, *stranger;

int64_t hc_fail_report(int64_t error, const char *file, int line, const char *why)
{
    (void)file;
    (void)line;
    must(why != NULL && why[0] != '\0' && error < 0);
    return error;
}

static int64_t six(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    return (int64_t)(a | b << 8 | c << 16 | d << 24 | e << 32 | f << 40);
}

static int64_t unknown(void)
{
    return -HV_ENOSYS;
}

/* The handlers are called by name here, but for those that are recorded. */
hc_entry_t *const hc_table[HV_NR_LIMIT + 1] = {
    [HV_NR_space_copy] = (hc_entry_t *)six, [HV_NR_LIMIT] = (hc_entry_t *)unknown
};

/* root - child - grandchild, root - stranger; the child runs. */
static void setup(void)
{
    host_core_start(FRAMES);
    root = domain_root;
    child = host_domain(root, 2000, 62);
    stranger = host_domain(root, 300, 16);
    grandchild = host_domain(child, 400, 16);
    host_run(child);
}

static void *buffer(void)
{
    return host_ram(child, BUFFER / PAGE);
}

/* Numbers that no call of the child's may accept: its parent, a stranger, nobody. */
static const uint64_t *others(void)
{
    static uint64_t id[6];

    id[0] = root->id;
    id[1] = stranger->id;
    id[2] = 4711;
    id[3] = child->id + HV_MAX_DOMAINS;
    id[4] = grandchild->id + HV_MAX_DOMAINS;
    id[5] = HV_SELF - 1;
    return id;
}

START_TEST(test_every_control_call_without_the_right)
{
    struct hv_domain_info before, after;
    const uint64_t id = others()[_i];

    host_run(root);
    ck_assert_int_eq(hc_assign(child->id, HV_ASSIGN_PORTS, 0x1000, 1), 0);
    host_run(child);
    domain_info(stranger, &before);
    memset(buffer(), 0, PAGE);
    ck_assert_int_eq(hc_counters(id, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_event_alloc(id, HV_SELF), -HV_EPERM);
    ck_assert_int_eq(hc_event_bind(id, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0), -HV_EPERM);
    ck_assert_int_eq(hc_event_close(id, 1), -HV_EPERM);
    ck_assert_int_eq(hc_event_status(id, 1, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_event_set_vcpu(id, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_event_set_priority(id, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_domain_start(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_pause(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_unpause(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_destroy(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_info(id, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_info(id, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_domain_copy(id, 0, BUFFER, 8, 0), -HV_EPERM);
    ck_assert_int_eq(hc_assign(id, HV_ASSIGN_PORTS, 0x1000, 1), -HV_EPERM);
    ck_assert_int_eq(hc_devices_reset(id), -HV_EPERM);
    ck_assert_int_eq(hc_io_route(id, 0x1f0, 8, 1, 1), -HV_EPERM);
    ck_assert_int_eq(hc_io_complete(id, 0, 0, 0), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace(id, 0, HV_CALLS_OFF), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace_read(id, 0, 0, BUFFER, 1), -HV_EPERM);
    domain_info(stranger, &after);
    ck_assert_mem_eq(&before, &after, sizeof(before));
    for (uint64_t i = 0; i < PAGE; i++) {
        must(((char *)buffer())[i] == 0);
    }
}
END_TEST

/* Calls that make no sense on oneself. */
START_TEST(test_not_on_oneself)
{
    const uint64_t id = _i ? child->id : HV_SELF;

    ck_assert_int_eq(hc_domain_start(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_pause(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_unpause(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_destroy(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_copy(id, 0, BUFFER, 8, 0), -HV_EPERM);
    ck_assert_int_eq(hc_assign(id, HV_ASSIGN_PORTS, 0x1000, 1), -HV_EPERM);
    ck_assert_int_eq(hc_devices_reset(id), -HV_EPERM);
    ck_assert_int_eq(hc_io_route(id, 0x1f0, 8, 1, 1), -HV_EPERM);
    ck_assert_int_eq(hc_io_complete(id, 0, 0, 0), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace(id, 0, HV_CALLS_OFF), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace_read(id, 0, 0, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_domain_info(id, BUFFER), 0);
    ck_assert_int_eq(hc_counters(id, BUFFER), 0);
    ck_assert_uint_eq(child->state, HV_DOMAIN_RUNNING);
}
END_TEST

/* A dying descendant takes only destroy, reset, info and counters. */
START_TEST(test_a_dying_descendant)
{
    const uint64_t id = grandchild->id;

    ck_assert_int_eq(hc_domain_destroy(id), 1);
    ck_assert_int_eq(hc_event_alloc(id, HV_SELF), -HV_EPERM);
    ck_assert_int_eq(hc_event_bind(id, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0), -HV_EPERM);
    ck_assert_int_eq(hc_event_status(id, 1, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_event_close(id, 1), -HV_EPERM);
    ck_assert_int_eq(hc_event_set_vcpu(id, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_event_set_priority(id, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_info(id, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_domain_copy(id, 0, BUFFER, 8, 0), -HV_EPERM);
    ck_assert_int_eq(hc_assign(id, HV_ASSIGN_PORTS, 0x1000, 1), -HV_EPERM);
    ck_assert_int_eq(hc_io_route(id, 0x1f0, 8, 1, 1), -HV_EPERM);
    ck_assert_int_eq(hc_io_complete(id, 0, 0, 0), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace(id, 0, HV_CALLS_OFF), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace_read(id, 0, 0, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_domain_start(id), -HV_EDEAD);
    ck_assert_int_eq(hc_domain_info(id, BUFFER), 0);
    while (hc_domain_destroy(id) > 0) {
    }
    ck_assert_int_eq(hc_domain_destroy(id), -HV_EPERM);
    ck_assert_int_eq(hc_domain_info(id, BUFFER), -HV_EPERM);
}
END_TEST

/* A second processor, which has a window of the child's in its TLB until it is kicked. */
static struct cpu other;
static uint32_t window_port;
static unsigned int kicked_untold;

static bool told(void)
{
    return child->vcpu[0]->page->pending[0][0] >> window_port & 1;
}

static void pass(const struct cpu *c)
{
    must(c == &other && host_cpu0.lock_ranks == 0);
    kicked_untold += !told();
    other.epoch_seen = ++epoch_count;
}

/* The owner of a grant ends: its peer is told when no processor has the window any more. */
START_TEST(test_an_end_is_told_behind_the_flush)
{
    const uint64_t id = grandchild->id;
    struct hv_grant_map map = { .owner = id, .window = HV_GFN_WINDOW, .rights = 1, .count = 1 };
    unsigned int steps = 0;

    window_port = (uint32_t)hc_event_alloc(HV_SELF, HV_SELF);
    map.port = window_port;
    map.ref = (uint64_t)grant_create(grandchild, child->id, (gfn_t){ 3 }, 1, HV_MAP_READ);
    ck_assert_int_eq(grant_map(child, &map, 1), 1);
    cpus[1] = &other;
    other.id = 1;
    cpu_count = 2;
    host_kick_hook = pass;
    while (!told() && steps++ < 1000) {
        kicked_untold = 0;
        ck_assert_int_eq(hc_domain_destroy(id), 1);
    }
    ck_assert(told());
    ck_assert_uint_eq(kicked_untold, 1);
    while (hc_domain_destroy(id) > 0) {
    }
    other.outside = 1;
    host_audit();
}
END_TEST

/* Every call with a buffer, and every kind of address that is none. */
START_TEST(test_buffers)
{
    static const uint64_t bad[] = {
        HOLE,
        64 * PAGE,
        BUFFER + PAGE - 4,
        ~(uint64_t)0,
        ~(uint64_t)0 - PAGE,
        FAR,
        HV_GFN_WINDOW * PAGE,
        HV_GFN_SHARED * PAGE,
        HV_GFN_MMIO * PAGE,
    };
    const uint64_t gpa = bad[_i];

    ck_assert_int_eq(hc_console_write(gpa, 8), -HV_EFAULT);
    ck_assert_int_eq(hc_counters(HV_SELF, gpa), -HV_EFAULT);
    ck_assert_int_eq(hc_event_status(HV_SELF, 1, gpa), -HV_EFAULT);
    ck_assert_int_eq(hc_domain_create(gpa), -HV_EFAULT);
    ck_assert_int_eq(hc_vcpu_set_context(grandchild->id, 0, gpa), -HV_EFAULT);
    ck_assert_int_eq(hc_domain_info(HV_SELF, gpa), -HV_EFAULT);
    ck_assert_int_eq(hc_vcpu_info(grandchild->id, 0, gpa), -HV_EFAULT);
    ck_assert_int_eq(child->first_child == grandchild && !grandchild->next_sibling, 1);
    host_run(root);
    ck_assert_int_eq(hc_console_read(gpa == HOLE ? 64 * PAGE : gpa, 8), -HV_EFAULT);
    ck_assert_int_eq(hc_call_trace_read(grandchild->id, 0, 0, gpa == HOLE ? 64 * PAGE : gpa, 1),
                     -HV_EFAULT);
    ck_assert_int_eq(hc_trace_read(0, 0, gpa == HOLE ? 64 * PAGE : gpa, 1), -HV_EFAULT);
    if (gpa != HOLE && gpa != 64 * PAGE) {
        int64_t used = (int64_t)root->used;

        ck_assert_int_eq(hc_event_bind(HV_SELF, HV_BIND_MSI, 8, 0, gpa), -HV_EFAULT);
        ck_assert_int_eq((int64_t)root->used, used);
    }
}
END_TEST

START_TEST(test_lengths)
{
    static const uint64_t bad[] = { 0, 4097, (uint64_t)1 << 32, ~(uint64_t)0 };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(hc_console_write(BUFFER, bad[i]), -HV_EINVAL);
        ck_assert_int_eq(
            hc_domain_copy(grandchild->id, 0, BUFFER, bad[i] == 4097 ? 65537 : bad[i], 0),
            -HV_EINVAL);
    }
    ck_assert_int_eq(hc_console_read(BUFFER, 8), -HV_EPERM);
    ck_assert_int_eq(hc_call_trace(grandchild->id, 0, HV_CALLS_ALL), 0);
    ck_assert_int_eq(hc_call_trace(grandchild->id, 0, HV_CALLS_ALL + 1), -HV_EINVAL);
    ck_assert_int_eq(hc_call_trace(grandchild->id, 1, HV_CALLS_OFF), -HV_EINVAL);
    ck_assert_int_eq(hc_call_trace_read(grandchild->id, 1, 0, BUFFER, 1), -HV_EINVAL);
    ck_assert_int_eq(hc_trace_mask(0), -HV_EPERM);
    ck_assert_int_eq(hc_trace_read(0, 0, BUFFER, 1), -HV_EPERM);
    host_run(root);
    ck_assert_int_eq(hc_trace_mask(TRACE_ALL + 1), -HV_EINVAL);
    ck_assert_int_eq(hc_trace_mask(0), (int64_t)TRACE_START);
    ck_assert_int_eq(hc_trace_mask(TRACE_ALL), 0);
    ck_assert_int_eq(hc_trace_mask(TRACE_START), (int64_t)TRACE_ALL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(hc_console_read(BUFFER, bad[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_trace_read(0, 0, BUFFER, bad[i] == 4097 ? 86 : bad[i]), -HV_EINVAL);
    }
    ck_assert_int_eq(hc_console_read(BUFFER, 4096), 0);
    ck_assert_int_eq(hc_trace_read(0, 0, BUFFER, 85), 0);
    /* There is one processor. */
    ck_assert_int_eq(hc_trace_read(1, 0, BUFFER, 85), -HV_EINVAL);
    ck_assert_int_eq(hc_trace_read(~(uint64_t)0, 0, BUFFER, 85), -HV_EINVAL);
    ck_assert_int_eq(hc_call_trace_read(grandchild->id, 0, 0, BUFFER, 46), 0);
    ck_assert_int_eq(hc_call_trace_read(grandchild->id, 0, 0, BUFFER, 47), -HV_EINVAL);
    ck_assert_int_eq(hc_call_trace_read(grandchild->id, 0, 0, BUFFER, 0), -HV_EINVAL);
}
END_TEST

static const struct hv_domain_create good = {
    .quota = 200, .ram_pages = 16, .window_pages = 16, .vcpus = 1, .weight = 16
};

static int64_t create(struct hv_domain_create c)
{
    memcpy(buffer(), &c, sizeof(c));
    return hc_domain_create(BUFFER);
}

START_TEST(test_create)
{
    struct hv_domain_create c = good;
    int64_t id = create(c);

    ck_assert_int_gt(id, 0);
    while (hc_domain_destroy((uint64_t)id) > 0) {
    }
#define REFUSED(field, value, error)                                                               \
    do {                                                                                           \
        c = good;                                                                                  \
        c.field = (value);                                                                         \
        ck_assert_int_eq(create(c), -(error));                                                     \
    } while (0)
    REFUSED(quota, 0, HV_EINVAL);
    REFUSED(quota, 10000, HV_ENOMEM);
    REFUSED(quota, ~(uint64_t)0, HV_ENOMEM);
    REFUSED(ram_pages, 0, HV_EINVAL);
    REFUSED(ram_pages, HV_MAX_RAM_PAGES + 1, HV_EINVAL);
    REFUSED(ram_pages, ~(uint64_t)0, HV_EINVAL);
    REFUSED(window_pages, HV_MAX_WINDOW_PAGES + 1, HV_EINVAL);
    REFUSED(window_pages, ~(uint64_t)0, HV_EINVAL);
    REFUSED(vcpus, 0, HV_EINVAL);
    REFUSED(vcpus, HV_MAX_VCPUS + 1, HV_EINVAL);
    REFUSED(vcpus, UINT32_MAX, HV_EINVAL);
    REFUSED(flags, 2, HV_EINVAL);
    REFUSED(weight, 0, HV_EINVAL);
    REFUSED(weight, 65536, HV_EINVAL);
    REFUSED(weight, child->weight, HV_EPERM);
    REFUSED(weight, 65535, HV_EPERM);
    REFUSED(cap, 6401, HV_EINVAL);
    REFUSED(domains, 1, HV_EINVAL); /* without the right to create */
    REFUSED(rsvd0, 1, HV_EINVAL);
    REFUSED(rsvd1, 1, HV_EINVAL);
    REFUSED(window_pages, HV_MAX_WINDOW_PAGES, HV_ENOMEM);
    ck_assert_ptr_eq(child->first_child, grandchild);
    host_audit();
}
END_TEST

START_TEST(test_the_right_to_create)
{
    struct hv_domain_create c = good;
    int64_t id = create(c);
    struct domain *d = domain_find((uint64_t)id);

    ck_assert_ptr_ne(d, NULL);
    ck_assert_int_eq(p2m_populate(d, (gfn_t){ 0 }, 16), 16);
    host_run(d);
    /* It could pay for one and has a number for it: but for the right. */
    d->domains = 1;
    c.weight = 1;
    c.quota = 60;
    memcpy(host_ram(d, BUFFER / PAGE), &c, sizeof(c));
    ck_assert_int_eq(hc_domain_create(BUFFER), -HV_EPERM);
    d->flags = HV_CREATE_MAY_CREATE;
    ck_assert_int_gt(hc_domain_create(BUFFER), 0);
}
END_TEST

START_TEST(test_context)
{
    struct hv_vcpu_context *c = buffer();
    const uint64_t id = grandchild->id;

    *c = (struct hv_vcpu_context){ .rip = HV_KERNEL_IMAGE, .rdi = 1, .rsi = 2 };
    ck_assert_int_eq(hc_domain_start(id), -HV_EINVAL);
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), -HV_EINVAL);
    ck_assert_int_eq(hc_vcpu_set_context(id, ~(uint64_t)0, BUFFER), -HV_EINVAL);
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), 0);
    c->rip = 0x400000;
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), -HV_EINVAL);
    ck_assert_uint_eq(grandchild->vcpu[0]->regs.rip, HV_KERNEL_IMAGE);
    ck_assert_int_eq(hc_domain_start(id), 0);
    c->rip = HV_KERNEL_IMAGE;
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), -HV_EBUSY);
    ck_assert_int_eq(hc_vcpu_set_context(HV_SELF, 0, BUFFER), -HV_EBUSY);
    ck_assert_int_eq(hc_domain_pause(id), 0);
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), -HV_EBUSY);
    ck_assert_int_eq(hc_domain_unpause(id), 0);
}
END_TEST

/* A domain of three, of which the second is driven through every state. */
START_TEST(test_vcpus)
{
    static const uint64_t none[] = { 3, 4, HV_MAX_VCPUS, HV_MAX_VCPUS + 1, (uint64_t)1 << 32, FAR };
    struct hv_domain_create c = good;
    struct domain *d;
    uint64_t id;

    c.vcpus = 3;
    id = (uint64_t)create(c);
    d = domain_find(id);
    ck_assert_ptr_ne(d, NULL);
    *(struct hv_vcpu_context *)buffer() = (struct hv_vcpu_context){ .rip = HV_KERNEL_IMAGE };
    ck_assert_int_eq(hc_vcpu_create(id, 0), -HV_EBUSY);
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), -HV_EINVAL);
    /* Without the quota, at each frame, nothing stays. */
    for (uint64_t room = 0; room < 2; room++) {
        uint64_t used = d->used, quota = d->quota;

        d->quota = used + room;
        ck_assert_int_eq(hc_vcpu_create(id, 1), -HV_ENOMEM);
        ck_assert_uint_eq(d->used, used);
        d->quota = quota;
    }
    ck_assert_int_eq(hc_vcpu_create(id, 1), 0);
    ck_assert_int_eq(hc_vcpu_create(id, 1), -HV_EBUSY);
    ck_assert_int_eq(hc_vcpu_up(id, 1), -HV_EINVAL); /* not started */
    ck_assert_int_eq(hc_vcpu_down(id, 1), -HV_EINVAL);
    ck_assert_int_eq(hc_vcpu_set_context(id, 0, BUFFER), 0);
    ck_assert_int_eq(hc_domain_start(id), 0);
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        ck_assert_int_eq(hc_vcpu_create(id, none[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_vcpu_up(id, none[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_vcpu_down(id, none[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_vcpu_set_affinity(id, none[i], 1), -HV_EINVAL);
        ck_assert_int_eq(hc_vcpu_info(id, none[i], BUFFER), -HV_EINVAL);
        ck_assert_int_eq(hc_event_bind(id, HV_BIND_IPI, none[i], 0, 0), -HV_EINVAL);
    }
    ck_assert_int_eq(hc_vcpu_up(id, 2), -HV_EINVAL); /* not made */
    ck_assert_int_eq(hc_vcpu_up(id, 1), -HV_EINVAL); /* no context */
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), 0);
    ck_assert_uint_eq(d->vcpu[0]->sched.weight, d->weight * SCHED_WEIGHT_SCALE);
    ck_assert_int_eq(hc_vcpu_up(id, 1), 0);
    ck_assert_uint_eq(d->vcpu[1]->wait, 0);
    ck_assert_int_eq(hc_vcpu_up(id, 1), -HV_EBUSY);
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), -HV_EBUSY);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_uint_eq(d->vcpu[i]->sched.weight, d->weight * SCHED_WEIGHT_SCALE / 2);
    ck_assert_int_eq(hc_vcpu_down(id, 1), 0);
    ck_assert_int_eq(hc_vcpu_down(id, 1), 0);
    ck_assert_uint_eq(d->vcpus_up, 1);
    ck_assert_uint_eq(d->vcpu[1]->wait, VCPU_OFFLINE);
    ck_assert_uint_eq(d->vcpu[0]->sched.weight, d->weight * SCHED_WEIGHT_SCALE);
    d->vcpu[1]->io_pending = 1;
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), -HV_EBUSY);
    d->vcpu[1]->io_pending = 0;
    d->vcpu[1]->wait |= VCPU_BLOCKED;
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), 0);
    ck_assert_uint_eq(d->vcpu[1]->wait, VCPU_OFFLINE);
    /* Made, and up, in a pause: it runs when that ends. */
    ck_assert_int_eq(hc_domain_pause(id), 0);
    ck_assert_int_eq(hc_vcpu_create(id, 2), 0);
    ck_assert_int_eq(hc_vcpu_set_context(id, 2, BUFFER), 0);
    ck_assert_int_eq(hc_vcpu_up(id, 2), 0);
    ck_assert_uint_eq(d->vcpu[2]->wait, VCPU_PAUSED);
    ck_assert_int_eq(hc_domain_unpause(id), 0);
    ck_assert_uint_eq(d->vcpu[2]->wait, 0);
    ck_assert_uint_eq(d->vcpu[1]->wait, VCPU_OFFLINE);
    host_audit();
    domain_shutdown(d, 0);
    ck_assert_int_eq(hc_vcpu_up(id, 1), -HV_EDEAD);
    ck_assert_int_eq(hc_vcpu_down(id, 2), -HV_EDEAD);
    ck_assert_int_eq(hc_vcpu_set_context(id, 1, BUFFER), -HV_EDEAD);
    ck_assert_uint_eq(d->vcpu[1]->wait, VCPU_OFFLINE);
    while (hc_domain_destroy(id) > 0) {
    }
    ck_assert_int_eq(hc_vcpu_up(id, 1), -HV_EPERM);
    host_audit();
}
END_TEST

START_TEST(test_shares_and_processors)
{
    const uint64_t id = grandchild->id;
    const uint32_t both = child->weight + grandchild->weight;
    const struct hv_vcpu_info *info = buffer();

    ck_assert_int_eq(hc_vcpu_set_affinity(HV_SELF, 0, 1), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_set_affinity(root->id, 0, 1), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_set_affinity(id, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_vcpu_set_affinity(id, 0, 2), -HV_EINVAL); /* there is one processor */
    ck_assert_int_eq(hc_vcpu_set_affinity(id, 0, 3), 0);
    ck_assert_uint_eq(grandchild->vcpu[0]->sched.affinity & 3, 3);
    ck_assert_int_eq(hc_sched_set(HV_SELF, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_sched_set(stranger->id, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_sched_set(id, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_sched_set(id, 65536, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_sched_set(id, 1, 6401), -HV_EINVAL);
    /* It comes out of the parent's, of which some stays. */
    ck_assert_int_eq(hc_sched_set(id, both, 0), -HV_EPERM);
    ck_assert_uint_eq(child->weight + grandchild->weight, both);
    ck_assert_int_eq(hc_sched_set(id, both - 1, 50), 0);
    ck_assert_uint_eq(child->weight, 1);
    ck_assert_uint_eq(child->vcpu[0]->sched.weight, SCHED_WEIGHT_SCALE);
    ck_assert_uint_eq(grandchild->vcpu[0]->sched.weight, (both - 1) * SCHED_WEIGHT_SCALE);
    ck_assert_uint_eq(grandchild->vcpu[0]->cap, 50);
    ck_assert_int_eq(hc_vcpu_info(id, 0, BUFFER), 0);
    ck_assert(info->weight == both - 1 && info->cap == 50 && (info->affinity & 3) == 3);
    ck_assert(info->state == HV_RUN_OFFLINE && info->wait == HV_WAIT_DOWN && info->cpu == 0);
    ck_assert(info->time[HV_RUN_RUNNING] == 0 && info->wakeups == 0 && info->migrations == 0);
    ck_assert_int_eq(hc_vcpu_info(HV_SELF, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_info(child->id, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_info(root->id, 0, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_vcpu_info(id, 1, BUFFER), -HV_EINVAL);
    ck_assert_int_eq(hc_sched_set(id, 1, 0), 0);
    ck_assert_uint_eq(child->weight, both - 1);
    ck_assert_uint_eq(grandchild->vcpu[0]->cap, 0);
    host_run(root);
    ck_assert_int_eq(hc_vcpu_set_affinity(HV_SELF, 0, 1), 0);
    ck_assert_int_eq(hc_vcpu_info(HV_SELF, 0, BUFFER), 0);
    ck_assert_int_eq(hc_sched_set(child->id, 65535, 0), 0); /* root shares out the machine */
    ck_assert_uint_eq(root->weight, 256);
}
END_TEST

START_TEST(test_ipi)
{
    int64_t port = hc_event_bind(HV_SELF, HV_BIND_IPI, 0, 0, 0);
    uint64_t bit = (uint64_t)1 << port;
    struct hv_event_status s;

    ck_assert_int_gt(port, 0);
    ck_assert_int_eq(hc_event_bind(HV_SELF, HV_BIND_IPI, 1, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_event_status(HV_SELF, (uint64_t)port, BUFFER), 0);
    memcpy(&s, buffer(), sizeof(s));
    ck_assert_uint_eq(s.state, HV_PORT_IPI);
    ck_assert_uint_eq(s.rate, 0);
    ck_assert_int_eq(hc_event_set_vcpu(HV_SELF, (uint64_t)port, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_event_set_rate(HV_SELF, (uint64_t)port, 1, 1), -HV_EINVAL);
    ck_assert_int_eq(hc_event_send((uint64_t)port), 0);
    ck_assert(child->vcpu[0]->page->pending[0][0] & bit);
    ck_assert_int_eq(hc_event_close(HV_SELF, (uint64_t)port), 0);
    ck_assert(!(child->vcpu[0]->page->pending[0][0] & bit));
    ck_assert_int_eq(hc_event_send((uint64_t)port), -HV_EINVAL);
    host_audit();
}
END_TEST

static uint8_t byte_of(struct domain *d, uint64_t gpa)
{
    return ((uint8_t *)host_ram(d, gpa / PAGE))[gpa % PAGE];
}

/* Both directions, any alignment of both sides, and stops at the first page that is not there. */
START_TEST(test_copy)
{
    const uint64_t id = grandchild->id;

    for (int i = 0; i < 500; i++) {
        uint64_t mine = host_random(40 * PAGE), theirs = host_random(16 * PAGE);
        uint64_t bytes = 1 + host_random(40000), write = host_random(2), done;
        uint64_t there = 16 * PAGE - theirs;
        uint8_t mark = (uint8_t)(i + 1);
        struct domain *from = write ? child : grandchild;

        for (uint64_t g = 0; g < (from == child ? 62u : 16u); g++) {
            memset(host_ram(from, g), mark, PAGE);
        }
        done = (uint64_t)hc_domain_copy(id, theirs, mine, bytes, write);
        must(done == (bytes < there ? bytes : there));
        for (uint64_t k = 0; k < done; k++) {
            must(byte_of(child, mine + k) == mark && byte_of(grandchild, theirs + k) == mark);
        }
        must(mine == 0 || write || byte_of(child, mine - 1) != mark);
        must(write || byte_of(child, mine + done) != mark);
    }
    ck_assert_int_eq(hc_domain_copy(id, 0, BUFFER, 8, 2), -HV_EINVAL);
    ck_assert_int_eq(hc_domain_copy(id, ~(uint64_t)0 - 3, BUFFER, 8, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_domain_copy(id, 0, ~(uint64_t)0 - 3, 8, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_domain_copy(id, 16 * PAGE, BUFFER, 8, 0), -HV_EFAULT);
    ck_assert_int_eq(hc_domain_copy(id, 0, HOLE, 8, 0), -HV_EFAULT);
    ck_assert_int_eq(hc_domain_copy(id, HV_GFN_SHARED * PAGE, BUFFER, 8, 0), -HV_EFAULT);
}
END_TEST

START_TEST(test_assign_only_what_one_holds)
{
    ck_assert_int_eq(hc_assign(grandchild->id, HV_ASSIGN_PORTS, 0x1000, 8), -HV_EPERM);
    ck_assert_int_eq(hc_assign(grandchild->id, HV_ASSIGN_IRQ, 5, 0), -HV_EPERM);
    ck_assert_int_eq(hc_assign(grandchild->id, HV_ASSIGN_DEVICE, 8, 0), -HV_EPERM);
    ck_assert_int_eq(hc_assign(grandchild->id, 99, 8, 0), -HV_EINVAL);
    host_run(root);
    ck_assert_int_eq(hc_assign(child->id, HV_ASSIGN_PORTS, 0x1000, 8), 0);
    ck_assert_int_eq(hc_assign(child->id, HV_ASSIGN_PORTS, 0x3f8, 1), -HV_EPERM);
    ck_assert_int_eq(hc_assign(child->id, HV_ASSIGN_PORTS, 0xf4, 1), -HV_EPERM);
    host_run(child);
    ck_assert_int_eq(hc_assign(grandchild->id, HV_ASSIGN_PORTS, 0x1001, 7), 0);
    ck_assert_int_eq(hc_assign(grandchild->id, HV_ASSIGN_PORTS, 0x1001, 8), -HV_EPERM);
}
END_TEST

/* A builder makes ports on behalf of its child: bound as the child's, usable by it. */
START_TEST(test_events_on_behalf)
{
    int64_t p = hc_event_alloc(grandchild->id, HV_SELF), q, mine;
    struct hv_event_status s;

    ck_assert_int_gt(p, 0);
    q = hc_event_alloc(grandchild->id, child->id);
    mine = hc_event_bind(HV_SELF, HV_BIND_PEER, grandchild->id, (uint64_t)q, 0);
    ck_assert_int_gt(mine, 0);
    ck_assert_int_eq(hc_event_send((uint64_t)mine), 0);
    ck_assert_int_eq(hc_event_status(grandchild->id, (uint64_t)q, BUFFER), 0);
    memcpy(&s, buffer(), sizeof(s));
    ck_assert_uint_eq(s.state, HV_PORT_PEER);
    ck_assert_uint_eq(s.peer, child->id);
    ck_assert_int_eq(hc_event_set_priority(grandchild->id, (uint64_t)q, 1), 0);
    ck_assert_int_eq(hc_event_set_vcpu(grandchild->id, (uint64_t)q, 0), 0);
    ck_assert_int_eq(hc_event_set_rate(grandchild->id, (uint64_t)q, 5, 6), 0);
    ck_assert_int_eq(hc_event_close(grandchild->id, (uint64_t)q), 0);
    ck_assert_int_eq(hc_event_send((uint64_t)mine), -HV_EDEAD);
    ck_assert_int_eq(hc_event_bind(HV_SELF, 0, 0, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_event_bind(HV_SELF, HV_BIND_IPI + 1, 0, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_event_unmask((uint64_t)mine), -HV_EINVAL);
    memset(buffer(), 0xee, PAGE);
    ck_assert_int_eq(hc_event_status(HV_SELF, 0, BUFFER), -HV_EINVAL);
    ck_assert_int_eq(hc_event_status(HV_SELF, HV_MAX_PORTS, BUFFER), -HV_EINVAL);
    ck_assert_int_gt(hc_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, BUFFER), 0);
    ck_assert_uint_eq(((uint8_t *)buffer())[0], 0xee);
}
END_TEST

START_TEST(test_where_a_message_goes)
{
    struct hv_msi *msi = host_ram(root, BUFFER / PAGE);

    host_run(root);
    memset(msi, 0xee, PAGE);
    ck_assert_int_gt(hc_event_bind(HV_SELF, HV_BIND_MSI, 0x18, 0, BUFFER), 0);
    ck_assert_uint_eq(msi->address, 0xfee00000);
    ck_assert_ptr_ne((void *)host_handler[msi->data], NULL);
    ck_assert_uint_eq(msi->rsvd, 0);
}
END_TEST

START_TEST(test_console)
{
    memcpy(buffer(), "hello\n", 6);
    host_log[0] = 0;
    ck_assert_int_eq(hc_console_write(BUFFER, 6), 6);
    ck_assert_ptr_ne(strstr(host_log, "] hello\n"), NULL);
}
END_TEST

START_TEST(test_block_and_wake)
{
    int64_t p = hc_event_alloc(HV_SELF, HV_SELF);
    int64_t q = hc_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, (uint64_t)p, 0);
    struct vcpu *v = child->vcpu[0];

    v->page->masked = 1;
    ck_assert_int_eq(hc_block(), 0);
    ck_assert_uint_eq(v->page->masked, 0);
    ck_assert_uint_eq(v->wait, VCPU_BLOCKED);
    event_raise(child, (uint32_t)q);
    ck_assert_uint_eq(v->wait, 0);
    /* Something pending already: it does not wait, and is told. */
    host_cpu0.work = 0;
    ck_assert_int_eq(hc_block(), 0);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert(host_cpu0.work & CPU_WORK_UPCALL);
    ck_assert_int_eq(hc_yield(), 0);
    ck_assert_int_eq(hc_sched_yield_to(v->id), -HV_EINVAL);
    ck_assert_int_eq(hc_sched_yield_to(HV_MAX_VCPUS), -HV_EINVAL);
    ck_assert_int_eq(hc_set_timer(host_now + 5), 0);
    ck_assert_uint_eq(host_armed <= host_now + 5, 1);
    ck_assert_int_eq(hc_set_timer(0), 0);
    ck_assert(!tree_has(&v->timer));
}
END_TEST

START_TEST(test_poll)
{
    uint32_t *ports = buffer();
    struct vcpu *v = child->vcpu[0];

    ports[0] = (uint32_t)hc_event_alloc(HV_SELF, HV_SELF);
    ports[1] = (uint32_t)hc_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, ports[0], 0);
    v->page->masked = 1;
    ck_assert_int_eq(hc_poll(BUFFER, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_poll(BUFFER, HV_MAX_POLL_PORTS + 1, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_poll(BUFFER + PAGE - 4, 2, 0), -HV_EFAULT);
    ck_assert_int_eq(hc_poll(BUFFER, 3, 0), -HV_EINVAL);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_int_eq(hc_poll(BUFFER, 2, 0), 0);
    ck_assert_int_eq(hc_poll(BUFFER, 2, host_now), 0);
    ck_assert_msg(v->wait == 0, "a deadline that has passed");
    ck_assert_int_eq(hc_poll(BUFFER, 2, host_now + 100), 0);
    ck_assert_uint_eq(v->wait, VCPU_POLLING);
    ports[0] = ports[1] = 0; /* read once: nobody looks here any more */
    host_advance(host_now + 99);
    ck_assert_uint_eq(v->wait, VCPU_POLLING);
    host_advance(host_now + 1);
    ck_assert_uint_eq(v->wait, 0);
    ports[0] = 1;
    ck_assert_int_eq(hc_poll(BUFFER, 1, HV_POLL_FOREVER), 0);
    ck_assert(!tree_has(&v->timer));
    event_raise(child, 1);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_int_eq(hc_poll(BUFFER, 1, HV_POLL_FOREVER), 0);
    ck_assert_msg(v->wait == 0, "pending already");
    ck_assert_uint_eq(v->page->masked, 1);
    /* A port that waits for its peer is closed by an ancestor: nothing would ever come. */
    ports[0] = (uint32_t)hc_event_alloc(HV_SELF, root->id);
    ck_assert_int_eq(hc_poll(BUFFER, 1, HV_POLL_FOREVER), 0);
    ck_assert_uint_eq(v->wait, VCPU_POLLING);
    ck_assert_int_eq(event_close(child, ports[0]), 0);
    ck_assert_uint_eq(v->wait, 0);
}
END_TEST

/* A hypercall of the running vCPU, by the way through its table. */
static int64_t call(uint64_t nr)
{
    struct vcpu *v = host_cpu0.vcpu;
    int64_t (*entry)(void) = (int64_t(*)(void))v->calls[nr < HV_NR_LIMIT ? nr : HV_NR_LIMIT];

    v->counters.hypercalls++;
    host_stack.frame = (struct call_frame){
        .rax = nr, .rdi = 1, .rsi = 2, .rdx = 3, .r10 = 4, .r8 = 5, .r9 = 6, .rip = 0x1002
    };
    return entry();
}

/* The child's calls, recorded for root. */
START_TEST(test_recorded_calls)
{
    const struct hv_call_entry *seen = host_ram(root, BUFFER / PAGE);
    const uint64_t id = child->id;
    const int64_t result = 0x060504030201;
    struct vcpu *v = child->vcpu[0];

    host_run(root);
    ck_assert_int_eq(hc_call_trace(id, 0, HV_CALLS_ALL), 0);
    host_run(child);
    ck_assert_int_eq(call(HV_NR_space_copy), result);
    ck_assert_int_eq(call(HV_NR_LIMIT), -HV_ENOSYS);
    ck_assert_int_eq(call(~(uint64_t)0), -HV_ENOSYS);
    for (uint64_t n = 3; n < HV_CALLS_KEPT; n++) {
        ck_assert_int_eq(call(HV_NR_space_copy), result);
    }
    ck_assert_uint_eq(v->counters.hypercalls, HV_CALLS_KEPT);
    /* The ring is full: the next one has not happened, and is made again when there is room. */
    ck_assert_int_eq(call(HV_NR_space_copy), HV_NR_space_copy);
    ck_assert_uint_eq(host_stack.frame.rip, 0x1000);
    ck_assert_uint_eq(v->counters.hypercalls, HV_CALLS_KEPT);
    ck_assert_uint_eq(v->wait, VCPU_TRACED);
    host_cpu0.vcpu = root->vcpu[0];
    ck_assert_int_eq(hc_call_trace_read(id, 0, 0, BUFFER, 3), 3);
    ck_assert_uint_eq(v->wait, 0);
    for (uint64_t n = 0; n < 3; n++) {
        const uint64_t nr[] = { HV_NR_space_copy, HV_NR_LIMIT, ~(uint64_t)0 };

        ck_assert(seen[n].seq == n && seen[n].nr == nr[n] && seen[n].rip == 0x1002);
        ck_assert(seen[n].result == (n == 0 ? result : -HV_ENOSYS));
        ck_assert(seen[n].arg[0] == 1 && seen[n].arg[1] == 2 && seen[n].arg[2] == 3);
        ck_assert(seen[n].arg[3] == 4 && seen[n].arg[4] == 5 && seen[n].arg[5] == 6);
    }
    /* The newest ones: nobody waits, and what was lost is not told as if it were there. */
    ck_assert_int_eq(hc_call_trace(id, 0, HV_CALLS_NEWEST), HV_CALLS_KEPT);
    host_run(child);
    for (uint64_t n = 0; n < HV_CALLS_KEPT + 5; n++) {
        ck_assert_int_eq(call(HV_NR_space_copy), result);
    }
    host_run(root);
    ck_assert_int_eq(hc_call_trace_read(id, 0, HV_CALLS_KEPT, BUFFER, 1), 1);
    ck_assert_uint_eq(seen[0].seq, HV_CALLS_KEPT + 5);
    ck_assert_int_eq(hc_call_trace_read(id, 0, ~(uint64_t)0, BUFFER, 1), 0);
    ck_assert_int_eq(hc_call_trace(id, 0, HV_CALLS_OFF), 2 * HV_CALLS_KEPT + 5);
    ck_assert_ptr_eq(v->calls, hc_table);
}
END_TEST

/* Root reads what the hypervisor records about all. */
START_TEST(test_trace)
{
    static struct trace_ring ring;
    const struct hv_trace_entry *seen = host_ram(root, BUFFER / PAGE);

    host_run(root);
    host_cpu0.trace = &ring;
    trace_record(HV_TRACE_timer, 1, 2, 3);
    ck_assert_int_eq(hc_trace_read(0, 0, BUFFER, 2), 1);
    ck_assert(seen[0].seq == 0 && seen[0].event == HV_TRACE_timer && seen[0].domain == root->id);
    ck_assert(seen[0].word[0] == 1 && seen[0].word[1] == 2 && seen[0].word[2] == 3);
    for (uint64_t n = 1; n < TRACE_ENTRIES + 7; n++) {
        trace_record(HV_TRACE_timer, n, 0, 0);
    }
    /* But for the oldest one, over which the next may be written already. */
    ck_assert_int_eq(hc_trace_read(0, 0, BUFFER, 2), 2);
    ck_assert(seen[0].seq == 8 && seen[0].word[0] == 8 && seen[1].seq == 9);
    ck_assert_int_eq(hc_trace_read(0, TRACE_ENTRIES + 6, BUFFER, 2), 1);
    ck_assert_int_eq(hc_trace_read(0, TRACE_ENTRIES + 7, BUFFER, 2), 0);
    ck_assert_int_eq(hc_trace_read(0, ~(uint64_t)0, BUFFER, 2), 0);
    host_log[0] = 0;
    trace_print(2);
    ck_assert_ptr_ne(strstr(host_log, "timer"), NULL);
    host_cpu0.trace = NULL;
}
END_TEST

START_TEST(test_shutdown)
{
    ck_assert_int_eq(hc_shutdown(16), -HV_EINVAL);
    ck_assert_int_eq(hc_shutdown(~(uint64_t)0), -HV_EINVAL);
    ck_assert_uint_eq(child->state, HV_DOMAIN_RUNNING);
    (void)hc_shutdown(7);
    ck_assert_uint_eq(child->state, HV_DOMAIN_SHUTDOWN);
    ck_assert_uint_eq(child->reason, 7);
    ck_assert_uint_eq(child->vcpu[0]->wait, VCPU_OFFLINE);
}
END_TEST

/* What is written out is all of the structure's meaning: what is reserved is zero. */
START_TEST(test_out_structures)
{
    const struct hv_counters *c = buffer();
    const struct hv_domain_info *i = buffer();

    child->vcpu[0]->counters.hypercalls = 5;
    memset(buffer(), 0xee, PAGE);
    ck_assert_int_eq(hc_counters(HV_SELF, BUFFER), 0);
    ck_assert_uint_eq(c->hypercalls, 5);
    ck_assert_uint_eq(c->transitions, 5);
    for (int k = 0; k < 6; k++) {
        ck_assert_uint_eq(c->rsvd[k], 0);
    }
    ck_assert_uint_eq(((uint8_t *)buffer())[sizeof(*c)], 0xee);
    memset(buffer(), 0xee, PAGE);
    ck_assert_int_eq(hc_domain_info(HV_SELF, BUFFER), 0);
    ck_assert_uint_eq(i->id, child->id);
    ck_assert_uint_eq(i->parent, root->id);
    for (uint64_t k = 0; k < sizeof(i->report); k++) {
        ck_assert_int_eq(i->report[k], 0);
    }
    ck_assert_uint_eq(((uint8_t *)buffer())[sizeof(*i)], 0xee);
    ck_assert_int_eq(hc_version(), HV_ABI_VERSION);
}
END_TEST

START_TEST(test_emulation)
{
    int64_t p = hc_event_alloc(HV_SELF, HV_SELF);
    const uint64_t id = grandchild->id;

    ck_assert_int_eq(hc_io_route(id, 0x1f0, 8, (uint64_t)p + 1, 20), -HV_EINVAL);
    ck_assert_int_eq(hc_io_route(id, 0x1f0, 8, (uint64_t)p, 62), -HV_EINVAL);
    ck_assert_int_eq(hc_io_route(id, 0x1f0, 8, (uint64_t)p, 20), 0);
    ck_assert_int_eq(hc_io_route(id, 0x1f7, 1, (uint64_t)p, 20), -HV_EBUSY);
    ck_assert_int_eq(hc_io_complete(id, 0, 0, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_io_complete(id, 1, 0, 0), -HV_EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hc");
    TCase *tc = tcase_create("hc");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, test_every_control_call_without_the_right, 0, 6);
    tcase_add_loop_test(tc, test_not_on_oneself, 0, 2);
    tcase_add_test(tc, test_a_dying_descendant);
    tcase_add_test(tc, test_an_end_is_told_behind_the_flush);
    tcase_add_loop_test(tc, test_buffers, 0, 9);
    tcase_add_test(tc, test_lengths);
    tcase_add_test(tc, test_create);
    tcase_add_test(tc, test_the_right_to_create);
    tcase_add_test(tc, test_context);
    tcase_add_test(tc, test_vcpus);
    tcase_add_test(tc, test_shares_and_processors);
    tcase_add_test(tc, test_ipi);
    tcase_add_test(tc, test_copy);
    tcase_add_test(tc, test_assign_only_what_one_holds);
    tcase_add_test(tc, test_events_on_behalf);
    tcase_add_test(tc, test_where_a_message_goes);
    tcase_add_test(tc, test_console);
    tcase_add_test(tc, test_block_and_wake);
    tcase_add_test(tc, test_poll);
    tcase_add_test(tc, test_recorded_calls);
    tcase_add_test(tc, test_trace);
    tcase_add_test(tc, test_shutdown);
    tcase_add_test(tc, test_out_structures);
    tcase_add_test(tc, test_emulation);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

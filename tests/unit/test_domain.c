/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains: numbers, the tree and the question of privilege, quotas, states, and ends at every
 * stage; all memory is back after each.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c hyp/core/poll.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/p2m.c hyp/core/portdecode.c hyp/core/resource.c
 * sources: hyp/core/sched.c hyp/core/space.c hyp/core/space_leaf.c
 * sources: hyp/core/space_table.c hyp/core/timer.c hyp/core/trace.c hyp/lib/lock.c
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "console.h"
#include "event.h"
#include "frame.h"
#include "grant.h"
#include "p2m.h"
#include "resource.h"
#include "sched.h"
#include "space.h"

#define FRAMES 8192u
#define QUOTA  300u

static struct domain *root;
static uint64_t free_before;

static void start(void)
{
    host_core_start(FRAMES);
    root = domain_root;
    frame_reclaim_all();
    free_before = frame_free_count();
}

/* Nothing but root is left, and nothing is charged that was not. */
static void check_all_back(void)
{
    epoch_flush();
    frame_reclaim_all();
    must(frame_free_count() == free_before);
    must(root->granted_quota == 0 && root->first_child == NULL);
    must(domain_next(root) == NULL);
    host_audit();
}

START_TEST(test_numbers_are_never_used_twice)
{
    uint64_t last = 0;

    start();
    for (int i = 0; i < 1000; i++) {
        struct domain *d = host_domain(root, QUOTA, 0);

        must(d->id > last);
        last = d->id;
        must(host_destroy(d) == 0);
        must(domain_find(last) == NULL);
        must(domain_for_control(root, last) == NULL);
    }
    check_all_back();
}
END_TEST

/* A slot that is taken is passed over: its domain keeps its number, the next gets a later one. */
START_TEST(test_a_full_slot_is_passed_over)
{
    struct domain *stays;
    uint64_t id;

    start();
    stays = host_domain(root, QUOTA, 0);
    id = stays->id;
    for (int i = 0; i < 600; i++) {
        struct domain *d = host_domain(root, QUOTA, 0);

        must(d->slot != stays->slot && d->id != id);
        must(host_destroy(d) == 0);
    }
    ck_assert_ptr_eq(domain_find(id), stays);
    ck_assert_ptr_eq(domain_find(id + HV_MAX_DOMAINS), NULL);
    ck_assert_int_eq(host_destroy(stays), 0);
    check_all_back();
}
END_TEST

START_TEST(test_the_table_ends)
{
    const struct hv_domain_create c = { .quota = 40, .ram_pages = 8, .vcpus = 1, .weight = 1 };
    int64_t r = 0;
    int made = 0;

    host_core_start(32768);
    root = domain_root;
    frame_reclaim_all();
    free_before = frame_free_count();
    while ((r = domain_create(root, &c)) >= 0) {
        made++;
    }
    ck_assert_int_eq(r, -HV_ENOSPC);
    ck_assert_int_eq(made, HV_MAX_DOMAINS - 1);
    while (root->first_child != NULL) {
        must(host_destroy(root->first_child) == 0);
    }
    check_all_back();
}
END_TEST

/* A child and those that it may create are taken from its creator's numbers, and come back. */
START_TEST(test_numbers_are_handed_down)
{
    struct hv_domain_create c = {
        .quota = 60, .ram_pages = 8, .vcpus = 1, .flags = HV_CREATE_MAY_CREATE, .weight = 1
    };
    struct domain *a, *b;

    start();
    a = host_domain(root, 8 * QUOTA, 0);
    ck_assert_uint_eq(a->domains, 7);
    ck_assert_uint_eq(root->domains, HV_MAX_DOMAINS - 1 - 8);
    c.domains = 7;
    ck_assert_int_eq(domain_create(a, &c), -HV_ENOSPC);
    c.domains = UINT32_MAX;
    ck_assert_int_eq(domain_create(a, &c), -HV_ENOSPC);
    ck_assert_int_eq(domain_create(root, &c), -HV_ENOSPC);
    c.domains = 6;
    c.quota = QUOTA * 6;
    c.weight = 32;
    b = domain_find((uint64_t)domain_create(a, &c));
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(a->domains, 0);
    c.domains = 0;
    c.quota = 60;
    c.weight = 1;
    ck_assert_int_eq(domain_create(a, &c), -HV_ENOSPC);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_gt(domain_create(b, &c), 0);
    }
    ck_assert_int_eq(domain_create(b, &c), -HV_ENOSPC);
    /* One that fails half way takes none. */
    ck_assert_int_eq(host_destroy(b->first_child), 0);
    c.quota = 10;
    ck_assert_int_eq(domain_create(b, &c), -HV_ENOMEM);
    ck_assert_uint_eq(b->domains, 1);
    while (b->first_child != NULL) {
        must(host_destroy(b->first_child) == 0);
    }
    ck_assert_uint_eq(b->domains, 6);
    ck_assert_int_eq(host_destroy(b), 0);
    ck_assert_uint_eq(a->domains, 7);
    ck_assert_int_eq(host_destroy(a), 0);
    ck_assert_uint_eq(root->domains, HV_MAX_DOMAINS - 1);
    check_all_back();
}
END_TEST

/* root - a - b; root - c. Who may act on whom. */
START_TEST(test_privilege)
{
    struct domain *a, *b, *c;
    uint64_t ids[5];

    start();
    a = host_domain(root, 4 * QUOTA, 0);
    b = host_domain(a, QUOTA, 0);
    c = host_domain(root, QUOTA, 0);
    ids[0] = 0;
    ids[1] = a->id;
    ids[2] = b->id;
    ids[3] = c->id;
    ids[4] = 12345;
    for (int i = 0; i < 5; i++) {
        must((domain_for_control(root, ids[i]) != NULL) == (i != 4));
        must((domain_for_control(a, ids[i]) != NULL) == (i == 1 || i == 2));
        must((domain_for_control(b, ids[i]) != NULL) == (i == 2));
        must((domain_for_control(c, ids[i]) != NULL) == (i == 3));
    }
    ck_assert_ptr_eq(domain_for_control(b, HV_SELF), b);
    ck_assert_ptr_eq(domain_for_control(root, b->id), b);
    ck_assert_int_eq(domain_destroy_step(a), -HV_EBUSY);
    ck_assert_uint_eq(a->state, HV_DOMAIN_BUILDING);
    ck_assert_int_eq(host_destroy(b), 0);
    ck_assert_int_eq(host_destroy(a), 0);
    ck_assert_int_eq(host_destroy(c), 0);
    check_all_back();
}
END_TEST

START_TEST(test_quota_comes_from_the_creator)
{
    struct domain *a, *b;
    uint64_t left;

    start();
    a = host_domain(root, 1000, 0);
    left = a->quota - a->used;
    ck_assert_int_eq(host_child(a, left + 1), -HV_ENOMEM);
    b = host_domain(a, left, 0);
    ck_assert_uint_eq(a->granted_quota, left);
    ck_assert_int_eq(host_child(a, 1), -HV_ENOMEM);
    ck_assert_int_eq(host_port(a, HV_SELF), -HV_ENOMEM);
    ck_assert_int_eq(host_destroy(b), 0);
    ck_assert_uint_eq(a->granted_quota, 0);
    ck_assert_int_eq(host_port(a, HV_SELF), 1);
    ck_assert_int_eq(host_destroy(a), 0);
    check_all_back();
}
END_TEST

/* Every quota that is too small fails clean, at whatever point of the creation. */
START_TEST(test_creation_fails_at_every_point)
{
    uint64_t quota = 1;

    start();
    for (; quota < QUOTA; quota++) {
        int64_t r = host_child(root, quota);

        if (r >= 0) {
            break;
        }
        must(r == -HV_ENOMEM);
        check_all_back();
    }
    ck_assert_uint_gt(quota, 20);
    ck_assert_uint_lt(quota, QUOTA);
    ck_assert_int_eq(host_destroy(root->first_child), 0);
    check_all_back();
}
END_TEST

/* The machine's frames end at every point of a creation that the quotas allow. */
START_TEST(test_creation_without_frames)
{
    static mfn_t taken[FRAMES];
    uint64_t left = 0, n = 0;
    int64_t r = -HV_ENOMEM;

    start();
    for (; r < 0; left++) {
        while (frame_free_count() > left) {
            taken[n++] = frame_alloc(NULL, FRAME_META);
        }
        r = host_child(root, QUOTA);
        while (n > 0) {
            frame_free(NULL, taken[--n]);
        }
        must(r >= 0 || r == -HV_ENOMEM);
        if (r < 0) {
            check_all_back();
        }
    }
    ck_assert_uint_eq(root->first_child->used, left - 1);
    ck_assert_int_eq(host_destroy(root->first_child), 0);
    check_all_back();
}
END_TEST

START_TEST(test_states)
{
    struct domain *d;

    start();
    d = host_domain(root, QUOTA, 0);
    ck_assert_int_eq(domain_pause(d), -HV_EINVAL);
    ck_assert_int_eq(domain_unpause(d), -HV_EINVAL);
    ck_assert_msg(domain_start(d) == -HV_EINVAL, "no context yet");
    d->vcpu[0]->regs.rip = HV_KERNEL_IMAGE;
    ck_assert_int_eq(domain_start(d), 0);
    ck_assert_int_eq(domain_start(d), -HV_EINVAL);
    ck_assert(tree_has(&d->vcpu[0]->sched.node));
    ck_assert_int_eq(domain_unpause(d), -HV_EINVAL);
    ck_assert_int_eq(domain_pause(d), 0);
    ck_assert(!tree_has(&d->vcpu[0]->sched.node));
    ck_assert_int_eq(domain_pause(d), -HV_EINVAL);
    ck_assert_int_eq(domain_unpause(d), 0);
    ck_assert(tree_has(&d->vcpu[0]->sched.node));
    domain_shutdown(d, 5);
    ck_assert(!tree_has(&d->vcpu[0]->sched.node));
    ck_assert_int_eq(domain_start(d), -HV_EDEAD);
    ck_assert_int_eq(domain_pause(d), -HV_EDEAD);
    ck_assert_int_eq(domain_unpause(d), -HV_EDEAD);
    ck_assert_int_eq(host_destroy(d), 0);
    check_all_back();
}
END_TEST

/* One that is being destroyed has no vCPU that is up, and gets no child any more: its creation may
 * have waited for the lock. The same when it has ended by itself. */
START_TEST(test_no_child_of_the_dead)
{
    struct domain *d;

    start();
    d = host_domain(root, 3 * QUOTA, 0);
    host_run(d);
    ck_assert_uint_eq(d->vcpus_up, 1);
    host_run(root);
    if (_i == 0) {
        ck_assert_int_eq(domain_destroy_step(d), 1);
    } else {
        domain_shutdown(d, 0);
    }
    ck_assert_uint_eq(d->vcpus_up, 0);
    ck_assert_int_eq(host_child(d, QUOTA), -HV_EDEAD);
    ck_assert_ptr_eq(d->first_child, NULL);
    ck_assert_int_eq(host_destroy(d), 0);
    check_all_back();
}
END_TEST

/* A pause leaves the timer running: what came meanwhile is pending afterwards. The end stops it. */
START_TEST(test_timers_of_who_does_not_run)
{
    struct domain *d;
    int64_t port;

    start();
    d = host_domain(root, QUOTA, 0);
    port = host_bind_virq(d, HV_VIRQ_TIMER, 0);
    host_run(d);
    timer_set(d->vcpu[0], TIMER_GUEST, host_now + 1000);
    ck_assert_int_eq(domain_pause(d), 0);
    host_run(root);
    host_advance(host_now + 2000);
    ck_assert_uint_eq(d->vcpu[0]->page->pending[0][0] >> port & 1, 1);
    ck_assert_int_eq(domain_unpause(d), 0);
    timer_set(d->vcpu[0], TIMER_GUEST, host_now + 1000);
    domain_shutdown(d, 0);
    ck_assert(!tree_has(&d->vcpu[0]->timer));
    ck_assert_int_eq(host_destroy(d), 0);
    check_all_back();
}
END_TEST

/* Quota is left, but the machine's memory is used up. */
START_TEST(test_no_memory_left)
{
    mfn_t m, last = MFN_NONE;

    start();
    root->quota = 1 << 20;
    while (!mfn_is_none(m = frame_alloc(NULL, FRAME_META))) {
        last = m;
    }
    ck_assert_int_eq(host_child(root, QUOTA), -HV_ENOMEM);
    frame_free(NULL, last);
    ck_assert_int_eq(host_child(root, QUOTA), -HV_ENOMEM);
    ck_assert_ptr_eq(root->first_child, NULL);
    ck_assert_uint_eq(frame_free_count() + frame_limbo_count(), 1);
}
END_TEST

START_TEST(test_weight_comes_from_the_creator)
{
    struct hv_domain_create c = { .quota = QUOTA, .ram_pages = 8, .vcpus = 1 };
    struct domain *a, *b;

    start();
    a = host_domain(root, 1000, 0);
    b = host_domain(a, QUOTA, 0); /* with half of its parent's */
    ck_assert_uint_eq(b->weight, 128);
    ck_assert_uint_eq(a->weight, 128);
    ck_assert_uint_eq(a->vcpu[0]->sched.weight, 128 * SCHED_WEIGHT_SCALE);
    ck_assert_uint_eq(root->weight, 256);
    ck_assert_int_eq(host_destroy(b), 0);
    ck_assert_uint_eq(a->weight, 256);
    ck_assert_uint_eq(a->vcpu[0]->sched.weight, 256 * SCHED_WEIGHT_SCALE);
    c.weight = 256;
    ck_assert_int_eq(domain_create(a, &c), -HV_EPERM);
    c.weight = 255;
    ck_assert_int_gt(domain_create(a, &c), 0);
    ck_assert_uint_eq(a->weight, 1);
    ck_assert_int_eq(host_destroy(a->first_child), 0);
    ck_assert_int_eq(host_destroy(a), 0);
    check_all_back();
}
END_TEST

static struct hv_domain_info info_of(const struct domain *d)
{
    struct hv_domain_info i;

    memset(&i, 0xee, sizeof(i));
    domain_info(d, &i);
    return i;
}

START_TEST(test_a_killed_domain_says_why)
{
    int64_t port;
    struct domain *d;
    struct hv_domain_info i;

    start();
    port = host_bind_virq(root, HV_VIRQ_DOMAIN, 0);
    d = host_domain(root, QUOTA, 0);
    host_run(d);
    host_run(root);
    d->vcpu[0]->regs.rip = 0xffffffff80123456;
    d->vcpu[0]->regs.rsp = 0x7000;
    d->vcpu[0]->regs.vector = 14;
    d->vcpu[0]->regs.error = 6;
    host_log[0] = 0;
    domain_kill(d->vcpu[0],
                "a reason that is long enough to be cut off at the end of the field for it");
    ck_assert(strstr(host_log, "killed: a reason") != NULL);
    ck_assert(strstr(host_log, "rip=ffffffff80123456") != NULL);
    host_log[0] = 0;
    domain_kill(d->vcpu[0], "again");
    ck_assert_str_eq(host_log, "");
    i = info_of(d);
    ck_assert_uint_eq(i.state, HV_DOMAIN_KILLED);
    ck_assert_uint_eq(strlen(i.report), sizeof(i.report) - 1);
    ck_assert_uint_eq(i.rip, 0xffffffff80123456);
    ck_assert_uint_eq(i.vector, 14);
    ck_assert_uint_eq(i.error, 6);
    ck_assert_uint_eq(root->vcpu[0]->page->pending[0][0] >> port & 1, 1);
    ck_assert_int_eq(host_destroy(d), 0);
}
END_TEST

START_TEST(test_reports_are_bounded)
{
    unsigned int lines = 0;

    start();
    for (int i = 0; i < 200; i++) {
        struct domain *d = host_domain(root, QUOTA, 0);

        host_log[0] = 0;
        domain_kill(d->vcpu[0], "a reason");
        lines += strstr(host_log, "killed") != NULL;
        must(strcmp(info_of(d).report, "a reason") == 0);
        must(host_destroy(d) == 0);
    }
    ck_assert_uint_eq(lines, 50);
}
END_TEST

/* Records of pins that are none any more go in steps too: 128 at most with the last one. */
START_TEST(test_many_pins_go_in_steps)
{
    struct hv_dma_run run[1];
    uint32_t ever = 0;
    struct domain *d;
    uint64_t id;
    int more = 1;

    start();
    d = host_domain(root, 4 * QUOTA, 1);
    id = d->id;
    ck_assert_int_eq(resource_assign(root, d, HV_ASSIGN_DEVICE, 0x18, 0), 0);
    for (int i = 0; i < 512; i++) {
        ck_assert_int_eq(dma_map(d, 0x18, (gfn_t){ 0 }, 1, run), 1);
    }
    ck_assert_uint_eq(d->resources->dma->pins.ever, 512);
    while (dma_in_use(d)) {
        ck_assert_int_eq(dma_unmap(d, 0x18, run[0].address, 1), 1);
    }
    while (more > 0) {
        ever = d->resources->dma != NULL ? d->resources->dma->pins.ever : 0;
        more = domain_destroy_step(d);
    }
    ck_assert_int_eq(more, 0);
    ck_assert_uint_le(ever, 128);
    ck_assert(domain_find(id) == NULL);
}
END_TEST

/* A dead holder of a device: its number, its record and the charge for what the device may still
 * write to stay until its devices were reset, whichever of the two comes first. */
START_TEST(test_a_dead_device_holder)
{
    struct hv_dma_run run[4];
    struct domain *d;
    uint64_t id, left;

    start();
    d = host_domain(root, QUOTA, 8);
    id = d->id;
    ck_assert_int_eq(resource_assign(root, d, HV_ASSIGN_DEVICE, 0x18, 0), 0);
    ck_assert_int_gt(dma_map(d, 0x18, (gfn_t){ 2 }, 3, run), 0);
    ck_assert_int_eq(domain_reset_devices(d), -HV_EINVAL);
    if (_i == 0) {
        ck_assert_int_eq(host_destroy(d), 0);
        ck_assert_ptr_eq(domain_find(id), NULL);
        ck_assert_ptr_eq(domain_for_control(root, id), d);
        ck_assert_uint_ge(d->quarantined, 3);
        ck_assert_uint_eq(d->quota, d->used);
        ck_assert_uint_eq(root->granted_quota, d->quota);
        left = d->used;
        ck_assert_int_eq(domain_destroy_step(d), 0);
        ck_assert_uint_eq(d->used, left);
        host_audit();
    } else {
        domain_shutdown(d, 0);
    }
    while (domain_reset_devices(d) > 0) {
    }
    if (_i != 0) {
        ck_assert_int_eq(host_destroy(d), 0);
    }
    ck_assert_ptr_eq(domain_for_control(root, id), NULL);
    check_all_back();
}
END_TEST

START_TEST(test_root_ends_the_machine)
{
    start();
    host_log[0] = 0;
    if (setjmp(host_shutdown) == 0) {
        domain_shutdown(root, 3);
        ck_abort_msg("came back");
    }
    ck_assert_uint_eq(host_shutdown_reason, 3);
    ck_assert(!HYP_DEBUG || strstr(host_log, "audit: ok") != NULL);
}
END_TEST

START_TEST(test_a_killed_root_ends_the_machine)
{
    start();
    if (setjmp(host_shutdown) == 0) {
        domain_kill(root->vcpu[0], "why");
        ck_abort_msg("came back");
    }
    ck_assert_uint_eq(host_shutdown_reason, 15);
}
END_TEST

/* Text of a guest: whole lines, its number in front, nothing a terminal would obey. */
START_TEST(test_console_lines)
{
    static const char text[] = "one\ntwo\x1b[2J\x9b\tthree\r\n\nend";
    struct domain *d;
    char line[64];

    start();
    d = host_domain(root, QUOTA, 0);
    host_log[0] = 0;
    /* A call prints a line at most. */
    ck_assert_int_eq(console_domain_write(d, text, sizeof(text) - 1), 4);
    for (size_t at = 4; at < sizeof(text) - 1;) {
        int64_t n = console_domain_write(d, text + at, sizeof(text) - 1 - at);

        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
    snprintf(line, sizeof(line), "[%lu] one\n[%lu] two?[2J? three\n[%lu] \n", d->id, d->id, d->id);
    ck_assert_str_eq(host_log, line);
    console_flush(d);
    ck_assert(strstr(host_log, "end\n") != NULL);
    ck_assert_int_eq(console_domain_write(root, "\x1b!", 2), 2);
    ck_assert(strstr(host_log, "\x1b!") != NULL);
    host_destroy(d);
}
END_TEST

START_TEST(test_console_is_throttled)
{
    static char text[4096];
    struct domain *d;
    int64_t all = 0, n;

    start();
    memset(text, 'x', sizeof(text));
    d = host_domain(root, QUOTA, 0);
    while ((n = console_domain_write(d, text, sizeof(text))) > 0) {
        host_log[0] = 0;
        all += n;
        must(all < 1 << 20);
    }
    ck_assert_int_eq(n, -HV_EAGAIN);
    /* 16 KiB, the numbers in front of the lines among them. */
    ck_assert_int_le(all, 16384);
    ck_assert_int_ge(all, 16384 * 128 / (128 + 8) - 128);
    host_now += 1000000000;
    ck_assert_int_gt(console_domain_write(d, text, sizeof(text)), 0);
    ck_assert_int_le(console_domain_write(d, text, sizeof(text)), 129);
    host_destroy(d);
}
END_TEST

/* ---- ends at every stage, of domains that are connected in every way ---- */

#define GUESTS 4u

static struct domain *guest[GUESTS];

static void random_use(struct domain *d, struct domain *other)
{
    struct hv_map_run run = { .count = 1, .rights = HV_MAP_READ };
    struct hv_grant_map map = { .rights = HV_MAP_READ };
    struct space *s;
    int64_t r;

    (void)p2m_populate(d, (gfn_t){ host_random(64) }, 1 + host_random(8));
    r = host_port(d, other->id);
    if (r > 0) {
        (void)host_bind_peer(other, d->id, (uint64_t)r);
    }
    r = grant_create(d, other->id, (gfn_t){ host_random(64) }, 1, HV_MAP_READ);
    if (r >= 0) {
        map.owner = d->id;
        map.ref = (uint64_t)r;
        map.window = HV_GFN_WINDOW + host_random(64);
        map.port = 1;
        map.rights = HV_MAP_READ;
        map.count = 1;
        if (grant_map(other, &map, 1) == 1) {
            run.gfn = map.window;
            run.address = HV_KERNEL_START + (map.window << 12);
            (void)space_map(other->spaces[0], &run, 1);
        }
    }
    r = space_create(d);
    s = r > 0 ? space_find(d, (uint64_t)r) : NULL;
    if (s != NULL) {
        run.gfn = host_random(64);
        run.address = host_random(1 << 20) << 12;
        (void)space_map(s, &run, 1);
        space_flush(s);
    }
    (void)resource_assign(root, d, HV_ASSIGN_PORTS, 0x1000 + host_random(100), 8);
}

START_TEST(test_random_ends)
{
    start();
    for (int round = 0; round < 150; round++) {
        uint32_t alive = GUESTS;

        for (uint32_t i = 0; i < GUESTS; i++) {
            struct domain *parent = i > 0 && host_random(2) ? guest[i - 1] : root;
            int64_t id = host_child(parent, parent == root ? 800 : 200);

            guest[i] = id >= 0 ? domain_find((uint64_t)id) : NULL;
            if (guest[i] == NULL) {
                guest[i] = host_domain(root, 200, 0);
            }
        }
        for (int i = 0; i < 40; i++) {
            random_use(guest[host_random(GUESTS)], guest[host_random(GUESTS)]);
        }
        host_audit();
        while (alive > 0) {
            uint32_t i = (uint32_t)host_random(GUESTS);
            int r;

            if (guest[i] == NULL) {
                continue;
            }
            r = (int)grant_tell(domain_destroy_step(guest[i]));
            must(r == 0 || r == 1 || (r == -HV_EBUSY && guest[i]->first_child != NULL));
            if (r == 0) {
                guest[i] = NULL;
                alive--;
            }
            if (host_random(20) == 0) {
                host_audit();
            }
        }
        check_all_back();
    }
}
END_TEST

/* ---- with a second pCPU, which the test moves ---- */

static struct cpu other;
static unsigned int kicks;

/* It takes the interrupt, and has not saved what it ran yet. */
static void pass(const struct cpu *c)
{
    must(c == &other && host_cpu0.lock_ranks == 0);
    kicks++;
    other.epoch_seen = ++epoch_count;
}

static void start_two(void (*on_kick)(const struct cpu *c))
{
    cpus[1] = &other;
    cpu_count = 2;
    other.id = other.outside = 1;
    start();
    host_kick_hook = on_kick;
}

/* A running domain of two pages, and its vCPU loaded on the other pCPU. */
static struct domain *loaded_there(void)
{
    struct domain *d = host_domain(root, QUOTA, 2);

    host_run(d);
    host_run(root);
    other.vcpu = d->vcpu[0];
    other.outside = 0;
    return d;
}

/* That its pCPU has flushed, and will let go of it, is not enough: its tables are in use, and its
 * registers are still to be saved. */
START_TEST(test_no_end_of_what_is_loaded)
{
    struct domain *d;
    uint64_t used;

    start_two(pass);
    d = loaded_there();
    must(WITH_TREE(domain_destroy_step(d)) == 1);
    used = d->used;
    for (int i = 0; i < 10; i++) {
        must(WITH_TREE(domain_destroy_step(d)) == 1);
        must(d->used == used && d->vcpu[0]->space == d->spaces[0]);
    }
    must(kicks >= 10);
    other.vcpu = NULL;
    other.outside = 1;
    must(host_destroy(d) == 0);
    check_all_back();
}
END_TEST

/* Nor are its pins undone meanwhile: it may be about to make one. */
START_TEST(test_no_reset_of_what_is_loaded)
{
    struct hv_dma_run run[4];
    struct domain *d;

    start_two(pass);
    d = loaded_there();
    ck_assert_int_eq(resource_assign(root, d, HV_ASSIGN_DEVICE, 0x18, 0), 0);
    ck_assert_int_gt(dma_map(d, 0x18, (gfn_t){ 1 }, 1, run), 0);
    domain_shutdown(d, 0);
    for (unsigned int i = 1; i <= 10; i++) {
        must(WITH_TREE(domain_reset_devices(d)) == 1);
        must(dma_in_use(d) && kicks == i);
    }
    other.vcpu = NULL;
    while (WITH_TREE(domain_reset_devices(d)) > 0) {
    }
    must(!dma_in_use(d));
    other.outside = 1;
    must(host_destroy(d) == 0);
    check_all_back();
}
END_TEST

/* Nor goes another caller on while a pCPU is inside that was so when the end began: it may be about
 * to set a timer of a vCPU. */
START_TEST(test_no_end_beside_who_was_inside)
{
    struct domain *d;

    start_two(pass);
    d = loaded_there();
    other.vcpu = NULL;
    spin_lock(&tree_lock);
    spin_lock(&memory_lock);
    must(domain_destroy_step(d) == 1);
    for (int i = 0; i < 300; i++) {
        must(domain_destroy_step(d) == 1);
        must(d->teardown == TEARDOWN_PORTS);
    }
    spin_unlock(&memory_lock);
    spin_unlock(&tree_lock);
    must(host_destroy(d) == 0);
    must(kicks > 0);
    other.outside = 1;
    check_all_back();
}
END_TEST

START_TEST(test_pause_waits_for_what_is_loaded)
{
    struct domain *d;

    start_two(pass);
    d = loaded_there();
    must(WITH_TREE(domain_pause(d)) == 0);
    must(kicks == 1);
    other.vcpu = NULL;
    must(WITH_TREE(domain_unpause(d)) == 0 && WITH_TREE(domain_pause(d)) == 0);
    must(kicks == 1); /* nobody runs it */
    other.outside = 1;
    must(host_destroy(d) == 0);
    check_all_back();
}
END_TEST

/* What it has to leave alone while a pCPU has its registers. */
START_TEST(test_no_context_of_what_is_loaded)
{
    const struct hv_vcpu_context c = { .rip = HV_KERNEL_IMAGE };
    struct domain *d;

    start_two(pass);
    d = loaded_there();
    d->vcpu[0]->loaded_on = &other;
    must(WITH_TREE(domain_vcpu_down(d, 0)) == 1);
    must(WITH_TREE(domain_vcpu_context(d, 0, &c)) == -HV_EBUSY);
    other.vcpu = NULL;
    must(WITH_TREE(domain_vcpu_down(d, 0)) == 0);
    must(WITH_TREE(domain_vcpu_context(d, 0, &c)) == 0);
    other.outside = 1;
    must(host_destroy(d) == 0);
    check_all_back();
}
END_TEST

/* When a call that takes rights away has given up its lock, each pCPU whose TLB can have them has
 * flushed; for a grant that ended, each that may be in the middle of a call with a pointer. */
START_TEST(test_calls_wait_for_other_tlbs)
{
    const struct hv_map_run run = { .address = HV_KERNEL_START, .count = 1 };
    struct domain *d, *b;
    int64_t ref;

    start_two(pass);
    b = host_domain(root, QUOTA, 2);
    d = loaded_there();
    host_map(d, 0, HV_MAP_READ);
    must(kicks == 0); /* nothing was there */
    spin_lock(&memory_lock);
    must(space_unmap(d->spaces[0], &run, 1) == 1);
    space_flush(d->spaces[0]);
    must(kicks == 0); /* not under the lock */
    must(memory_unlock(0) == 0);
    must(kicks == 1);
    /* A space that is not loaded is in no TLB. */
    host_map(b, 0, HV_MAP_READ);
    spin_lock(&memory_lock);
    must(space_unmap(b->spaces[0], &run, 1) == 1);
    space_flush(b->spaces[0]);
    must(memory_unlock(0) == 0);
    must(kicks == 1);
    spin_lock(&memory_lock);
    ref = grant_create(b, d->id, (gfn_t){ 1 }, 1, HV_MAP_READ);
    must(ref > 0 && grant_end(b, (uint64_t)ref, false) == 0);
    must(memory_unlock(0) == 0);
    must(kicks == 2);
    other.vcpu = NULL;
    other.outside = 1;
    must(host_destroy(d) == 0 && host_destroy(b) == 0);
    check_all_back();
}
END_TEST

/* A frame that was freed is nobody's else's while a pCPU may have a pointer to it. */
START_TEST(test_freed_frames_wait_for_all)
{
    struct domain *d;
    uint64_t free_now;

    start_two(pass);
    d = loaded_there();
    other.epoch_seen = ++epoch_count; /* no TLB has it: nothing ever mapped it */
    epoch_flush();
    free_now = frame_free_count();
    spin_lock(&memory_lock);
    must(p2m_give_back(d, (gfn_t){ 0 }, 1) == 1);
    must(frame_free_count() == free_now && frame_limbo_count() == 1);
    epoch_flush(); /* this one alone */
    frame_reclaim();
    must(frame_free_count() == free_now && frame_limbo_count() == 1);
    spin_unlock(&memory_lock);
    must(frame_force());
    must(kicks == 1 && frame_free_count() == free_now + 1 && frame_limbo_count() == 0);
    other.vcpu = NULL;
    other.outside = 1;
    must(host_destroy(d) == 0);
    check_all_back();
}
END_TEST

static int destroy_step(struct domain *d)
{
    return (int)WITH_TREE(domain_destroy_step(d));
}

/* A frame that both its owner and the peer have pinned, and both end: it is charged to the peer,
 * and the owner's device may write to it when the peer's no longer does. */
START_TEST(test_pinned_by_two)
{
    struct hv_grant_map m = { .window = HV_GFN_WINDOW, .rights = HV_MAP_READ, .count = 1 };
    struct hv_dma_run run[4];
    struct domain *owner, *peer;
    int64_t ref;

    start();
    owner = host_domain(root, QUOTA, 2);
    peer = host_domain(root, QUOTA, 2);
    must(resource_assign(root, owner, HV_ASSIGN_DEVICE, 0x18, 0) == 0);
    must(resource_assign(root, peer, HV_ASSIGN_DEVICE, 0x20, 0) == 0);
    must(dma_map(owner, 0x18, (gfn_t){ 1 }, 1, run) == 1);
    ref = grant_create(owner, peer->id, (gfn_t){ 1 }, 1, HV_MAP_READ);
    must(ref > 0);
    m.owner = owner->id;
    m.ref = (uint64_t)ref;
    m.port = (uint32_t)host_port(peer, owner->id);
    must(grant_map(peer, &m, 1) == 1);
    must(dma_map(peer, 0x20, (gfn_t){ HV_GFN_WINDOW }, 1, run) == 1);
    must(host_destroy(owner) == 0); /* but for its pin */
    must(dma_in_use(owner) && peer->quarantined == 1);
    must(dma_unmap(peer, 0x20, run[0].address, 1) == 1);
    must(!dma_in_use(peer) && peer->quarantined == 1);
    must(host_destroy(peer) == -HV_EBUSY && host_destroy(peer) == -HV_EBUSY);
    must(peer->quota == 2 && peer->used == 2); /* the rest is the parent's again */
    host_audit();
    while (WITH_TREE(domain_reset_devices(owner)) > 0) {
    }
    must(host_destroy(peer) == 0);
    check_all_back();
}
END_TEST

/* 2^32 flushes and some go by while a domain is taken apart, whose frames wait for the other pCPU:
 * a stamp of the first steps looks newer than one of the last. Its record is not freed before they
 * are. */
START_TEST(test_ends_with_flushes_by_the_billion)
{
    struct domain *d;

    start_two(pass);
    d = loaded_there();
    other.vcpu = NULL;
    while (d->teardown != TEARDOWN_MEMORY) {
        must(destroy_step(d) == 1);
    }
    must(frame_limbo_count() != 0);
    epoch_count += (UINT64_C(1) << 32) - (1u << 20);
    while (!d->waits) {
        must(destroy_step(d) == 1);
    }
    epoch_count += 1u << 20;
    must(destroy_step(d) == 1 && frame_limbo_count() != 0);
    must(destroy_step(d) == 0);
    other.outside = 1;
    check_all_back();
}
END_TEST

/* The same on the only pCPU, whose last step flushes first: the stamp that is exactly 2^32 flushes
 * old then looks like one of now. */
START_TEST(test_ends_with_flushes_of_its_own)
{
    struct domain *d;
    unsigned int steps = 0;

    start();
    d = host_domain(root, QUOTA, 2);
    for (host_map(d, 0, HV_MAP_READ); destroy_step(d) == 1;) {
        steps++;
    }
    d = host_domain(root, QUOTA, 2);
    for (host_map(d, 0, HV_MAP_READ); steps != 0; steps--) {
        must(destroy_step(d) == 1);
    }
    must(frame_limbo_count() != 0);
    epoch_count = host_cpu0.epoch_seen = epoch_count + UINT32_MAX;
    must(destroy_step(d) == 1 && frame_limbo_count() != 0);
    must(destroy_step(d) == 0 && frame_limbo_count() == 0);
    check_all_back();
}
END_TEST

static struct cpu third;

/* It passes, and the idle one comes in. */
static void pass_third(const struct cpu *c)
{
    must(c == &third);
    kicks++;
    third.epoch_seen = ++epoch_count;
    other.outside = 0;
}

/* Who was outside need not pass if it comes in meanwhile: nobody asks it to. */
START_TEST(test_waits_for_those_that_were_asked)
{
    start_two(pass_third);
    cpus[2] = &third;
    cpu_count = 3;
    third.id = 2;
    (void)epoch_wait(EPOCH_ALL);
    must(kicks == 1 && !other.outside && !epoch_passed_by(&other, epoch_now - 2));
    cpu_count = 2;
    other.outside = 1;
    check_all_back();
}
END_TEST

static uint32_t enough;

/* An idle pCPU that goes in and out as fast as it can. */
static void *go_in_and_out(void *arg)
{
    (void)arg;
    for (uint32_t n = 1; !__atomic_load_n(&enough, __ATOMIC_ACQUIRE); n++) {
        __atomic_store_n(&other.outside, n & 1, __ATOMIC_SEQ_CST);
        if (n % 1024 == 0) {
            sched_yield(); /* the host may have one processor */
        }
    }
    __atomic_store_n(&other.outside, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void leave_alone(const struct cpu *c)
{
    must(c == &other);
}

/* What an idle pCPU has passed while it was outside it has not when it comes in: at no moment may a
 * domain be gone while frames are charged to it. */
START_TEST(test_ends_while_another_wakes_up)
{
    pthread_t idler;

    start_two(leave_alone);
    must(pthread_create(&idler, NULL, go_in_and_out, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        must(host_destroy(host_domain(root, 60, 2)) == 0);
    }
    __atomic_store_n(&enough, 1, __ATOMIC_RELEASE);
    must(pthread_join(idler, NULL) == 0);
    check_all_back();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("domain");
    TCase *tc = tcase_create("domain");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_numbers_are_never_used_twice);
    tcase_add_test(tc, test_a_full_slot_is_passed_over);
    tcase_add_test(tc, test_the_table_ends);
    tcase_add_test(tc, test_numbers_are_handed_down);
    tcase_add_test(tc, test_privilege);
    tcase_add_test(tc, test_quota_comes_from_the_creator);
    tcase_add_test(tc, test_creation_fails_at_every_point);
    tcase_add_test(tc, test_creation_without_frames);
    tcase_add_test(tc, test_states);
    tcase_add_loop_test(tc, test_no_child_of_the_dead, 0, 2);
    tcase_add_test(tc, test_timers_of_who_does_not_run);
    tcase_add_test(tc, test_no_memory_left);
    tcase_add_test(tc, test_weight_comes_from_the_creator);
    tcase_add_test(tc, test_a_killed_domain_says_why);
    tcase_add_test(tc, test_reports_are_bounded);
    tcase_add_test(tc, test_many_pins_go_in_steps);
    tcase_add_loop_test(tc, test_a_dead_device_holder, 0, 2);
    tcase_add_test(tc, test_root_ends_the_machine);
    tcase_add_test(tc, test_a_killed_root_ends_the_machine);
    tcase_add_test(tc, test_console_lines);
    tcase_add_test(tc, test_console_is_throttled);
    tcase_add_test(tc, test_random_ends);
    tcase_add_test(tc, test_no_end_of_what_is_loaded);
    tcase_add_test(tc, test_no_reset_of_what_is_loaded);
    tcase_add_test(tc, test_no_end_beside_who_was_inside);
    tcase_add_test(tc, test_pause_waits_for_what_is_loaded);
    tcase_add_test(tc, test_no_context_of_what_is_loaded);
    tcase_add_test(tc, test_calls_wait_for_other_tlbs);
    tcase_add_test(tc, test_freed_frames_wait_for_all);
    tcase_add_test(tc, test_pinned_by_two);
    tcase_add_test(tc, test_ends_with_flushes_by_the_billion);
    tcase_add_test(tc, test_ends_with_flushes_of_its_own);
    tcase_add_test(tc, test_waits_for_those_that_were_asked);
    tcase_add_test(tc, test_ends_while_another_wakes_up);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

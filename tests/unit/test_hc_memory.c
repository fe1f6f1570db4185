/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handlers of the memory, grant and cpu hypercalls: each question that they ask, asked by a
 * caller for whom the answer is no, beside one for whom it is yes; and batches that stop at each
 * index.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c hyp/core/poll.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/p2m.c hyp/core/portdecode.c hyp/core/resource.c
 * sources: hyp/core/sched.c hyp/core/space.c hyp/core/space_table.c
 * sources: hyp/core/space_leaf.c hyp/core/timer.c
 * sources: hyp/core/trace.c hyp/lib/lock.c hyp/hc/hc_memory.c hyp/hc/hc_grant.c hyp/hc/hc_cpu.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "frame.h"
#include "grant.h"
#include "hc.h"
#include "hv_grant.h"
#include "hv_memory.h"
#include "hv_vcpu.h"
#include "p2m.h"
#include "resource.h"
#include "vcpu.h"

#define FRAMES 8192u
#define PAGE   ((uint64_t)4096)
#define BUFFER (8 * PAGE)  /* a page of the caller's */
#define HOLE   (63 * PAGE) /* empty */
#define DEVICE 8u
#define WIN    HV_GFN_WINDOW
#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)

static struct domain *root, *child, *grandchild, *stranger;

int64_t hc_fail_report(int64_t error, const char *file, int line, const char *why)
{
    (void)file;
    (void)line;
    must(why != NULL && why[0] != '\0' && error < 0);
    return error;
}

/* What the architecture was asked for, and answers. */
static struct hv_entry entry_seen;
static uint64_t switch_space, switch_stack;
static int arch_answer;

int vcpu_set_entry(struct vcpu *v, const struct hv_entry *e)
{
    must(v == child->vcpu[0]);
    entry_seen = *e;
    return arch_answer;
}

int vcpu_switch(struct vcpu *v, uint64_t space, uint64_t kernel_stack)
{
    must(v == child->vcpu[0]);
    switch_space = space;
    switch_stack = kernel_stack;
    return arch_answer;
}

/* root - child - grandchild, root - stranger; the child runs and has a device. */
static void setup(void)
{
    host_core_start(FRAMES);
    root = domain_root;
    child = host_domain(root, 2500, 62);
    stranger = host_domain(root, 300, 16);
    grandchild = host_domain(child, 400, 16);
    must(resource_assign(root, child, HV_ASSIGN_DEVICE, DEVICE, 0) == 0);
    arch_answer = 0;
    host_run(child);
}

static void *buffer(void)
{
    return host_ram(child, BUFFER / PAGE);
}

/* Numbers that no call of the child's may accept: its parent, a stranger, nobody. */
static uint64_t other(int i)
{
    const uint64_t id[] = { root->id,    stranger->id,
                            4711,        child->id + HV_MAX_DOMAINS,
                            HV_SELF - 1, grandchild->id + HV_MAX_DOMAINS };

    return id[i];
}

static void put_run(uint64_t n, uint64_t address, uint64_t gfn, uint32_t count, uint32_t rights)
{
    ((struct hv_map_run *)buffer())[n] =
        (struct hv_map_run){ .address = address, .gfn = gfn, .count = count, .rights = rights };
}

START_TEST(test_without_the_right)
{
    const uint64_t id = other(_i);
    uint64_t used = stranger->used;

    put_run(0, 0x1000, 3, 1, R);
    ck_assert_int_eq(hc_space_create(id), -HV_EPERM);
    ck_assert_int_eq(hc_space_destroy(id, 1), -HV_EPERM);
    ck_assert_int_eq(hc_map(id, 0, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_unmap(id, 0, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_protect(id, 0, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_populate(id, 40, 1), -HV_EPERM);
    ck_assert_int_eq(hc_give_back(id, 3, 1), -HV_EPERM);
    ck_assert_int_eq(hc_grant_create(id, child->id, 3, 1, R), -HV_EPERM);
    ck_assert_int_eq(hc_grant_end(id, 1, 0), -HV_EPERM);
    ck_assert_int_eq(hc_grant_map(id, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_grant_unmap(id, BUFFER, 1), -HV_EPERM);
    ck_assert_int_eq(hc_dma_map(DEVICE + 1, 3, 1, BUFFER), -HV_EPERM);
    ck_assert_int_eq(hc_dma_unmap(DEVICE + 1, 0x1000, 1), -HV_EPERM);
    ck_assert_uint_eq(stranger->used, used);
    host_audit();
}
END_TEST

/* A batch may lie at any address in its page. */
START_TEST(test_batches_at_any_address)
{
    const struct hv_map_run mapped[2] = { { 0x1000, 3, 1, R }, { 0x5000, 4, 2, R } };
    const struct hv_map_run none[2] = { { 0x1000, 0, 1, 0 }, { 0x5000, 0, 2, 0 } };
    const struct hv_map_run less[2] = { { 0x1000, 0, 1, R }, { 0x5000, 0, 2, R } };
    uint64_t s = (uint64_t)hc_space_create(HV_SELF);

    for (unsigned offset = 0; offset < 16; offset++) {
        char *at = (char *)buffer() + offset;

        memcpy(at, mapped, sizeof mapped);
        ck_assert_int_eq(hc_map(HV_SELF, s, BUFFER + offset, 2), 3);
        ck_assert_int_eq(hc_map(HV_SELF, s, BUFFER + offset, 1), 1); /* the leaf is known */
        memcpy(at, less, sizeof less);
        ck_assert_int_eq(hc_protect(HV_SELF, s, BUFFER + offset, 2), 3);
        memcpy(at, none, sizeof none);
        ck_assert_int_eq(hc_unmap(HV_SELF, s, BUFFER + offset, 2), 3);
    }
    host_audit();
}
END_TEST

START_TEST(test_spaces)
{
    int64_t s = hc_space_create(HV_SELF), theirs = hc_space_create(grandchild->id);

    ck_assert_int_gt(s, 0);
    ck_assert_int_gt(theirs, 0);
    ck_assert_int_eq(hc_space_destroy(HV_SELF, 0), -HV_EINVAL);
    ck_assert_int_eq(hc_space_destroy(HV_SELF, (uint64_t)s + 1), -HV_EINVAL);
    ck_assert_int_eq(hc_space_destroy(HV_SELF, HV_MAX_SPACES), -HV_EINVAL);
    ck_assert_int_eq(hc_space_destroy(HV_SELF, ~(uint64_t)0), -HV_EINVAL);
    while (hc_space_destroy(HV_SELF, (uint64_t)s) == 1) {
    }
    ck_assert_int_eq(hc_space_destroy(HV_SELF, (uint64_t)s), -HV_EINVAL);
    while (hc_space_destroy(grandchild->id, (uint64_t)theirs) == 1) {
    }
    host_audit();
}
END_TEST

/* Both ways through map: the quick one, for the caller itself, and the general one. */
START_TEST(test_map_batches)
{
    const uint64_t dom = _i ? grandchild->id : HV_SELF;
    uint64_t s = (uint64_t)hc_space_create(dom);
    static const uint64_t counts[] = { 0, HV_MAX_MAP_RUNS + 1, (uint64_t)1 << 63, ~(uint64_t)0 };

    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        ck_assert_int_eq(hc_map(dom, s, BUFFER, counts[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_unmap(dom, s, BUFFER, counts[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_protect(dom, s, BUFFER, counts[i]), -HV_EINVAL);
    }
    ck_assert_int_eq(hc_map(dom, s + 1, BUFFER, 1), -HV_EINVAL);
    for (uint64_t bad = 0; bad < 6; bad++) { /* the entry at which the batch stops */
        for (uint64_t i = 0; i < 6; i++) {
            put_run(i, 0x10000 + i * PAGE, i == bad ? 4711 : 2 + i, 1, RW);
        }
        ck_assert_int_eq(hc_map(dom, s, BUFFER, 6), bad ? (int64_t)bad : -HV_EINVAL);
        for (uint64_t i = 0; i < 6; i++) {
            put_run(i, 0x10000 + i * PAGE, i == bad, 1, 0);
        }
        ck_assert_int_eq(hc_unmap(dom, s, BUFFER, 6), bad ? (int64_t)bad : -HV_EINVAL);
        put_run(0, 0x10000, 0, 6, 0);
        ck_assert_int_eq(hc_unmap(dom, s, BUFFER, 1), 6);
    }
    host_audit();
}
END_TEST

START_TEST(test_protect)
{
    uint64_t s = (uint64_t)hc_space_create(HV_SELF);

    put_run(0, 0x10000, 2, 4, RW);
    ck_assert_int_eq(hc_map(HV_SELF, s, BUFFER, 1), 4);
    put_run(0, 0x10000, 0, 4, R);
    put_run(1, 0x10000, 1, 4, R); /* a GFN means nothing here */
    ck_assert_int_eq(hc_protect(HV_SELF, s, BUFFER, 2), 4);
    put_run(0, 0x10000, 0, 1, 0);
    ck_assert_int_eq(hc_protect(HV_SELF, s, BUFFER, 1), -HV_EINVAL);
    put_run(0, 0x10000, 0, 1, 8);
    ck_assert_int_eq(hc_protect(HV_SELF, s, BUFFER, 1), -HV_EINVAL);
    put_run(0, HV_KERNEL_IMAGE, 0, 1, R);
    ck_assert_int_eq(hc_protect(HV_SELF, s, BUFFER, 1), -HV_EINVAL);
    put_run(0, 0x10000, 0, 1, R);
    ck_assert_int_eq(hc_unmap(HV_SELF, s, BUFFER, 1), -HV_EINVAL);
}
END_TEST

/* A run larger than a call does: it goes on from there. */
START_TEST(test_bounds_of_a_call)
{
    uint64_t s = (uint64_t)hc_space_create(HV_SELF);

    put_run(0, 0x10000, 0, 5000, 0);
    ck_assert_int_eq(hc_unmap(HV_SELF, s, BUFFER, 1), HV_MAX_MAP_PAGES);
    put_run(0, 0x10000, 0, HV_MAX_MAP_PAGES, 0);
    put_run(1, 0x10000, 0, 1, 0);
    ck_assert_int_eq(hc_unmap(HV_SELF, s, BUFFER, 2), HV_MAX_MAP_PAGES);
}
END_TEST

START_TEST(test_buffers)
{
    static const uint64_t bad[] = {
        HOLE,
        64 * PAGE,
        BUFFER + PAGE - 4,
        ~(uint64_t)0,
        ~(uint64_t)0 - PAGE,
        (uint64_t)1 << 62,
        HV_GFN_WINDOW * PAGE,
        HV_GFN_SHARED * PAGE,
        HV_GFN_MMIO * PAGE,
    };
    const uint64_t gpa = bad[_i];
    uint64_t used = child->used;

    ck_assert_int_eq(hc_map(HV_SELF, 0, gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_map(grandchild->id, 0, gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_unmap(HV_SELF, 0, gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_protect(HV_SELF, 0, gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_grant_map(HV_SELF, gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_grant_unmap(HV_SELF, gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_grant_copy(gpa, 1), -HV_EFAULT);
    ck_assert_int_eq(hc_dma_map(DEVICE, 3, 1, gpa), -HV_EFAULT);
    ck_assert_int_eq(hc_set_entry(gpa), -HV_EFAULT);
    ck_assert_uint_eq(child->used, used);
    host_audit();
}
END_TEST

START_TEST(test_populate)
{
    ck_assert_int_eq(hc_give_back(HV_SELF, 40, 3), 3);
    ck_assert_int_eq(hc_populate(HV_SELF, 41, 1), 1);
    ck_assert_int_eq(hc_populate(HV_SELF, 40, 3), 1);
    ck_assert_int_eq(hc_populate(HV_SELF, 41, 1), -HV_EINVAL);
    ck_assert_int_eq(hc_populate(grandchild->id, 0, 1), -HV_EINVAL);
    ck_assert_int_eq(hc_give_back(grandchild->id, 0, 1), 1);
    ck_assert_int_eq(hc_populate(grandchild->id, 0, 1), 1);
    host_audit();
}
END_TEST

START_TEST(test_dma)
{
    struct hv_dma_run *runs = buffer();
    uint64_t address;

    ck_assert_int_eq(hc_dma_map(DEVICE, 3, 0, BUFFER), -HV_EINVAL);
    ck_assert_int_eq(hc_dma_map(DEVICE, 3, HV_MAX_DMA_PAGES + 1, BUFFER), -HV_EINVAL);
    ck_assert_int_gt(hc_dma_map(DEVICE, 3, 1, BUFFER), 0);
    ck_assert_uint_eq(runs[0].pages, 1);
    address = runs[0].address;
    ck_assert_int_eq(hc_give_back(HV_SELF, 3, 1), -HV_EBUSY);
    ck_assert_int_eq(hc_dma_unmap(DEVICE, address, 1), 1);
    ck_assert_int_eq(hc_dma_unmap(DEVICE, address, 1), -HV_EINVAL);
    host_audit();
}
END_TEST

static uint64_t grant(struct domain *owner, struct domain *peer, uint64_t gfn, uint64_t pages)
{
    int64_t ref = grant_create(owner, peer->id, (gfn_t){ gfn }, pages, RW);

    must(ref > 0);
    return (uint64_t)ref;
}

static void put_map(uint64_t n, uint64_t ref, uint64_t window)
{
    static int64_t port;

    if (n == 0) {
        port = host_port(child, HV_SELF);
    }
    must(port > 0);
    ((struct hv_grant_map *)buffer())[n] = (struct hv_grant_map){ .owner = grandchild->id,
                                                                  .ref = ref,
                                                                  .window = window,
                                                                  .port = (uint32_t)port,
                                                                  .rights = RW,
                                                                  .count = 1 };
}

START_TEST(test_grants)
{
    int64_t ref = hc_grant_create(HV_SELF, stranger->id, 3, 2, RW);

    ck_assert_int_gt(ref, 0);
    ck_assert_int_eq(hc_grant_end(HV_SELF, (uint64_t)ref, 2), -HV_EINVAL);
    ck_assert_int_eq(hc_grant_end(HV_SELF, (uint64_t)ref, ~(uint64_t)0), -HV_EINVAL);
    ck_assert_int_eq(hc_grant_end(HV_SELF, (uint64_t)ref, 0), 0);
    ck_assert_int_eq(hc_grant_end(HV_SELF, (uint64_t)ref, 1), -HV_EINVAL);
    ref = hc_grant_create(grandchild->id, stranger->id, 3, 1, R); /* on its behalf */
    ck_assert_int_gt(ref, 0);
    ck_assert_int_eq(hc_grant_end(grandchild->id, (uint64_t)ref, 1), 0);
    host_audit();
}
END_TEST

/* Each batch stops at each index, and what was done before it stays. */
START_TEST(test_grant_batches)
{
    uint64_t ref[4], *windows = buffer();

    for (uint64_t i = 0; i < 4; i++) {
        ref[i] = grant(grandchild, child, 2 + i, 1);
    }
    for (uint64_t bad = 0; bad < 4; bad++) {
        for (uint64_t i = 0; i < 4; i++) {
            put_map(i, i == bad ? 0 : ref[i], WIN + i);
        }
        ck_assert_int_eq(hc_grant_map(HV_SELF, BUFFER, 4), bad ? (int64_t)bad : -HV_EINVAL);
        for (uint64_t i = 0; i < 4; i++) {
            windows[i] = WIN + i;
        }
        ck_assert_int_eq(hc_grant_unmap(HV_SELF, BUFFER, 4), bad ? (int64_t)bad : -HV_EINVAL);
    }
    host_audit();
}
END_TEST

START_TEST(test_grant_counts)
{
    static const uint64_t bad[] = { 0, HV_MAX_GRANT_BATCH + 1, (uint64_t)1 << 32, ~(uint64_t)0 };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(hc_grant_map(HV_SELF, BUFFER, bad[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_grant_copy(BUFFER, bad[i]), -HV_EINVAL);
        ck_assert_int_eq(hc_grant_unmap(HV_SELF, BUFFER, bad[i]), -HV_EINVAL);
    }
    put_map(0, grant(grandchild, child, 2, 1), WIN);
    ck_assert_int_eq(hc_grant_map(HV_SELF, BUFFER, 1), 1);
    ((struct hv_grant_map *)buffer())->owner = 4711;
    ck_assert_int_eq(hc_grant_map(HV_SELF, BUFFER, 1), -HV_EDEAD);
}
END_TEST

/* A whole batch, of which the last entries name windows that are free by then. */
START_TEST(test_many_windows)
{
    uint64_t ref[16], *windows = buffer();

    for (uint64_t i = 0; i < 14; i++) {
        ref[i] = grant(grandchild, child, 2 + i, 1);
        put_map(i, ref[i], WIN + i);
    }
    ck_assert_int_eq(hc_grant_map(HV_SELF, BUFFER, 14), 14);
    for (uint64_t i = 0; i < HV_MAX_GRANT_BATCH; i++) {
        windows[i] = WIN + i;
    }
    ck_assert_int_eq(hc_grant_unmap(HV_SELF, BUFFER, HV_MAX_GRANT_BATCH), 14);
    ck_assert_int_eq(hc_grant_unmap(HV_SELF, BUFFER, HV_MAX_GRANT_BATCH), -HV_EINVAL);
    host_audit();
}
END_TEST

START_TEST(test_grant_copy)
{
    struct hv_grant_copy *c = buffer();
    uint64_t ref = grant(grandchild, child, 2, 2);

    memset(host_ram(grandchild, 2), 7, PAGE);
    for (uint64_t bad = 0; bad < 3; bad++) {
        for (uint64_t i = 0; i < 3; i++) {
            c[i] = (struct hv_grant_copy){ .owner = grandchild->id,
                                           .ref = i == bad ? 0 : ref,
                                           .offset = 0,
                                           .gpa = (20 + i) * PAGE,
                                           .bytes = 64 };
        }
        ck_assert_int_eq(hc_grant_copy(BUFFER, 3), bad ? (int64_t)bad : -HV_EINVAL);
    }
    ck_assert_int_eq(*(char *)host_ram(child, 21), 7);
}
END_TEST

START_TEST(test_cpu)
{
    const struct hv_entry e = { .syscall = HV_KERNEL_IMAGE + 64 };

    memcpy(buffer(), &e, sizeof(e));
    ck_assert_int_eq(hc_set_entry(BUFFER), 0);
    ck_assert_mem_eq(&entry_seen, &e, sizeof(e));
    ck_assert_int_eq(hc_switch(3, 0x1234), 0);
    ck_assert_uint_eq(switch_space, 3);
    ck_assert_uint_eq(switch_stack, 0x1234);
    arch_answer = -HV_EINVAL;
    ck_assert_int_eq(hc_set_entry(BUFFER), -HV_EINVAL);
    ck_assert_int_eq(hc_switch(3, 0x1234), -HV_EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hc_memory");
    TCase *tc = tcase_create("hc_memory");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, test_without_the_right, 0, 6);
    tcase_add_test(tc, test_batches_at_any_address);
    tcase_add_test(tc, test_spaces);
    tcase_add_loop_test(tc, test_map_batches, 0, 2);
    tcase_add_test(tc, test_protect);
    tcase_add_test(tc, test_bounds_of_a_call);
    tcase_add_loop_test(tc, test_buffers, 0, 9);
    tcase_add_test(tc, test_populate);
    tcase_add_test(tc, test_dma);
    tcase_add_test(tc, test_grants);
    tcase_add_test(tc, test_grant_batches);
    tcase_add_test(tc, test_grant_counts);
    tcase_add_test(tc, test_many_windows);
    tcase_add_test(tc, test_grant_copy);
    tcase_add_test(tc, test_cpu);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The P2M: populate and give back against a model, what each range of GFNs names, resources behind
 * the MMIO range, guest buffers, and taking it all apart with every frame returned.
 *
 * sources: tests/unit/host_machine.c hyp/core/frame.c hyp/core/epoch.c hyp/core/p2m.c
 * sources: hyp/core/space.c hyp/core/space_table.c hyp/core/space_leaf.c hyp/core/grant.c
 * sources: hyp/core/dma.c hyp/core/resource.c hyp/core/guestmem.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_machine.h"

#include "grant.h"
#include "guestmem.h"
#include "hv_domain.h"
#include "p2m.h"
#include "resource.h"

#define FRAMES 8192u
#define RAM    1500u

static gfn_t gfn(uint64_t n)
{
    return (gfn_t){ n };
}

START_TEST(test_populate_bounds)
{
    struct domain *d;

    machine_start(FRAMES);
    d = machine_domain(4000, RAM, 0);
    must(p2m_populate(d, gfn(0), 0) == -HV_EINVAL);
    must(p2m_populate(d, gfn(RAM), 1) == -HV_EINVAL);
    must(p2m_populate(d, gfn(RAM - 1), 2) == -HV_EINVAL);
    must(p2m_populate(d, gfn(1), ~(uint64_t)0) == -HV_EINVAL);
    must(p2m_populate(d, gfn(~(uint64_t)0), 2) == -HV_EINVAL);
    must(p2m_populate(d, gfn(HV_GFN_WINDOW), 1) == -HV_EINVAL);
    must(p2m_populate(d, gfn(HV_GFN_SHARED), 1) == -HV_EINVAL);
    must(p2m_populate(d, gfn(HV_GFN_MMIO), 1) == -HV_EINVAL);
    must(p2m_populate(d, gfn(0), RAM) == HV_MAX_POPULATE_PAGES); /* the bound on one call */
    must(p2m_populate(d, gfn(RAM - 1), 1) == 1);
    must(p2m_populate(d, gfn(RAM - 1), 1) == -HV_EINVAL); /* occupied */
    must(p2m_populate(d, gfn(RAM - 3), 3) == 2);          /* up to the occupied one */
    must(p2m_give_back(d, gfn(600), 1) == -HV_EINVAL);    /* empty */
    must(p2m_give_back(d, gfn(510), 5) == 2);
    must(p2m_give_back(d, gfn(RAM), 1) == -HV_EINVAL);
    must(p2m_give_back(d, gfn(0), 0) == -HV_EINVAL);
    must(p2m_give_back(d, gfn(0), ~(uint64_t)0) == -HV_EINVAL);
    machine_audit();
}
END_TEST

START_TEST(test_quota_stops_populate)
{
    struct domain *d;
    uint64_t left;

    machine_start(FRAMES);
    d = machine_domain(100, RAM, 0);
    left = 100 - d->used - 1; /* for the table of the first 512 GFNs */
    must(p2m_populate(d, gfn(0), 500) == (int64_t)left);
    must(p2m_populate(d, gfn(500), 1) == -HV_ENOMEM);
    must(p2m_give_back(d, gfn(0), 1) == 1);
    must(p2m_populate(d, gfn(600), 1) == -HV_ENOMEM); /* the page, but not its table */
    must(d->populated == left - 1 && mfn_is_none(p2m_ram(d, gfn(600))));
    must(p2m_populate(d, gfn(0), 1) == 1);
    must(p2m_give_back(d, gfn(0), 1) == 1);
    must(p2m_populate(d, gfn(500), 1) == 1);
    machine_audit();
}
END_TEST

/* Whatever uses a frame forbids giving it back. */
START_TEST(test_busy)
{
    struct domain *d;
    struct frame *f;

    machine_start(FRAMES);
    d = machine_domain(200, 10, 0);
    must(p2m_populate(d, gfn(0), 3) == 3);
    f = frame_of(p2m_ram(d, gfn(1)));
    f->maps = 1;
    must(p2m_give_back(d, gfn(1), 1) == -HV_EBUSY);
    f->maps = 0;
    f->grants = 1;
    must(p2m_give_back(d, gfn(1), 1) == -HV_EBUSY);
    f->grants = 0;
    f->pins = 1;
    must(p2m_give_back(d, gfn(1), 1) == -HV_EBUSY);
    f->pins = 0;
    frame_hold(f);
    must(p2m_give_back(d, gfn(1), 1) == -HV_EBUSY);
    must(p2m_give_back(d, gfn(0), 3) == 1); /* stops there */
    frame_unhold(f);
    must(p2m_give_back(d, gfn(1), 2) == 2);
}
END_TEST

START_TEST(test_random_against_model)
{
    static uint64_t model[RAM];
    static bool leaf[RAM / 512 + 1]; /* has one of its own, from the first page on */
    struct domain *d;
    uint64_t base, populated = 0;

    memset(model, 0, sizeof(model));
    memset(leaf, 0, sizeof(leaf));
    machine_start(FRAMES);
    machine_seed((uint64_t)_i + 10);
    d = machine_domain(1200, RAM, 70);
    base = d->used;
    for (int step = 0; step < 3000; step++) {
        uint64_t g = machine_random(RAM), count = 1 + machine_random(40), n = 0;
        bool populate = machine_random(2) != 0;
        int64_t done = populate ? p2m_populate(d, gfn(g), count) : p2m_give_back(d, gfn(g), count);

        if (g + count > RAM) {
            must(done == -HV_EINVAL);
            continue;
        }
        while (n < count && (model[g + n] == 0) == populate && done > (int64_t)n) {
            model[g + n] = populate ? p2m_ram(d, gfn(g + n)).n : 0;
            populated += populate ? 1 : ~(uint64_t)0;
            base += !leaf[(g + n) / 512];
            leaf[(g + n) / 512] = true;
            n++;
        }
        if (n < count && populate && model[g + n] == 0) {
            /* Out of quota, for nothing else; where a leaf is missing two frames are wanted. */
            must(d->used >= d->quota - !leaf[(g + n) / 512]);
        }
        must(done == (int64_t)n || (n == 0 && (done == -HV_EINVAL || done == -HV_ENOMEM)));
        must(d->used == base + populated + frame_limbo_count() && d->populated == populated);
        for (uint64_t i = 0; i < RAM; i++) {
            must((model[i] == 0) == mfn_is_none(p2m_ram(d, gfn(i))));
            must(model[i] == 0 || model[i] == p2m_ram(d, gfn(i)).n);
        }
    }
    machine_audit();
}
END_TEST

/* What each GFN names, at and around every border. */
START_TEST(test_resolve)
{
    struct p2m_target t;
    struct domain *d;

    machine_start(FRAMES);
    d = machine_domain(1000, 10, 5);
    must(resource_give_all(d) == 0);
    p2m_populate(d, gfn(9), 1);
    must(p2m_resolve(d, gfn(9), &t) == 0 && t.mfn.n == p2m_ram(d, gfn(9)).n && !t.mmio &&
         !t.shared);
    must(t.rights == (HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC) && t.window == NULL);
    must(p2m_resolve(d, gfn(8), &t) == -HV_EINVAL);
    must(p2m_resolve(d, gfn(10), &t) == -HV_EINVAL);
    must(p2m_resolve(d, gfn(HV_GFN_WINDOW - 1), &t) == -HV_EINVAL);
    must(p2m_resolve(d, gfn(HV_GFN_WINDOW), &t) == -HV_EINVAL); /* free */
    must(p2m_resolve(d, gfn(HV_GFN_WINDOW + 5), &t) == -HV_EINVAL);
    must(p2m_resolve(d, gfn(HV_GFN_SHARED), &t) == 0 && t.shared &&
         t.mfn.n == d->vcpu[0]->page_mfn.n);
    must(t.rights == (HV_MAP_READ | HV_MAP_WRITE));
    must(p2m_resolve(d, gfn(HV_GFN_SHARED + 1), &t) == -HV_EINVAL);
    must(p2m_resolve(d, gfn(HV_GFN_SHARED + HV_MAX_VCPUS), &t) == -HV_EINVAL);
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + 0xfd000), &t) == 0 && t.mmio && t.mfn.n == 0xfd000);
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + 0xfee00), &t) == -HV_EPERM); /* local APIC */
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + 0xfec00), &t) == -HV_EPERM); /* I/O APIC */
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + 5), &t) == -HV_EPERM);       /* RAM */
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + FRAMES - 1), &t) == -HV_EPERM);
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + FRAMES), &t) == 0);
    must(p2m_resolve(d, gfn(HV_GFN_MMIO + (1u << 28)), &t) == -HV_EPERM); /* beyond 40 bits */
    must(p2m_resolve(d, gfn(~(uint64_t)0), &t) == -HV_EPERM);
}
END_TEST

START_TEST(test_assign)
{
    struct domain *root, *a, *b, *c;

    machine_start(FRAMES);
    root = machine_domain(1000, 10, 0);
    a = machine_domain(200, 10, 0);
    b = machine_domain(200, 10, 0);
    c = machine_domain(200, 10, 0);
    must(resource_give_all(root) == 0);

    must(resource_holds_ports(root, 0x1f0, 8) && !resource_holds_ports(a, 0x1f0, 8));
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 0x1f0, 8) == 0);
    must(resource_holds_ports(a, 0x1f0, 8) && !resource_holds_ports(a, 0x1ef, 2));
    must(!resource_holds_ports(a, 0x1f0, 9) && resource_holds_ports(root, 0x1f0, 8));
    must(resource_assign(a, b, HV_ASSIGN_PORTS, 0x1f0, 9) == -HV_EPERM);
    must(resource_assign(a, b, HV_ASSIGN_PORTS, 0x1f7, 1) == 0);
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 0xffff, 1) == 0);
    must(resource_holds_ports(a, 0x1f0, 8)); /* still */
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 0xffff, 2) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 0x10000, 1) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 0x20000, 1) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_PORTS, ~(uint64_t)0, 1) == -HV_EINVAL);
    c->quota = c->used; /* the bitmap is two frames */
    must(resource_assign(root, c, HV_ASSIGN_PORTS, 0x80, 1) == -HV_ENOMEM);
    c->quota++;
    must(resource_assign(root, c, HV_ASSIGN_PORTS, 0x80, 1) == -HV_ENOMEM);
    must(!resource_holds_ports(c, 0x80, 1));
    c->quota++;
    must(resource_assign(root, c, HV_ASSIGN_PORTS, 0x80, 1) == 0 && c->used == c->quota);
    must(resource_holds_ports(c, 0x80, 1) && !resource_holds_ports(c, 0x81, 1));
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 5, ~(uint64_t)0) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_PORTS, 5, 0) == -HV_EINVAL);
    const uint16_t hyps[] = { 0x20, 0x21, 0x40, 0x43, 0x61, 0xa0, 0xa1, 0xf4, 0xf7, 0x3f8, 0x3ff };
    for (unsigned int i = 0; i < ARRAY_LEN(hyps); i++) {
        must(!resource_holds_ports(root, hyps[i], 1));
        must(resource_assign(root, a, HV_ASSIGN_PORTS, hyps[i], 1) == -HV_EPERM);
        must(resource_assign(root, a, HV_ASSIGN_PORTS, hyps[i] - 4u, 8) == -HV_EPERM);
    }

    const uint64_t m = HV_GFN_MMIO;
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xfd000, 16) == 0);
    must(resource_holds_mmio(a, 0xfd00f) && !resource_holds_mmio(a, 0xfd010));
    must(!resource_holds_mmio(a, 0xfcfff));
    must(resource_assign(a, b, HV_ASSIGN_MMIO, m + 0xfd00f, 2) == -HV_EPERM);
    must(resource_assign(a, b, HV_ASSIGN_MMIO, m + 0xfd00f, 1) == 0);
    must(resource_assign(root, a, HV_ASSIGN_MMIO, 0xfd000, 1) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xfd000, 0) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 1, ~(uint64_t)0) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + FRAMES - 1, 2) == -HV_EPERM); /* RAM */
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xfedff, 2) == -HV_EPERM);    /* LAPIC */
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xfec00, 1) == -HV_EPERM);    /* IOAPIC */
    for (uint64_t i = 1; i < RESOURCE_RANGES; i++) {
        must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xe0000 + 2 * i, 1) == 0);
    }
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xe0000 + 2, 1) == 0); /* has it */
    must(resource_assign(root, a, HV_ASSIGN_MMIO, m + 0xe1000, 1) == -HV_ENOSPC);

    must(resource_assign(root, a, HV_ASSIGN_IRQ, 16, 0) == 0 && resource_holds_irq(a, 16));
    must(!resource_holds_irq(root, RESOURCE_IRQS) && !resource_holds_irq(a, RESOURCE_IRQS));
    must(!resource_holds_irq(a, 17) && !resource_holds_irq(root, 4)); /* the console's line */
    must(resource_assign(a, b, HV_ASSIGN_IRQ, 17, 0) == -HV_EPERM);
    must(resource_assign(root, a, HV_ASSIGN_IRQ, RESOURCE_IRQS, 0) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_IRQ, 16, 1) == -HV_EINVAL);

    must(resource_assign(root, a, HV_ASSIGN_DEVICE, 0x18, 0) == 0 &&
         resource_holds_device(a, 0x18));
    must(!resource_holds_device(a, 0x19) && !resource_holds_device(root, 0x10000));
    must(resource_assign(a, b, HV_ASSIGN_DEVICE, 0x19, 0) == -HV_EPERM);
    must(resource_assign(root, a, HV_ASSIGN_DEVICE, 0x10000, 0) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_DEVICE, 0x18, 1) == -HV_EINVAL);
    must(resource_assign(root, a, HV_ASSIGN_DEVICE, 0x18, 0) == 0); /* has it */
    for (uint64_t i = 1; i < RESOURCE_RANGES; i++) {
        must(resource_assign(root, a, HV_ASSIGN_DEVICE, 0x100 + i, 0) == 0);
    }
    must(resource_assign(root, a, HV_ASSIGN_DEVICE, 0x200, 0) == -HV_ENOSPC);
    must(resource_assign(root, a, 0, 0, 0) == -HV_EINVAL);
    must(resource_assign(root, a, 5, 0, 0) == -HV_EINVAL);
    machine_audit();
    machine_kill(a);
    machine_bury(a);
    machine_audit();
}
END_TEST

/* Guest buffers: every bad address is refused, whole; the rest is copied exactly. */
START_TEST(test_guest_buffers)
{
    struct domain *d, *peer;
    uint8_t in[4096], out[4096];
    struct hv_grant_map map;
    uint64_t window = HV_GFN_WINDOW * 4096;
    int64_t ref;

    machine_start(FRAMES);
    d = machine_domain(1000, 10, 5);
    peer = machine_domain(1000, 10, 5);
    p2m_populate(d, gfn(2), 2);
    for (unsigned int i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 7);
    }
    for (uint64_t offset = 0; offset < 4096; offset += 131) {
        for (uint64_t bytes = 0; bytes <= 4096; bytes += 97) {
            gpa_t at = { 2 * 4096 + offset };
            int expect = offset + bytes <= 4096 ? 0 : -HV_EFAULT;

            must(guest_copy_out(d, at, out, bytes) == expect);
            memset(in, 0, sizeof(in));
            must(guest_copy_in(d, in, at, bytes) == expect);
            must(expect != 0 || memcmp(in, out, bytes) == 0);
            must(bytes == 4096 || in[bytes] == 0);
        }
    }
    must(guest_page(d, (gpa_t){ 2 * 4096 }, ~(size_t)0, false) == NULL);
    must(guest_page(d, (gpa_t){ 4 * 4096 }, 1, false) == NULL);  /* empty */
    must(guest_page(d, (gpa_t){ 10 * 4096 }, 1, false) == NULL); /* beyond the end */
    must(guest_page(d, (gpa_t){ ~(uint64_t)0 }, 1, false) == NULL);
    must(guest_page(d, (gpa_t){ HV_GFN_SHARED * 4096 }, 1, false) == NULL);
    must(guest_page(d, (gpa_t){ (HV_GFN_MMIO + 0xfd000) * 4096 }, 1, false) == NULL);
    must(guest_page(d, (gpa_t){ window }, 1, false) == NULL); /* free window */

    ref = grant_create(d, peer->id, gfn(2), 1, HV_MAP_READ);
    map = (struct hv_grant_map){ d->id, (uint64_t)ref, HV_GFN_WINDOW + 1, 1, HV_MAP_READ, 1, 0 };
    must(grant_map(peer, &map, 1) == 1);
    must(guest_page(peer, (gpa_t){ window + 4096 }, 4096, false) == frame_va(p2m_ram(d, gfn(2))));
    must(guest_page(peer, (gpa_t){ window + 4096 }, 1, true) == NULL); /* read-only */
    must(guest_page(peer, (gpa_t){ window + 8192 }, 1, false) == NULL);
    must(grant_end(d, (uint64_t)ref, true) == 0);
    must(guest_page(peer, (gpa_t){ window + 4096 }, 1, false) == NULL); /* revoked */
}
END_TEST

/* Creation with memory for k frames only, for every k: all of it or nothing. */
START_TEST(test_create_out_of_memory)
{
    uint64_t before, need;
    struct domain *d;

    machine_start(FRAMES);
    machine_domain(100, 1, 0);
    before = frame_free_count();
    d = machine_domain(1000, 600, 200);
    need = d->used;
    machine_kill(d);
    machine_bury(d);
    must(frame_free_count() == before);
    for (uint64_t quota = 0; quota < need; quota++) {
        must(machine_try_domain(quota, 600, 200) == NULL);
        must(frame_free_count() == before);
    }
    must(machine_try_domain(need, 600, 200) != NULL);
    machine_audit();
}
END_TEST

/* The largest domain goes in steps, each bounded. */
START_TEST(test_destroy)
{
    struct domain *d;
    uint64_t before;
    unsigned int steps;

    machine_start(FRAMES);
    machine_domain(100, 1, 0);
    before = frame_free_count();
    d = machine_domain(6000, 5000, 2000);
    for (uint64_t g = 0; g < 4096; g += 512) {
        must(p2m_populate(d, gfn(g), 512) == 512);
    }
    steps = machine_kill(d);
    must(steps >= 8);
    machine_bury(d);
    must(frame_free_count() == before);
    machine_audit();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("p2m");
    TCase *tests = tcase_create("p2m");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_populate_bounds);
    tcase_add_test(tests, test_quota_stops_populate);
    tcase_add_test(tests, test_busy);
    tcase_add_loop_test(tests, test_random_against_model, 0, 3);
    tcase_add_test(tests, test_resolve);
    tcase_add_test(tests, test_assign);
    tcase_add_test(tests, test_guest_buffers);
    tcase_add_test(tests, test_create_out_of_memory);
    tcase_add_test(tests, test_destroy);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

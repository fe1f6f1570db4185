/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercall layer over all of core on a fake machine: the input is a program of pokes into
 * guest memory, hypercalls by four domains, interrupts and the passing of time. After each program
 * the domains are destroyed: root must have back what it had, and the audit must find nothing.
 *
 * A call's number and arguments come from the list, the argument's meaning from the input: a
 * domain, a buffer, an earlier result, a number at the edge. Calls that leave the hypervisor by
 * another way than returning (block, shutdown, return_to_user) are left to guests.
 *
 * inputs: 30000
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/*.c hyp/hc/*.c hyp/lib/lock.c
 * without: hyp/core/root.c hyp/core/main.c hyp/core/loader.c
 * flags: -fno-sanitize-coverage=trace-cmp
 */
#include "fuzz.h"

#include "host_core.h"

#include "frame.h"
#include "hc.h"
#include "hv_memory.h"
#include "p2m.h"
#include "resource.h"
#include "space.h"
#include "vcpu.h"

#define FRAMES  2600u
#define SLOTS   4u
#define BUFFER  8u /* first of BUFFERS pages that calls are made with */
#define BUFFERS 4u
#define RESULTS 8u
#define DEVICE  8u
#define STEPS   200

static struct domain *slot[SLOTS];
static uint64_t slot_id[SLOTS];
static int64_t results[RESULTS];
static unsigned result_at;

int vcpu_set_entry(struct vcpu *v, const struct hv_entry *e)
{
    (void)v;
    return address_in_kernel_half(e->syscall) ? 0 : -HV_EINVAL;
}

int vcpu_switch(struct vcpu *v, uint64_t space, uint64_t kernel_stack)
{
    return space_find(v->domain, space) && address_is_guests(kernel_stack) ? 0 : -HV_EINVAL;
}

/* The domain in a slot, or NULL when it has come to an end. */
static struct domain *alive(unsigned n)
{
    struct domain *d = domain_find(slot_id[n]);

    return d == slot[n] && domain_alive(d) ? d : NULL;
}

static struct domain *child_of(struct domain *parent, uint64_t quota, uint64_t pages)
{
    struct domain *d = host_domain(parent, quota, pages);

    host_run(d);
    return d;
}

static void build(void)
{
    slot[0] = domain_root;
    slot[1] = child_of(domain_root, 700, 40);
    require(resource_assign(domain_root, slot[1], HV_ASSIGN_DEVICE, DEVICE, 0) == 0);
    require(resource_assign(domain_root, slot[1], HV_ASSIGN_PORTS, 0x80, 4) == 0);
    require(resource_assign(domain_root, slot[1], HV_ASSIGN_IRQ, 5, 0) == 0);
    slot[2] = child_of(slot[1], 200, 20);
    slot[3] = child_of(domain_root, 300, 20);
    for (unsigned i = 0; i < SLOTS; i++)
        slot_id[i] = slot[i]->id;
    memset(results, 0, sizeof results);
}

/* All of a domain, those below it first, its pins too, whatever state it was left in. */
static void destroy(struct domain *d)
{
    uint64_t id = d->id;
    int64_t r;

    while (d->first_child != NULL)
        destroy(d->first_child);
    while ((r = hc_domain_destroy(id)) > 0) {
    }
    require(r == 0);
    /* -HV_EPERM: it is gone already, nothing was pinned. */
    while ((r = hc_devices_reset(id)) > 0) {
    }
    require(r == 0 || r == -HV_EPERM);
}

static uint64_t argument(struct input *in)
{
    static const uint64_t edges[] = { 0,
                                      1,
                                      511,
                                      512,
                                      4095,
                                      4096,
                                      ((uint64_t)1 << 31) - 1,
                                      (uint64_t)1 << 32,
                                      (uint64_t)1 << 63,
                                      ~(uint64_t)0,
                                      HV_GFN_SHARED,
                                      HV_GFN_MMIO + 0xa0,
                                      HV_USER_END,
                                      HV_KERNEL_START,
                                      HV_KERNEL_IMAGE };
    uint8_t what = take8(in), n = take8(in);

    switch (what % 9) {
    case 0:
    case 1:
        return n % 24;
    case 2:
        return n & 8 ? HV_SELF : slot_id[n % SLOTS];
    case 3:
        return (BUFFER + n / 16 % BUFFERS) * HV_PAGE_SIZE + n % 16 * 8;
    case 4:
        return (uint64_t)results[n % RESULTS];
    case 5:
        return HV_GFN_WINDOW + n % 32;
    case 6:
        return (n & 1 ? HV_KERNEL_IMAGE : 0x10000) + n / 2 * HV_PAGE_SIZE;
    case 7:
        return edges[n % ARRAY_LEN(edges)];
    default:
        return take64(in);
    }
}

static void poke(struct input *in, struct domain *d)
{
    uint8_t where = take8(in);
    uint64_t value = argument(in);
    mfn_t m = p2m_ram(d, (gfn_t){ BUFFER + where / 64 });
    uint8_t *at;

    if (mfn_is_none(m))
        return;
    at = (uint8_t *)frame_va(m) + where % 64 * 4;
    memcpy(at, &value, where & 1 ? 4 : 8);
}

static bool leaves(uint64_t nr)
{
    return nr == HV_NR_block || nr == HV_NR_poll || nr == HV_NR_shutdown ||
           nr == HV_NR_return_to_user;
}

typedef int64_t call_fn(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static void call(uint64_t nr, const uint64_t a[6])
{
    int64_t r = ((call_fn *)hc_table[nr])(a[0], a[1], a[2], a[3], a[4], a[5]);

    require(r >= -16);
    if (r > 0)
        results[result_at++ % RESULTS] = r;
    host_cpu0.work = 0;
}

/* What root does to the others; nothing of it stays with root. */
static void root_acts(struct input *in)
{
    static const uint8_t acts[] = { HV_NR_domain_pause,  HV_NR_domain_unpause, HV_NR_domain_destroy,
                                    HV_NR_devices_reset, HV_NR_populate,       HV_NR_give_back,
                                    HV_NR_space_create,  HV_NR_space_destroy,  HV_NR_grant_end,
                                    HV_NR_event_close };
    uint64_t nr = acts[take8(in) % ARRAY_LEN(acts)], a[6] = { slot_id[1 + take8(in) % 3] };

    for (unsigned i = 1; i < 6; i++)
        a[i] = argument(in);
    host_run(domain_root);
    call(nr, a);
}

static void guest_calls(struct input *in, struct domain *d)
{
    uint64_t nr = take8(in) % HV_NR_LIMIT, a[6];

    for (unsigned i = 0; i < 6; i++)
        a[i] = argument(in);
    if (leaves(nr))
        return;
    host_run(d);
    call(nr, a);
}

/* A domain that can make a call now: alive, started, and waiting for nothing. */
static bool runs(const struct domain *d)
{
    return d != NULL && d->state == HV_DOMAIN_RUNNING && d->vcpu[0]->wait == 0;
}

static void step(struct input *in)
{
    uint8_t what = take8(in);
    unsigned n = what / 8 % SLOTS;
    struct domain *d = alive(n);

    switch (what % 8) {
    case 0:
        host_advance(host_now + take8(in) * 10000u);
        break;
    case 1:
        (void)host_interrupt(what & 16 ? 5 : 6);
        break;
    case 2:
    case 3:
    case 4:
        if (d != NULL)
            poke(in, d);
        break;
    default:
        if (n == 0)
            root_acts(in);
        else if (runs(d))
            guest_calls(in, d);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    static uint64_t used;

    if (used == 0) {
        host_core_start(FRAMES);
        used = domain_root->used;
    }
    build();
    for (int i = 0; i < STEPS && in.left; i++)
        step(&in);
    host_run(domain_root);
    while (domain_root->first_child != NULL)
        destroy(domain_root->first_child);
    require(domain_root->used == used);
    host_audit();
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine of host_core.h.
 */
#include "host_core.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/cpu.h"
#include "arch/tlb.h"
#include "audit.h"
#include "boot.h"
#include "frame.h"
#include "grant.h"
#include "machine.h"
#include "p2m.h"
#include "platform.h"
#include "resource.h"
#include "sched.h"
#include "space.h"
#include "string.h"
#include "vcpu.h"

#define ENTRY (HV_KERNEL_IMAGE + 0x10000)

struct platform platform = { .lapic = 0xfee00000,
                             .ioapic_count = 1,
                             .ioapics = { { .base = 0xfec00000 } } };
unsigned int host_faults;
uint32_t host_fault_vector, host_fault_error;
uint64_t host_fault_address;

static struct boot_info boot;
static uint8_t *arena;
static uint64_t root_table[512];

void tlb_flush_all(void)
{
}

void tlb_flush_page(uint64_t va)
{
    (void)va;
}

void tlb_load_root(uint64_t root)
{
    (void)root;
}

const uint64_t *hyp_root_table(void)
{
    return root_table;
}

bool boot_option(const struct boot_info *b, const char *name, char *value, size_t size)
{
    if (strcmp(name, "root-mem") != 0 || b->cmdline[0] == '\0') {
        return false;
    }
    snprintf(value, size, "%s", b->cmdline);
    return true;
}

int string_copy(char *to, size_t size, const char *from)
{
    return snprintf(to, size, "%s", from) < (int)size;
}

/* ---- the architecture's part of a vCPU ---- */

bool address_is_guests(uint64_t a)
{
    return a <= HV_USER_END || a >= HV_KERNEL_START;
}

bool address_in_kernel_half(uint64_t a)
{
    return a >= HV_KERNEL_START;
}

struct vcpu *vcpu_create(struct domain *d, uint32_t id)
{
    mfn_t self = frame_alloc(d, FRAME_META);
    mfn_t page = mfn_is_none(self) ? MFN_NONE : frame_alloc(d, FRAME_SHARED);
    mfn_t xsave = mfn_is_none(page) ? MFN_NONE : frame_alloc(d, FRAME_META);
    struct vcpu *v;

    if (mfn_is_none(xsave)) {
        if (!mfn_is_none(page)) {
            frame_free(d, page);
        }
        if (!mfn_is_none(self)) {
            frame_free(d, self);
        }
        return NULL;
    }
    v = frame_va(self);
    v->xsave = frame_va(xsave);
    v->domain = d;
    v->id = id;
    v->cpu = &host_cpu0;
    v->page = frame_va(page);
    v->page_mfn = page;
    v->page->masked = 1;
    return v;
}

int vcpu_set_context(struct vcpu *v, const struct hv_vcpu_context *c)
{
    if (!address_in_kernel_half(c->rip) || !address_is_guests(c->rsp)) {
        return -HV_EINVAL;
    }
    v->regs = (struct regs){ .rip = c->rip, .rsp = c->rsp, .rdi = c->rdi, .rsi = c->rsi };
    v->entries_set = 0;
    space_load(v, v->domain->spaces[0]);
    return 0;
}

void vcpu_destroy(struct vcpu *v)
{
    struct domain *d = v->domain;

    if (v == host_cpu0.vcpu) {
        abort();
    }
    frame_free(d, frame_mfn_of(v->xsave));
    frame_free(d, v->page_mfn);
    frame_free(d, frame_mfn_of(v));
}

void vcpu_inject(struct vcpu *v, uint32_t vector, uint32_t error, uint64_t cr2)
{
    (void)v;
    host_faults++;
    host_fault_vector = vector;
    host_fault_error = error;
    host_fault_address = cr2;
}

/* ---- the machine ---- */

struct boot_info *host_core_boot(uint64_t frames, uint64_t taken)
{
    host_cpu_start();
    free(arena);
    arena = aligned_alloc(4096, frames * 4096);
    memset(arena, 0xa5, frames * 4096);
    memset(&boot, 0, sizeof(boot));
    boot.mem_count = boot.free_count = 1;
    boot.mem[0] = (struct boot_mem){ .start = 0, .end = frames << 12, .type = BOOT_MEM_RAM };
    boot.free[0] = (struct boot_range){ 0, (frames - taken) << 12 };
    boot.ram_end = frames << 12;
    frame_direct = arena;
    host_faults = 0;
    frame_init(&boot);
    sched_init();
    timer_init();
    return &boot;
}

void host_core_start(uint64_t frames)
{
    host_core_boot(frames, 0);
    domain_create_root(frames / 2, 64, 64);
    must(resource_give_all(domain_root) == 0);
    for (uint64_t done = 0; done < 64;) {
        int64_t n = p2m_populate(domain_root, (gfn_t){ done }, 64 - done);

        must(n > 0);
        done += (uint64_t)n;
    }
    host_run(domain_root);
}

int64_t host_child(struct domain *parent, uint64_t quota)
{
    const struct hv_domain_create c = { .quota = quota,
                                        .ram_pages = 64,
                                        .window_pages = 64,
                                        .vcpus = 1,
                                        .flags = HV_CREATE_MAY_CREATE,
                                        .domains = parent == domain_root ? 7 : parent->domains / 2,
                                        .weight =
                                            parent == domain_root ? 256 : parent->weight / 2 };

    return domain_create(parent, &c);
}

struct domain *host_domain(struct domain *parent, uint64_t quota, uint64_t pages)
{
    int64_t id = host_child(parent, quota);
    struct domain *d;

    must(id >= 0);
    d = domain_find((uint64_t)id);
    must(d != NULL);
    if (pages > 0) {
        must(p2m_populate(d, (gfn_t){ 0 }, pages) == (int64_t)pages);
    }
    return d;
}

int host_destroy(struct domain *d)
{
    int64_t r;

    while ((r = grant_tell(WITH_TREE(domain_destroy_step(d)))) > 0) {
    }
    return (int)r;
}

void host_run(struct domain *d)
{
    struct vcpu *v = d->vcpu[0];

    if (d->state == HV_DOMAIN_BUILDING) {
        v->regs.rip = v->regs.rip != 0 ? v->regs.rip : ENTRY;
        must(domain_start(d) == 0);
    }
    while (host_cpu0.vcpu != v) {
        host_cpu0.vcpu = sched_pick(&host_cpu0);
        if (host_cpu0.vcpu != v) {
            host_now += 1000;
            sched_pass(host_cpu0.vcpu);
        }
    }
    host_cpu0.work = 0;
    host_cpu0.user_mode = 0;
}

uint64_t host_map(struct domain *d, uint64_t gfn, uint32_t rights)
{
    const struct hv_map_run run = {
        .address = HV_KERNEL_START + gfn * 4096, .gfn = gfn, .count = 1, .rights = rights
    };

    must(space_map(d->spaces[0], &run, 1) == 1);
    space_flush(d->spaces[0]);
    return run.address;
}

void *host_ram(struct domain *d, uint64_t gfn)
{
    return frame_va(p2m_ram(d, (gfn_t){ gfn }));
}

void host_audit(void)
{
    host_log[0] = 0;
    if (audit_run() != 0) {
        ck_abort_msg("%s", host_log);
    }
}

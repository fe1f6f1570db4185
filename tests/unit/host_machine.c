/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine of host_machine.h: stand-ins for what core's memory code calls in the architecture
 * and in other parts of core.
 */
#include "host_machine.h"

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/tlb.h"
#include "audit.h"
#include "boot.h"
#include "bug.h"
#include "clock.h"
#include "cpu.h"
#include "event.h"
#include "grant.h"
#include "machine.h"
#include "p2m.h"
#include "platform.h"
#include "printk.h"
#include "resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLB_ENTRIES 64u
#define DOMAINS_MAX 64u

unsigned int machine_flushes, machine_page_flushes, machine_raises;
uint64_t machine_frames;
struct domain *machine_raised, *domain_root;
uint32_t machine_raised_port;
char machine_plant[32], machine_log[4096];
void (*machine_this_cpu_hook)(void);

static struct boot_info boot;
static uint8_t *arena;
static struct cpu cpu0;
static uint64_t root_table[512];
static struct domain *domains[DOMAINS_MAX];
static uint64_t next_id, random_state = 1;

struct cpu *cpus[CPU_MAX] = { &cpu0 };
uint32_t cpu_count = 1;
struct cpu_features cpu_features = { .physical_bits = 40 };
struct platform platform = { .lapic = 0xfee00000,
                             .ioapic_count = 1,
                             .ioapics = { { .base = 0xfec00000 } } };

void cpu_kick(const struct cpu *c)
{
    panic("pCPU %u is not there to be kicked", c->id);
}

void arch_idle(void)
{
    panic("idle for ever");
}

struct cpu *this_cpu(void)
{
    if (machine_this_cpu_hook != NULL)
        machine_this_cpu_hook();
    return &cpu0;
}

/* ---- TLB: each access of the running vCPU leaves a translation behind ---- */

static struct {
    bool used, write;
    uint64_t va;
    mfn_t m;
} tlb[TLB_ENTRIES];
static unsigned int tlb_next;

void tlb_flush_all(void)
{
    machine_flushes++;
    memset(tlb, 0, sizeof(tlb));
}

void tlb_load_root(uint64_t root)
{
    (void)root;
    tlb_flush_all();
}

void tlb_flush_page(uint64_t va)
{
    machine_page_flushes++;
    for (unsigned int i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].va >> 12 == va >> 12) {
            tlb[i].used = false;
        }
    }
}

bool machine_tlb_has(mfn_t m)
{
    for (unsigned int i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].used && tlb[i].m.n == m.n) {
            return true;
        }
    }
    return false;
}

bool machine_touch(uint64_t va, bool write, mfn_t *m)
{
    for (unsigned int i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].used && tlb[i].va >> 12 == va >> 12 && (tlb[i].write || !write)) {
            *m = tlb[i].m;
            return true;
        }
    }
    if (space_walk(cpu0.vcpu, va, write, m) != 0) {
        return false;
    }
    tlb[tlb_next].used = true;
    tlb[tlb_next].write = write;
    tlb[tlb_next].va = va;
    tlb[tlb_next].m = *m;
    tlb_next = (tlb_next + 1) % TLB_ENTRIES;
    return true;
}

void machine_run(struct domain *d, struct space *s)
{
    cpu0.vcpu = d->vcpu[0];
    space_load(d->vcpu[0], s);
}

/* ---- the machine ---- */

static void add_memory(uint64_t first, uint64_t end)
{
    boot.mem[boot.mem_count++] =
        (struct boot_mem){ .start = first << 12, .end = end << 12, .type = BOOT_MEM_RAM };
    boot.free[boot.free_count++] = (struct boot_range){ first << 12, end << 12 };
}

void machine_start(uint64_t frames)
{
    free(arena);
    arena = aligned_alloc(4096, frames * 4096);
    memset(arena, 0xa5, frames * 4096);
    memset(&boot, 0, sizeof(boot));
    add_memory(0, frames / 4);
    add_memory(frames / 4 + 3, frames);
    boot.ram_end = frames << 12;
    memset(&cpu0, 0, sizeof(cpu0));
    memset(tlb, 0, sizeof(tlb));
    memset(domains, 0, sizeof(domains));
    next_id = 0;
    domain_root = NULL;
    machine_raises = 0;
    for (unsigned int i = 256; i < 504; i++) {
        root_table[i] = (uint64_t)i << 12 | 3;
    }
    frame_direct = arena;
    frame_init(&boot);
    machine_frames = frame_free_count();
}

const uint64_t *hyp_root_table(void)
{
    return root_table;
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

void printk(const char *format, ...)
{
    size_t used = strlen(machine_log);
    va_list args;

    va_start(args, format);
    vsnprintf(machine_log + used, sizeof(machine_log) - used, format, args);
    va_end(args);
    used = strlen(machine_log);
    if (used + 1 < sizeof(machine_log)) {
        strcpy(machine_log + used, "\n");
    }
}

bool boot_option(const struct boot_info *b, const char *name, char *value, size_t size)
{
    (void)b;
    if (strcmp(name, "audit-plant") != 0 || machine_plant[0] == 0) {
        return false;
    }
    snprintf(value, size, "%s", machine_plant);
    return true;
}

uint64_t arch_counter(void)
{
    return 4711;
}

uint32_t irq_line_of_isa(uint8_t isa_irq)
{
    return isa_irq;
}

void machine_audit(void)
{
    machine_log[0] = 0;
    if (audit_run() != 0) {
        fputs(machine_log, stderr);
        abort();
    }
}

/* ---- domains ---- */

static int fill_domain(struct domain *d, uint64_t ram_pages, uint64_t window_pages)
{
    struct vcpu *v = frame_meta(d);
    int error = p2m_create(d, ram_pages, window_pages);

    if (v == NULL) {
        return -HV_ENOMEM;
    }
    v->domain = d;
    v->cpu = &cpu0;
    v->page_mfn = MFN_NONE;
    d->vcpu[0] = v;
    d->nr_vcpus = d->vcpus_up = 1;
    if (error == 0) {
        error = space_init_domain(d);
    }
    if (error == 0) {
        d->grants = frame_meta(d);
        d->resources = frame_meta(d);
        error = d->grants == NULL || d->resources == NULL ? -HV_ENOMEM : 0;
    }
    if (error == 0) {
        v->page_mfn = frame_alloc(d, FRAME_SHARED);
        error = mfn_is_none(v->page_mfn) ? -HV_ENOMEM : 0;
    }
    return error;
}

struct domain *machine_try_domain(uint64_t quota, uint64_t ram_pages, uint64_t window_pages)
{
    struct domain *d = calloc(1, sizeof(*d));
    uint64_t id = next_id++;

    d->id = id;
    d->slot = (uint32_t)(id % HV_MAX_DOMAINS);
    d->quota = quota;
    d->state = HV_DOMAIN_RUNNING;
    domains[id % DOMAINS_MAX] = d;
    if (domain_root == NULL) {
        domain_root = d;
    }
    if (fill_domain(d, ram_pages, window_pages) != 0) {
        machine_kill(d);
        machine_bury(d);
        return NULL;
    }
    return d;
}

struct domain *machine_domain(uint64_t quota, uint64_t ram_pages, uint64_t window_pages)
{
    struct domain *d = machine_try_domain(quota, ram_pages, window_pages);

    if (d == NULL) {
        abort();
    }
    return d;
}

unsigned int machine_kill(struct domain *d)
{
    struct vcpu *v = d->vcpu[0];
    unsigned int steps = 0;

    d->state = HV_DOMAIN_DYING;
    if (cpu0.vcpu == v) {
        cpu0.vcpu = NULL;
        tlb_flush_all();
    }
    while (space_destroy_domain_step(d) || grant_tell(grant_destroy_step(d)) ||
           grant_windows_destroy_step(d)) {
        steps++;
    }
    if (v != NULL && !mfn_is_none(v->page_mfn)) {
        frame_free(d, v->page_mfn);
    }
    if (v != NULL) {
        frame_free(d, frame_mfn_of(v));
        d->vcpu[0] = NULL;
        d->vcpus_up = 0;
    }
    while (p2m_destroy_step(d)) {
        steps++;
    }
    return steps;
}

void machine_bury(struct domain *d)
{
    while (p2m_destroy_step(d) || dma_reset_step(d)) {
    }
    resource_destroy(d);
    frame_reclaim_all();
    if (d->used != 0) {
        fprintf(stderr, "domain %lu: %lu frames are still charged\n", d->id, d->used);
        abort();
    }
    domains[d->id % DOMAINS_MAX] = NULL;
    free(d);
}

static struct domain *lookup(uint64_t id)
{
    struct domain *d = id < next_id ? domains[id % DOMAINS_MAX] : NULL;

    return d != NULL && d->id == id ? d : NULL;
}

struct domain *domain_find(uint64_t id)
{
    struct domain *d = lookup(id);

    return d != NULL && domain_alive(d) ? d : NULL;
}

struct domain *domain_for_control(struct domain *caller, uint64_t id)
{
    return caller == domain_root ? lookup(id) : NULL;
}

struct domain *domain_next(const struct domain *d)
{
    for (uint64_t id = d != NULL ? d->id + 1 : 0; id < next_id; id++) {
        if (lookup(id) != NULL) {
            return lookup(id);
        }
    }
    return NULL;
}

void event_raise(struct domain *d, uint32_t port)
{
    machine_raised = d;
    machine_raised_port = port;
    machine_raises++;
}

struct port *event_port(const struct domain *d, uint64_t port)
{
    static struct port some;

    (void)d;
    return port > 0 && port < 16 ? &some : NULL;
}

/* ---- random numbers ---- */

void machine_seed(uint64_t seed)
{
    random_state = seed * 2 + 1;
    printf("seed %lu\n", seed);
}

uint64_t machine_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % below;
}

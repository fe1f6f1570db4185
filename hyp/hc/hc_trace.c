/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of tracing, and the recorder of hypercalls.
 *
 * A vCPU whose calls are recorded goes through a table whose every entry is hc_traced; nobody else
 * pays for it. The ring is part of the vCPU's own frame: nothing is allocated, and it ends with the
 * vCPU. Its owner never sees it; ancestors, who may read the domain's memory anyway, do.
 *
 * HV_CALLS_ALL: next - read <= HV_CALLS_KEPT. A call that finds the ring full has done nothing yet;
 * its caller is set back to the SYSCALL and sleeps until somebody reads. That gives an ancestor no
 * more than domain_pause does.
 */
#include "arch/speculation.h"
#include "clock.h"
#include "guestmem.h"
#include "hc.h"
#include "sched.h"
#include "trace.h"

#define SYSCALL_BYTES 2u
#define IN_PAGE(type) (HV_PAGE_SIZE / sizeof(type))

typedef int64_t call6_t(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static bool must_wait(const struct vcpu *v) {
    return READ_ONCE(v->traced) == HV_CALLS_ALL &&
           v->calls_next - READ_ONCE(v->calls_read) >= HV_CALLS_KEPT;
}

/* Returns what the call returns; its own number when the call is to be made again. */
static int64_t hc_traced(void) {
    struct cpu *c = this_cpu();
    struct vcpu *v = c->vcpu;
    struct call_frame *f = (struct call_frame *)c - 1;
    struct hv_call_entry *e = &v->call[v->calls_next % HV_CALLS_KEPT];
    call6_t *call =
        (call6_t *)hc_table[f->rax < HV_NR_LIMIT ? index_mask(f->rax, HV_NR_LIMIT) : HV_NR_LIMIT];

    if (must_wait(v)) {
        f->rip -= SYSCALL_BYTES;
        v->counters.hypercalls--;
        sched_sleep(v, VCPU_TRACED);
        /* Somebody may have read, and found nobody asleep yet. */
        if (!must_wait(v)) sched_wake(v, VCPU_TRACED);
        return (int64_t)f->rax;
    }
    /* Not the old one any more, see call_trace_read. */
    WRITE_ONCE(e->seq, v->calls_next);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *e = (struct hv_call_entry){ v->calls_next,
                                 arch_counter(),
                                 f->rip,
                                 f->rax,
                                 { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 },
                                 0 };
    e->result = call(f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
    /* Whoever reads it on another pCPU finds it whole. */
    store_release(&v->calls_next, v->calls_next + 1);
    return e->result;
}

static hc_entry_t *const traced_table[HV_NR_LIMIT + 1] = { [0 ... HV_NR_LIMIT] =
                                                               (hc_entry_t *)hc_traced };

int64_t hc_trace_read(uint64_t cpu, uint64_t seq, uint64_t gpa, uint64_t count) {
    struct domain *d = hc_caller();
    struct hv_trace_entry *to;

    /* 1. Is it root? A trace tells about all domains. */
    if (d != domain_root) return HC_FAIL(-HV_EPERM, "not root");
    /* 2. Is the count in range, and is there such a processor? */
    if (count == 0 || count > IN_PAGE(*to) || cpu >= cpu_count)
        return HC_FAIL(-HV_EINVAL, "count or processor");
    /* 3. Is the buffer in the caller's memory? */
    to = guest_page(d, (gpa_t){ gpa }, count * sizeof(*to), true);
    if (to == NULL) return HC_FAIL(-HV_EFAULT, "buffer");
    return (int64_t)trace_copy(cpus[index_mask(cpu, CPU_MAX)]->trace, seq, to, count);
}

int64_t hc_trace_mask(uint64_t mask) {
    /* 1. Is it root? */
    if (hc_caller() != domain_root) return HC_FAIL(-HV_EPERM, "not root");
    /* 2. Are all bits events? */
    if (mask & ~TRACE_ALL) return HC_FAIL(-HV_EINVAL, "mask");
    return (int64_t)__atomic_exchange_n(&trace_mask, mask, __ATOMIC_RELAXED);
}

static int64_t call_trace(struct vcpu *v, uint64_t mode) {
    /* 2. Is it one of its vCPUs? 3. Is the mode one that there is? */
    if (v == NULL || mode > HV_CALLS_ALL) return HC_FAIL(-HV_EINVAL, "vCPU or mode");
    v->traced = (uint32_t)mode;
    v->calls = mode == HV_CALLS_OFF ? hc_table : traced_table;
    v->return_fast = v->entries_set && mode == HV_CALLS_OFF;
    v->calls_read = v->calls_next;
    sched_wake(v, VCPU_TRACED);
    return (int64_t)v->calls_next;
}

int64_t hc_call_trace(uint64_t dom, uint64_t vcpu, uint64_t mode) {
    return HC_MEMORY(HC_ON_DESCENDANT(dom, call_trace(domain_vcpu(d, vcpu), mode)));
}

static int64_t call_trace_read(struct vcpu *v, uint64_t seq, uint64_t gpa, uint64_t count) {
    struct hv_call_entry *to;
    uint64_t next;
    int64_t n = 0;

    /* 2. Is it one of its vCPUs? 3. Is the count in range? */
    if (v == NULL || count - 1 >= IN_PAGE(*to)) return HC_FAIL(-HV_EINVAL, "vCPU or count");
    /* 4. Is the buffer in the caller's memory? */
    to = guest_page_locked(hc_caller(), (gpa_t){ gpa }, count * sizeof(*to), true);
    if (to == NULL) return HC_FAIL(-HV_EFAULT, "buffer");
    next = load_acquire(&v->calls_next);
    if (seq > next) seq = next;
    if (next - seq > HV_CALLS_KEPT) seq = next - HV_CALLS_KEPT;
    for (; (uint64_t)n < count && seq < next; seq++) {
        const struct hv_call_entry *e = &v->call[seq % HV_CALLS_KEPT];

        to[n] = *e;
        /* Its vCPU, on another pCPU, may have begun to write the next one there: not this one. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (READ_ONCE(e->seq) == seq) n++;
    }
    v->calls_read = seq;
    sched_wake(v, VCPU_TRACED);
    return n;
}

int64_t hc_call_trace_read(uint64_t dom, uint64_t vcpu, uint64_t seq, uint64_t gpa,
                           uint64_t count) {
    return HC_MEMORY(HC_ON_DESCENDANT(dom, call_trace_read(domain_vcpu(d, vcpu), seq, gpa, count)));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handlers of the hypercalls, one hc_NAME a line of hypercalls.def.
 *
 * A handler copies its buffers in once, asks its numbered questions, calls core and copies out. It
 * returns what the guest finds in RAX. The caller is this_cpu()->vcpu.
 */
#pragma once

#include "cpu.h"
#include "domain.h"
#include "frame.h"

#define HV_CALL0(nr, name)                         int64_t hc_##name(void);
#define HV_CALL1(nr, name, t1, a1)                 int64_t hc_##name(t1 a1);
#define HV_CALL2(nr, name, t1, a1, t2, a2)         int64_t hc_##name(t1 a1, t2 a2);
#define HV_CALL3(nr, name, t1, a1, t2, a2, t3, a3) int64_t hc_##name(t1 a1, t2 a2, t3 a3);
#define HV_CALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4)                                         \
    int64_t hc_##name(t1 a1, t2 a2, t3 a3, t4 a4);
#define HV_CALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                                 \
    int64_t hc_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5);
#define HV_CALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                         \
    int64_t hc_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6);
#include "hypercalls.def"

#define HC_WEIGHT_MAX 65535u
#define HC_CAP_MAX    (100u * HV_MAX_VCPUS)

/* What entry.S calls through, by number; HV_NR_LIMIT stands for all from there on. A vCPU that is
 * traced has a table whose every entry is hc_traced, see hc_trace.c. */
typedef void hc_entry_t(void);
extern hc_entry_t *const hc_table[HV_NR_LIMIT + 1];

/* The domain that made the call. */
static inline struct domain *hc_caller(void) { return this_cpu()->vcpu->domain; }

/* The domain that a call is about: may the caller act on it, and does it live? NULL: -HV_EPERM. */
static inline struct domain *hc_target(struct domain *caller, uint64_t dom) {
    struct domain *d = caller;

    if (dom == HV_SELF) return d; /* which lives, since it calls */
    d = domain_for_control(caller, dom);
    return d != NULL && domain_alive(d) ? d : NULL;
}

/* The same, and not the caller itself. */
static inline struct domain *hc_descendant(struct domain *caller, uint64_t dom) {
    struct domain *d = hc_target(caller, dom);

    return d != caller ? d : NULL;
}

/* Question 1 of calls that name a domain: hc_target asks it. Then `result` is what the call does,
 * in which that domain is `d`; HC_ON_DESCENDANT does it not on the caller itself. */
#define HC_ON_BY(find, dom, result)                                                                \
    ({                                                                                             \
        struct domain *d = find(hc_caller(), dom);                                                 \
        d == NULL ? HC_FAIL(-HV_EPERM, "no right over the domain") : (int64_t)(result);            \
    })
#define HC_ON(dom, result)            HC_ON_BY(hc_target, dom, result)
#define HC_ON_DESCENDANT(dom, result) HC_ON_BY(hc_descendant, dom, result)

/* A call that for want of memory is made once more, when frames were waiting for the epoch: nothing
 * was begun then. */
#define HC_AGAIN(call)                                                                             \
    ({                                                                                             \
        int64_t result_ = (call);                                                                  \
                                                                                                   \
        if (__builtin_expect(result_ == -HV_ENOMEM, 0) && hc_again()) result_ = (call);            \
        result_;                                                                                   \
    })

/* The same under memory_lock: what it finds by a number it finds there, since a domain or space may
 * go meanwhile. */
#define HC_MEMORY(work)           HC_AGAIN((spin_lock(&memory_lock), memory_unlock(work)))
#define HC_ON_MEMORY(dom, result) HC_MEMORY(HC_ON(dom, result))

/* The same for what changes a domain, its vCPUs or the tree. */
#define HC_TREE(work) HC_AGAIN(WITH_TREE(work))

/* Is it worth another try? With one pCPU frame_alloc has made it. */
static inline bool hc_again(void) { return cpu_count > 1 && frame_force(); }

/*
 * Says that a call fails, and why. Debug builds print it, a bounded number of times a second;
 * release builds are silent, whatever a guest does.
 */
int64_t hc_fail_report(int64_t error, const char *file, int line, const char *why);
#if HYP_DEBUG
#define HC_FAIL(error, why) hc_fail_report((error), __FILE__, __LINE__, (why))
#else
#define HC_FAIL(error, why) ((int64_t)(error))
#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy of the scheduler: who runs, for how long, and where. Pure functions on the queue of a
 * pCPU and on what takes part in it; locks, clocks and hardware are core/sched.c's.
 *
 * Weighted fair sharing by virtual time: the CPU time that an entity has had, in nanoseconds,
 * divided by its weight (a domain's of 256, which is 64 times that of its only vCPU, counts at
 * par). A queue is sorted by it, and the first one runs.
 *
 *   waiting: [10] [12] [40]        current runs and is not among them
 *
 * Each queue has its own virtual time. `least` is where it stands in it, and only grows; `shift`
 * leads from there to the time that is common to all, so that what stands in two queues can be
 * compared, and keeps its place when it moves. Who slept comes back at most POLICY_LAG_NS behind
 * it: sleeping saves up nothing beyond that, however long it lasted, and whoever ran is charged to
 * the nanosecond, so nothing is gained by sleeping at chosen moments either. Nor does one that
 * sleeps for a millisecond at a time lose anything: by so much this is more than what another can
 * get ahead in a slice.
 *
 * So slices are equally long in virtual time, but for the limits of POLICY_SLICE_MIN_NS and
 * POLICY_SLICE_NS, which who weighs par has; a domain of several vCPUs has several short ones.
 *
 * Who becomes runnable takes the place of the running one as soon as that one is POLICY_WAKE_NS of
 * virtual time ahead of it, and has run for POLICY_RUN_NS. A sleeper that needs less than its share
 * comes back further behind than that, and waits for POLICY_RUN_NS at most; and for those that came
 * before it and are as far behind.
 *
 * A cap is a budget of CPU time in a period, which begins when the entity first runs after the last
 * one was over. Who has used it up waits for the end of the period; what it ran beyond it, before
 * the clock was looked at, is taken from the next one.
 *
 * Between queues: an idle pCPU takes whoever has waited longest elsewhere. One that has somebody
 * waiting looks at one other before it chooses, once in about POLICY_SLICE_NS, in turn, and
 * gives its first away when that one's running entity is more than POLICY_APART_NS ahead of it.
 *
 * How far apart two queues have come says who has had too much, as long as somebody waits. When
 * nobody does, anywhere, all have what they want: then a light one that is alone is ahead of a
 * heavy one that is alone by ages, which are nobody's debt and nobody's credit. So what they are
 * apart by then is forgotten, but for POLICY_MOVE_LAG_NS: who wakes up first notes the time in its
 * queue as `calm`, and it passes on to each queue with which one is compared.
 */
#pragma once

#include "tree.h"

#define POLICY_SLICE_NS      5000000u /* of who weighs POLICY_WEIGHT_PAR or more */
#define POLICY_SLICE_MIN_NS  500000u
#define POLICY_LAG_NS        6000000u
#define POLICY_WAKE_NS       500000u
#define POLICY_RUN_NS        50000u
#define POLICY_APART_NS      5000000
#define POLICY_MOVE_LAG_NS   50000000
#define POLICY_CAP_PERIOD_NS 10000000u
#define POLICY_WEIGHT_PAR    (256u * 64)
#define POLICY_TURNS         13u /* at each of so many a look passes one pCPU over */
#define POLICY_LOOK          16u /* how many of those that wait a thief looks at */

struct sched_entity {
    struct tree_node node; /* in a queue while it waits for the CPU; the key is its virtual time */
    uint64_t owed;         /* virtual time, see policy_move */
    uint64_t started;      /* charged up to here, while it runs */
    uint64_t scale;        /* virtual time of 2^32 ns */
    uint64_t slice;        /* ns */
    uint64_t affinity;     /* bit n: may run on pCPU n */
    int64_t cap_budget;    /* ns a period; 0: no cap */
    int64_t cap_used;      /* of the period that ends then: */
    uint64_t cap_end;
    uint32_t weight;
    uint32_t flags; /* POLICY_… */
};

/* What makes an entity different from most. */
#define POLICY_CAPPED 1u /* it has a budget */
#define POLICY_PASSES 2u /* it has yielded: others go first, once */
#define POLICY_LEAVES 4u /* the pCPUs that it may run on have changed while it ran */

struct sched_queue {
    struct tree waiting;
    struct sched_entity *current; /* NULL: nobody runs */
    uint64_t least;
    int64_t shift;      /* from this queue's virtual time to the common one */
    uint64_t calm;      /* when nobody waited anywhere, as far as it has heard */
    uint64_t behind;    /* whoever was furthest behind when it was last charged */
    uint64_t limit;     /* when the current one's budget is used up; 0: never */
    uint64_t slice_end; /* ns, 0: nobody waits and there is no limit */
};

static inline struct sched_entity *policy_entity(struct tree_node *n) {
    return (struct sched_entity *)(void *)n; /* the first member */
}

/* Virtual time of a queue in the common one, and back; what is before its beginning is that. */
static inline int64_t policy_common(const struct sched_queue *q, uint64_t key) {
    return (int64_t)(key + (uint64_t)q->shift);
}

static inline uint64_t policy_local(const struct sched_queue *q, int64_t common) {
    return common > q->shift ? (uint64_t)common - (uint64_t)q->shift : 0;
}

static inline void policy_set_weight(struct sched_entity *e, uint32_t weight) {
    uint64_t part = weight < POLICY_WEIGHT_PAR ? weight : POLICY_WEIGHT_PAR;

    e->weight = weight;
    e->scale = (((uint64_t)POLICY_WEIGHT_PAR << 32) + weight - 1) / weight;
    e->slice = part * POLICY_SLICE_NS / POLICY_WEIGHT_PAR;
    if (e->slice < POLICY_SLICE_MIN_NS) e->slice = POLICY_SLICE_MIN_NS;
}

/* Beyond the next whole one: no run is so short that it is free. */
static inline uint64_t policy_virtual(const struct sched_entity *e, uint64_t ns) {
    return (uint64_t)((__int128)(int64_t)ns * (int64_t)e->scale >> 32) + 1;
}

/* Charges the running one up to now; its virtual time. Clocks of two pCPUs may differ by a little:
 * what one charges too much another takes back. */
static inline uint64_t policy_ran(struct sched_entity *e, uint64_t now) {
    uint64_t ns = now - e->started;

    e->started = now;
    e->cap_used += (int64_t)ns;
    return e->node.key += policy_virtual(e, ns);
}

/* The same, and moves the queue's standing; `first` waits, or NULL. Whoever is furthest behind may
 * have come from another queue, and be further behind than this one. */
static inline void policy_charge(struct sched_queue *q, const struct tree_node *first,
                                 uint64_t now) {
    uint64_t runs = q->current != NULL ? policy_ran(q->current, now) : q->least;

    q->behind = first != NULL && first->key < runs ? first->key : runs;
    if (q->behind > q->least) q->least = q->behind;
}

/* Charges for work that it causes at another time. */
static inline void policy_add(struct sched_queue *q, struct sched_entity *e, uint64_t ns) {
    bool waits = tree_has(&e->node);

    if (waits) tree_remove(&q->waiting, &e->node);
    e->node.key += policy_virtual(e, ns);
    if (waits) tree_insert(&q->waiting, &e->node);
}

/*
 * Who becomes runnable comes back behind the queue; or just before whoever is further behind than
 * that: here, or, within POLICY_MOVE_LAG_NS, where the others stand, of which the last is at
 * `least`, so that the next one that comes from there does not go first. Only just: with a lag each
 * behind those that came before, many that wake together would be ages behind all others.
 * INT64_MAX: nobody waits anywhere.
 */
static inline uint64_t policy_base(struct sched_queue *q, int64_t least, uint64_t now) {
    uint64_t others = policy_local(q, least);

    if (least == INT64_MAX) q->calm = now;
    if (others > q->behind) others = q->behind;
    if (others + POLICY_MOVE_LAG_NS < q->least) others = q->least - POLICY_MOVE_LAG_NS;
    others += POLICY_LAG_NS - POLICY_WAKE_NS;
    return others < q->least ? others : q->least;
}

/*
 * One comes from another queue, to its place in the common time. Queues from which nobody may go to
 * the other drift apart without bound; so it comes back no further behind than what the rule above
 * leaves between two that do not, and no further ahead than a slice of its own. What it is further
 * ahead than that it owes: it counts again when it moves on to one where others are,
 * so that nobody is let off what it has run by going to a queue that is behind and back. Only what
 * the others get ahead while it sleeps counts against it.
 */
static inline uint64_t policy_ahead(const struct sched_queue *to, const struct sched_entity *e) {
    return to->least + policy_virtual(e, e->slice);
}

static inline uint64_t policy_total(const struct sched_entity *e) { return e->node.key + e->owed; }

/* Forgets what two queues are apart by if one has not heard of the time that the other knows. */
static inline void policy_align(struct sched_queue *a, struct sched_queue *b) {
    struct sched_queue *late = a->calm < b->calm ? a : b, *other = late == a ? b : a;
    int64_t apart = policy_common(late, late->least) - policy_common(other, other->least);

    if (late->calm == other->calm) return;
    if (apart > POLICY_MOVE_LAG_NS) late->shift -= apart - POLICY_MOVE_LAG_NS;
    if (apart < -POLICY_MOVE_LAG_NS) late->shift -= apart + POLICY_MOVE_LAG_NS;
    late->calm = other->calm;
}

static inline void policy_owe(struct sched_entity *e, uint64_t total, uint64_t most) {
    e->node.key = total < most ? total : most;
    e->owed = total - e->node.key;
}

static inline void policy_move(struct sched_queue *from, struct sched_queue *to,
                               struct sched_entity *e) {
    policy_align(from, to);
    e->node.key = policy_local(to, policy_common(from, e->node.key));
    if (to->current != NULL || to->waiting.first != NULL)
        policy_owe(e, policy_total(e), policy_ahead(to, e));
    if (e->node.key + POLICY_MOVE_LAG_NS < to->least) e->node.key = to->least - POLICY_MOVE_LAG_NS;
}

/* Who slept long is brought to `key`, which is further ahead. */
static inline void policy_slept(struct sched_entity *e, uint64_t key) {
    policy_owe(e, policy_total(e) < key ? key : policy_total(e), key);
}

/* One that has come back in the place of another, which stood at `total`: it goes on from there,
 * but for what that was ahead of all others; it may have been alone. */
static inline void policy_level(const struct sched_queue *q, struct sched_entity *e,
                                uint64_t total) {
    uint64_t most = policy_ahead(q, e), end = q->least + POLICY_MOVE_LAG_NS;

    if (total > end) total = end;
    if (policy_total(e) < total) policy_owe(e, total, most < e->node.key ? e->node.key : most);
}

/* A queue where nothing ran has stood still: it goes on from where another one stands. */
static inline void policy_resume(struct sched_queue *q, int64_t others) {
    if (q->current == NULL && q->waiting.first == NULL && policy_common(q, q->least) < others)
        q->least = policy_local(q, others);
}

/*
 * Somebody has come: does the first take the place of the running one, charged up to now, at once?
 * It does when the other is POLICY_WAKE_NS ahead of it and has run for POLICY_RUN_NS; until then
 * that one's slice lasts. Being taken off and put back is charged to it: without that time of its
 * own, others that sleep for less than a switch takes would leave it nothing but the cost of
 * theirs.
 */
static inline bool policy_preempts(struct sched_queue *q, uint64_t since, uint64_t now) {
    const struct sched_entity *e = q->current;
    uint64_t until = since + POLICY_RUN_NS;
    int64_t left;

    if (e == NULL || q->waiting.first == NULL) return false;
    left = (int64_t)(q->waiting.first->key + POLICY_WAKE_NS - e->node.key);
    if (left > 0) {
        /* Later than now: the timer's handler goes on as long as something is due. */
        now += (uint64_t)left * e->weight / POLICY_WEIGHT_PAR + 1;
        if (now > until) until = now;
    } else if (now >= until) {
        return true;
    }
    if (q->slice_end > until) q->slice_end = until;
    return false;
}

/* With somebody waiting the running one has a slice; alone it runs without a tick, to its limit. */
static inline void policy_slice(struct sched_queue *q, uint64_t now) {
    if (q->current == NULL || q->waiting.first == NULL) {
        q->slice_end = q->limit;
    } else if (q->slice_end == q->limit) {
        q->slice_end = now + q->current->slice;
        if (q->limit - 1 < q->slice_end) q->slice_end = q->limit;
    }
}

/* The slice or the budget is over: the running one is picked again, or another. */
static inline void policy_tick(struct sched_queue *q) { q->limit = q->slice_end = 0; }

/* Has it used up its budget? */
static inline bool policy_spent(const struct sched_entity *e) {
    return e->flags & POLICY_CAPPED && e->cap_used >= e->cap_budget;
}

/* The end of a period; what was used beyond the budget stays used. */
static inline void policy_refill(struct sched_entity *e, uint64_t end) {
    e->cap_used = e->cap_used > e->cap_budget ? e->cap_used - e->cap_budget : 0;
    e->cap_end = end;
}

/* Another budget; what was used counts in proportion, so that nothing is gained by changes. Without
 * a budget nothing was. */
static inline void policy_set_cap(struct sched_entity *e, int64_t budget) {
    e->cap_used = e->cap_budget != 0 ? e->cap_used * budget / e->cap_budget : 0;
    e->cap_budget = budget;
    e->flags = (e->flags & ~POLICY_CAPPED) | (budget != 0 ? POLICY_CAPPED : 0);
}

/* The one that ran waits again, behind the first when it has yielded: what it gives up is not given
 * back. */
static inline void policy_pass(const struct sched_queue *q, struct sched_entity *e) {
    if (q->waiting.first != NULL && e->node.key < q->waiting.first->key)
        e->node.key = q->waiting.first->key;
    e->flags &= ~POLICY_PASSES;
}

/* Chooses among `e`, which may go on, is charged up to now and may be NULL, and those that wait,
 * and lets it run; `more`: those that wait are more than one. */
static inline struct sched_entity *policy_pick(struct sched_queue *q, bool more,
                                               struct sched_entity *e, uint64_t now) {
    struct tree_node *first = q->waiting.first;

    q->limit = q->slice_end = 0;
    if (first != NULL && e == NULL)
        e = policy_entity(tree_take(&q->waiting, more));
    else if (first != NULL && first->key <= e->node.key)
        e = policy_entity(tree_exchange(&q->waiting, more, &e->node));
    q->current = e;
    if (e == NULL) return NULL;
    if (e->node.key > q->least) q->least = e->node.key;
    if (q->waiting.first != NULL) q->slice_end = now + e->slice;
    e->started = now;
    if (__builtin_expect(e->flags & POLICY_CAPPED, 0)) {
        if (now >= e->cap_end) policy_refill(e, now + POLICY_CAP_PERIOD_NS);
        q->limit = now + (uint64_t)(e->cap_budget - e->cap_used);
        if (q->limit - 1 < q->slice_end - 1) q->slice_end = q->limit;
    }
    return e;
}

/*
 * The running one, charged up to now, gives its place to one of its owner's that waits: what CPU
 * time the other is brought forward by, a slice at most, it is put back by itself, so that the
 * owner gains nothing.
 */
static inline void policy_give(struct sched_queue *q, struct sched_entity *to) {
    struct sched_entity *from = q->current;
    uint64_t ahead = to->node.key - from->node.key, most = policy_virtual(to, to->slice);

    from->flags |= POLICY_PASSES;
    if (to->node.key <= from->node.key) return;
    if (ahead > most) ahead = most;
    tree_remove(&q->waiting, &to->node);
    to->node.key -= ahead;
    from->node.key += ahead * to->weight / from->weight + 1;
    tree_insert(&q->waiting, &to->node);
}

/* Which of those that wait may run on pCPU `n`: the one that waits longest; NULL: none of the first
 * POLICY_LOOK. */
static inline struct sched_entity *policy_steal(const struct sched_queue *q, uint32_t n) {
    struct tree_node *at = q->waiting.first;

    for (uint32_t i = 0; i < POLICY_LOOK && at != NULL; i++, at = tree_next(&q->waiting, at))
        if (policy_entity(at)->affinity >> n & 1) return policy_entity(at);
    return NULL;
}

/* The pCPUs for which policy_steal finds somebody. */
static inline uint64_t policy_may(const struct sched_queue *q) {
    struct tree_node *at = q->waiting.first;
    uint64_t may = 0;

    for (uint32_t i = 0; i < POLICY_LOOK && at != NULL; i++, at = tree_next(&q->waiting, at))
        may |= policy_entity(at)->affinity;
    return may;
}

/* Whom a queue gives to that of pCPU `n`, both charged up to now; NULL: nobody. */
static inline struct sched_entity *policy_balance(struct sched_queue *from, struct sched_queue *to,
                                                  uint32_t n) {
    struct sched_entity *e = policy_steal(from, n);
    int64_t apart;

    if (e == NULL || to->current == NULL) return NULL;
    policy_align(from, to);
    apart = policy_common(to, to->current->node.key) - policy_common(from, e->node.key);
    return apart > POLICY_APART_NS ? e : NULL;
}

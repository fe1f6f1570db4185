/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table, the free list and limbo.
 *
 * A frame is in exactly one place: with an owner (charged to it), on a free list, or in limbo.
 * Each superframe has two free lists, frames that are known to be zero and others, and is itself in
 * the list of those that are alike in what is free of them: so single frames come out of
 * superframes that are broken already, zeroed ones first, and what is whole stays so as long as it
 * can. Limbo is a queue in the order of stamps: frames whose translation may still be in a TLB.
 * They stay charged until the epoch has passed. An allocation that would fail forces it first: with
 * one pCPU here, which costs a flush; with several the call gives up its locks, waits, and begins
 * again (frame_force). A frame that an idle pCPU is clearing counts as in limbo, without being in
 * its queue.
 */
#include "frame.h"
#include "arch/page.h"
#include "audit.h"
#include "clock.h"
#include "domain.h"
#include "printk.h"
#include "string.h"

#define NO_FRAME  UINT32_MAX
#define LIMBO_MAX 512u

/* With this many tables of 512 entries, no frame can be mapped 2^31 times: frame.maps never wraps.
 */
#define TABLES_MAX (((uint64_t)1 << 31) / 512 - 1)

uint8_t *frame_direct = (uint8_t *)HYP_DIRECT_BASE;
struct frame *frame_table;
struct superframe *superframe_table;
uint64_t frame_table_count;
struct audit_count *frame_audit;
const struct boot_info *frame_boot;
struct spinlock memory_lock = SPINLOCK_INIT(LOCK_MEMORY);

static struct domain *charged[HV_MAX_DOMAINS + 1]; /* by frame.owner; [0] is the hypervisor: NULL */
static uint32_t limbo_first, limbo_last;
static uint64_t free_frames, limbo_frames, table_frames, superframes;

/* ---- free lists ---- */

/* A superframe's kind: has it free frames that may hold anything, that are zero, is it whole? Each
 * kind has a list; superframes in kind 0 have nothing. */
#define KIND_DIRTY 1u
#define KIND_WHOLE 4u
static struct superframe kinds[8];

/* Kinds in the order in which they are asked, as octal digits from the last one on. */
#define WHOLE     0576u
#define ANY       0576132u
#define ANY_DIRTY 05731u

/* The first superframe of these kinds that there is, or NULL. */
static struct superframe *superframe_find(uint32_t order) {
    for (; order != 0; order >>= 3)
        if (kinds[order & 7].next != &kinds[order & 7]) return kinds[order & 7].next;
    return NULL;
}

/* Moves it, which is in some list, to that of another kind. */
static void superframe_move(struct superframe *s, uint32_t kind) {
    struct superframe *list = &kinds[kind];

    s->kind = (uint16_t)kind;
    s->prev->next = s->next;
    s->next->prev = s->prev;
    s->next = list->next;
    s->prev = list;
    list->next = s->next->prev = s;
}

static void superframes_init(void) {
    for (uint32_t i = 0; i < ARRAY_LEN(kinds); i++) kinds[i].next = kinds[i].prev = &kinds[i];
    for (struct superframe *s = superframe_table; s < superframe_table + superframes; s++) {
        s->first[false] = s->first[true] = NO_FRAME;
        s->next = s->prev = s;
        superframe_move(s, 0);
    }
}

static void push_free(uint32_t n) {
    struct frame *f = &frame_table[n];
    struct superframe *s = superframe_of(f);
    uint32_t kind = s->kind | (KIND_DIRTY << f->clean);

    f->state = FRAME_FREE;
    f->next = s->first[f->clean];
    s->first[f->clean] = n;
    free_frames++;
    if (++s->free == SUPERFRAME_PAGES) kind |= KIND_WHOLE;
    if (kind != s->kind) superframe_move(s, kind);
}

/* The first of a free list, which is not empty, leaves it. */
static uint32_t pop_free(struct superframe *s, bool clean) {
    uint32_t n = s->first[clean], kind = s->kind & ~KIND_WHOLE;

    BUG_ON(frame_table[n].state != FRAME_FREE || frame_table[n].owner != 0);
    s->first[clean] = frame_table[n].next;
    s->free--;
    free_frames--;
    if (s->first[clean] == NO_FRAME) kind &= ~(KIND_DIRTY << clean);
    if (kind != s->kind) superframe_move(s, kind);
    return n;
}

/* ---- start ---- */

static uint64_t table_bytes(void) {
    uint64_t bytes =
        frame_table_count * sizeof(struct frame) + superframes * sizeof(struct superframe);

    if (HYP_DEBUG) bytes += frame_table_count * sizeof(struct audit_count);
    return (bytes + PAGE_MASK) & ~PAGE_MASK;
}

/* The table goes to the end of the highest free range that has room; returns that range's index. */
static uint32_t place_table(const struct boot_info *boot, uint64_t bytes) {
    for (uint32_t i = boot->free_count; i-- > 0;) {
        if (boot->free[i].end - boot->free[i].start >= bytes) {
            frame_table = (void *)(frame_direct + (boot->free[i].end - bytes));
            memset(frame_table, 0, bytes);
            superframe_table = (void *)(frame_table + frame_table_count);
            frame_audit = (void *)(superframe_table + superframes);
            return i;
        }
    }
    panic("no room for the frame table (%lu KiB)", bytes >> 10);
}

/*
 * All frames that are marked free go on their lists; the last one first, so that they are taken in
 * ascending order. Debug builds take them, and superframes, in an order by chance, so that what
 * wrongly counts on neighbours is seen: times an odd number, all numbers of so many bits are all.
 */
static void fill_list(void) {
    uint64_t size = 1, seed = arch_counter();

    while (size < frame_table_count) size <<= 1;
    if (HYP_DEBUG) {
        seed = boot_number(frame_boot, "frame-seed", seed);
        printk("frames: placed by chance, frame-seed=%lu", seed);
        seed = (seed << 1 | 1) * 6364136223846793005u;
    }
    for (uint64_t i = size; i-- > 0;) {
        uint64_t n = HYP_DEBUG ? (i ^ i >> 9) * seed & (size - 1) : i;

        if (n < frame_table_count && frame_table[n].state == FRAME_FREE) push_free((uint32_t)n);
    }
}

void frame_init(const struct boot_info *boot) {
    uint64_t bytes;
    uint32_t home;

    frame_boot = boot;
    frame_table_count = boot->ram_end >> PAGE_SHIFT;
    BUG_ON(frame_table_count >= NO_FRAME);
    superframes = (frame_table_count + SUPERFRAME_PAGES - 1) / SUPERFRAME_PAGES;
    bytes = table_bytes();
    home = place_table(boot, bytes);
    limbo_first = limbo_last = NO_FRAME;
    superframes_init();
    free_frames = limbo_frames = table_frames = 0;
    for (uint32_t i = boot->free_count; i-- > 0;) {
        uint64_t end = boot->free[i].end - (i == home ? bytes : 0);

        /* Frame 0 is nobody's: 0 is the empty entry of a P2M. */
        for (uint64_t n = boot->free[i].start >> PAGE_SHIFT; n < end >> PAGE_SHIFT; n++)
            if (n != 0) frame_table[n].state = FRAME_FREE;
    }
    fill_list();
    epoch_flush();
}

bool frame_is_memory(uint64_t first, uint64_t count) {
    for (uint32_t i = 0; i < frame_boot->mem_count; i++) {
        const struct boot_mem *m = &frame_boot->mem[i];

        if (m->type != BOOT_MEM_RESERVED && first < (m->end + PAGE_MASK) >> PAGE_SHIFT &&
            first + count > m->start >> PAGE_SHIFT)
            return true;
    }
    return false;
}

/* ---- charging ---- */

static uint16_t owner_of(const struct domain *d) { return d != NULL ? (uint16_t)(d->slot + 1) : 0; }

struct domain *frame_owner(const struct frame *f) {
    return charged[f->owner];
}

bool frame_quota_left(const struct domain *d, uint64_t frames) {
    /* A frame in limbo or quarantine may lift `used` above the quota for a while: no subtraction
     * that could wrap. What is used and what is handed down are numbers of frames that exist. */
    return d == NULL || (frames <= d->quota && d->used + d->granted_quota <= d->quota - frames);
}

static void charge(struct frame *f, struct domain *d) {
    f->owner = owner_of(d);
    if (d != NULL) {
        charged[f->owner] = d;
        d->used++;
    }
}

static void uncharge(struct frame *f) {
    struct domain *d = charged[f->owner];

    if (d != NULL) {
        BUG_ON(d->used == 0);
        d->used--;
    }
    f->owner = 0;
}

void frame_transfer(mfn_t m, struct domain *from, struct domain *to) {
    struct frame *f = frame_of(m);

    BUG_ON(f->owner != owner_of(from));
    uncharge(f);
    charge(f, to);
}

/* ---- limbo ---- */

static void enter_limbo(struct frame *f) {
    uint32_t n = (uint32_t)(f - frame_table);

    /* A newer stamp than the frame's own only waits longer. It keeps the queue in order, and away
     * from stamps that are so old that they look like new ones. The barrier: whoever passes it
     * later finds no way to the frame. */
    full_barrier();
    f->epoch = epoch_now;
    f->state = FRAME_LIMBO;
    f->next = NO_FRAME;
    if (limbo_first == NO_FRAME)
        limbo_first = n;
    else
        frame_table[limbo_last].next = n;
    limbo_last = n;
    limbo_frames++;
}

/* Frees the oldest frame in limbo, whose epoch has passed. */
static void leave_limbo(void) {
    uint32_t n = limbo_first;

    limbo_first = frame_table[n].next;
    limbo_frames--;
    uncharge(&frame_table[n]);
    push_free(n);
}

/* Frees the oldest frames in limbo whose epoch has passed, at most `limit`. */
static void reclaim(uint64_t limit) {
    while (limit-- > 0 && limbo_first != NO_FRAME && epoch_passed(frame_table[limbo_first].epoch))
        leave_limbo();
}

bool frame_reclaimed(uint32_t stamp) {
    uint32_t now = epoch_now;

    return limbo_first == NO_FRAME || now - frame_table[limbo_first].epoch < now - stamp;
}

void frame_reclaim(void) { reclaim(UINT64_MAX); }

void frame_reclaim_all(void) {
    if (cpu_count == 1 && limbo_first != NO_FRAME) epoch_flush();
    frame_reclaim();
}

/* What was in it before is freed even if a pCPU that was outside has come in since, as which it has
 * not passed. */
bool frame_force(void) {
    uint32_t stamp;

    if (!WITH_LOCK(&memory_lock, limbo_frames != 0)) return false;
    stamp = epoch_wait(EPOCH_ALL);
    spin_lock(&memory_lock);
    while (!frame_reclaimed(stamp)) leave_limbo();
    return unlock_with(&memory_lock, true);
}

int64_t memory_settle(int64_t result) {
    uint64_t due = this_cpu()->epoch_due;

    if (due != 0) (void)epoch_wait(due);
    if (READ_ONCE(limbo_frames) >= LIMBO_MAX) (void)frame_force();
    return result;
}

/* ---- alloc and free ---- */

static bool can_alloc(const struct domain *d) { return free_frames != 0 && frame_quota_left(d, 1); }

/* A frame out of a superframe that has one. */
static mfn_t take(struct superframe *s, struct domain *d, enum frame_state state) {
    mfn_t m = { pop_free(s, s->first[true] != NO_FRAME) };
    struct frame *f = frame_of(m);

    f->state = (uint8_t)state;
    charge(f, d);
    if (!f->clean) page_clear(frame_va(m));
    ASSERT(!f->clean || page_is_zero(frame_va(m)));
    f->clean = 0;
    return m;
}

mfn_t frame_alloc(struct domain *d, enum frame_state state) {
    if (state == FRAME_TABLE && table_frames == TABLES_MAX) return MFN_NONE;
    if (!can_alloc(d)) {
        frame_reclaim_all();
        if (!can_alloc(d)) return MFN_NONE;
    }
    table_frames += state == FRAME_TABLE;
    return take(superframe_find(ANY), d, state);
}

mfn_t frame_alloc_block(struct domain *d) {
    struct superframe *s;

    if (superframe_find(WHOLE) == NULL || !frame_quota_left(d, SUPERFRAME_PAGES + 1))
        frame_reclaim_all();
    s = superframe_find(WHOLE);
    if (s == NULL || free_frames == SUPERFRAME_PAGES || !frame_quota_left(d, SUPERFRAME_PAGES + 1))
        return MFN_NONE;
    for (unsigned int i = 0; i < SUPERFRAME_PAGES; i++) take(s, d, FRAME_RAM);
    return (mfn_t){ (uint64_t)(s - superframe_table) * SUPERFRAME_PAGES };
}

/*
 * Without the lock: idle pCPUs that clear under it would keep those that work from it for most of
 * the time. While it is cleared the frame counts as in limbo, so that a call that lacks memory
 * waits until it is back.
 */
bool frame_clear_step(void) {
    struct superframe *s;
    uint32_t n;

    if (!spin_try_lock(&memory_lock)) return false;
    s = superframe_find(ANY_DIRTY);
    if (s == NULL) return unlock_with(&memory_lock, false);
    n = pop_free(s, false);
    frame_table[n].state = FRAME_LIMBO;
    limbo_frames++;
    spin_unlock(&memory_lock);
    page_clear(frame_va((mfn_t){ n }));
    spin_lock(&memory_lock);
    limbo_frames--;
    frame_table[n].clean = 1;
    push_free(n);
    return unlock_with(&memory_lock, true);
}

void *frame_meta(struct domain *d) {
    mfn_t m = frame_alloc(d, FRAME_META);

    return mfn_is_none(m) ? NULL : frame_va(m);
}

void frame_free(struct domain *d, mfn_t m) {
    struct frame *f = frame_of(m);
    const struct superframe *s = superframe_of(f);
    const uint32_t now = epoch_now;
    const bool large_newer = now - s->epoch < now - f->epoch;

    BUG_ON(!frame_valid(m.n) || f->state <= FRAME_FREE || f->state == FRAME_LIMBO);
    BUG_ON(f->owner != owner_of(d));
    BUG_ON(s->maps != 0 || f->maps != 0 || f->live != 0 || f->grants != 0 || f->pins != 0 ||
           f->holds != 0);
    table_frames -= f->state == FRAME_TABLE;
    /* With one pCPU nobody else can have a pointer to it. */
    if (cpu_count == 1 && epoch_passed(large_newer ? s->epoch : f->epoch)) {
        uncharge(f);
        push_free((uint32_t)m.n);
    } else {
        /* Two go for each that comes, so that limbo holds little but what has to wait: whoever
         * forces the epoch pays for all of it at once. */
        reclaim(2);
        enter_limbo(f);
        /* Nor does the number of those that have to wait grow without end. */
        if (cpu_count == 1 && limbo_frames >= LIMBO_MAX &&
            !epoch_passed(frame_table[limbo_first].epoch))
            epoch_flush();
    }
}

/* ---- slots ---- */

int64_t slot_alloc(struct domain *d, struct slots *s, size_t size) {
    uint8_t **page = &s->page[s->ever * size / PAGE_SIZE % ARRAY_LEN(s->page)];
    uint32_t n = s->free;

    if (n != 0) {
        s->free = *(const uint32_t *)slot_at(s, n - 1, size);
        return n - 1;
    }
    if (s->ever * size == ARRAY_LEN(s->page) * PAGE_SIZE) return -HV_ENOSPC;
    if (*page == NULL && (*page = frame_meta(d)) == NULL) return -HV_ENOMEM;
    return s->ever++;
}

void slot_free(struct slots *s, uint32_t n, size_t size) {
    *(uint32_t *)slot_at(s, n, size) = s->free;
    s->free = n + 1;
}

void slots_shrink(struct domain *d, struct slots *s, size_t size) {
    uint64_t at = --s->ever * size;

    if (at % PAGE_SIZE == 0) frame_drop(d, s->page[at / PAGE_SIZE]);
}

uint64_t frame_free_count(void) { return free_frames; }

uint64_t frame_limbo_count(void) { return limbo_frames; }

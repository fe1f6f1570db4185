/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table: one record a machine frame, with owner, state and counts. It owns every frame
 * that the boot code left over; what a domain uses is charged to the domain. Frames come zeroed. A
 * frame that a TLB may still name goes back to the free list only behind the flush epoch
 * (frame_free arranges it): that is the one rule of reuse, and it lives here.
 *
 * memory_lock guards the frame table, all P2Ms, windows, pins, spaces and the flush epoch. A
 * hypercall takes it once, around its batch; the functions here do not take it themselves.
 */
#pragma once

#include "boot.h"
#include "bug.h"
#include "epoch.h"
#include "lock.h"

enum frame_state {
    FRAME_RESERVED, /* not memory, or used by the hypervisor from boot on */
    FRAME_FREE,
    FRAME_RAM,        /* a domain's RAM */
    FRAME_TABLE,      /* a page table */
    FRAME_META,       /* the hypervisor's records, charged to a domain */
    FRAME_SHARED,     /* a vCPU's shared page */
    FRAME_LIMBO,      /* freed, waits for the epoch, still charged */
    FRAME_QUARANTINE, /* freed, a device may still write to it; charged to the device's holder */
};

struct frame {
    uint16_t owner;  /* slot of the domain that it is charged to + 1; 0: the hypervisor */
    uint8_t state;   /* enum frame_state */
    uint8_t clean;   /* free, or about to be: all of it is zero */
    uint16_t live;   /* FRAME_TABLE: present entries; L4 and kernel L3 tables do not count */
    uint16_t pins;   /* DMA pins, of any holder */
    uint16_t grants; /* grants of its owner that cover it */
    uint16_t holds;  /* other uses that forbid giving it back: request pages */
    int32_t maps;    /* 4 KiB leaves that name it, in any space of any domain */
    uint32_t next;   /* list of free or limbo frames */
    uint32_t epoch;  /* the epoch in which its last such leaf (or entry that named it) went */
    uint64_t rsvd2;
};
/* A power of two: a shift turns an entry of a table into the offset of a record. */
#define FRAME_RECORD_SHIFT 5
_Static_assert(sizeof(struct frame) == 1 << FRAME_RECORD_SHIFT, "see above");

/*
 * 512 frames from a border of 2 MiB on. A leaf of 2 MiB is counted here, once: all of them are then
 * RAM of one domain, at 512 GFNs behind each other. A frame is mapped when it is, or its
 * superframe.
 */
#define SUPERFRAME_PAGES 512u
struct superframe {
    int32_t maps;        /* 2 MiB leaves that name it */
    uint32_t epoch;      /* the epoch in which the last of them went */
    uint32_t first[2];   /* its free frames: that may hold anything, that are zero */
    uint16_t free, kind; /* how many they are; which list it is in, see frame.c */
    struct superframe *next, *prev;
    uint64_t rsvd[3];
};
_Static_assert(sizeof(struct superframe) == 64, "a power of two, as for frames");

/* The start of the direct map, the tables of frames and of superframes, and the number of frames;
 * constant after frame_init. */
extern uint8_t *frame_direct;
extern struct frame *frame_table;
extern struct superframe *superframe_table;
extern uint64_t frame_table_count;
extern struct spinlock memory_lock;
extern const struct boot_info *frame_boot;

void frame_init(const struct boot_info *boot);

/* Is this frame inside the table? Outside of it nothing is RAM. */
static inline bool frame_valid(uint64_t mfn) { return mfn < frame_table_count; }

static inline struct frame *frame_of(mfn_t m) { return &frame_table[m.n]; }

/* The frame in the direct map, and the inverse. */
static inline void *frame_va(mfn_t m) { return frame_direct + (m.n << PAGE_SHIFT); }

static inline mfn_t frame_mfn_of(const void *va) {
    return (mfn_t){ (uint64_t)((const uint8_t *)va - frame_direct) >> PAGE_SHIFT };
}

/* Does the boot memory map call any byte of these frames memory (RAM, ACPI tables, firmware's)? */
bool frame_is_memory(uint64_t first, uint64_t count);

/* The domain that it is charged to; NULL: the hypervisor. */
struct domain *frame_owner(const struct frame *f);

/* A zeroed frame for `d` (NULL: the hypervisor), charged. MFN_NONE: quota or memory used up, also
 * after the epoch was forced. */
mfn_t frame_alloc(struct domain *d, enum frame_state state);
/* A superframe for `d` as RAM, zeroed and charged, and there is one more for it behind that; its
 * first frame. MFN_NONE: none is whole, also after the epoch was forced, or not so much is left. */
mfn_t frame_alloc_block(struct domain *d);
/* The same as frame_alloc for a record of ours: its frame in the direct map, or NULL. */
void *frame_meta(struct domain *d);

/*
 * Records of one size by number, in charged frames that come as they are needed. The first 4 bytes
 * of a free one are the next free one's number + 1; the rest stays as it was.
 */
struct slots {
    uint8_t *page[64];
    uint32_t ever, free; /* numbers that were ever used; first free one of these + 1, or 0 */
};

static inline void *slot_at(const struct slots *s, uint64_t n, size_t size) {
    return s->page[n * size / PAGE_SIZE % ARRAY_LEN(s->page)] + n * size % PAGE_SIZE;
}

/* A free slot's number, or -HV_ENOSPC, -HV_ENOMEM. */
int64_t slot_alloc(struct domain *d, struct slots *s, size_t size);
void slot_free(struct slots *s, uint32_t n, size_t size);
/* Forgets the last of the slots that were ever used; with the first one of a frame, the frame. */
void slots_shrink(struct domain *d, struct slots *s, size_t size);

/* Gives a frame back and uncharges its owner `d`, at once or when the epoch has passed. No leaf may
 * name it any more, no grant, no pin, no request page. */
void frame_free(struct domain *d, mfn_t m);
/* Moves a frame, and the charge of it, from one domain (NULL: the hypervisor) to another, whatever
 * the quota of that one says: the caller has made sure of it. */
void frame_transfer(mfn_t m, struct domain *from, struct domain *to);
/* Clears a free frame, for idle processors, so that its next owner need not wait for it. False:
 * none is left that is not zero, or others have memory_lock, which it takes. */
bool frame_clear_step(void);
/* Could `d` be charged with this many more frames? */
bool frame_quota_left(const struct domain *d, uint64_t frames);

/* Frees every limbo frame whose epoch has passed. With one pCPU frame_reclaim_all forces the epoch
 * first, so that nothing is left in limbo. Limbo is bounded. */
void frame_reclaim(void);
/* Is nothing left in limbo that was freed up to this stamp? */
bool frame_reclaimed(uint32_t stamp);
void frame_reclaim_all(void);

/* Without a lock, when a call has failed for lack of memory and several pCPUs run: waits for the
 * epoch and empties limbo. False: nothing was in it. */
bool frame_force(void);
/* Waits for what was noted while the lock was held (epoch_ask), and for limbo to drain. */
int64_t memory_settle(int64_t result);

/* The last thing of a call that may have taken rights or frames away: its locks are given up, and
 * it holds no pointer to a frame any more. */
static inline int64_t memory_unlock(int64_t result) {
    spin_unlock(&memory_lock);
    return __builtin_expect(cpu_count > 1, 0) ? memory_settle(result) : result;
}

/* Gives the frame of a record of ours back, and forgets the pointer to it. */
#define frame_drop(d, record) (frame_free((d), frame_mfn_of(record)), (void)((record) = NULL))

uint64_t frame_free_count(void);
uint64_t frame_limbo_count(void);

/* Cannot wrap: frame_alloc never gives out so many tables that they could have 2^31 leaves. */
static inline void frame_map_get(struct frame *f) { f->maps++; }

/* Stamps the epoch that reuse has to wait for, which is epoch_now; loops read it once. */
static inline void frame_map_put_at(struct frame *f, uint32_t stamp) {
    BUG_ON(--f->maps < 0);
    f->epoch = stamp;
}

static inline void frame_map_put(struct frame *f) { frame_map_put_at(f, epoch_now); }

static inline struct superframe *superframe_of(const struct frame *f) {
    uint64_t offset = (uint64_t)((const uint8_t *)f - (const uint8_t *)frame_table);

    return &superframe_table[offset / (SUPERFRAME_PAGES * sizeof(*f))];
}

/* The leaves that name a frame, by itself or with its superframe. */
static inline int32_t frame_maps(const struct frame *f) { return f->maps + superframe_of(f)->maps; }

/* The same as for a frame, of a 2 MiB leaf. */
static inline void superframe_map_put(struct superframe *s) {
    BUG_ON(--s->maps < 0);
    s->epoch = epoch_now;
}

static inline void frame_hold(struct frame *f) { f->holds++; }

static inline void frame_unhold(struct frame *f) {
    BUG_ON(f->holds == 0);
    f->holds--;
}

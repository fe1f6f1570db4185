/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page allocator. Owns all RAM it was given, in up to MAX_RANGES ranges; the record of a range
 * (one word a page) lies in the range's own first pages. Invariant: run[i] is 0 for a free page, n
 * for the first page of an allocation of n pages and INSIDE for the others. Interrupts are off
 * while it is touched. First fit, from a hint below which nothing is free.
 */
#include "mem.h"

#include "arch/memory.h"
#include "irq.h"
#include "kstring.h"
#include "printk.h"

#include <stdbool.h>

#define MAX_RANGES 8u
#define INSIDE     (~(uint32_t)0)

struct range {
    uint64_t first;
    uint64_t count;
    uint64_t hint;
    uint32_t *run;
};

static struct range ranges[MAX_RANGES];
static unsigned range_count;
static size_t free_count;

void page_add_range(uint64_t first, uint64_t count)
{
    uint64_t bytes = count * sizeof(uint32_t);
    uint64_t own = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    struct range *r = &ranges[range_count];

    if (range_count == MAX_RANGES || count <= own) {
        return;
    }
    range_count++;
    r->first = first;
    r->count = count;
    r->hint = own;
    r->run = arch_page_address(first);
    memset(r->run, 0, bytes);
    for (uint64_t i = 0; i < own; i++) {
        r->run[i] = INSIDE;
    }
    free_count += count - own;
}

/* Free pages from `at` on, up to `want` of them. */
static size_t run_length(const struct range *r, uint64_t at, size_t want)
{
    size_t n = 0;

    while (n < want && at + n < r->count && r->run[at + n] == 0) {
        n++;
    }
    return n;
}

static void *range_alloc(struct range *r, size_t count)
{
    uint64_t at = r->hint;
    bool only_used = true; /* nothing free seen yet: the hint may move on */
    size_t n;

    while (at + count <= r->count) {
        n = run_length(r, at, count);
        if (n == count) {
            r->run[at] = (uint32_t)count;
            for (size_t i = 1; i < count; i++) {
                r->run[at + i] = INSIDE;
            }
            r->hint = only_used ? at + count : r->hint;
            free_count -= count;
            return arch_page_address(r->first + at);
        }
        only_used = only_used && n == 0;
        at += n + 1;
    }
    return NULL;
}

void *page_alloc(size_t count)
{
    uint64_t flags = irq_save();
    void *p = NULL;

    for (unsigned i = 0; i < range_count && count > 0 && !p; i++) {
        p = range_alloc(&ranges[i], count);
    }
    irq_restore(flags);
    if (p) {
        memset(p, 0, count * PAGE_SIZE);
    }
    return p;
}

void page_free(void *p, size_t count)
{
    uint64_t flags = irq_save();
    uint64_t frame = arch_frame_of(p);

    for (unsigned k = 0; k < range_count; k++) {
        struct range *r = &ranges[k];
        uint64_t at = frame - r->first;

        if (frame >= r->first && at < r->count) {
            if (r->run[at] != count) {
                panic("page_free(%p, %zu): not such an allocation", p, count);
            }
            memset(&r->run[at], 0, count * sizeof(uint32_t));
            r->hint = at < r->hint ? at : r->hint;
            free_count += count;
        }
    }
    irq_restore(flags);
}

size_t page_run(const void *p)
{
    uint64_t frame = arch_frame_of(p);

    for (unsigned k = 0; k < range_count; k++) {
        if (frame >= ranges[k].first && frame - ranges[k].first < ranges[k].count) {
            return ranges[k].run[frame - ranges[k].first];
        }
    }
    return 0;
}

size_t pages_free(void)
{
    return free_count;
}

uint64_t page_frame(const void *p)
{
    return arch_frame_of(p);
}

void *page_address(uint64_t frame)
{
    return arch_page_address(frame);
}

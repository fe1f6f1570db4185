/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants and windows.
 *
 * Owns the allocator of window GFNs: one bit a page of the window range, set while taken. A window
 * stays taken until grant_unmap has succeeded, also when its grant was revoked long ago.
 */
#include "hvlib/grant.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/event.h"
#include "hvlib/memory.h"
#include "hvlib/start.h"

#define WORDS (HV_MAX_WINDOW_PAGES / 64)

extern const char hv_image_data[], hv_image_end[];

static struct hv_spinlock lock; /* of both below */
static uint64_t taken[WORDS];
static uint64_t next_fit;

static bool is_taken(uint64_t page)
{
    return taken[page / 64] >> (page % 64) & 1;
}

static void set_taken(uint64_t page, uint64_t count, bool value)
{
    for (uint64_t p = page; p < page + count; p++) {
        uint64_t bit = (uint64_t)1 << (p % 64);

        taken[p / 64] = value ? taken[p / 64] | bit : taken[p / 64] & ~bit;
    }
}

static uint64_t window_pages(void)
{
    const struct hv_start_memory *range = hv_start_range(HV_RANGE_WINDOW, 0);
    uint64_t count = range ? range->count : 0;

    return count < HV_MAX_WINDOW_PAGES ? count : HV_MAX_WINDOW_PAGES;
}

/* The first run of `count` free pages in [from, to), or `to`. */
static uint64_t find_run(uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t run = 0;

    for (uint64_t p = from; p < to; p++) {
        run = is_taken(p) ? 0 : run + 1;
        if (run == count)
            return p + 1 - count;
    }
    return to;
}

int64_t hv_window_alloc(uint64_t count)
{
    uint64_t pages = window_pages();
    bool was = hv_lock(&lock);
    uint64_t first = find_run(next_fit, pages, count);

    if (first == pages)
        first = find_run(0, pages, count);
    if (count && first < pages) {
        set_taken(first, count, true);
        next_fit = first + count;
    }
    hv_unlock(&lock, was);
    return count && first < pages ? (int64_t)(HV_GFN_WINDOW + first) : -HV_ENOSPC;
}

void hv_window_free(uint64_t gfn, uint64_t count)
{
    bool was = hv_lock(&lock);

    set_taken(gfn - HV_GFN_WINDOW, count, false);
    hv_unlock(&lock, was);
}

int64_t hv_grant_give(uint64_t peer, const void *at, uint64_t pages, uint64_t rights)
{
    return hv_grant_create(HV_SELF, peer, hv_gfn(at), pages, rights);
}

/* The addresses of a range of own RAM: where all RAM is, and for the image's data where it was
 * linked to. Only when both are gone has the owner no leaf left. */
static int64_t unmap_everywhere(uint64_t gpa, uint64_t pages, bool image)
{
    int64_t result = hv_unmap_range(HV_SELF, 0, HV_KERNEL_START + gpa, pages);
    int64_t other = image ? hv_unmap_range(HV_SELF, 0, HV_KERNEL_IMAGE + gpa, pages) : 0;

    return result < 0 ? result : other;
}

static int64_t map_everywhere(uint64_t gpa, uint64_t pages, bool image)
{
    const uint32_t rw = HV_MAP_READ | HV_MAP_WRITE;
    uint64_t gfn = gpa >> HV_PAGE_SHIFT;
    int64_t result = hv_map_range(HV_SELF, 0, HV_KERNEL_START + gpa, gfn, pages, rw);
    int64_t other = image ? hv_map_range(HV_SELF, 0, HV_KERNEL_IMAGE + gpa, gfn, pages, rw) : 0;

    return result < 0 ? result : other;
}

int64_t hv_grant_take_back(uint64_t ref, const void *at, uint64_t pages)
{
    uint64_t gpa = hv_gpa(at);
    bool image = gpa >= hv_gpa(hv_image_data) && gpa < hv_gpa(hv_image_end);
    int64_t result = hv_grant_end(HV_SELF, ref, 1);

    if (result != -HV_EBUSY)
        return result;
    unmap_everywhere(gpa, pages, image);
    result = hv_grant_end(HV_SELF, ref, 1);
    int64_t again = map_everywhere(gpa, pages, image);

    return result < 0 ? result : again;
}

int64_t hv_window_map(uint64_t owner, uint64_t ref, uint64_t pages, uint32_t port, uint32_t rights,
                      void **at)
{
    int64_t gfn = hv_window_alloc(pages);

    if (gfn < 0)
        return gfn;
    *at = hv_va((uint64_t)gfn << HV_PAGE_SHIFT);
    HV_BUFFER(64)
    struct hv_grant_map entry = { .owner = owner,
                                  .ref = ref,
                                  .window = (uint64_t)gfn,
                                  .port = port,
                                  .rights = (uint16_t)rights,
                                  .count = (uint16_t)pages,
                                  .address = (uint64_t)(uintptr_t)*at };
    int64_t done = hv_grant_map(HV_SELF, hv_gpa(&entry), 1);

    if (done < 0)
        hv_window_free((uint64_t)gfn, pages);
    return done < 0 ? done : 0;
}

int64_t hv_window_unmap(void *at, uint64_t pages)
{
    HV_BUFFER(8) uint64_t window = hv_gfn(at);
    int64_t done = hv_grant_unmap(HV_SELF, hv_gpa(&window), 1);

    if (done < 0)
        return done;
    hv_window_free(window, pages);
    return 0;
}

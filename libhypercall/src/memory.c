/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory calls that go on to the end: hyp does a bounded part of each and says how much.
 *
 * Progress is a loop variable here and nowhere else, so a call that is stopped at any page goes on
 * from there. Parts end at borders of 2 MiB, so that what can be mapped large is. A result of 0
 * without an error would loop for ever; hyp promises at least one unit, and a hyp that breaks the
 * promise is reported as a bug of its own.
 */
#include "hvlib/memory.h"

typedef int64_t (*run_call)(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count);

/* How many of `count` pages from number `first` on the next call is for. */
static uint64_t part(uint64_t first, uint64_t count, uint64_t most)
{
    most -= first % HV_LARGE_PAGES;
    return count < most ? count : most;
}

/* One run, again and again. A local of 24 bytes aligned to 32 does not cross a page. */
static int64_t run_all(run_call call, uint64_t dom, uint64_t space, struct hv_map_run whole,
                       uint64_t count)
{
    HV_BUFFER(32) struct hv_map_run run = whole;

    while (count) {
        run.count = (uint32_t)part(run.address >> HV_PAGE_SHIFT, count, HV_MAX_MAP_PAGES);
        int64_t done = call(dom, space, hv_gpa(&run), 1);

        if (done <= 0)
            return done ? done : -HV_EAGAIN;
        count -= (uint64_t)done;
        run.address += (uint64_t)done << HV_PAGE_SHIFT;
        if (run.gfn || whole.gfn)
            run.gfn += (uint64_t)done;
    }
    return 0;
}

int64_t hv_map_range(uint64_t dom, uint64_t space, uint64_t address, uint64_t gfn, uint64_t count,
                     uint32_t rights)
{
    struct hv_map_run run = { .address = address, .gfn = gfn, .rights = rights };

    return run_all(hv_map, dom, space, run, count);
}

int64_t hv_unmap_range(uint64_t dom, uint64_t space, uint64_t address, uint64_t count)
{
    return run_all(hv_unmap, dom, space, (struct hv_map_run){ .address = address }, count);
}

int64_t hv_protect_range(uint64_t dom, uint64_t space, uint64_t address, uint64_t count,
                         uint32_t rights)
{
    struct hv_map_run run = { .address = address, .rights = rights };

    return run_all(hv_protect, dom, space, run, count);
}

int64_t hv_populate_range(uint64_t dom, uint64_t gfn, uint64_t count)
{
    while (count) {
        int64_t done = hv_populate(dom, gfn, part(gfn, count, HV_MAX_POPULATE_PAGES));

        if (done <= 0)
            return done ? done : -HV_EAGAIN;
        gfn += (uint64_t)done;
        count -= (uint64_t)done;
    }
    return 0;
}

int64_t hv_give_back_range(uint64_t dom, uint64_t gfn, uint64_t count)
{
    while (count) {
        uint64_t some = count < HV_MAX_POPULATE_PAGES ? count : HV_MAX_POPULATE_PAGES;
        int64_t done = hv_give_back(dom, gfn, some);

        if (done <= 0)
            return done ? done : -HV_EAGAIN;
        gfn += (uint64_t)done;
        count -= (uint64_t)done;
    }
    return 0;
}

static uint64_t balloon_address(uint64_t gfn)
{
    return (uint64_t)(uintptr_t)hv_va(gfn << HV_PAGE_SHIFT);
}

/* Page by page, from the end: what stands in the way stops it there, and nothing in front is
 * touched.
 */
static int64_t balloon_give(struct hv_balloon *b, uint64_t count)
{
    uint64_t end = b->gfn + b->pages - b->given;
    int64_t error = hv_unmap_range(HV_SELF, 0, balloon_address(end - count), count);

    for (; !error && count; count--, end--, b->given++) {
        error = hv_give_back(HV_SELF, end - 1, 1);
        if (error < 0)
            break;
        error = 0;
    }
    if (count)
        (void)hv_map_range(HV_SELF, 0, balloon_address(end - count), end - count, count,
                           HV_MAP_READ | HV_MAP_WRITE);
    return error;
}

static int64_t balloon_take(struct hv_balloon *b, uint64_t count)
{
    uint64_t gfn = b->gfn + b->pages - b->given;
    int64_t done = hv_populate(HV_SELF, gfn, count), error;

    if (done <= 0)
        return done ? done : -HV_EAGAIN;
    error = hv_map_range(HV_SELF, 0, balloon_address(gfn), gfn, (uint64_t)done,
                         HV_MAP_READ | HV_MAP_WRITE);
    b->given -= (uint64_t)done;
    return error;
}

int64_t hv_balloon_set(struct hv_balloon *b, uint64_t given)
{
    int64_t error = given > b->pages ? -HV_EINVAL : 0;

    while (!error && b->given < given)
        error = balloon_give(b, given - b->given);
    while (!error && b->given > given)
        error = balloon_take(b, b->given - given);
    return error;
}

int64_t hv_space_end(uint64_t dom, uint64_t space)
{
    int64_t left;

    do
        left = hv_space_destroy(dom, space);
    while (left > 0);
    return left;
}

#define COPY_BYTES 65536u

static int64_t copy_all(uint64_t dom, uint64_t remote, uint64_t local, uint64_t bytes,
                        uint64_t write)
{
    while (bytes) {
        uint64_t some = bytes < COPY_BYTES ? bytes : COPY_BYTES;
        int64_t done = hv_domain_copy(dom, remote, local, some, write);

        if (done <= 0)
            return done ? done : -HV_EAGAIN;
        remote += (uint64_t)done;
        local += (uint64_t)done;
        bytes -= (uint64_t)done;
    }
    return 0;
}

int64_t hv_copy_to_domain(uint64_t dom, uint64_t remote, const void *local, uint64_t bytes)
{
    return copy_all(dom, remote, hv_gpa(local), bytes, 1);
}

int64_t hv_copy_from_domain(uint64_t dom, uint64_t remote, void *local, uint64_t bytes)
{
    return copy_all(dom, remote, hv_gpa(local), bytes, 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk with a planted fault: flips one bit in what is read from one sector. It stands between a
 * back end or device model and a real disk, so that a test can show that the sums of two paths are
 * taken from what really came through each of them. Owns one shadow request for each under way.
 */
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "root/disk.h"

struct faulty {
    struct block_device block;
    struct block_device *under;
    uint64_t sector;
};

struct shadow {
    struct block_request r; /* what the disk below works on */
    struct block_request *outer;
};

static void done(struct block_request *r)
{
    struct shadow *s = r->arg;
    struct block_request *outer = s->outer;
    struct faulty *f = outer->device->driver;
    uint64_t at = f->sector - outer->sector;
    if (outer->op == BLOCK_READ && at < outer->count)
        ((uint8_t *)outer->buffer)[at * BLOCK_SECTOR] ^= 1;
    int status = r->status;
    kfree(s);
    block_finish(outer, status);
}

static void submit(struct block_device *d, struct block_request *r)
{
    struct faulty *f = d->driver;
    struct shadow *s = kmalloc(sizeof(*s));
    if (!s) {
        block_finish(r, BLOCK_EIO);
        return;
    }
    s->outer = r;
    s->r = (struct block_request){ .op = r->op,
                                   .count = r->count,
                                   .sector = r->sector,
                                   .buffer = r->buffer,
                                   .done = done,
                                   .arg = s };
    block_submit(f->under, &s->r);
}

static void kick(struct block_device *d)
{
    struct faulty *f = d->driver;
    block_kick(f->under);
}

static void *buffer_get(struct block_device *d)
{
    struct faulty *f = d->driver;
    return block_buffer_get(f->under);
}

static void buffer_put(struct block_device *d, void *buffer)
{
    struct faulty *f = d->driver;
    block_buffer_put(f->under, buffer);
}

static int region_map(struct block_device *d, void *p, uint32_t pages)
{
    struct faulty *f = d->driver;
    return f->under->ops->region_map ? f->under->ops->region_map(f->under, p, pages) : 0;
}

static void region_unmap(struct block_device *d, void *p)
{
    struct faulty *f = d->driver;
    if (f->under->ops->region_unmap)
        f->under->ops->region_unmap(f->under, p);
}

static const struct block_ops ops = {
    .submit = submit,
    .kick = kick,
    .buffer_get = buffer_get,
    .buffer_put = buffer_put,
    .region_map = region_map,
    .region_unmap = region_unmap,
};

struct block_device *faulty_disk(struct block_device *under, uint64_t sector)
{
    struct faulty *f = kmalloc(sizeof(*f));
    if (!f)
        return NULL;
    f->under = under;
    f->sector = sector;
    f->block = (struct block_device){ .sectors = under->sectors,
                                      .read_only = under->read_only,
                                      .depth = under->depth,
                                      .ops = &ops,
                                      .driver = f };
    memcpy(f->block.name, under->name, sizeof(f->block.name));
    return &f->block;
}

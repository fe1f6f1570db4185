/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block layer. Owns the list of devices and their statistics. Checks every request before a
 * driver sees it, so that a driver never gets one that leaves the disk. Interrupts are off while a
 * device is touched; completion runs with interrupts off as well.
 */
#include "block.h"

#include "irq.h"
#include "kstring.h"

#include <stddef.h>

static struct block_device *devices;

void block_register(struct block_device *d)
{
    d->next = devices;
    devices = d;
}

struct block_device *block_first(void)
{
    return devices;
}

struct block_device *block_find(const char *name)
{
    struct block_device *d = devices;

    while (d && strcmp(d->name, name) != 0) {
        d = d->next;
    }
    return d;
}

static int check(const struct block_device *d, const struct block_request *r)
{
    if (r->op == BLOCK_FLUSH) {
        return r->count == 0 ? 0 : BLOCK_EINVAL;
    }
    if (r->count == 0 || r->count > BLOCK_MAX_SECTORS || r->sector > d->sectors ||
        r->count > d->sectors - r->sector) {
        return BLOCK_EINVAL;
    }
    return r->op == BLOCK_WRITE && d->read_only ? BLOCK_EROFS : 0;
}

void block_submit(struct block_device *d, struct block_request *r)
{
    uint64_t flags = irq_save();
    int error = check(d, r);

    r->device = d;
    r->finished = false;
    if (error < 0) {
        block_finish(r, error);
    } else {
        d->ops->submit(d, r);
    }
    irq_restore(flags);
}

void block_kick(struct block_device *d)
{
    uint64_t flags = irq_save();

    d->ops->kick(d);
    irq_restore(flags);
}

void block_finish(struct block_request *r, int status)
{
    struct block_stats *s = &r->device->stats;

    r->status = status;
    r->finished = true;
    s->requests++;
    s->errors += status < 0;
    s->flushes += r->op == BLOCK_FLUSH;
    s->bytes += status < 0 ? 0 : (uint64_t)r->count * BLOCK_SECTOR;
    r->done(r);
}

void *block_buffer_get(struct block_device *d)
{
    uint64_t flags = irq_save();
    void *buffer = d->ops->buffer_get(d);

    irq_restore(flags);
    return buffer;
}

void block_buffer_put(struct block_device *d, void *buffer)
{
    uint64_t flags = irq_save();

    d->ops->buffer_put(d, buffer);
    irq_restore(flags);
}

/* Of one synchronous transfer, at most. */
#define PARTS 16u

static void sync_done(struct block_request *r)
{
    wait_wake_all(&r->device->waiters);
}

/* Wait for requests that lie on the caller's stack: it must not return before each `done` was
 * called. The first status that is not 0. */
static int sync_wait(struct block_device *d, const struct block_request *part, unsigned parts)
{
    int status = 0;

    for (unsigned i = 0; i < parts; i++) {
        wait_event(&d->waiters, part[i].finished);
        status = status ? status : part[i].status;
    }
    return status;
}

/* As many parts at once as are of use to the device. Takes what was sent off all three. */
static int sync_some(struct block_device *d, enum block_op op, uint64_t *sector, uint32_t *count,
                     char **buffer)
{
    struct block_request part[PARTS];
    unsigned parts = 0;

    do {
        uint32_t n = *count < BLOCK_MAX_SECTORS ? *count : BLOCK_MAX_SECTORS;

        part[parts] = (struct block_request){
            .op = op, .sector = *sector, .count = n, .buffer = *buffer, .done = sync_done
        };
        block_submit(d, &part[parts++]);
        *sector += n;
        *count -= n;
        *buffer += (size_t)n * BLOCK_SECTOR;
    } while (*count > 0 && parts < PARTS && parts < d->depth);
    block_kick(d);
    return sync_wait(d, part, parts);
}

static int sync_transfer(struct block_device *d, enum block_op op, uint64_t sector, uint32_t count,
                         char *buffer)
{
    int status = 0;

    while (count > 0 && status == 0) {
        status = sync_some(d, op, &sector, &count, &buffer);
    }
    return status;
}

int block_read(struct block_device *d, uint64_t sector, uint32_t count, void *buffer)
{
    return sync_transfer(d, BLOCK_READ, sector, count, buffer);
}

/* A driver only reads the buffer of a write; the request has one pointer for both directions. */
int block_write(struct block_device *d, uint64_t sector, uint32_t count, const void *buffer)
{
    return sync_transfer(d, BLOCK_WRITE, sector, count, (char *)(uintptr_t)buffer);
}

int block_flush(struct block_device *d)
{
    uint64_t sector = 0;
    uint32_t count = 0;
    char *buffer = NULL;

    return sync_some(d, BLOCK_FLUSH, &sector, &count, &buffer);
}

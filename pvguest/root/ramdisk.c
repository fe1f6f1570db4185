/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot modules as disks: the modules called "ramdisk" become rd0, rd1, ... Their
 * requests take a fixed number of instructions, so benchmarks against them are repeatable. Owns the
 * queue of requests between submit and kick. Writes change the module's memory and are lost at the
 * end.
 *
 * The buffer may be a window that its owner revokes at any time: it is touched through the guarded
 * copy alone, and a fault there fails the request.
 */
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "root/disk.h"
#include "root/module.h"

#include <hvlib/guard.h>

struct ramdisk {
    struct block_device block;
    uint8_t *data;
    struct block_request *first;
    struct block_request **last;
};

static void submit(struct block_device *d, struct block_request *r)
{
    struct ramdisk *k = d->driver;
    r->next = NULL;
    *k->last = r;
    k->last = &r->next;
}

static int serve(struct ramdisk *k, struct block_request *r)
{
    uint8_t *at = k->data + r->sector * BLOCK_SECTOR;
    uint64_t bytes = (uint64_t)r->count * BLOCK_SECTOR;
    int64_t result = 0;
    if (r->op == BLOCK_READ)
        result = hv_guard_copy(r->buffer, at, bytes);
    else if (r->op == BLOCK_WRITE)
        result = hv_guard_copy(at, r->buffer, bytes);
    if (r->op != BLOCK_FLUSH)
        k->block.stats.copied += bytes;
    return result ? BLOCK_EIO : 0;
}

static void kick(struct block_device *d)
{
    struct ramdisk *k = d->driver;
    while (k->first) {
        struct block_request *r = k->first;
        k->first = r->next;
        if (!k->first)
            k->last = &k->first;
        block_finish(r, serve(k, r));
    }
}

/* Memory needs no preparation, and any buffer is as good as another. */
static void *buffer_get(struct block_device *d)
{
    (void)d;
    return page_alloc(BLOCK_MAX_BYTES / PAGE_SIZE);
}

static void buffer_put(struct block_device *d, void *buffer)
{
    (void)d;
    page_free(buffer, BLOCK_MAX_BYTES / PAGE_SIZE);
}

static void *memory(struct block_device *d, uint64_t sector, uint32_t count)
{
    struct ramdisk *k = d->driver;
    d->stats.requests++;
    d->stats.bytes += (uint64_t)count * BLOCK_SECTOR;
    return k->data + sector * BLOCK_SECTOR;
}

static const struct block_ops ops = {
    .submit = submit,
    .kick = kick,
    .buffer_get = buffer_get,
    .buffer_put = buffer_put,
    .memory = memory,
};

static void add(unsigned number, const struct module *m)
{
    struct ramdisk *k = kmalloc(sizeof(*k));
    if (!k)
        return;
    /* The module's frames are this domain's own memory, mapped writable. */
    k->data = (uint8_t *)(uintptr_t)m->data;
    k->last = &k->first;
    k->block.sectors = m->bytes / BLOCK_SECTOR;
    k->block.ops = &ops;
    k->block.driver = k;
    k->block.depth = 32;
    format_text(k->block.name, sizeof(k->block.name), "rd%u", number);
    block_register(&k->block);
    printk("root: disk %s: %lu sectors in memory\n", k->block.name, k->block.sectors);
}

unsigned ramdisk_probe(void)
{
    struct module m;
    unsigned count = 0;
    for (unsigned n = 0; module_get(n, &m); n++)
        if (module_named(&m, "ramdisk"))
            add(count++, &m);
    return count;
}

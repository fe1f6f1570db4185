/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small objects. Owns, for each power of two from 16 to 1024, a list of slabs: pages cut into
 * objects of that size, with the head of the slab in the place of the first ones. Larger objects
 * are whole pages. Invariant: a slab is in its list exactly while it has a free object; an object
 * at the start of a page is never a slab's. Interrupts are off while it is touched.
 */
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"

#define MIN_SHIFT  4u
#define MAX_SHIFT  10u
#define SLAB_MAGIC 0x51ab51abu

struct object {
    struct object *next;
};

struct slab {
    uint32_t magic;
    uint16_t shift;
    uint16_t used;
    struct object *free;
    struct slab *next;
    struct slab *prev;
};

static struct slab *lists[MAX_SHIFT + 1];

static void slab_link(struct slab *s)
{
    s->prev = NULL;
    s->next = lists[s->shift];
    if (s->next) {
        s->next->prev = s;
    }
    lists[s->shift] = s;
}

static void slab_unlink(struct slab *s)
{
    if (s->prev) {
        s->prev->next = s->next;
    } else {
        lists[s->shift] = s->next;
    }
    if (s->next) {
        s->next->prev = s->prev;
    }
}

static struct slab *slab_create(unsigned shift)
{
    struct slab *s = page_alloc(1);
    size_t size = (size_t)1 << shift;
    size_t first = size > sizeof(*s) ? size : (sizeof(*s) + size - 1) / size * size;

    if (!s) {
        return NULL;
    }
    s->magic = SLAB_MAGIC;
    s->shift = (uint16_t)shift;
    for (size_t at = PAGE_SIZE - size; at >= first; at -= size) {
        struct object *o = (struct object *)(void *)((char *)s + at);

        o->next = s->free;
        s->free = o;
    }
    slab_link(s);
    return s;
}

static void *slab_take(unsigned shift)
{
    struct slab *s = lists[shift] ? lists[shift] : slab_create(shift);
    struct object *o;

    if (!s) {
        return NULL;
    }
    o = s->free;
    s->free = o->next;
    s->used++;
    if (!s->free) {
        slab_unlink(s);
    }
    return o;
}

void *kmalloc(size_t bytes)
{
    unsigned shift = MIN_SHIFT;
    uint64_t flags;
    void *p;

    while (shift <= MAX_SHIFT && ((size_t)1 << shift) < bytes) {
        shift++;
    }
    if (shift > MAX_SHIFT) {
        return page_alloc((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
    }
    flags = irq_save();
    p = slab_take(shift);
    irq_restore(flags);
    if (p) {
        memset(p, 0, (size_t)1 << shift);
    }
    return p;
}

static void slab_return(struct slab *s, void *p)
{
    struct object *o = p;

    if (s->magic != SLAB_MAGIC || s->used == 0) {
        panic("kfree(%p): not an object", p);
    }
    if (!s->free) {
        slab_link(s);
    }
    o->next = s->free;
    s->free = o;
    if (--s->used == 0) {
        slab_unlink(s);
        s->magic = 0;
        page_free(s, 1);
    }
}

void kfree(void *p)
{
    uintptr_t offset = (uintptr_t)p % PAGE_SIZE;
    uint64_t flags;

    if (!p) {
        return;
    }
    if (offset == 0) {
        page_free(p, page_run(p));
        return;
    }
    flags = irq_save();
    slab_return((struct slab *)(void *)((char *)p - offset), p);
    irq_restore(flags);
}

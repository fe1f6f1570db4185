/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User programs. Owns the process, its regions and its pages: region.pages[i] is the kernel address
 * of page i, or NULL while it was not touched. Invariant: exactly the pages recorded there are
 * mapped in the space, with the region's rights. User memory is only ever reached through the
 * record, so that no kernel access to it can fault.
 */
#include "process.h"

#include "arch/memory.h"
#include "arch/user.h"
#include "cpu.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"
#include "user_elf.h"

#define MAX_REGIONS 16u
#define STACK_TOP   ((uint64_t)0x00007ffffffe0000)
#define STACK_BYTES ((uint64_t)64 << 10)
#define HEAP_BYTES  ((uint64_t)4 << 20)
#define MMAP_BASE   ((uint64_t)0x0000700000000000)
#define KILLED      (128 + 11)

struct region {
    uint64_t start;
    uint64_t end;
    unsigned rights;
    void **pages;
};

struct process {
    const char *name;
    uint64_t space;
    struct region regions[MAX_REGIONS];
    unsigned region_count;
    uint64_t heap_start;
    uint64_t heap_end;
    uint64_t mmap_next;
    const void *elf;
    bool ended;
    struct wait_queue waiters;
    struct process_result result;
};

static uint64_t page_down(uint64_t a)
{
    return a & ~(uint64_t)(PAGE_SIZE - 1);
}

static uint64_t page_up(uint64_t a)
{
    return page_down(a + PAGE_SIZE - 1);
}

static size_t region_slots(const struct region *r)
{
    return (size_t)((r->end - r->start) / PAGE_SIZE);
}

/* Regions neither overlap nor leave the user half. */
static struct region *region_add(struct process *p, uint64_t start, uint64_t end, unsigned rights)
{
    struct region *r = &p->regions[p->region_count];

    if (p->region_count == MAX_REGIONS || start >= end || end > ARCH_USER_END) {
        return NULL;
    }
    for (unsigned i = 0; i < p->region_count; i++) {
        if (start < p->regions[i].end && p->regions[i].start < end) {
            return NULL;
        }
    }
    *r = (struct region){ .start = start, .end = end, .rights = rights };
    r->pages = kmalloc(region_slots(r) * sizeof(void *));
    if (!r->pages) {
        return NULL;
    }
    p->region_count++;
    return r;
}

static struct region *region_find(struct process *p, uint64_t address)
{
    for (unsigned i = 0; i < p->region_count; i++) {
        if (address >= p->regions[i].start && address < p->regions[i].end) {
            return &p->regions[i];
        }
    }
    return NULL;
}

/* The kernel address of the page at `address`, made and mapped at the first touch. */
static void *region_page(struct process *p, struct region *r, uint64_t address)
{
    uint64_t at = page_down(address);
    void **slot = &r->pages[(at - r->start) / PAGE_SIZE];
    void *page = *slot;

    if (page) {
        return page;
    }
    page = page_alloc(1);
    if (!page) {
        return NULL;
    }
    if (arch_space_map(p->space, at, page_frame(page), 1, r->rights) < 0) {
        page_free(page, 1);
        return NULL;
    }
    *slot = page;
    p->result.pages++;
    return page;
}

static void region_drop(struct process *p, struct region *r)
{
    for (size_t i = 0; i < region_slots(r); i++) {
        if (r->pages[i]) {
            (void)arch_space_unmap(p->space, r->start + i * PAGE_SIZE, 1);
            page_free(r->pages[i], 1);
        }
    }
    kfree(r->pages);
    *r = p->regions[--p->region_count];
}

/* Copy the file's part of a segment; what lies behind it is zero and comes at first touch. */
static bool load_segment(struct process *p, const struct elf_segment *s)
{
    unsigned rights = ARCH_MAP_READ | (s->flags & ELF_WRITE ? ARCH_MAP_WRITE : 0u) |
                      (s->flags & ELF_EXEC ? ARCH_MAP_EXEC : 0u);
    struct region *r = region_add(p, page_down(s->vaddr), page_up(s->vaddr + s->memsz), rights);
    uint64_t n;

    if (!r) {
        return false;
    }
    for (uint64_t done = 0; done < s->filesz; done += n) {
        uint64_t at = s->vaddr + done;
        char *page = region_page(p, r, at);

        if (!page) {
            return false;
        }
        n = PAGE_SIZE - at % PAGE_SIZE;
        n = n < s->filesz - done ? n : s->filesz - done;
        memcpy(page + at % PAGE_SIZE, (const char *)p->elf + s->offset + done, n);
    }
    if (r->end > p->heap_start) {
        p->heap_start = r->end;
        p->heap_end = r->end;
    }
    return true;
}

static bool load(struct process *p)
{
    const struct elf_segment *s;

    for (unsigned i = 0; (s = elf_segment(p->elf, i)) != NULL; i++) {
        if (s->type == ELF_LOAD && s->memsz > 0 && !load_segment(p, s)) {
            return false;
        }
    }
    p->mmap_next = MMAP_BASE;
    return region_add(p, p->heap_start, p->heap_start + HEAP_BYTES,
                      ARCH_MAP_READ | ARCH_MAP_WRITE) &&
           region_add(p, STACK_TOP - STACK_BYTES, STACK_TOP, ARCH_MAP_READ | ARCH_MAP_WRITE);
}

static void process_thread(void *arg)
{
    struct process *p = arg;

    if (!thread_set_process(p, p->space)) {
        panic("no memory for the registers of %s", p->name);
    }
    (void)irq_save();
    user_return();
    /* The stack holds argc = 0 and the ends of argv, environment and auxiliary vector. */
    arch_user_start(elf_entry(p->elf), STACK_TOP - 64);
}

static void process_free(struct process *p)
{
    while (p->region_count > 0) {
        region_drop(p, &p->regions[p->region_count - 1]);
    }
    cpus_unload(p->space);
    arch_space_destroy(p->space);
    kfree(p);
}

static struct process *process_create(const char *name, const void *elf, size_t bytes)
{
    struct process *p;
    int64_t space;

    if (!elf_check(elf, bytes, ARCH_USER_END) || !(p = kmalloc(sizeof(*p)))) {
        return NULL;
    }
    space = arch_space_create();
    if (space < 0) {
        kfree(p);
        return NULL;
    }
    p->name = name;
    p->elf = elf;
    p->space = (uint64_t)space;
    if (!load(p)) {
        process_free(p);
        return NULL;
    }
    return p;
}

int process_run(const char *name, const void *elf, size_t bytes, struct process_result *result)
{
    struct process *p;

    p = process_create(name, elf, bytes);
    if (!p) {
        return -1;
    }
    (void)thread_create(name, process_thread, p);
    wait_event(&p->waiters, p->ended);
    *result = p->result;
    process_free(p);
    return 0;
}

void process_called(void)
{
    thread_process()->result.calls++;
}

/* The space is unloaded here and freed by process_run, when this thread uses it no more. */
void process_exit(int status)
{
    struct process *p = thread_process();

    (void)irq_save();
    p->result.status = status;
    (void)thread_set_process(NULL, 0);
    p->ended = true;
    wait_wake_all(&p->waiters);
    thread_exit();
}

/* Only a page fault has an address besides that of its instruction. */
static void tell_fault(const struct process *p, const struct user_fault *f)
{
    if (f->kind == USER_FAULT_PAGE)
        printk("%s: killed by fault %u (%s) at %lx, rip %lx\n", p->name, f->vector,
               f->exec    ? "execute"
               : f->write ? "write"
                          : "read",
               (unsigned long)f->address, (unsigned long)f->rip);
    else
        printk("%s: killed by fault %u, rip %lx\n", p->name, f->vector, (unsigned long)f->rip);
}

/* Memory that comes at its first touch, or the end. */
static void take_fault(struct process *p, const struct user_fault *f)
{
    struct region *r = f->kind == USER_FAULT_PAGE ? region_find(p, f->address) : NULL;
    bool allowed = r && (!f->write || (r->rights & ARCH_MAP_WRITE)) &&
                   (!f->exec || (r->rights & ARCH_MAP_EXEC));

    if (allowed && region_page(p, r, f->address)) {
        p->result.faults++;
        return;
    }
    tell_fault(p, f);
    process_exit(KILLED);
}

void process_fault(const struct user_fault *f)
{
    kernel_enter_user();
    take_fault(thread_process(), f);
    user_return();
}

/* Kernel address of one byte of user memory, with the rest of its page behind it; NULL: none. */
static char *user_bytes(uint64_t address, unsigned right)
{
    struct process *p = thread_process();
    struct region *r = region_find(p, address);
    char *page = r && (r->rights & right) ? region_page(p, r, address) : NULL;

    return page ? page + address % PAGE_SIZE : NULL;
}

bool copy_from_user(void *to, uint64_t from, size_t bytes)
{
    for (size_t done = 0, n; done < bytes; done += n) {
        const char *s = user_bytes(from + done, ARCH_MAP_READ);

        if (!s) {
            return false;
        }
        n = PAGE_SIZE - (from + done) % PAGE_SIZE;
        n = n < bytes - done ? n : bytes - done;
        memcpy((char *)to + done, s, n);
    }
    return true;
}

bool copy_to_user(uint64_t to, const void *from, size_t bytes)
{
    for (size_t done = 0, n; done < bytes; done += n) {
        char *s = user_bytes(to + done, ARCH_MAP_WRITE);

        if (!s) {
            return false;
        }
        n = PAGE_SIZE - (to + done) % PAGE_SIZE;
        n = n < bytes - done ? n : bytes - done;
        memcpy(s, (const char *)from + done, n);
    }
    return true;
}

/* The heap's region has its full size from the start; only the end that is told moves. */
uint64_t process_brk(uint64_t end)
{
    struct process *p = thread_process();

    if (end >= p->heap_start && end <= p->heap_start + HEAP_BYTES) {
        p->heap_end = end;
    }
    return p->heap_end;
}

uint64_t process_mmap(uint64_t bytes, bool write, bool exec)
{
    struct process *p = thread_process();
    uint64_t start = p->mmap_next;
    unsigned rights = ARCH_MAP_READ | (write ? ARCH_MAP_WRITE : 0u) | (exec ? ARCH_MAP_EXEC : 0u);

    if (bytes == 0 || bytes > HEAP_BYTES || !region_add(p, start, start + page_up(bytes), rights)) {
        return 0;
    }
    p->mmap_next = start + page_up(bytes) + PAGE_SIZE;
    return start;
}

int process_munmap(uint64_t address, uint64_t bytes)
{
    struct process *p = thread_process();
    struct region *r = region_find(p, address);

    if (!r || address < MMAP_BASE || r->start != address || page_up(bytes) != r->end - r->start ||
        r->end > p->mmap_next) {
        return -1;
    }
    region_drop(p, r);
    return 0;
}

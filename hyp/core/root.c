/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds root: the one domain that the hypervisor makes itself. It uses what any builder uses:
 * populate, copy, map with the image's rights, a start page, a vCPU context.
 *
 * Root's RAM, by GFN:
 *
 *   0 ............ image | start page | device list | (hole for the shared page's address)
 *   ............... the rest, all populated ............ ram | module 1 | module 2 | ...
 *
 * The modules' frames are where the boot loader put them: they become root's RAM without a copy.
 * The image's own module stays reserved. Root may use every frame that is left: its quota is the
 * machine.
 */
#include "root.h"
#include "clock.h"
#include "frame.h"
#include "guestmem.h"
#include "hv_start.h"
#include "loader.h"
#include "machine.h"
#include "p2m.h"
#include "printk.h"
#include "resource.h"
#include "space.h"
#include "string.h"

#define CANNOT_BOOT_REASON 14u
#define ROOT_MEM_DEFAULT   64u /* MiB, or half of the memory */
#define ROOT_MEM_MIN       4u
#define ROOT_WINDOWS       16384u /* pages */
#define PAGES_PER_MIB      256u
#define NANOSECONDS        1000000000

/* Where things are; see the picture above. */
struct plan {
    const struct boot_info *boot;
    struct loader_image image;
    const uint8_t *file;
    uint64_t ram_pages; /* populated, modules not counted */
    uint64_t module_pages;
    uint64_t start_gfn, devices_gfn, shared_gfn; /* behind each other */
};

static _Noreturn void give_up(const char *why) {
    printk("cannot start root: %s", why);
    machine_shutdown(CANNOT_BOOT_REASON);
}

static uint64_t image_address(uint64_t gfn) { return HV_KERNEL_IMAGE + gfn * HV_PAGE_SIZE; }

static uint64_t pages_of(const struct boot_module *m) {
    return (m->end - m->start + HV_PAGE_SIZE - 1) / HV_PAGE_SIZE;
}

/* ---- planning ---- */

static void plan_memory(struct plan *p) {
    uint64_t half = frame_free_count() / 2 / PAGES_PER_MIB;
    uint64_t mib =
        boot_number(p->boot, "root-mem", half < ROOT_MEM_DEFAULT ? half : ROOT_MEM_DEFAULT);

    p->ram_pages = mib * PAGES_PER_MIB;
    if (mib < ROOT_MEM_MIN || mib > frame_free_count() / 4 * 3 / PAGES_PER_MIB)
        give_up("root-mem is not a number of MiB from 4 to three quarters of the memory");
    if (p->shared_gfn >= p->ram_pages) give_up("root-mem is too small for its image");
    for (uint32_t i = 1; i < p->boot->module_count; i++)
        p->module_pages += pages_of(&p->boot->modules[i]);
    if (p->ram_pages + p->module_pages > HV_MAX_RAM_PAGES)
        give_up("too much memory for one domain");
}

static void plan_make(struct plan *p, const struct boot_info *boot) {
    const struct boot_module *m = &boot->modules[0];
    const char *wrong;

    p->boot = boot;
    if (boot->module_count == 0) give_up("no boot module; the first one is root's image");
    p->file = phys_to_virt(m->start);
    wrong = loader_read(p->file, m->end - m->start, &p->image);
    if (wrong != NULL) {
        printk("root's image: \"%s\"", m->string);
        give_up(wrong);
    }
    p->start_gfn = p->image.end_gfn;
    p->devices_gfn = p->start_gfn + 1;
    p->shared_gfn = p->start_gfn + 2;
    plan_memory(p);
}

/* ---- memory ---- */

/* What it spent, in counts of arch_counter(): memory is cleared here. */
static uint64_t populate(struct domain *d, const struct plan *p) {
    uint64_t begun = arch_counter();
    int64_t n;

    for (uint64_t g = 0; g < p->ram_pages; g += (uint64_t)n) {
        n = p2m_populate(d, (gfn_t){ g }, p->ram_pages - g);
        BUG_ON(n <= 0);
    }
    return arch_counter() - begun;
}

/* A module's frames become root's RAM. What is behind its end in the last one is not for root. */
static uint64_t adopt_module(struct domain *d, const struct boot_module *m, uint64_t gfn) {
    uint64_t pages = pages_of(m), tail = (m->end - m->start) % HV_PAGE_SIZE;

    if (m->start % HV_PAGE_SIZE != 0) give_up("a boot module does not start on a page");
    if (tail != 0) memset(phys_to_virt(m->end), 0, HV_PAGE_SIZE - tail);
    for (uint64_t i = 0; i < pages; i++) {
        mfn_t f = { m->start / HV_PAGE_SIZE + i };

        BUG_ON(!frame_valid(f.n) || frame_of(f)->state != FRAME_RESERVED);
        frame_of(f)->state = FRAME_RAM;
        frame_transfer(f, NULL, d);
        BUG_ON(p2m_set_ram(d, (gfn_t){ gfn + i }, f) < 0);
    }
    return gfn + pages;
}

static void adopt_modules(struct domain *d, const struct plan *p) {
    uint64_t gfn = p->ram_pages;

    for (uint32_t i = 1; i < p->boot->module_count; i++)
        gfn = adopt_module(d, &p->boot->modules[i], gfn);
}

/* Copies to guest physical memory, which is populated, page by page. */
static void copy_in(const struct domain *d, gpa_t to, const uint8_t *from, uint64_t bytes) {
    for (uint64_t done = 0, n; done < bytes; done += n) {
        gpa_t at = { to.a + done };

        n = HV_PAGE_SIZE - at.a % HV_PAGE_SIZE;
        if (n > bytes - done) n = bytes - done;
        memcpy(guest_ram(d, at), from + done, n);
    }
}

static void map(struct domain *d, uint64_t address, uint64_t gfn, uint64_t pages, uint32_t rights) {
    const struct hv_map_run run = { address, gfn, (uint32_t)pages, rights };

    BUG_ON(space_map(d->spaces[0], &run, pages) != (int64_t)pages);
}

static void load_image(struct domain *d, const struct plan *p) {
    for (uint32_t i = 0; i < p->image.count; i++) {
        const struct loader_segment *s = &p->image.segment[i];

        copy_in(d, (gpa_t){ s->gfn * HV_PAGE_SIZE + s->lead }, p->file + s->offset, s->bytes);
        map(d, image_address(s->gfn), s->gfn, s->pages, s->rights);
    }
    map(d, image_address(p->start_gfn), p->start_gfn, 2, HV_MAP_READ);
    map(d, image_address(p->shared_gfn), HV_GFN_SHARED, 1, HV_MAP_READ | HV_MAP_WRITE);
    space_flush(d->spaces[0]);
}

/* ---- the start page ---- */

/* Records are added behind each other; what does not fit is an error of the boot, told there. */
struct page_writer {
    uint8_t *page;
    uint32_t used;
};

static void *record(struct page_writer *w, uint32_t tag, size_t bytes) {
    struct hv_start_record *r = (void *)(w->page + w->used);

    r->size = (uint32_t)((bytes + 7) & ~(size_t)7);
    if (w->used + r->size + sizeof(*r) > HV_PAGE_SIZE)
        give_up("command lines too long for the start page");
    w->used += r->size;
    r->tag = tag;
    return r;
}

/* A whole record of a fixed size: `type`, and what follows its tag and size. */
#define RECORD(w, tag, type, ...)                                                                  \
    do {                                                                                           \
        type *r_ = record(w, tag, sizeof(*r_));                                                    \
        *r_ = (type){ r_->r, __VA_ARGS__ };                                                        \
    } while (0)

/* What follows the file's name in a module's string. */
static const char *arguments(const char *string) {
    const char *space = strchr(string, ' ');

    return space != NULL ? space + 1 : "";
}

/* A record that ends in a string, which starts at `offset` and has all the room that it needs. */
static void *record_text(struct page_writer *w, uint32_t tag, size_t offset, const char *text) {
    size_t bytes = strlen(text) + 1;
    uint8_t *r = record(w, tag, offset + bytes);

    memcpy(r + offset, text, bytes);
    return r;
}

static void record_modules(struct page_writer *w, const struct plan *p) {
    uint64_t gfn = p->ram_pages;

    for (uint32_t i = 1; i < p->boot->module_count; i++) {
        const struct boot_module *m = &p->boot->modules[i];
        struct hv_start_module *r =
            record_text(w, HV_START_MODULE, offsetof(struct hv_start_module, text), m->string);

        r->gfn = gfn;
        r->bytes = m->end - m->start;
        gfn += pages_of(m);
    }
}

#define RANGE(w, kind, gfn, count)                                                                 \
    RECORD(w, HV_START_MEMORY, struct hv_start_memory, kind, 0, gfn, count)

static void record_memory(struct page_writer *w, const struct domain *d, const struct plan *p) {
    uint64_t first = p->image.segment[0].gfn;

    RANGE(w, HV_RANGE_RAM, 0, d->ram_pages);
    RANGE(w, HV_RANGE_IMAGE, first, p->shared_gfn + 1 - first);
    RANGE(w, HV_RANGE_WINDOW, HV_GFN_WINDOW, d->window_pages);
    RANGE(w, HV_RANGE_SHARED, HV_GFN_SHARED, d->nr_vcpus);
    RANGE(w, HV_RANGE_MMIO, HV_GFN_MMIO, (uint64_t)1 << 40);
}

static void write_start_page(const struct domain *d, const struct plan *p) {
    struct page_writer w = { .page = frame_va(p2m_ram(d, (gfn_t){ p->start_gfn })),
                             .used = sizeof(struct hv_start_header) };
    const uint64_t features =
        HV_FEATURE_IO_ROUTE | HV_FEATURE_CONSOLE | (HYP_DEBUG ? HV_FEATURE_DEBUG : 0);

    RECORD(&w, HV_START_DOMAIN, struct hv_start_domain, d->id, d->id, UINT32_MAX, 0);
    RECORD(&w, HV_START_FEATURES, struct hv_start_u64, features);
    record_memory(&w, d, p);
    RECORD(&w, HV_START_VCPU, struct hv_start_page, HV_GFN_SHARED, image_address(p->shared_gfn));
    RECORD(&w, HV_START_DEVICES, struct hv_start_page, p->devices_gfn,
           image_address(p->devices_gfn));
    RECORD(&w, HV_START_CLOCK, struct hv_start_u64,
           (uint64_t)(p->boot->wall_clock * NANOSECONDS) - p->boot->wall_clock_ns);
    record_text(&w, HV_START_CMDLINE, offsetof(struct hv_start_string, text),
                arguments(p->boot->modules[0].string));
    record_modules(&w, p);
    record(&w, HV_START_END, sizeof(struct hv_start_record));
    *(struct hv_start_header *)(void *)w.page =
        (struct hv_start_header){ HV_START_MAGIC, HV_ABI_VERSION, w.used };
}

void root_build(const struct boot_info *boot) {
    static struct plan p;
    struct hv_vcpu_context context;
    struct domain *d;
    uint64_t zeroing;

    plan_make(&p, boot);
    d = domain_create_root(frame_free_count() + p.module_pages, p.ram_pages + p.module_pages,
                           ROOT_WINDOWS);
    if (resource_give_all(d) < 0) give_up("no memory for its resources");
    spin_lock(&memory_lock);
    zeroing = populate(d, &p);
    adopt_modules(d, &p);
    load_image(d, &p);
    spin_unlock(&memory_lock);
    write_start_page(d, &p);
    context = (struct hv_vcpu_context){ .rip = p.image.entry, .rdi = image_address(p.start_gfn) };
    if (WITH_TREE(domain_vcpu_context(d, 0, &context)) < 0)
        give_up("its entry is not an address of a kernel");
    BUG_ON(WITH_TREE(domain_start(d)) < 0);
    printk("boot: root starts at TSC %lu; zeroing its memory %lu", arch_counter(), zeroing);
}

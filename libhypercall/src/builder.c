/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain builder: everything by the verbs that the domain itself has, on its behalf.
 *
 * Layout of the new domain's RAM: the image where its ELF file says, then start page, device list
 * and the pages taken by hv_build_page; the rest is free. The shared page is where hv_va puts it.
 * Owns one page in which start page and device list are put together before they are copied.
 */
#include "hvlib/builder.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/memory.h"
#include "hvlib/start.h"
#include "hvlib/string.h"
#include <hv_vcpu.h>
#include <stdbool.h>

static _Alignas(HV_PAGE_SIZE) unsigned char page[HV_PAGE_SIZE];

int64_t hv_domain_end(uint64_t dom)
{
    int64_t left;

    do
        left = hv_domain_destroy(dom);
    while (left > 0);
    return left;
}

static int64_t fail(struct hv_build *b, int64_t error, const char *why)
{
    b->why = why;
    if (b->id)
        hv_domain_end(b->id);
    b->id = 0;
    return error;
}

static uint32_t vcpus(const struct hv_build *b)
{
    return b->vcpus ? b->vcpus : 1;
}

/* Tables for its RAM and windows mapped once or twice, its vCPUs, and room for what it will ask
 * for.
 */
static uint64_t usual_quota(const struct hv_build *b)
{
    return b->ram_pages + b->ram_pages / 64 + b->window_pages / 64 + 3 * vcpus(b) + 253;
}

static int64_t create(struct hv_build *b)
{
    HV_BUFFER(64)
    struct hv_domain_create c = {
        .ram_pages = b->ram_pages,
        .window_pages = b->window_pages,
        .vcpus = vcpus(b),
        .flags = b->flags,
        .domains = b->domains,
        .weight = b->weight ? b->weight : 256,
    };

    if (!b->quota)
        b->quota = usual_quota(b);
    c.quota = b->quota;
    return hv_domain_create(hv_gpa(&c));
}

static int64_t load(struct hv_build *b)
{
    for (uint32_t i = 0; i < b->elf.segments; i++) {
        const struct hv_elf_segment *s = &b->elf.segment[i];
        const char *from = (const char *)b->image + s->offset;
        int64_t result = hv_copy_to_domain(b->id, s->gpa, from, s->file_bytes);

        if (result < 0)
            return result;
    }
    return 0;
}

int64_t hv_build_create(struct hv_build *b)
{
    b->id = 0;
    int64_t result = hv_elf_parse(b->image, b->image_bytes, b->ram_pages, &b->elf, &b->why);

    if (result < 0)
        return result;
    result = create(b);
    if (result < 0)
        return fail(b, result, "the domain could not be created");
    b->id = (uint64_t)result;
    result = hv_populate_range(b->id, 0, b->ram_pages);
    if (result < 0)
        return fail(b, result, "not enough memory");
    result = load(b);
    if (result < 0)
        return fail(b, result, "the image could not be copied");
    b->next_gfn = b->elf.end >> HV_PAGE_SHIFT;
    int64_t start = hv_build_page(b), list = hv_build_page(b);

    if (start < 0 || list < 0)
        return fail(b, -HV_ENOMEM, "no room behind the image");
    b->start_gfn = (uint64_t)start;
    b->list_gfn = (uint64_t)list;
    return 0;
}

int64_t hv_build_page(struct hv_build *b)
{
    if (b->next_gfn >= b->ram_pages)
        return -HV_ENOMEM;
    return (int64_t)b->next_gfn++;
}

/* ---- the start page ---- */

static void *add(uint32_t tag, uint64_t bytes)
{
    struct hv_start_header *h = (void *)page;
    struct hv_start_record *r = (void *)(page + h->bytes);
    uint64_t size = (bytes + 7) & ~(uint64_t)7;

    r->tag = tag;
    r->size = (uint32_t)size;
    h->bytes += (uint32_t)size;
    return r;
}

static void add_u64(uint32_t tag, uint64_t value)
{
    struct hv_start_u64 *r = add(tag, sizeof *r);

    r->value = value;
}

static void add_range(uint32_t kind, uint64_t gfn, uint64_t count)
{
    struct hv_start_memory *r = add(HV_START_MEMORY, sizeof *r);

    r->kind = kind;
    r->gfn = gfn;
    r->count = count;
}

static void add_page(uint32_t tag, uint64_t gfn, uint64_t address)
{
    struct hv_start_page *r = add(tag, sizeof *r);

    r->gfn = gfn;
    r->address = address;
}

static uint64_t image_address(uint64_t gfn)
{
    return HV_KERNEL_IMAGE + (gfn << HV_PAGE_SHIFT);
}

static uint64_t shared_address(void)
{
    return (uint64_t)(uintptr_t)hv_va(HV_GFN_SHARED << HV_PAGE_SHIFT);
}

static void add_domain(const struct hv_build *b)
{
    struct hv_start_domain *r = add(HV_START_DOMAIN, sizeof *r);

    r->id = b->id;
    r->parent = hv_start_domain_id();
    r->control_port = b->control_port ? b->control_port : ~(uint32_t)0;
}

static void add_memory(const struct hv_build *b)
{
    uint64_t first = b->next_gfn;

    for (uint32_t i = 0; i < b->elf.segments; i++) {
        uint64_t gfn = b->elf.segment[i].gpa >> HV_PAGE_SHIFT;

        first = gfn < first ? gfn : first;
    }
    add_range(HV_RANGE_RAM, 0, b->ram_pages);
    add_range(HV_RANGE_IMAGE, first, b->next_gfn - first);
    if (b->window_pages)
        add_range(HV_RANGE_WINDOW, HV_GFN_WINDOW, b->window_pages);
    add_range(HV_RANGE_SHARED, HV_GFN_SHARED, vcpus(b));
}

/* All but the command line takes less than a kilobyte; the text gets what is left. */
#define MAX_CMDLINE 3000u

static int64_t write_start_page(const struct hv_build *b)
{
    const char *cmdline = b->cmdline ? b->cmdline : "";
    uint64_t length = strlen(cmdline) + 1;
    struct hv_start_header *h = (void *)page;

    if (length > MAX_CMDLINE)
        return -HV_EINVAL;
    memset(page, 0, sizeof page);
    *h = (struct hv_start_header){ HV_START_MAGIC, HV_ABI_VERSION, sizeof *h };
    add_domain(b);
    add_u64(HV_START_FEATURES, hv_start_features() & ~HV_FEATURE_CONSOLE);
    add_memory(b);
    struct hv_start_string *text = add(HV_START_CMDLINE, sizeof text->r + length + 7);

    memcpy(text->text, cmdline, length);
    add_u64(HV_START_CLOCK, hv_start_clock());
    add_page(HV_START_VCPU, HV_GFN_SHARED, shared_address());
    add_page(HV_START_DEVICES, b->list_gfn, image_address(b->list_gfn));
    add(HV_START_END, sizeof(struct hv_start_record));
    return hv_copy_to_domain(b->id, b->start_gfn << HV_PAGE_SHIFT, page, sizeof page);
}

/* ---- the device list ---- */

/* The guest may be reading: the generation is odd from before the first change to after the last.
 */
int64_t hv_build_devices(const struct hv_build *b, const struct hv_device *devices, uint32_t count)
{
    struct hv_device_list *list = (void *)page;
    uint64_t gpa = b->list_gfn << HV_PAGE_SHIFT, generation;

    if (count > sizeof list->device / sizeof *devices)
        return -HV_EINVAL;
    int64_t result = hv_copy_from_domain(b->id, gpa, page, sizeof *list);

    if (result < 0)
        return result;
    generation = (list->generation | 1) + 1;
    list->generation = generation - 1;
    result = hv_copy_to_domain(b->id, gpa, page, 8);
    list->count = count;
    if (count)
        memcpy(list->device, devices, count * sizeof *devices);
    if (result == 0)
        result = hv_copy_to_domain(b->id, gpa, page, sizeof *list);
    list->generation = generation;
    if (result == 0)
        result = hv_copy_to_domain(b->id, gpa, page, 8);
    return result;
}

/* ---- the kernel half and the start registers ---- */

static int64_t map_kernel_half(const struct hv_build *b)
{
    int64_t result = 0;

    for (uint32_t i = 0; i < b->elf.segments && result == 0; i++) {
        const struct hv_elf_segment *s = &b->elf.segment[i];

        result = hv_map_range(b->id, 0, s->address, s->gpa >> HV_PAGE_SHIFT, s->pages, s->rights);
    }
    if (result == 0)
        result = hv_map_range(b->id, 0, image_address(b->start_gfn), b->start_gfn, 2, HV_MAP_READ);
    if (result == 0)
        result =
            hv_map_range(b->id, 0, shared_address(), HV_GFN_SHARED, 1, HV_MAP_READ | HV_MAP_WRITE);
    return result;
}

/* Start page and device list get addresses of the library's choice: no segment may be there. */
static bool addresses_free(const struct hv_build *b)
{
    for (uint32_t i = 0; i < b->elf.segments; i++) {
        const struct hv_elf_segment *s = &b->elf.segment[i];
        uint64_t end = s->address + (s->pages << HV_PAGE_SHIFT);

        if (image_address(b->start_gfn + 2) > s->address && image_address(b->start_gfn) < end)
            return false;
        if (shared_address() >= s->address && shared_address() < end)
            return false;
    }
    return true;
}

static int64_t set_context(const struct hv_build *b)
{
    HV_BUFFER(32)
    struct hv_vcpu_context context = {
        .rip = b->elf.entry,
        .rdi = image_address(b->start_gfn),
    };

    return hv_vcpu_set_context(b->id, 0, hv_gpa(&context));
}

int64_t hv_build_finish(struct hv_build *b, const struct hv_device *devices, uint32_t count)
{
    int64_t result;

    if (!addresses_free(b))
        return fail(b, -HV_EINVAL, "the image lies where the start page is mapped");
    result = write_start_page(b);
    if (result < 0)
        return fail(b, result, "the start page could not be written");
    result = hv_build_devices(b, devices, count);
    if (result < 0)
        return fail(b, result, "the device list could not be written");
    result = map_kernel_half(b);
    if (result < 0)
        return fail(b, result, "the kernel half could not be mapped");
    result = set_context(b);
    if (result < 0)
        return fail(b, result, "the start registers were refused");
    return 0;
}

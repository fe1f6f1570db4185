/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two readers of guest images: the hypervisor's, for root, and the library's, for builders. The
 * input is the file; what a reader accepts must be safe to copy and map without looking again.
 *
 * inputs: 3000000
 * sources: hyp/core/loader.c libhypercall/src/elf.c
 */
#include "fuzz.h"

#include "hv_memory.h"
#include "hvlib/elf.h"
#include "loader.h"

#define RAM_PAGES 4096u

static void check_root(const uint8_t *file, size_t size)
{
    struct loader_image image;
    uint64_t behind = 0;

    if (loader_read(file, size, &image) != NULL)
        return;
    require(image.count <= LOADER_SEGMENTS);
    for (uint32_t i = 0; i < image.count; i++) {
        const struct loader_segment *s = &image.segment[i];

        require(s->gfn >= behind);
        require(s->bytes <= size && s->offset <= size - s->bytes);
        require(s->lead + s->bytes <= s->pages * HV_PAGE_SIZE && s->pages != 0);
        require((s->rights & (HV_MAP_WRITE | HV_MAP_EXEC)) != (HV_MAP_WRITE | HV_MAP_EXEC));
        behind = s->gfn + s->pages;
    }
    require(image.end_gfn == behind);
}

static void check_guest(const uint8_t *file, size_t size)
{
    struct hv_elf elf;
    const char *why = NULL;

    if (hv_elf_parse(file, size, RAM_PAGES, &elf, &why) < 0) {
        require(why != NULL && *why);
        return;
    }
    require(elf.segments <= HV_ELF_MAX_SEGMENTS && elf.end <= RAM_PAGES * HV_PAGE_SIZE);
    for (uint32_t i = 0; i < elf.segments; i++) {
        const struct hv_elf_segment *s = &elf.segment[i];

        require(s->address % HV_PAGE_SIZE == 0 && s->gpa % HV_PAGE_SIZE == 0);
        require(s->address >= HV_KERNEL_START && s->pages <= RAM_PAGES);
        require(s->gpa / HV_PAGE_SIZE + s->pages <= RAM_PAGES);
        require(s->file_bytes <= size && s->offset <= size - s->file_bytes);
        require(s->file_bytes <= s->pages * HV_PAGE_SIZE);
        require((s->rights & (HV_MAP_WRITE | HV_MAP_EXEC)) != (HV_MAP_WRITE | HV_MAP_EXEC));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_root(data, size);
    check_guest(data, size);
    return 0;
}

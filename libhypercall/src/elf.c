/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader's view of an untrusted ELF file.
 *
 * Pure. Every read goes through take(), which copies from inside the file or fails; every sum of
 * two numbers from the file is checked in the form "a <= limit && b <= limit - a", which cannot
 * wrap. What leaves here is in range, page aligned, disjoint and never writable and executable.
 */
#include "hvlib/elf.h"
#include "hvlib/string.h"
#include <hv_memory.h>
#include <stdbool.h>

struct ehdr {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct note {
    uint32_t namesz, descsz, type;
};

#define PT_LOAD    1u
#define PT_NOTE    4u
#define PF_X       1u
#define PF_W       2u
#define MAX_PHDRS  32u
#define ET_EXEC    2u
#define EM_X86_64  62u
#define PAGE_BYTES ((uint64_t)HV_PAGE_SIZE)

struct image {
    const uint8_t *file;
    uint64_t bytes;
    uint64_t ram_pages;
    struct hv_elf *elf;
    const char *why;
    bool noted;
};

static bool refuse(struct image *im, const char *why)
{
    im->why = why;
    return false;
}

static bool inside(uint64_t offset, uint64_t bytes, uint64_t limit)
{
    return offset <= limit && bytes <= limit - offset;
}

static bool take(const struct image *im, uint64_t offset, void *to, uint64_t bytes)
{
    if (!inside(offset, bytes, im->bytes))
        return false;
    memcpy(to, im->file + offset, bytes);
    return true;
}

static bool check_header(struct image *im, const struct ehdr *h)
{
    static const uint8_t ident[7] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

    if (memcmp(h->ident, ident, sizeof ident) != 0)
        return refuse(im, "not a 64-bit little-endian ELF file");
    if (h->type != ET_EXEC || h->machine != EM_X86_64 || h->version != 1)
        return refuse(im, "not an executable for x86-64");
    if (h->phentsize != sizeof(struct phdr) || h->phnum == 0 || h->phnum > MAX_PHDRS)
        return refuse(im, "bad program headers");
    return true;
}

static bool apart(uint64_t a, uint64_t a_pages, uint64_t b, uint64_t b_pages)
{
    return a < b ? (b - a) / PAGE_BYTES >= a_pages : (a - b) / PAGE_BYTES >= b_pages;
}

static bool check_overlap(struct image *im, const struct hv_elf_segment *s)
{
    for (uint32_t i = 0; i < im->elf->segments; i++) {
        const struct hv_elf_segment *t = &im->elf->segment[i];

        if (!apart(s->gpa, s->pages, t->gpa, t->pages) ||
            !apart(s->address, s->pages, t->address, t->pages))
            return refuse(im, "segments overlap");
    }
    return true;
}

static bool check_place(struct image *im, const struct phdr *p)
{
    if (p->filesz > p->memsz || !inside(p->offset, p->filesz, im->bytes))
        return refuse(im, "a segment lies outside the file");
    if (p->vaddr % PAGE_BYTES || p->paddr % PAGE_BYTES)
        return refuse(im, "a segment is not page aligned");
    if (!inside(p->paddr, p->memsz, im->ram_pages * PAGE_BYTES))
        return refuse(im, "a segment lies outside the domain's RAM");
    /* The last page of the address space stays free: no end address wraps to 0. */
    if (p->vaddr < HV_KERNEL_START || !inside(p->vaddr, p->memsz, ~(PAGE_BYTES - 1)))
        return refuse(im, "a segment lies outside the kernel half");
    if (p->flags & PF_W && p->flags & PF_X)
        return refuse(im, "a segment is writable and executable");
    return true;
}

static bool add_segment(struct image *im, const struct phdr *p)
{
    struct hv_elf *elf = im->elf;
    struct hv_elf_segment s = { .address = p->vaddr, .gpa = p->paddr, .offset = p->offset };

    if (p->memsz == 0)
        return true;
    if (elf->segments == HV_ELF_MAX_SEGMENTS)
        return refuse(im, "too many segments");
    if (!check_place(im, p))
        return false;
    s.file_bytes = p->filesz;
    s.pages = (p->memsz + PAGE_BYTES - 1) / PAGE_BYTES;
    s.rights =
        HV_MAP_READ | (p->flags & PF_W ? HV_MAP_WRITE : 0) | (p->flags & PF_X ? HV_MAP_EXEC : 0);
    if (!check_overlap(im, &s))
        return false;
    if (s.gpa + s.pages * PAGE_BYTES > elf->end)
        elf->end = s.gpa + s.pages * PAGE_BYTES;
    elf->segment[elf->segments++] = s;
    return true;
}

static uint64_t round4(uint32_t n)
{
    return ((uint64_t)n + 3) & ~(uint64_t)3;
}

/* The notes of one segment; the one that names the version is remembered. */
static bool read_notes(struct image *im, const struct phdr *p)
{
    static const char wanted[] = HV_NOTE_NAME;
    uint64_t offset = p->offset, left = p->filesz;

    if (!inside(offset, left, im->bytes))
        return refuse(im, "a note lies outside the file");
    while (left >= sizeof(struct note)) {
        struct note n;
        char name[sizeof wanted] = { 0 };
        uint64_t size;

        take(im, offset, &n, sizeof n);
        size = sizeof n + round4(n.namesz) + round4(n.descsz);
        if (size > left)
            return refuse(im, "damaged note");
        if (n.namesz == sizeof wanted)
            take(im, offset + sizeof n, name, sizeof wanted);
        if (n.type == HV_NOTE_ABI && n.descsz == 4 && memcmp(name, wanted, sizeof wanted) == 0) {
            take(im, offset + sizeof n + round4(n.namesz), &im->elf->version, 4);
            im->noted = true;
        }
        offset += size;
        left -= size;
    }
    return true;
}

static bool check_version(struct image *im)
{
    if (!im->noted)
        return refuse(im, "no Paravane ABI note: not a guest image");
    if (im->elf->version >> 16 != HV_ABI_MAJOR || (im->elf->version & 0xffff) > HV_ABI_MINOR)
        return refuse(im, "built for another ABI version");
    return true;
}

static bool check_entry(struct image *im)
{
    for (uint32_t i = 0; i < im->elf->segments; i++) {
        const struct hv_elf_segment *s = &im->elf->segment[i];

        if (s->rights & HV_MAP_EXEC && im->elf->entry - s->address < s->pages * PAGE_BYTES)
            return true;
    }
    return refuse(im, "the entry point is in no executable segment");
}

static bool parse(struct image *im)
{
    struct ehdr h;

    if (!take(im, 0, &h, sizeof h))
        return refuse(im, "too short for an ELF file");
    if (!check_header(im, &h))
        return false;
    im->elf->entry = h.entry;
    for (uint32_t i = 0; i < h.phnum; i++) {
        struct phdr p;

        if (h.phoff > im->bytes || !take(im, h.phoff + i * sizeof p, &p, sizeof p))
            return refuse(im, "program headers lie outside the file");
        if (p.type == PT_LOAD && !add_segment(im, &p))
            return false;
        if (p.type == PT_NOTE && !read_notes(im, &p))
            return false;
    }
    return check_version(im) && check_entry(im);
}

int64_t hv_elf_parse(const void *file, uint64_t bytes, uint64_t ram_pages, struct hv_elf *elf,
                     const char **why)
{
    struct image im = { .file = file, .bytes = bytes, .ram_pages = ram_pages, .elf = elf };

    memset(elf, 0, sizeof *elf);
    if (ram_pages > HV_MAX_RAM_PAGES) {
        *why = "too much RAM";
        return -HV_EINVAL;
    }
    if (parse(&im)) {
        *why = "";
        return 0;
    }
    *why = im.why;
    return -HV_EINVAL;
}

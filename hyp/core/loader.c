/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the ELF file of root's image.
 *
 * Owns nothing. The file comes from the boot loader, not from a guest, but a damaged one must end
 * in one clear line and not in a crash: every offset and size in it is checked against the file's
 * size and against overflow before it is used, and fields are copied out of the file, which may
 * have any alignment.
 */
#include "loader.h"
#include "hv_memory.h"
#include "string.h"

/* The ELF64 structures, as the System V ABI gives them. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_note {
    uint32_t namesz, descsz, type;
};

#define ELF_EXEC       2u
#define ELF_X86_64     62u
#define SEGMENT_LOAD   1u
#define SEGMENT_NOTE   4u
#define FLAG_X         1u
#define FLAG_W         2u
#define SEGMENTS_MAX   64u
#define IMAGE_MAX      ((uint64_t)1 << 30)
#define NOTE_NAME_SIZE (sizeof(HV_NOTE_NAME))

struct file {
    const uint8_t *bytes;
    uint64_t size;
};

static bool in_file(const struct file *f, uint64_t offset, uint64_t bytes) {
    return offset <= f->size && bytes <= f->size - offset;
}

/* Copies a piece of the file out; false when it is not all there. */
static bool take(const struct file *f, uint64_t offset, void *to, uint64_t bytes) {
    if (!in_file(f, offset, bytes)) return false;
    memcpy(to, f->bytes + offset, bytes);
    return true;
}

static const char *check_header(const struct file *f, struct elf_header *h) {
    static const uint8_t magic[7] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

    if (!take(f, 0, h, sizeof(*h)) || memcmp(h->ident, magic, sizeof(magic)) != 0)
        return "not a little-endian ELF64 file";
    if (h->type != ELF_EXEC || h->machine != ELF_X86_64) return "not an executable for x86-64";
    if (h->phentsize != sizeof(struct elf_segment) || h->phnum == 0 || h->phnum > SEGMENTS_MAX)
        return "bad program header table";
    return NULL;
}

/* Rounded up to the next multiple of a note's alignment, 4. */
static uint64_t align4(uint64_t n) { return (n + 3) & ~(uint64_t)3; }

/* Looks for our note in a note segment; its version, or 0. */
static uint32_t find_version(const struct file *f, const struct elf_segment *s) {
    uint64_t at = s->offset, end;
    struct elf_note n;
    char name[NOTE_NAME_SIZE];
    uint32_t version;

    if (!in_file(f, s->offset, s->filesz)) return 0;
    end = s->offset + s->filesz;
    while (at < end && take(f, at, &n, sizeof(n))) {
        at += sizeof(n);
        if (n.namesz == sizeof(name) && n.type == HV_NOTE_ABI && n.descsz == sizeof(version) &&
            take(f, at, name, sizeof(name)) && memcmp(name, HV_NOTE_NAME, sizeof(name)) == 0 &&
            take(f, at + align4(sizeof(name)), &version, sizeof(version)))
            return version;
        at += align4(n.namesz) + align4(n.descsz);
    }
    return 0;
}

static const char *check_load(const struct file *f, const struct elf_segment *s) {
    if (s->filesz > s->memsz || !in_file(f, s->offset, s->filesz))
        return "a segment lies outside the file";
    if (s->vaddr < HV_KERNEL_IMAGE || s->memsz > IMAGE_MAX ||
        s->vaddr - HV_KERNEL_IMAGE > IMAGE_MAX - s->memsz)
        return "a segment lies outside the kernel image's area";
    if ((s->flags & FLAG_W) && (s->flags & FLAG_X)) return "a segment is writable and executable";
    return NULL;
}

/* Adds a segment behind the ones before it; takes the entry when it is executable and has it. */
static const char *add(struct loader_image *image, const struct elf_segment *s, uint64_t entry) {
    uint64_t lead = s->vaddr % HV_PAGE_SIZE;
    struct loader_segment *to = &image->segment[image->count];

    if (image->count == LOADER_SEGMENTS) return "too many segments";
    *to = (struct loader_segment){
        .gfn = (s->vaddr - lead - HV_KERNEL_IMAGE) / HV_PAGE_SIZE,
        .pages = (lead + s->memsz + HV_PAGE_SIZE - 1) / HV_PAGE_SIZE,
        .offset = s->offset,
        .bytes = s->filesz,
        .lead = lead,
        .rights = HV_MAP_READ | (s->flags & FLAG_W ? HV_MAP_WRITE : 0) |
                  (s->flags & FLAG_X ? HV_MAP_EXEC : 0),
    };
    if (to->gfn < image->end_gfn) return "segments are out of order or share a page";
    image->end_gfn = to->gfn + to->pages;
    image->count++;
    if ((to->rights & HV_MAP_EXEC) && entry - (s->vaddr - lead) < to->pages * HV_PAGE_SIZE)
        image->entry = entry;
    return NULL;
}

const char *loader_read(const void *file, uint64_t size, struct loader_image *image) {
    const struct file f = { file, size };
    struct elf_header h;
    struct elf_segment s;
    uint32_t version = 0;
    const char *wrong = check_header(&f, &h);

    *image = (struct loader_image){ .count = 0 };
    for (uint32_t i = 0; wrong == NULL && i < h.phnum; i++) {
        if (h.phoff > size || !take(&f, h.phoff + i * sizeof(s), &s, sizeof(s))) {
            wrong = "the program header table lies outside the file";
        } else if (s.type == SEGMENT_LOAD && s.memsz > 0) {
            wrong = check_load(&f, &s);
            wrong = wrong != NULL ? wrong : add(image, &s, h.entry);
        } else if (s.type == SEGMENT_NOTE && version == 0) {
            version = find_version(&f, &s);
        }
    }
    if (wrong != NULL) return wrong;
    if (version == 0) return "no note with an ABI version: not an image for Paravane";
    if (version >> 16 != HV_ABI_MAJOR || (version & 0xffff) > HV_ABI_MINOR)
        return "built for another version of the ABI";
    return image->entry != 0 ? NULL : "the entry is not in an executable segment";
}

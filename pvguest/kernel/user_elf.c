/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading ELF64 programs. Owns nothing. Whatever elf_check lets pass can be used without further
 * checks: every offset and size was compared against the image without overflow.
 */
#include "user_elf.h"

#include "kstring.h"

#define MACHINE_X86_64 62u
#define TYPE_EXEC      2u

static bool segment_ok(const struct elf_segment *s, size_t bytes, uint64_t user_end)
{
    if (s->type != ELF_LOAD) {
        return true;
    }
    return s->offset <= bytes && s->filesz <= bytes - s->offset && s->filesz <= s->memsz &&
           s->vaddr < user_end && s->memsz <= user_end - s->vaddr;
}

bool elf_check(const void *image, size_t bytes, uint64_t user_end)
{
    static const uint8_t magic[6] = { 0x7f, 'E', 'L', 'F', 2, 1 };
    const struct elf_header *h = image;
    size_t table;

    if (bytes < sizeof(*h) || memcmp(h->ident, magic, sizeof(magic)) != 0 || h->type != TYPE_EXEC ||
        h->machine != MACHINE_X86_64 || h->phentsize != sizeof(struct elf_segment) ||
        h->phoff % 8 != 0) {
        return false;
    }
    table = (size_t)h->phnum * sizeof(struct elf_segment);
    if (h->phoff > bytes || table > bytes - h->phoff) {
        return false;
    }
    for (unsigned i = 0; i < h->phnum; i++) {
        if (!segment_ok(elf_segment(image, i), bytes, user_end)) {
            return false;
        }
    }
    return h->entry < user_end;
}

const struct elf_segment *elf_segment(const void *image, unsigned n)
{
    const struct elf_header *h = image;
    const struct elf_segment *s = (const void *)((const char *)image + h->phoff);

    return n < h->phnum ? s + n : NULL;
}

uint64_t elf_entry(const void *image)
{
    return ((const struct elf_header *)image)->entry;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of the ELF64 format that a loader of static programs reads.
 */
#ifndef PVGUEST_USER_ELF_H
#define PVGUEST_USER_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_LOAD  1u
#define ELF_EXEC  1u
#define ELF_WRITE 2u

struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t phoff;
    uint64_t shoff;
    uint32_t flags;
    uint16_t ehsize;
    uint16_t phentsize;
    uint16_t phnum;
    uint16_t shentsize;
    uint16_t shnum;
    uint16_t shstrndx;
};

struct elf_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
};

/** Is it a static ELF64 program for this processor whose headers and segments lie inside `bytes`
 * and inside the user half? */
bool elf_check(const void *image, size_t bytes, uint64_t user_end);
/** Segment `n` of a checked image, or NULL behind the last. */
const struct elf_segment *elf_segment(const void *image, unsigned n);
uint64_t elf_entry(const void *image);

#endif

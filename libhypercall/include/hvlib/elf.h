/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest images: what an ELF file says, once everything in it has been checked.
 */
#ifndef HVLIB_ELF_H
#define HVLIB_ELF_H

#include "hvlib/cxx.h"
#include <hv_call.h>

HV_C_BEGIN

#define HV_ELF_MAX_SEGMENTS 8u

/** A part of the image: whole pages, in file order. */
struct hv_elf_segment {
    uint64_t address;    /**< where it is mapped, in the kernel half, page aligned */
    uint64_t gpa;        /**< where it lies, page aligned, below the domain's RAM size */
    uint64_t offset;     /**< its bytes in the file */
    uint64_t file_bytes; /**< how many; the rest is zero */
    uint64_t pages;      /**< what it takes in all */
    uint32_t rights;     /**< HV_MAP_…, never write and execute */
    uint32_t rsvd;
};

struct hv_elf {
    uint64_t entry; /**< in an executable segment */
    uint64_t end;   /**< GPA behind the last segment, page aligned */
    uint32_t version;
    uint32_t segments;
    struct hv_elf_segment segment[HV_ELF_MAX_SEGMENTS];
};

/**
 * Check an untrusted image of `bytes` bytes for a domain of `ram_pages` pages: a 64-bit executable
 * for x86-64 with the note of an ABI version that this library knows, whose segments are page
 * aligned, lie in the file, in the RAM and in the kernel half, do not overlap, and are not both
 * writable and executable. Returns 0 and *elf, or -HV_EINVAL and one line in *why. Reads nothing
 * outside the file.
 */
int64_t hv_elf_parse(const void *file, uint64_t bytes, uint64_t ram_pages, struct hv_elf *elf,
                     const char **why);

HV_C_END

#endif

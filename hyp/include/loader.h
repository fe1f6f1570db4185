/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ELF loader, for root's image alone: it reads and checks; root.c copies and maps.
 */
#pragma once

#include "types.h"

#define LOADER_SEGMENTS 8u

/* A PT_LOAD segment, checked: inside the kernel image's area, and its bytes inside the file. */
struct loader_segment {
    uint64_t gfn; /* behind HV_KERNEL_IMAGE, in pages: where it is, in memory and by address */
    uint64_t pages;
    uint64_t offset; /* of its bytes in the file */
    uint64_t bytes;  /* of the file; the rest of the pages is zero */
    uint64_t lead;   /* where its bytes start in the first page */
    uint32_t rights; /* HV_MAP_… */
};

struct loader_image {
    uint64_t entry;
    uint64_t end_gfn; /* first frame behind all segments */
    uint32_t count;
    struct loader_segment segment[LOADER_SEGMENTS]; /* ascending, no page twice */
};

/* NULL when the file is an image that can be loaded, else what is wrong with it. */
const char *loader_read(const void *file, uint64_t size, struct loader_image *image);

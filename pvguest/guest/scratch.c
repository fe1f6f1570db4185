/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a pattern on the scratch disk through the split driver, flushes, reads back and compares.
 * Each sector's content follows from its number, so that the host can check it afterwards: word i
 * of sector s is (s << 16 | i) * MULTIPLIER.
 */
#include "block.h"
#include "guest.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"

#define SCRATCH_SECTORS 2048u /* at most so much is written: 1 MiB */
#define CHUNK           192u  /* sectors: more than one request, and no multiple of one */
#define WORDS           (BLOCK_SECTOR / sizeof(uint64_t))
#define MULTIPLIER      ((uint64_t)0x9e3779b97f4a7c15)
#define CHUNK_PAGES     (CHUNK * BLOCK_SECTOR / PAGE_SIZE)

static void pattern(uint64_t *p, uint64_t sector, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        for (uint64_t i = 0; i < WORDS; i++) {
            *p++ = ((sector + k) << 16 | i) * MULTIPLIER;
        }
    }
}

/* Go over the disk chunk by chunk: write the pattern, or read and compare with it. */
static bool sweep(struct block_device *d, uint64_t sectors, uint64_t *data, uint64_t *expected)
{
    for (uint64_t s = 0; s < sectors; s += CHUNK) {
        uint32_t n = sectors - s < CHUNK ? (uint32_t)(sectors - s) : CHUNK;

        pattern(expected, s, n);
        if (data ? block_read(d, s, n, data) : block_write(d, s, n, expected)) {
            printk("scratch: %s error at sector %lu\n", data ? "read" : "write", (unsigned long)s);
            return false;
        }
        if (data && memcmp(data, expected, n * BLOCK_SECTOR) != 0) {
            printk("scratch: sectors %lu..%lu differ\n", (unsigned long)s, (unsigned long)(s + n));
            return false;
        }
    }
    return true;
}

bool scratch_test(void)
{
    struct block_device *d = block_find("vdb");
    uint64_t *data = page_alloc(CHUNK_PAGES);
    uint64_t *expected = page_alloc(CHUNK_PAGES);
    uint64_t sectors;
    bool good;

    if (!d || !data || !expected) {
        printk("scratch: no %s\n", d ? "memory" : "scratch disk");
        return d == NULL;
    }
    sectors = d->sectors < SCRATCH_SECTORS ? d->sectors : SCRATCH_SECTORS;
    good = sweep(d, sectors, NULL, expected) && block_flush(d) == 0 &&
           sweep(d, sectors, data, expected);
    page_free(data, CHUNK_PAGES);
    page_free(expected, CHUNK_PAGES);
    printk("SCRATCH %s sectors=%lu writes and reads verified, flushes=%lu\n",
           good ? "ok" : "failed", (unsigned long)sectors, (unsigned long)d->stats.flushes);
    return good;
}

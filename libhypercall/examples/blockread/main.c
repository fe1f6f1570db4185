/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a whole disk with eight requests of 64 KiB under way and prints its CRC-32, the one of zip,
 * gzip and `python3 -c 'import zlib…'`.
 *
 * The parts arrive in any order, but a CRC has to see them in theirs: buffer n holds part n, n + 8,
 * n + 16, …, and is asked for the next of them when its data have been counted.
 */
#include <hvlib/block.h>
#include <hvlib/console.h>
#include <hvlib/consolefront.h>
#include <hvlib/start.h>

#define DEPTH      8u
#define PART       HV_BLOCK_MAX_SECTORS
#define PART_BYTES (PART * HV_BLOCK_SECTOR)

static struct hv_block disk;
static HV_ALIGNED(HV_PAGE_SIZE) unsigned char buffer[DEPTH][PART_BYTES];
static bool ready[DEPTH];                      /* the part in this buffer has come */
static uint32_t holder[HV_BLOCK_MAX_INFLIGHT]; /* tag -> buffer */
static uint32_t crc_table[256];

static void make_table(void)
{
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t c = n;

        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        crc_table[n] = c;
    }
}

static uint32_t crc32(uint32_t crc, const unsigned char *data, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        crc = crc_table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return crc;
}

static uint64_t sectors_of(uint64_t part)
{
    uint64_t left = disk.sectors - part * PART;

    return left < PART ? left : PART;
}

/* Ask for a part, if the disk has so many. */
static bool ask(uint64_t part)
{
    if (part * PART >= disk.sectors)
        return true;
    int64_t tag = hv_block_submit(&disk, HV_BLOCK_READ, part * PART, buffer[part % DEPTH],
                                  (uint32_t)sectors_of(part));

    if (tag >= 0)
        holder[tag] = part % DEPTH;
    return tag >= 0;
}

/* Take answers until buffer `n` is there. */
static bool await(uint32_t n)
{
    struct hv_block_done done;

    while (!ready[n]) {
        int64_t got = hv_block_collect(&disk, &done);

        if (got < 0 || (got == 0 && hv_block_wait(&disk) < 0))
            return false;
        if (got == 1 && done.status != HV_BLOCK_OK)
            return false;
        if (got == 1)
            ready[holder[done.tag]] = true;
    }
    ready[n] = false;
    return true;
}

static bool sum(uint32_t *crc)
{
    bool well = true;

    for (uint64_t part = 0; part < DEPTH && well; part++)
        well = ask(part);
    for (uint64_t part = 0; part * PART < disk.sectors && well; part++) {
        uint32_t n = part % DEPTH;

        well = await(n);
        *crc = crc32(*crc, buffer[n], sectors_of(part) * HV_BLOCK_SECTOR);
        well = well && ask(part + DEPTH);
    }
    return well;
}

uint32_t guest_main(void)
{
    uint32_t crc = ~(uint32_t)0;

    hv_console_open();
    if (hv_block_open(&disk, 0, buffer, sizeof buffer / HV_PAGE_SIZE) < 0) {
        hv_printf("blockread: there is no disk; start me with --disk IMAGE\n");
        return 1;
    }
    make_table();
    if (!sum(&crc)) {
        hv_printf("blockread: the disk failed\n");
        return 2;
    }
    hv_printf("blockread: %lu sectors%s, CRC-32 %08x\n", disk.sectors,
              disk.read_only ? ", read-only" : "", ~crc);
    return hv_block_close(&disk) < 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the IDE model says of itself: the translation and the IDENTIFY DEVICE data.
 *
 * Owns nothing. The words follow ATA/ATAPI-6, table 27; the data claim no more than the commands
 * do.
 */
#include "kstring.h"
#include "model/ide_internal.h"

#define CHS_HEADS     16u
#define CHS_TRACK     63u
#define CHS_CYLINDERS 16383u
#define SECTORS_28    0x0fffffffu

void ide_default_geometry(struct ide_model *m)
{
    uint64_t cylinders = m->sectors / (CHS_HEADS * CHS_TRACK);

    if (cylinders > CHS_CYLINDERS)
        cylinders = CHS_CYLINDERS;
    m->cylinders = (uint16_t)(cylinders ? cylinders : 1);
    m->heads = CHS_HEADS;
    m->track = CHS_TRACK;
}

static void put_word(uint8_t *page, unsigned word, uint32_t value)
{
    page[2 * word] = (uint8_t)value;
    page[2 * word + 1] = (uint8_t)(value >> 8);
}

/* `words` words from `first` on, least significant first. */
static void put_number(uint8_t *page, unsigned first, unsigned words, uint64_t value)
{
    for (unsigned i = 0; i < words; i++)
        put_word(page, first + i, (uint16_t)(value >> (16 * i)));
}

/* ASCII fields have the first character in the upper byte of a word and are padded with blanks. */
static void put_text(uint8_t *page, unsigned first, unsigned words, const char *text)
{
    for (unsigned i = 0; i < 2 * words; i++) {
        char c = *text ? *text++ : ' ';
        page[2 * first + (i ^ 1)] = (uint8_t)c;
    }
}

static void put_geometry(uint8_t *page, const struct ide_model *m)
{
    uint32_t total = (uint32_t)m->cylinders * m->heads * m->track;

    put_word(page, 1, m->cylinders);
    put_word(page, 3, CHS_HEADS);
    put_word(page, 6, CHS_TRACK);
    put_word(page, 54, m->cylinders);
    put_word(page, 55, m->heads);
    put_word(page, 56, m->track);
    put_number(page, 57, 2, total);
}

static void put_commands(uint8_t *page, const struct ide_model *m)
{
    uint32_t cache = m->write_cache ? 0x20 : 0;

    put_word(page, 82, 0x0060); /* write cache, look-ahead */
    put_word(page, 83, 0x7400); /* FLUSH CACHE and EXT, 48-bit addresses */
    put_word(page, 84, 0x4000);
    put_word(page, 85, 0x0040 | cache); /* the same, as they are set */
    put_word(page, 86, 0x3400);
    put_word(page, 87, 0x4000);
}

void ide_fill_identify(struct ide_model *m)
{
    uint8_t *page = m->buffer;
    uint8_t sum = 0;

    memset(page, 0, IDE_SECTOR);
    put_word(page, 0, 0x0040); /* a fixed disk */
    put_geometry(page, m);
    put_text(page, 10, 10, "PV0001");
    put_text(page, 23, 4, "1.0");
    put_text(page, 27, 20, "PARAVANE EMULATED DISK");
    put_word(page, 47, 0x8000 | IDE_MULTIPLE_MAX);
    put_word(page, 49, 0x0b00); /* LBA, IORDY, DMA */
    put_word(page, 50, 0x4000);
    put_word(page, 51, 0x0200); /* PIO mode 2 without, 3 and 4 with flow control */
    put_word(page, 53, 0x0003); /* words 54-58 and 64-70 are valid */
    put_word(page, 59, m->multiple ? 0x0100u | m->multiple : 0);
    put_number(page, 60, 2, m->sectors < SECTORS_28 ? m->sectors : SECTORS_28);
    put_word(page, 63, 0x0007u | 0x0100u << m->dma_mode); /* multiword DMA 0 to 2, the chosen one */
    put_word(page, 64, 0x0003);
    put_word(page, 65, 120); /* cycle times: of DMA, then of PIO */
    put_word(page, 66, 120);
    put_word(page, 67, 120);
    put_word(page, 68, 120);
    put_word(page, 80, 0x0078); /* ATA-3 to ATA-6 */
    put_commands(page, m);
    put_word(page, 93, 0x600b); /* reset: device 0 passed, by jumper */
    put_number(page, 100, 4, m->sectors);
    page[510] = 0xa5;
    for (unsigned i = 0; i < 511; i++)
        sum = (uint8_t)(sum + page[i]);
    page[511] = (uint8_t)(0 - sum);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which CPUs there are, from the firmware's tables. Owns the list of their local APICs. Read while
 * the boot's page tables still show the first 4 GiB; what a table says is believed, but nothing
 * outside of these is followed.
 */
#include "kstring.h"
#include "layout.h"
#include "native.h"

#define BIOS_START   0xe0000u
#define BIOS_END     0x100000u
#define HEADER_BYTES 36u /* of every table */
#define MADT_FIXED   8u  /* behind the header, before the entries */
#define ENTRY_CPU    0u
#define CPU_ENABLED  1u

static uint8_t ids[NATIVE_MAX_CPUS];
static unsigned id_count;

static uint32_t word(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static const uint8_t *shown(uint32_t address)
{
    return (const uint8_t *)(NATIVE_DIRECT + address);
}

static const uint8_t *find_root(void)
{
    for (uint32_t at = BIOS_START; at < BIOS_END; at += 16) {
        uint8_t sum = 0;

        for (unsigned i = 0; i < 20; i++) {
            sum = (uint8_t)(sum + shown(at)[i]);
        }
        if (memcmp(shown(at), "RSD PTR ", 8) == 0 && sum == 0) {
            return shown(at);
        }
    }
    return NULL;
}

/* The table of that name among those that the root table lists by 32-bit addresses. */
static const uint8_t *find_table(const char *name)
{
    const uint8_t *root = find_root();
    const uint8_t *list = root ? shown(word(root + 16)) : NULL;

    for (uint32_t at = HEADER_BYTES; list && at + 4 <= word(list + 4); at += 4) {
        const uint8_t *table = shown(word(list + at));

        if (memcmp(table, name, 4) == 0) {
            return table;
        }
    }
    return NULL;
}

void native_cpus_init(void)
{
    const uint8_t *madt = find_table("APIC");
    uint32_t end = madt ? word(madt + 4) : 0;

    for (uint32_t at = HEADER_BYTES + MADT_FIXED; at + 2 <= end && madt[at + 1] >= 2;
         at += madt[at + 1]) {
        const uint8_t *e = madt + at;

        if (e[0] == ENTRY_CPU && (e[4] & CPU_ENABLED) && id_count < NATIVE_MAX_CPUS) {
            ids[id_count++] = e[3];
        }
    }
}

unsigned native_cpu_ids(const uint8_t **list)
{
    *list = ids;
    return id_count;
}

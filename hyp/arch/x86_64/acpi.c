/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acpi.c: the few facts that hyp needs from ACPI: MADT, FADT and the soft-off package.
 *
 * Fills `platform`. Firmware tables are believed no further than their checksums and lengths:
 * nothing is read beyond a table's end or above the 4 GiB that the boot tables show. Runs before
 * the boot allocator does, which may reuse memory that holds the loader's copy of the RSDP.
 */
#include "boot_arch.h"
#include "bug.h"
#include "platform.h"
#include "string.h"

#define MAP_END     UINT64_C(0x100000000)
#define LENGTH_MAX  UINT32_C(0x400000)
#define LAPIC_USUAL UINT64_C(0xfee00000)

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt, length; /* from the length: revision 2 */
    uint64_t xsdt;
} __attribute__((packed));
#define RSDP1_SIZE 20

struct sdt {
    char signature[4];
    uint32_t length;
    char rest[28];
} __attribute__((packed));
_Static_assert(sizeof(struct sdt) == 36, "ACPI table header");

struct platform platform;

static bool checksum_good(const void *data, size_t length) {
    const uint8_t *p = data;
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++) sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

/* Little-endian field at an offset of a table; 0 if the table ends before it. */
static uint64_t field(const struct sdt *t, uint32_t offset, unsigned int bytes) {
    uint64_t value = 0;

    if (offset + bytes <= t->length) memcpy(&value, (const char *)t + offset, bytes);
    return value;
}

/* NULL unless the whole table can be read and sums up. */
static const struct sdt *table_at(paddr_t pa) {
    const struct sdt *t = phys_to_virt(pa);

    if (pa == 0 || pa > MAP_END - LENGTH_MAX || t->length < sizeof(*t) || t->length > LENGTH_MAX)
        return NULL;
    return checksum_good(t, t->length) ? t : NULL;
}

static bool rsdp_good(const struct rsdp *r) {
    return memcmp(r->signature, "RSD PTR ", 8) == 0 && checksum_good(r, RSDP1_SIZE);
}

static const struct rsdp *rsdp_find(const struct boot_info *boot) {
    if (boot->rsdp != 0 && rsdp_good(phys_to_virt(boot->rsdp))) return phys_to_virt(boot->rsdp);
    for (paddr_t pa = 0xe0000; pa < 0x100000; pa += 16)
        if (rsdp_good(phys_to_virt(pa))) return phys_to_virt(pa);
    return NULL;
}

static void parse_isa_override(const struct sdt *madt, uint32_t at) {
    uint64_t flags = field(madt, at + 8, 2);

    if (platform.override_count == PLATFORM_OVERRIDES_MAX) return;
    platform.overrides[platform.override_count++] = (struct platform_override){
        .gsi = (uint32_t)field(madt, at + 4, 4),
        .isa_irq = (uint8_t)field(madt, at + 3, 1),
        .low = (flags & 3) == 3,
        .level = (flags >> 2 & 3) == 3,
    };
}

static void parse_ioapic(const struct sdt *madt, uint32_t at) {
    if (platform.ioapic_count == PLATFORM_IOAPICS_MAX) return;
    platform.ioapics[platform.ioapic_count++] =
        (struct platform_ioapic){ field(madt, at + 4, 4), (uint32_t)field(madt, at + 8, 4) };
}

/* A processor's LAPIC; flag bit 0: enabled. */
static void parse_lapic(const struct sdt *madt, uint32_t at) {
    if ((field(madt, at + 4, 4) & 1) == 0 || platform.cpu_count == PLATFORM_CPUS_MAX) return;
    platform.apic_ids[platform.cpu_count++] = (uint8_t)field(madt, at + 3, 1);
}

static void parse_madt_entry(const struct sdt *madt, uint32_t at) {
    uint64_t type = field(madt, at, 1);

    if (type == 0)
        parse_lapic(madt, at);
    else if (type == 1)
        parse_ioapic(madt, at);
    else if (type == 2)
        parse_isa_override(madt, at);
    else if (type == 5) /* the LAPICs' address, in 64 bits */
        platform.lapic = field(madt, at + 4, 8);
}

static void parse_madt(const struct sdt *madt) {
    platform.lapic = field(madt, 36, 4);
    for (uint32_t at = 44; at + 2 <= madt->length;) {
        uint32_t length = (uint32_t)field(madt, at + 1, 1);

        if (length < 2 || at + length > madt->length) break;
        parse_madt_entry(madt, at);
        at += length;
    }
}

/* A small integer constant of AML; advances past it. */
static uint8_t aml_byte(const uint8_t **p) {
    const uint8_t *q = *p;

    if (*q == 0x0a) { /* BytePrefix */
        *p += 2;
        return q[1];
    }
    *p += 1;
    return *q <= 1 ? *q : 0; /* ZeroOp, OneOp */
}

/* Looks for Name(_S5_, Package(){a, b, ...}); the only AML that hyp reads. */
static bool parse_dsdt(const struct sdt *dsdt) {
    const uint8_t *start = (const uint8_t *)dsdt, *end = start + dsdt->length - 16;

    for (const uint8_t *p = start + sizeof(*dsdt); p < end; p++) {
        if (memcmp(p, "_S5_\x12", 5) == 0) {
            p += 5;
            p += (*p >> 6) + 2; /* package length, then the number of elements */
            for (int i = 0; i < 2; i++) platform.s5_type[i] = aml_byte(&p) & 7;
            return true;
        }
    }
    return false;
}

static void parse_fadt(const struct sdt *fadt) {
    const struct sdt *dsdt = table_at(field(fadt, 40, 4));

    platform.pm_timer_port = (uint16_t)field(fadt, 76, 4);
    platform.pm_timer_mask = field(fadt, 112, 4) & 0x100 ? 0xffffffff : 0xffffff;
    platform.century_register = (uint8_t)field(fadt, 108, 1);
    if (dsdt == NULL || !parse_dsdt(dsdt)) return;
    for (uint32_t i = 0; i < 2; i++)
        platform.pm1_control_port[i] = (uint16_t)field(fadt, 64 + 4 * i, 4);
}

static void parse_table(const struct sdt *t) {
    if (t == NULL) return;
    if (memcmp(t->signature, "APIC", 4) == 0)
        parse_madt(t);
    else if (memcmp(t->signature, "FACP", 4) == 0)
        parse_fadt(t);
}

void acpi_init(struct boot_info *boot) {
    const struct rsdp *rsdp = rsdp_find(boot);
    bool wide = rsdp != NULL && rsdp->revision >= 2 && table_at(rsdp->xsdt) != NULL;
    uint32_t step = wide ? 8 : 4;
    const struct sdt *root;

    platform.lapic = LAPIC_USUAL;
    boot->rsdp = 0; /* the loader's copy goes with the loader's memory */
    if (rsdp == NULL)
        panic("no ACPI tables; Paravane needs them to find the interrupt controllers");
    root = table_at(wide ? rsdp->xsdt : rsdp->rsdt);
    if (root == NULL) panic("the ACPI root table is damaged");
    for (uint32_t at = sizeof(*root); at + step <= root->length; at += step)
        parse_table(table_at(field(root, at, step)));
}

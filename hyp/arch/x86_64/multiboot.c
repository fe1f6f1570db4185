/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * multiboot.c: turns what a multiboot 1 or 2 loader left in memory into struct boot_info.
 *
 * Everything is copied, so that the loader's memory may be reused; only the modules stay where
 * they are. Runs on the boot page tables, which show the low 4 GiB.
 */
#include "boot_arch.h"
#include "bug.h"
#include "string.h"

#define MB1_MAGIC 0x2badb002u
#define MB2_MAGIC 0x36d76289u

#define MB1_HAS_CMDLINE 0x04u
#define MB1_HAS_MODULES 0x08u
#define MB1_HAS_MMAP    0x40u

struct mb1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, module_count, modules, syms[4];
    uint32_t mmap_bytes, mmap;
};

struct mb1_module {
    uint32_t start, end, string, rsvd;
};

/* One range of memory, as both protocols have it. */
struct mmap_entry {
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MMAP = 6, MB2_RSDP1 = 14, MB2_RSDP2 = 15 };

struct mb2_tag {
    uint32_t type, size;
    uint32_t body[]; /* a module: start, end, string; a memory map: entry size, version, entries */
};

static void add_memory(struct boot_info *boot, const struct mmap_entry *e) {
    if (e->length == 0 || e->base + e->length < e->base) return;
    if (boot->mem_count == BOOT_MEM_MAX)
        panic("the memory map has more than %u entries", BOOT_MEM_MAX);
    boot->mem[boot->mem_count++] = (struct boot_mem){ e->base, e->base + e->length, e->type };
}

static void add_module(struct boot_info *boot, uint64_t start, uint64_t end, const char *string) {
    struct boot_module *m = &boot->modules[boot->module_count];

    if (boot->module_count == BOOT_MODULES_MAX)
        panic("more than %u boot modules", BOOT_MODULES_MAX);
    if (end < start || !string_copy(m->string, sizeof(m->string), string))
        panic("boot module %u is malformed or its string too long", boot->module_count);
    m->start = start;
    m->end = end;
    boot->module_count++;
}

static void set_cmdline(struct boot_info *boot, const char *cmdline) {
    if (!string_copy(boot->cmdline, sizeof(boot->cmdline), cmdline))
        panic("the command line is longer than %u characters", BOOT_STRING_MAX - 1);
}

/* Multiboot 1 puts the image's file name in front of the command line. */
static const char *skip_word(const char *s) {
    while (*s != '\0' && *s != ' ') s++;
    while (*s == ' ') s++;
    return s;
}

static void parse_mb1(struct boot_info *boot, paddr_t info) {
    const struct mb1_info *mb = phys_to_virt(info);

    boot->loader = "multiboot 1";
    for (uint32_t at = 0; (mb->flags & MB1_HAS_MMAP) && at < mb->mmap_bytes;) {
        const uint32_t *size = phys_to_virt((paddr_t)mb->mmap + at); /* of what follows */

        add_memory(boot, (const void *)(size + 1));
        at += *size + (uint32_t)sizeof(*size);
    }
    if (mb->flags & MB1_HAS_CMDLINE) set_cmdline(boot, skip_word(phys_to_virt(mb->cmdline)));
    if (mb->flags & MB1_HAS_MODULES) {
        const struct mb1_module *m = phys_to_virt(mb->modules);

        for (uint32_t i = 0; i < mb->module_count; i++)
            add_module(boot, m[i].start, m[i].end, phys_to_virt(m[i].string));
    }
}

static void parse_mb2_tag(struct boot_info *boot, const struct mb2_tag *tag) {
    if (tag->type == MB2_CMDLINE) {
        set_cmdline(boot, (const char *)tag->body);
    } else if (tag->type == MB2_MODULE) {
        add_module(boot, tag->body[0], tag->body[1], (const char *)&tag->body[2]);
    } else if (tag->type == MB2_MMAP) {
        for (uint64_t at = 16; at + tag->body[0] <= tag->size; at += tag->body[0])
            add_memory(boot, (const void *)((const char *)tag + at));
    } else if (tag->type == MB2_RSDP2 || (tag->type == MB2_RSDP1 && boot->rsdp == 0)) {
        /* The newer of the two wins; a copy, but one that nobody has reused yet. */
        boot->rsdp = virt_to_phys(tag->body);
    }
}

static void parse_mb2(struct boot_info *boot, paddr_t info) {
    uint32_t size = *(const uint32_t *)phys_to_virt(info);

    boot->loader = "multiboot 2";
    for (uint32_t at = 8; at + sizeof(struct mb2_tag) <= size;) {
        const struct mb2_tag *tag = phys_to_virt(info + at);

        if (tag->type == MB2_END || tag->size < sizeof(*tag)) break;
        parse_mb2_tag(boot, tag);
        at += (tag->size + 7) & ~7u;
    }
}

void multiboot_parse(struct boot_info *boot, uint32_t magic, paddr_t info) {
    if (magic == MB1_MAGIC)
        parse_mb1(boot, info);
    else if (magic == MB2_MAGIC)
        parse_mb2(boot, info);
    else
        panic("not started by a multiboot loader (magic %x)", magic);
    if (boot->mem_count == 0) panic("the boot loader gave no memory map");
}

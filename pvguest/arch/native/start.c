/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start on the bare machine, from what the boot loader left: command line, modules, memory map.
 * Owns copies of them, made before any memory is given out, since what they lie in is free memory
 * to the kernel.
 */
#include "arch/cpu.h"
#include "arch/memory.h"
#include "clock.h"
#include "kernel.h"
#include "kstring.h"
#include "layout.h"
#include "mem.h"
#include "native.h"
#include "printk.h"

#include <hvlib/console.h>

#define MAGIC        0x2badb002u
#define INFO_CMDLINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MAP     (1u << 6)
#define MEMORY_RAM   1u
#define MAX_MODULES  8u
#define MAX_REGIONS  8u
#define LOW_END      ((uint64_t)1 << 20) /* what lies below stays the firmware's */
#define RAM_END      ((uint64_t)1 << 39) /* what one top-level entry can show */
#define TEXT_BYTES   256u

/* Multiboot 1's structures, as far as they are used. */
struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr;
};

struct info_module {
    uint32_t start, end, text, reserved;
};

struct info_region {
    uint32_t size;
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

static char cmdline[TEXT_BYTES];
static struct module {
    char text[TEXT_BYTES];
    uint64_t start, end;
} modules[MAX_MODULES];
static unsigned module_count;
static struct native_region regions[MAX_REGIONS];
static unsigned region_count;

extern const char native_image_end[];

static const void *physical(uint64_t address)
{
    return (const void *)(NATIVE_DIRECT + address);
}

static void copy_text(char *to, uint32_t from)
{
    const char *s = physical(from);
    size_t n = 0;

    for (; n < TEXT_BYTES - 1 && s[n] != '\0'; n++) {
        to[n] = s[n];
    }
    to[n] = '\0';
}

static void take_modules(const struct info *info)
{
    const struct info_module *m = physical(info->mods_addr);

    for (uint32_t i = 0; i < info->mods_count && i < MAX_MODULES; i++) {
        modules[i].start = m[i].start;
        modules[i].end = m[i].end;
        copy_text(modules[i].text, m[i].text);
        module_count = i + 1;
    }
}

static void take_region(uint64_t start, uint64_t end)
{
    start = start < LOW_END ? LOW_END : (start + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    end = (end < RAM_END ? end : RAM_END) & ~(uint64_t)(PAGE_SIZE - 1);
    if (start < end && region_count < MAX_REGIONS) {
        regions[region_count++] = (struct native_region){ start, end };
    }
}

static void take_map(const struct info *info)
{
    const char *at = physical(info->mmap_addr);
    const char *end = at + info->mmap_length;

    while (at < end) {
        struct info_region r;

        memcpy(&r, at, sizeof(r));
        if (r.type == MEMORY_RAM) {
            take_region(r.base, r.base + r.length);
        }
        at += r.size + sizeof(r.size);
    }
}

void native_start(uint32_t magic, uint32_t address)
{
    const struct info *info = physical(address);

    native_console_init();
    if (magic != MAGIC || !(info->flags & INFO_MAP)) {
        panic("not started by a multiboot loader with a memory map");
    }
    if (info->flags & INFO_CMDLINE) {
        copy_text(cmdline, info->cmdline);
    }
    if (info->flags & INFO_MODULES) {
        take_modules(info);
    }
    take_map(info);
    native_cpus_init();
    native_ap_copy();
    kernel_main();
}

/* Behind the image and the modules, as loaders put them in that order. */
static uint64_t free_start(void)
{
    uint64_t free = (uint64_t)native_image_end - NATIVE_IMAGE;

    for (unsigned i = 0; i < module_count; i++) {
        free = modules[i].end > free ? modules[i].end : free;
    }
    return (free + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

static void give_memory(uint64_t free)
{
    for (unsigned i = 0; i < region_count; i++) {
        uint64_t start = regions[i].start < free ? free : regions[i].start;

        if (start < regions[i].end) {
            page_add_range(start >> PAGE_SHIFT, (regions[i].end - start) >> PAGE_SHIFT);
        }
    }
}

void arch_init(void)
{
    uint64_t free = free_start();

    native_cpu_init();
    native_memory_init(regions, region_count, &free);
    give_memory(free);
    native_irq_init();
    native_clock_init();
    printk("on the bare machine: %lu MiB free\n", (unsigned long)(pages_free() >> 8));
}

void arch_start(void)
{
    arch_irq_restore(0);
}

bool arch_option(const char *key, char *value, size_t size)
{
    size_t length = strlen(key);

    for (const char *s = cmdline; *s != '\0';) {
        if (strncmp(s, key, length) == 0 && s[length] == '=') {
            size_t n = 0;

            for (s += length + 1; s[n] != '\0' && s[n] != ' ' && n + 1 < size; n++) {
                value[n] = s[n];
            }
            value[n] = '\0';
            return true;
        }
        while (*s != '\0' && *s++ != ' ') {
        }
    }
    return false;
}

bool arch_module(unsigned n, const char **text, const void **data, uint64_t *bytes)
{
    if (n >= module_count) {
        return false;
    }
    *text = modules[n].text;
    *data = physical(modules[n].start);
    *bytes = modules[n].end - modules[n].start;
    return true;
}

int format_textv(char *out, size_t size, const char *format, va_list args)
{
    return hv_vsnprintf(out, size, format, args);
}

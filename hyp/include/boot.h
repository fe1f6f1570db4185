/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot.h: what the boot loader and the firmware told, in words that know no boot protocol.
 *
 * Filled in once by the architecture, from copies: nothing points into the boot loader's memory
 * except the modules' contents. Constant from hyp_main() on.
 */
#pragma once

#include "arch/layout.h"

#define BOOT_MEM_MAX     128
#define BOOT_FREE_MAX    (BOOT_MEM_MAX + 2 * BOOT_MODULES_MAX + 8)
#define BOOT_MODULES_MAX 16
#define BOOT_STRING_MAX  512

enum boot_mem_type {
    BOOT_MEM_RAM = 1,
    BOOT_MEM_RESERVED = 2,
};

/** A range of physical bytes, end exclusive. */
struct boot_range {
    paddr_t start, end;
};

/** One entry of the firmware's memory map, in its order; entries may have any alignment. */
struct boot_mem {
    paddr_t start, end;
    uint32_t type; /**< enum boot_mem_type */
};

/** A boot module; its bytes are RAM that is in no free range. */
struct boot_module {
    paddr_t start, end;
    char string[BOOT_STRING_MAX];
};

struct boot_info {
    uint32_t mem_count, free_count, module_count;
    const char *loader; /**< which protocol, for the log */
    struct boot_mem mem[BOOT_MEM_MAX];
    /** Page-aligned RAM that core may hand out, ascending; some are empty. */
    struct boot_range free[BOOT_FREE_MAX];
    struct boot_module modules[BOOT_MODULES_MAX];
    char cmdline[BOOT_STRING_MAX];
    paddr_t image_start, image_end; /**< hyp itself */
    paddr_t ram_end;                /**< first address above all RAM: the direct map's end */
    uint64_t ram_bytes;
    paddr_t rsdp;             /**< the loader's copy of the RSDP; 0 once ACPI is read */
    int64_t wall_clock;       /**< Unix time in seconds, read at wall_clock_ns */
    uint64_t wall_clock_ns;   /**< clock_now_ns() at that moment */
    uint64_t tsc_first_line;  /**< TSC when the first line was printed */
    uint64_t tsc_zeroing;     /**< TSC cycles of the boot spent in clearing memory */
    uint64_t tsc_calibration; /**< TSC cycles of the boot spent in calibrating clocks */
};

/** Core's entry: the machine is up, interrupts off, on the boot CPU's own stack. */
_Noreturn void hyp_main(const struct boot_info *boot);

/** Looks for "name" or "name=value" in the command line; copies the value, "" if it has none. */
bool boot_option(const struct boot_info *boot, const char *name, char *value, size_t size);

/** A decimal number, all of the value: 0 when it is none, `otherwise` without the option. */
static inline uint64_t boot_number(const struct boot_info *boot, const char *name,
                                   uint64_t otherwise) {
    char value[24];
    const char *at = value;
    uint64_t n = 0;

    if (!boot_option(boot, name, value, sizeof(value))) return otherwise;
    for (; *at >= '0' && *at <= '9' && n < UINT64_MAX / 10; at++)
        n = n * 10 + (uint64_t)(*at - '0');
    return *at == '\0' ? n : 0;
}

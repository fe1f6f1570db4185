/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * platform.h: what ACPI told about the machine, for hyp and, in parts, for root's start page.
 */
#pragma once

#include "arch/layout.h"

#define PLATFORM_CPUS_MAX      64
#define PLATFORM_IOAPICS_MAX   8
#define PLATFORM_OVERRIDES_MAX 16

struct platform_ioapic {
    paddr_t base;
    uint32_t gsi_base;
};

/** An ISA line that is not what its number says. */
struct platform_override {
    uint32_t gsi;
    uint8_t isa_irq;
    bool low, level;
};

struct platform {
    paddr_t lapic;
    uint32_t cpu_count, ioapic_count, override_count;
    uint8_t apic_ids[PLATFORM_CPUS_MAX]; /**< of the enabled processors, in the firmware's order */
    struct platform_ioapic ioapics[PLATFORM_IOAPICS_MAX];
    struct platform_override overrides[PLATFORM_OVERRIDES_MAX];
    uint16_t pm_timer_port;       /**< 0 if none */
    uint32_t pm_timer_mask;       /**< of its 24 or 32 bits */
    uint8_t century_register;     /**< of the CMOS clock, 0 if none */
    uint16_t pm1_control_port[2]; /**< A and B; 0 if the machine cannot be switched off this way */
    uint8_t s5_type[2];           /**< SLP_TYP values of soft-off */
};

/** Constant after boot. */
extern struct platform platform;

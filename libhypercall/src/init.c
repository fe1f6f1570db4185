/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the first C instruction to guest_main: shared page, entry points, all RAM mapped.
 */
#include "hvlib/arch/hypercall.h"
#include "hvlib/console.h"
#include "hvlib/event.h"
#include "hvlib/memory.h"
#include "hvlib/start.h"
#include "trap_internal.h"

extern const char hv_image_start[], hv_image_data[];

/* Constructors of a C++ guest's global objects; the linker script gathers them. */
extern void (*const hv_constructors[])(void), (*const hv_constructors_end[])(void);

static char kernel_stack[16384] __attribute__((aligned(4096)));

static _Noreturn void stop(uint32_t reason)
{
    for (;;)
        hv_shutdown(reason);
}

static void need(int64_t result, const char *what)
{
    if (result >= 0)
        return;
    hv_printf("start-up: %s failed (%ld)\n", what, result);
    stop(HV_REASON_FAULT);
}

static void map_ram(uint64_t gfn, uint64_t end)
{
    if (gfn < end)
        need(hv_map_range(HV_SELF, 0, (uint64_t)(uintptr_t)hv_va(gfn << HV_PAGE_SHIFT), gfn,
                          end - gfn, HV_MAP_READ | HV_MAP_WRITE),
             "mapping RAM");
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* All RAM but the image's text and read-only data: those must not be writable by another address.
 */
static void map_all_ram(void)
{
    uint64_t from = hv_gfn(hv_image_start), to = hv_gfn(hv_image_data);
    const struct hv_start_memory *ram;

    for (uint32_t i = 0; (ram = hv_start_range(HV_RANGE_RAM, i)) != NULL; i++) {
        uint64_t end = ram->gfn + ram->count;

        map_ram(ram->gfn, smaller(end, from));
        map_ram(larger(ram->gfn, to), end);
    }
}

static void construct(void)
{
    for (void (*const *fn)(void) = hv_constructors; fn < hv_constructors_end; fn++)
        (*fn)();
}

_Noreturn void hv_start(const void *start_page)
{
    if (!hv_start_use(start_page)) {
        hv_puts("start-up: the start page is none of this ABI version\n");
        stop(HV_REASON_FAULT);
    }
    const struct hv_start_page *vcpu = (const void *)hv_start_find(HV_START_VCPU, NULL);

    if (!vcpu || vcpu->r.size < sizeof *vcpu) {
        hv_puts("start-up: no shared page\n");
        stop(HV_REASON_FAULT);
    }
    hv_use_page(vcpu->address);
    need(hv_set_entries(vcpu->address, (uint64_t)(uintptr_t)kernel_stack + sizeof kernel_stack),
         "setting entry points");
    map_all_ram();
    construct();
    stop(guest_main() & 15);
}

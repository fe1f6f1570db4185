/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that calls the hypervisor at random, for tests: any number but those that would end or
 * stop it, with arguments that are often nearly right, and buffers full of such values. It may well
 * destroy itself; nobody else may notice. `seed=` and `calls=` make it repeatable.
 */
#include "guest.h"
#include "kernel.h"
#include "mem.h"
#include "printk.h"

#include <hv_memory.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>

static uint64_t state;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A value that some call may take for a number, a frame, an address, a buffer or two fields. */
static uint64_t value(const void *buffer)
{
    static const uint64_t base[] = { HV_GFN_WINDOW, HV_GFN_SHARED, HV_GFN_MMIO, HV_KERNEL_START,
                                     HV_USER_END - HV_PAGE_SIZE };
    uint64_t r = any();

    switch (r >> 8 & 15) {
    case 0:
    case 1:
        return r >> 16 & 3;
    case 2:
        return HV_SELF;
    case 3:
    case 4:
        return hv_gpa(buffer) + (r >> 16 & 0xf00);
    case 5:
        return r >> 16 & 0xfff;
    case 6:
    case 7:
        return hv_gfn(buffer) + (r >> 16 & 7);
    case 8:
        return base[(r >> 16) % (sizeof(base) / sizeof(base[0]))] + (r >> 32 & 0x3f);
    case 9:
        return (uint64_t)1 << (r >> 16 & 63);
    case 10:
    case 11:
        return (r >> 16 & 15) | (r >> 20 & 7) << 32; /* count and rights, port and rights */
    case 12:
        return HV_FREE_START + ((r >> 16 & 0x3ff) << HV_PAGE_SHIFT);
    case 13:
        return (r >> 16 & 0x3ff) << HV_PAGE_SHIFT; /* a user address */
    default:
        return any();
    }
}

/* Most calls begin with a domain: often enough it is the right one. */
static uint64_t first_value(const void *buffer)
{
    return any() & 1 ? HV_SELF : value(buffer);
}

static void fill(uint64_t *buffer)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*buffer); i++) {
        buffer[i] = value(buffer);
    }
}

static bool harmful(uint64_t nr)
{
    return nr == HV_NR_shutdown || nr == HV_NR_block || nr == HV_NR_poll || nr == HV_NR_yield ||
           nr == HV_NR_return_to_user || nr == HV_NR_set_entry || nr == HV_NR_console_write ||
           nr == HV_NR_vcpu_down;
}

static unsigned role_fuzz(void)
{
    uint64_t calls = option_number("calls", 100000);
    uint64_t *buffer = page_alloc(8);
    uint64_t good = 0;

    state = option_number("seed", 1) * 0x9e3779b97f4a7c15 + 1;
    for (uint64_t n = 0; buffer && n < calls; n++) {
        uint64_t nr = any() % (HV_NR_LIMIT + 2);

        if (n % 16 == 0) {
            fill(buffer);
        }
        if (!harmful(nr)) {
            good += hv_call6(nr, first_value(buffer), value(buffer), value(buffer), value(buffer),
                             value(buffer), value(buffer)) >= 0;
        }
    }
    printk("FUZZ calls=%lu taken=%lu\n", calls, good);
    return 0;
}

ROLE("fuzz", role_fuzz);

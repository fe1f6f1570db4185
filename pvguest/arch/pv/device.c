/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real devices under the hypervisor, for a domain that holds them: registers are MMIO frames mapped
 * like memory, DMA addresses come from dma_map, interrupts are event ports. Owns the range of
 * kernel addresses where registers are mapped; a mapping stays for good.
 */
#include "arch/device.h"

#include <hv_event.h>
#include <hv_memory.h>
#include <hvlib/memory.h>
#include <stdbool.h>

/* Upper half of the part of the kernel half that the library leaves free. */
static uint64_t mmio_next = HV_FREE_START + ((uint64_t)1 << 39);

void *arch_mmio_map(uint64_t address, uint64_t bytes)
{
    uint64_t first = address >> HV_PAGE_SHIFT;
    uint64_t pages = ((address + bytes - 1) >> HV_PAGE_SHIFT) - first + 1;
    uint64_t at = mmio_next;
    if (hv_map_range(HV_SELF, 0, at, HV_GFN_MMIO + first, pages, HV_MAP_READ | HV_MAP_WRITE))
        return NULL;
    mmio_next += pages << HV_PAGE_SHIFT;
    return (void *)(uintptr_t)(at + address % HV_PAGE_SIZE);
}

/*
 * A function that this domain does not hold is a device model's, in the domain that controls this
 * one: it reaches this domain's memory by guest physical address. Which one that is does not
 * change, so it is asked once: no pages of a function that is held are an error of another kind.
 */
static bool is_modelled(uint16_t device)
{
    static int32_t last = -1;
    static bool modelled;
    HV_BUFFER(64) struct hv_dma_run none;

    if (last != device) {
        last = device;
        modelled = hv_dma_map(device, 0, 0, hv_gpa(&none)) == -HV_EPERM;
    }
    return modelled;
}

/* One call's worth: device addresses of `pages` pages (at most HV_MAX_DMA_PAGES). */
static int64_t dma_map_some(uint16_t device, uint64_t gfn, uint32_t pages, uint64_t *addresses)
{
    HV_BUFFER(1024) struct hv_dma_run run[HV_MAX_DMA_PAGES];
    int64_t runs = hv_dma_map(device, gfn, pages, hv_gpa(run));
    uint32_t done = 0;
    for (int64_t r = 0; r < runs; r++)
        for (uint64_t p = 0; p < run[r].pages && done < pages; p++)
            addresses[done++] = run[r].address + p * HV_PAGE_SIZE;
    return runs < 0 ? runs : (int64_t)done;
}

int arch_dma_map(uint16_t device, const void *p, uint32_t pages, uint64_t *addresses)
{
    uint64_t gfn = hv_gfn(p);
    if (is_modelled(device)) {
        for (uint32_t i = 0; i < pages; i++)
            addresses[i] = (gfn + i) << HV_PAGE_SHIFT;
        return 0;
    }
    for (uint32_t done = 0; done < pages;) {
        uint32_t left = pages - done;
        uint32_t ask = left < HV_MAX_DMA_PAGES ? left : HV_MAX_DMA_PAGES;
        int64_t got = dma_map_some(device, gfn + done, ask, addresses + done);
        if (got <= 0) {
            arch_dma_unmap(device, addresses, done);
            return got < 0 ? (int)got : -HV_EINVAL;
        }
        done += (uint32_t)got;
    }
    return 0;
}

void arch_dma_unmap(uint16_t device, const uint64_t *addresses, uint32_t pages)
{
    if (is_modelled(device))
        return;
    /* Runs of adjoining addresses go in one call; the call may stop early and is then repeated. */
    for (uint32_t done = 0; done < pages;) {
        uint32_t run = 1;
        while (done + run < pages && run < HV_MAX_DMA_PAGES &&
               addresses[done + run] == addresses[done] + run * (uint64_t)HV_PAGE_SIZE)
            run++;
        int64_t got = hv_dma_unmap(device, addresses[done], run);
        done += got > 0 ? (uint32_t)got : run;
    }
}

int64_t arch_msi_line(uint16_t device, uint64_t *address, uint32_t *data)
{
    HV_BUFFER(64) struct hv_msi msi;
    int64_t port = hv_event_bind(HV_SELF, HV_BIND_MSI, device, 0, hv_gpa(&msi));
    if (port < 0)
        return port;
    *address = msi.address;
    *data = msi.data;
    return port;
}

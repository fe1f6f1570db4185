/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (M5). A frame that is in use as something else (a page table, a shared page, another
 * domain's memory, a device's registers) must not become somebody's RAM. The call that maps was
 * checked; forgotten was one of the others that takes a frame number: grant, give back, populate,
 * DMA, copy, the request page of a device model.
 *
 * This guest names every kind of frame in every call that takes one, for itself and for a child:
 * its holes, its windows, its shared page (also in the user half and executable), MMIO that is not
 * held, and as root each frame of the machine's memory by its MMIO number, the LAPIC's and the
 * IOAPIC's. A vulnerable system maps one of them.
 */
#include "test.h"

#define R  HV_MAP_READ
#define RW (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "frames that are not a domain's RAM are nobody's RAM";

static uint64_t address, space, port, child;

/* What each call answers for a frame that is no RAM of `dom`. */
static void check_as_ram(uint64_t dom, uint64_t gfn)
{
    HV_BUFFER(256) struct hv_dma_run runs[2];

    CHECK_EQ(hv_grant_create(dom, dom == HV_SELF ? child : 0, gfn, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_give_back(dom, gfn, 1), -HV_EINVAL);
    if (dom == HV_SELF)
        CHECK_EQ(hv_dma_map(0x10, gfn, 1, hv_gpa(runs)), -HV_EINVAL);
    else
        CHECK_EQ(hv_io_route(dom, 0x70, 2, port, gfn), -HV_EINVAL);
}

static void check_unmappable(uint64_t dom, uint64_t gfn, int64_t error)
{
    CHECK_EQ(test_map(dom, 0, address, gfn, 1, RW), error);
    if (dom == HV_SELF)
        CHECK_EQ(test_map(dom, space, 0x400000, gfn, 1, RW), error);
}

/* ---- RAM: the legal form, then holes ---- */

static void check_ram(void)
{
    HV_BUFFER(256) struct hv_dma_run runs[2];
    uint64_t gfn = hv_gfn(test_pages(1));
    const struct hv_start_memory *ram = hv_start_range(HV_RANGE_RAM, 0);

    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, RW), 1);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    int64_t ref = hv_grant_create(HV_SELF, child, gfn, 1, R);

    CHECK(ref > 0);
    CHECK_EQ(hv_grant_end(HV_SELF, (uint64_t)ref, 0), 0);
    CHECK_EQ(hv_dma_map(0x10, gfn, 1, hv_gpa(runs)), 1);
    CHECK_EQ(hv_dma_unmap(0x10, runs[0].address, 1), 1);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), -HV_EBUSY); /* mapped by the library */
    CHECK_EQ(test_unmap(HV_SELF, 0, (uint64_t)(uintptr_t)hv_va(gfn << HV_PAGE_SHIFT), 1), 1);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
    check_unmappable(HV_SELF, gfn, -HV_EINVAL);
    check_as_ram(HV_SELF, gfn);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), -HV_EINVAL);
    check_unmappable(HV_SELF, ram->gfn + ram->count, -HV_EINVAL);
    check_as_ram(HV_SELF, HV_GFN_WINDOW - 1);
}

static void check_windows(void)
{
    const struct hv_start_memory *w = hv_start_range(HV_RANGE_WINDOW, 0);
    const uint64_t gfns[] = { w->gfn, w->gfn + w->count - 1, w->gfn + w->count, HV_GFN_SHARED - 1 };

    for (size_t i = 0; i < sizeof gfns / sizeof *gfns; i++) {
        check_unmappable(HV_SELF, gfns[i], -HV_EINVAL);
        check_as_ram(HV_SELF, gfns[i]);
        CHECK_EQ(hv_populate(HV_SELF, gfns[i], 1), -HV_EINVAL);
    }
}

/* The shared page: in the kernel half of its own domain, never executable, nowhere else. */
static void check_shared(void)
{
    CHECK_EQ(test_map(HV_SELF, 0, address, HV_GFN_SHARED, 1, RW), 1);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    CHECK_EQ(test_map(child, 0, address, HV_GFN_SHARED, 1, RW), 1);
    CHECK_EQ(test_unmap(child, 0, address, 1), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, HV_GFN_SHARED, 1, R | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, address, HV_GFN_SHARED, 2, RW), 1); /* the second is none */
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    int64_t in_user = test_map(HV_SELF, space, 0x400000, HV_GFN_SHARED, 1, RW);

    CHECK(in_user == -HV_EINVAL || in_user == -HV_EPERM);
    for (uint64_t n = 1; n <= HV_MAX_VCPUS; n++)
        check_unmappable(HV_SELF, HV_GFN_SHARED + n, -HV_EINVAL);
    check_as_ram(HV_SELF, HV_GFN_SHARED);
    check_as_ram(child, HV_GFN_SHARED);
    CHECK_EQ(hv_populate(HV_SELF, HV_GFN_SHARED, 1), -HV_EINVAL);
}

/* ---- MMIO ---- */

#define FIRST_MIB  0x100u
#define LAST_FRAME 0xffdfu /* of 256 MiB, below what the firmware keeps */
#define LOW_RAM    0x9fu

/* Each frame of memory, and the hypervisor's devices, by their MMIO numbers. */
static void check_memory_as_mmio(void)
{
    for (uint64_t f = 0; f < LOW_RAM; f++)
        check_unmappable(HV_SELF, HV_GFN_MMIO + f, -HV_EPERM);
    for (uint64_t f = FIRST_MIB; f < LAST_FRAME; f++) {
        if (test_map(HV_SELF, 0, address, HV_GFN_MMIO + f, 1, RW) != -HV_EPERM)
            test_failure("frame %lx of RAM can be mapped as MMIO", f);
    }
    check_unmappable(HV_SELF, HV_GFN_MMIO + 0xfee00, -HV_EPERM);
    check_unmappable(HV_SELF, HV_GFN_MMIO + 0xfec00, -HV_EPERM);
    /* A run that starts in a device's registers and ends in the LAPIC's stops before them. */
    CHECK(test_map(HV_SELF, 0, address, HV_GFN_MMIO + 0xfedff, 2, RW) <= 1);
    CHECK(test_unmap(HV_SELF, 0, address, 2) == 2);
}

static void check_mmio(void)
{
    uint64_t gfn = HV_GFN_MMIO + 0xb8; /* the text screen */

    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, RW), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, gfn, 1, R | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    check_as_ram(HV_SELF, gfn);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), -HV_EINVAL);
    CHECK_EQ(test_map(child, 0, address, gfn, 1, RW), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, gfn, 1), 0);
    CHECK_EQ(test_map(child, 0, address, gfn, 1, RW), 1);
    CHECK_EQ(test_map(child, 0, address, gfn + 1, 1, RW), -HV_EPERM);
    CHECK_EQ(test_unmap(child, 0, address, 1), 1);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xfee00, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, HV_GFN_MMIO + FIRST_MIB, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xfedff, 2), -HV_EPERM);
}

/* ---- a child's view: it holds no MMIO, and root's numbers mean nothing to it ---- */

static void child_main(void)
{
    const struct hv_start_memory *ram = hv_start_range(HV_RANGE_RAM, 0);

    address = test_addresses(1);
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    for (uint64_t f = 0; f < 0x10000; f += 7)
        CHECK_EQ(test_map(HV_SELF, 0, address, HV_GFN_MMIO + f, 1, R), -HV_EPERM);
    for (uint64_t f = ram->count; f < 0x20000; f += 3)
        CHECK_EQ(test_map(HV_SELF, 0, address, f, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_dma_map(0x10, 0, 1, hv_gpa(&address)), -HV_EPERM);
}

void test_main(void)
{
    if (test_is("child")) {
        child_main();
        return;
    }
    address = test_addresses(2);
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    child = test_build("child", 0, NULL);

    check_ram();
    check_windows();
    check_shared();
    check_mmio();
    check_memory_as_mmio();
    CHECK_EQ(hv_domain_start(child), 0);
    test_join(child);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

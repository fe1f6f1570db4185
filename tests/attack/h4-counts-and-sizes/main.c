/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (H4). A count from a guest sizes a loop, an allocation, a shift. Zero, one above the
 * maximum, and numbers that lose their high half in an int were forgotten: the loop runs for hours
 * with interrupts off, the product wraps to something small, an index reaches beyond a table.
 *
 * This guest gives every count, length, number of a port, reason and flag of every call the values
 * 0, max + 1, 2^31, 2^32, 2^32 + 1, 2^63 and -1, and every field of domain_create its limits. A
 * vulnerable system hangs or accepts one. Held here: -HV_EINVAL at once, and max itself works.
 */
#include "nasty.h"
#include "test.h"

#define R HV_MAP_READ

const char test_title[] = "counts, sizes and numbers beyond their documented maximum are refused";

static const uint64_t large[] = { NASTY_LARGE };
#define LARGES (sizeof large / sizeof *large)

static uint64_t child, port, gpa, gfn;

/* What is refused with 0, with max + 1, and with every number from there on. */
static void refuses(const char *name, int64_t (*call)(uint64_t count), uint64_t max)
{
    uint64_t value = 0;

    for (size_t i = 0; i < LARGES + 2; i++) {
        value = i == 0 ? 0 : i == 1 ? max + 1 : large[i - 2];
        if (value != 0 && value <= max)
            continue;
        int64_t result = call(value);

        if (result != -HV_EINVAL)
            test_failure("%s with 0x%lx: %ld", name, value, result);
    }
    if (call(max) == -HV_EINVAL)
        test_failure("%s refuses its maximum, %lu", name, max);
}

static int64_t write_bytes(uint64_t n)
{
    return hv_console_write(gpa, n);
}
static int64_t read_bytes(uint64_t n)
{
    return hv_console_read(gpa, n);
}
static int64_t trace_entries(uint64_t n)
{
    return hv_trace_read(0, 0, gpa, n);
}
static int64_t map_runs(uint64_t n)
{
    return hv_map(HV_SELF, 0, gpa, n);
}
static int64_t unmap_runs(uint64_t n)
{
    return hv_unmap(HV_SELF, 0, gpa, n);
}
static int64_t protect_runs(uint64_t n)
{
    return hv_protect(HV_SELF, 0, gpa, n);
}
static int64_t populate_pages(uint64_t n)
{
    return hv_populate(child, 192 - 64, n);
}
static int64_t dma_pages(uint64_t n)
{
    return hv_dma_map(0x10, gfn, n, gpa);
}
static int64_t grant_pages(uint64_t n)
{
    return hv_grant_create(HV_SELF, child, gfn, n, R);
}
static int64_t grant_maps(uint64_t n)
{
    return hv_grant_map(HV_SELF, gpa, n);
}
static int64_t grant_unmaps(uint64_t n)
{
    return hv_grant_unmap(HV_SELF, gpa, n);
}
static int64_t grant_copies(uint64_t n)
{
    return hv_grant_copy(gpa, n);
}
static int64_t poll_ports(uint64_t n)
{
    return hv_poll(gpa, n, 0);
}
static int64_t copy_bytes(uint64_t n)
{
    return hv_domain_copy(child, 0, hv_gpa(test_title) & ~(uint64_t)0xfff, n, 1);
}
static int64_t route_ports(uint64_t n)
{
    return hv_io_route(child, 0x100, n, port, gfn);
}
static int64_t assign_ports(uint64_t n)
{
    return hv_assign(child, HV_ASSIGN_PORTS, 0x100, n);
}

static void check_counts(void)
{
    uint8_t *page = hv_va(gpa);
    struct hv_map_run *run = (void *)page;

    refuses("console_write", write_bytes, 4096);
    refuses("console_read", read_bytes, 4096);
    refuses("trace_read", trace_entries, 85);
    memset(page, 0, HV_PAGE_SIZE);
    for (unsigned i = 0; i < HV_MAX_MAP_RUNS; i++)
        run[i] = (struct hv_map_run){ HV_FREE_START, gfn, 1, R };
    refuses("map", map_runs, HV_MAX_MAP_RUNS);
    for (unsigned i = 0; i < HV_MAX_MAP_RUNS; i++)
        run[i].gfn = 0;
    refuses("protect", protect_runs, HV_MAX_MAP_RUNS);
    for (unsigned i = 0; i < HV_MAX_MAP_RUNS; i++)
        run[i].rights = 0;
    refuses("unmap", unmap_runs, HV_MAX_MAP_RUNS);
    memset(page, 0, HV_PAGE_SIZE);
    CHECK_EQ(hv_give_back(child, 192 - 64, 64), 64);
    for (unsigned i = 0; i < HV_MAX_POLL_PORTS; i++)
        ((uint32_t *)(void *)page)[i] = (uint32_t)port;
    refuses("poll", poll_ports, HV_MAX_POLL_PORTS);
    refuses("populate", populate_pages, 64);
    refuses("grant_create", grant_pages, HV_MAX_GRANT_PAGES);
    refuses("domain_copy", copy_bytes, 65536);
    CHECK_EQ(grant_maps(0), -HV_EINVAL);
    CHECK_EQ(grant_unmaps(0), -HV_EINVAL);
    CHECK_EQ(grant_copies(0), -HV_EINVAL);
}

/* Where the content is refused anyway, the bad count must be refused first: the buffer is bad too.
 */
static void check_counts_before_buffers(void)
{
    uint64_t good = gpa;

    gpa = ~(uint64_t)0;
    for (size_t i = 0; i < LARGES; i++) {
        CHECK_EQ(map_runs(large[i]), -HV_EINVAL);
        CHECK_EQ(unmap_runs(large[i]), -HV_EINVAL);
        CHECK_EQ(protect_runs(large[i]), -HV_EINVAL);
        CHECK_EQ(grant_maps(large[i]), -HV_EINVAL);
        CHECK_EQ(grant_unmaps(large[i]), -HV_EINVAL);
        CHECK_EQ(grant_copies(large[i]), -HV_EINVAL);
        CHECK_EQ(dma_pages(large[i]), -HV_EINVAL);
        CHECK_EQ(poll_ports(large[i]), -HV_EINVAL);
    }
    CHECK_EQ(poll_ports(HV_MAX_POLL_PORTS + 1), -HV_EINVAL);
    CHECK_EQ(poll_ports(HV_MAX_POLL_PORTS), -HV_EFAULT);
    CHECK_EQ(grant_maps(HV_MAX_GRANT_BATCH + 1), -HV_EINVAL);
    CHECK_EQ(grant_maps(HV_MAX_GRANT_BATCH), -HV_EFAULT);
    CHECK_EQ(grant_copies(HV_MAX_GRANT_BATCH + 1), -HV_EINVAL);
    CHECK_EQ(grant_copies(HV_MAX_GRANT_BATCH), -HV_EFAULT);
    CHECK_EQ(grant_unmaps(HV_MAX_GRANT_BATCH + 1), -HV_EINVAL);
    CHECK_EQ(grant_unmaps(HV_MAX_GRANT_BATCH), -HV_EFAULT);
    CHECK_EQ(dma_pages(HV_MAX_DMA_PAGES + 1), -HV_EINVAL);
    CHECK_EQ(dma_pages(HV_MAX_DMA_PAGES), -HV_EFAULT);
    gpa = good;
}

static void check_dma(void)
{
    struct hv_dma_run *run = hv_va(gpa);
    static const uint64_t addresses[] = { 0, 1, 0x1000, NASTY_LARGE };

    refuses("dma_map", dma_pages, HV_MAX_DMA_PAGES);
    for (unsigned left = HV_MAX_DMA_PAGES, i = 0; left > 0; i++) {
        CHECK_EQ(run[i].pages <= left, true);
        CHECK_EQ(hv_dma_unmap(0x10, run[i].address, 0), -HV_EINVAL);
        CHECK_EQ(hv_dma_unmap(0x10, run[i].address + 1, run[i].pages), -HV_EINVAL);
        CHECK_EQ(hv_dma_unmap(0x18, run[i].address, run[i].pages), -HV_EINVAL);
        for (size_t n = 0; n < LARGES; n++)
            CHECK_EQ(hv_dma_unmap(0x10, run[i].address, large[n]), -HV_EINVAL);
        CHECK_EQ(hv_dma_unmap(0x10, run[i].address, run[i].pages), run[i].pages);
        CHECK_EQ(hv_dma_unmap(0x10, run[i].address, run[i].pages), -HV_EINVAL);
        left -= (unsigned)run[i].pages;
    }
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        CHECK_EQ(hv_dma_unmap(0x10, addresses[i], 1), -HV_EINVAL);
    for (size_t i = 3; i < LARGES; i++) /* no PCI function has a number of 2^16 or more */
        CHECK_EQ(hv_dma_map(large[i], gfn, 1, gpa), -HV_EPERM);
}

static void check_ports(void)
{
    static const struct {
        uint64_t first, count;
    } bad[] = { { 0xffff, 2 },       { 0x10000, 1 },
                { 0x10000, 0 },      { 0, 0x10001 },
                { 0x8000, 0x8001 },  { ~(uint64_t)0, 2 },
                { ~(uint64_t)0, 1 }, { 2, ~(uint64_t)0 },
                { 1, ~(uint64_t)0 }, { 0x8000000000000000, 0x8000000000000000 },
                { 0x100000100, 1 },  { 0x100, 0x100000001 } };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(hv_io_route(child, bad[i].first, bad[i].count, port, gfn), -HV_EINVAL);
        CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, bad[i].first, bad[i].count), -HV_EINVAL);
    }
    CHECK_EQ(assign_ports(0), -HV_EINVAL);
    CHECK_EQ(assign_ports(1), 0);
    CHECK_EQ(route_ports(0), -HV_EINVAL);
    CHECK_EQ(route_ports(1), 0);
    CHECK_EQ(hv_io_route(child, 0x100, 1, port, gfn), -HV_EBUSY);
    CHECK_EQ(hv_io_route(child, 0xff, 3, port, gfn), -HV_EBUSY);
    CHECK_EQ(hv_io_route(child, 0xffff, 1, port, gfn), 0);
    CHECK_EQ(hv_io_route(child, 0x200, 1, 0, gfn), -HV_EINVAL);
    for (size_t i = 0; i < LARGES; i++) {
        CHECK_EQ(hv_io_route(child, 0x200, 1, large[i], gfn), -HV_EINVAL);
        CHECK_EQ(hv_assign(child, HV_ASSIGN_IRQ, large[i], 0) == 0, false);
        CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE, large[i] | 0x10000, 0) == 0, false);
        CHECK_EQ(hv_assign(child, large[i], 0, 1), -HV_EINVAL);
    }
    CHECK_EQ(hv_assign(child, 0, 0x100, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE + 1, 0x100, 1), -HV_EINVAL);
}

/* ---- domain_create, each field ---- */

static int64_t create(const struct hv_domain_create *c)
{
    HV_BUFFER(64) struct hv_domain_create copy = *c;
    int64_t dom = hv_domain_create(hv_gpa(&copy));

    if (dom >= 0) {
        while (hv_domain_destroy((uint64_t)dom) > 0)
            ;
        return 0;
    }
    return dom;
}

static void check_create(void)
{
    const struct hv_domain_create good = {
        .quota = 600, .ram_pages = 256, .window_pages = 64, .vcpus = 1, .weight = 256
    };
    struct hv_domain_create c = good;

#define WITH(field, value, result)                                                                 \
    c = good;                                                                                      \
    c.field = (value);                                                                             \
    CHECK_EQ(create(&c), (result))
    CHECK_EQ(create(&good), 0);
    WITH(ram_pages, 0, -HV_EINVAL);
    WITH(ram_pages, HV_MAX_RAM_PAGES + 1, -HV_EINVAL);
    WITH(window_pages, HV_MAX_WINDOW_PAGES + 1, -HV_EINVAL);
    WITH(window_pages, 0, 0);
    WITH(vcpus, 0, -HV_EINVAL);
    WITH(vcpus, 2, 0);
    WITH(vcpus, HV_MAX_VCPUS, 0);
    WITH(vcpus, HV_MAX_VCPUS + 1, -HV_EINVAL);
    WITH(weight, 0, -HV_EINVAL);
    WITH(weight, 1, 0);
    WITH(weight, 65535, 0);
    WITH(weight, 65536, -HV_EINVAL);
    WITH(cap, 6400, 0);
    WITH(cap, 6401, -HV_EINVAL);
    WITH(flags, HV_CREATE_MAY_CREATE, 0);
    WITH(quota, 0, -HV_EINVAL);
    WITH(quota, 1, -HV_ENOMEM);
    WITH(quota, 20, -HV_ENOMEM);
    for (size_t i = 0; i < LARGES; i++) {
        if (large[i] > 0xffff) {
            WITH(quota, large[i], -HV_ENOMEM);
        }
        if (large[i] > HV_MAX_RAM_PAGES) {
            WITH(ram_pages, large[i], -HV_EINVAL);
        }
        if (large[i] > HV_MAX_WINDOW_PAGES) {
            WITH(window_pages, large[i], -HV_EINVAL);
        }
        if ((uint32_t)large[i] > HV_MAX_VCPUS) {
            WITH(vcpus, (uint32_t)large[i], -HV_EINVAL);
        }
        if ((uint32_t)large[i] > 65535) {
            WITH(weight, (uint32_t)large[i], -HV_EINVAL);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        WITH(rsvd1, (uint64_t)1 << bit, -HV_EINVAL);
        if (bit < 32) {
            WITH(rsvd0, (uint32_t)1 << bit, -HV_EINVAL);
            WITH(domains, (uint32_t)1 << bit, -HV_EINVAL); /* with no right to create */
        }
        if (bit > 0 && bit < 32) {
            WITH(flags, (uint32_t)1 << bit, -HV_EINVAL);
        }
    }
    /* A quota that is enough for the record but not for the largest tables is found out in time. */
    c = good;
    c.ram_pages = HV_MAX_RAM_PAGES;
    c.window_pages = HV_MAX_WINDOW_PAGES;
    c.quota = HV_MAX_WINDOW_PAGES / 64;
    CHECK_EQ(create(&c), -HV_ENOMEM);
}

/* A quota that ends at each of the allocations in turn: refused with nothing lost, until it is
 * enough. */
static void check_each_quota(void)
{
    struct hv_domain_create c = {
        .ram_pages = 1000, .window_pages = 100, .vcpus = 1, .weight = 256
    };
    int64_t result = -HV_ENOMEM;

    for (c.quota = 1; c.quota < 100; c.quota++) {
        int64_t before = result;

        result = create(&c);
        CHECK(result == 0 || (result == -HV_ENOMEM && before == -HV_ENOMEM));
    }
    CHECK_EQ(result, 0);
}

static void check_numbers(void)
{
    CHECK_EQ(hv_event_set_priority(HV_SELF, port, HV_PRIORITY_URGENT), 0);
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, 0), 0);
    CHECK_EQ(hv_shutdown(16), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, 0, 0), -HV_EINVAL);
    for (size_t i = 0; i < LARGES; i++) {
        CHECK_EQ(hv_event_set_priority(HV_SELF, port, large[i]), -HV_EINVAL);
        CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, large[i]), -HV_EINVAL);
        CHECK_EQ(hv_shutdown(large[i]), -HV_EINVAL);
        CHECK_EQ(hv_set_timer(large[i]), 0);
        CHECK_EQ(hv_grant_end(HV_SELF, large[i], 0), -HV_EINVAL);
        CHECK_EQ(hv_domain_copy(child, 0, gpa, 8, large[i]), -HV_EINVAL);
        CHECK_EQ(hv_io_complete(child, large[i], 0, 0), -HV_EINVAL);
    }
    CHECK_EQ(hv_event_set_priority(HV_SELF, port, 2), -HV_EINVAL);
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, 1), -HV_EINVAL);
    CHECK_EQ(hv_domain_copy(child, 0, gpa, 8, 2), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(child, 0, 0, 0), -HV_EINVAL);
    CHECK_EQ(hv_set_timer(0), 0);
}

/* force and rights of a grant that is live */
static void check_grant_arguments(void)
{
    static const uint64_t rights[] = { 0, HV_MAP_WRITE, HV_MAP_EXEC, 5, 7, 8, 3 | 8, NASTY_LARGE };
    uint64_t ref = (uint64_t)NEED(grant_pages(1));

    CHECK_EQ(hv_grant_end(HV_SELF, ref, 2), -HV_EINVAL);
    for (size_t i = 0; i < LARGES; i++)
        CHECK_EQ(hv_grant_end(HV_SELF, ref, large[i]), -HV_EINVAL);
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        CHECK_EQ(hv_grant_create(HV_SELF, child, gfn, 1, rights[i]), -HV_EINVAL);
    CHECK_EQ(hv_grant_create(HV_SELF, HV_SELF, gfn, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_grant_create(HV_SELF, 0, gfn, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_grant_create(HV_SELF, child + 1, gfn, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref ^ (uint64_t)1 << HV_GRANT_SLOT_BITS, 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref | (uint64_t)1 << 63, 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref + HV_MAX_GRANTS, 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), 0);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), -HV_EINVAL);
}

void test_main(void)
{
    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    gpa = hv_gpa(test_pages(1));
    gfn = hv_gfn(test_pages(HV_MAX_GRANT_PAGES));
    check_counts();
    check_counts_before_buffers();
    check_dma();
    check_ports();
    check_create();
    check_each_quota();
    check_numbers();
    check_grant_arguments();
    test_destroy(child);
    hv_puts("\n"); /* behind the zeros that console_write was given */
}

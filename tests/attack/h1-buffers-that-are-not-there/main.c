/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (H1). Every call that takes a buffer copies to or from a place that the guest names. The
 * first byte of the buffer was looked up and the last one forgotten; or the look-up was made for
 * reading and used for writing; or once, before the memory went away.
 *
 * This guest gives each call each kind of address that is no buffer: behind its RAM, in a hole, on
 * the edge of two pages, in numbers that wrap, MMIO, the shared page, a window without a grant, a
 * window whose grant was revoked, and for output a window that is read-only. A vulnerable system
 * writes into its own or a neighbour's memory. Held here: -HV_EFAULT, before anything has changed.
 */
#include "hvlib/grant.h"
#include "nasty.h"
#include "test.h"

#define R  HV_MAP_READ
#define RW (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "a buffer that is not the caller's memory is a fault, in every call";

static uint64_t child, port, own_gfn;

/* ---- the calls: legal but for the buffer ---- */

static int64_t call_console_write(uint64_t gpa)
{
    return hv_console_write(gpa, 8);
}
static int64_t call_console_read(uint64_t gpa)
{
    return hv_console_read(gpa, 64);
}
static int64_t call_counters(uint64_t gpa)
{
    return hv_counters(HV_SELF, gpa);
}
static int64_t call_trace_read(uint64_t gpa)
{
    return hv_trace_read(0, 0, gpa, 1);
}
static int64_t call_set_entry(uint64_t gpa)
{
    return hv_set_entry(gpa);
}
static int64_t call_map(uint64_t gpa)
{
    return hv_map(HV_SELF, 0, gpa, 1);
}
static int64_t call_unmap(uint64_t gpa)
{
    return hv_unmap(HV_SELF, 0, gpa, 1);
}
static int64_t call_protect(uint64_t gpa)
{
    return hv_protect(HV_SELF, 0, gpa, 1);
}
static int64_t call_dma_map(uint64_t gpa)
{
    return hv_dma_map(0x10, own_gfn, 1, gpa);
}
static int64_t call_bind_msi(uint64_t gpa)
{
    int64_t result = hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10, 0, gpa);

    return result > 0 ? hv_event_close(HV_SELF, (uint64_t)result) : result;
}
static int64_t call_status(uint64_t gpa)
{
    return hv_event_status(HV_SELF, port, gpa);
}
static int64_t call_poll(uint64_t gpa)
{
    return hv_poll(gpa, 2, 0);
}
static int64_t call_grant_map(uint64_t gpa)
{
    return hv_grant_map(HV_SELF, gpa, 1);
}
static int64_t call_grant_unmap(uint64_t gpa)
{
    return hv_grant_unmap(HV_SELF, gpa, 1);
}
static int64_t call_grant_copy(uint64_t gpa)
{
    return hv_grant_copy(gpa, 1);
}
static int64_t call_domain_create(uint64_t gpa)
{
    return hv_domain_create(gpa);
}
static int64_t call_set_context(uint64_t gpa)
{
    return hv_vcpu_set_context(child, 0, gpa);
}
static int64_t call_domain_info(uint64_t gpa)
{
    return hv_domain_info(child, gpa);
}
static int64_t call_vcpu_info(uint64_t gpa)
{
    return hv_vcpu_info(child, 0, gpa);
}
static int64_t call_copy_out(uint64_t gpa)
{
    return hv_domain_copy(child, 0, gpa, 8, 1);
}
static int64_t call_copy_in(uint64_t gpa)
{
    return hv_domain_copy(child, 0, gpa, 8, 0);
}

static const struct {
    int64_t (*call)(uint64_t gpa);
    const char *name;
    uint32_t bytes;
    bool out;       /* written */
    bool long_form; /* may go on on the next page */
    int64_t legal;  /* result with 0s in the buffer, or NO_CHECK */
} calls[] = {
#define NO_CHECK 999
    { call_console_write, "console_write", 8, false, false, NO_CHECK },
    { call_console_read, "console_read", 64, true, false, 0 },
    { call_counters, "counters", 128, true, false, 0 },
    { call_trace_read, "trace_read", 48, true, false, NO_CHECK },
    { call_set_entry, "set_entry", 48, false, false, -HV_EINVAL },
    { call_map, "map", 24, false, false, -HV_EINVAL },
    { call_unmap, "unmap", 24, false, false, -HV_EINVAL },
    { call_protect, "protect", 24, false, false, -HV_EINVAL },
    { call_dma_map, "dma_map", 16, true, false, NO_CHECK },
    { call_bind_msi, "event_bind", 16, true, false, 0 },
    { call_status, "event_status", 48, true, false, 0 },
    { call_poll, "poll", 8, false, false, -HV_EINVAL },
    { call_grant_map, "grant_map", 40, false, false, -HV_EINVAL },
    { call_grant_unmap, "grant_unmap", 8, false, false, -HV_EINVAL },
    { call_grant_copy, "grant_copy", 40, false, false, -HV_EINVAL },
    { call_domain_create, "domain_create", 56, false, false, -HV_EINVAL },
    { call_set_context, "vcpu_set_context", 32, false, false, -HV_EINVAL },
    { call_domain_info, "domain_info", sizeof(struct hv_domain_info), true, false, 0 },
    { call_vcpu_info, "vcpu_info", sizeof(struct hv_vcpu_info), true, false, 0 },
    { call_copy_out, "domain_copy from", 8, false, true, 8 },
    { call_copy_in, "domain_copy to", 8, true, true, 8 },
};
#define CALLS (sizeof calls / sizeof *calls)

/* ---- the places ---- */

static uint8_t *good;                           /* two pages, then a hole */
static uint64_t read_only, read_write, revoked; /* windows */
static uint64_t ref_revoked;

static int64_t window_map(uint64_t window, uint64_t ref, uint32_t rights)
{
    HV_BUFFER(64)
    struct hv_grant_map m = { child, ref, window, (uint32_t)port, (uint16_t)rights, 1, 0 };

    return hv_grant_map(HV_SELF, hv_gpa(&m), 1);
}

static void make_places(void)
{
    uint64_t end, ref_a, ref_b;

    good = test_pages(3);
    end = hv_gfn(good) + 2;
    NEED(test_unmap(HV_SELF, 0, (uint64_t)(uintptr_t)hv_va(end << HV_PAGE_SHIFT), 1));
    NEED(hv_give_back(HV_SELF, end, 1));
    ref_a = (uint64_t)NEED(hv_grant_create(child, 0, 180, 1, R));
    ref_b = (uint64_t)NEED(hv_grant_create(child, 0, 181, 1, RW));
    ref_revoked = (uint64_t)NEED(hv_grant_create(child, 0, 182, 1, RW));
    read_only = test_windows(1);
    read_write = test_windows(1);
    revoked = test_windows(1);
    NEED(window_map(read_only, ref_a, R));
    NEED(window_map(read_write, ref_b, RW));
    NEED(window_map(revoked, ref_revoked, RW));
    NEED(hv_grant_end(child, ref_revoked, 1));
}

static void faults(size_t c, uint64_t gpa, const char *place)
{
    int64_t result = calls[c].call(gpa);

    if (result != -HV_EFAULT)
        test_failure("%s with a buffer %s (0x%lx): %ld", calls[c].name, place, gpa, result);
}

static void works(size_t c, uint64_t gpa)
{
    int64_t result = calls[c].call(gpa);

    if (calls[c].legal == NO_CHECK ? result < 0 : result != calls[c].legal)
        test_failure("%s with a good buffer (0x%lx): %ld", calls[c].name, gpa, result);
}

static void check_good(size_t c)
{
    uint64_t gpa = hv_gpa(good);

    memset(good, 0, (size_t)2 * HV_PAGE_SIZE);
    works(c, gpa);
    memset(good, 0, (size_t)2 * HV_PAGE_SIZE);
    works(c, gpa + HV_PAGE_SIZE - calls[c].bytes);
    memset(good, 0, (size_t)2 * HV_PAGE_SIZE);
    works(c, gpa + 2 * HV_PAGE_SIZE - calls[c].bytes);
    works(c, read_write << HV_PAGE_SHIFT);
    if (!calls[c].out)
        works(c, read_only << HV_PAGE_SHIFT);
}

static void check_edges(size_t c)
{
    uint64_t gpa = hv_gpa(good);

    for (uint32_t over = 1; over < calls[c].bytes; over++) {
        if (!calls[c].long_form)
            faults(c, gpa + HV_PAGE_SIZE - calls[c].bytes + over, "across two pages");
        if (!calls[c].long_form)
            faults(c, gpa + 2 * HV_PAGE_SIZE - calls[c].bytes + over, "into a hole");
    }
    faults(c, gpa + 2 * HV_PAGE_SIZE, "in a hole");
}

static void check_places(size_t c)
{
    static const uint64_t none[] = { NASTY_LARGE };
    const struct hv_start_memory *ram = hv_start_range(HV_RANGE_RAM, 0);
    const struct hv_start_memory *windows = hv_start_range(HV_RANGE_WINDOW, 0);
    uint64_t end = ram->gfn + ram->count;

    faults(c, end << HV_PAGE_SHIFT, "behind RAM");
    faults(c, HV_MAX_RAM_PAGES << HV_PAGE_SHIFT, "behind all RAM");
    faults(c, (HV_GFN_WINDOW << HV_PAGE_SHIFT) - 16, "below the windows");
    faults(c, (windows->gfn + windows->count - 1) << HV_PAGE_SHIFT, "in an empty window");
    faults(c, (windows->gfn + windows->count) << HV_PAGE_SHIFT, "behind the windows");
    faults(c, HV_GFN_SHARED << HV_PAGE_SHIFT, "in the shared page");
    faults(c, (HV_GFN_SHARED << HV_PAGE_SHIFT) + 0x800, "in the shared page");
    faults(c, (HV_GFN_SHARED + 1) << HV_PAGE_SHIFT, "in another shared page");
    faults(c, (HV_GFN_MMIO + 0xb8) << HV_PAGE_SHIFT, "in MMIO");
    faults(c, (HV_GFN_MMIO + 0xfee00) << HV_PAGE_SHIFT, "in the LAPIC");
    faults(c, revoked << HV_PAGE_SHIFT, "in a revoked window");
    if (calls[c].out)
        faults(c, read_only << HV_PAGE_SHIFT, "in a read-only window");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (none[i] >> HV_PAGE_SHIFT >= HV_MAX_RAM_PAGES && none[i] < ~(uint64_t)7 - 8)
            faults(c, none[i], "nowhere");
        faults(c, hv_gpa(good) | (uint64_t)1 << (34 + i), "with a high bit");
    }
}

/* A buffer at the very end of the number space: refused, by whichever question comes first. */
static void check_wrapping(size_t c)
{
    for (uint64_t back = 1; back <= calls[c].bytes; back++) {
        int64_t result = calls[c].call(0 - back);

        if (result != -HV_EFAULT && !(calls[c].long_form && result == -HV_EINVAL))
            test_failure("%s with a buffer at -%lu: %ld", calls[c].name, back, result);
    }
}

/* A port that could not be told to the caller was not made; control copy stops where memory does.
 */
static void check_no_effect(void)
{
    uint64_t first = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF)),
             end = hv_gpa(good) + 2 * HV_PAGE_SIZE;

    NEED(hv_event_close(HV_SELF, first));
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10, 0, end), -HV_EFAULT);
    CHECK_EQ(hv_event_alloc(HV_SELF, HV_SELF), first);
    CHECK_EQ(hv_domain_copy(child, 0, end - 100, 200, 0), 100);
    CHECK_EQ(hv_domain_copy(child, 0, end - 100, 200, 1), 100);
    CHECK_EQ(hv_domain_copy(child, 0, end - HV_PAGE_SIZE - 7, 100, 0), 100);
    CHECK_EQ(hv_domain_copy(child, 192 * HV_PAGE_SIZE - 9, hv_gpa(good), 100, 0), 9);
    CHECK_EQ(hv_domain_copy(child, 192 * HV_PAGE_SIZE, hv_gpa(good), 1, 0), -HV_EFAULT);
    CHECK_EQ(hv_domain_copy(child, HV_GFN_SHARED << HV_PAGE_SHIFT, hv_gpa(good), 1, 0), -HV_EFAULT);
    CHECK_EQ(hv_domain_copy(child, HV_GFN_MMIO << HV_PAGE_SHIFT, hv_gpa(good), 1, 1), -HV_EFAULT);
}

/* The second buffer of grant_copy, named inside the first. */
static void check_grant_copy_entry(void)
{
    HV_BUFFER(64)
    struct hv_grant_copy e = { .owner = child, .bytes = 64 };
    const uint64_t bad[] = { hv_gpa(good) + 2 * HV_PAGE_SIZE,
                             hv_gpa(good) + HV_PAGE_SIZE - 63,
                             HV_GFN_SHARED << HV_PAGE_SHIFT,
                             revoked << HV_PAGE_SHIFT,
                             (HV_GFN_MMIO + 0xb8) << HV_PAGE_SHIFT,
                             ~(uint64_t)0,
                             0 - (uint64_t)64 };

    e.ref = (uint64_t)NEED(hv_grant_create(child, 0, 183, 1, RW));
    e.gpa = hv_gpa(good) + HV_PAGE_SIZE - 64;
    CHECK_EQ(hv_grant_copy(hv_gpa(&e), 1), 1);
    for (e.flags = 0; e.flags < 2; e.flags++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            e.gpa = bad[i];
            CHECK_EQ(hv_grant_copy(hv_gpa(&e), 1), -HV_EFAULT);
        }
    }
    e.flags = 0;
    e.gpa = read_only << HV_PAGE_SHIFT;
    CHECK_EQ(hv_grant_copy(hv_gpa(&e), 1), -HV_EFAULT);
    e.flags = HV_GRANT_COPY_TO_PEER;
    CHECK_EQ(hv_grant_copy(hv_gpa(&e), 1), 1);
    CHECK_EQ(hv_grant_end(child, e.ref, 0), 0);
}

void test_main(void)
{
    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    own_gfn = hv_gfn(test_pages(1));
    make_places();
    for (size_t c = 0; c < CALLS; c++) {
        check_good(c);
        check_edges(c);
        check_places(c);
        check_wrapping(c);
        check_good(c);
    }
    check_no_effect();
    check_grant_copy_entry();
    test_destroy(child);
    hv_puts("\n"); /* behind the zeros that console_write was given */
}

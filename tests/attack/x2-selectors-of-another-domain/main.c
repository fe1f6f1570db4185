/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (X2). Data segment selectors do nothing in 64-bit code, so a hypervisor that has only flat
 * segments forgets that they are registers: a guest can write DS, ES, FS and GS (with any selector
 * of the table that ring 3 may load) and read them. What it wrote is still there when another
 * domain runs: an open channel between domains that were never allowed to talk, and a base of FS or
 * GS that was cleared behind the other's back when hyp reloads them in the wrong order.
 *
 * One child writes all four selectors as often as it is let run, the other reads its own and its FS
 * and GS bases each time it comes back. They share a processor, each that there is in turn. A
 * vulnerable hypervisor shows the first one's selectors.
 *
 * The legal form: a selector that was just loaded reads back, bases are kept across switches.
 */
#include "hvlib/clock.h"
#include "test.h"

#define FLAT      0x1bu /* the data segment of ring 3 */
#define ROUNDS    8u
#define FS_BASE   UINT64_C(0x123456789000)
#define GS_BASE   UINT64_C(0xfffffd0000001000)
#define SELECTORS 4

const char test_title[] = "no domain sees another's segment selectors";

static void load(uint32_t s)
{
    bool was = hv_mask();
    uint64_t fs, gs;

    /* Loading FS and GS clears the bases: put them back. */
    __asm__ volatile("rdfsbase %0\n\trdgsbase %1\n\t"
                     "mov %2, %%ds\n\tmov %2, %%es\n\tmov %2, %%fs\n\tmov %2, %%gs\n\t"
                     "wrfsbase %0\n\twrgsbase %1"
                     : "=&r"(fs), "=&r"(gs)
                     : "r"(s)
                     : "memory");
    hv_restore(was);
}

static void read(uint32_t s[SELECTORS])
{
    __asm__ volatile("mov %%ds, %0\n\tmov %%es, %1\n\tmov %%fs, %2\n\tmov %%gs, %3"
                     : "=r"(s[0]), "=r"(s[1]), "=r"(s[2]), "=r"(s[3]));
}

static void be_writer(void)
{
    uint32_t s[SELECTORS];

    /* A switch between the two calls makes them null again, rarely twice. */
    for (unsigned tries = 0; tries < 1000; tries++) {
        load(FLAT);
        read(s);
        if (s[0] == FLAT && s[3] == FLAT)
            break;
    }
    for (int i = 0; i < SELECTORS; i++)
        CHECK_EQ(s[i], FLAT);
    while (test_shared(TEST_PARENT)[0] == 0) {
        load(FLAT);
        hv_yield();
    }
}

/* A switch with bases of its own. The library finds its shared page by GS: it is put back at once.
 */
static void yield_with_bases(void)
{
    bool was = hv_mask();
    uint64_t fs, gs, page = (uint64_t)(uintptr_t)hv_this_page();

    __asm__ volatile("wrfsbase %0\n\twrgsbase %1" : : "r"(FS_BASE), "r"(GS_BASE) : "memory");
    hv_yield();
    __asm__ volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(fs), "=r"(gs));
    hv_use_page(page);
    hv_restore(was);
    CHECK_EQ(fs, FS_BASE);
    CHECK_EQ(gs, GS_BASE);
}

static void be_reader(void)
{
    uint32_t s[SELECTORS];

    while (test_shared(TEST_PARENT)[0] == 0) {
        yield_with_bases();
        read(s);
        for (int i = 0; i < SELECTORS; i++) {
            if (s[i] & ~3u)
                test_failure("selector %d is %x after a switch", i, s[i]);
        }
    }
}

void test_main(void)
{
    if (test_is("writer")) {
        be_writer();
    } else if (test_is("reader")) {
        be_reader();
    } else {
        uint64_t writer = test_spawn("writer", 0), reader = test_spawn("reader", 0);

        for (unsigned n = 0; n < ROUNDS; n++)
            test_share(writer, reader, n);
        test_signal(writer, 0, 1);
        test_signal(reader, 0, 1);
        test_join(reader);
        test_join(writer);
    }
}

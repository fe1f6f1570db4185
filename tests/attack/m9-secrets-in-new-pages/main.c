/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (M9). A page that changes hands carries what its last owner wrote. The pages of a new
 * domain were cleared; forgotten were those that come by another way: given back and populated
 * again, freed page tables and records, the shared page, the rest of a page that an image only
 * partly fills.
 *
 * A victim fills all its memory with a secret and is destroyed, shut down, killed, or gives pages
 * back; tables and records are made and freed in between. Afterwards this guest populates all that
 * it can get, in a child and in itself, and reads every byte. A vulnerable system shows the secret.
 */
#include "hvlib/builder.h"
#include "test.h"

#define SECRET 0x5ec2e75ec2e75ec2u
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define CHUNK  512u

const char test_title[] = "every page that a domain newly receives is zero";

static void victim(void)
{
    uint64_t count, first = hv_start_free_ram(&count);
    uint64_t *words = hv_va(first << HV_PAGE_SHIFT);
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    /* Tables of its own, full of entries. */
    for (uint64_t i = 0; i < 32; i++)
        NEED(test_map(HV_SELF, space, i << 30, first, 64, RW));
    for (uint64_t i = 0; i < count * 512; i++)
        words[i] = SECRET;
    if (test_is("killed")) {
        *(volatile uint32_t *)&hv_vcpu->busy = 1;
        __asm__ volatile("ud2");
    }
    if (test_is("loops")) {
        test_signal(TEST_PARENT, 0, 1);
        for (;;)
            hv_relax();
    }
}

static void check_zeros(const uint64_t *words, uint64_t pages, const char *what)
{
    for (uint64_t i = 0; i < pages * 512; i++) {
        if (words[i] != 0)
            test_failure("%s: word %lu of page %lu is 0x%lx", what, i % 512, i / 512, words[i]);
    }
}

/* All memory that root has left, by a domain that is never started: read through control copy. */
static void check_child_pages(const char *what)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .vcpus = 1, .weight = 256 };
    uint64_t *buffer = test_pages(16);
    struct hv_domain_info self = test_info(HV_SELF);
    uint64_t pages = 12000, child, populated = 0;

    (void)self;
    c.ram_pages = pages;
    c.quota = pages + 512;
    child = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));
    NEED(hv_populate_range(child, 0, pages));
    for (uint64_t g = 0; g < pages; g += 16, populated += 16) {
        memset(buffer, 0xff, (size_t)16 * HV_PAGE_SIZE);
        NEED(hv_copy_from_domain(child, g << HV_PAGE_SHIFT, buffer, (uint64_t)16 * HV_PAGE_SIZE));
        check_zeros(buffer, 16, what);
    }
    CHECK_EQ(hv_domain_end(child), 0);
}

/* Give back and populate at the same place: zero again, as often as it is done. */
static void check_own_pages(void)
{
    uint64_t *words = test_pages(CHUNK), gfn = hv_gfn(words), at = (uint64_t)(uintptr_t)words;

    for (unsigned round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < CHUNK * 512; i++)
            words[i] = SECRET;
        CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, CHUNK), 0);
        CHECK_EQ(hv_give_back_range(HV_SELF, gfn, CHUNK), 0);
        if (round & 1) { /* let them be tables in between */
            uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

            for (uint64_t i = 0; i < 100; i++)
                NEED(test_map(HV_SELF, space, i << 30, hv_gfn(&test_title) + 0, 1, HV_MAP_READ));
            CHECK_EQ(hv_space_end(HV_SELF, space), 0);
        }
        CHECK_EQ(hv_populate_range(HV_SELF, gfn, CHUNK), 0);
        CHECK_EQ(hv_map_range(HV_SELF, 0, at, gfn, CHUNK, RW), 0);
        check_zeros(words, CHUNK, "populated again");
    }
}

/* A shared page: what is not documented as written is zero before its first use. */
static void check_shared_page(void)
{
    const struct hv_vcpu_page *p = hv_vcpu;

    for (size_t i = 0; i < sizeof p->rsvd0 / 8; i++)
        CHECK_EQ(p->rsvd0[i], 0);
    for (size_t i = 0; i < sizeof p->rsvd1 / 8; i++)
        CHECK_EQ(p->rsvd1[i], 0);
    for (size_t i = 0; i < sizeof p->rsvd2 / 8; i++)
        CHECK_EQ(p->rsvd2[i], 0);
    for (size_t i = 0; i < sizeof p->rsvd3 / 8; i++)
        CHECK_EQ(p->rsvd3[i], 0);
    for (size_t i = 0; i < sizeof p->clock.rsvd / 8; i++)
        CHECK_EQ(p->clock.rsvd[i], 0);
    CHECK_EQ(p->run.rsvd, 0);
}

void test_main(void)
{
    check_shared_page();
    if (!test_is("root")) {
        if (!test_is("looks"))
            victim();
        return;
    }
    check_child_pages("at the start");
    test_join(test_spawn("shuts-down", 6000));
    check_child_pages("after a shutdown");
    test_join_killed(test_spawn("killed", 6000), "double fault");
    check_child_pages("after a kill");
    uint64_t child = test_spawn("loops", 6000);

    test_await(child, 0, 1);
    test_destroy(child);
    check_child_pages("after a destruction");
    check_own_pages();
    test_join(test_spawn("looks", 0));
}

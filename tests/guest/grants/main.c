/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Grants as they are meant to be used: read-only and read-write, of one page and of many, mapped
 * into windows that can be used again, ended by the owner when nothing is mapped; copies in both
 * directions; memory that both sides see.
 */
#include "hvlib/grant.h"
#include "test.h"

#define R     HV_MAP_READ
#define RW    (HV_MAP_READ | HV_MAP_WRITE)
#define PF    14u
#define PAGES 5u
#define LENT  170u /* pages of the child's that nothing else uses */

const char test_title[] = "grants lend exactly the pages and rights that they name";

static uint64_t child, port, window, address;

static int64_t map_at(uint64_t ref, uint64_t at, uint32_t rights)
{
    HV_BUFFER(64)
    struct hv_grant_map m = { child, ref, at, (uint32_t)port, (uint16_t)rights, PAGES, 0 };

    return hv_grant_map(HV_SELF, hv_gpa(&m), 1);
}

static int64_t unmap_at(uint64_t at)
{
    HV_BUFFER(8) uint64_t list = at;

    return hv_grant_unmap(HV_SELF, hv_gpa(&list), 1);
}

static uint64_t lend(uint64_t rights)
{
    return (uint64_t)NEED(hv_grant_create(child, 0, LENT, PAGES, rights));
}

/* What the child has in a page of the grant. */
static uint64_t child_word(uint64_t page)
{
    uint64_t value = 0;

    NEED(hv_copy_from_domain(child, (LENT + page) * HV_PAGE_SIZE, &value, sizeof value));
    return value;
}

static void check_read_write(void)
{
    uint64_t ref = lend(RW), value;

    CHECK_EQ(map_at(ref, window, RW), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, PAGES, RW), PAGES);
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK_EQ(test_try_write(address + i * HV_PAGE_SIZE, 1000 + i), TEST_NO_FAULT);
        CHECK_EQ(child_word(i), 1000 + i);
        value = 2000 + i;
        NEED(hv_copy_to_domain(child, (LENT + i) * HV_PAGE_SIZE, &value, sizeof value));
        CHECK_EQ(test_try_read(address + i * HV_PAGE_SIZE, &value), TEST_NO_FAULT);
        CHECK_EQ(value, 2000 + i);
    }
    CHECK_EQ(test_try_exec(address), PF);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, R | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(hv_protect_range(HV_SELF, 0, address, 1, R), 0);
    CHECK_EQ(test_try_write(address, 1), PF);
    CHECK_EQ(hv_protect_range(HV_SELF, 0, address, 1, RW), 0);
    CHECK_EQ(test_try_write(address, 1), TEST_NO_FAULT);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), -HV_EBUSY);
    CHECK_EQ(unmap_at(window), 1); /* and the leaves that are left go with it */
    for (uint64_t i = 0; i < PAGES; i++)
        CHECK_EQ(test_try_read(address + i * HV_PAGE_SIZE, NULL), PF);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

/* Window and addresses in one call; all of the grant or nothing. */
static void check_addresses(void)
{
    uint64_t ref = lend(RW), reader = lend(R), value = 0x77;
    HV_BUFFER(64)
    struct hv_grant_map m = { child, ref, window, (uint32_t)port, RW, PAGES, address };

    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK_EQ(test_try_write(address + i * HV_PAGE_SIZE, 3000 + i), TEST_NO_FAULT);
        CHECK_EQ(child_word(i), 3000 + i);
    }
    CHECK_EQ(unmap_at(window), 1);
    CHECK_EQ(test_try_read(address, NULL), PF);
    m.ref = reader;
    m.rights = R;
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(test_try_read(address, &value), TEST_NO_FAULT);
    CHECK_EQ(value, 3000);
    CHECK_EQ(test_try_write(address, 1), PF);
    CHECK_EQ(unmap_at(window), 1);
    for (unsigned i = 0; i < 3; i++) {
        m.address = i == 0 ? address + 1 : i == 1 ? 0x400000 : 0 - (uint64_t)HV_PAGE_SIZE;
        CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), -HV_EINVAL);
        CHECK_EQ(unmap_at(window), -HV_EINVAL);
    }
    m.address = 0;
    for (uint16_t n = PAGES + 2; n-- > PAGES - 2;) {
        m.count = n != PAGES ? n : 0;
        CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), -HV_EINVAL);
    }
    m.count = PAGES;
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(unmap_at(window), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
    CHECK_EQ(hv_grant_end(child, reader, 0), 0);
}

static void check_read_only(void)
{
    uint64_t ref = lend(R), value;

    CHECK_EQ(map_at(ref, window, RW), -HV_EINVAL);
    CHECK_EQ(map_at(ref, window, HV_MAP_WRITE), -HV_EINVAL);
    CHECK_EQ(map_at(ref, window, R | HV_MAP_EXEC), -HV_EINVAL);
    CHECK_EQ(map_at(ref, window, 0), -HV_EINVAL);
    CHECK_EQ(map_at(ref, window, R), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, PAGES, RW), -HV_EINVAL);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, PAGES, R), PAGES);
    CHECK_EQ(hv_protect_range(HV_SELF, 0, address, 1, RW), -HV_EINVAL);
    CHECK_EQ(test_try_read(address, &value), TEST_NO_FAULT);
    CHECK_EQ(test_try_write(address, 1), PF);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, PAGES), PAGES);
    CHECK_EQ(unmap_at(window), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
    /* Less than what is lent may be taken, and then it is less. */
    ref = lend(RW);
    CHECK_EQ(map_at(ref, window, R), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), -HV_EINVAL);
    CHECK_EQ(unmap_at(window), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

/* The same window again and again, other windows, parts of a window that overlap another. */
static void check_windows(void)
{
    uint64_t ref = lend(RW), other = lend(R), second = test_windows(PAGES);

    for (unsigned i = 0; i < 20; i++) {
        uint64_t at = i % 2 ? second : window;

        CHECK_EQ(map_at(ref, at, RW), 1);
        CHECK_EQ(map_at(ref, i % 2 ? window : second, RW), -HV_EBUSY);
        CHECK_EQ(map_at(other, at, R), -HV_EINVAL);
        CHECK_EQ(map_at(other, at + PAGES - 1, R), -HV_EINVAL);
        CHECK_EQ(unmap_at(at + 1), -HV_EINVAL);
        CHECK_EQ(test_map(HV_SELF, 0, address, at, PAGES, RW), PAGES);
        CHECK_EQ(test_unmap(HV_SELF, 0, address, PAGES), PAGES);
        CHECK_EQ(unmap_at(at), 1);
        CHECK_EQ(test_map(HV_SELF, 0, address, at, 1, R), -HV_EINVAL);
    }
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
    CHECK_EQ(hv_grant_end(child, other, 0), 0);
}

/* A window page has one leaf at a time, in whatever space. */
static void check_one_leaf(void)
{
    uint64_t ref = lend(RW), space = (uint64_t)NEED(hv_space_create(HV_SELF));

    CHECK_EQ(map_at(ref, window, RW), 1);
    CHECK_EQ(test_map(HV_SELF, space, 0x400000, window, PAGES, RW), PAGES);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), -HV_EBUSY);
    CHECK_EQ(test_map(HV_SELF, space, 0x500000, window, 1, RW), -HV_EBUSY);
    CHECK_EQ(test_map(HV_SELF, space, 0x400000, hv_gfn(test_pages(1)), 1, RW), 1); /* replaced */
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), 1);
    CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0); /* takes the other leaves along */
    CHECK_EQ(unmap_at(window), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

/* ---- copies ---- */

static int64_t copy(uint64_t ref, uint64_t offset, const void *own, uint32_t bytes, uint32_t flags)
{
    HV_BUFFER(64) struct hv_grant_copy c = { child, ref, offset, hv_gpa(own), bytes, flags };

    return hv_grant_copy(hv_gpa(&c), 1);
}

static void check_copies(void)
{
    uint64_t ref = lend(RW), reader = lend(R);
    uint8_t *own = test_pages(2);

    for (unsigned i = 0; i < HV_PAGE_SIZE; i++)
        own[i] = (uint8_t)(i * 13);
    for (uint64_t i = 0; i < PAGES; i++)
        CHECK_EQ(copy(ref, i * HV_PAGE_SIZE, own, HV_PAGE_SIZE, HV_GRANT_COPY_TO_PEER), 1);
    memset(own, 0, HV_PAGE_SIZE);
    CHECK_EQ(copy(reader, 3 * HV_PAGE_SIZE + 17, own + 5, 1000, 0), 1);
    for (unsigned i = 0; i < 1000; i++)
        CHECK_EQ(own[5 + i], (uint8_t)((17 + i) * 13));
    CHECK_EQ(own[4] + own[1005], 0);
    CHECK_EQ(copy(ref, PAGES * HV_PAGE_SIZE - 1, own, 1, 0), 1);
    CHECK_EQ(copy(ref, PAGES * HV_PAGE_SIZE, own, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, HV_PAGE_SIZE - 1, own, 2, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, ~(uint64_t)0, own, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, 0 - (uint64_t)HV_PAGE_SIZE, own, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, 0, own, 0, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, 0, own, HV_PAGE_SIZE + 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, 0, own, ~0u, 0), -HV_EINVAL);
    CHECK_EQ(copy(ref, 0, own, 1, 2), -HV_EINVAL);
    CHECK_EQ(copy(ref, 0, own, 1, 0x80000001), -HV_EINVAL);
    CHECK_EQ(copy(reader, 0, own, 1, HV_GRANT_COPY_TO_PEER), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
    CHECK_EQ(copy(ref, 0, own, 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(child, reader, 0), 0);
}

/* All slots, and each reference a new one. */
static void check_slots(void)
{
    uint64_t gfn = hv_gfn(test_pages(1)), ref = 0, first = 0, n = 0;
    int64_t result;

    while ((result = hv_grant_create(HV_SELF, child, gfn, 1, R)) > 0) {
        first = first ? first : (uint64_t)result;
        ref = (uint64_t)result;
        n++;
    }
    CHECK_EQ(result, -HV_ENOSPC);
    CHECK(n >= HV_MAX_GRANTS - 8 && n <= HV_MAX_GRANTS);
    CHECK_EQ(hv_grant_end(HV_SELF, first, 0), 0);
    result = hv_grant_create(HV_SELF, child, gfn, 1, R);
    CHECK(result > 0 && (uint64_t)result != first);
    CHECK_EQ(hv_grant_end(HV_SELF, first, 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, (uint64_t)result, 1), 0);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), 0);
}

/* A reference that was made for another domain opens nothing, whoever knows it. */
static void stranger(void)
{
    uint64_t owner = test_argument("owner", 0), ref = test_argument("ref", 0);
    uint64_t at = (uint64_t)NEED(hv_window_alloc(PAGES));
    HV_BUFFER(64)
    struct hv_grant_map m = { owner, ref, at, (uint32_t)test_port(TEST_PARENT), R, PAGES, 0 };
    HV_BUFFER(64)
    struct hv_grant_copy c = { owner, ref, 0, hv_gpa(test_pages(1)), 8, 0 };

    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), -HV_EINVAL);
    c.flags = HV_GRANT_COPY_TO_PEER;
    CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), -HV_EINVAL);
}

static void check_stranger(void)
{
    uint64_t ref = lend(RW), other;
    char arguments[64];

    hv_snprintf(arguments, sizeof arguments, "owner=%lu ref=0x%lx", child, ref);
    other = test_build("stranger", 192, arguments);
    NEED(hv_domain_start(other));
    test_join(other);
    CHECK_EQ(map_at(ref, window, RW), 1); /* root may: it was made for root */
    CHECK_EQ(unmap_at(window), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

void test_main(void)
{
    if (test_is("stranger")) {
        stranger();
        return;
    }
    child = test_build("idle", 192, NULL);
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    window = test_windows(PAGES);
    address = test_addresses(PAGES);
    check_read_write();
    check_addresses();
    check_read_only();
    check_windows();
    check_one_leaf();
    check_copies();
    check_slots();
    check_stranger();
    test_destroy(child);
}

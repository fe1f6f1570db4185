/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (G12). A back end takes windows for as many pages as its protocol says, and maps what the
 * front end lent there. The front end lent more: the grant goes on into windows, and at addresses,
 * that the back end keeps for others, who then find theirs taken, or see this one's memory. Found
 * in this system, where the number was only in the grant: an entry says how many pages it expects.
 *
 * And memory that is both sides of a copy: the grant's page is the caller's own window, at every
 * distance, which a copy by words may not take for a reason to leave the page.
 */
#include "hvlib/grant.h"
#include "test.h"

#define R    HV_MAP_READ
#define RW   (HV_MAP_READ | HV_MAP_WRITE)
#define LENT 160u

const char test_title[] = "a grant takes the windows that are meant for it, and no more";

static uint64_t child;
static uint32_t port;

static void check_neighbour(void)
{
    uint64_t large = (uint64_t)NEED(hv_grant_create(child, 0, LENT, 5, RW));
    uint64_t one = (uint64_t)NEED(hv_grant_create(child, 0, LENT + 8, 1, RW));
    void *first, *second;

    NEED(hv_window_map(child, one, 1, port, RW, &first));
    *(volatile uint64_t *)first = 0x600d;
    CHECK_EQ(hv_window_unmap(first, 1), 0);
    for (uint64_t pages = 1; pages < 8; pages++) {
        if (pages != 5)
            CHECK_EQ(hv_window_map(child, large, pages, port, RW, &first), -HV_EINVAL);
    }
    NEED(hv_window_map(child, large, 5, port, RW, &first));
    NEED(hv_window_map(child, one, 1, port, RW, &second)); /* the next ones are free for it */
    CHECK_EQ(*(volatile uint64_t *)second, 0x600d);
    for (uint64_t pages = 1; pages < 8; pages++)
        CHECK(hv_window_map(child, large, pages, port, RW, &(void *){ NULL }) < 0);
    HV_BUFFER(8) uint64_t list = hv_gfn(first) + 1;

    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), -HV_EINVAL); /* not in its middle */
    CHECK_EQ(hv_grant_end(child, large, 0), -HV_EBUSY);
    CHECK_EQ(hv_grant_end(child, one, 1), 0);
    CHECK_EQ(test_try_read((uint64_t)(uintptr_t)second, NULL), 14);
    CHECK_EQ(hv_window_unmap(second, 1), 0);
    CHECK_EQ(hv_window_unmap(first, 5), 0);
    CHECK_EQ(hv_grant_end(child, large, 0), 0);
}

/* The page before and the page behind the granted one are as they were. */
static void check_copy_onto_itself(void)
{
    uint64_t ref = (uint64_t)NEED(hv_grant_create(child, 0, LENT + 1, 1, RW)), word = 0x11, value;
    HV_BUFFER(64) struct hv_grant_copy c = { .owner = child, .ref = ref };
    void *at;

    NEED(hv_copy_to_domain(child, (LENT + 1) * HV_PAGE_SIZE - 8, &word, 8));
    NEED(hv_copy_to_domain(child, (LENT + 2) * HV_PAGE_SIZE, &word, 8));
    NEED(hv_window_map(child, ref, 1, port, RW, &at));
    memset(at, 0x5a, HV_PAGE_SIZE);
    for (uint32_t distance = 0; distance < 40; distance++) {
        for (c.flags = 0; c.flags < 2; c.flags++) {
            c.offset = distance;
            c.gpa = hv_gpa(at);
            c.bytes = HV_PAGE_SIZE - distance;
            CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), 1);
            c.offset = 0;
            c.gpa = hv_gpa(at) + distance;
            CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), 1);
            c.bytes++;
            CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1),
                     c.bytes > HV_PAGE_SIZE ? -HV_EINVAL : -HV_EFAULT);
        }
    }
    for (unsigned i = 0; i < HV_PAGE_SIZE; i++)
        CHECK_EQ(((volatile uint8_t *)at)[i], 0x5a);
    NEED(hv_copy_from_domain(child, (LENT + 1) * HV_PAGE_SIZE - 8, &value, 8));
    CHECK_EQ(value, word);
    NEED(hv_copy_from_domain(child, (LENT + 2) * HV_PAGE_SIZE, &value, 8));
    CHECK_EQ(value, word);
    CHECK_EQ(hv_window_unmap(at, 1), 0);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

void test_main(void)
{
    child = test_build("idle", 192, NULL);
    port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    check_neighbour();
    check_copy_onto_itself();
    test_destroy(child);
}

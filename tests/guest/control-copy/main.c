/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Control copy: between own memory and a descendant's, at any alignment, over page borders on both
 * sides, in both directions, and from no other place than the two names.
 */
#include "test.h"

#define BYTES (20u * HV_PAGE_SIZE)
#define AT    ((uint64_t)100 * HV_PAGE_SIZE) /* in the child: nothing else uses it */

const char test_title[] = "control copy moves the bytes it names, and no others";

static uint8_t *own, *back;
static uint64_t child;

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7 + 1);
}

static void check_part(uint64_t remote, uint64_t local, uint64_t bytes)
{
    memset(back, 0xcc, BYTES);
    NEED(hv_copy_to_domain(child, AT, back, BYTES));
    CHECK_EQ(hv_domain_copy(child, AT + remote, hv_gpa(own) + local, bytes, 1), bytes);
    NEED(hv_copy_from_domain(child, AT, back, BYTES));
    for (uint64_t i = 0; i < BYTES; i++) {
        bool inside = i >= remote && i < remote + bytes;

        if (back[i] != (inside ? pattern(local + i - remote) : 0xcc))
            test_failure("copy of %lu from +%lu to +%lu: byte %lu is wrong", bytes, local, remote,
                         i);
    }
    memset(back, 0xdd, BYTES);
    CHECK_EQ(hv_domain_copy(child, AT + remote, hv_gpa(back) + local, bytes, 0), bytes);
    for (uint64_t i = 0; i < BYTES; i++) {
        bool inside = i >= local && i < local + bytes;

        if (back[i] != (inside ? pattern(i) : 0xdd))
            test_failure("copy of %lu back from +%lu to +%lu: byte %lu", bytes, remote, local, i);
    }
}

static void check_alignments(void)
{
    static const uint64_t offsets[] = { 0, 1, 7, 8, 2048, 4088, 4095, 4096, 4097 };
    static const uint64_t lengths[] = { 1, 8, 4095, 4096, 4097, 12345, 65536 };
    size_t n = sizeof offsets / sizeof *offsets;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            check_part(offsets[i], offsets[(i + k) % n], lengths[k]);
            check_part(offsets[i], offsets[i], lengths[k]);
        }
    }
}

/* The child sees it in its memory, at the addresses that its frames have there. */
static void child_main(void)
{
    uint64_t at = test_argument("at", 0);
    volatile uint64_t *words = hv_va(at);

    test_await(TEST_PARENT, 0, 1);
    CHECK_EQ(words[0], 0x123456789);
    words[1] = 0x987654321;
    test_signal(TEST_PARENT, 0, 2);
}

static void check_running_child(void)
{
    uint64_t word = 0x123456789, at = 150 * HV_PAGE_SIZE + 8, dom;

    dom = test_build("child", 192, "at=614408");
    NEED(hv_domain_start(dom));
    NEED(hv_copy_to_domain(dom, at, &word, 8));
    test_signal(dom, 0, 1);
    test_await(dom, 0, 2);
    NEED(hv_copy_from_domain(dom, at + 8, &word, 8));
    CHECK_EQ(word, 0x987654321);
    test_join(dom);
}

/* A child's hole in the middle: as far as it goes, then a fault. */
static void check_hole(void)
{
    CHECK_EQ(hv_give_back(child, 105, 1), 1);
    CHECK_EQ(hv_domain_copy(child, AT, hv_gpa(own), BYTES > 65536 ? 65536 : BYTES, 1),
             5 * HV_PAGE_SIZE);
    CHECK_EQ(hv_domain_copy(child, AT + 5 * HV_PAGE_SIZE, hv_gpa(own), 1, 1), -HV_EFAULT);
    CHECK_EQ(hv_domain_copy(child, AT + 6 * HV_PAGE_SIZE - 1, hv_gpa(own), 2, 0), -HV_EFAULT);
    CHECK_EQ(hv_domain_copy(child, AT + 6 * HV_PAGE_SIZE, hv_gpa(own), 2, 0), 2);
    CHECK_EQ(hv_populate(child, 105, 1), 1);
    CHECK_EQ(hv_domain_copy(child, AT + 5 * HV_PAGE_SIZE, hv_gpa(back), 8, 0), 8);
    CHECK_EQ(*(uint64_t *)(void *)back, 0);
    CHECK_EQ(hv_domain_copy(HV_SELF, 0, hv_gpa(own), 8, 0), -HV_EPERM);
    CHECK_EQ(hv_domain_copy(0, 0, hv_gpa(own), 8, 0), -HV_EPERM);
    CHECK_EQ(hv_domain_copy(child, ~(uint64_t)0, hv_gpa(own), 8, 0) < 0, true);
    CHECK_EQ(hv_domain_copy(child, 0 - (uint64_t)4, hv_gpa(own), 8, 0), -HV_EINVAL);
    CHECK_EQ(hv_domain_copy(child, 0, 0 - (uint64_t)4, 8, 0), -HV_EINVAL);
    CHECK_EQ(hv_domain_copy(child, 0, hv_gpa(own), 0, 0), -HV_EINVAL);
}

void test_main(void)
{
    if (test_is("child")) {
        child_main();
        return;
    }
    own = test_pages(20);
    back = test_pages(20);
    for (uint64_t i = 0; i < BYTES; i++)
        own[i] = pattern(i);
    child = test_build("idle", 192, NULL);
    check_alignments();
    check_hole();
    test_destroy(child);
    check_running_child();
}

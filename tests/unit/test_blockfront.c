/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's block front end against an honest back end with a disk in memory, and against one
 * that refuses, lies about what it has done, breaks its ring or falls silent by dying.
 *
 * sources: libhypercall/src/device.c libhypercall/src/ring.c tests/unit/host_guard.c
 */
#include "host_front.h"

#include <libhypercall/src/block.c>

#define DISK_SECTORS 1000u
#define REGION_PAGES 64u
#define REGION_BYTES ((uint64_t)REGION_PAGES * HV_PAGE_SIZE)

HV_RING_DEFINE(peer_ring, HV_RING_BACK, struct hv_block_response, struct hv_block_request);

static struct hv_block disk;
static unsigned char *region;
static unsigned char medium[DISK_SECTORS * HV_BLOCK_SECTOR];
static struct hv_back back;
static struct hv_ring peer;
static uint64_t flags;  /* that the back end says */
static uint32_t served; /* requests */
static uint32_t most;   /* at once */
static void (*tamper)(struct hv_block_response *answer);
static bool refuse, die, reverse;

static uint32_t act(const struct hv_block_request *r)
{
    unsigned char *at = medium + r->sector * HV_BLOCK_SECTOR;
    unsigned char *data = region + r->offset;
    size_t bytes = (size_t)r->count * HV_BLOCK_SECTOR;

    ck_assert_uint_le(r->sector + r->count, DISK_SECTORS);
    ck_assert_uint_le(r->offset + bytes, REGION_BYTES);
    served++;
    if (r->op == HV_BLOCK_READ)
        memcpy(data, at, bytes);
    else if (flags & HV_BLOCK_RO)
        return HV_BLOCK_EROFS;
    else if (r->op == HV_BLOCK_WRITE)
        memcpy(at, data, bytes);
    return HV_BLOCK_OK;
}

static void answer(const struct hv_block_request *r)
{
    struct hv_block_response a = { .id = r->id, .status = act(r) };

    if (tamper)
        tamper(&a);
    ck_assert_int_eq(peer_ring_put(&peer, &a), 0);
}

static void serve(void)
{
    struct hv_block_request r[HV_BLOCK_MAX_INFLIGHT];
    uint32_t count = 0;

    while (peer_ring_get(&peer, &r[count]) == 1)
        count++;
    most = count > most ? count : most;
    for (uint32_t i = 0; i < count; i++)
        answer(&r[reverse ? count - 1 - i : i]);
    hv_ring_push(&peer);
    hv_ring_sleep(&peer);
}

static void turn(void)
{
    uint64_t config[HV_DEV_CONFIG_WORDS] = { DISK_SECTORS, flags };

    if (die) {
        hv_back_refuse(&back);
        return;
    }
    switch (hv_back_step(&back)) {
    case HV_DEV_OFFER:
        ck_assert_uint_eq(back.offer.region_pages[0], REGION_PAGES);
        peer_ring_init(&peer, disk.response_page, 1, disk.request_page, 1);
        if (refuse)
            hv_back_refuse(&back);
        else
            hv_back_ack(&back, 0, config);
        break;
    case HV_DEV_RUN:
        serve();
        break;
    default:
        break;
    }
}

static void setup(void)
{
    host_front_start(HV_DEVICE_BLOCK, turn);
    region = aligned_alloc(HV_PAGE_SIZE, REGION_BYTES);
    memset(region, 0xee, REGION_BYTES);
    for (size_t i = 0; i < sizeof medium; i++)
        medium[i] = (unsigned char)(i * 7 + i / 512);
    hv_back_init(&back, host_page);
    flags = 0;
    served = most = 0;
    tamper = NULL;
    refuse = die = reverse = false;
}

static void teardown(void)
{
    free(region);
    free(host_page);
}

static void open_disk(void)
{
    ck_assert_int_eq(hv_block_open(&disk, 0, region, REGION_PAGES), 0);
}

START_TEST(test_open)
{
    ck_assert_int_eq(hv_block_open(&disk, 1, region, REGION_PAGES), -HV_EINVAL);
    ck_assert_int_eq(hv_block_open(&disk, 0, region + 512, 1), -HV_EINVAL);
    ck_assert_int_eq(hv_block_open(&disk, 0, region, 0), -HV_EINVAL);
    ck_assert_int_eq(hv_block_open(&disk, 0, region, HV_BLOCK_MAX_REGION_PAGES + 1), -HV_EINVAL);
    ck_assert_uint_eq(host_lendings(), 0);
    flags = HV_BLOCK_RO;
    open_disk();
    ck_assert_uint_eq(disk.sectors, DISK_SECTORS);
    ck_assert(disk.read_only);
    ck_assert_uint_eq(host_lendings(), 3);
    ck_assert_int_eq(hv_block_close(&disk), 0);
    ck_assert_uint_eq(host_lendings(), 0);
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 1), -HV_EDEAD);
}
END_TEST

/* Whichever grant cannot be made, none stays. */
START_TEST(test_no_grants)
{
    for (int64_t limit = 0; limit < 3; limit++) {
        host_grant_limit = limit;
        ck_assert_int_eq(hv_block_open(&disk, 0, region, REGION_PAGES), -HV_ENOSPC);
        ck_assert_uint_eq(host_lendings(), 0);
    }
}
END_TEST

START_TEST(test_refused)
{
    refuse = true;
    ck_assert_int_eq(hv_block_open(&disk, 0, region, REGION_PAGES), -HV_EDEAD);
    ck_assert_uint_eq(host_lendings(), 0);
}
END_TEST

START_TEST(test_transfers)
{
    open_disk();
    for (uint32_t count = 1; count < 500; count += 83) {
        memset(region, 0, REGION_BYTES);
        ck_assert_int_eq(hv_block_read(&disk, 3, region + 512, count), 0);
        ck_assert_int_eq(memcmp(region + 512, medium + 3 * 512, (size_t)count * 512), 0);
        ck_assert_uint_eq(region[511], 0);
        ck_assert_uint_eq(region[512 + (size_t)count * 512], 0);
    }
    memset(region, 0x5a, 1024);
    ck_assert_int_eq(hv_block_write(&disk, DISK_SECTORS - 2, region, 2), 0);
    ck_assert_uint_eq(medium[sizeof medium - 1], 0x5a);
    ck_assert_uint_ne(medium[sizeof medium - 1025], 0x5a);
    ck_assert_int_eq(hv_block_flush(&disk), 0);
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 0), 0);
}
END_TEST

START_TEST(test_limits)
{
    open_disk();
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, DISK_SECTORS - 1, region, 2),
                     -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, ~(uint64_t)0, region, 2), -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region + 1, 1), -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region - 512, 1), -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region + REGION_BYTES - 512, 2),
                     -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region, 129), -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region, 0), -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_FLUSH, 0, region, 1), -HV_EINVAL);
    ck_assert_int_eq(hv_block_submit(&disk, 3, 0, region, 1), -HV_EINVAL);
    /* The transfer stops at the first part beyond the end; what was asked before is waited for. */
    ck_assert_int_eq(hv_block_read(&disk, DISK_SECTORS - 200, region, 300), -HV_EINVAL);
    ck_assert_uint_eq(disk.under_way, 0);
    ck_assert_uint_eq(served, 1);
}
END_TEST

/* 32 at once, answered in the other order; each tag comes back once, with its own data. */
START_TEST(test_in_flight)
{
    struct hv_block_done done;
    uint32_t seen = 0;

    open_disk();
    reverse = true;
    for (uint32_t i = 0; i < HV_BLOCK_MAX_INFLIGHT; i++)
        ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, i * 3, region + i * 512, 1), i);
    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region, 1), -HV_EAGAIN);
    ck_assert_int_eq(hv_block_collect(&disk, &done), 0);
    uint64_t sent = host_sent;

    ck_assert_int_eq(hv_block_wait(&disk), 0);
    ck_assert_uint_le(host_sent - sent, 1);
    ck_assert_uint_eq(most, HV_BLOCK_MAX_INFLIGHT);
    for (uint32_t i = 0; i < HV_BLOCK_MAX_INFLIGHT; i++) {
        ck_assert_int_eq(hv_block_collect(&disk, &done), 1);
        ck_assert_uint_eq(done.status, HV_BLOCK_OK);
        seen |= (uint32_t)1 << done.tag;
    }
    ck_assert_uint_eq(seen, ~(uint32_t)0);
    ck_assert_int_eq(hv_block_collect(&disk, &done), 0);
    ck_assert_int_eq(hv_block_wait(&disk), 0); /* nothing is under way: at once */
    for (uint32_t i = 0; i < HV_BLOCK_MAX_INFLIGHT; i++)
        ck_assert_int_eq(memcmp(region + i * 512, medium + i * 3 * 512, 512), 0);
}
END_TEST

static void say_io_error(struct hv_block_response *a)
{
    a->status = served == 2 ? HV_BLOCK_EIO : a->status;
}

static void say_nonsense(struct hv_block_response *a)
{
    a->status = 0xdeadbeef;
}

START_TEST(test_status)
{
    open_disk();
    tamper = say_io_error;
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 400), HV_BLOCK_EIO);
    tamper = say_nonsense;
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 1), HV_BLOCK_EIO);
    tamper = NULL;
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 1), 0);
    flags = HV_BLOCK_RO;
    ck_assert_int_eq(hv_block_write(&disk, 0, region, 1), HV_BLOCK_EROFS);
}
END_TEST

static void say_unknown_tag(struct hv_block_response *a)
{
    a->id = 32;
}

static void say_huge_tag(struct hv_block_response *a)
{
    a->id = ((uint64_t)1 << 32) | a->id; /* the low half would be right */
}

static void say_idle_tag(struct hv_block_response *a)
{
    a->id = 5;
}

static void expect_dead(void)
{
    struct hv_block_done done;

    ck_assert_int_eq(hv_block_submit(&disk, HV_BLOCK_READ, 0, region, 1), -HV_EDEAD);
    ck_assert_int_eq(hv_block_kick(&disk), -HV_EDEAD);
    ck_assert_int_eq(hv_block_collect(&disk, &done), -HV_EDEAD);
    ck_assert_int_eq(hv_block_wait(&disk), -HV_EDEAD);
    ck_assert_int_eq(hv_block_close(&disk), 0);
    ck_assert_uint_eq(host_lendings(), 0);
}

START_TEST(test_lies)
{
    static void (*const lies[])(struct hv_block_response *) = { say_unknown_tag, say_huge_tag,
                                                                say_idle_tag };

    open_disk();
    tamper = lies[_i];
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 1), -HV_EDEAD);
    expect_dead();
}
END_TEST

/* The same answer twice, to two requests. */
static void say_first_tag(struct hv_block_response *a)
{
    a->id = 0;
}

START_TEST(test_twice)
{
    open_disk();
    tamper = say_first_tag;
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 256), -HV_EDEAD);
    expect_dead();
}
END_TEST

/* Indices that cannot be right: answers that nobody asked for, and one that runs backwards. */
START_TEST(test_broken_ring)
{
    struct hv_ring_head *head = (struct hv_ring_head *)disk.response_page;
    struct hv_block_done done;

    open_disk();
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 1), 0);
    head->prod = _i ? 0 : 5;
    ck_assert_int_eq(hv_block_collect(&disk, &done), -HV_EDEAD);
    expect_dead();
}
END_TEST

START_TEST(test_dies)
{
    open_disk();
    die = true;
    ck_assert_int_eq(hv_block_read(&disk, 0, region, 1), -HV_EDEAD);
    expect_dead();
}
END_TEST

/* Opened again after all that, on the same page: the generation tells old answers from new. */
START_TEST(test_again)
{
    for (int i = 0; i < 20; i++) {
        host_grant_limit = 3;
        open_disk();
        ck_assert_int_eq(hv_block_read(&disk, 0, region, 200), 0);
        ck_assert_int_eq(hv_block_close(&disk), 0);
        while (hv_back_step(&back) != HV_DEV_RESET) {
        }
        hv_back_reset(&back);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blockfront");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_open);
    tcase_add_test(t, test_no_grants);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_transfers);
    tcase_add_test(t, test_limits);
    tcase_add_test(t, test_in_flight);
    tcase_add_test(t, test_status);
    tcase_add_loop_test(t, test_lies, 0, 3);
    tcase_add_test(t, test_twice);
    tcase_add_loop_test(t, test_broken_ring, 0, 2);
    tcase_add_test(t, test_dies);
    tcase_add_test(t, test_again);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}

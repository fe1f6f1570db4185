/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvguest's page allocator and slabs against a model, under random operations: allocations never
 * overlap, are zeroed, aligned, keep what is written, and all of them come back.
 *
 * sources: pvguest/kernel/page.c pvguest/kernel/kmalloc.c tests/unit/host_pv.c
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "host_pv.h"
#include "mem.h"

#define LIVE   200
#define ROUNDS 20000

struct live {
    unsigned char *p;
    size_t bytes;
    unsigned char mark;
};

static struct live live[LIVE];

static void setup(void)
{
    memset(host_ram, 0xa5, (size_t)HOST_PAGES * PAGE_SIZE);
    page_add_range(16, 1000);
    page_add_range(1100, 900); /* a gap: no run may reach over it */
}

static void fill(struct live *l, unsigned char mark)
{
    for (size_t i = 0; i < l->bytes; i++) {
        if (l->p[i] != 0) {
            ck_abort_msg("byte %zu of %zu is not zero", i, l->bytes);
        }
    }
    l->mark = mark;
    memset(l->p, mark, l->bytes);
}

/* A byte that another allocation wrote shows here. */
static void check_mark(const struct live *l)
{
    for (size_t i = 0; i < l->bytes; i++) {
        if (l->p[i] != l->mark) {
            ck_abort_msg("byte %zu of %zu changed", i, l->bytes);
        }
    }
}

START_TEST(pages)
{
    size_t before = pages_free();

    srand(1);
    for (int n = 0; n < ROUNDS; n++) {
        struct live *l = &live[rand() % LIVE];

        if (l->p) {
            check_mark(l);
            page_free(l->p, l->bytes / PAGE_SIZE);
            l->p = NULL;
            continue;
        }
        l->bytes = (size_t)(1 + rand() % (rand() % 8 == 0 ? 40 : 3)) * PAGE_SIZE;
        l->p = page_alloc(l->bytes / PAGE_SIZE);
        if (l->p) {
            ck_assert(page_frame(l->p) >= 16 && page_frame(l->p) < 2000);
            ck_assert_uint_eq(page_run(l->p), l->bytes / PAGE_SIZE);
            fill(l, (unsigned char)(1 + n % 255));
        }
    }
    for (int i = 0; i < LIVE; i++) {
        if (live[i].p) {
            check_mark(&live[i]);
            page_free(live[i].p, live[i].bytes / PAGE_SIZE);
            live[i].p = NULL;
        }
    }
    ck_assert_uint_eq(pages_free(), before);
}
END_TEST

START_TEST(objects)
{
    size_t before = pages_free();

    srand(2);
    for (int n = 0; n < ROUNDS; n++) {
        struct live *l = &live[rand() % LIVE];

        if (l->p) {
            check_mark(l);
            kfree(l->p);
            l->p = NULL;
            continue;
        }
        l->bytes = (size_t)(1 + rand() % (1 << (1 + rand() % 13)));
        l->p = kmalloc(l->bytes);
        ck_assert_ptr_nonnull(l->p);
        ck_assert_uint_eq((uintptr_t)l->p % 16, 0);
        fill(l, (unsigned char)(1 + n % 255));
    }
    for (int i = 0; i < LIVE; i++) {
        kfree(live[i].p);
        live[i].p = NULL;
    }
    ck_assert_uint_eq(pages_free(), before);
}
END_TEST

START_TEST(exhaustion)
{
    size_t before = pages_free();
    void **list = NULL;
    void *p;
    size_t taken = 0;

    ck_assert_ptr_null(page_alloc(1000)); /* the ranges together would have that many */
    ck_assert_ptr_null(page_alloc(0));
    while ((p = page_alloc(1)) != NULL) {
        *(void **)p = list;
        list = p;
        taken++;
    }
    ck_assert_uint_eq(taken, before);
    ck_assert_ptr_null(kmalloc(8));
    while (list) {
        p = list;
        list = *(void **)p;
        page_free(p, 1);
    }
    ck_assert_uint_eq(pages_free(), before);
    ck_assert(!host_irqs_off);
}
END_TEST

START_TEST(wrong_free)
{
    void *p = page_alloc(2);

    page_free(p, 1); /* panics */
}
END_TEST

START_TEST(double_kfree)
{
    void *p = kmalloc(100);

    kfree(p);
    kfree(p); /* the slab is gone with its last object: panics */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pvmem");
    TCase *t = tcase_create("pvmem");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, pages);
    tcase_add_test(t, objects);
    tcase_add_test(t, exhaustion);
    tcase_add_test_raise_signal(t, wrong_free, SIGABRT);
    tcase_add_test_raise_signal(t, double_kfree, SIGABRT);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

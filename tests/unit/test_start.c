/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk over the start page: what a good page says, options and numbers of the command line,
 * free memory between image and modules, a device list that changes, and pages full of damage,
 * under ASan with a page of its exact size.
 *
 * sources: libhypercall/src/start.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hvlib/start.h"

static unsigned char *page;
static struct hv_device_list list;

static void *add(uint32_t tag, size_t bytes)
{
    struct hv_start_header *h = (void *)page;
    struct hv_start_record *r = (void *)(page + h->bytes);

    r->tag = tag;
    r->size = (uint32_t)((bytes + 7) & ~(size_t)7);
    h->bytes += r->size;
    return r;
}

static void add_range(uint32_t kind, uint64_t gfn, uint64_t count)
{
    struct hv_start_memory *m = add(HV_START_MEMORY, sizeof *m);

    m->kind = kind;
    m->gfn = gfn;
    m->count = count;
}

static void add_module(uint64_t gfn, uint64_t bytes, const char *text)
{
    struct hv_start_module *m =
        add(HV_START_MODULE, offsetof(struct hv_start_module, text) + strlen(text) + 1);

    m->gfn = gfn;
    m->bytes = bytes;
    strcpy(m->text, text);
}

static void add_cmdline(const char *text)
{
    struct hv_start_string *s =
        add(HV_START_CMDLINE, sizeof *s > strlen(text) + 9 ? sizeof *s : strlen(text) + 9);

    strcpy(s->text, text);
}

static void begin(void)
{
    struct hv_start_header *h = (void *)page;

    memset(page, 0, HV_PAGE_SIZE);
    *h = (struct hv_start_header){ HV_START_MAGIC, HV_ABI_VERSION, sizeof *h };
}

static void make_page(const char *cmdline)
{
    begin();
    struct hv_start_domain *d = add(HV_START_DOMAIN, sizeof *d);

    d->id = 7;
    d->parent = 3;
    d->control_port = 12;
    struct hv_start_u64 *features = add(HV_START_FEATURES, sizeof *features);

    features->value = 5;
    add_range(HV_RANGE_RAM, 0, 1000);
    add(77, 40); /* unknown: skipped */
    add_range(HV_RANGE_IMAGE, 16, 84);
    add_range(HV_RANGE_WINDOW, 1 << 28, 64);
    add_module(300, 4097, "first one");
    add_module(500, 4096, "second");
    add_cmdline(cmdline);
    struct hv_start_page *devices = add(HV_START_DEVICES, sizeof *devices);

    devices->address = (uint64_t)(uintptr_t)&list;
    add(HV_START_END, 8);
    ck_assert(hv_start_use(page));
}

static void setup(void)
{
    page = aligned_alloc(HV_PAGE_SIZE, HV_PAGE_SIZE);
    memset(&list, 0, sizeof list);
}

static void teardown(void)
{
    free(page);
}

START_TEST(test_good_page)
{
    make_page("a=1");
    ck_assert_uint_eq(hv_start_domain_id(), 7);
    ck_assert_uint_eq(hv_start_parent(), 3);
    ck_assert_uint_eq(hv_start_control_port(), 12);
    ck_assert_uint_eq(hv_start_features(), 5);
    ck_assert_uint_eq(hv_start_clock(), 0);
    ck_assert_str_eq(hv_start_cmdline(), "a=1");
    ck_assert_uint_eq(hv_start_range(HV_RANGE_WINDOW, 0)->count, 64);
    ck_assert_ptr_null(hv_start_range(HV_RANGE_WINDOW, 1));
    ck_assert_ptr_null(hv_start_range(HV_RANGE_MMIO, 0));
    ck_assert_str_eq(hv_module_get(1)->text, "second");
    ck_assert_ptr_null(hv_module_get(2));
}
END_TEST

START_TEST(test_not_ours)
{
    begin();
    page[0] ^= 1;
    ck_assert(!hv_start_use(page));
    begin();
    ((struct hv_start_header *)(void *)page)->version += 1 << 16;
    ck_assert(!hv_start_use(page));
}
END_TEST

START_TEST(test_free_ram)
{
    uint64_t count;

    make_page("");
    ck_assert_uint_eq(hv_start_free_ram(&count), 501); /* behind the second module */
    ck_assert_uint_eq(count, 499);
    begin();
    add_range(HV_RANGE_RAM, 10, 90);
    add_range(HV_RANGE_IMAGE, 40, 50);
    ck_assert(hv_start_use(page));
    ck_assert_uint_eq(hv_start_free_ram(&count), 10);
    ck_assert_uint_eq(count, 30);
    add_module(10, 30 * 4096, "x");
    ck_assert_uint_eq(hv_start_free_ram(&count), 90);
    ck_assert_uint_eq(count, 10);
    begin();
    ck_assert_uint_eq(hv_start_free_ram(&count), 0);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(test_free_ranges)
{
    uint64_t count;

    begin();
    add_range(HV_RANGE_RAM, 10, 90);
    add_range(HV_RANGE_IMAGE, 40, 50);
    add_range(HV_RANGE_RAM, 200, 10);
    ck_assert(hv_start_use(page));
    ck_assert_uint_eq(hv_start_free_range(0, &count), 10);
    ck_assert_uint_eq(count, 30);
    ck_assert_uint_eq(hv_start_free_range(20, &count), 20);
    ck_assert_uint_eq(count, 20);
    ck_assert_uint_eq(hv_start_free_range(40, &count), 90);
    ck_assert_uint_eq(count, 10);
    ck_assert_uint_eq(hv_start_free_range(100, &count), 200);
    ck_assert_uint_eq(count, 10);
    hv_start_free_range(210, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(test_options)
{
    char value[8];

    make_page("disk=vda quiet n=42 hex=0xfF0 long=123456789 bad=12x none= disk=second");
    ck_assert(hv_start_option("disk", value, sizeof value));
    ck_assert_str_eq(value, "vda");
    ck_assert(hv_start_option("quiet", value, sizeof value));
    ck_assert_str_eq(value, "");
    ck_assert(hv_start_option("none", value, 1));
    ck_assert(!hv_start_option("dis", value, sizeof value));
    ck_assert(!hv_start_option("diskx", value, sizeof value));
    ck_assert(!hv_start_option("vda", value, sizeof value));
    ck_assert(!hv_start_option("long", value, sizeof value));
    ck_assert_uint_eq(hv_start_number("n", 1), 42);
    ck_assert_uint_eq(hv_start_number("hex", 1), 1); /* digits are small */
    ck_assert_uint_eq(hv_start_number("long", 1), 123456789);
    ck_assert_uint_eq(hv_start_number("bad", 5), 5);
    ck_assert_uint_eq(hv_start_number("none", 6), 6);
    ck_assert_uint_eq(hv_start_number("missing", 7), 7);
    make_page("hex=0xff0");
    ck_assert_uint_eq(hv_start_number("hex", 1), 0xff0);
    make_page("");
    ck_assert(!hv_start_option("a", value, sizeof value));
}
END_TEST

START_TEST(test_devices)
{
    struct hv_device d;

    make_page("");
    ck_assert(!hv_start_device(HV_DEVICE_BLOCK, 0, &d));
    list.count = 2;
    list.device[0] = (struct hv_device){ .class_ = HV_DEVICE_CONSOLE, .port = 5 };
    list.device[1] = (struct hv_device){ .class_ = HV_DEVICE_BLOCK, .index = 1, .port = 6 };
    ck_assert(hv_start_device(HV_DEVICE_CONSOLE, 0, &d));
    ck_assert_uint_eq(d.port, 5);
    ck_assert(!hv_start_device(HV_DEVICE_BLOCK, 0, &d));
    ck_assert(hv_start_device(HV_DEVICE_BLOCK, 1, &d));
    ck_assert_uint_eq(d.port, 6);
    list.count = 0xffffffff;
    ck_assert(!hv_start_device(HV_DEVICE_BLOCK, 9, &d));
}
END_TEST

static void use_everything(void)
{
    uint64_t count;
    char value[16];

    if (!hv_start_use(page))
        return;
    hv_start_free_ram(&count);
    hv_start_option("n", value, sizeof value);
    hv_start_number("hex", 0);
    ck_assert_uint_lt(strlen(hv_start_cmdline()), HV_PAGE_SIZE);
    hv_start_domain_id();
    hv_start_control_port();
    hv_start_features();
    hv_start_devices();
    for (uint32_t i = 0; i < 5; i++) {
        hv_start_range(HV_RANGE_RAM, i);
        hv_module_get(i);
    }
}

START_TEST(test_damage)
{
    srand(1);
    for (int round = 0; round < 50000; round++) {
        make_page("n=1 hex=0x10");
        uint32_t bytes = ((struct hv_start_header *)(void *)page)->bytes;

        for (int n = rand() % 4; n >= 0; n--) {
            uint32_t value = rand() % 2 ? (uint32_t)rand() : (uint32_t)rand() % 64;

            memcpy(page + 8 + (uint32_t)rand() % (bytes - 8), &value, 4);
        }
        use_everything();
    }
    for (int round = 0; round < 2000; round++) { /* records to the very end of the page */
        begin();
        for (unsigned i = 16; i < HV_PAGE_SIZE; i++)
            page[i] = (unsigned char)(i % 8 == 4 ? 8 * (rand() % 6) : rand() % 9);
        ((struct hv_start_header *)(void *)page)->bytes = rand() % 2 ? HV_PAGE_SIZE : 0xffffffff;
        use_everything();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("start");
    TCase *tc = tcase_create("start");

    tcase_set_timeout(tc, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_good_page);
    tcase_add_test(tc, test_not_ours);
    tcase_add_test(tc, test_free_ram);
    tcase_add_test(tc, test_free_ranges);
    tcase_add_test(tc, test_options);
    tcase_add_test(tc, test_devices);
    tcase_add_test(tc, test_damage);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration parser on good files, on each kind of mistake with its exact message, and on
 * damaged bytes: every prefix of the default file, single bytes changed, noise. Texts are copied to
 * buffers of their exact size, so that ASan sees a byte read too far.
 *
 * sources: pvguest/root/config.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static struct config config;
static char message[CONFIG_MESSAGE];

static int parse_bytes(const char *text, size_t bytes)
{
    char *exact = malloc(bytes + (bytes == 0));

    memcpy(exact, text, bytes);
    memset(&config, 0xa5, sizeof(config));
    memset(message, 'x', sizeof(message));
    int result = config_parse("paravane.conf", exact, bytes, &config, message, sizeof(message));
    ck_assert_ptr_nonnull(memchr(message, '\0', sizeof(message)));
    free(exact);
    return result;
}

static void accept(const char *text)
{
    int result = parse_bytes(text, strlen(text));

    ck_assert_msg(result == 0, "refused: %s", message);
    ck_assert_str_eq(message, "");
}

static void refuse(const char *text, const char *why)
{
    ck_assert_int_eq(parse_bytes(text, strlen(text)), -1);
    ck_assert_str_eq(message, why);
}

#define HEAD "[domain a]\nimage = k\nmemory = 1M\n"

/* HEAD, one line, and the message that this fourth line must draw. */
static void refuse_line(const char *line, const char *why)
{
    char text[2048], expected[512];

    snprintf(text, sizeof(text), "%s%s\n", HEAD, line);
    snprintf(expected, sizeof(expected), "paravane.conf:4: %s", why);
    refuse(text, expected);
}

static char *read_default(size_t *bytes)
{
    static const char *const places[] = { "pvguest/root/paravane.conf",
                                          "../../pvguest/root/paravane.conf" };
    static char buffer[8192];

    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(places[i], "rb");
        if (!f)
            continue;
        *bytes = fread(buffer, 1, sizeof(buffer), f);
        fclose(f);
        return buffer;
    }
    ck_abort_msg("the default configuration is not here");
    return NULL;
}

START_TEST(test_default_file)
{
    size_t bytes = 0;
    char *text = read_default(&bytes);

    ck_assert_msg(parse_bytes(text, bytes) == 0, "%s", message);
    ck_assert_uint_eq(config.domain_count, 2);
    const struct config_domain *a = config_find(&config, "a");
    const struct config_domain *b = config_find(&config, "b");
    ck_assert(a == &config.domains[0] && b == &config.domains[1]);
    ck_assert_ptr_null(config_find(&config, "c"));
    ck_assert_str_eq(a->image, "pvguest.elf");
    ck_assert_uint_eq(a->memory, 16u << 20);
    ck_assert(a->uart && !b->uart);
    ck_assert_uint_eq(a->disk_count, 3);
    ck_assert_uint_eq(b->disk_count, 0);
    ck_assert_str_eq(a->disks[0].name, "vda");
    ck_assert_int_eq(a->disks[0].transport, CONFIG_SPLIT);
    ck_assert_int_eq(a->disks[1].transport, CONFIG_IDE);
    ck_assert(!a->disks[0].writable && !a->disks[1].writable && a->disks[2].writable);
    ck_assert_str_eq(a->disks[2].name, "vdb");
    ck_assert_uint_eq(b->weight, CONFIG_WEIGHT);
    ck_assert_uint_eq(b->vcpus, 1);
}
END_TEST

START_TEST(test_good_forms)
{
    accept(HEAD);
    accept("\n  # c\n\t[domain  web-1_x]  \nmemory=1048576\nimage=Kernel_2.elf\n\n");
    ck_assert_str_eq(config.domains[0].name, "web-1_x");
    ck_assert_str_eq(config.domains[0].cmdline, "");
    ck_assert_uint_eq(config.domains[0].line, 3);
    accept(HEAD "cmdline = a=b  c [d] # kept \t\nweight = 65535\n");
    ck_assert_str_eq(config.domains[0].cmdline, "a=b  c [d] # kept");
    ck_assert_uint_eq(config.domains[0].weight, 65535);
    accept(HEAD "cmdline =\n");
    accept("[domain a]\nimage=k\nmemory=64G\n");
    ck_assert_uint_eq(config.domains[0].memory, CONFIG_MEMORY_MAX);
    accept("[domain a]\nimage=k\nmemory=1028K\n");
    ck_assert_uint_eq(config.domains[0].memory, 1028u << 10);
    accept(HEAD "disk = a split\ndisk = a ide rw\ndisk = b split\ndisk = c split rw\n");
    ck_assert_uint_eq(config.domains[0].disk_count, 4);
    accept("# \xc3\xa4 comment may hold any text\n" HEAD);
}
END_TEST

START_TEST(test_sections)
{
    refuse("", "paravane.conf:0: no [domain NAME] in the file");
    refuse("# nothing\n", "paravane.conf:1: no [domain NAME] in the file");
    refuse("memory = 1M\n", "paravane.conf:1: before the first [domain NAME]: 'memory'");
    refuse("[domain]\n", "paravane.conf:1: bad domain name ''");
    refuse("[]\n", "paravane.conf:1: a section is [domain NAME], not '[]'");
    refuse("[\n", "paravane.conf:1: no ']' at the end of '['");
    refuse("[domain a\n", "paravane.conf:1: no ']' at the end of '[domain a'");
    refuse("[guest a]\n", "paravane.conf:1: a section is [domain NAME], not '[guest a]'");
    refuse("[domain A]\n", "paravane.conf:1: bad domain name 'A'");
    refuse("[domain a b]\n", "paravane.conf:1: bad domain name 'a b'");
    refuse("[domain abcdefghijklmnop]\n", "paravane.conf:1: bad domain name 'abcdefghijklmnop'");
    refuse("[domain root]\n",
           "paravane.conf:1: 'root' is taken: it is the domain that reads this file");
    refuse(HEAD "[domain a]\n", "paravane.conf:4: domain given twice: 'a'");
    refuse("[domain a]\nmemory=1M\n", "paravane.conf:1: no image for domain 'a'");
    refuse("\n[domain a]\nimage=k\n" HEAD, "paravane.conf:2: no memory for domain 'a'");
}
END_TEST

START_TEST(test_domain_limit)
{
    char text[1024] = "";

    for (char c = 'a'; c < 'a' + (int)CONFIG_DOMAINS; c++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "[domain %c]\nimage=k\nmemory=1M\n", c);
    }
    accept(text);
    ck_assert_uint_eq(config.domain_count, CONFIG_DOMAINS);
    strcat(text, "[domain z]\n");
    refuse(text, "paravane.conf:25: too many domains (8 at most)");
}
END_TEST

START_TEST(test_keys)
{
    refuse_line("memroy = 1M", "unknown key 'memroy'");
    refuse_line("memory = 2M", "key given twice: 'memory'");
    refuse_line("image = l", "key given twice: 'image'");
    refuse_line("weight", "neither [domain NAME] nor KEY = VALUE: 'weight'");
    refuse_line("weight =", "no value for 'weight'");
    refuse_line("= 1", "unknown key ''");
    refuse_line("emulate = ide", "no such device to emulate: 'ide'");
}
END_TEST

START_TEST(test_values)
{
    refuse_line("weight = 0", "weight is a number from 1 to 65535, not '0'");
    refuse_line("weight = 65536", "weight is a number from 1 to 65535, not '65536'");
    accept(HEAD "vcpus = 64\n");
    ck_assert_uint_eq(config.domains[0].vcpus, 64);
    accept(HEAD "vcpus = all\n");
    ck_assert_uint_eq(config.domains[0].vcpus, CONFIG_VCPUS_ALL);
    refuse_line("vcpus = 0", "vcpus is a number from 1 to 64, or 'all', not '0'");
    refuse_line("vcpus = 65", "vcpus is a number from 1 to 64, or 'all', not '65'");
    refuse_line("vcpus = two", "vcpus is a number from 1 to 64, or 'all', not 'two'");
    refuse_line("weight = -1", "weight is a number from 1 to 65535, not '-1'");
    refuse_line("weight = 99999999999999999999999",
                "weight is a number from 1 to 65535, not '99999999999999999999999'");
    refuse_line("cmdline = caf\xc3\xa9", "command line is not printable ASCII");
    refuse_line("disk = vda", "a disk is 'split' or 'ide', not ''");
    refuse_line("disk = vda virtio", "a disk is 'split' or 'ide', not 'virtio'");
    refuse_line("disk = vda split ro", "a disk may be 'rw', not 'ro'");
    refuse_line("disk = vda split rw now", "too many words for a disk: 'now'");
    refuse_line("disk = longname split", "bad disk name 'longname'");
    refuse_line("disk = v/a split", "bad disk name 'v/a'");
}
END_TEST

START_TEST(test_disks)
{
    refuse(HEAD "disk = a split\ndisk = a split rw\n",
           "paravane.conf:5: disk given twice: 'a split rw'");
    refuse(HEAD "disk = a ide\ndisk = b ide\n", "paravane.conf:5: a second IDE disk: 'b ide'");
    refuse(HEAD "disk=a split\ndisk=b split\ndisk=c split\ndisk=d split\ndisk=e split\n",
           "paravane.conf:8: too many disks (4 at most)");
    refuse(HEAD "emulate = uart\nemulate = uart\n",
           "paravane.conf:5: device emulated twice: 'uart'");
}
END_TEST

START_TEST(test_memory_and_image)
{
    static const char *const bad[][2] = {
        { "16X", "bad memory size '16X'" },
        { "M", "bad memory size 'M'" },
        { "1.5G", "bad memory size '1.5G'" },
        { "0x100000", "bad memory size '0x100000'" },
        { "16 M", "bad memory size '16 M'" },
        { "65G", "bad memory size '65G'" },
        { "18446744073709551617M", "bad memory size '18446744073709551617M'" },
        { "1023K", "less than 1M of memory: '1023K'" },
        { "0", "less than 1M of memory: '0'" },
        { "1025K", "memory is not a multiple of 4K: '1025K'" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[128], why[128];
        snprintf(text, sizeof(text), "[domain a]\nimage=k\nmemory = %s\n", bad[i][0]);
        snprintf(why, sizeof(why), "paravane.conf:3: %s", bad[i][1]);
        refuse(text, why);
    }
    refuse("[domain a]\nimage = ../k\n", "paravane.conf:2: bad image name '../k'");
    refuse("[domain a]\nimage = a b\n", "paravane.conf:2: bad image name 'a b'");
    refuse("[domain a]\nimage = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
           "paravane.conf:2: bad image name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'");
}
END_TEST

START_TEST(test_bytes)
{
    refuse(HEAD "weight = 1",
           "paravane.conf:4: no newline at the end of the file: was it cut short?");
    refuse("[domain a]\r\n", "paravane.conf:1: a carriage return: lines end with a newline alone");
    refuse("# \x1b[2J\n", "paravane.conf:1: a control character");
    ck_assert_int_eq(parse_bytes("[domain a]\n\0\n", 13), -1);
    ck_assert_str_eq(message, "paravane.conf:2: a NUL byte: not a text file");
    refuse_line("caf\xc3\xa9 = 1", "unknown key 'caf?"
                                   "?'");
}
END_TEST

START_TEST(test_long_lines)
{
    char text[1024];

    memset(text, 0, sizeof(text));
    memset(text, '#', CONFIG_LINE);
    strcat(text, "\n" HEAD);
    accept(text);
    memset(text, 0, sizeof(text));
    memset(text, '#', CONFIG_LINE + 1);
    strcat(text, "\n");
    refuse(text, "paravane.conf:1: line longer than 320 bytes");

    strcpy(text, HEAD "cmdline = ");
    size_t start = strlen(text);
    memset(text + start, 'c', CONFIG_CMDLINE - 1);
    strcpy(text + start + CONFIG_CMDLINE - 1, "\n");
    accept(text);
    ck_assert_uint_eq(strlen(config.domains[0].cmdline), CONFIG_CMDLINE - 1);
    strcpy(text + start + CONFIG_CMDLINE - 1, "c\n");
    refuse(text, "paravane.conf:4: command line longer than 255 bytes");
}
END_TEST

/* A message buffer of any size is filled, cut and terminated, never overrun. */
START_TEST(test_small_messages)
{
    const char *text = "[domain a]\nmemroy = 1\n";

    for (size_t size = 0; size < 60; size++) {
        char *small = malloc(size + 1);
        memset(small, 'x', size + 1);
        ck_assert_int_eq(config_parse("f", text, strlen(text), &config, small, size), -1);
        ck_assert_int_eq(small[size], 'x');
        if (size > 0)
            ck_assert_uint_eq(strlen(small), size - 1 < 25 ? size - 1 : 25);
        free(small);
    }
}
END_TEST

static bool is_sound(const struct config *c)
{
    if (c->domain_count == 0 || c->domain_count > CONFIG_DOMAINS)
        return false;
    for (unsigned i = 0; i < c->domain_count; i++) {
        const struct config_domain *d = &c->domains[i];
        if (d->image[0] == '\0' || d->name[0] == '\0' || d->memory < CONFIG_MEMORY_MIN)
            return false;
        if (d->disk_count > CONFIG_DISKS || d->weight == 0 || d->memory % 4096 != 0)
            return false;
    }
    return true;
}

/* Whatever the bytes: a sound configuration, or one message. */
static void check_outcome(const char *text, size_t bytes)
{
    int result = parse_bytes(text, bytes);

    if (result == 0 ? !is_sound(&config) : strncmp(message, "paravane.conf:", 14) != 0)
        ck_abort_msg("neither a configuration nor a message");
}

START_TEST(test_damaged_files)
{
    static char copy[8192];
    size_t bytes = 0;
    char *text = read_default(&bytes);

    for (size_t n = 0; n <= bytes; n++)
        check_outcome(text, n);
    srand(3);
    for (int round = 0; round < 3000; round++) {
        memcpy(copy, text, bytes);
        for (int k = rand() % 4; k >= 0; k--)
            copy[(size_t)rand() % bytes] = (char)rand();
        check_outcome(copy, bytes);
    }
    for (int round = 0; round < 3000; round++) {
        static const char soup[] = "[domain a]\nimage=k\nmemory=1M\ndisk = vda ide\n\0#=[]";
        size_t n = (size_t)rand() % 200;
        for (size_t i = 0; i < n; i++)
            copy[i] = soup[(size_t)rand() % sizeof(soup)];
        check_outcome(copy, n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_default_file);
    tcase_add_test(tests, test_good_forms);
    tcase_add_test(tests, test_sections);
    tcase_add_test(tests, test_domain_limit);
    tcase_add_test(tests, test_keys);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_disks);
    tcase_add_test(tests, test_memory_and_image);
    tcase_add_test(tests, test_bytes);
    tcase_add_test(tests, test_long_lines);
    tcase_add_test(tests, test_small_messages);
    tcase_add_test(tests, test_damaged_files);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

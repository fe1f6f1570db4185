/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 on the vectors of FIPS 180-4 and of NIST's long messages, at every length around the
 * padding's edges, and split in every way: the sum depends on the bytes alone.
 *
 * sources: pvguest/kernel/sha256.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

static char hex[SHA256_HEX_BYTES];

static const char *finish(struct sha256 *s)
{
    uint8_t digest[SHA256_BYTES];

    sha256_final(s, digest);
    sha256_hex(digest, hex);
    return hex;
}

static const char *sum(const void *data, size_t bytes)
{
    struct sha256 s;

    sha256_init(&s);
    sha256_update(&s, data, bytes);
    return finish(&s);
}

START_TEST(test_known_vectors)
{
    static const char *const vectors[][2] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
          "klmnopqrlmnopqrsmnopqrstnopqrstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        ck_assert_str_eq(sum(vectors[i][0], strlen(vectors[i][0])), vectors[i][1]);
}
END_TEST

START_TEST(test_million)
{
    static char data[1000000];

    memset(data, 'a', sizeof(data));
    ck_assert_str_eq(sum(data, sizeof(data)),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* One sum over the sums of all lengths up to three blocks; computed with Python's hashlib. */
START_TEST(test_every_length)
{
    uint8_t data[192], digest[SHA256_BYTES];
    struct sha256 all, one;

    sha256_init(&all);
    for (size_t n = 0; n <= sizeof(data); n++) {
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)(i * 7 + n);
        sha256_init(&one);
        sha256_update(&one, data, n);
        sha256_final(&one, digest);
        sha256_update(&all, digest, sizeof(digest));
    }
    ck_assert_str_eq(finish(&all),
                     "b41de3c83a90fd08577b6f0e3ab114f8b9316e89c456945a59657030c810d592");
}
END_TEST

START_TEST(test_every_split)
{
    uint8_t data[300];
    char whole[SHA256_HEX_BYTES];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i);
    strcpy(whole, sum(data, sizeof(data)));
    for (size_t first = 0; first <= sizeof(data); first++) {
        for (size_t second = first; second <= sizeof(data); second += 7) {
            struct sha256 s;
            sha256_init(&s);
            sha256_update(&s, data, first);
            sha256_update(&s, data + first, second - first);
            sha256_update(&s, data + second, sizeof(data) - second);
            if (strcmp(finish(&s), whole) != 0)
                ck_abort_msg("split at %zu and %zu", first, second);
        }
    }
}
END_TEST

/*
 * The length in bits of 512 MiB and a byte needs the upper word. Hashing the first 512 MiB is
 * skipped: what is looked at is the last block, built here by hand.
 */
START_TEST(test_length_beyond_32_bits)
{
    static const uint8_t last[64] = { 0, 0x80, [59] = 1, [63] = 8 };
    uint8_t digest[SHA256_BYTES];
    struct sha256 s, by_hand;

    sha256_init(&s);
    s.bytes = (uint64_t)1 << 29;
    sha256_update(&s, last, 1);
    sha256_final(&s, digest);
    sha256_init(&by_hand);
    sha256_update(&by_hand, last, sizeof(last));
    for (size_t i = 0; i < 8; i++) {
        ck_assert_uint_eq(digest[4 * i], by_hand.state[i] >> 24);
        ck_assert_uint_eq(digest[4 * i + 3], by_hand.state[i] & 0xff);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tests = tcase_create("sha256");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_known_vectors);
    tcase_add_test(tests, test_million);
    tcase_add_test(tests, test_every_length);
    tcase_add_test(tests, test_every_split);
    tcase_add_test(tests, test_length_beyond_32_bits);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

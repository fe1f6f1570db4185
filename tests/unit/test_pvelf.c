/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvguest's reader of user programs on damaged images. The image has its exact size on the heap, so
 * that ASan sees any read that elf_check should have refused.
 *
 * sources: pvguest/kernel/user_elf.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "user_elf.h"

#define USER_END 0x7ffffffff000u

struct image {
    struct elf_header h;
    struct elf_segment s[2];
    unsigned char text[256];
};

static void make(struct image *i)
{
    static const uint8_t ident[16] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

    memset(i, 0, sizeof(*i));
    memcpy(i->h.ident, ident, sizeof(ident));
    i->h.type = 2;
    i->h.machine = 62;
    i->h.entry = 0x400000;
    i->h.phoff = sizeof(i->h);
    i->h.phentsize = sizeof(struct elf_segment);
    i->h.phnum = 2;
    i->s[0] = (struct elf_segment){ .type = ELF_LOAD,
                                    .offset = offsetof(struct image, text),
                                    .vaddr = 0x400000,
                                    .filesz = 256,
                                    .memsz = 4096 };
}

/* Read everything that a checked image lets a loader read. */
static unsigned walk(const void *image)
{
    const struct elf_segment *s;
    unsigned sum = 0;

    for (unsigned n = 0; (s = elf_segment(image, n)) != NULL; n++) {
        if (s->type == ELF_LOAD) {
            ck_assert(s->filesz <= s->memsz && s->vaddr + s->memsz <= USER_END);
            for (uint64_t i = 0; i < s->filesz; i++) {
                sum += ((const unsigned char *)image)[s->offset + i];
            }
        }
    }
    return sum;
}

START_TEST(damaged)
{
    struct image good;
    unsigned accepted = 0;

    make(&good);
    ck_assert(elf_check(&good, sizeof(good), USER_END));
    srand(4);
    for (int n = 0; n < 100000; n++) {
        size_t size = (size_t)rand() % 8 ? sizeof(good) : (size_t)rand() % sizeof(good);
        unsigned char *copy = malloc(size + 1);

        memcpy(copy, &good, size);
        for (int k = rand() % 4; k > 0 && size > 0; k--) {
            size_t at = (size_t)rand() % (size < 176 ? size : 176);

            copy[at] = (unsigned char)(rand() % 3 ? rand() : 0xff);
        }
        copy = realloc(copy, size + (size == 0));
        if (elf_check(copy, size, USER_END)) {
            (void)walk(copy);
            accepted++;
        }
        free(copy);
    }
    ck_assert_uint_gt(accepted, 1000);
}
END_TEST

START_TEST(refused)
{
    struct image i;

    make(&i);
    i.s[0].filesz = 257;
    ck_assert(!elf_check(&i, sizeof(i), USER_END));
    make(&i);
    i.s[0].offset = UINT64_MAX;
    ck_assert(!elf_check(&i, sizeof(i), USER_END));
    make(&i);
    i.s[0].vaddr = UINT64_MAX - 100;
    ck_assert(!elf_check(&i, sizeof(i), USER_END));
    make(&i);
    i.s[0].memsz = UINT64_MAX;
    ck_assert(!elf_check(&i, sizeof(i), USER_END));
    make(&i);
    i.h.entry = USER_END;
    ck_assert(!elf_check(&i, sizeof(i), USER_END));
    make(&i);
    i.h.type = 3;
    ck_assert(!elf_check(&i, sizeof(i), USER_END));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pvelf");
    TCase *t = tcase_create("pvelf");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, damaged);
    tcase_add_test(t, refused);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

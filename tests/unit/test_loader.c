/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader of root's image on good files, on each kind of damage it names, and on files cut and
 * changed anywhere: whatever it accepts can be copied and mapped without looking again.
 *
 * sources: hyp/core/loader.c
 */
#include <check.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "hv_call.h"
#include "hv_memory.h"
#include "loader.h"

#define BASE      (HV_KERNEL_IMAGE + 0x10000)
#define FILE_SIZE 0x4000u
#define TEXT      0x1000u /* offsets of the segments in the file */
#define DATA      0x2000u
#define NOTE      0x0200u

struct note {
    Elf64_Nhdr header;
    char name[12];
    uint32_t version;
};

static uint8_t *file;
static Elf64_Ehdr *header;
static Elf64_Phdr *segment; /* read-only, text, data, note */
static struct note *note;
static struct loader_image image;

static void setup(void)
{
    static const char name[12] = "Paravane";

    file = calloc(1, FILE_SIZE);
    header = (void *)file;
    segment = (void *)(file + sizeof(*header));
    note = (void *)(file + NOTE);
    memcpy(header->e_ident,
           "\x7f"
           "ELF\2\1\1",
           7);
    header->e_type = ET_EXEC;
    header->e_machine = EM_X86_64;
    header->e_entry = BASE + 0x1010;
    header->e_phoff = sizeof(*header);
    header->e_phentsize = sizeof(*segment);
    header->e_phnum = 4;
    segment[0] = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = BASE, .p_filesz = 0x300, .p_memsz = 0x300
    };
    segment[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
                               .p_flags = PF_R | PF_X,
                               .p_offset = TEXT,
                               .p_vaddr = BASE + 0x1000,
                               .p_filesz = 0x800,
                               .p_memsz = 0x800 };
    segment[2] = (Elf64_Phdr){ .p_type = PT_LOAD,
                               .p_flags = PF_R | PF_W,
                               .p_offset = DATA + 8,
                               .p_vaddr = BASE + 0x2008,
                               .p_filesz = 0x1ff8,
                               .p_memsz = 0x5000 };
    segment[3] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTE, .p_filesz = sizeof(*note) };
    note->header = (Elf64_Nhdr){ .n_namesz = 9, .n_descsz = 4, .n_type = HV_NOTE_ABI };
    memcpy(note->name, name, sizeof(name));
    note->version = HV_ABI_VERSION;
}

static void teardown(void)
{
    free(file);
}

static const char *load(void)
{
    return loader_read(file, FILE_SIZE, &image);
}

/* What root.c relies on. */
static void check_image(uint64_t size)
{
    uint64_t behind = 0;

    for (uint32_t i = 0; i < image.count; i++) {
        const struct loader_segment *s = &image.segment[i];

        if (s->gfn < behind || s->lead >= 4096 || s->bytes > size || s->offset > size - s->bytes ||
            s->lead + s->bytes > s->pages * 4096 || s->pages == 0 || s->pages > 1 << 18 ||
            (s->rights & 6) == 6) {
            ck_abort_msg("segment %u is not what root.c expects", i);
        }
        behind = s->gfn + s->pages;
    }
    if (image.end_gfn != behind || image.count > LOADER_SEGMENTS) {
        ck_abort_msg("the end is not the end");
    }
}

START_TEST(test_a_good_file)
{
    ck_assert_ptr_eq(load(), NULL);
    check_image(FILE_SIZE);
    ck_assert_uint_eq(image.count, 3);
    ck_assert_uint_eq(image.entry, BASE + 0x1010);
    ck_assert_uint_eq(image.segment[0].gfn, 16);
    ck_assert_uint_eq(image.segment[0].rights, HV_MAP_READ);
    ck_assert_uint_eq(image.segment[1].rights, HV_MAP_READ | HV_MAP_EXEC);
    ck_assert_uint_eq(image.segment[2].rights, HV_MAP_READ | HV_MAP_WRITE);
    ck_assert_uint_eq(image.segment[2].lead, 8);
    ck_assert_uint_eq(image.segment[2].pages, 6);
    ck_assert_uint_eq(image.end_gfn, 24);
}
END_TEST

/* One damage each, and the words that have to be in its message. */
static void refused(const char *words)
{
    const char *wrong = load();

    ck_assert_msg(wrong != NULL && strstr(wrong, words) != NULL, "\"%s\" instead of \"%s\"",
                  wrong ? wrong : "accepted", words);
}

START_TEST(test_headers)
{
    switch (_i) {
    case 0:
        header->e_ident[0] = 0;
        refused("ELF64");
        break;
    case 1:
        header->e_ident[EI_CLASS] = ELFCLASS32;
        refused("ELF64");
        break;
    case 2:
        header->e_type = ET_DYN;
        refused("executable");
        break;
    case 3:
        header->e_machine = EM_AARCH64;
        refused("x86-64");
        break;
    case 4:
        header->e_phentsize = 32;
        refused("program header");
        break;
    case 5:
        header->e_phnum = 0;
        refused("program header");
        break;
    case 6:
        header->e_phnum = 65535;
        refused("program header");
        break;
    case 7:
        header->e_phoff = FILE_SIZE - 10;
        refused("program header");
        break;
    case 8:
        header->e_phoff = ~(uint64_t)0 - 10;
        refused("program header");
        break;
    case 9:
        header->e_entry = BASE; /* read-only */
        refused("entry");
        break;
    case 10:
        header->e_entry = 0;
        refused("entry");
        break;
    default:
        header->e_entry = BASE + 0x2000;
        refused("entry");
    }
}
END_TEST

START_TEST(test_segments)
{
    Elf64_Phdr *s = &segment[_i % 3];

    switch (_i / 3) {
    case 0:
        s->p_offset = FILE_SIZE;
        refused("outside the file");
        break;
    case 1:
        s->p_offset = ~(uint64_t)0;
        refused("outside the file");
        break;
    case 2:
        s->p_filesz = ~(uint64_t)0;
        refused("outside the file");
        break;
    case 3:
        s->p_filesz = s->p_memsz + 1;
        refused("outside the file");
        break;
    case 4:
        s->p_vaddr = 0x400000;
        refused("area");
        break;
    case 5:
        s->p_vaddr = ~(uint64_t)0 - 0x100;
        refused("area");
        break;
    case 6:
        s->p_memsz = ~(uint64_t)0;
        refused("area");
        break;
    case 7:
        s->p_flags = PF_R | PF_W | PF_X;
        refused("writable and executable");
        break;
    default:
        s->p_vaddr = segment[(_i + 1) % 3].p_vaddr;
        refused("share a page");
    }
}
END_TEST

START_TEST(test_too_many_segments)
{
    header->e_phoff = 0x3000;
    header->e_phnum = LOADER_SEGMENTS + 1;
    for (uint32_t i = 0; i <= LOADER_SEGMENTS; i++) {
        Elf64_Phdr s = segment[0];

        s.p_vaddr += i * 0x1000;
        memcpy(file + 0x3000 + i * sizeof(s), &s, sizeof(s));
    }
    refused("too many");
}
END_TEST

START_TEST(test_versions)
{
    switch (_i) {
    case 0:
        segment[3].p_type = PT_NULL;
        refused("no note");
        break;
    case 1:
        note->version = HV_ABI_VERSION + 1;
        refused("another version");
        break;
    case 2:
        note->version = HV_ABI_VERSION + 0x10000;
        refused("another version");
        break;
    case 3:
        note->name[0] = 'X';
        refused("no note");
        break;
    case 4:
        note->header.n_descsz = 0xffffffff;
        refused("no note");
        break;
    case 5:
        note->header.n_namesz = 0xffffffff;
        refused("no note");
        break;
    case 6:
        segment[3].p_offset = FILE_SIZE - 8;
        segment[3].p_filesz = 8;
        refused("no note");
        break;
    default:
        segment[3].p_offset = ~(uint64_t)0;
        refused("no note");
    }
}
END_TEST

/* A note of somebody else before ours is stepped over. */
START_TEST(test_a_foreign_note_first)
{
    Elf64_Nhdr other = { .n_namesz = 4, .n_descsz = 20, .n_type = 3 };
    struct note ours = *note;

    memcpy(file + NOTE, &other, sizeof(other));
    memcpy(file + NOTE + sizeof(other), "GNU", 4);
    memcpy(file + NOTE + sizeof(other) + 24, &ours, sizeof(ours));
    segment[3].p_filesz = sizeof(other) + 24 + sizeof(ours);
    ck_assert_ptr_eq(load(), NULL);
}
END_TEST

/* The file ends anywhere: the copy is as long as it says, so that ASan sees a read behind it. */
START_TEST(test_cut_anywhere)
{
    for (uint64_t size = 0; size < FILE_SIZE; size += size < 0x400 ? 1 : 97) {
        uint8_t *cut = malloc(size ? size : 1);

        memcpy(cut, file, size);
        if (loader_read(cut, size, &image) == NULL) {
            ck_abort_msg("accepted a file cut at %lu", size);
        }
        free(cut);
    }
}
END_TEST

START_TEST(test_random_damage)
{
    uint64_t state = 1;
    unsigned int accepted = 0;
    uint8_t *good = malloc(FILE_SIZE);

    memcpy(good, file, FILE_SIZE);
    for (int i = 0; i < 200000; i++) {
        uint32_t n = 0;

        memcpy(file, good, 0x300);
        do {
            state = state * 6364136223846793005u + 1442695040888963407u;
            file[(state >> 33) % 0x230] = (uint8_t)(state >> 20);
        } while (++n < 4 && (state >> 60) & 3);
        if (load() == NULL) {
            accepted++;
            check_image(FILE_SIZE);
        }
    }
    ck_assert_uint_gt(accepted, 100);
    free(good);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tc = tcase_create("loader");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_a_good_file);
    tcase_add_loop_test(tc, test_headers, 0, 12);
    tcase_add_loop_test(tc, test_segments, 0, 27);
    tcase_add_test(tc, test_too_many_segments);
    tcase_add_loop_test(tc, test_versions, 0, 8);
    tcase_add_test(tc, test_a_foreign_note_first);
    tcase_add_test(tc, test_cut_anywhere);
    tcase_add_test(tc, test_random_damage);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader's view of a guest image: a good file, each kind of damage with its exact message, and
 * every single bit of the headers changed, every prefix, and noise. Files are copied to buffers of
 * their exact size, so that ASan sees a byte read too far; what is accepted is checked against what
 * the builder relies on.
 *
 * sources: libhypercall/src/elf.c
 */
#include <check.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "hvlib/elf.h"
#include <hv_memory.h>

#define RAM_PAGES 64u
#define NOTE_AT   0x200u
#define FILE_SIZE 0x3000u

static unsigned char file[FILE_SIZE];
static Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)file;
static Elf64_Phdr *load = (Elf64_Phdr *)(void *)(file + sizeof(Elf64_Ehdr));
static struct hv_elf elf;
static const char *why;

static Elf64_Phdr segment(uint32_t flags, uint64_t gpa, uint64_t offset, uint64_t bytes)
{
    return (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = flags,
        .p_offset = offset,
        .p_vaddr = HV_KERNEL_IMAGE + gpa,
        .p_paddr = gpa,
        .p_filesz = bytes,
        .p_memsz = bytes,
    };
}

static void write_note(void)
{
    uint32_t note[3] = { sizeof HV_NOTE_NAME, 4, HV_NOTE_ABI };
    uint32_t version = HV_ABI_VERSION;

    memcpy(file + NOTE_AT, note, sizeof note);
    memcpy(file + NOTE_AT + 12, HV_NOTE_NAME, sizeof HV_NOTE_NAME);
    memcpy(file + NOTE_AT + 24, &version, 4);
}

static void setup(void)
{
    memset(file, 0, sizeof file);
    *header = (Elf64_Ehdr){
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = HV_KERNEL_IMAGE + 0x11010,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 4,
    };
    load[0] = segment(PF_R, 0x10000, 0, 0x800);
    load[1] = segment(PF_R | PF_X, 0x11000, 0x1000, 0x1000);
    load[2] = segment(PF_R | PF_W, 0x12000, 0x2000, 0x1000);
    load[2].p_memsz = 0x5001;
    load[3] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 28 };
    write_note();
}

static int64_t parse(const unsigned char *from, uint64_t bytes)
{
    unsigned char *exact = malloc(bytes + (bytes == 0));

    memcpy(exact, from, bytes);
    why = NULL;
    int64_t result = hv_elf_parse(exact, bytes, RAM_PAGES, &elf, &why);

    free(exact);
    ck_assert_ptr_nonnull(why);
    return result;
}

static void accept(void)
{
    ck_assert_msg(parse(file, FILE_SIZE) == 0, "refused: %s", why);
    ck_assert_str_eq(why, "");
}

static void refuse(const char *reason)
{
    ck_assert_int_eq(parse(file, FILE_SIZE), -HV_EINVAL);
    ck_assert_str_eq(why, reason);
    setup();
}

START_TEST(test_good)
{
    accept();
    ck_assert_uint_eq(elf.segments, 3);
    ck_assert_uint_eq(elf.entry, HV_KERNEL_IMAGE + 0x11010);
    ck_assert_uint_eq(elf.end, 0x18000);
    ck_assert_uint_eq(elf.version, HV_ABI_VERSION);
    ck_assert_uint_eq(elf.segment[0].rights, HV_MAP_READ);
    ck_assert_uint_eq(elf.segment[1].rights, HV_MAP_READ | HV_MAP_EXEC);
    ck_assert_uint_eq(elf.segment[2].rights, HV_MAP_READ | HV_MAP_WRITE);
    ck_assert_uint_eq(elf.segment[2].pages, 6);
    ck_assert_uint_eq(elf.segment[2].file_bytes, 0x1000);
    load[0].p_memsz = load[0].p_filesz = 0; /* empty: nothing to load, wherever it is */
    load[0].p_vaddr = 12345;
    accept();
    ck_assert_uint_eq(elf.segments, 2);
}
END_TEST

START_TEST(test_header)
{
    for (int i = 0; i < 7; i++) {
        file[i] ^= 1;
        refuse("not a 64-bit little-endian ELF file");
    }
    header->e_type = ET_DYN;
    refuse("not an executable for x86-64");
    header->e_machine = EM_386;
    refuse("not an executable for x86-64");
    header->e_phentsize = 32;
    refuse("bad program headers");
    header->e_phnum = 0;
    refuse("bad program headers");
    header->e_phnum = 0xffff;
    refuse("bad program headers");
    header->e_phoff = FILE_SIZE - sizeof(Elf64_Phdr) + 1;
    refuse("program headers lie outside the file");
    header->e_phoff = ~(uint64_t)0;
    refuse("program headers lie outside the file");
    header->e_entry = HV_KERNEL_IMAGE + 0x10000;
    refuse("the entry point is in no executable segment");
    header->e_entry = HV_KERNEL_IMAGE + 0x12000;
    refuse("the entry point is in no executable segment");
    header->e_entry = HV_KERNEL_IMAGE + 0x10fff;
    refuse("the entry point is in no executable segment");
}
END_TEST

START_TEST(test_segments)
{
    load[1].p_offset = FILE_SIZE - 0xfff;
    refuse("a segment lies outside the file");
    load[1].p_offset = ~(uint64_t)0;
    refuse("a segment lies outside the file");
    load[1].p_filesz = ~(uint64_t)0;
    load[1].p_memsz = ~(uint64_t)0;
    refuse("a segment lies outside the file");
    load[1].p_filesz = 0x1001;
    refuse("a segment lies outside the file");
    load[1].p_vaddr += 8;
    refuse("a segment is not page aligned");
    load[1].p_paddr += 8;
    refuse("a segment is not page aligned");
    load[2].p_memsz = RAM_PAGES * HV_PAGE_SIZE - 0x12000 + 1;
    refuse("a segment lies outside the domain's RAM");
    load[2].p_memsz = ~(uint64_t)0;
    refuse("a segment lies outside the domain's RAM");
    load[2].p_paddr = ~(uint64_t)0xfff;
    refuse("a segment lies outside the domain's RAM");
    load[2].p_vaddr = 0x400000;
    refuse("a segment lies outside the kernel half");
    load[2].p_vaddr = HV_KERNEL_START - 0x1000;
    refuse("a segment lies outside the kernel half");
    load[2].p_vaddr = ~(uint64_t)0xfff;
    refuse("a segment lies outside the kernel half");
    load[2].p_flags |= PF_X;
    refuse("a segment is writable and executable");
    load[2].p_paddr = 0x11000;
    refuse("segments overlap");
    load[2].p_vaddr = HV_KERNEL_IMAGE + 0x11000;
    refuse("segments overlap");
    load[2].p_vaddr = HV_KERNEL_IMAGE + 0xc000;
    refuse("segments overlap");
}
END_TEST

START_TEST(test_too_many)
{
    header->e_phoff = 0x1000;
    header->e_phnum = 10;
    Elf64_Phdr *p = (Elf64_Phdr *)(void *)(file + 0x1000);

    for (unsigned i = 0; i < 9; i++)
        p[i] = segment(PF_R | PF_X, 0x10000 + i * 0x1000, 0, 0x1000);
    p[9] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 28 };
    refuse("too many segments");
}
END_TEST

START_TEST(test_notes)
{
    uint32_t version = HV_ABI_VERSION + 1, huge = 0xfffffffe;

    load[3].p_type = PT_NULL;
    refuse("no Paravane ABI note: not a guest image");
    file[NOTE_AT + 12] = 'p';
    refuse("no Paravane ABI note: not a guest image");
    file[NOTE_AT + 8] = 2;
    refuse("no Paravane ABI note: not a guest image");
    memcpy(file + NOTE_AT + 24, &version, 4);
    refuse("built for another ABI version");
    version = (HV_ABI_MAJOR + 1) << 16;
    memcpy(file + NOTE_AT + 24, &version, 4);
    refuse("built for another ABI version");
    memcpy(file + NOTE_AT, &huge, 4);
    refuse("damaged note");
    memcpy(file + NOTE_AT + 4, &huge, 4);
    refuse("damaged note");
    load[3].p_filesz = 27;
    refuse("damaged note");
    load[3].p_offset = FILE_SIZE - 27;
    refuse("a note lies outside the file");
    load[3].p_offset = ~(uint64_t)0;
    refuse("a note lies outside the file");
}
END_TEST

/* What the builder and the new domain rely on, for anything that is accepted. */
static void check_accepted(uint64_t bytes)
{
    uint64_t ram = RAM_PAGES * (uint64_t)HV_PAGE_SIZE;

    ck_assert_uint_le(elf.segments, HV_ELF_MAX_SEGMENTS);
    ck_assert_uint_le(elf.end, ram);
    for (uint32_t i = 0; i < elf.segments; i++) {
        const struct hv_elf_segment *s = &elf.segment[i];
        uint64_t size = s->pages * HV_PAGE_SIZE;

        ck_assert_uint_eq((s->gpa | s->address) % HV_PAGE_SIZE, 0);
        ck_assert(s->pages >= 1 && s->pages <= RAM_PAGES && s->gpa + size <= ram);
        ck_assert(s->file_bytes <= size && s->offset <= bytes &&
                  s->file_bytes <= bytes - s->offset);
        ck_assert(s->address >= HV_KERNEL_START && s->address + size > s->address);
        ck_assert_uint_ne(s->rights & (HV_MAP_WRITE | HV_MAP_EXEC), HV_MAP_WRITE | HV_MAP_EXEC);
    }
}

START_TEST(test_every_bit)
{
    for (unsigned bit = 0; bit < 8 * 0x240; bit++) {
        setup();
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (parse(file, FILE_SIZE) == 0)
            check_accepted(FILE_SIZE);
    }
}
END_TEST

START_TEST(test_every_prefix)
{
    for (uint64_t bytes = 0; bytes < FILE_SIZE; bytes++)
        ck_assert_int_eq(parse(file, bytes), -HV_EINVAL);
}
END_TEST

START_TEST(test_noise)
{
    srand(1);
    for (int round = 0; round < 20000; round++) {
        setup();
        for (int n = rand() % 8; n >= 0; n--) {
            size_t at = (size_t)rand() % 0x240;
            uint64_t value = rand() % 3 ? (uint64_t)rand() << 33 ^ (uint64_t)rand()
                                        : ~(uint64_t)0 << (rand() % 64);

            memcpy(file + at, &value, at < 0x238 ? 8 : 1);
        }
        if (parse(file, FILE_SIZE) == 0)
            check_accepted(FILE_SIZE);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("elf");
    TCase *tc = tcase_create("elf");

    tcase_set_timeout(tc, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_good);
    tcase_add_test(tc, test_header);
    tcase_add_test(tc, test_segments);
    tcase_add_test(tc, test_too_many);
    tcase_add_test(tc, test_notes);
    tcase_add_test(tc, test_every_bit);
    tcase_add_test(tc, test_every_prefix);
    tcase_add_test(tc, test_noise);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}

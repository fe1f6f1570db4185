/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root as the hypervisor builds it: its memory and what is mapped how, the modules that become its
 * RAM, each record of its start page; and every reason for which it is not started.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c hyp/core/poll.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/loader.c hyp/core/p2m.c hyp/core/portdecode.c
 * sources: hyp/core/resource.c hyp/core/sched.c hyp/core/space.c hyp/core/space_table.c
 * sources: hyp/core/space_leaf.c hyp/core/timer.c hyp/core/trace.c hyp/lib/lock.c
 */
#include <check.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "arch/layout.h"
/* The direct map of this machine is its arena. */
#define phys_to_virt(pa) ((void *)(frame_direct + (pa)))
#include <hyp/core/root.c>

#include "space_table.h"

#define FRAMES   8192u
#define TAKEN    64u
#define IMAGE    (FRAMES - TAKEN) /* frames of the boot loader's: image, then one module */
#define MODULE   (FRAMES - 32u)
#define BASE     (HV_KERNEL_IMAGE + 0x10000)
#define ENTRY    (BASE + 0x1010)
#define REASON   14u
#define TEXT_GFN 17u
#define DATA_GFN 18u

static struct boot_info *boot;

/* Headers and note read-only, text, data with 0x100 bytes in the file and three pages in all. */
static void make_image(uint8_t *file)
{
    Elf64_Ehdr *header = (void *)file;
    Elf64_Phdr *segment = (void *)(file + sizeof(*header));
    Elf64_Nhdr *note = (void *)(file + 0x200);

    memcpy(header->e_ident,
           "\x7f"
           "ELF\2\1\1",
           7);
    header->e_type = ET_EXEC;
    header->e_machine = EM_X86_64;
    header->e_entry = ENTRY;
    header->e_phoff = sizeof(*header);
    header->e_phentsize = sizeof(*segment);
    header->e_phnum = 4;
    segment[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = BASE };
    segment[0].p_filesz = segment[0].p_memsz = 0x300;
    segment[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x1000 };
    segment[1].p_vaddr = BASE + 0x1000;
    segment[1].p_filesz = segment[1].p_memsz = 0x800;
    segment[2] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x2008 };
    segment[2].p_vaddr = BASE + 0x2008;
    segment[2].p_filesz = 0x100;
    segment[2].p_memsz = 0x2100;
    segment[3] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 0x200, .p_filesz = 28 };
    *note = (Elf64_Nhdr){ .n_namesz = 9, .n_descsz = 4, .n_type = HV_NOTE_ABI };
    memcpy(note + 1, "Paravane", 9);
    *(uint32_t *)(void *)(file + 0x200 + 24) = HV_ABI_VERSION;
    memset(file + 0x1000, 0xc3, 0x800);
    memset(file + 0x2008, 0xdd, 0x100);
}

static void add_module(uint64_t frame, uint64_t bytes, const char *string)
{
    struct boot_module *m = &boot->modules[boot->module_count++];

    m->start = frame << 12;
    m->end = (frame << 12) + bytes;
    snprintf(m->string, sizeof(m->string), "%s", string);
}

static void setup(void)
{
    boot = host_core_boot(FRAMES, TAKEN);
    memset(frame_direct + (IMAGE << 12), 0, TAKEN << 12);
    memset(frame_direct + (MODULE << 12), 0x77, 2 << 12);
    make_image(frame_direct + (IMAGE << 12));
    boot->wall_clock = 1000;
    boot->wall_clock_ns = 5;
    add_module(IMAGE, 0x3000, "root.elf say=this and=that");
    add_module(MODULE, 5000, "disk.img a=b");
}

static uint64_t rights_at(uint64_t address)
{
    pte_t e = leaf_at(domain_root->spaces[0], address);

    return e == 0 ? 0
                  : HV_MAP_READ | (e & PTE_WRITE ? HV_MAP_WRITE : 0u) |
                        (e & PTE_NX ? 0u : HV_MAP_EXEC);
}

/* Record number n of a tag on the start page, or NULL. */
static const void *find(uint32_t tag, uint32_t n)
{
    const uint8_t *page = host_ram(domain_root, TEXT_GFN + 4);
    const struct hv_start_header *h = (const void *)page;
    uint32_t at = sizeof(*h);

    for (;;) {
        const struct hv_start_record *r = (const void *)(page + at);

        must(at + sizeof(*r) <= h->bytes && r->size % 8 == 0 && r->size >= sizeof(*r));
        if (r->tag == tag && n-- == 0) {
            return r;
        }
        if (r->tag == HV_START_END) {
            must(at + r->size == h->bytes);
            return NULL;
        }
        at += r->size;
    }
}

START_TEST(test_memory)
{
    const uint64_t start_gfn = TEXT_GFN + 4;
    struct domain *d;

    root_build(boot);
    d = domain_root;
    ck_assert_int_eq(d->state, HV_DOMAIN_RUNNING);
    ck_assert_uint_eq(d->vcpu[0]->regs.rip, ENTRY);
    ck_assert_uint_eq(d->vcpu[0]->regs.rdi, HV_KERNEL_IMAGE + start_gfn * 4096);
    ck_assert_uint_eq(rights_at(BASE), HV_MAP_READ);
    ck_assert_uint_eq(rights_at(BASE + 0x1000), HV_MAP_READ | HV_MAP_EXEC);
    for (uint64_t page = 2; page < 5; page++) {
        ck_assert_uint_eq(rights_at(BASE + page * 4096), HV_MAP_READ | HV_MAP_WRITE);
    }
    ck_assert_uint_eq(rights_at(BASE + 5 * 4096), HV_MAP_READ); /* start page */
    ck_assert_uint_eq(rights_at(BASE + 6 * 4096), HV_MAP_READ); /* devices */
    ck_assert_uint_eq(rights_at(BASE + 7 * 4096), HV_MAP_READ | HV_MAP_WRITE);
    ck_assert_uint_eq(rights_at(BASE + 8 * 4096), 0);
    ck_assert_uint_eq(rights_at(BASE - 4096), 0);
    ck_assert_uint_eq(pte_frame(leaf_at(d->spaces[0], BASE + 7 * 4096)), d->vcpu[0]->page_mfn.n);
    ck_assert_uint_eq(*(uint8_t *)host_ram(d, TEXT_GFN), 0xc3);
    ck_assert_uint_eq(((uint8_t *)host_ram(d, DATA_GFN))[7], 0);
    ck_assert_uint_eq(((uint8_t *)host_ram(d, DATA_GFN))[8], 0xdd);
    ck_assert_uint_eq(((uint8_t *)host_ram(d, DATA_GFN))[0x108], 0);
    host_audit();
}
END_TEST

/* In place, and nothing of the loader's behind its last byte. */
START_TEST(test_modules)
{
    uint64_t ram = 0;
    const uint8_t *last;

    snprintf(boot->cmdline, sizeof(boot->cmdline), "8");
    root_build(boot);
    ram = 8 * 256;
    ck_assert_uint_eq(domain_root->ram_pages, ram + 2);
    ck_assert_uint_eq(p2m_ram(domain_root, (gfn_t){ ram }).n, MODULE);
    ck_assert_uint_eq(p2m_ram(domain_root, (gfn_t){ ram + 1 }).n, MODULE + 1);
    ck_assert_int_eq(frame_table[MODULE].state, FRAME_RAM);
    ck_assert_int_eq(frame_table[IMAGE].state, FRAME_RESERVED);
    last = host_ram(domain_root, ram + 1);
    ck_assert_uint_eq(last[5000 - 4096 - 1], 0x77);
    ck_assert_uint_eq(last[5000 - 4096], 0);
    ck_assert_uint_eq(last[4095], 0);
    host_audit();
}
END_TEST

START_TEST(test_start_page)
{
    const struct hv_start_header *h;
    const struct hv_start_module *m;
    const struct hv_start_memory *r;

    root_build(boot);
    h = host_ram(domain_root, TEXT_GFN + 4);
    ck_assert_uint_eq(h->magic, HV_START_MAGIC);
    ck_assert_uint_eq(h->version, HV_ABI_VERSION);
    ck_assert_ptr_ne(find(HV_START_DOMAIN, 0), NULL);
    ck_assert_ptr_ne(find(HV_START_FEATURES, 0), NULL);
    ck_assert_str_eq(((const struct hv_start_string *)find(HV_START_CMDLINE, 0))->text,
                     "say=this and=that");
    ck_assert_uint_eq(((const struct hv_start_u64 *)find(HV_START_CLOCK, 0))->value,
                      1000 * (uint64_t)1000000000 - 5);
    ck_assert_uint_eq(((const struct hv_start_page *)find(HV_START_VCPU, 0))->gfn, HV_GFN_SHARED);
    ck_assert_uint_eq(((const struct hv_start_page *)find(HV_START_DEVICES, 0))->gfn, TEXT_GFN + 5);
    m = find(HV_START_MODULE, 0);
    ck_assert_str_eq(m->text, "disk.img a=b");
    ck_assert_uint_eq(m->bytes, 5000);
    ck_assert_uint_eq(p2m_ram(domain_root, (gfn_t){ m->gfn }).n, MODULE);
    ck_assert_ptr_eq(find(HV_START_MODULE, 1), NULL);
    r = find(HV_START_MEMORY, 0);
    ck_assert(r->kind == HV_RANGE_RAM && r->gfn == 0 && r->count == domain_root->ram_pages);
    r = find(HV_START_MEMORY, 1);
    ck_assert(r->kind == HV_RANGE_IMAGE && r->gfn == TEXT_GFN - 1 && r->count == 8);
}
END_TEST

/* ---- what cannot be started ---- */

static void no_module(void)
{
    boot->module_count = 0;
}

static void no_image(void)
{
    frame_direct[IMAGE << 12] = 0;
}

static void unaligned_module(void)
{
    boot->modules[1].start += 512;
}

static void long_lines(void)
{
    for (unsigned int i = 0; i < 10; i++) {
        char line[500];

        memset(line, 'x', sizeof(line));
        line[sizeof(line) - 1] = '\0';
        add_module(MODULE + 2 + i, 1, line);
    }
}

static void entry_elsewhere(void)
{
    ((Elf64_Ehdr *)(void *)(frame_direct + (IMAGE << 12)))->e_entry = 0x1000;
}

static const struct {
    const char *root_mem;
    void (*spoil)(void);
    const char *told;
} cases[] = {
    { "", no_module, "no boot module" },
    { "", no_image, "not a little-endian ELF64 file" },
    { "3", NULL, "root-mem is not a number of MiB" },
    { "0", NULL, "root-mem is not a number of MiB" },
    { "8x", NULL, "root-mem is not a number of MiB" },
    { "31", NULL, "root-mem is not a number of MiB" },
    { "99999999999999999999", NULL, "root-mem is not a number of MiB" },
    { "", unaligned_module, "does not start on a page" },
    { "", long_lines, "too long for the start page" },
    { "", entry_elsewhere, "cannot start root" },
};

START_TEST(test_cannot_start)
{
    snprintf(boot->cmdline, sizeof(boot->cmdline), "%s", cases[_i].root_mem);
    if (cases[_i].spoil != NULL) {
        cases[_i].spoil();
    }
    host_log[0] = 0;
    if (setjmp(host_shutdown) == 0) {
        root_build(boot);
        ck_abort_msg("root was started");
    }
    ck_assert_uint_eq(host_shutdown_reason, REASON);
    ck_assert_msg(strstr(host_log, cases[_i].told) != NULL, "%s", host_log);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("root");
    TCase *tc = tcase_create("root");

    tcase_set_timeout(tc, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_memory);
    tcase_add_test(tc, test_modules);
    tcase_add_test(tc, test_start_page);
    tcase_add_loop_test(tc, test_cannot_start, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}

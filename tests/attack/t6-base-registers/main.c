/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T6). A segment base that is not canonical faults when the hypervisor loads it, in ring 0
 * and far from the guest that chose it; a base or selector that survives a switch shows one
 * domain's pointers to another. The hypercall that sets a base was checked; forgotten were the
 * other routes: the base that is restored on the way to user mode, a selector loaded by hand (which
 * clears or reloads the base), WRGSBASE between the hypervisor's own accesses.
 *
 * This guest sets bases by set_entry and return_to_user, by WRFSBASE and WRGSBASE to every address
 * that the interface allows (the hypervisor's included: they are only numbers), loads all 65,536
 * selectors into DS, ES, FS and GS, and looks whether bases come back as they were set. A
 * vulnerable system faults in ring 0, or loses its own per-CPU data.
 *
 * Not shown here: WRFSBASE and WRGSBASE of a non-canonical base (QEMU takes them; a processor
 * faults in ring 3), so those stay with the hypercalls.
 */
#include "nasty.h"
#include "test.h"

#define GP 13u
#define PF 14u

const char test_title[] = "no route puts a bad base or selector into the hypervisor's way";

static const uint64_t holes[] = { NASTY_NONCANONICAL };
static const uint64_t hyp[] = {
    0, 1, HV_USER_END + 0xfff, HV_KERNEL_START, ~(uint64_t)0, NASTY_HYP
};

#define HOLES (sizeof holes / sizeof *holes)
#define HYPS  (sizeof hyp / sizeof *hyp)

static uint64_t rdgsbase(void)
{
    uint64_t base;

    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static uint64_t rdfsbase(void)
{
    uint64_t base;

    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

static void wrgsbase(uint64_t base)
{
    __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
}

static void wrfsbase(uint64_t base)
{
    __asm__ volatile("wrfsbase %0" : : "r"(base) : "memory");
}

/* ---- by hypercall ---- */

static uint64_t space;

static int64_t enter(uint64_t gs_base, uint32_t vector, struct hv_frame *f)
{
    *f = (struct hv_frame){
        .rip = TEST_USER_CODE, .rflags = 0x202, .gs_base = gs_base, .vector = vector
    };
    return test_user_frame(space, f);
}

/* rdgsbase %rbx; mov %rdi, %rdx; wrgsbase %rdi; syscall */
static const uint8_t user_code[] = { 0xf3, 0x48, 0x0f, 0xae, 0xcb, 0x48, 0x89, 0xfa,
                                     0xf3, 0x48, 0x0f, 0xae, 0xdf, 0x0f, 0x05 };

static void check_return_to_user(void)
{
    struct hv_frame f;

    for (unsigned by = 0; by < 2; by++) {
        uint32_t vector = by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT;

        for (size_t i = 0; i < HYPS; i++) {
            CHECK_EQ(enter(hyp[i], vector, &f), HV_VECTOR_SYSCALL);
            CHECK_EQ(f.rbx, hyp[i]);
        }
        for (size_t i = 0; i < HOLES; i++) {
            CHECK_EQ(enter(holes[i], vector, &f), -HV_EINVAL);
            CHECK_EQ(enter(8, vector, &f), HV_VECTOR_SYSCALL);
        }
    }
}

/* Each mode has its own GS base; what the user writes is saved, and FS base passes through. */
static void check_separation(void)
{
    struct hv_frame f;

    /* The library's own base is where the shared page is: here at another address. */
    uint64_t page = rdgsbase(), alias = test_addresses(1);

    CHECK_EQ(test_map(HV_SELF, 0, alias, HV_GFN_SHARED, 1, HV_MAP_READ | HV_MAP_WRITE), 1);
    NEED(hv_set_entries(alias, 0));
    CHECK_EQ(rdgsbase(), alias);
    for (size_t i = 0; i < HYPS; i++) {
        f = (struct hv_frame){
            .rip = TEST_USER_CODE, .rflags = 0x202, .gs_base = 64, .rdi = hyp[i]
        };
        wrfsbase(hyp[HYPS - 1 - i]);
        CHECK_EQ(test_user_frame(space, &f), HV_VECTOR_SYSCALL);
        CHECK_EQ(f.rbx, 64);
        CHECK_EQ(f.gs_base, hyp[i]);
        CHECK_EQ(rdgsbase(), alias);
        CHECK_EQ(rdfsbase(), hyp[HYPS - 1 - i]);
    }
    wrfsbase(0);
    NEED(hv_set_entries(page, 0));
    CHECK_EQ(test_unmap(HV_SELF, 0, alias, 1), 1);
}

/* ---- by instruction ---- */

/* An entry from kernel mode leaves the base as it is: this one notes it, and puts back the one that
 * the library finds its shared page by. */
extern uint64_t gs_at_entry, library_gs;
uint64_t gs_at_entry, library_gs;
void entry_with_any_gs(void);
__asm__(".pushsection .text.entry_with_any_gs, \"ax\", @progbits\n"
        "entry_with_any_gs:\n"
        "rdgsbase %rax; mov %rax, gs_at_entry(%rip)\n"
        "mov library_gs(%rip), %rax; wrgsbase %rax\n"
        "jmp hv_entry_kernel\n"
        ".popsection\n");

static void read_through_gs(void *arg)
{
    wrgsbase((uint64_t)arg);
    __asm__ volatile("mov %%gs:0, %%rax" : : : "rax", "memory");
}

static void read_through_fs(void *arg)
{
    wrfsbase((uint64_t)arg);
    __asm__ volatile("mov %%fs:0, %%rax" : : : "rax", "memory");
}

/* A base into the hypervisor opens nothing, and hypercalls, faults and yields do not mind it. */
static void check_instructions(void)
{
    static const uint64_t into[] = { NASTY_HYP };
    HV_BUFFER(64)
    struct hv_entry entry = { .syscall = (uint64_t)(uintptr_t)hv_entry_syscall,
                              .event_user = (uint64_t)(uintptr_t)hv_entry_user,
                              .event_kernel = (uint64_t)(uintptr_t)entry_with_any_gs,
                              .kernel_gs_base = rdgsbase() };
    bool was = hv_mask(); /* an upcall would find no shared page */

    library_gs = rdgsbase();
    NEED(hv_set_entry(hv_gpa(&entry)));
    for (size_t i = 0; i < sizeof into / sizeof *into; i++) {
        wrgsbase(into[i]);
        wrfsbase(into[i]);
        int64_t version = hv_version(), yielded = hv_yield();
        uint64_t gs = rdgsbase();

        wrgsbase(library_gs);
        CHECK_EQ(version, HV_ABI_VERSION);
        CHECK_EQ(yielded, 0);
        CHECK_EQ(gs, into[i]);
        CHECK_EQ(rdfsbase(), into[i]);
        CHECK_EQ(test_try(read_through_gs, (void *)into[i], NULL), PF);
        CHECK_EQ(gs_at_entry, into[i]);
        CHECK_EQ(test_try(read_through_fs, (void *)into[i], NULL), PF);
        CHECK_EQ(rdfsbase(), into[i]);
    }
    wrfsbase(0);
    NEED(hv_set_entries(library_gs, 0));
    hv_restore(was);
}

/* ---- by selector ---- */

struct load {
    uint16_t selector;
    unsigned reg;
};

/* Loading GS may clear its base, by which the library finds its shared page. */
static void load_selector(void *arg)
{
    const struct load *l = arg;
    uint64_t base = rdgsbase();

    switch (l->reg) {
    case 0:
        __asm__ volatile("mov %0, %%ds" : : "r"((uint32_t)l->selector));
        break;
    case 1:
        __asm__ volatile("mov %0, %%es" : : "r"((uint32_t)l->selector));
        break;
    case 2:
        __asm__ volatile("mov %0, %%fs" : : "r"((uint32_t)l->selector));
        break;
    default:
        __asm__ volatile("mov %0, %%gs\n\twrgsbase %1" : : "r"((uint32_t)l->selector), "r"(base));
    }
}

static uint16_t selector_of(char which)
{
    uint32_t s = 0;

    if (which == 'c')
        __asm__ volatile("mov %%cs, %0" : "=r"(s));
    else
        __asm__ volatile("mov %%ss, %0" : "=r"(s));
    return (uint16_t)s;
}

/* Only the null selectors and the guest's own two can be loaded; all others are #GP. */
static bool may_load(uint16_t selector)
{
    uint16_t base = selector & 0xfffc;

    return base == 0 || base == (selector_of('c') & 0xfffc) || base == (selector_of('s') & 0xfffc);
}

static void check_selectors(void)
{
    for (uint32_t s = 0; s < 0x10000; s++) {
        for (unsigned reg = 0; reg < 4; reg++) {
            struct load l = { (uint16_t)s, reg };
            uint32_t vector;

            /* Far beyond any table one register is enough. */
            if (s >= 0x200 && reg != s % 4)
                continue;
            vector = test_try(load_selector, &l, NULL);
            if (vector != (may_load(l.selector) ? TEST_NO_FAULT : GP))
                test_failure("selector %x into register %u: vector %u", s, reg, vector);
            if (vector == TEST_NO_FAULT)
                CHECK_EQ(hv_version(), HV_ABI_VERSION);
        }
    }
    CHECK_EQ(selector_of('c') & 3, 3);
    CHECK_EQ(selector_of('s') & 3, 3);
}

static void load_ss(void *arg)
{
    uint32_t selector = (uint32_t)(uintptr_t)arg;

    __asm__ volatile("mov %0, %%ss" : : "r"(selector) : "memory");
}

static void do_swapgs(void *arg)
{
    (void)arg;
    __asm__ volatile("swapgs");
}

static void check_rest(void)
{
    CHECK_EQ(test_try(do_swapgs, NULL, NULL), GP);
    CHECK_EQ(test_try(load_ss, (void *)(uintptr_t)0, NULL), GP);
    CHECK_EQ(test_try(load_ss, (void *)(uintptr_t)8, NULL), GP);
    CHECK_EQ(test_try(load_ss, (void *)(uintptr_t)selector_of('c'), NULL), GP);
}

void test_main(void)
{
    uint8_t *code = test_pages(1);

    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    memcpy(code, user_code, sizeof user_code);
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    check_return_to_user();
    check_separation();
    check_instructions();
    check_selectors();
    check_rest();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat. Flags are state that a guest sets in one instruction and that the hypervisor's own code
 * runs with, if it forgets: DF makes its copies run backwards over what lies below, AC opens SMAP
 * or faults on its unaligned accesses, NT makes its IRET fault in ring 0, TF single-steps it. What
 * was checked is the gate that clears them; what was forgotten is SYSCALL, which clears what a mask
 * says and no more.
 *
 * This guest sets each flag that ring 3 can set, and all of them, before hypercalls that copy and
 * zero, before switches, faults, upcalls and interrupts, in kernel and in user mode. A vulnerable
 * system corrupts its memory or panics. Held here: results as without, handlers entered with fixed
 * flags, and the flags back as they were.
 */
#include "hvlib/clock.h"
#include "test.h"

#define CF 0x1u
#define TF 0x100u
#define DF 0x400u
#define OF 0x800u
#define NT 0x4000u
#define AC 0x40000u
#define ID 0x200000u
#define RW (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "no flag of a guest crosses the border into the hypervisor";

static const uint32_t sets[] = { 0,       DF,      AC,
                                 NT,      ID,      OF | CF,
                                 DF | AC, DF | NT, DF | AC | NT | ID | OF };
#define SETS (sizeof sets / sizeof *sets)

static uint64_t child, counter, port, other;
static uint8_t *page;

/* A hypercall with these flags set; they must be back behind it. */
static int64_t call_with(uint32_t flags, uint64_t nr, const uint64_t a[5])
{
    int64_t result;
    uint64_t after;
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];

    __asm__ volatile("push %[flags]; popf; syscall; pushf; pop %[after]; push $0x202; popf"
                     : "=a"(result), [after] "=&b"(after)
                     : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10),
                       "r"(r8), [flags] "r"((uint64_t)flags | 0x202)
                     : "rcx", "r11", "memory", "cc");
    CHECK_EQ(after & (DF | AC | NT | ID | OF | CF), flags);
    return result;
}

static int64_t call2(uint32_t flags, uint64_t nr, uint64_t a, uint64_t b)
{
    const uint64_t arguments[5] = { a, b, 0, 0, 0 };

    return call_with(flags, nr, arguments);
}

static void check_copies(uint32_t flags)
{
    struct hv_domain_info *info = (void *)(page + 1024);
    const uint64_t copy[5] = { child, 100 * HV_PAGE_SIZE, hv_gpa(page) + HV_PAGE_SIZE, 65536, 1 };
    uint64_t *back = (void *)(page + HV_PAGE_SIZE);

    memset(page, 0xa5, HV_PAGE_SIZE);
    CHECK_EQ(call2(flags, HV_NR_domain_info, child, hv_gpa(info)), 0);
    CHECK_EQ(info->id, child);
    CHECK_EQ(info->vcpus, 1);
    CHECK_EQ(page[1023], 0xa5);
    CHECK_EQ(page[1024 + sizeof *info], 0xa5);
    for (unsigned i = 0; i < 16 * 512; i++)
        back[i] = i + flags;
    CHECK_EQ(call_with(flags, HV_NR_domain_copy, copy), 65536);
    memset(back, 0, 65536);
    NEED(hv_copy_from_domain(child, 100 * HV_PAGE_SIZE, back, 65536));
    for (unsigned i = 0; i < 16 * 512; i++)
        CHECK_EQ(back[i], i + flags);
}

static void check_zeroing(uint32_t flags)
{
    const uint64_t arguments[5] = { child, 120, 20, 0, 0 };
    uint64_t *back = (void *)(page + HV_PAGE_SIZE);

    memset(back, 0xee, 65536);
    NEED(hv_copy_to_domain(child, 119 * HV_PAGE_SIZE, back, HV_PAGE_SIZE));
    NEED(hv_copy_to_domain(child, 120 * HV_PAGE_SIZE, back, 65536));
    CHECK_EQ(call_with(flags, HV_NR_give_back, arguments), 20);
    CHECK_EQ(call_with(flags, HV_NR_populate, arguments), 20);
    NEED(hv_copy_from_domain(child, 119 * HV_PAGE_SIZE, back, 65536));
    for (unsigned i = 0; i < 16 * 512; i++)
        CHECK_EQ(back[i], i < 512 ? 0xeeeeeeeeeeeeeeee : 0);
}

/* ---- handlers run with fixed flags ---- */

static volatile unsigned calls;
static volatile uint64_t handler_flags;

static void on_event(uint32_t p, void *arg)
{
    uint64_t flags;

    (void)p;
    (void)arg;
    __asm__ volatile("pushf; pop %0" : "=r"(flags));
    handler_flags = flags;
    calls++;
}

static void check_events(uint32_t flags)
{
    uint64_t after, seen = calls;

    CHECK_EQ(call2(flags, HV_NR_event_send, other, 0), 0);
    CHECK_EQ(calls, seen + 1);
    CHECK_EQ(handler_flags & (DF | AC | NT | TF), 0);
    /* By an interrupt: the timer finds a loop with the flags set. */
    NEED(hv_set_timer(hv_now() + 50000));
    __asm__ volatile("push %[flags]; popf\n"
                     "1: cmp %[calls], %[seen]\n"
                     "je 1b\n"
                     "pushf; pop %[after]; push $0x202; popf"
                     : [after] "=&r"(after)
                     : [flags] "r"((uint64_t)(flags & ~(OF | CF)) | 0x202), [calls] "m"(calls),
                       [seen] "r"((uint32_t)(seen + 1))
                     : "memory", "cc");
    CHECK_EQ(after & (DF | AC | NT | ID), flags & (DF | AC | NT | ID));
    CHECK_EQ(handler_flags & (DF | AC | NT | TF), 0);
}

struct access {
    uint32_t flags;
    bool hot;
};

static void fault(void *arg)
{
    const struct access *a = arg;

    if (a->hot)
        __asm__ volatile("push %0; popf; movb $0, 64"
                         :
                         : "r"((uint64_t)a->flags | 0x202)
                         : "memory", "cc");
    else
        __asm__ volatile("push %0; popf; ud2" : : "r"((uint64_t)a->flags | 0x202) : "memory", "cc");
}

static void check_faults(uint32_t flags)
{
    for (unsigned hot = 0; hot < 2; hot++) {
        struct access a = { flags, hot };
        struct hv_frame f;

        CHECK_EQ(test_try(fault, &a, &f), hot ? 14 : 6);
        CHECK_EQ(f.rflags & (DF | AC | NT | ID | OF | CF), flags);
    }
}

/* ---- other domains run in between: the switch is by IRET ---- */

static void check_switches(uint32_t flags)
{
    const volatile uint64_t *count = &test_shared(counter)[32];
    uint64_t before = *count, end = hv_now() + TEST_PATIENCE_NS;

    while (*count == before) {
        CHECK_EQ(call2(flags, HV_NR_yield, 0, 0), 0);
        CHECK(hv_now() < end);
    }
}

static void check_user(uint64_t space, uint32_t flags)
{
    static const uint8_t codes[][8] = { { 0x0f, 0x05 },
                                        { 0x0f, 0x0b },
                                        { 0x8a, 0x04, 0x25, 16, 0, 0, 0 } };
    static const uint32_t vectors[] = { HV_VECTOR_SYSCALL, 6, 14 };
    uint8_t *code = page + 18 * HV_PAGE_SIZE;

    for (unsigned i = 0; i < 6; i++) {
        struct hv_frame f = { .rip = TEST_USER_CODE, .rflags = (uint64_t)flags | 2 };

        f.vector = i % 2 ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT;
        memcpy(code, codes[i / 2], 8);
        CHECK_EQ(test_user_frame(space, &f), vectors[i / 2]);
        CHECK_EQ(f.rflags & (DF | AC | ID | OF | CF), flags & ~NT);
        CHECK_EQ(f.rflags & NT, 0);
    }
}

/* Single step over the border: the exception comes in the guest, behind the instruction. */
static void step_over_call(void *arg)
{
    (void)arg;
    __asm__ volatile("push $0x302; popf; syscall; nop; nop"
                     :
                     : "a"(HV_NR_yield)
                     : "rcx", "r11", "memory");
}

void test_main(void)
{
    if (test_is("counts")) {
        for (;;)
            ++test_shared(TEST_PARENT)[32];
    }
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    page = test_pages(20);
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(page) + 18, 1, HV_MAP_READ | HV_MAP_EXEC));
    child = test_build("idle", 192, NULL);
    counter = test_spawn("counts", 192);
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
    other = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_event, NULL));
    for (size_t i = 0; i < SETS; i++) {
        check_copies(sets[i]);
        check_zeroing(sets[i]);
        check_events(sets[i]);
        check_faults(sets[i]);
        check_switches(sets[i]);
        check_user(space, sets[i]);
    }
    CHECK_EQ(test_try(step_over_call, NULL, NULL), 1);
    test_destroy(child);
    test_destroy(counter);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

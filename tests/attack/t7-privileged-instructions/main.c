/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T7). A model-specific register, a control register or a descriptor table is the machine.
 * Hypervisors that emulate such instructions checked the registers they knew and passed on, or
 * wrote a non-canonical value into, the one that was new. Paravane emulates none: the door is not
 * there, and this test tries the handle.
 *
 * This guest reads and writes 20,000 MSRs with 0, ~0 and a non-canonical value, and runs every
 * privileged, UMIP-protected and virtualization instruction, each in kernel mode (which is ring 3)
 * and in user mode. A vulnerable system obeys one, or faults itself. Held here: #GP (or #UD where
 * the processor knows no such instruction) at that instruction, and nothing has changed.
 */
#include "test.h"

#define UD 6u
#define GP 13u

const char test_title[] = "privileged instructions are exceptions, in both of a guest's modes";

/* ---- MSRs ---- */

struct msr {
    uint32_t number;
    uint64_t value;
};

static void rdmsr(void *arg)
{
    const struct msr *m = arg;

    __asm__ volatile("rdmsr" : : "c"(m->number) : "rax", "rdx");
}

static void wrmsr(void *arg)
{
    const struct msr *m = arg;

    __asm__ volatile("wrmsr"
                     :
                     : "c"(m->number), "a"((uint32_t)m->value), "d"((uint32_t)(m->value >> 32)));
}

static void check_msr(uint32_t number)
{
    static const uint64_t values[] = { 0, ~(uint64_t)0, 0x8000000000000000, 0x0000800000000000 };
    struct msr m = { number, 0 };

    if (test_try(rdmsr, &m, NULL) != GP)
        test_failure("RDMSR %x", number);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        m.value = values[i];
        if (test_try(wrmsr, &m, NULL) != GP)
            test_failure("WRMSR %x, 0x%lx", number, m.value);
    }
}

static void check_msrs(void)
{
    static const struct {
        uint32_t first, count;
    } ranges[] = { { 0, 0x1000 },         { 0x1000, 0x800 },     { 0x40000000, 0x200 },
                   { 0x4b564d00, 0x20 },  { 0x80000000, 0x20 },  { 0xc0000000, 0x400 },
                   { 0xc0010000, 0x400 }, { 0xc0011000, 0x100 }, { 0xffffff00, 0x100 } };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (uint32_t n = 0; n < ranges[i].count; n++)
            check_msr(ranges[i].first + n);
    }
}

/* ---- instructions, each alone in 16 bytes and followed by UD2s of the fill ---- */

#define INSTRUCTION_LIST(X)                                                                        \
    X("hlt")                                                                                       \
    X("cli")                                                                                       \
    X("sti")                                                                                       \
    X("clts")                                                                                      \
    X("invd")                                                                                      \
    X("wbinvd")                                                                                    \
    X("invlpg (%rsp)")                                                                             \
    X("lgdt (%rsp)")                                                                               \
    X("lidt (%rsp)")                                                                               \
    X("lldt %ax")                                                                                  \
    X("ltr %ax")                                                                                   \
    X("lmsw %ax")                                                                                  \
    X("sgdt (%rsp)")                                                                               \
    X("sidt (%rsp)")                                                                               \
    X("sldt %rax")                                                                                 \
    X("str %rax")                                                                                  \
    X("smsw %rax")                                                                                 \
    X("mov %cr0, %rax")                                                                            \
    X("mov %cr2, %rax")                                                                            \
    X("mov %cr3, %rax")                                                                            \
    X("mov %cr4, %rax")                                                                            \
    X("mov %cr8, %rax")                                                                            \
    X("mov %rax, %cr0")                                                                            \
    X("mov %rax, %cr2")                                                                            \
    X("mov %rax, %cr3")                                                                            \
    X("mov %rax, %cr4")                                                                            \
    X("mov %rax, %cr8")                                                                            \
    X("mov %dr0, %rax")                                                                            \
    X("mov %dr3, %rax")                                                                            \
    X("mov %dr6, %rax")                                                                            \
    X("mov %dr7, %rax")                                                                            \
    X("mov %rax, %dr0")                                                                            \
    X("mov %rax, %dr6")                                                                            \
    X("mov %rax, %dr7")                                                                            \
    X("rdpmc")                                                                                     \
    X("sysretq")                                                                                   \
    X("sysretl")                                                                                   \
    X("sysexitq")                                                                                  \
    X("sysenter")                                                                                  \
    X("swapgs")                                                                                    \
    X("xsetbv")                                                                                    \
    X("rsm")                                                                                       \
    X("in $0x21, %al")                                                                             \
    X("in $0x40, %al")                                                                             \
    X("in $0xf4, %eax")                                                                            \
    X("out %al, $0x20")                                                                            \
    X("out %al, $0x43")                                                                            \
    X("out %eax, $0xf4")                                                                           \
    X("vmmcall")                                                                                   \
    X("vmcall")                                                                                    \
    X("vmrun %rax")                                                                                \
    X("vmload %rax")                                                                               \
    X("vmsave %rax")                                                                               \
    X("stgi")                                                                                      \
    X("clgi")                                                                                      \
    X("skinit %eax")                                                                               \
    X("invlpga %rax, %ecx")                                                                        \
    X(".byte 0x0f, 0x01, 0xc8 # monitor")                                                          \
    X(".byte 0x0f, 0x01, 0xc9 # mwait")                                                            \
    X("clac")                                                                                      \
    X("stac")                                                                                      \
    X("ljmp *(%rsp)")                                                                              \
    X("lcall *(%rsp)")

#define BYTES(text) ".balign 16, 0xcc\n" text "\n"
#define NAME(text)  text,
__asm__(".pushsection .text.privileged, \"ax\", @progbits\n"
        ".balign 4096\n"
        ".globl privileged\n"
        "privileged:\n" INSTRUCTION_LIST(BYTES) ".balign 4096, 0xcc\n"
                                                ".popsection\n");
extern const char privileged[];
static const char *const name[] = { INSTRUCTION_LIST(NAME) };
#define INSTRUCTIONS (sizeof name / sizeof *name)

/* Registers and the top of the stack hold what would hurt: far pointers to selector 8, zeros. */
static void run(void *arg)
{
    static const uint64_t far_pointer[2] = { 0x000800000000, 0 };

    __asm__ volatile("push %3; push %2; jmp *%0"
                     :
                     : "r"(arg), "a"(0), "r"(far_pointer[0]), "r"(far_pointer[1]), "c"(0), "d"(0)
                     : "memory");
}

static void check_kernel(size_t n)
{
    uint64_t at = (uint64_t)(uintptr_t)privileged + n * 16;
    struct hv_frame f;
    uint32_t vector = test_try(run, (void *)(uintptr_t)at, &f);

    if ((vector != GP && vector != UD) || f.rip != at)
        test_failure("%s in kernel mode: vector %u at +%ld", name[n], vector, f.rip - at);
}

static void check_user(uint64_t space, size_t n)
{
    uint64_t at = TEST_USER_CODE + n * 16;
    struct hv_frame f = { .rip = at, .rsp = TEST_USER_STACK - 64, .rflags = 0x202 };
    int64_t vector = test_user_frame(space, &f);

    if ((vector != GP && vector != UD) || f.rip != at)
        test_failure("%s in user mode: vector %ld at +%ld", name[n], vector, f.rip - at);
}

/* ---- flags: IF and IOPL are not the guest's, and TF set at a hypercall does not trap in ring 0 --
 */

static uint64_t flags_after(uint64_t flags)
{
    uint64_t now;

    __asm__ volatile("push %1; popf; pushf; pop %0; push $0x202; popf"
                     : "=r"(now)
                     : "r"(flags)
                     : "memory", "cc");
    return now;
}

static void trace_call(void *arg)
{
    (void)arg;
    __asm__ volatile("pushf; orl $0x100, (%%rsp); popf; syscall; nop"
                     :
                     : "a"(HV_NR_version)
                     : "rcx", "r11", "memory");
}

static void check_flags(void)
{
    struct hv_frame f;

    CHECK_EQ(flags_after(0x3002) & 0x3200, 0x200);
    CHECK_EQ(flags_after(0x7002) & 0x3200, 0x200);
    CHECK_EQ(test_try(trace_call, NULL, &f), 1);
    CHECK_EQ(f.user, 0);
    CHECK_EQ(hv_version(), HV_ABI_VERSION);
}

/* return_to_user takes flags too: none of IOPL, NT, VM, RF, nor IF = 0, gets through. */
static void check_user_flags(uint64_t space, uint8_t *code)
{
    static const uint64_t flags[] = {
        0, 0x3000, 0x4000, 0x10000, 0x20000, 0x1000000, ~(uint64_t)0x40100
    };

    code[0] = 0x0f;
    code[1] = 0x05;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        for (unsigned by = 0; by < 2; by++) {
            struct hv_frame f = { .rip = TEST_USER_STACK, .rflags = flags[i] };

            f.vector = by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT;
            CHECK_EQ(test_user_frame(space, &f), HV_VECTOR_SYSCALL);
            CHECK_EQ(f.rflags & 0x37200, 0x200);
        }
    }
}

void test_main(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint8_t *page = test_pages(2);

    NEED(
        test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(privileged), 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(HV_SELF, space, TEST_USER_STACK - HV_PAGE_SIZE, hv_gfn(page), 1,
                  HV_MAP_READ | HV_MAP_WRITE));
    NEED(test_map(HV_SELF, space, TEST_USER_STACK, hv_gfn(page) + 1, 1, HV_MAP_READ | HV_MAP_EXEC));
    ((uint32_t *)page)[(HV_PAGE_SIZE - 64) / 4 + 1] = 8; /* selector of a far pointer */
    for (size_t n = 0; n < INSTRUCTIONS; n++) {
        check_kernel(n);
        check_user(space, n);
    }
    check_flags();
    check_user_flags(space, page + HV_PAGE_SIZE);
    check_msrs();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
    CHECK_EQ(hv_version(), HV_ABI_VERSION);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat. A domain's last registers are kept for whoever has to find out why it died. They hold
 * what it was working on: keys, pointers, other domains' data. What was checked is the number of
 * the domain; what was forgotten is whose it is, that a vCPU which is stopped half way into the
 * hypervisor has the hypervisor's values in its slots, and that nobody asked for the registers of
 * one that lives.
 *
 * Domains load a secret into every register and fault, spin, wait or shut down. Their parent sees
 * exactly the secrets of those that were killed, and zero for all others; a stranger, the sibling
 * of the dead one, sees -HV_EPERM and an untouched buffer for every number that is not its own, and
 * nothing new about itself. A vulnerable system shows the sibling a secret, or the parent a word
 * that no guest has written.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"

#define PATTERN 0xa5u

const char test_title[] = "a dead domain's registers are for those above it, the living's for none";

/* Position-independent; enters with a space's number in RDI. */
__asm__(".pushsection .rodata\n"
        ".macro secrets\n"
        "push $0xcd7; popf\n"
        "mov $0x5ec0000000000001, %rax; mov $0x5ec0000000000002, %rbx\n"
        "mov $0x5ec0000000000003, %rcx; mov $0x5ec0000000000004, %rdx\n"
        "mov $0x5ec0000000000005, %rsi; mov $0x5ec0000000000006, %rdi\n"
        "mov $0x5ec0000000000007, %rbp; mov $0x5ec0000000000008, %r8\n"
        "mov $0x5ec0000000000009, %r9; mov $0x5ec000000000000a, %r10\n"
        "mov $0x5ec000000000000b, %r11; mov $0x5ec000000000000c, %r12\n"
        "mov $0x5ec000000000000d, %r13; mov $0x5ec000000000000e, %r14\n"
        "mov $0x5ec000000000000f, %r15\n"
        ".endm\n"
        "code:\n"
        "code_faults: mov %rax, %rax\n"
        "mov code_nr_switch(%rip), %eax; xor %esi, %esi; syscall\n"
        "secrets\n"
        "code_fault_at: movb $0, 0x1234\n"
        "code_illegal: secrets\n"
        "code_illegal_at: ud2\n"
        "code_spins: secrets\n"
        "1: jmp 1b\n"
        "code_waits: secrets\n"
        "mov code_nr_block(%rip), %eax\n"
        "2: syscall; mov code_nr_block(%rip), %eax; jmp 2b\n"
        "code_ends: secrets\n"
        "mov $3, %edi; mov code_nr_shutdown(%rip), %eax; syscall\n"
        "code_nr_switch: .long 0\n"
        "code_nr_block: .long 0\n"
        "code_nr_shutdown: .long 0\n"
        "code_end:\n"
        ".popsection\n");
extern const uint8_t code[], code_faults[], code_fault_at[], code_illegal[], code_illegal_at[],
    code_spins[], code_waits[], code_ends[], code_nr_switch[], code_nr_block[], code_nr_shutdown[],
    code_end[];

#define STACK (HV_KERNEL_START + 2 * HV_PAGE_SIZE)

static uint8_t *page;
static const struct hv_domain_info *info;

static void put_number(uint8_t *text, const uint8_t *at, uint32_t number)
{
    memcpy(text + (at - code), &number, sizeof number);
}

/* A domain of one page of code and one of stack, not started. */
static uint64_t make(const uint8_t *entry, bool with_space)
{
    HV_BUFFER(1024) static uint8_t text[1024];
    HV_BUFFER(64) struct hv_vcpu_context context;
    uint64_t dom = (uint64_t)NEED(raw_create(
        (struct hv_domain_create){ .quota = 80, .ram_pages = 4, .window_pages = 1, .weight = 16 }));

    CHECK((size_t)(code_end - code) <= sizeof text);
    memcpy(text, code, (size_t)(code_end - code));
    put_number(text, code_nr_switch, HV_NR_switch);
    put_number(text, code_nr_block, HV_NR_block);
    put_number(text, code_nr_shutdown, HV_NR_shutdown);
    NEED(hv_populate(dom, 0, 2));
    NEED(hv_domain_copy(dom, 0, hv_gpa(text), sizeof text, 1));
    NEED(test_map(dom, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(dom, 0, HV_KERNEL_START + HV_PAGE_SIZE, 1, 1, HV_MAP_READ | HV_MAP_WRITE));
    context =
        (struct hv_vcpu_context){ .rip = HV_KERNEL_START + (uint64_t)(entry - code), .rsp = STACK };
    if (with_space)
        context.rdi = (uint64_t)NEED(hv_space_create(dom));
    NEED(hv_vcpu_set_context(dom, 0, hv_gpa(&context)));
    return dom;
}

static uint64_t make_and_start(const uint8_t *entry, bool with_space)
{
    uint64_t dom = make(entry, with_space);

    NEED(hv_domain_start(dom));
    return dom;
}

/* Asks about `dom` into the prefilled page, `at` bytes from its start. */
static int64_t ask(uint64_t dom, uint64_t at)
{
    memset(page, PATTERN, HV_PAGE_SIZE);
    info = (const void *)(page + at);
    return hv_domain_info(dom, hv_gpa(page) + at);
}

static void check_untouched(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        if (page[i] != PATTERN)
            test_failure("byte %lu was written", i);
}

static void check_answer(uint64_t dom, uint32_t state)
{
    const uint64_t at = 1024;

    CHECK_EQ(ask(dom, at), 0);
    check_untouched(0, at);
    check_untouched(at + sizeof *info, HV_PAGE_SIZE);
    CHECK_EQ(info->state, state);
    size_t length = strnlen(info->report, sizeof info->report);
    for (size_t i = length; i < sizeof info->report; i++)
        CHECK_EQ(info->report[i], 0);
}

static void check_no_registers(void)
{
    const uint64_t *regs = (const uint64_t *)(const void *)&info->regs;

    for (size_t i = 0; i < sizeof info->regs / sizeof *regs; i++)
        CHECK_EQ(regs[i], 0);
    CHECK_EQ(info->rflags, 0);
    CHECK_EQ(info->space, 0);
    CHECK_EQ(info->cr2, 0);
    CHECK_EQ(info->vector, 0);
    CHECK_EQ(info->error, 0);
    CHECK_EQ(info->report[0], 0);
}

#define SECRET(n) (0x5ec0000000000000 + (n))

static void check_secrets(const uint8_t *at)
{
    const struct hv_registers *r = &info->regs;
    const uint64_t in_order[] = { r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8,
                                  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

    for (uint64_t n = 0; n < sizeof in_order / sizeof *in_order; n++)
        CHECK_EQ(in_order[n], SECRET(n + 1));
    CHECK_EQ(info->rip, HV_KERNEL_START + (uint64_t)(at - code));
    CHECK_EQ(info->rsp, STACK);
    /* The processor may have set the resume flag. */
    CHECK_EQ(info->rflags & ~(uint64_t)0x10000, 0xed7);
    CHECK_EQ(strcmp(info->report, "fault before entry points were set"), 0);
}

static void run_a_while(void)
{
    for (unsigned n = 0; n < 100; n++)
        hv_yield();
}

static void await_state(uint64_t dom, uint32_t state)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    while (hv_now() < end && test_info(dom).state != state)
        hv_yield();
    check_answer(dom, state);
}

/* What the one above sees: the secrets of the killed, nothing of the others. */
static void check_as_parent(void)
{
    uint64_t dom = make(code_faults, true);

    check_answer(dom, HV_DOMAIN_BUILDING);
    check_no_registers();
    NEED(hv_domain_start(dom));
    await_state(dom, HV_DOMAIN_KILLED);
    check_secrets(code_fault_at);
    CHECK_EQ(info->cr2, 0x1234);
    CHECK_EQ(info->vector, 14);
    CHECK_EQ(info->error, 6);
    CHECK(info->space != 0);
    /* Where the structure does not fit nothing of it arrives. */
    CHECK_EQ(ask(dom, HV_PAGE_SIZE - sizeof *info + 8), -HV_EFAULT);
    check_untouched(0, HV_PAGE_SIZE);
    CHECK_EQ(hv_domain_end(dom), 0);
    CHECK_EQ(ask(dom, 0), -HV_EPERM);
    check_untouched(0, HV_PAGE_SIZE);

    dom = make_and_start(code_illegal, false);
    await_state(dom, HV_DOMAIN_KILLED);
    check_secrets(code_illegal_at);
    CHECK_EQ(info->cr2, 0);
    CHECK_EQ(info->vector, 6);
    CHECK_EQ(info->error, 0);
    CHECK_EQ(info->space, 0);
    CHECK_EQ(hv_domain_end(dom), 0);

    static const uint8_t *const living[] = { code_spins, code_waits };
    for (size_t i = 0; i < 2; i++) {
        dom = make_and_start(living[i], false);
        run_a_while();
        check_answer(dom, HV_DOMAIN_RUNNING);
        check_no_registers();
        CHECK_EQ(hv_domain_pause(dom), 0);
        check_answer(dom, HV_DOMAIN_PAUSED);
        check_no_registers();
        CHECK_EQ(hv_domain_end(dom), 0);
    }
    dom = make_and_start(code_ends, false);
    await_state(dom, HV_DOMAIN_SHUTDOWN);
    CHECK_EQ(info->reason, 3);
    check_no_registers();
    CHECK_EQ(hv_domain_end(dom), 0);
}

/* Beside the dead one: every number but its own. */
static void be_sibling(void)
{
    uint64_t self = hv_start_domain_id(), dead = test_argument("dead", 0);

    check_as_parent();
    for (uint64_t d = 0; d < 600; d++) {
        if (d == self)
            continue;
        CHECK_EQ(ask(d, 1024), -HV_EPERM);
        check_untouched(0, HV_PAGE_SIZE);
    }
    CHECK_EQ(ask(dead + HV_MAX_DOMAINS, 0), -HV_EPERM);
    CHECK_EQ(ask(dead | (uint64_t)1 << 32, 0), -HV_EPERM);
    check_untouched(0, HV_PAGE_SIZE);
    check_answer(self, HV_DOMAIN_RUNNING);
    check_no_registers();
    check_answer(HV_SELF, HV_DOMAIN_RUNNING);
    check_no_registers();
}

void test_main(void)
{
    char argument[32];

    page = test_pages(1);
    if (test_is("sibling")) {
        be_sibling();
        return;
    }
    check_as_parent();
    uint64_t dead = make_and_start(code_illegal, false);
    await_state(dead, HV_DOMAIN_KILLED);
    check_secrets(code_illegal_at);

    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 512 };
    hv_snprintf(argument, sizeof argument, "dead=%lu", dead);
    uint64_t sibling = test_build("sibling", 0, argument);
    NEED(hv_domain_start(sibling));
    test_join(sibling);
    /* Still there for the one above. */
    check_answer(dead, HV_DOMAIN_KILLED);
    check_secrets(code_illegal_at);
    CHECK_EQ(hv_domain_end(dead), 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat (X14). A domain's text on the machine's one line is limited by a bucket of its own. A
 * domain that may create makes children, each with a full bucket, lets them write, destroys them
 * and makes new ones with full buckets: the line, 11 KB a second in hardware, shows nothing else,
 * and root's messages are pages away.
 *
 * This guest writes until its bucket is empty; then four generations of three children write what
 * they can, and all that is taken from them together is no more than time has filled the one bucket
 * with. A sibling beside them has its own: its text is taken. A vulnerable hypervisor takes 16 KiB
 * from every child.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"

#define BURST       16384u
#define RATE        65536u
#define LINE        128u
#define TEXT_AT     2048u
#define CHILDREN    3u
#define GENERATIONS 4u

const char test_title[] = "children do not add to what a domain may print";

/* Writes lines for ever; the bytes that were taken are summed up in the page behind. */
__asm__(".pushsection .rodata\n"
        "code:\n"
        "1: mov code_nr(%rip), %eax; mov $2048, %edi; mov $128, %esi; syscall\n"
        "test %rax, %rax; js 1b\n"
        "lea code(%rip), %rcx; add %rax, 4096(%rcx); jmp 1b\n"
        "code_nr: .long 0\n"
        "code_end:\n"
        ".popsection\n");
extern const uint8_t code[], code_nr[], code_end[];

static uint8_t *page;

static uint64_t writer(void)
{
    HV_BUFFER(64) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    const uint32_t nr = HV_NR_console_write;
    int64_t id = raw_small(16, 0);

    CHECK(id > 0);
    memset(page, 'x', HV_PAGE_SIZE);
    memcpy(page, code, (size_t)(code_end - code));
    memcpy(page + (code_nr - code), &nr, sizeof nr);
    page[TEXT_AT + LINE - 1] = '\n';
    NEED(hv_populate((uint64_t)id, 0, 2));
    NEED(hv_domain_copy((uint64_t)id, 0, hv_gpa(page), HV_PAGE_SIZE, 1));
    NEED(test_map((uint64_t)id, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map((uint64_t)id, 0, HV_KERNEL_START + HV_PAGE_SIZE, 1, 1,
                  HV_MAP_READ | HV_MAP_WRITE));
    NEED(hv_vcpu_set_context((uint64_t)id, 0, hv_gpa(&context)));
    NEED(hv_domain_start((uint64_t)id));
    return (uint64_t)id;
}

static uint64_t written_by(uint64_t dom)
{
    HV_BUFFER(8) static uint64_t sum;

    NEED(hv_domain_copy(dom, HV_PAGE_SIZE, hv_gpa(&sum), sizeof sum, 0));
    return sum;
}

/* Own lines, until no more is taken. Where a line takes longer than its tokens do to come, as on a
 * busy host, there is no end to that. */
static uint64_t write_all(void)
{
    uint64_t sum = 0;
    int64_t n;

    memset(page, 'o', LINE);
    page[LINE - 1] = '\n';
    while ((n = hv_console_write(hv_gpa(page), LINE)) > 0 && sum < 2 * BURST)
        sum += (uint64_t)n;
    CHECK(n == -HV_EAGAIN || sum >= 2 * BURST);
    CHECK_TIME(n == -HV_EAGAIN);
    return sum;
}

static uint64_t written_by_generation(void)
{
    uint64_t dom[CHILDREN], sum = 0, end;

    for (unsigned i = 0; i < CHILDREN; i++)
        dom[i] = writer();
    for (end = hv_now() + 20000000; hv_now() < end;)
        hv_yield();
    for (unsigned i = 0; i < CHILDREN; i++) {
        sum += written_by(dom[i]);
        CHECK_EQ(hv_domain_end(dom[i]), 0);
    }
    return sum;
}

static void be_attacker(void)
{
    uint64_t start = hv_now(), sum = write_all(), allowed;

    CHECK(sum > BURST / 2);
    for (unsigned i = 0; i < GENERATIONS; i++)
        sum += written_by_generation();
    allowed = BURST + (hv_now() - start) / 1000 * RATE / 1000000;
    /* What a gathered line has beyond what is printed of it, for each writer. */
    allowed += (1 + GENERATIONS * CHILDREN) * LINE;
    hv_printf("%lu bytes were taken, %lu are allowed\n", sum, allowed);
    if (sum > allowed)
        test_failure("%lu bytes were taken, %lu are allowed", sum, allowed);
    CHECK(sum > BURST); /* the children's were taken too */
}

void test_main(void)
{
    page = test_pages(1);
    if (test_is("attacker"))
        be_attacker();
    if (test_is("sibling"))
        CHECK(write_all() > BURST / 2);
    if (!test_is("root"))
        return;
    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 512 };
    uint64_t attacker = test_spawn("attacker", 192);

    test_options = (struct test_options){ .flags = 0 };
    test_join(test_spawn("sibling", 192));
    test_join(attacker);
}

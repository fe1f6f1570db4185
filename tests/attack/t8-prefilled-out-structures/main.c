/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T8). A structure that the hypervisor fills on its stack and copies out whole carries what
 * was there before in its padding and in the fields of the case that did not apply; registers that
 * "hold no meaning" carry the hypervisor's pointers. The fields were checked, the gaps forgotten.
 *
 * This guest prefills every OUT structure and the page around it with a pattern, makes the call and
 * looks at each byte: reserved words and the rest of strings are zero, bytes outside are untouched.
 * It looks at the scratch registers of each entry into its kernel and behind hypercalls. A
 * vulnerable system shows stack bytes or addresses of its own, from which the next attack starts.
 */
#include "hvlib/clock.h"
#include "internal.h"
#include "test.h"
#include <hv_io.h>
#include <hv_trace.h>

#define PATTERN     0xa5u
#define ALL_PATTERN ((uint64_t)0x0101010101010101 * PATTERN)

const char test_title[] = "OUT structures and registers carry nothing but what they say";

/* ---- structures ---- */

static uint8_t *page;
#define MIDDLE 1024u

static uint64_t prefill(void)
{
    memset(page, PATTERN, HV_PAGE_SIZE);
    return hv_gpa(page + MIDDLE);
}

static void check_around(size_t bytes)
{
    for (size_t i = 0; i < HV_PAGE_SIZE; i++) {
        if ((i < MIDDLE || i >= MIDDLE + bytes) && page[i] != PATTERN)
            test_failure("byte %ld outside of the structure was written", (int64_t)i - MIDDLE);
    }
}

static void check_zero(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (((const uint8_t *)at)[i] != 0)
            test_failure("reserved byte %zu (at +%ld) is %x", i,
                         (const uint8_t *)at + i - page - MIDDLE, ((const uint8_t *)at)[i]);
    }
}

static void check_counters(void)
{
    const struct hv_counters *c = (const void *)(page + MIDDLE);

    CHECK_EQ(hv_counters(HV_SELF, prefill()), 0);
    check_around(sizeof *c);
    check_zero(c->rsvd, sizeof c->rsvd);
    CHECK(c->hypercalls != ALL_PATTERN);
    CHECK(c->switches != ALL_PATTERN);
}

static void check_info(uint64_t dom)
{
    const struct hv_domain_info *info = (const void *)(page + MIDDLE);

    CHECK_EQ(hv_domain_info(dom, prefill()), 0);
    check_around(sizeof *info);
    size_t length = strnlen(info->report, sizeof info->report);

    CHECK(length < sizeof info->report);
    check_zero(info->report + length, sizeof info->report - length);
    CHECK_EQ(info->id, dom == HV_SELF ? 0 : dom);
    CHECK_EQ(info->parent, 0);
    CHECK_EQ(info->quarantined, 0);
    CHECK_EQ(info->vcpus, 1);
}

static void check_vcpu_info(void)
{
    const struct hv_vcpu_info *info = (const void *)(page + MIDDLE);

    CHECK_EQ(hv_vcpu_info(HV_SELF, 0, prefill()), 0);
    check_around(sizeof *info);
    check_zero(&info->rsvd0, sizeof info->rsvd0);
    check_zero(info->rsvd1, sizeof info->rsvd1);
    CHECK_EQ(info->state, HV_RUN_RUNNING);
    CHECK_EQ(info->wait, 0);
    CHECK_EQ(info->cap, 0);
    CHECK(info->since <= hv_now());
}

static void check_status(void)
{
    const struct hv_event_status *s = (const void *)(page + MIDDLE);
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF)), last = HV_MAX_PORTS - 1;
    uint64_t asked[] = { port,
                         (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, 0)),
                         last };

    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        CHECK_EQ(hv_event_status(HV_SELF, asked[i], prefill()), 0);
        check_around(sizeof *s);
        check_zero(&s->rsvd, sizeof s->rsvd);
        CHECK(s->source != 0x01010101u * PATTERN);
        CHECK(s->peer == 0);
    }
    check_zero(s, sizeof *s); /* of a free port */
    CHECK_EQ(hv_event_close(HV_SELF, asked[0]), 0);
    CHECK_EQ(hv_event_close(HV_SELF, asked[1]), 0);
}

static void check_msi(void)
{
    const struct hv_msi *m = (const void *)(page + MIDDLE);
    int64_t port = hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10, 0, prefill());

    CHECK(port > 0);
    check_around(sizeof *m);
    check_zero(&m->rsvd, sizeof m->rsvd);
    CHECK_EQ(m->address & 0xfff00000, 0xfee00000);
    CHECK_EQ(m->address >> 32, 0);
    CHECK_EQ(m->data & ~0xffu, 0);
    CHECK(m->data >= 32);
    CHECK_EQ(hv_event_close(HV_SELF, (uint64_t)port), 0);
}

static void check_trace(void)
{
    int64_t entries = hv_trace_read(0, 0, prefill(), 4);

    CHECK(entries >= 0 && entries <= 4);
    check_around((size_t)entries * sizeof(struct hv_trace_entry));
}

static void check_dma(void)
{
    const struct hv_dma_run *run = (const void *)(page + MIDDLE);
    void *buffer = test_pages(2);
    int64_t runs = hv_dma_map(0x10, hv_gfn(buffer), 2, prefill());
    uint64_t pages = 0;

    CHECK(runs == 1 || runs == 2);
    check_around((size_t)runs * sizeof *run);
    for (int64_t i = 0; i < runs; i++) {
        pages += run[i].pages;
        CHECK_EQ(run[i].address % HV_PAGE_SIZE, 0);
        CHECK_EQ(hv_dma_unmap(0x10, run[i].address, run[i].pages), run[i].pages);
    }
    CHECK_EQ(pages, 2);
}

/* A call that fails writes nothing. */
static void check_failures(void)
{
    CHECK_EQ(hv_counters(12345, prefill()), -HV_EPERM);
    check_around(0);
    CHECK_EQ(hv_domain_info(12345, prefill()), -HV_EPERM);
    check_around(0);
    CHECK_EQ(hv_event_status(HV_SELF, HV_MAX_PORTS, prefill()), -HV_EINVAL);
    check_around(0);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, 0x10000, 0, prefill()), -HV_EPERM);
    check_around(0);
    CHECK_EQ(hv_dma_map(0x10, HV_GFN_SHARED, 1, prefill()), -HV_EINVAL);
    check_around(0);
    CHECK_EQ(hv_trace_read(0, ~(uint64_t)0, prefill(), 1), 0);
    check_around(0);
    CHECK_EQ(hv_trace_read(0, 0, prefill(), 86), -HV_EINVAL);
    check_around(0);
    CHECK_EQ(hv_trace_read(HV_MAX_VCPUS, 0, prefill(), 1), -HV_EINVAL);
    check_around(0);
    CHECK_EQ(hv_trace_read(~(uint64_t)0, 0, prefill(), 1), -HV_EINVAL);
    check_around(0);
    CHECK_EQ(hv_vcpu_info(12345, 0, prefill()), -HV_EPERM);
    check_around(0);
    CHECK_EQ(hv_vcpu_info(HV_SELF, HV_MAX_VCPUS, prefill()), -HV_EINVAL);
    check_around(0);
}

/* ---- the request page of a device model ---- */

static void check_request(void)
{
    uint64_t child = test_build("asks", 192, NULL),
             port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    struct hv_io_request *r = test_pages(2);

    memset(r, PATTERN, (size_t)2 * HV_PAGE_SIZE);
    CHECK_EQ(hv_io_route(child, 0x1f0, 8, port, hv_gfn(r)), 0);
    r->state = HV_IO_IDLE;
    CHECK_EQ(hv_domain_start(child), 0);
    while (*(volatile uint32_t *)&r->state != HV_IO_PENDING)
        hv_yield();
    CHECK_EQ(r->port, 0x1f7);
    CHECK_EQ(r->size, 1);
    CHECK_EQ(r->write, 0);
    CHECK_EQ(r->string, 0);
    CHECK_EQ(r->count, 1);
    CHECK_EQ(r->value, 0);
    CHECK_EQ(r->rsvd, 0);
    CHECK_EQ(r->domain, child);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(r->rsvd2[i], 0);
    CHECK_EQ(*(uint8_t *)(r + 1), PATTERN);
    CHECK_EQ(hv_io_complete(child, 0, 0xa7, 0), 0);
    test_join(child);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0);
}

static void ask(void)
{
    uint64_t value = 0x1122334455667700;

    __asm__ volatile("in %%dx, %%al" : "+a"(value) : "d"(0x1f7));
    CHECK_EQ(value, 0x11223344556677a7);
}

/* ---- registers ---- */

uint64_t entry_registers[3];
char entry_stack[8192] __attribute__((aligned(4096)));
_Noreturn void entered(void);
void looking_entry(void);

__asm__(".pushsection .text.entry, \"ax\", @progbits\n"
        ".globl looking_entry\n"
        "looking_entry:\n"
        "mov %rax, entry_registers(%rip)\n"
        "mov %rcx, entry_registers + 8(%rip)\n"
        "mov %r11, entry_registers + 16(%rip)\n"
        "mov $entry_stack + 8192, %rsp\n"
        "call entered\n"
        ".popsection\n");

void entered(void)
{
    check_zero(&hv_vcpu->save.rsvd, sizeof hv_vcpu->save.rsvd);
    check_zero(hv_vcpu->save.rsvd2, sizeof hv_vcpu->save.rsvd2);
    *(volatile uint32_t *)&hv_vcpu->busy = 0;
    test_escape(hv_vcpu->save.vector);
}

static bool is_hyp(uint64_t value)
{
    return value >= 0xffff800000000000 && value < HV_KERNEL_START;
}

static void check_registers(void)
{
    for (unsigned i = 0; i < 3; i++)
        CHECK(!is_hyp(entry_registers[i]));
    hv_event_poll();
    *(volatile uint32_t *)&hv_vcpu->masked = 0;
}

static int64_t fault(void *arg)
{
    if (arg)
        *(volatile char *)arg = 0;
    __asm__ volatile("ud2");
    return 0;
}

static int64_t spin(void *arg)
{
    NEED(hv_set_timer(hv_now() + 100000));
    while (arg == NULL)
        hv_relax();
    return 0;
}

static int64_t enter_user(void *arg)
{
    hv_mask();
    return hv_enter_user(arg);
}

static int64_t send(void *arg)
{
    hv_event_send((uint64_t)(uintptr_t)arg);
    return 0;
}

static void look(void)
{
    uint64_t at = (uint64_t)(uintptr_t)looking_entry, rcx = 0, r11 = 0, rax = HV_NR_version;
    HV_BUFFER(64)
    struct hv_entry entry = { at, at, at, (uint64_t)(uintptr_t)hv_vcpu, HV_FREE_START, 0 };
    struct hv_frame user = { .rip = 0x400000, .rsp = 0, .rflags = 0x202 };
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    uint64_t other =
        (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_domain_id(), port, 0));

    NEED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0));
    NEED(hv_set_entry(hv_gpa(&entry)));
    CHECK_EQ(test_escape_call(fault, NULL), 6);
    check_registers();
    CHECK_EQ(test_escape_call(fault, (void *)16), 14);
    check_registers();
    CHECK_EQ(test_escape_call(send, (void *)(uintptr_t)other), HV_VECTOR_EVENT);
    check_registers();
    CHECK_EQ(test_escape_call(spin, NULL), HV_VECTOR_EVENT);
    check_registers();
    for (unsigned by = 0; by < 2; by++) {
        user.vector = by ? HV_VECTOR_SYSCALL : HV_VECTOR_EVENT;
        CHECK_EQ(test_escape_call(enter_user, &user), 14);
        check_registers();
    }
    __asm__ volatile("syscall; mov %%rcx, %0; mov %%r11, %1"
                     : "=&r"(rcx), "=&r"(r11), "+a"(rax)
                     :
                     : "rcx", "r11", "memory");
    CHECK(!is_hyp(rcx) && !is_hyp(r11));
    hv_shutdown(0);
}

void test_main(void)
{
    if (test_is("asks"))
        ask();
    if (test_is("looks"))
        look();
    if (!test_is("root"))
        return;
    page = test_pages(1);
    uint64_t child = test_build("idle", 192, NULL);

    check_counters();
    check_info(HV_SELF);
    check_vcpu_info();
    check_info(child);
    test_destroy(child);
    check_status();
    check_msi();
    check_trace();
    check_dma();
    check_failures();
    check_request();
    test_join(test_spawn("looks", 0));
}

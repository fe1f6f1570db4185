/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routed ports, with this test as the device model: IN, OUT, INS and OUTS of a guest's kernel
 * arrive as requests and go on with the model's answer; strings in both directions, over pages,
 * with a missing operand; what the model may answer; and a model that is gone.
 */
#include "nasty.h"
#include "test.h"
#include <hv_io.h>

#define BASE  0x1f0u
#define PORTS 8u
#define BAD   14u

const char test_title[] = "port accesses reach their device model, and its answers their guest";

/* ---- the guest ---- */

static uint64_t in(uint32_t port, unsigned size)
{
    uint64_t value = 0x1122334455667788;

    if (size == 1)
        __asm__ volatile("in %%dx, %%al" : "+a"(value) : "d"(port) : "memory");
    else if (size == 2)
        __asm__ volatile("in %%dx, %%ax" : "+a"(value) : "d"(port) : "memory");
    else
        __asm__ volatile("in %%dx, %%eax" : "+a"(value) : "d"(port) : "memory");
    return value;
}

static void out(uint32_t port, unsigned size, uint64_t value)
{
    if (size == 1)
        __asm__ volatile("out %%al, %%dx" : : "a"(value), "d"(port) : "memory");
    else if (size == 2)
        __asm__ volatile("out %%ax, %%dx" : : "a"(value), "d"(port) : "memory");
    else
        __asm__ volatile("out %%eax, %%dx" : : "a"(value), "d"(port) : "memory");
}

static uint64_t insw(void *to, uint64_t count)
{
    uint64_t left = count;

    __asm__ volatile("rep insw" : "+D"(to), "+c"(left) : "d"(BASE) : "memory");
    CHECK_EQ(left, 0);
    return (uint64_t)(uintptr_t)to;
}

static uint64_t outsw(const void *from, uint64_t count)
{
    uint64_t left = count;

    __asm__ volatile("rep outsw" : "+S"(from), "+c"(left) : "d"(BASE) : "memory");
    CHECK_EQ(left, 0);
    return (uint64_t)(uintptr_t)from;
}

struct string {
    void *at;
    uint64_t count;
};

static void try_insw(void *arg)
{
    const struct string *s = arg;

    insw(s->at, s->count);
}

static void try_outsw(void *arg)
{
    const struct string *s = arg;

    outsw(s->at, s->count);
}

/* The model answers IN with its port in each byte, INS with a count of elements, counts all OUTs.
 */
static void guest_single(void)
{
    for (uint32_t p = BASE; p < BASE + PORTS; p++) {
        CHECK_EQ(in(p, 1), 0x1122334455667700 | (p & 0xff));
        if (p < BASE + PORTS - 1)
            CHECK_EQ(in(p, 2), 0x1122334455660000 | (p & 0xff) * 0x101);
        if (p < BASE + PORTS - 3)
            CHECK_EQ(in(p, 4), (uint64_t)(p & 0xff) * 0x1010101);
    }
    out(BASE + 1, 1, 0xffffffffffffff5a);
    out(BASE + 2, 2, 0xffffffffffff1234);
    out(BASE + 4, 4, 0xffffffff89abcdef);
}

static void guest_strings(void)
{
    uint16_t *buffer = test_pages(4);
    uint64_t base = (uint64_t)(uintptr_t)buffer;

    /* Element n of each transfer is n. An access ends at a page; the next one goes on behind it. */
    CHECK_EQ(insw(buffer, 256), base + 512);
    for (uint16_t i = 0; i < 256; i++)
        CHECK_EQ(buffer[i], i);
    CHECK_EQ(buffer[256], 0);
    CHECK_EQ(insw(buffer + 2048 - 100, 300), base + 4096 + 400);
    CHECK_EQ(buffer[2047], 99);
    CHECK_EQ(buffer[2048], 0);
    CHECK_EQ(buffer[2048 + 199], 199);
    CHECK_EQ(insw((char *)buffer + 4095, 2), base + 4099); /* an element over the border */
    for (uint16_t i = 0; i < 6000; i++)
        buffer[i] = i;
    CHECK_EQ(outsw(buffer, 6000), base + 12000);
    CHECK_EQ(insw(buffer, 0), base);
}

/* Downwards, and with a single element without REP. */
static void guest_directions(void)
{
    uint16_t *buffer = test_pages(1), *at = buffer + 99;
    uint64_t count = 100;

    __asm__ volatile("std; rep insw; cld" : "+D"(at), "+c"(count) : "d"(BASE) : "memory");
    CHECK_EQ(count, 0);
    CHECK(at == buffer - 1);
    CHECK_EQ(buffer[99], 0);
    CHECK_EQ(buffer[0], 99);
    at = buffer + 500;
    __asm__ volatile("insw" : "+D"(at) : "d"(BASE) : "memory");
    CHECK(at == buffer + 501);
}

/* An operand that is not there, or not writable, is a page fault, and the model hears nothing of
 * it. */
static void guest_faults(void)
{
    uint64_t hole = test_addresses(2), page = hv_gfn(test_pages(1));
    struct string s = { (void *)(uintptr_t)hole, 10 };
    struct hv_frame f;

    CHECK_EQ(test_try(try_insw, &s, &f), BAD);
    CHECK_EQ(f.cr2, hole);
    CHECK_EQ(f.error & 2, 2);
    CHECK_EQ(f.rcx, 10);
    CHECK_EQ(test_try(try_outsw, &s, &f), BAD);
    CHECK_EQ(f.cr2, hole);
    CHECK_EQ(f.error & 2, 0);
    NEED(test_map(HV_SELF, 0, hole, page, 1, HV_MAP_READ));
    CHECK_EQ(test_try(try_insw, &s, &f), BAD);
    CHECK_EQ(f.error & 3, 3);
    CHECK_EQ(test_try(try_outsw, &s, &f), TEST_NO_FAULT);
    /* Into the hole behind the page: up to the border it is done. */
    NEED(test_map(HV_SELF, 0, hole, page, 1, HV_MAP_READ | HV_MAP_WRITE));
    s = (struct string){ (void *)(uintptr_t)(hole + HV_PAGE_SIZE - 20), 16 };
    CHECK_EQ(test_try(try_insw, &s, &f), BAD);
    CHECK_EQ(f.cr2, hole + HV_PAGE_SIZE);
    CHECK_EQ(f.rcx, 6);
    CHECK_EQ(f.rdi, hole + HV_PAGE_SIZE);
}

/* Operands in the hypervisor, in no canonical place, at the edges: a fault, and no request. */
static void guest_bad_operands(void)
{
    static const uint64_t bad[] = { NASTY_HYP,           NASTY_NONCANONICAL,
                                    HV_USER_END - 2,     HV_USER_END,
                                    HV_USER_END + 0xffe, HV_KERNEL_START - 1,
                                    HV_KERNEL_START - 2, 0x400000 };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct string s = { (void *)(uintptr_t)bad[i], 4 };
        uint32_t in_vector = test_try(try_insw, &s, NULL),
                 out_vector = test_try(try_outsw, &s, NULL);

        CHECK(in_vector == 13 || in_vector == 14);
        CHECK(out_vector == 13 || out_vector == 14);
    }
}

static void guest(void)
{
    guest_single();
    guest_strings();
    guest_directions();
    guest_faults();
    guest_bad_operands();
    test_signal(TEST_PARENT, 0, 1);
    test_await(TEST_PARENT, 0, 2);
}

/* ---- the model ---- */

static volatile struct hv_io_request *request;
static uint16_t *data;
static uint64_t child, outs, out_elements, requests, words;
static volatile unsigned raised;

static void on_request(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    raised++;
}

static void answer_ins(void)
{
    uint16_t *answer = hv_va(hv_gpa(data) + HV_PAGE_SIZE);
    uint64_t gpa = hv_gpa(answer), count = request->count;

    CHECK(count >= 1 && count * request->size <= HV_PAGE_SIZE);
    for (uint16_t i = 0; i < count; i++)
        answer[i] = i;
    CHECK_EQ(hv_io_complete(child, 0, count + 1, gpa), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(child, 0, ~(uint64_t)0, gpa), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(child, 0, 0, gpa), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(child, 0, count, ~(uint64_t)0), -HV_EFAULT);
    CHECK_EQ(hv_io_complete(child, 0, count, gpa + HV_PAGE_SIZE - 1), -HV_EFAULT);
    CHECK_EQ(hv_io_complete(child, 1, count, gpa), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(child, 0, count, gpa), 0);
}

static void answer(void)
{
    uint64_t value = (uint64_t)(request->port & 0xff) * 0x0101010101010101;

    requests++;
    CHECK_EQ(request->seq, requests);
    CHECK_EQ(request->domain, child);
    CHECK_EQ(request->rsvd, 0);
    if (request->write && request->string) {
        for (uint16_t i = 0; i < request->count; i++)
            words += data[i];
        out_elements += request->count;
        CHECK_EQ(hv_io_complete(child, 0, 0, 0), 0);
    } else if (request->write) {
        static const uint32_t values[] = { 0x5a, 0x1234, 0x89abcdef };

        CHECK_EQ(request->count, 1);
        CHECK_EQ(request->value, values[outs]);
        CHECK_EQ(request->size, 1 << outs);
        outs++;
        CHECK_EQ(hv_io_complete(child, 0, 0, 0), 0);
    } else if (request->string) {
        answer_ins();
    } else {
        CHECK_EQ(hv_io_complete(child, 0, value, 0), 0);
    }
}

static void serve(void)
{
    const volatile uint64_t *stage = &test_shared(child)[0];
    struct hv_domain_info info = { 0 };

    while (*stage == 0 && info.state != HV_DOMAIN_SHUTDOWN) {
        hv_mask();
        if (request->state == HV_IO_PENDING)
            answer();
        hv_unmask();
        hv_yield();
        info = test_info(child);
    }
}

void test_main(void)
{
    if (test_is("guest")) {
        guest();
        return;
    }
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_request, NULL));
    uint8_t *pages = test_pages(3);

    request = (void *)pages;
    data = (void *)(pages + HV_PAGE_SIZE);
    child = test_build("guest", 0, NULL);
    CHECK_EQ(hv_io_complete(child, 0, 0, 0), -HV_EINVAL);
    NEED(hv_io_route(child, BASE, PORTS, port, hv_gfn(pages)));
    NEED(hv_domain_start(child));
    serve();
    CHECK_EQ(outs, 3);
    CHECK_EQ(out_elements, 6010);
    CHECK_EQ(raised > 0, true);
    CHECK_EQ(test_counters(child).port_traps, requests);
    test_signal(child, 0, 2);
    test_join(child);
}

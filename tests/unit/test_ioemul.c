/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routed ports: each kind of access from the trap to the completion, operands that are not there or
 * go away meanwhile, accesses that are none of a model's business, and models that end.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c hyp/core/poll.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/p2m.c hyp/core/portdecode.c hyp/core/resource.c
 * sources: hyp/core/sched.c hyp/core/space.c hyp/core/space_leaf.c
 * sources: hyp/core/space_table.c hyp/core/timer.c hyp/core/trace.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "event.h"
#include "frame.h"
#include "hv_io.h"
#include "ioemul.h"
#include "p2m.h"
#include "space.h"

#define FRAMES  8192u
#define PORT    0x1f0u
#define REQUEST 20u /* root's GFNs: request page, data page behind it */
#define BUFFER  30u /* root's: data for INS */
#define CODE    2u  /* the guest's GFNs */
#define DATA    4u
#define DF      0x400u

static struct domain *root, *guest;
static struct vcpu *v;
static struct hv_io_request *request;
static int64_t port;
static uint64_t code, data;

static void setup(void)
{
    host_core_start(FRAMES);
    root = domain_root;
    guest = host_domain(root, 400, 16);
    v = guest->vcpu[0];
    port = host_port(root, HV_SELF);
    must(io_route(guest, root, PORT, 8, (uint64_t)port, (gfn_t){ REQUEST }) == 0);
    request = host_ram(root, REQUEST);
    code = host_map(guest, CODE, HV_MAP_READ | HV_MAP_EXEC);
    (void)host_map(guest, CODE + 1, HV_MAP_READ | HV_MAP_EXEC);
    data = host_map(guest, DATA, HV_MAP_READ | HV_MAP_WRITE);
    (void)host_map(guest, DATA + 1, HV_MAP_READ | HV_MAP_WRITE);
    host_run(guest);
    v->regs.rdx = PORT;
    v->regs.rflags = 0x202;
}

/* Puts an instruction at `at` in the code pages and lets the vCPU trap on it. */
static bool trap_at(uint64_t at, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *page = host_ram(guest, CODE + (at + i) / 4096);

        page[(at + i) % 4096] = ((const uint8_t *)bytes)[i];
    }
    v->regs.rip = code + at;
    host_run(guest);
    return io_trap(v);
}

static bool trap(const char *bytes)
{
    return trap_at(0x100, bytes, strlen(bytes));
}

static int complete(uint64_t value)
{
    return io_complete(root, guest, 0, value, (gpa_t){ BUFFER * 4096 });
}

static void check_waiting(uint8_t size, bool write, bool string, uint32_t count)
{
    must(v->wait == VCPU_IO_WAIT && host_cpu0.work & CPU_WORK_RESCHED);
    must(request->state == HV_IO_PENDING && request->port == PORT && request->size == size);
    must(request->write == write && request->string == string && request->count == count);
    must(request->domain == guest->id && request->seq == v->io_seq && request->rsvd == 0);
    must(root->vcpu[0]->page->pending[0][0] >> port & 1);
}

START_TEST(test_in)
{
    static const struct {
        const char *bytes;
        uint8_t size;
        uint64_t rax;
    } in[] = {
        { "\xec", 1, 0x1122334455667799 },
        { "\x66\xed", 2, 0x112233445566aa99 },
        { "\xed", 4, 0x00000000ccbbaa99 },
    };

    v->regs.rax = 0x1122334455667788;
    v->regs.rcx = v->regs.rsi = v->regs.rdi = 0x99;
    ck_assert(trap(in[_i].bytes));
    check_waiting(in[_i].size, false, false, 1);
    ck_assert_uint_eq(v->regs.rip, code + 0x100);
    ck_assert_int_eq(complete(0xeeddccbbaa99), 0);
    ck_assert_uint_eq(v->regs.rax, in[_i].rax);
    ck_assert_uint_eq(v->regs.rip, code + 0x100 + strlen(in[_i].bytes));
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_uint_eq(request->state, HV_IO_IDLE);
    ck_assert_int_eq(complete(0), -HV_EINVAL);
    ck_assert_uint_eq(v->counters.port_traps, 1);
    ck_assert(v->regs.rcx == 0x99 && v->regs.rsi == 0x99 && v->regs.rdi == 0x99);
}
END_TEST

START_TEST(test_out)
{
    v->regs.rax = 0x1122334455667788;
    ck_assert(trap("\x66\xef"));
    check_waiting(2, true, false, 1);
    ck_assert_uint_eq(request->value, 0x7788);
    ck_assert_int_eq(complete(99), 0);
    ck_assert_uint_eq(v->regs.rax, 0x1122334455667788);
    ck_assert_uint_eq(v->regs.rip, code + 0x102);
}
END_TEST

START_TEST(test_instruction_across_two_pages)
{
    ck_assert(trap_at(4095, "\x66\xed", 2));
    check_waiting(2, false, false, 1);
    ck_assert_int_eq(complete(0), 0);
    ck_assert_uint_eq(v->regs.rip, code + 4097);
}
END_TEST

/* Ports that are not all in the route, other instructions, user mode: #GP, and the model sees
 * nothing. */
START_TEST(test_none_of_the_models_business)
{
    v->regs.rdx = PORT - 1;
    ck_assert(!trap("\xed"));
    v->regs.rdx = PORT + 5;
    ck_assert(!trap("\xed"));
    v->regs.rdx = PORT + 8;
    ck_assert(!trap("\xec"));
    v->regs.rdx = PORT;
    ck_assert(!trap("\xf4"));
    ck_assert(!trap("\xf0\xec"));
    ck_assert(!trap("\x0f\x32"));
    v->regs.rip = code + 0x100;
    memcpy((uint8_t *)host_ram(guest, CODE) + 0x100, "\xec", 1);
    host_cpu0.user_mode = 1;
    ck_assert(!io_trap(v));
    ck_assert_uint_eq(request->state, HV_IO_IDLE);
    ck_assert_uint_eq(request->seq, 0);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_uint_eq(v->counters.port_traps, 0);
    ck_assert_uint_eq(host_faults, 0);
}
END_TEST

START_TEST(test_outs)
{
    uint16_t *from = host_ram(guest, DATA), *to = host_ram(root, REQUEST + 1);

    for (uint16_t i = 0; i < 2048; i++) {
        from[i] = i;
    }
    v->regs.rsi = data + 4096 - 2 * 100;
    v->regs.rcx = 256;
    ck_assert(trap("\xf3\x66\x6f"));
    check_waiting(2, true, true, 100);
    for (uint16_t i = 0; i < 100; i++) {
        must(to[i] == 2048 - 100 + i);
    }
    ck_assert_int_eq(complete(0), 0);
    ck_assert_uint_eq(v->regs.rsi, data + 4096);
    ck_assert_uint_eq(v->regs.rcx, 156);
    ck_assert_uint_eq(v->regs.rip, code + 0x100);
    ck_assert(trap("\xf3\x66\x6f"));
    check_waiting(2, true, true, 156);
    ck_assert_int_eq(complete(0), 0);
    ck_assert_uint_eq(v->regs.rcx, 0);
    ck_assert_uint_eq(v->regs.rip, code + 0x103);
    ck_assert_uint_eq(v->counters.bytes_copied, 512);
}
END_TEST

START_TEST(test_outs_downwards)
{
    uint16_t *from = host_ram(guest, DATA), *to = host_ram(root, REQUEST + 1);

    for (uint16_t i = 0; i < 10; i++) {
        from[i] = i;
    }
    v->regs.rsi = data + 2 * 9;
    v->regs.rcx = 10;
    v->regs.rflags |= DF;
    ck_assert(trap("\xf3\x66\x6f"));
    check_waiting(2, true, true, 10);
    for (uint16_t i = 0; i < 10; i++) {
        must(to[i] == 9 - i);
    }
    ck_assert_int_eq(complete(0), 0);
    ck_assert_uint_eq(v->regs.rsi, data - 2);
}
END_TEST

static void fill_buffer(uint32_t elements)
{
    uint16_t *b = host_ram(root, BUFFER);

    for (uint32_t i = 0; i < elements; i++) {
        b[i] = (uint16_t)(i + 1);
    }
}

START_TEST(test_ins)
{
    uint16_t *to = host_ram(guest, DATA);

    fill_buffer(256);
    v->regs.rdi = data + 16;
    v->regs.rcx = 256;
    ck_assert(trap("\xf3\x66\x6d"));
    check_waiting(2, false, true, 256);
    ck_assert_int_eq(complete(0), -HV_EINVAL);
    ck_assert_int_eq(complete(257), -HV_EINVAL);
    ck_assert_int_eq(io_complete(root, guest, 0, 256, (gpa_t){ BUFFER * 4096 + 4000 }), -HV_EFAULT);
    ck_assert_int_eq(io_complete(root, guest, 0, 256, (gpa_t){ 1 << 20 }), -HV_EFAULT);
    ck_assert_uint_eq(v->wait, VCPU_IO_WAIT);
    ck_assert_int_eq(complete(100), 0);
    ck_assert_uint_eq(v->regs.rdi, data + 16 + 200);
    ck_assert_uint_eq(v->regs.rcx, 156);
    ck_assert_uint_eq(v->regs.rip, code + 0x100);
    for (uint16_t i = 0; i < 100; i++) {
        must(to[8 + i] == i + 1);
    }
    ck_assert_uint_eq(to[108], 0);
    ck_assert(trap("\xf3\x66\x6d"));
    ck_assert_int_eq(complete(156), 0);
    ck_assert_uint_eq(v->regs.rcx, 0);
    ck_assert_uint_eq(v->regs.rip, code + 0x103);
}
END_TEST

/* Downwards, and in parts: the first element is the highest. The model's buffer stays as it was. */
START_TEST(test_ins_downwards)
{
    uint16_t *to = host_ram(guest, DATA), *from = host_ram(root, BUFFER);

    fill_buffer(6);
    v->regs.rdi = data + 2 * 9;
    v->regs.rcx = 10;
    v->regs.rflags |= DF;
    ck_assert(trap("\xf3\x66\x6d"));
    check_waiting(2, false, true, 10);
    ck_assert_int_eq(complete(6), 0);
    for (uint16_t i = 0; i < 6; i++) {
        must(to[9 - i] == i + 1 && from[i] == i + 1);
    }
    ck_assert_uint_eq(to[3], 0);
    ck_assert_uint_eq(v->regs.rdi, data + 2 * 3);
    ck_assert_uint_eq(v->regs.rcx, 4);
}
END_TEST

START_TEST(test_an_element_across_two_pages)
{
    uint8_t *first = host_ram(guest, DATA), *second = host_ram(guest, DATA + 1);

    memcpy(host_ram(root, BUFFER), "\x11\x22\x33\x44", 4);
    v->regs.rdi = data + 4093;
    v->regs.rcx = 5;
    ck_assert(trap("\xf3\x6d"));
    check_waiting(4, false, true, 1);
    ck_assert_int_eq(complete(1), 0);
    ck_assert_mem_eq(first + 4093, "\x11\x22\x33", 3);
    ck_assert_uint_eq(second[0], 0x44);
    ck_assert_uint_eq(v->regs.rcx, 4);
}
END_TEST

START_TEST(test_rep_of_nothing)
{
    v->regs.rcx = 0;
    ck_assert(trap("\xf3\x6c"));
    ck_assert_uint_eq(v->regs.rip, code + 0x102);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_uint_eq(request->state, HV_IO_IDLE);
}
END_TEST

/* An operand that is not there, or not writable, is a page fault of the guest's kernel, before the
 * device is asked. */
START_TEST(test_operand_faults)
{
    uint64_t readable = host_map(guest, DATA + 2, HV_MAP_READ);

    v->regs.rcx = 4;
    v->regs.rdi = v->regs.rsi = data + 3 * 4096;
    ck_assert(trap("\xf3\x6c"));
    ck_assert_uint_eq(host_faults, 1);
    ck_assert_uint_eq(host_fault_vector, 14);
    ck_assert_uint_eq(host_fault_error, 6);
    ck_assert_uint_eq(host_fault_address, data + 3 * 4096);
    ck_assert(trap("\xf3\x6e"));
    ck_assert_uint_eq(host_fault_error, 4);
    v->regs.rdi = readable;
    ck_assert(trap("\xf3\x6c"));
    ck_assert_uint_eq(host_fault_error, 7);
    v->regs.rdi = readable + 4094;
    ck_assert(trap("\xf3\x6d"));
    ck_assert_uint_eq(host_faults, 4);
    ck_assert_uint_eq(request->seq, 0);
    v->regs.rdi = 0x0000900000000000; /* not canonical: #GP, as for any access */
    ck_assert(!trap("\xf3\x6c"));
    ck_assert_uint_eq(v->wait, 0);
}
END_TEST

/* The operand goes while the device works: nothing advances, and running again faults. */
START_TEST(test_operand_gone_meanwhile)
{
    const struct hv_map_run run = { .address = data, .count = 1 };

    v->regs.rcx = 4;
    v->regs.rdi = data;
    ck_assert(trap("\xf3\x6c"));
    ck_assert_int_eq(space_unmap(guest->spaces[0], &run, 1), 1);
    ck_assert_int_eq(complete(4), 0);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_uint_eq(v->regs.rcx, 4);
    ck_assert_uint_eq(v->regs.rip, code + 0x100);
    ck_assert(trap("\xf3\x6c"));
    ck_assert_uint_eq(host_faults, 1);
    ck_assert_uint_eq(host_fault_address, data);
}
END_TEST

/* It becomes read-only while the device works: the same, and nothing is written. */
START_TEST(test_operand_read_only_meanwhile)
{
    const struct hv_map_run run = { .address = data, .count = 1, .rights = HV_MAP_READ };
    uint8_t *there = host_ram(guest, DATA);

    memset(there, 0x11, 4);
    memset(host_ram(root, BUFFER), 0x22, 4);
    v->regs.rcx = 4;
    v->regs.rdi = data;
    ck_assert(trap("\xf3\x6c"));
    ck_assert_int_eq(space_protect(guest->spaces[0], &run, 1), 1);
    ck_assert_int_eq(complete(4), 0);
    ck_assert_uint_eq(v->wait, 0);
    ck_assert_uint_eq(v->regs.rcx, 4);
    ck_assert_uint_eq(there[0], 0x11);
    ck_assert(trap("\xf3\x6c"));
    ck_assert_uint_eq(host_fault_error, 7);
    ck_assert_uint_eq(host_fault_address, data);
}
END_TEST

START_TEST(test_only_its_model_completes)
{
    struct domain *other = host_domain(root, 200, 0);

    ck_assert_int_eq(io_complete(root, guest, 0, 0, (gpa_t){ 0 }), -HV_EINVAL);
    ck_assert_int_eq(io_complete(root, guest, 1, 0, (gpa_t){ 0 }), -HV_EINVAL);
    ck_assert(trap("\xec"));
    ck_assert_int_eq(io_complete(other, guest, 0, 0, (gpa_t){ 0 }), -HV_EINVAL);
    ck_assert_uint_eq(v->wait, VCPU_IO_WAIT);
    ck_assert_int_eq(complete(0), 0);
}
END_TEST

START_TEST(test_routes)
{
    const uint64_t p = (uint64_t)port;

    ck_assert_int_eq(io_route(guest, root, PORT + 7, 1, p, (gfn_t){ 22 }), -HV_EBUSY);
    ck_assert_int_eq(io_route(guest, root, PORT - 1, 2, p, (gfn_t){ 22 }), -HV_EBUSY);
    ck_assert_int_eq(io_route(guest, root, 0, 0, p, (gfn_t){ 22 }), -HV_EINVAL);
    ck_assert_int_eq(io_route(guest, root, 65535, 2, p, (gfn_t){ 22 }), -HV_EINVAL);
    ck_assert_int_eq(io_route(guest, root, 0, ~(uint64_t)0, p, (gfn_t){ 22 }), -HV_EINVAL);
    ck_assert_int_eq(io_route(guest, root, 0, 8, p + 1, (gfn_t){ 22 }), -HV_EINVAL);
    ck_assert_int_eq(io_route(guest, root, 0, 8, p, (gfn_t){ 63 }), -HV_EINVAL);
    ck_assert_int_eq(io_route(guest, root, 0, 8, p, (gfn_t){ ~(uint64_t)0 }), -HV_EINVAL);
    ck_assert_int_eq(io_route(guest, root, 0, 8, p, (gfn_t){ HV_GFN_WINDOW }), -HV_EINVAL);
    for (uint64_t i = 0; i < 15; i++) {
        ck_assert_int_eq(io_route(guest, root, i * 8, 8, p, (gfn_t){ REQUEST }), 0);
    }
    ck_assert_int_eq(io_route(guest, root, 0x400, 8, p, (gfn_t){ REQUEST }), -HV_ENOSPC);
    ck_assert_int_eq(p2m_give_back(root, (gfn_t){ REQUEST }, 1), -HV_EBUSY);
    ck_assert_int_eq(p2m_give_back(root, (gfn_t){ REQUEST + 1 }, 1), -HV_EBUSY);
    host_run(root);
    ck_assert_int_eq(host_destroy(guest), 0);
    ck_assert_int_eq(p2m_give_back(root, (gfn_t){ REQUEST }, 2), 2);
}
END_TEST

START_TEST(test_no_quota_for_routes)
{
    struct domain *d = host_domain(root, 200, 0);

    d->quota = d->used;
    ck_assert_int_eq(io_route(d, root, 0, 8, (uint64_t)port, (gfn_t){ REQUEST }), -HV_ENOMEM);
    ck_assert_int_eq(p2m_give_back(root, (gfn_t){ REQUEST + 2 }, 1), 1);
}
END_TEST

/* Who does not wait for the model that ends is left alone. */
START_TEST(test_the_model_of_nobody_ends)
{
    struct domain *model = host_domain(root, 400, 16), *g = host_domain(model, 200, 8);
    int64_t p = host_port(model, HV_SELF);
    struct regs before;

    ck_assert_int_eq(io_route(g, model, PORT, 8, (uint64_t)p, (gfn_t){ 4 }), 0);
    host_run(g);
    g->vcpu[0]->regs.rax = 5;
    before = g->vcpu[0]->regs;
    ck_assert(trap("\xec")); /* another guest, with another model */
    domain_kill(model->vcpu[0], "test");
    ck_assert_mem_eq(&before, &g->vcpu[0]->regs, sizeof(before));
    ck_assert_uint_eq(v->wait, VCPU_IO_WAIT);
    ck_assert_int_eq(complete(1), 0);
}
END_TEST

/* The model is a child that is killed, or destroyed, while a request is with it. The guest reads
 * all ones, then and later. */
START_TEST(test_the_model_ends)
{
    struct domain *model = host_domain(root, 400, 16), *g = host_domain(model, 200, 8);
    int64_t p = host_port(model, HV_SELF);

    ck_assert_int_eq(io_route(g, model, PORT, 8, (uint64_t)p, (gfn_t){ 4 }), 0);
    guest = g;
    v = g->vcpu[0];
    v->regs.rdx = PORT;
    code = host_map(g, CODE, HV_MAP_READ | HV_MAP_EXEC);
    data = host_map(g, DATA, HV_MAP_READ | HV_MAP_WRITE);
    v->regs.rax = 0;
    v->regs.rdi = data;
    v->regs.rcx = 5;
    ck_assert(trap(_i % 2 ? "\xec" : "\xf3\x6c"));
    ck_assert_uint_eq(v->wait, VCPU_IO_WAIT);
    if (_i < 2) {
        domain_kill(model->vcpu[0], "test");
    } else {
        ck_assert_int_eq(domain_pause(g), 0);
        domain_kill(model->vcpu[0], "test");
        ck_assert_uint_eq(v->wait, VCPU_PAUSED);
        ck_assert_int_eq(domain_unpause(g), 0);
    }
    ck_assert_uint_eq(v->wait, 0);
    if (_i % 2) {
        ck_assert_uint_eq(v->regs.rax, 0xff);
        ck_assert_uint_eq(v->regs.rip, code + 0x101);
    } else {
        ck_assert_uint_eq(v->regs.rcx, 0);
        ck_assert_mem_eq(host_ram(g, DATA), "\xff\xff\xff\xff\xff\0", 6);
    }
    ck_assert(trap("\xed"));
    ck_assert_uint_eq(v->regs.rax, 0xffffffff);
    ck_assert_uint_eq(v->wait, 0);
    host_run(root);
    ck_assert_int_eq(host_destroy(g), 0);
    ck_assert_int_eq(host_destroy(model), 0);
    host_audit();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ioemul");
    TCase *tc = tcase_create("ioemul");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, test_in, 0, 3);
    tcase_add_test(tc, test_out);
    tcase_add_test(tc, test_instruction_across_two_pages);
    tcase_add_test(tc, test_none_of_the_models_business);
    tcase_add_test(tc, test_outs);
    tcase_add_test(tc, test_outs_downwards);
    tcase_add_test(tc, test_ins);
    tcase_add_test(tc, test_ins_downwards);
    tcase_add_test(tc, test_an_element_across_two_pages);
    tcase_add_test(tc, test_rep_of_nothing);
    tcase_add_test(tc, test_operand_faults);
    tcase_add_test(tc, test_operand_gone_meanwhile);
    tcase_add_test(tc, test_operand_read_only_meanwhile);
    tcase_add_test(tc, test_only_its_model_completes);
    tcase_add_test(tc, test_routes);
    tcase_add_test(tc, test_no_quota_for_routes);
    tcase_add_test(tc, test_the_model_of_nobody_ends);
    tcase_add_loop_test(tc, test_the_model_ends, 0, 4);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

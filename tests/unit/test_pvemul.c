/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root's emulated devices against a guest that makes any access to any of their ports: every
 * register of the PCI function at every size and offset, the BAR moved over other ports, region
 * tables that name no memory, that point at themselves, that are empty; a DMA engine that is
 * started twice; and a domain that is taken away at any moment of it. Interrupts come where they
 * may: a timer that is due fires before the one instruction that would have cancelled it.
 *
 * sources: pvguest/kernel/block.c pvguest/drivers/model/ide.c pvguest/drivers/model/ide_command.c
 * sources: pvguest/drivers/model/ide_identify.c pvguest/drivers/model/ide_master.c
 * sources: pvguest/drivers/model/pci.c pvguest/drivers/model/uart16550.c
 * sources: tests/unit/host_pv.c
 */
#define HVLIB_ARCH_HYPERCALL_H
#define HVLIB_EVENT_H
#define HVLIB_MEMORY_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_pv.h"
#include "mem.h"

#include <hv_call.h>

/* Check's own assertions talk to the parent each time: too slow for long loops. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

#define DOMAIN  9u
#define SECTORS 2000u
#define FRAMES  64u /* of the guest's memory */
#define LINE    3u
#define COPIES  140u /* 64 regions, each once in two, and the table */

static uint8_t *memory;
static uint64_t answer;      /* of the last completion */
static uint8_t string[4096]; /* that it brought */
static unsigned completions;
static unsigned copies, routes, route_limit, events, objects;

static inline uint64_t hv_gpa(const volatile void *object)
{
    return (uint64_t)(uintptr_t)object;
}

static inline uint64_t hv_gfn(const volatile void *object)
{
    return hv_gpa(object) / 4096;
}

/* As many pages as are the guest's. */
static inline int64_t hv_domain_copy(uint64_t dom, uint64_t remote, uint64_t local, uint64_t bytes,
                                     uint64_t write)
{
    uint64_t end = (uint64_t)FRAMES * PAGE_SIZE, n = remote < end ? end - remote : 0;
    uint8_t *at = (uint8_t *)(uintptr_t)local;

    if (dom != DOMAIN || bytes == 0 || bytes > 65536 || copies++ == COPIES)
        ck_abort_msg("copy of %lu bytes, %u before it", (unsigned long)bytes, copies);
    n = n < bytes ? n : bytes;
    if (write)
        memcpy(memory + remote, at, n);
    else if (n)
        memcpy(at, memory + remote, n);
    return n ? (int64_t)n : -HV_EFAULT;
}

static unsigned size; /* of the request under way */

static inline int64_t hv_io_complete(uint64_t dom, uint64_t vcpu, uint64_t value, uint64_t gpa)
{
    must(dom == DOMAIN && vcpu == 0);
    completions++;
    answer = value;
    if (gpa && value * size <= sizeof string)
        memcpy(string, (const void *)(uintptr_t)gpa, value * size);
    return 0;
}

static inline int64_t hv_io_route(uint64_t dom, uint64_t first, uint64_t count, uint64_t port,
                                  uint64_t gfn)
{
    (void)gfn;
    ck_assert(dom == DOMAIN && first + count <= 65536 && port == LINE);
    return routes++ < route_limit ? 0 : -HV_ENOSPC;
}

static inline int64_t hv_event_alloc(uint64_t dom, uint64_t peer)
{
    return dom == HV_SELF && peer == HV_SELF ? (int64_t)LINE : -HV_EINVAL;
}

static inline int64_t hv_event_send(uint64_t port)
{
    (void)port;
    events++;
    return 0;
}

static inline int64_t hv_event_close(uint64_t dom, uint64_t port)
{
    (void)port;
    ck_assert(dom == HV_SELF);
    return 0;
}

#include <pvguest/root/emul.c>

static struct emul *e;
static struct timer *armed;
static struct block_request *held;
static bool slow;
static unsigned mapped;

/* ---- root ---- */

int irq_register(uint64_t line, irq_fn fn, void *arg)
{
    (void)fn;
    (void)arg;
    return line == LINE ? 0 : -1;
}

void irq_unregister(uint64_t line)
{
    ck_assert_uint_eq(line, LINE);
}

void *kmalloc(size_t bytes)
{
    objects++;
    return calloc(1, bytes);
}

void kfree(void *p)
{
    objects--;
    free(p);
}

void *page_alloc(size_t count)
{
    void *p = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

    objects++;
    memset(p, 0, count * PAGE_SIZE);
    return p;
}

void page_free(void *p, size_t count)
{
    (void)count;
    objects--;
    free(p);
}

void printk(const char *format, ...)
{
    (void)format;
}

int format_text(char *out, size_t bytes, const char *format, ...)
{
    (void)format;
    return snprintf(out, bytes, "uart");
}

uint64_t clock_ns(void)
{
    return host_now;
}

void timer_set(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg)
{
    must(deadline > host_now);
    *t = (struct timer){ .deadline = deadline, .fn = fn, .arg = arg };
    armed = t;
}

static bool fire(void)
{
    struct timer *t = armed;

    armed = NULL;
    copies = 0;
    if (t)
        t->fn(t->arg);
    return t != NULL;
}

void timer_cancel(struct timer *t)
{
    if (armed)
        fire();
    ck_assert(armed == NULL || armed == t);
    armed = NULL;
}

static void finish(void)
{
    struct block_request *r = held;

    held = NULL;
    copies = 0;
    if (r)
        block_finish(r, 0);
}

void wait_block(struct wait_queue *q)
{
    (void)q;
    ck_assert_ptr_nonnull(held);
    finish();
}

void wait_wake_all(struct wait_queue *q)
{
    (void)q;
}

struct mux_source {
    uint64_t bytes;
};
static struct mux_source source;

struct mux_source *mux_open(const char *name, mux_input_fn input, void *arg)
{
    (void)name;
    (void)input;
    (void)arg;
    return &source;
}

void mux_close(struct mux_source *s)
{
    ck_assert_ptr_eq(s, &source);
}

void mux_write(struct mux_source *s, const char *text, size_t bytes)
{
    (void)text;
    s->bytes += bytes;
}

/* ---- the disk ---- */

static void disk_submit(struct block_device *d, struct block_request *r)
{
    (void)d;
    must(!held);
    if (r->op != BLOCK_FLUSH) {
        must(r->sector + r->count <= SECTORS);
        must((uint8_t *)r->buffer >= e->ide_buffer &&
             (uint8_t *)r->buffer + r->count * BLOCK_SECTOR <= e->ide_buffer + IDE_BUFFER_BYTES);
    }
    if (r->op == BLOCK_READ)
        memset(r->buffer, 0x5a, r->count * BLOCK_SECTOR);
    held = r;
}

static void disk_kick(struct block_device *d)
{
    (void)d;
    if (!slow)
        finish();
}

static int disk_map(struct block_device *d, void *p, uint32_t pages)
{
    (void)d;
    (void)p;
    mapped += pages;
    return 0;
}

static void disk_unmap(struct block_device *d, void *p)
{
    (void)d;
    (void)p;
    ck_assert_msg(held == NULL, "the disk still moves data");
    mapped = 0;
}

static const struct block_ops disk_ops = {
    .submit = disk_submit, .kick = disk_kick, .region_map = disk_map, .region_unmap = disk_unmap
};
static struct block_device disk;

/* ---- the guest ---- */

static void access_port(struct hv_io_request q)
{
    static uint64_t seq;
    unsigned before = completions;

    q.state = HV_IO_PENDING;
    q.domain = DOMAIN;
    q.seq = ++seq;
    size = q.size;
    copies = 0;
    *e->request = q;
    request_event(e);
    must(completions == before + 1);
}

static void out_port(uint16_t port, unsigned bytes, uint32_t value)
{
    access_port((struct hv_io_request){
        .port = port, .size = (uint8_t)bytes, .write = 1, .count = 1, .value = value });
}

static uint32_t in_port(uint16_t port, unsigned bytes)
{
    access_port((struct hv_io_request){ .port = port, .size = (uint8_t)bytes, .count = 1 });
    return (uint32_t)(answer & (bytes == 4 ? UINT32_MAX : (1u << bytes * 8) - 1));
}

static uint32_t config_read(uint32_t reg)
{
    out_port(0xcf8, 4, 0x80000800 | reg);
    return in_port(0xcfc, 4);
}

static void config_write(uint32_t reg, unsigned bytes, uint32_t value)
{
    out_port(0xcf8, 4, 0x80000800 | reg);
    out_port((uint16_t)(0xcfc + reg % 4), bytes, value);
}

static uint8_t master_status(void)
{
    return (uint8_t)in_port(0xc002, 1);
}

/* READ DMA or WRITE DMA of `sectors` from sector 8 on, by a table at `table`. */
static void command(bool write, unsigned sectors, uint32_t table)
{
    config_write(4, 2, 5);
    out_port(0xc000, 1, 0);
    out_port(0xc002, 1, 0x66);
    out_port(0xc004, 4, table);
    out_port(0x1f6, 1, 0xe0);
    out_port(0x1f2, 1, sectors);
    out_port(0x1f3, 1, 8);
    out_port(0x1f4, 1, 0);
    out_port(0x1f5, 1, 0);
    out_port(0x1f7, 1, write ? 0xca : 0xc8);
    out_port(0xc000, 1, write ? 1 : 9);
}

static void region_at(uint32_t table, unsigned n, uint32_t at, uint16_t bytes, bool last)
{
    const uint32_t entry[] = { at, bytes | (last ? 0x80000000u : 0) };

    memcpy(memory + table + n * 8, entry, sizeof entry);
}

static void settle(void)
{
    for (unsigned n = 0; held || armed; n++) {
        must(n < 20000);
        finish();
        fire();
    }
}

/* The legal form: 8 sectors into one page. */
static void honest_read(void)
{
    settle();
    out_port(0x3f6, 1, 4);
    out_port(0x3f6, 1, 0);
    config_write(0x20, 4, 0xc001);
    memset(memory + PAGE_SIZE, 0, PAGE_SIZE);
    region_at(0, 0, PAGE_SIZE, PAGE_SIZE, true);
    command(false, 8, 0);
    settle();
    ck_assert_uint_eq(master_status() & 7, 4);
    ck_assert_uint_eq(in_port(0x1f7, 1) & 0x89, 0);
    ck_assert_uint_eq(memory[PAGE_SIZE], 0x5a);
    ck_assert_uint_eq(memory[2 * PAGE_SIZE - 1], 0x5a);
}

static void setup(void)
{
    const struct emul_setup s = { .domain = DOMAIN,
                                  .name = "x",
                                  .disk = &disk,
                                  .writable = true,
                                  .uart = true,
                                  .disk_irq = 11,
                                  .uart_irq = 12 };

    memory = calloc(FRAMES, PAGE_SIZE);
    disk = (struct block_device){ .sectors = SECTORS, .ops = &disk_ops };
    held = NULL;
    armed = NULL;
    slow = false;
    completions = routes = objects = 0;
    route_limit = 5;
    host_now = 1000;
    e = emul_open(&s);
    ck_assert_ptr_nonnull(e);
}

static void close_all(void)
{
    emul_close(e);
    ck_assert_ptr_null(held);
    ck_assert_ptr_null(armed);
    ck_assert_uint_eq(mapped, 0);
    emul_free(e);
    ck_assert_uint_eq(objects, 0);
}

static void teardown(void)
{
    close_all();
    free(memory);
}

/* ---- configuration space ---- */

/* Every address, by every width at every offset of both registers. What is not the function's reads
 * as ones; nothing but its command, its BAR and its note of a line changes. */
START_TEST(test_configuration)
{
    static const unsigned widths[] = { 1, 2, 4 };
    uint32_t before[64], is[64];

    for (uint32_t r = 0; r < 64; r++)
        before[r] = config_read(r * 4);
    ck_assert_uint_eq(before[0], 0x70108086);
    for (uint32_t r = 0; r < 256; r++) {
        for (unsigned w = 0; w < 3; w++) {
            for (uint16_t at = 0; at < 8; at++) {
                out_port(0xcf8, 4, 0x80000800 | r);
                out_port((uint16_t)(0xcf8 + at), widths[w], UINT32_MAX);
                out_port(0xcf8, 4, 0x80000800 | r);
                (void)in_port((uint16_t)(0xcf8 + at), widths[w]);
            }
        }
    }
    for (uint32_t r = 0; r < 64; r++)
        is[r] = config_read(r * 4);
    ck_assert_uint_eq(is[1], (before[1] & 0xffff0000) | 5);
    ck_assert_uint_eq(is[8], 0xfff1);
    ck_assert_uint_eq(is[15], 0xff);
    for (uint32_t r = 0; r < 64; r++)
        if (r != 1 && r != 8 && r != 15)
            ck_assert_uint_eq(is[r], before[r]);
    /* Any other function, bus, or an address that is not enabled. */
    for (unsigned n = 0; n < 32; n++) {
        uint32_t address = (uint32_t)1 << n ^ 0x80000800;

        out_port(0xcf8, 4, address);
        if ((address & 0x80ffff00) != 0x80000800)
            ck_assert_uint_eq(in_port(0xcfc, 4), UINT32_MAX);
        out_port(0xcfc, 4, 0);
    }
    honest_read();
}
END_TEST

/* Wherever the guest says that the BAR is, the ports that are routed go on to mean what they did,
 * and the master's own are gone. */
START_TEST(test_moved_bar)
{
    static const uint32_t place[] = { 0x1f0, 0x3f0, 0xcf0, 0x3f8, 0xc010, 0xfff0, 0, 0x80 };

    for (size_t n = 0; n < sizeof place / sizeof *place; n++) {
        out_port(0xc000, 1, 0);
        config_write(0x20, 4, place[n] | 1);
        ck_assert_uint_eq(in_port(0xc002, 1), 0xff);
        out_port(0xc004, 4, 0x12345678);
        out_port(0xc000, 1, 9);
        ck_assert_uint_eq(config_read(0x20), (place[n] & 0xfff0) | 1);
        ck_assert_uint_eq(in_port(0x1f7, 1) & 0x89, 0);
        ck_assert_uint_eq(config_read(0), 0x70108086);
        config_write(0x20, 4, 0xc001);
        ck_assert_uint_eq(in_port(0xc000, 1), 0);
        ck_assert_uint_ne(in_port(0xc004, 4), 0x12345678);
        honest_read();
    }
    config_write(4, 2, 4); /* decodes nothing */
    ck_assert_uint_eq(in_port(0xc002, 1), 0xff);
    config_write(4, 2, 1); /* reaches no memory */
    memset(memory + PAGE_SIZE, 0, PAGE_SIZE);
    region_at(0, 0, PAGE_SIZE, PAGE_SIZE, true);
    command(false, 8, 0);
    config_write(4, 2, 5);
    honest_read();
}
END_TEST

/* ---- the bus master ---- */

START_TEST(test_tables)
{
    static const struct {
        uint32_t table, at;
        uint16_t bytes;
        bool last;
        uint8_t status; /* Active, Fault, Interrupt */
    } cases[] = {
        { 0, FRAMES * PAGE_SIZE, PAGE_SIZE, true, 2 },       /* no memory behind the last */
        { 0, 0xfffff000, PAGE_SIZE, true, 2 },               /* none at the top */
        { 0, FRAMES * PAGE_SIZE - 512, PAGE_SIZE, true, 2 }, /* half of it is memory */
        { 0, 0xf000, 0x2000, true, 2 },                      /* crosses 64 KiB */
        { 0, 0xfffffffe, 0xfffe, true, 2 },                  /* wraps */
        { 0, PAGE_SIZE, 512, true, 0 },                      /* too short */
        { 0, 0x10000, 0, true, 5 },                          /* 64 KiB: longer than asked for */
        { FRAMES * PAGE_SIZE, 0, 0, true, 2 },               /* the table is no memory */
        { 0xfffffffc, 0, 0, true, 2 },                       /* nor here, and it wraps */
        { 0xfffc, PAGE_SIZE, PAGE_SIZE, true, 2 },           /* the table crosses 64 KiB */
    };

    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        if (cases[n].table < FRAMES * PAGE_SIZE - 8)
            region_at(cases[n].table, 0, cases[n].at, cases[n].bytes, cases[n].last);
        command(false, 8, cases[n].table);
        settle();
        ck_assert_msg((master_status() & 7) == cases[n].status, "case %zu: %#x", n,
                      master_status());
        honest_read();
    }
}
END_TEST

/* A table of the smallest regions, one that the data overwrite, and one without an end. */
START_TEST(test_long_tables)
{
    for (unsigned n = 0; n < 8192; n++)
        region_at(0, n, 0x10000 + n * 2, 2, false);
    command(false, 255, 0);
    settle();
    ck_assert_uint_eq(master_status() & 7, 2); /* it ends at 64 KiB */
    honest_read();
    for (unsigned n = 0; n < 8192; n++)
        region_at(0, n, 0, PAGE_SIZE, false); /* the disk's data become the table */
    command(false, 255, 0);
    settle();
    honest_read();
    ck_assert_uint_eq(armed != NULL, 0);
}
END_TEST

/* Started twice, stopped, started backwards, reset, another command: with the disk at work. */
START_TEST(test_in_flight)
{
    for (unsigned n = 0; n < 256; n++) {
        slow = true;
        region_at(0, 0, 0x10000, 0, false);
        region_at(0, 1, 0x20000, 0, true);
        command(n & 1, 200, 0);
        for (unsigned i = 0; i < 4; i++) {
            switch ((n >> i * 2) & 3) {
            case 0:
                out_port(0xc000, 1, 0);
                out_port(0xc000, 1, n & 1 ? 1 : 9);
                break;
            case 1:
                out_port(0x1f7, 1, 0xca);
                out_port(0xc000, 1, n & 1 ? 9 : 1);
                break;
            case 2:
                out_port(0x3f6, 1, 4);
                out_port(0x3f6, 1, 0);
                break;
            default:
                config_write(4, 2, n & 1 ? 1 : 0);
                out_port(0xc004, 4, 0xfffc);
                break;
            }
            if (n & 2)
                finish();
            fire();
        }
        slow = false;
        honest_read();
    }
}
END_TEST

/* The domain is taken away at each step of a request that takes many: nothing of it goes on. */
START_TEST(test_taken_away)
{
    for (unsigned steps = 0; steps < 8; steps++) {
        slow = true;
        for (unsigned n = 0; n < 4; n++)
            region_at(0, n, 0x10000 * (n % 3), 0, n == 3);
        command(_i & 1, 255, 0);
        for (unsigned n = 0; n < steps; n++) {
            if (_i & 2)
                finish();
            else
                fire();
        }
        close_all();
        routes = 0;
        const struct emul_setup s = {
            .domain = DOMAIN, .name = "x", .disk = &disk, .writable = true, .uart = true
        };
        e = emul_open(&s);
        slow = false;
        honest_read();
    }
}
END_TEST

/* Anything at any port, strings too. */
START_TEST(test_any)
{
    static const uint16_t first[] = { 0x1f0, 0x3f6, 0x3f8, 0xcf8, 0xc000 };
    static const unsigned ports[] = { 8, 1, 8, 8, 16 };

    srand((unsigned)_i);
    for (unsigned n = 0; n < 10000; n++) {
        unsigned which = (unsigned)rand() % 5;
        struct hv_io_request q = { .size = (uint8_t)(1u << rand() % 3), .count = 1 };

        q.port = (uint16_t)(first[which] + (unsigned)rand() % ports[which]);
        q.write = rand() % 3 != 0;
        q.value = rand() % 2 ? (uint32_t)rand() : 0x80000800 | ((uint32_t)rand() & 0x3c);
        q.string = rand() % 4 == 0;
        if (q.string)
            q.count = 1 + (uint32_t)rand() % (PAGE_SIZE / q.size);
        for (unsigned i = 0; i < 64; i++)
            ((uint8_t *)e->request)[PAGE_SIZE + i] = (uint8_t)rand();
        slow = rand() % 2;
        access_port(q);
        if (rand() % 4 == 0)
            fire();
        if (rand() % 4 == 0)
            finish();
        if (n % 64 == 0)
            memory[(unsigned)rand() % (FRAMES * PAGE_SIZE)] = (uint8_t)rand();
    }
    slow = false;
    honest_read();
}
END_TEST

/* Without a route of its ports nothing of it stays. */
START_TEST(test_no_routes)
{
    const struct emul_setup s = {
        .domain = DOMAIN, .name = "x", .disk = &disk, .writable = true, .uart = true
    };

    for (unsigned n = 0; n < 5; n++) {
        close_all();
        routes = 0;
        route_limit = n;
        ck_assert_ptr_null(emul_open(&s));
        ck_assert_uint_eq(objects, 0);
        ck_assert_uint_eq(mapped, 0);
        routes = 0;
        route_limit = 5;
        e = emul_open(&s);
        ck_assert_ptr_nonnull(e);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pvemul");
    TCase *t = tcase_create("pvemul");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_configuration);
    tcase_add_test(t, test_moved_bar);
    tcase_add_test(t, test_tables);
    tcase_add_test(t, test_long_tables);
    tcase_add_test(t, test_in_flight);
    tcase_add_loop_test(t, test_taken_away, 0, 4);
    tcase_add_loop_test(t, test_any, 0, 8);
    tcase_add_test(t, test_no_routes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X16, and T9 for every kind of switch). The set of extended state that is switched is
 * fixed; what the processor has beyond it (protection keys, opmasks, wide vectors, bounds) is
 * switched by nobody. Forgotten is one way to turn it on, or one that needs no turning on: a
 * register that ring 3 reaches whatever XCR0 says, an XSAVE area whose header asks for more, an
 * MXCSR that the next XRSTOR faults on in ring 0. And the switch was tested where a guest yields:
 * not where a timer takes it away in the middle, in user mode, in a poll, or in an access that
 * waits for a model.
 *
 * Two children fill all that the set has, look at it after each kind of switch, and try for more;
 * this guest is the model of one and sends to the other. A vulnerable system shows one the other's
 * registers, or faults in ring 0. Held here: XCR0 is the set, whoever asks; RDPKRU, WRPKRU, KMOV
 * and the wide registers are #UD, XSETBV and headers beyond the set #GP.
 */
#include "hvlib/clock.h"
#include "test.h"
#include <hv_io.h>

#define UD   6u
#define GP   13u
#define SET  7u /* x87, SSE, AVX */
#define PORT 0x70u

const char test_title[] = "extended state is the fixed set, after every kind of switch";

static _Alignas(64) uint8_t area[4096], own[1024];

/* ---- the set ---- */

static uint64_t xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void xgetbv1(void *arg)
{
    (void)arg;
    __asm__ volatile("xgetbv" : : "c"(1) : "rax", "rdx");
}

static void xgetbv_bad(void *arg)
{
    (void)arg;
    __asm__ volatile("xgetbv" : : "c"(0x12345) : "rax", "rdx");
}

static void xsetbv(void *arg)
{
    uint64_t value = (uint64_t)(uintptr_t)arg;

    __asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0));
}

static void rdpkru(void *arg)
{
    (void)arg;
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : : "c"(0) : "rax", "rdx");
}

static void wrpkru(void *arg)
{
    (void)arg;
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(~0u), "c"(0), "d"(0));
}

static void kmov(void *arg)
{
    (void)arg;
    __asm__ volatile(".byte 0xc5, 0xf8, 0x92, 0xc8" : : "a"(1)); /* kmovw %eax, %k1 */
}

static void wide(void *arg)
{
    (void)arg;
    __asm__ volatile(".byte 0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1"); /* vmovaps %zmm1, %zmm0 */
}

static void load(void *from)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(from), "a"(~0u), "d"(~0u) : "memory");
}

static void save(uint8_t *to)
{
    memset(to, 0, 1024);
    __asm__ volatile("xsave64 (%0)" : : "r"(to), "a"(~0u), "d"(~0u) : "memory");
}

static void set_mxcsr(void *arg)
{
    uint32_t value = (uint32_t)(uintptr_t)arg;

    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

/* Everything of the set, in the bytes that XSAVE writes. */
static void fill(uint8_t pattern)
{
    memset(own, 0, sizeof own);
    memset(own + 32, pattern, 416 - 32);
    for (unsigned st = 0; st < 8; st++)
        memset(own + 32 + st * 16 + 10, 0, 6);
    memset(own + 576, pattern, 256);
    *(uint16_t *)own = 0x37f & ~0x300u;
    own[4] = 0xff;
    *(uint32_t *)(own + 24) = 0x1f80 | 0x8000u;
    own[512] = SET;
    load(own);
}

static void check_own(const char *after)
{
    save(area);
    if (memcmp(area + 32, own + 32, 416 - 32) || memcmp(area + 576, own + 576, 256) ||
        memcmp(area, own, 2) || memcmp(area + 24, own + 24, 4))
        test_failure("state has changed: %s", after);
    CHECK_EQ(*(uint64_t *)(area + 512) & ~(uint64_t)SET, 0);
}

static void check_beyond(void)
{
    static const uint64_t values[] = { 1, 3, 7, 0xe7, 0x207, 0x2ff, ~(uint64_t)0, 0 };

    CHECK_EQ(xcr0(), SET);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        CHECK_EQ(test_try(xsetbv, (void *)(uintptr_t)values[i], NULL), GP);
    CHECK_EQ(xcr0(), SET);
    CHECK_EQ(test_try(rdpkru, NULL, NULL), UD);
    CHECK_EQ(test_try(wrpkru, NULL, NULL), UD);
    CHECK_EQ(test_try(kmov, NULL, NULL), UD);
    CHECK_EQ(test_try(wide, NULL, NULL), UD);
    CHECK_EQ(test_try(xgetbv_bad, NULL, NULL), GP);
    uint32_t one = test_try(xgetbv1, NULL, NULL); /* where the processor has it */

    CHECK(one == GP || one == TEST_NO_FAULT);
}

/* Headers that ask for more, and words that XRSTOR refuses: in the guest, not at the next switch.
 */
static void check_headers(void)
{
    memcpy(area, own, sizeof own);
    CHECK_EQ(test_try(load, area, NULL), TEST_NO_FAULT);
    for (unsigned bit = 3; bit < 64; bit++) {
        *(uint64_t *)(area + 512) = SET | (uint64_t)1 << bit;
        CHECK_EQ(test_try(load, area, NULL), GP);
    }
    *(uint64_t *)(area + 512) = SET;
    for (unsigned at = 520; at < 536; at += 8) { /* compaction, and what is reserved */
        *(uint64_t *)(area + at) = 1;
        CHECK_EQ(test_try(load, area, NULL), GP);
        *(uint64_t *)(area + at) = 0;
    }
    CHECK_EQ(test_try(load, area + 1, NULL), GP); /* no 64 byte alignment */
    CHECK_EQ(test_try(set_mxcsr, (void *)0xffbf, NULL), TEST_NO_FAULT);
    hv_yield();
    /* Reserved bits: #GP, but QEMU takes them; the next switch has to do with what was taken. */
    for (uintptr_t bits = 0x10000; bits <= 0x80000000; bits <<= 5) {
        uint32_t vector = test_try(set_mxcsr, (void *)bits, NULL);

        CHECK(vector == GP || vector == TEST_NO_FAULT);
        hv_yield();
    }
}

/* ---- kinds of switch ---- */

static void by_preemption(void)
{
    uint64_t end = hv_now() + 12000000; /* more than a slice, and no call in it */

    while (hv_now() < end) {
    }
}

static void by_user_mode(void)
{
    /* Looks at the low half of XMM0 and XMM15 for a while; then SYSCALL. */
    static const uint8_t code[] = { 0xb9, 0,    0,    4,    0,    /* mov $0x40000, %ecx */
                                    0xff, 0xc9,                   /* dec %ecx */
                                    0x75, 0xfc,                   /* jnz */
                                    0x66, 0x48, 0x0f, 0x7e, 0xc0, /* movq %xmm0, %rax */
                                    0x0f, 0x05 };
    struct hv_frame f;

    CHECK_EQ(test_user(code, sizeof code, 0, &f), HV_VECTOR_SYSCALL);
    CHECK_EQ(f.rax, *(uint64_t *)(own + 160));
}

static uint32_t poll_ports[1] __attribute__((aligned(8)));

static void by_poll(void)
{
    hv_mask();
    CHECK_EQ(hv_poll(hv_gpa(poll_ports), 1, hv_now() + 300000), 0);
    hv_unmask();
}

static void by_block(void)
{
    hv_mask(); /* first: an expiry between the two calls would leave nothing to wait for */
    NEED(hv_set_timer(hv_now() + 300000));
    hv_wait();
    hv_unmask();
}

static void by_model(void)
{
    uint64_t value = 0;

    __asm__ volatile("in $0x70, %%al" : "+a"(value));
    CHECK_EQ(value, 0x5a);
}

static void by_fault(void)
{
    CHECK_EQ(test_try_read(0x1000, NULL), 14);
}

static void by_yield(void)
{
    hv_yield();
}

static void be_user(uint8_t pattern)
{
    static const struct {
        void (*by)(void);
        const char *name;
    } kinds[] = { { by_yield, "yield" },         { by_preemption, "preemption" },
                  { by_user_mode, "user mode" }, { by_poll, "poll" },
                  { by_block, "block" },         { by_model, "a port access" },
                  { by_fault, "a fault" } };

    poll_ports[0] = (uint32_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    save(area);
    for (unsigned i = 0; i < 8; i++) /* of a new domain: initial */
        CHECK_EQ(*(uint64_t *)(area + 160 + 32 * (size_t)i), 0);
    check_beyond();
    for (unsigned n = 0; n < 12; n++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            fill((uint8_t)(pattern + n));
            check_own("at once");
            kinds[k].by();
            check_own(kinds[k].name);
        }
    check_headers();
    check_beyond();
}

/* ---- the model of both ---- */

static void serve(uint64_t dom, volatile struct hv_io_request *r)
{
    if (r->state == HV_IO_PENDING)
        CHECK_EQ(hv_io_complete(dom, 0, 0x5a, 0), 0);
}

void test_main(void)
{
    uint64_t child[2], port;
    volatile struct hv_io_request *request[2];

    if (!test_is("root")) {
        be_user((uint8_t)test_argument("pattern", 0));
        return;
    }
    check_beyond();
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    for (unsigned i = 0; i < 2; i++) {
        child[i] = test_build("user", 192, i ? "pattern=65" : "pattern=129");
        request[i] = test_pages(2);
        CHECK_EQ(hv_io_route(child[i], PORT, 1, port, hv_gfn((void *)(uintptr_t)request[i])), 0);
        CHECK_EQ(hv_domain_start(child[i]), 0);
    }
    fill(0x99);
    while (test_info(child[0]).state == HV_DOMAIN_RUNNING ||
           test_info(child[1]).state == HV_DOMAIN_RUNNING) {
        serve(child[0], request[0]);
        serve(child[1], request[1]);
        hv_yield();
        check_own("root's");
    }
    test_join(child[0]);
    test_join(child[1]);
}

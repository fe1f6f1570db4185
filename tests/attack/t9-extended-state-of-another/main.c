/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (T9). Extended state (x87, SSE, AVX) is large, so it is switched late or in part: the
 * registers of one domain are found in place by the next, or in the memory of a vCPU that is new.
 * With them go keys, which is what such registers are used for.
 *
 * One child fills every register of the extended state, its control words too, and yields. Another
 * looks at its own before it has used any, then fills them with a pattern of its own and compares
 * after each switch; so does a third that is started each round, whose state must be the initial
 * one. Where there are several processors the first two share one, which is another each round. A
 * vulnerable hypervisor shows the first one's pattern.
 *
 * The legal form: what was loaded is there without a switch.
 */
#include "test.h"

#define COMPONENT 7u /* x87, SSE, AVX */
#define LEGACY    416u
#define YMM_HIGH  576u
#define AREA      832u
#define FCW       0x37fu
#define MXCSR     0x1f80u

const char test_title[] = "no domain finds another's extended state";

static _Alignas(64) uint8_t area[1024], own[1024];

static void save(uint8_t *to)
{
    memset(to, 0, sizeof area);
    __asm__ volatile("xsave64 (%0)" : : "r"(to), "a"(COMPONENT), "d"(0) : "memory");
}

static void load(const uint8_t *from)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(from), "a"(COMPONENT), "d"(0) : "memory");
}

/* Everything in use, and not as it is at first. */
static void fill(uint8_t pattern)
{
    memset(own, 0, sizeof own);
    for (size_t i = 32; i < LEGACY; i++)
        own[i] = pattern;
    for (unsigned st = 0; st < 8; st++)
        memset(own + 32 + st * 16 + 10, 0, 6); /* an x87 register has ten bytes */
    for (size_t i = YMM_HIGH; i < AREA; i++)
        own[i] = pattern;
    *(uint16_t *)own = 0x37f & ~0x300u; /* single precision */
    own[4] = 0xff;                      /* every x87 register holds something */
    *(uint32_t *)(own + 24) = MXCSR | 0x8000u;
    own[512] = COMPONENT;
    load(own);
}

static void check_own(void)
{
    save(area);
    if (memcmp(area + 32, own + 32, LEGACY - 32) || memcmp(area + YMM_HIGH, own + YMM_HIGH, 256))
        test_failure("a register has changed");
    CHECK_EQ(*(uint16_t *)area, *(uint16_t *)own);
    CHECK_EQ(*(uint32_t *)(area + 24), *(uint32_t *)(own + 24));
}

static void check_initial(void)
{
    save(area);
    for (size_t i = 32; i < LEGACY; i++)
        CHECK_EQ(area[i], 0);
    for (size_t i = YMM_HIGH; i < AREA; i++)
        CHECK_EQ(area[i], 0);
    CHECK_EQ(*(uint16_t *)area, FCW);
    CHECK_EQ(area[4], 0);
    CHECK_EQ(*(uint64_t *)(area + 8), 0);
    CHECK_EQ(*(uint64_t *)(area + 16), 0);
    CHECK_EQ(*(uint32_t *)(area + 24), MXCSR);
}

static void be_user(uint8_t pattern)
{
    fill(pattern);
    check_own();
    for (unsigned n = 0; test_shared(TEST_PARENT)[0] == 0; n++) {
        hv_yield();
        check_own();
        if (n % 16 == 0)
            fill((uint8_t)(pattern + n / 16));
    }
}

void test_main(void)
{
    if (!test_is("root"))
        check_initial();
    if (test_is("owner")) {
        be_user(0x41);
    } else if (test_is("other")) {
        be_user(0x81);
    } else if (test_is("root")) {
        uint64_t owner = test_spawn("owner", 0), other = test_spawn("other", 0);

        for (unsigned i = 0; i < 8; i++) {
            test_share(owner, other, i);
            test_join(test_spawn("fresh", 0));
        }
        test_signal(owner, 0, 1);
        test_signal(other, 0, 1);
        test_join(other);
        test_join(owner);
    }
}

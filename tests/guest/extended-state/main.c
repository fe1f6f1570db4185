/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * x87, SSE and AVX state, MXCSR, FS base and selectors: initial when a domain starts, its own after
 * every switch, whatever other domains do with theirs.
 */
#include "test.h"

const char test_title[] = "extended state is initial at the start and never another domain's";

#define ROUNDS 400u

struct state {
    uint8_t ymm[16][32];
    uint32_t mxcsr;
    uint16_t fcw;
    uint64_t st0;
};
static struct state state __attribute__((aligned(32)));

static uint64_t xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

#define EACH(op, n)                                                                                \
    op(0, n) op(1, n) op(2, n) op(3, n) op(4, n) op(5, n) op(6, n) op(7, n) op(8, n) op(9, n)      \
        op(10, n) op(11, n) op(12, n) op(13, n) op(14, n) op(15, n)
#define LOAD_YMM(i, n) __asm__ volatile("vmovdqu %0, %%ymm" #i : : "m"(state.ymm[i]));
#define SAVE_YMM(i, n) __asm__ volatile("vmovdqu %%ymm" #i ", %0" : "=m"(state.ymm[i]));

static void load(void)
{
    EACH(LOAD_YMM, 0)
    __asm__ volatile("ldmxcsr %0; fninit; fldcw %1; fildll %2"
                     :
                     : "m"(state.mxcsr), "m"(state.fcw), "m"(state.st0));
}

static void save(void)
{
    EACH(SAVE_YMM, 0)
    __asm__ volatile("stmxcsr %0; fnstcw %1; fistpll %2"
                     : "=m"(state.mxcsr), "=m"(state.fcw), "=m"(state.st0));
}

static void check_initial(void)
{
    uint16_t tags;

    CHECK_EQ(xcr0() & 7, 7);
    EACH(SAVE_YMM, 0)
    __asm__ volatile("stmxcsr %0; fnstcw %1; fnstsw %2"
                     : "=m"(state.mxcsr), "=m"(state.fcw), "=m"(tags));
    for (size_t i = 0; i < sizeof state.ymm; i++)
        CHECK_EQ(((uint8_t *)state.ymm)[i], 0);
    CHECK_EQ(state.mxcsr, 0x1f80);
    CHECK_EQ(state.fcw, 0x37f);
    CHECK_EQ(tags, 0);
}

static void fill(uint8_t seed)
{
    for (size_t i = 0; i < sizeof state.ymm; i++)
        ((uint8_t *)state.ymm)[i] = (uint8_t)(seed + i * 7);
    state.mxcsr = 0x1f80 | (uint32_t)(seed & 3) << 13;
    state.fcw = (uint16_t)(0x37f & ~0x300) | (uint16_t)((seed & 1) << 9);
    state.st0 = 0x1111111111111u * seed;
}

static void set_bases(uint64_t seed)
{
    __asm__ volatile("wrfsbase %0; wrgsbase %1" : : "r"(seed << 20), "r"(seed << 30));
}

static void check_bases(uint64_t seed, uint64_t page)
{
    uint64_t fs, gs;

    __asm__ volatile("rdfsbase %0; rdgsbase %1" : "=r"(fs), "=r"(gs));
    hv_use_page(page);
    CHECK_EQ(fs, seed << 20);
    CHECK_EQ(gs, seed << 30);
}

static void work(uint8_t seed, unsigned rounds)
{
    static struct state copy;
    uint64_t page = (uint64_t)(uintptr_t)hv_this_page(); /* GS is the library's way to it */

    for (unsigned n = 0; n < rounds; n++) {
        fill((uint8_t)(seed + n));
        bool was = hv_mask();

        set_bases(seed + n);
        copy = state;
        load();
        if (n % 3 == 0) {
            for (volatile unsigned spin = 0; spin < 20000; spin = spin + 1)
                ;
        } else {
            hv_yield();
        }
        memset(&state, 0, sizeof state);
        save();
        check_bases(seed + n, page);
        hv_restore(was);
        CHECK_EQ(memcmp(&state.ymm, &copy.ymm, sizeof state.ymm), 0);
        CHECK_EQ(state.mxcsr, copy.mxcsr);
        CHECK_EQ(state.fcw, copy.fcw);
        CHECK_EQ(state.st0, copy.st0);
    }
}

void test_main(void)
{
    check_initial();
    if (!test_is("root")) {
        work((uint8_t)test_argument("seed", 1), ROUNDS);
        return;
    }
    uint64_t a = test_build("worker", 192, "seed=40"), b = test_build("worker", 192, "seed=90");

    NEED(hv_domain_start(a));
    work(200, 50);
    NEED(hv_domain_start(b)); /* starts when the others have filled everything */
    work(17, ROUNDS);
    test_join(a);
    test_join(b);
}

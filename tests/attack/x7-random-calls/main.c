/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (X7). Each call was checked for itself, by somebody who knew what it is for. Forgotten are
 * the orders that nobody thought of: a window that is mapped, pinned, revoked and its holder
 * destroyed by a parent whose own parent is dying.
 *
 * Two guests that may create, with a device, ports, lines and MMIO of their own, make random calls
 * on themselves, on each other, on root and on their children. The arguments are made by the names
 * that hypercalls.def gives them, from what earlier calls returned and from numbers at the edge, so
 * that a good part of the calls succeeds. They know each other's grants. Root lets them run for a
 * while, then destroys them at whatever point they have got to, and must have all its memory back;
 * the audit after the test recounts all of it. A vulnerable hypervisor panics or loses count.
 *
 * In every other round each has several vCPUs that make calls at once, out of the same buffers;
 * they wait, take each other down and bring each other up, while root moves them between
 * processors, stops them and changes their share.
 *
 * Everything is made from the seed, and time is the count of instructions: a finding repeats; on
 * several processors it does not. `make fuzz` runs this for millions of calls (first=, rounds=),
 * `make fuzz SMP=4` on four processors (vcpus=: in each round).
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "raw.h"
#include <hv_io.h>

#define R       HV_MAP_READ
#define RW      (HV_MAP_READ | HV_MAP_WRITE)
#define ROUNDS  24u
#define RUN_NS  UINT64_C(20000000)
#define ENOUGH  500u /* calls of a pair with several vCPUs, whose time may be the host's */
#define KEPT    32u  /* of each kind of result */
#define SCRATCH 64u  /* pages that the calls are made with */
#define PLACES  64u  /* addresses */
#define MINE    16u  /* words of the shared page: own references, the other's */
#define OTHERS  48u
#define DEVICE  0x38u
#define SPACES  8u
#define VCPUS   4u
#define STACK   16384u

const char test_title[] = "random calls in random orders leave nothing behind";

/* ---- random numbers, by the seed alone ---- */

static uint64_t seeds[VCPUS];

static uint64_t draw(void)
{
    uint64_t *seed = &seeds[hv_vcpu_number()];

    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* Seeds that differ little come out as numbers that differ much. */
static void sow(void)
{
    for (unsigned i = 0; i < 8; i++)
        draw();
}

static uint64_t below(uint64_t n)
{
    return (draw() >> 33) % n;
}

static bool once_in(uint64_t n)
{
    return below(n) == 0;
}

static const uint64_t edges[] = { 0,
                                  1,
                                  63,
                                  64,
                                  511,
                                  512,
                                  4095,
                                  4096,
                                  65535,
                                  65536,
                                  ((uint64_t)1 << 31) - 1,
                                  (uint64_t)1 << 32,
                                  (uint64_t)1 << 63,
                                  ~(uint64_t)0 - 1,
                                  ~(uint64_t)0,
                                  HV_GFN_WINDOW,
                                  HV_GFN_SHARED,
                                  HV_GFN_MMIO,
                                  HV_USER_END,
                                  HV_KERNEL_START,
                                  UINT64_C(0xffff840000000000) };

#define EDGES (sizeof edges / sizeof *edges)

/* ---- what is known ---- */

static struct {
    uint64_t self, other;
    uint64_t first_gfn, places;
    uint64_t ref[KEPT], child[KEPT], device_address[KEPT];
    uint64_t vcpus, calls, good;
} k;

static uint8_t *scratch;

static uint64_t a_domain(void)
{
    switch (below(10)) {
    case 0:
        return k.self;
    case 1:
        return k.other;
    case 2:
        return 0;
    case 3:
    case 4:
    case 5:
        return k.child[below(4)];
    default:
        return HV_SELF;
    }
}

static uint64_t a_gfn(bool own)
{
    switch (below(12)) {
    case 0:
        return HV_GFN_WINDOW + below(70);
    case 1:
    case 2:
    case 3:
        return HV_GFN_WINDOW + below(4);
    case 4:
        return HV_GFN_SHARED + below(2);
    case 5:
        return HV_GFN_MMIO + 0xa0 + below(8);
    default:
        return own ? k.first_gfn + below(SCRATCH) : below(16);
    }
}

/* In the half that the space has, mostly. */
static uint64_t an_address(bool kernel)
{
    return once_in(10) != kernel ? k.places + below(PLACES) * HV_PAGE_SIZE
                                 : below(PLACES) * HV_PAGE_SIZE * 17;
}

static uint64_t a_ref(bool own)
{
    return own ? k.ref[below(KEPT)] : test_shared(TEST_PARENT)[OTHERS + below(KEPT)];
}

static bool is_own(uint64_t dom)
{
    return dom == HV_SELF || dom == k.self;
}

/* ---- arguments, by their names ---- */

static uint64_t argument(const char *name, uint32_t nr, bool own)
{
    static const struct {
        const char *name;
        uint64_t limit;
    } small[] = { { "cpu", 3 },     { "port", 24 },     { "kind", 6 },     { "rights", 8 },
                  { "force", 2 },   { "write", 2 },     { "priority", 3 }, { "count", 20 },
                  { "bytes", 300 }, { "value", 20 },    { "a", 40 },       { "b", 12 },
                  { "first", 80 },  { "seq", 9 },       { "mode", 4 },     { "mask", 900 },
                  { "reason", 0 },  { "deadline", 90 }, { "flags", 3 } };

    /* Of buffers only those that are not its own memory: it has to live. */
    if (once_in(24))
        return edges[!strcmp(name, "gpa") || !strcmp(name, "local") ? 10 + below(EDGES - 10)
                                                                    : below(EDGES)];
    if (!strcmp(name, "dom"))
        return a_domain();
    if (!strcmp(name, "peer"))
        return once_in(2) ? k.other : a_domain();
    if (!strcmp(name, "count") && nr == HV_NR_grant_create)
        return 1 + below(3);
    if (!strcmp(name, "space"))
        return once_in(2) ? 0 : below(SPACES);
    if (!strcmp(name, "target"))
        return below(SPACES);
    if (!strcmp(name, "start"))
        return an_address(once_in(2));
    if (!strcmp(name, "rights") && !once_in(4))
        return R + 2 * below(2);
    if (!strcmp(name, "a") && nr == HV_NR_event_bind && once_in(2))
        return once_in(2) ? a_domain() : DEVICE;
    if (!strcmp(name, "a") && nr == HV_NR_assign && once_in(2))
        return once_in(2) ? DEVICE : HV_GFN_MMIO + 0xa0 + below(8);
    if (!strcmp(name, "gfn"))
        return a_gfn(own);
    if (!strcmp(name, "ref"))
        return a_ref(true);
    if (!strcmp(name, "vcpu"))
        return below(k.vcpus + 1);
    if (!strcmp(name, "deadline") && nr == HV_NR_poll)
        return hv_now() + below(200000);
    if (!strcmp(name, "device"))
        return DEVICE;
    if (!strcmp(name, "address"))
        return k.device_address[below(KEPT)];
    if (!strcmp(name, "gpa") || !strcmp(name, "local") || !strcmp(name, "remote"))
        return hv_gpa(scratch) + (once_in(4) ? below(SCRATCH * HV_PAGE_SIZE) : 0);
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        if (!strcmp(name, small[i].name))
            return small[i].limit ? below(small[i].limit) : 16;
    }
    return draw();
}

/* ---- buffers, by the call that takes them ---- */

static void fill_runs(uint32_t nr, const uint64_t a[6])
{
    struct hv_map_run *run = (void *)scratch;

    for (int i = 0; i < 20; i++)
        run[i] = (struct hv_map_run){ an_address(a[1] == 0),
                                      nr == HV_NR_map ? a_gfn(is_own(a[0])) : 0, (uint32_t)below(4),
                                      nr == HV_NR_unmap ? 0 : (uint32_t)(R + below(3)) };
}

static void fill_grants(uint32_t nr, const uint64_t a[6])
{
    struct hv_grant_map *m = (void *)scratch;
    struct hv_grant_copy *c = (void *)scratch;

    for (int i = 0; i < 20; i++) {
        bool own = once_in(4) == (nr == HV_NR_grant_copy || is_own(a[0]));

        if (nr == HV_NR_grant_map)
            m[i] =
                (struct hv_grant_map){ own ? k.self : k.other,           a_ref(own),
                                       HV_GFN_WINDOW + 1 + below(16),    (uint32_t)(1 + below(8)),
                                       (uint16_t)(R + 2 * below(2)),     (uint16_t)(1 + below(3)),
                                       once_in(2) ? 0 : an_address(true) };
        else
            c[i] = (struct hv_grant_copy){ own ? k.self : k.other,
                                           a_ref(own),
                                           below(8192),
                                           hv_gpa(scratch) + 8192 + below(16384),
                                           (uint32_t)below(200),
                                           (uint32_t)below(2) };
    }
}

static void fill(uint32_t nr, const uint64_t a[6])
{
    switch (nr) {
    case HV_NR_map:
    case HV_NR_unmap:
    case HV_NR_protect:
        fill_runs(nr, a);
        break;
    case HV_NR_grant_map:
    case HV_NR_grant_copy:
        fill_grants(nr, a);
        break;
    case HV_NR_grant_unmap:
        for (int i = 0; i < 20; i++)
            ((uint64_t *)scratch)[i] = HV_GFN_WINDOW + 1 + below(16);
        break;
    case HV_NR_domain_create:
        *(struct hv_domain_create *)scratch =
            (struct hv_domain_create){ .quota = 10 + below(100),
                                       .ram_pages = 1 + below(40),
                                       .window_pages = below(700),
                                       .vcpus = (uint32_t)(1 + below(VCPUS)),
                                       .flags = (uint32_t)below(2),
                                       .domains = (uint32_t)below(3),
                                       .weight = (uint32_t)(1 + below(20)) };
        break;
    case HV_NR_vcpu_set_context:
        *(struct hv_vcpu_context *)scratch = (struct hv_vcpu_context){ HV_KERNEL_START, 0, 0, 0 };
        break;
    case HV_NR_poll:
        for (int i = 0; i < 20; i++)
            ((uint32_t *)(void *)scratch)[i] = (uint32_t)below(24);
        break;
    default:
        break;
    }
}

/* ---- one call ---- */

static const struct call {
    const char *argument[6];
} calls[HV_NR_LIMIT] = {
#define HV_CALL0(nr, name)                                 [nr] = { { 0 } },
#define HV_CALL1(nr, name, t1, a1)                         [nr] = { { #a1 } },
#define HV_CALL2(nr, name, t1, a1, t2, a2)                 [nr] = { { #a1, #a2 } },
#define HV_CALL3(nr, name, t1, a1, t2, a2, t3, a3)         [nr] = { { #a1, #a2, #a3 } },
#define HV_CALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4) [nr] = { { #a1, #a2, #a3, #a4 } },
#define HV_CALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                                 \
    [nr] = { { #a1, #a2, #a3, #a4, #a5 } },
#define HV_CALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                         \
    [nr] = { { #a1, #a2, #a3, #a4, #a5, #a6 } },
#include <hypercalls.def>
};

/* Those after which the guest would not go on making calls. vCPU 0 always does, and brings the
 * others back. */
static bool ends_it(uint32_t nr, const uint64_t a[6])
{
    switch (nr) {
    case HV_NR_vcpu_set_context:
        return is_own(a[0]);
    case HV_NR_vcpu_down:
        return is_own(a[0]) && a[1] == 0;
    case HV_NR_block:
    case HV_NR_poll:
        return hv_vcpu_number() == 0;
    default:
        return nr == HV_NR_set_entry || nr == HV_NR_return_to_user || nr == HV_NR_switch ||
               nr == HV_NR_shutdown || nr == HV_NR_console_write;
    }
}

static void count(volatile uint64_t *what)
{
    __atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void keep(uint32_t nr, int64_t r)
{
    uint64_t at = below(KEPT);

    if (r < 0)
        return;
    count(&k.good);
    count(&test_shared(TEST_PARENT)[100 + nr]);
    if (nr == HV_NR_grant_create) {
        k.ref[at] = (uint64_t)r;
        test_shared(TEST_PARENT)[MINE + at] = (uint64_t)r;
    }
    if (nr == HV_NR_domain_create)
        k.child[below(4)] = (uint64_t)r;
    if (nr == HV_NR_dma_map)
        k.device_address[at] = ((struct hv_dma_run *)scratch)->address;
}

static void one_call(void)
{
    /* Those that hold on to something, more often. */
    static const uint8_t often[] = { HV_NR_map,         HV_NR_unmap,        HV_NR_populate,
                                     HV_NR_give_back,   HV_NR_dma_map,      HV_NR_dma_unmap,
                                     HV_NR_grant_map,   HV_NR_grant_unmap,  HV_NR_grant_create,
                                     HV_NR_grant_end,   HV_NR_grant_map,    HV_NR_grant_create,
                                     HV_NR_domain_copy, HV_NR_devices_reset };
    uint32_t nr = once_in(2) ? often[below(sizeof often)] : (uint32_t)below(HV_NR_LIMIT);
    uint64_t a[6] = { 0 };
    int64_t r;

    for (int i = 0; i < 6; i++)
        a[i] = calls[nr].argument[i] ? argument(calls[nr].argument[i], nr, is_own(a[0])) : draw();
    if (ends_it(nr, a))
        return;
    fill(nr, a);
    r = hv_call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    count(&k.calls);
    if (r < -HV_EAGAIN)
        test_failure("call %u returns %ld", nr, r);
    keep(nr, r);
}

/* A child that runs, and waits for its model, which we are. */
static void make_reader(void)
{
    HV_BUFFER(64) static const uint8_t code[] = { 0xe4, 0x46, 0xeb, 0xfc }; /* in $0x46; again */
    HV_BUFFER(64) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    int64_t id = raw_create((struct hv_domain_create){
        .quota = 70, .ram_pages = 4, .window_pages = 1, .weight = 1, .vcpus = 2 });

    if (id < 0)
        return;
    uint64_t d = (uint64_t)id;

    k.child[below(4)] = d;
    hv_populate(d, 0, 1);
    hv_domain_copy(d, 0, hv_gpa(code), sizeof code, 1);
    test_map(d, 0, HV_KERNEL_START, 0, 1, R | HV_MAP_EXEC);
    hv_vcpu_set_context(d, 0, hv_gpa(&context));
    hv_vcpu_create(d, 1);
    hv_vcpu_set_context(d, 1, hv_gpa(&context));
    hv_io_route(d, 0x40, 16, below(16), k.first_gfn + 32 + below(16));
    hv_domain_start(d);
    hv_vcpu_up(d, 1);
}

/* ---- several vCPUs ---- */

static void make_calls(void *arg)
{
    (void)arg;
    sow();
    for (;;) {
        if (once_in(16))
            hv_unmask();
        else if (once_in(16))
            hv_mask();
        else
            one_call();
    }
}

static int64_t start_vcpu(uint32_t n)
{
    static char stack[VCPUS][STACK] __attribute__((aligned(4096)));

    return hv_vcpu_start(n, make_calls, NULL, stack[n], STACK);
}

/* Whether it waits, is down or at whatever point of a call, it goes on behind that, or begins
 * again. */
static void restart(uint32_t n)
{
    hv_vcpu_down(HV_SELF, n);
    if (once_in(2))
        start_vcpu(n);
    else
        hv_vcpu_up(HV_SELF, n);
}

/* Calls name the others only when all have begun: what is up before it is set up begins nowhere. */
static void begin(uint64_t vcpus)
{
    for (uint32_t n = 1; n < vcpus; n++) {
        seeds[n] = seeds[0] + n;
        NEED(start_vcpu(n));
    }
    k.vcpus = vcpus;
}

static void be_fuzzer(void)
{
    k.self = hv_start_domain_id();
    test_await(TEST_PARENT, 0, 1);
    k.other = test_shared(TEST_PARENT)[4];
    k.vcpus = 1;
    seeds[0] = test_argument("seed", 1);
    scratch = test_pages(SCRATCH);
    k.first_gfn = hv_gfn(scratch);
    /* What is not mapped by the library can be given back, revoked while pinned, … */
    NEED(test_unmap(HV_SELF, 0, (uint64_t)(uintptr_t)scratch + 16 * HV_PAGE_SIZE, SCRATCH - 16));
    k.places = test_addresses(PLACES);
    sow();
    begin(test_argument("vcpus", 1));
    for (;;) {
        if (k.vcpus > 1 && once_in(50))
            restart((uint32_t)(1 + below(k.vcpus - 1)));
        else if (once_in(200))
            make_reader();
        else if (once_in(8))
            (void)test_try_read(k.places + below(PLACES) * HV_PAGE_SIZE, NULL);
        else
            one_call();
        test_shared(TEST_PARENT)[2] = k.calls;
        test_shared(TEST_PARENT)[3] = k.good;
    }
}

/* ---- root ---- */

static uint64_t build_fuzzer(uint64_t number, uint64_t vcpus)
{
    char arguments[64];

    hv_snprintf(arguments, sizeof arguments, "seed=%lu vcpus=%lu",
                number * UINT64_C(2654435761) + 12345, vcpus);
    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE,
                                          .quota = 2000,
                                          .vcpus = (uint32_t)vcpus };
    uint64_t d = test_build("fuzzer", 0, arguments);

    CHECK_EQ(hv_assign(d, HV_ASSIGN_PORTS, 0x80, 4), 0);
    CHECK_EQ(hv_assign(d, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xa0, 8), 0);
    CHECK_EQ(hv_assign(d, HV_ASSIGN_IRQ, 11, 0), 0);
    CHECK_EQ(hv_assign(d, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    return d;
}

/* Each learns the other's references. */
static void introduce(uint64_t a, uint64_t b)
{
    volatile uint64_t *at = test_shared(a), *bt = test_shared(b);

    for (uint32_t i = 0; i < KEPT; i++) {
        at[OTHERS + i] = bt[MINE + i];
        bt[OTHERS + i] = at[MINE + i];
    }
}

/* Takes a domain and all that is below it apart. Numbers are small: every one is tried. */
static void destroy_all(uint64_t upto, uint64_t from)
{
    for (uint64_t d = upto; d >= from; d--) {
        int64_t r;

        while ((r = hv_domain_destroy(d)) > 0) {
        }
        while ((r = hv_devices_reset(d)) > 0) {
        }
        CHECK(r == 0 || r == -HV_EPERM);
    }
}

/* What a domain's controller may do to its vCPUs while they are at it. */
static void disturb(uint64_t d, uint64_t vcpus)
{
    switch (below(8)) {
    case 0:
        (void)hv_domain_pause(d);
        (void)hv_domain_unpause(d);
        break;
    case 1:
        (void)hv_sched_set(d, 1 + below(300), once_in(2) ? 0 : 50 + below(350));
        break;
    case 2:
        (void)hv_vcpu_up(d, 1 + below(vcpus - 1));
        break;
    default:
        (void)hv_vcpu_set_affinity(d, below(vcpus), 1 + below(15));
        break;
    }
}

static uint64_t sum[2], good[HV_NR_LIMIT];

static void round(uint64_t n, uint64_t vcpus)
{
    uint64_t a = build_fuzzer(2 * n, vcpus), b = build_fuzzer(2 * n + 1, vcpus), next,
             end = hv_now() + RUN_NS + n % ROUNDS * 700000;

    test_shared(a)[4] = b;
    test_shared(b)[4] = a;
    test_signal(a, 0, 1);
    test_signal(b, 0, 1);
    CHECK_EQ(hv_domain_start(a), 0);
    CHECK_EQ(hv_domain_start(b), 0);
    /* Both have begun, whatever the machine is busy with. */
    (void)test_port(a);
    (void)test_port(b);
    while (hv_now() < end || (vcpus > 1 && hv_now() < end + TEST_PATIENCE_NS &&
                              test_shared(a)[2] + test_shared(b)[2] < ENOUGH)) {
        introduce(a, b);
        if (vcpus > 1 && once_in(20))
            disturb(once_in(2) ? a : b, vcpus);
        hv_yield();
    }
    sum[0] += test_shared(a)[2] + test_shared(b)[2];
    for (uint32_t i = 0; i < HV_NR_LIMIT; i++)
        good[i] += test_shared(a)[100 + i] + test_shared(b)[100 + i];
    sum[1] += test_shared(a)[3] + test_shared(b)[3];
    /* Nothing of theirs runs any more; the newest number says how far to go. */
    (void)hv_domain_pause(a);
    (void)hv_domain_pause(b);
    test_options = (struct test_options){ 0 };
    next = (uint64_t)NEED(raw_small(1, 0));
    destroy_all(next, a);
    NEED(hv_grant_end(HV_SELF, test_ref(a), 1));
    NEED(hv_grant_end(HV_SELF, test_ref(b), 1));
    NEED(hv_event_end(test_port(a)));
    NEED(hv_event_end(test_port(b)));
    test_forget(a);
    test_forget(b);
}

void test_main(void)
{
    uint64_t used = 0, first, rounds, vcpus;

    if (test_is("fuzzer")) {
        be_fuzzer();
        return;
    }
    first = test_argument("first", 0);
    rounds = test_argument("rounds", ROUNDS);
    vcpus = test_argument("vcpus", 0);
    seeds[0] = first + 1;
    for (uint64_t n = 0; n < rounds; n++) {
        round(n + first, vcpus ? vcpus : n % 2 ? VCPUS : 1);
        if (n == 0)
            used = test_info(HV_SELF).used;
        CHECK_EQ(test_info(HV_SELF).used, used);
    }
    hv_printf("%lu calls, %lu of them good\n", sum[0], sum[1]);
    for (uint32_t i = 0; i < HV_NR_LIMIT; i++)
        hv_printf(i % 8 == 7 || i + 1 == HV_NR_LIMIT ? "%u: %lu\n" : "%u: %lu  ", i, good[i]);
    CHECK(sum[1] > 20 * rounds);
}

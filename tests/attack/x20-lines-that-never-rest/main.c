/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (X20). Who holds a device holds its interrupt line, and says when the device is served and
 * when the line may come in again. A level line that is let in while the device still asserts it
 * comes in at once, for ever; an edge line may come every 100 ns. Each is an interrupt in
 * somebody's time, and the next one may come before the first instruction behind it. And a holder
 * that dies while its line is asserted leaves it so.
 *
 * A child holds the machine's HPET and a line of it. It hands down these and nothing beside them,
 * and sees that the line works: once for each period, and nothing more until the line is unmasked.
 * Then it never serves the device and unmasks the line without end; never unmasks it; has edges as
 * fast as the device makes them; beside a victim, which does at least nine tenths of the work that
 * it does beside one that only spins. Each is destroyed in the midst of it, and the line is good
 * for the next. A vulnerable hypervisor does nothing but take interrupts, or leaves the line to
 * nobody.
 */
#include "hvlib/clock.h"
#include "raw.h"
#include "test.h"

#define HPET_FRAME 0xfed00u
#define GSI        20u /* one of the lines that the HPET can be routed to */
#define WINDOW     UINT64_C(100000000)

enum { CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, TIMER = 0x100, COMPARATOR = 0x108 };
enum { LEVEL = 2, ENABLE = 4, PERIODIC = 8, SET_PERIOD = 64, ROUTE = 512 };
enum { STOP, READY, WORK = 32, TAKEN };
enum { SPIN, NEVER_SERVED, NEVER_UNMASKED, EDGES, WAYS };

const char test_title[] = "interrupt lines that come without end cost their holder alone";

static uint64_t hpet, line;
static volatile uint64_t taken;
static unsigned how;

static volatile uint64_t *reg(uint64_t offset)
{
    return (volatile uint64_t *)(uintptr_t)(hpet + offset);
}

static void on_line(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    taken++;
    test_shared(TEST_PARENT)[TAKEN] = taken;
}

static void spin(uint64_t ns)
{
    uint64_t end = hv_now() + ns;

    while (hv_now() < end)
        hv_relax();
}

/* The device raises its line every `ticks` of 10 ns. */
static void start(uint64_t kind, uint64_t ticks)
{
    *reg(CONFIG) = 0;
    *reg(STATUS) = 1;
    *reg(COUNTER) = 0;
    *reg(TIMER) = kind | ENABLE | PERIODIC | SET_PERIOD | GSI * ROUTE;
    *reg(COMPARATOR) = ticks;
    *reg(COMPARATOR) = ticks;
    *reg(CONFIG) = 1;
}

static void unmask(void)
{
    CHECK_EQ(hv_event_unmask(line), 0);
}

/*
 * Served and unmasked it comes once a period; neither one alone brings the next. The device is
 * stopped while the line is masked, so that no interrupt is on its way when the next check begins.
 */
static void check_legal(void)
{
    start(LEVEL, 10000); /* 100 us */
    for (uint64_t n = 1; n <= 3; n++) {
        if (n > 1) {
            *reg(STATUS) = 1;
            unmask();
        }
        while (taken < n)
            hv_relax();
        spin(250000);
        CHECK_EQ(taken, n);
        *reg(STATUS) = 1;
        spin(250000);
        CHECK_EQ(taken, n); /* asserted again, and masked */
    }
    *reg(CONFIG) = 0;
    *reg(STATUS) = 1;
    unmask();
    taken = 0;
    test_shared(TEST_PARENT)[TAKEN] = 0;
}

/* What it hands down is what it holds, and ends there. */
static void check_handed_down(void)
{
    uint64_t below = (uint64_t)NEED(raw_small(8, 0)), frame = HV_GFN_MMIO + HPET_FRAME;

    CHECK_EQ(hv_assign(below, HV_ASSIGN_MMIO, frame, 2), -HV_EPERM);
    CHECK_EQ(hv_assign(below, HV_ASSIGN_MMIO, frame - 1, 2), -HV_EPERM);
    CHECK_EQ(hv_assign(below, HV_ASSIGN_MMIO, frame + 1, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(below, HV_ASSIGN_MMIO, frame, 1), 0);
    CHECK_EQ(hv_assign(below, HV_ASSIGN_IRQ, GSI - 1, 0), -HV_EPERM);
    CHECK_EQ(hv_assign(below, HV_ASSIGN_IRQ, GSI + 1, 0), -HV_EPERM);
    CHECK_EQ(hv_assign(below, HV_ASSIGN_IRQ, GSI, 0), 0);
    while (hv_domain_destroy(below) > 0) {
    }
}

static void be_holder(void)
{
    check_handed_down();
    hpet = test_addresses(1);
    CHECK_EQ(test_map(HV_SELF, 0, hpet, HV_GFN_MMIO + HPET_FRAME, 1, HV_MAP_READ | HV_MAP_WRITE),
             1);
    CHECK_EQ(hv_event_listen(HV_BIND_IRQ, GSI + 1, HV_IRQ_LEVEL, on_line, NULL), -HV_EPERM);
    line = (uint64_t)NEED(hv_event_listen(HV_BIND_IRQ, GSI, HV_IRQ_LEVEL, on_line, NULL));
    check_legal();
    if (how != SPIN)
        start(how == EDGES ? 0 : LEVEL, 10);
    test_signal(TEST_PARENT, READY, 1);
    for (;;) {
        if (how == NEVER_SERVED || how == EDGES)
            unmask();
    }
}

static void be_victim(void)
{
    volatile uint64_t *s = test_shared(TEST_PARENT);

    test_signal(TEST_PARENT, READY, 1);
    while (s[STOP] == 0)
        s[WORK]++;
}

static void nothing(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
}

static void sleep(uint64_t ns)
{
    uint64_t end = hv_now() + ns;

    hv_mask();
    while (hv_now() < end) {
        hv_set_timer(end);
        hv_wait();
    }
    hv_unmask();
}

static uint64_t beside(unsigned way, uint64_t *came)
{
    uint64_t victim = test_build("victim", 192, NULL), holder, work;
    char argument[16];

    hv_snprintf(argument, sizeof argument, "how=%u", way);
    test_options =
        (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .domains = 1, .quota = 256 };
    holder = test_build("holder", 192, argument);
    test_options = (struct test_options){ .flags = 0 };
    CHECK_EQ(hv_assign(holder, HV_ASSIGN_MMIO, HV_GFN_MMIO + HPET_FRAME, 1), 0);
    CHECK_EQ(hv_assign(holder, HV_ASSIGN_IRQ, GSI, 0), 0);
    CHECK_EQ(hv_domain_start(holder), 0);
    while (test_shared(holder)[READY] == 0)
        sleep(1000000);
    CHECK_EQ(hv_domain_start(victim), 0);
    while (test_shared(victim)[READY] == 0)
        sleep(1000000);
    work = test_shared(victim)[WORK];
    sleep(WINDOW);
    work = test_shared(victim)[WORK] - work;
    while (way != SPIN && !test_virtual_time() &&
           test_shared(holder)[TAKEN] < (way == NEVER_UNMASKED ? 1 : 2))
        sleep(1000000); /* on a host that stands still at times */
    *came = test_shared(holder)[TAKEN];
    test_signal(victim, STOP, 1);
    test_join(victim);
    CHECK_EQ(test_info(holder).state, HV_DOMAIN_RUNNING);
    test_destroy(holder); /* with its line asserted */
    return work;
}

void test_main(void)
{
    uint64_t alone, work, came;

    how = (unsigned)test_argument("how", SPIN);
    if (test_is("holder"))
        be_holder();
    if (test_is("victim"))
        be_victim();
    if (!test_is("root"))
        return;
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, nothing, NULL));
    alone = beside(SPIN, &came);
    CHECK_TIME(alone > 1000);
    for (unsigned way = NEVER_SERVED; way < WAYS; way++) {
        work = beside(way, &came);
        hv_printf("way %u: work %lu of %lu, the line came %lu times\n", way, work, alone, came);
        CHECK_TIME(work >= alone / 10 * 9);
        if (way == NEVER_UNMASKED)
            CHECK_EQ(came, 1);
        else
            CHECK(came > (test_virtual_time() ? 1000 : 1));
    }
}

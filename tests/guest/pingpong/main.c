/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=3 timeout=120
 *
 * Events between two vCPUs on different processors: each waits for the other's, answers, and waits
 * again; by block, in a loop without a wait, by poll, by polls that end in time or not. One wake-up
 * that is lost stops the game for good: nothing else ever wakes the two, who are alone on their
 * processors. What finds it is vCPU 0 of each domain, on the third processor: when there was no
 * round for so long, it says which player sleeps, and whether an event is pending for it.
 *
 * How long each thinks before it waits changes from round to round, so that events come before,
 * behind and in the midst of the other's way to sleep. ARGUMENTS=rounds=1000000 plays longer.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "no wake-up is lost between two processors";

#define ROUNDS  100000u /* of all games together */
#define PLAYERS 2u
#define STACK   16384u

/* How a player waits. */
enum wait { BLOCK, SPIN, POLL, RACE };
static const char *const wait_name[] = { "block", "loop", "poll", "poll in time" };

enum { STAGE, PORT }; /* words of the shared page */

static struct player {
    uint32_t vcpu;
    uint64_t send, port; /* where it sends, and what it waits for */
    bool serves;
    volatile uint64_t caught, round;
    volatile bool done;
    uint64_t early; /* polls that ended before the ball came */
} player[PLAYERS];

static uint64_t rounds, players;
static enum wait how;
static char stacks[PLAYERS][STACK] __attribute__((aligned(4096)));

static void on_ball(uint32_t port, void *arg)
{
    struct player *p = arg;

    CHECK_EQ(port, p->port);
    CHECK_EQ(hv_vcpu_number(), p->vcpu);
    p->caught = p->caught + 1;
}

/* ---- playing ---- */

static uint64_t random_below(uint64_t n)
{
    static uint64_t seed[PLAYERS + 1];
    uint64_t *s = &seed[hv_vcpu_number()];

    *s = *s * 6364136223846793005u + 1442695040888963407u + hv_vcpu_number();
    return (*s >> 33) % n;
}

/* In most rounds nothing; else for as long as the other one takes to answer, more or less. */
static void think(void)
{
    uint64_t n = random_below(4) ? 0 : random_below(random_below(2) ? 300 : 30000);

    while (n--)
        __asm__ volatile("");
}

static void await_ball(struct player *p, uint64_t n)
{
    uint32_t port = (uint32_t)p->port;

    if (how == BLOCK) {
        while (p->caught < n)
            hv_wait();
    } else if (how == SPIN) {
        hv_unmask();
        while (p->caught < n)
            hv_relax();
        hv_mask();
    } else {
        uint64_t deadline = hv_now() + random_below(100000);
        int64_t taken = how == RACE ? hv_event_await(&port, 1, deadline) : 0;

        if (how == RACE && taken == 0) {
            CHECK(hv_now() >= deadline);
            p->early++;
        }
        CHECK_EQ(taken ? taken : hv_event_await(&port, 1, HV_POLL_FOREVER), port);
        p->caught = p->caught + 1;
    }
    CHECK_EQ(p->caught, n);
}

static void play(void *arg)
{
    struct player *p = arg;

    for (uint64_t n = 1; n <= rounds; n++) {
        if (p->serves)
            CHECK_EQ(hv_event_send(p->send), 0);
        think();
        await_ball(p, n);
        p->round = n;
        if (!p->serves)
            CHECK_EQ(hv_event_send(p->send), 0);
    }
    p->done = true;
}

/* ---- watching ---- */

/* No round for so long. A player's page is written by hyp, and by that player alone. */
static _Noreturn void stalled(uint64_t patience)
{
    const struct player *lost = NULL;

    for (const struct player *p = player; p < player + players; p++) {
        const struct hv_vcpu_page *page = hv_va((HV_GFN_SHARED + p->vcpu) << HV_PAGE_SHIFT);
        bool pending = page->pending[HV_PRIORITY_NORMAL][p->port / 64] >> p->port % 64 & 1;
        struct hv_runstate run;

        hv_run_state_of(page, &run);
        hv_printf("%s: vCPU %u: round %lu, caught %lu, %s, run-state %u, masked %u, port %lu%s "
                  "pending, selector %lx\n",
                  wait_name[how], p->vcpu, p->round, p->caught, p->done ? "done" : "plays",
                  run.state, page->masked, p->port, pending ? "" : " not",
                  page->pending_sel[HV_PRIORITY_NORMAL]);
        if (pending && !p->done)
            lost = p;
    }
    if (lost)
        test_failure("%s: vCPU %u waits with its port pending, after %lu rounds", wait_name[how],
                     lost->vcpu, lost->round);
    test_failure("%s: no round for %lu s, and nothing is pending here", wait_name[how],
                 patience / 1000000000);
}

static void nap(void)
{
    static uint32_t port;

    if (!port)
        port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    CHECK_EQ(hv_event_await(&port, 1, hv_now() + 10000000), 0);
}

/* Nobody plays any more. Where the other player is another domain's, that one is given the time to
 * see for itself first. */
static void watch(void)
{
    uint64_t patience = TEST_PATIENCE_NS * (players == PLAYERS ? 1 : 2), seen = 0, at = hv_now();

    for (;;) {
        uint64_t sum = 0, done = 0;
        bool pending = false;

        for (const struct player *p = player; p < player + players; p++) {
            const struct hv_vcpu_page *page = hv_va((HV_GFN_SHARED + p->vcpu) << HV_PAGE_SHIFT);

            sum += p->round + p->done;
            done += p->done;
            pending |= page->pending[HV_PRIORITY_NORMAL][p->port / 64] >> p->port % 64 & 1;
        }
        if (done == players)
            return;
        if (sum != seen) {
            seen = sum;
            at = hv_now();
        } else if (hv_now() - at > (pending ? TEST_PATIENCE_NS : patience)) {
            stalled(patience);
        }
        nap();
    }
}

/* One game. */
static void game(enum wait by, uint64_t many)
{
    how = by;
    rounds = many;
    for (struct player *p = player; p < player + players; p++) {
        p->caught = p->round = p->early = 0;
        p->done = false;
        CHECK_EQ(hv_vcpu_start(p->vcpu, play, p, stacks[p - player], STACK), 0);
    }
    watch();
    for (struct player *p = player; p < player + players; p++) {
        CHECK_EQ(hv_vcpu_stop(p->vcpu), 0);
        CHECK_EQ(p->caught, rounds);
        hv_printf("%s: vCPU %u: %lu rounds, %lu too late\n", wait_name[by], p->vcpu, rounds,
                  p->early);
    }
}

/* Loops are for few: on a busy machine each turn in one is a slice of the host's. */
static void games(uint64_t blocks, uint64_t polls)
{
    game(BLOCK, blocks);
    game(SPIN, polls / 10);
    game(POLL, polls);
    game(RACE, polls);
}

static void make_player(unsigned n)
{
    player[n].vcpu = n + 1;
    NEED(hv_vcpu_create(HV_SELF, n + 1));
}

/* ---- roles ---- */

/* Two players of one domain. */
static void be_pair(uint64_t many)
{
    players = 2;
    for (unsigned n = 0; n < 2; n++) {
        make_player(n);
        player[n].port =
            (uint64_t)NEED(hv_event_listen(HV_BIND_IPI, n + 1, 0, on_ball, &player[n]));
        player[1 - n].send = player[n].port;
    }
    player[0].serves = true;
    test_signal(TEST_PARENT, STAGE, 1);
    test_await(TEST_PARENT, STAGE, 2);
    games(many * 4 / 10, many / 10);
}

/* One of two, whose peer plays in another domain. Both play the same games; a ball that is served
 * before the other one has begun the next waits for it. */
static void be_one(bool serves, uint64_t many)
{
    players = 1;
    make_player(0);
    player[0].serves = serves;
    test_signal(TEST_PARENT, STAGE, 1);
    test_await(TEST_PARENT, STAGE, 2);
    player[0].send = player[0].port = test_shared(TEST_PARENT)[PORT];
    NEED(hv_event_set_vcpu(HV_SELF, player[0].port, 1));
    NEED(hv_event_handler(player[0].port, on_ball, &player[0]));
    test_signal(TEST_PARENT, STAGE, 3);
    test_await(TEST_PARENT, STAGE, 4);
    games(many * 2 / 10, many / 10);
}

static uint64_t build(const char *role, uint64_t many)
{
    char arguments[32];

    hv_snprintf(arguments, sizeof arguments, "rounds=%lu", many);
    return test_build(role, 0, arguments);
}

/* The two players get a processor each, all others the third. */
static void begin(uint64_t dom)
{
    test_pin(dom, 0, 2);
    NEED(hv_domain_start(dom));
    test_await(dom, STAGE, 1);
}

static void join(uint64_t dom)
{
    while (test_info(dom).state == HV_DOMAIN_RUNNING)
        nap();
    test_join(dom);
}

static void pair(uint64_t many)
{
    test_options.vcpus = 3;
    uint64_t dom = build("pair", many);

    begin(dom);
    test_pin(dom, 1, 0);
    test_pin(dom, 2, 1);
    test_signal(dom, STAGE, 2);
    join(dom);
}

static void domains(uint64_t many)
{
    test_options.vcpus = 2;
    uint64_t a = build("server", many), b = build("other", many);
    uint64_t there = (uint64_t)NEED(hv_event_alloc(b, a));
    uint64_t here = (uint64_t)NEED(hv_event_bind(a, HV_BIND_PEER, b, there, 0));

    NEED(hv_event_set_rate(a, here, HV_RATE_MAX, HV_BURST_DEFAULT));
    NEED(hv_event_set_rate(b, there, HV_RATE_MAX, HV_BURST_DEFAULT));
    test_shared(a)[PORT] = here;
    test_shared(b)[PORT] = there;
    begin(a);
    begin(b);
    test_pin(a, 1, 0);
    test_pin(b, 1, 1);
    test_signal(a, STAGE, 2);
    test_signal(b, STAGE, 2);
    test_await(a, STAGE, 3);
    test_await(b, STAGE, 3);
    test_signal(a, STAGE, 4);
    test_signal(b, STAGE, 4);
    join(a);
    join(b);
}

void test_main(void)
{
    uint64_t many = test_argument("rounds", ROUNDS);

    if (test_is("pair")) {
        be_pair(many);
        hv_shutdown(0); /* all of them */
    } else if (test_is("server") || test_is("other")) {
        be_one(test_is("server"), many);
        hv_shutdown(0);
    } else {
        CHECK_EQ(test_cpus(), 3);
        test_pin(HV_SELF, 0, 2);
        pair(many);
        domains(many);
    }
}

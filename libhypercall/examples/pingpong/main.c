/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two domains, one page, one pair of ports: a ball goes back and forth 1,000 times.
 *
 * The image plays both roles. Booted as root, with itself as second module, it builds the other
 * player from that module, lends it a page and a port, and says where they are on its command line.
 */
#include <hvlib/builder.h>
#include <hvlib/clock.h>
#include <hvlib/console.h>
#include <hvlib/event.h>
#include <hvlib/grant.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>

#define ROUNDS 1000u
#define RW     (HV_MAP_READ | HV_MAP_WRITE)

/* The lent page: whose turn it is. */
struct table {
    uint64_t ping; /* written by root: rounds started */
    uint64_t pong; /* written by the peer: rounds answered */
};

static _Alignas(HV_PAGE_SIZE) union {
    struct table table;
    char page[HV_PAGE_SIZE];
} lent;

static uint64_t turns; /* events that came */

static void on_turn(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    turns++;
}

/* Wait for event number `n`; upcalls are masked. */
static void wait_turn(uint64_t n)
{
    while (turns < n)
        hv_wait();
}

static uint32_t fail(const char *what, int64_t error)
{
    hv_printf("pingpong: %s (%ld)\n", what, error);
    return 1;
}

static uint32_t play_pong(void)
{
    uint64_t parent = hv_start_parent();
    int64_t port = hv_event_listen(HV_BIND_PEER, parent, hv_start_number("port", 0), on_turn, NULL);
    struct table *table = NULL;

    if (port < 0)
        return fail("no port", port);
    int64_t result =
        hv_window_map(parent, hv_start_number("page", 0), 1, (uint32_t)port, RW, (void **)&table);

    if (result < 0)
        return fail("no page", result);
    hv_event_send((uint64_t)port); /* ready */
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        wait_turn(n);
        table->pong = table->ping;
        hv_event_send((uint64_t)port);
    }
    return 0;
}

static int64_t build_peer(struct hv_build *b, int64_t *port)
{
    static char cmdline[80];
    int64_t result = hv_build_create(b);

    if (result < 0)
        return result;
    *port = hv_event_offer(b->id, on_turn, NULL);
    hv_snprintf(cmdline, sizeof cmdline, "role=pong port=%ld page=0x%lx", *port,
                hv_grant_give(b->id, &lent, 1, RW));
    b->cmdline = cmdline;
    result = hv_build_finish(b, NULL, 0);
    return result < 0 ? result : hv_domain_start(b->id);
}

static uint32_t play_ping(void)
{
    const struct hv_start_module *module = hv_module_get(0), *next;

    for (uint32_t i = 1; (next = hv_module_get(i)) != NULL; i++)
        module = next;
    if (!module)
        return fail("start me with my own image as second module", 0);
    struct hv_build b = { .image = hv_module_data(module),
                          .image_bytes = module->bytes,
                          .ram_pages = 256,
                          .window_pages = 8 };
    int64_t port, result = build_peer(&b, &port);

    if (result < 0)
        return fail(b.why, result);
    wait_turn(1);
    uint64_t start = hv_now();

    for (uint64_t n = 1; n <= ROUNDS; n++) {
        lent.table.ping = n;
        hv_event_send((uint64_t)port);
        wait_turn(n + 1);
        if (lent.table.pong != n)
            return fail("the ball is lost", (int64_t)n);
    }
    hv_printf("pingpong: %u round trips, %lu ns each\n", ROUNDS, (hv_now() - start) / ROUNDS);
    return hv_domain_end(b.id) < 0;
}

uint32_t guest_main(void)
{
    char role[8];

    return hv_start_option("role", role, sizeof role) ? play_pong() : play_ping();
}

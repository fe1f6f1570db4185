/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (X19; XSA-344 and XSA-380). A domain dies that has as much of everything as it could get.
 * What was bounded is each thing that it may have; forgotten was the end, which goes through all of
 * it in one call: all ports, closed one by one with a notice to each peer, or all grants, live and
 * ended, while nobody else runs.
 *
 * A domain is given every port that there is, each bound to one of this guest's, and every grant
 * slot, a quarter of them in this guest's windows and at its addresses, two of 512 pages among
 * them. It is destroyed step by step, and the time of each is taken, while a third domain has a
 * timer for every 0.1 ms and writes down how late it is. All in virtual time: an instruction is a
 * nanosecond. A vulnerable system takes milliseconds for one of the steps, and the third domain's
 * timer is as late as that.
 */
#include "hvlib/clock.h"
#include "raw.h"

#define RW      (HV_MAP_READ | HV_MAP_WRITE)
#define RAM     1200u
#define MAPPED  1024u
#define PERIOD  100000u
#define STEP_NS 80000u /* the ceiling of domain_destroy, see the reference */
#define TURN_NS 60000u /* what whoever runs has of its own, and the switch */

const char test_title[] = "a domain with all ports and all grants ends in short steps";

enum { READY = 1, STOP, LATEST = 32, COUNT };

/* ---- the one that has to be on time ---- */

static void be_probe(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t at;

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    test_signal(TEST_PARENT, READY, 1);
    for (at = hv_now() + PERIOD; shared[STOP] == 0; at = hv_now() + PERIOD) {
        NEED(hv_set_timer(at));
        hv_mask();
        while (hv_now() < at)
            hv_wait();
        hv_unmask();
        uint64_t late = hv_now() - at;

        if (late > shared[LATEST])
            shared[LATEST] = late;
        shared[COUNT]++;
    }
}

/* ---- the one that ends ---- */

static uint64_t ports, grants;

static void take_ports(uint64_t dom)
{
    int64_t remote;

    while ((remote = hv_event_alloc(dom, hv_start_domain_id())) > 0) {
        int64_t near = hv_event_bind(HV_SELF, HV_BIND_PEER, dom, (uint64_t)remote, 0);

        CHECK(near > 0 || near == -HV_ENOSPC); /* a few of this guest's are the harness's */
        ports++;
    }
    CHECK_EQ(remote, -HV_ENOSPC);
    CHECK_EQ(ports, HV_MAX_PORTS - 1);
}

static void map_grant(uint64_t dom, uint64_t ref, uint64_t pages, uint32_t port)
{
    HV_BUFFER(64) struct hv_grant_map m;

    m = (struct hv_grant_map){
        dom, ref, test_windows(pages), port, RW, (uint16_t)pages, test_addresses(pages)
    };
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
}

static void take_grants(uint64_t dom, uint32_t port)
{
    int64_t ref;

    for (unsigned i = 0; i < 2; i++) {
        ref = NEED(hv_grant_create(dom, hv_start_domain_id(), 512 * i, 512, RW));
        map_grant(dom, (uint64_t)ref, 512, port);
        grants++;
    }
    while ((ref = hv_grant_create(dom, hv_start_domain_id(), grants % RAM, 1, RW)) > 0) {
        if (grants < MAPPED)
            map_grant(dom, (uint64_t)ref, 1, port);
        grants++;
    }
    CHECK_EQ(ref, -HV_ENOSPC);
    CHECK_EQ(grants, HV_MAX_GRANTS);
}

void test_main(void)
{
    uint64_t times = hv_start_features() & HV_FEATURE_DEBUG ? 3 : 1;
    uint64_t probe, dom, port, longest = 0, steps = 0, used;
    int64_t left;

    if (test_is("probe")) {
        be_probe();
        return;
    }
    probe = test_spawn("probe", 192);
    test_await(probe, READY, 1);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = RAM + 600, .ram_pages = RAM, .window_pages = 16384, .weight = 16 }));
    used = test_info(dom).used;
    for (uint64_t done = 0; done < RAM;)
        done += (uint64_t)NEED(hv_populate(dom, done, RAM - done));
    take_grants(dom, (uint32_t)port);
    take_ports(dom);
    CHECK(test_info(dom).used >= used + RAM + 128);

    test_shared(probe)[LATEST] = 0;
    test_shared(probe)[COUNT] = 0;
    do {
        uint64_t from = hv_now(), ran = test_shared(probe)[COUNT], took;

        left = hv_domain_destroy(dom);
        took = hv_now() - from;
        /* The other one ran meanwhile: that is not this step's. */
        if (test_shared(probe)[COUNT] == ran && took > longest)
            longest = took;
        steps++;
    } while (left > 0);
    CHECK_EQ(left, 0);
    hv_printf("%lu steps, the longest %lu ns; a timer %lu ns late of %lu\n", steps, longest,
              test_shared(probe)[LATEST], test_shared(probe)[COUNT]);
    CHECK(steps > HV_MAX_PORTS / 64 + MAPPED);
    CHECK_TIME(longest <= STEP_NS * times);
    CHECK_TIME(test_shared(probe)[COUNT] > 20);
    CHECK_TIME(test_shared(probe)[LATEST] <= (STEP_NS + TURN_NS) * times);
    test_signal(probe, STOP, 1);
    test_join(probe);
}

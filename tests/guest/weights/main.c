/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=180
 *
 * Shares by weight, in virtual time: domains at 1:2:4 have a seventh, two and four of the processor
 * within 2% over 2 s, and weights that change while they run hold from then on. A domain has no
 * more by having several vCPUs, which share equally what it has; each of them may be a slice off,
 * so that is measured for longer. Nothing is lost on the way: what all have run is the time that
 * passed.
 */
#include "load.h"

const char test_title[] = "weights of 1:2:4 are shares of 1:2:4, within 2% over 2 s";

static void check_shares(const char *what, struct load *l, const uint32_t *weight, uint64_t window)
{
    uint64_t passed = load_measure(l, 3, window), all = 0;
    uint32_t weights = weight[0] + weight[1] + weight[2];
    char line[80];

    for (uint32_t i = 0; i < 3; i++) {
        hv_snprintf(line, sizeof line, "%s, weight %u of %u", what, weight[i], weights);
        load_expect(line, l[i].ran, passed * weight[i] / weights, 2);
        all += l[i].ran;
    }
    /* Root had the rest: a wake-up, and six calls. */
    hv_printf("%s: %lu of %lu us for the three\n", what, all / 1000, passed / 1000);
    CHECK(all <= passed);
    CHECK(all * 1000 >= passed * 999);
}

static void check_one_each(void)
{
    static const uint32_t weight[] = { 128, 256, 512 }, other[] = { 1024, 256, 512 };
    struct load l[3] = { { .weight = 128 }, { .weight = 256 }, { .weight = 512 } };

    load_start_all(l, 3);
    load_sleep(30 * LOAD_MS);
    check_shares("a vCPU each", l, weight, 2 * LOAD_S);
    /* In flight: the first from 1 to 8 beside 2 and 4, at once. */
    NEED(hv_sched_set(l[0].dom, other[0], 0));
    check_shares("after a change", l, other, 2 * LOAD_S);
    for (uint32_t i = 0; i < 3; i++)
        NEED(hv_sched_set(l[i].dom, weight[i], 0));
    check_shares("and back", l, weight, 2 * LOAD_S);
    load_end_all(l, 3);
}

/* As many vCPUs as it likes: the domain has its share, and each of them an equal part of it. */
static void check_several(void)
{
    static const uint32_t weight[] = { 1024, 2048, 4096 };
    struct load l[3] = { { .weight = 1024, .vcpus = 4, .run = LOAD_MS },
                         { .weight = 2048, .vcpus = 2, .run = LOAD_MS },
                         { .weight = 4096, .vcpus = 3, .run = LOAD_MS } };
    uint64_t before[3][4];
    char line[80];

    load_start_all(l, 3);
    load_sleep(100 * LOAD_MS);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t n = 0; n < l[i].vcpus; n++)
            before[i][n] = load_line(&l[i], n)[LOAD_RAN];
    check_shares("4, 2 and 3 vCPUs", l, weight, 6 * LOAD_S);
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t n = 0; n < l[i].vcpus; n++) {
            hv_snprintf(line, sizeof line, "vCPU %u of domain %u", n, i);
            load_expect(line, load_line(&l[i], n)[LOAD_RAN] - before[i][n], l[i].ran / l[i].vcpus,
                        2);
        }
    }
    load_end_all(l, 3);
}

void test_main(void)
{
    if (load_main())
        return;
    check_one_each();
    check_several();
}

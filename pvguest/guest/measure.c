/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel has used between two moments. Owns nothing: the architecture tells what the
 * machine beneath has counted.
 */
#include "clock.h"
#include "guest.h"
#include "printk.h"

struct measure measure_now(void)
{
    struct measure m;

    arch_usage_read(&m.usage, &m.ns);
    return m;
}

struct measure measure_since(const struct measure *start)
{
    struct measure m = measure_now();

    m.ns -= start->ns;
    m.usage.running -= start->usage.running;
    m.usage.total -= start->usage.total;
    m.usage.trapped -= start->usage.trapped;
    m.usage.copied -= start->usage.copied;
    for (unsigned i = 0; i < ARCH_MAX_COUNTERS; i++) {
        m.usage.count[i] -= start->usage.count[i];
    }
    return m;
}

unsigned measure_share(const struct measure *m)
{
    return m->usage.total == 0 ? 0 : (unsigned)(m->usage.running * 1000 / m->usage.total);
}

void print_share(void)
{
    struct measure m = measure_now();
    unsigned share = measure_share(&m);

    printk("share of the CPU: %u.%u%% (%lu of %lu ms)\n", share / 10, share % 10,
           (unsigned long)(m.usage.running / NS_PER_MS),
           (unsigned long)(m.usage.total / NS_PER_MS));
}

void samples_sort(uint64_t *sample, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        uint64_t value = sample[i];
        unsigned j = i;

        for (; j > 0 && sample[j - 1] > value; j--) {
            sample[j] = sample[j - 1];
        }
        sample[j] = value;
    }
}

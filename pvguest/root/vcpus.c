/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vCPUs and processors as root sees them. Owns nothing: each question goes to the hypervisor.
 */
#include "root/vcpus.h"
#include "kstring.h"
#include "printk.h"

#include <hv_trace.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>

#define MOST 64u /* processors that a mask can name */

bool vcpu_read(uint64_t dom, uint64_t vcpu, struct hv_vcpu_info *info)
{
    HV_BUFFER(128) struct hv_vcpu_info answer = { 0 };
    if (hv_vcpu_info(dom, vcpu, hv_gpa(&answer)) < 0)
        return false;
    *info = answer;
    return true;
}

const char *vcpu_state(const struct hv_vcpu_info *info)
{
    static const struct {
        uint32_t wait;
        const char *name;
    } waits[] = {
        { HV_WAIT_DOWN, "down" },  { HV_WAIT_PAUSE, "paused" }, { HV_WAIT_TRACED, "traced" },
        { HV_WAIT_IO, "io" },      { HV_WAIT_POLL, "poll" },    { HV_WAIT_BLOCK, "blocked" },
        { HV_WAIT_CAP, "capped" },
    };
    if (info->state == HV_RUN_RUNNING)
        return "running";
    for (unsigned n = 0; n < sizeof(waits) / sizeof(waits[0]); n++)
        if (info->wait & waits[n].wait)
            return waits[n].name;
    return "ready";
}

/* The hypervisor has a trace of each processor, and none of others. */
unsigned processors(void)
{
    HV_BUFFER(64) struct hv_trace_entry entry;
    unsigned n = 1;
    while (n < MOST && hv_trace_read(n, UINT64_MAX, hv_gpa(&entry), 1) == 0)
        n++;
    return n;
}

static uint64_t everywhere(void)
{
    return UINT64_MAX >> (MOST - processors());
}

/* The first processor behind the run of set (or, by ~mask, clear) bits that begins at `n`. */
static unsigned run_end(uint64_t mask, unsigned n)
{
    while (n < MOST && mask >> n & 1)
        n++;
    return n;
}

void affinity_text(char *text, size_t size, uint64_t mask)
{
    uint64_t there = everywhere();
    size_t used = 0;
    mask &= there;
    if (mask == there) {
        format_text(text, size, "all");
        return;
    }
    for (unsigned n = run_end(~mask, 0); n < MOST && used < size; n = run_end(~mask, n)) {
        unsigned first = n;
        n = run_end(mask, n);
        const char *comma = used ? "," : "";
        used += (size_t)format_text(text + used, size - used, n - first > 1 ? "%s%u-%u" : "%s%u",
                                    comma, first, n - 1);
    }
}

/* A number below MOST at *text, which goes on behind it; MOST: there is none. */
static unsigned take_processor(const char **text)
{
    unsigned n = 0, digits = 0;
    for (; **text >= '0' && **text <= '9' && digits < 3; digits++)
        n = n * 10 + (unsigned)(*(*text)++ - '0');
    return digits && n < MOST ? n : MOST;
}

uint64_t affinity_parse(const char *text)
{
    uint64_t there = everywhere(), mask = 0;
    if (strcmp(text, "all") == 0)
        return UINT64_MAX;
    for (bool more = true; more; text++) {
        unsigned first = take_processor(&text), last = first;
        if (*text == '-') {
            text++;
            last = take_processor(&text);
        }
        if (first > last || last >= MOST || (*text && *text != ','))
            return 0;
        mask |= (UINT64_MAX >> (MOST - 1 - last)) & (UINT64_MAX << first);
        more = *text == ',';
    }
    return mask & ~there ? 0 : mask;
}

bool number_parse(const char *text, uint64_t *number)
{
    size_t digits = 0;
    *number = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 9; digits++)
        *number = *number * 10 + (uint64_t)(text[digits] - '0');
    return digits && !text[digits];
}

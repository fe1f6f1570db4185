/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarded accesses for the host. ASan checks that each lies in the memory the test gave out.
 */
#include "host_guard.h"
#include "hvlib/arch/guard.h"
#include <hv_call.h>
#include <string.h>

bool host_guard_gone;
uint64_t host_guard_accesses, host_guard_turn;
void (*host_guard_peer)(void);

static void count_access(void)
{
    if (host_guard_accesses++ == host_guard_turn && host_guard_peer)
        host_guard_peer();
}

int64_t hv_guard_copy(void *to, const void *from, size_t bytes)
{
    count_access();
    if (host_guard_gone)
        return -HV_EDEAD;
    memcpy(to, from, bytes);
    return 0;
}

int64_t hv_guard_fill(void *window, uint8_t value, size_t bytes)
{
    count_access();
    if (host_guard_gone)
        return -HV_EDEAD;
    memset(window, value, bytes);
    return 0;
}

int64_t hv_guard_read32(const volatile uint32_t *window, uint32_t *value)
{
    count_access();
    if (host_guard_gone)
        return -HV_EDEAD;
    *value = *window;
    return 0;
}

int64_t hv_guard_write32(volatile uint32_t *window, uint32_t value)
{
    count_access();
    if (host_guard_gone)
        return -HV_EDEAD;
    *window = value;
    return 0;
}

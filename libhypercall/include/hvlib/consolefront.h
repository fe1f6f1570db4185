/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain's own console: the front end of the console in the device list.
 *
 *     hv_console_open();              // no console in the list: the early console stays
 *     hv_printf("what is your name? ");
 *     int64_t n = hv_console_wait(text, sizeof text);
 *
 * Output is gathered into slots of hv_console.h and reaches the back end at the end of each call;
 * what is on the ring when the domain ends is still printed. When the back end does not take text
 * for two seconds, or is gone, output goes to the early console from then on.
 *
 * One console a domain. Functions may be called with upcalls masked or not, also from handlers but
 * for those that wait.
 */
#ifndef HVLIB_CONSOLEFRONT_H
#define HVLIB_CONSOLEFRONT_H

#include "hvlib/cxx.h"
#include <stddef.h>
#include <stdint.h>

HV_C_BEGIN

/** Connect to the console of the device list, and wait until the back end has answered. hv_write,
 * hv_printf and hv_console_input use it from then on. Returns 0; -HV_EINVAL: there is none, or it
 * is open already; -HV_EDEAD: the back end refused; or an error of grant_create. */
int64_t hv_console_open(void);

/** Wait until there is input, and read up to `bytes` (1..) of it. Not from a handler. Returns the
 * number of bytes, -HV_EINVAL without an open console, or -HV_EDEAD. */
int64_t hv_console_wait(char *buffer, size_t bytes);

HV_C_END

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls and trace entries as text. Names and types come from the ABI's lists: a call that is
 * added there is decoded here.
 */
#ifndef HVLIB_DECODE_H
#define HVLIB_DECODE_H

#include "hvlib/cxx.h"
#include <hv_trace.h>
#include <stdbool.h>

HV_C_BEGIN

/** The name of a domain for the text; NULL where it has none, and its number is printed. */
typedef const char *hv_domain_name_fn(uint64_t dom);

/** What a call was: `map(dom=self, space=0, gpa=0x31000, count=1) = 1`, with the error's name for a
 * failure and `?` for a call that does not return. `name` may be NULL. Returns the length that it
 * would have had; the buffer is NUL-terminated when `bytes` is not 0. */
int hv_decode_call(char *buffer, size_t bytes, const struct hv_call_entry *call,
                   hv_domain_name_fn *name);

/** What an entry of the trace ring says: `switch(to=2, vcpu=0)`. Otherwise the same. */
int hv_decode_trace(char *buffer, size_t bytes, const struct hv_trace_entry *entry,
                    hv_domain_name_fn *name);

/** Has the entry to do with the domain: did it run, or is it one of the words? */
bool hv_trace_concerns(const struct hv_trace_entry *entry, uint64_t dom);

/** The name of a hypercall, of an event of the trace; NULL: no such number. */
const char *hv_call_name(uint64_t nr);
const char *hv_trace_name(uint64_t event);
/** The name of an error, "HV_EPERM", by its number or as a result; NULL: no such number. */
const char *hv_error_name(int64_t error);

HV_C_END

#endif

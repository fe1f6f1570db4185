/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain has done; see hv_domain.h.
 */
#pragma once

#include "domain.h"

void counters_read(const struct domain *d, struct hv_counters *sum);

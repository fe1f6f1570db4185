/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the assembly files share.
 */
#pragma once

/* clang-format off */
/* The label of a function, which all files see. */
#define FUNCTION(name) .globl name; .type name, @function; name

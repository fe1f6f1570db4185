/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * version.h: the project's version and which build this is.
 */
#pragma once

#define HYP_VERSION "0.1"

#ifdef __clang__
#define HYP_COMPILER "clang"
#else
#define HYP_COMPILER "gcc"
#endif

#if HYP_DEBUG
#define HYP_BUILD "debug"
#else
#define HYP_BUILD "release"
#endif

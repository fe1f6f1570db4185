/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lets the library's headers be read by C++17 as they are: linkage, and the words that the two
 * languages spell differently. The only place where the language makes a difference.
 */
#ifndef HVLIB_CXX_H
#define HVLIB_CXX_H

#ifdef __cplusplus
#define HV_C_BEGIN    extern "C" {
#define HV_C_END      }
#define HV_ALIGNED(n) alignas(n)
#define HV_RESTRICT   __restrict
#else
#define HV_C_BEGIN                /**< before the declarations of functions that are C's */
#define HV_C_END                  /**< behind them */
#define HV_ALIGNED(n) _Alignas(n) /**< before a declaration: at a multiple of `n` bytes */
#define HV_RESTRICT   restrict
#endif

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hidden.h: included ahead of every file of hyp by the compiler's command line.
 *
 * Marks declarations hidden too, not only definitions: otherwise a compiler reaches a symbol of
 * another file through a global offset table, which the statically linked image does not have.
 */
#pragma once

#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif

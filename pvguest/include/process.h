/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user program: an address space with a few regions whose pages come at first touch, and one
 * thread. The kernel's record of its pages is the only one there is.
 */
#ifndef PVGUEST_PROCESS_H
#define PVGUEST_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

struct process_result {
    int status;      /**< of exit(), or 128 + 11 when it was killed */
    uint64_t calls;  /**< system calls that it made */
    uint64_t faults; /**< page faults that gave it a page */
    uint64_t pages;  /**< it had at the end */
};

/** Run a static ELF program to its end in a thread and a space of its own. Returns 0, or negative
 * when it could not be started. Programs that several threads run go on side by side. */
int process_run(const char *name, const void *elf, size_t bytes, struct process_result *result);

/* For the system calls, on the thread of the process. */

/** It makes a system call: count it. */
void process_called(void);
/** Copy from or to user memory, touching pages as the program itself would. False: not its memory.
 */
bool copy_from_user(void *to, uint64_t from, size_t bytes);
bool copy_to_user(uint64_t to, const void *from, size_t bytes);
/** Move the end of the heap; returns where it is. */
uint64_t process_brk(uint64_t end);
/** A new zeroed region of `bytes`; 0 when there is no room. */
uint64_t process_mmap(uint64_t bytes, bool write, bool exec);
int process_munmap(uint64_t address, uint64_t bytes);
_Noreturn void process_exit(int status);

#endif

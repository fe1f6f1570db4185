/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest test is written against.
 *
 * A test is a folder with a main.c that defines test_title and test_main. Its image is booted as
 * root, with itself as second module, so that it can build children from itself: a child runs the
 * same image and test_main, with a role. The test ends with the first verdict; when test_main
 * returns in root that is SUCCESS, in a child a shutdown with reason 0. In root a verdict is the
 * last line on the console and ends the machine; in a child it is told to the parent by the reason
 * of its shutdown (test_join makes a failed child a failed test).
 *
 * Everything of libhypercall may be used; RAM is mapped read-write at hv_va(gpa), except for the
 * image's text and read-only data. Upcalls are unmasked when test_main starts.
 */
#ifndef TEST_H
#define TEST_H

#include "hvlib/arch/hypercall.h"
#include "hvlib/console.h"
#include "hvlib/event.h"
#include "hvlib/memory.h"
#include "hvlib/start.h"
#include "hvlib/string.h"
#include "hvlib/trap.h"
#include <hv_domain.h>
#include <hv_event.h>
#include <hv_grant.h>
#include <hv_memory.h>
#include <hv_vcpu.h>
#include <stdbool.h>

/** Provided by the test. */
extern const char test_title[];
void test_main(void);

/* ---- verdicts ---- */

#define TEST_PRINTF(f, a) __attribute__((format(printf, f, a)))

/** All is as it should be. */
_Noreturn void test_success(void);
/** This machine cannot show it; the reason is one that the project's facts give. */
_Noreturn void test_skip(const char *format, ...) TEST_PRINTF(1, 2);
/** The test itself is broken or could not set itself up. */
_Noreturn void test_error(const char *format, ...) TEST_PRINTF(1, 2);
/** The system did something it must not. */
_Noreturn void test_failure(const char *format, ...) TEST_PRINTF(1, 2);

/** FAILURE unless the condition holds. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_failure("%s:%d: %s", __FILE__, __LINE__, #cond);                                  \
    } while (0)
#define test_expect(cond) CHECK(cond)

/** FAILURE unless a result is the expected one; both are printed, errors by name. */
#define CHECK_EQ(actual, expected)                                                                 \
    test_check_eq(__FILE__, __LINE__, #actual, (int64_t)(actual), (int64_t)(expected))
void test_check_eq(const char *file, int line, const char *what, int64_t actual, int64_t expected);

/** ERROR when a call that sets the test up fails (result < 0); returns the result. */
#define NEED(call) test_need(__FILE__, __LINE__, #call, (call))
int64_t test_need(const char *file, int line, const char *what, int64_t result);

/* ---- time ---- */

/** Is time the count of instructions? Else it is the host's, with several processors always, and
 * any two instructions may be a second apart. */
bool test_virtual_time(void);
/** CHECK of how long something took, which only virtual time tells. */
#define CHECK_TIME(cond) CHECK(!test_virtual_time() || (cond))

/* ---- faults ---- */

/** What test_try and test_user return when nothing faulted. */
#define TEST_NO_FAULT (~(uint32_t)0)

/**
 * Run fn(arg) in kernel mode and return the vector of the fault that ended it, with the state at
 * the fault in *out (may be NULL), or TEST_NO_FAULT when it returned. The fault ends fn: nothing of
 * it goes on. Upcalls are masked as they were. Not reentrant.
 */
uint32_t test_try(void (*fn)(void *arg), void *arg, struct hv_frame *out);

/** Read or write eight bytes; returns the vector of the fault, or TEST_NO_FAULT. */
uint32_t test_try_read(uint64_t address, uint64_t *value);
uint32_t test_try_write(uint64_t address, uint64_t value);
/** Call an address as code. */
uint32_t test_try_exec(uint64_t address);

/* ---- user mode ---- */

/** Where test_user puts code and the top of the stack. */
#define TEST_USER_CODE  ((uint64_t)0x400000)
#define TEST_USER_STACK ((uint64_t)0x600000)

/**
 * Run `bytes` (at most a page) of position-independent code in user mode, in a space made for it
 * (code read-execute at TEST_USER_CODE, one page of stack below TEST_USER_STACK), with RDI = rdi,
 * until its first system call (returns HV_VECTOR_SYSCALL) or fault (its vector); the state then is
 * in *out. The space is destroyed afterwards. Events that come meanwhile are served.
 */
uint32_t test_user(const void *code, size_t bytes, uint64_t rdi, struct hv_frame *out);

/** The same in a space and with registers of the caller's own: rip, rsp, rflags, rax, rcx, r11,
 * gs_base of *frame and all other registers are loaded; switches to `space` and back to space 0. On
 * an error of switch or return_to_user the result is that error (negative). */
int64_t test_user_frame(uint64_t space, struct hv_frame *frame);

/* ---- memory ---- */

/** `count` contiguous zeroed pages of RAM, page aligned, never given back. ERROR when none are
 * left. */
void *test_pages(uint64_t count);
/** A virtual range of `count` pages in the kernel half where nothing is mapped; never reused. */
uint64_t test_addresses(uint64_t count);
/** `count` window GFNs that nothing uses; never reused. */
uint64_t test_windows(uint64_t count);
/** Map one run; returns the result of the call. */
int64_t test_map(uint64_t dom, uint64_t space, uint64_t address, uint64_t gfn, uint32_t count,
                 uint32_t rights);
int64_t test_unmap(uint64_t dom, uint64_t space, uint64_t address, uint32_t count);

/* ---- children ---- */

/** The role of this domain: "root" in the first one. */
const char *test_role(void);
bool test_is(const char *role);
/** The number after `key=` on this domain's command line, or `otherwise`. */
uint64_t test_argument(const char *key, uint64_t otherwise);

/** Build a child of `pages` pages of RAM (0: a usual amount) running this image as `role`;
 * `arguments` (may be NULL) is appended to its command line. It is not started. */
uint64_t test_build(const char *role, uint64_t pages, const char *arguments);
/** What test_build asks for beyond the usual; zero everywhere: the usual. */
extern struct test_options {
    uint64_t window_pages;
    uint64_t quota; /* frames on top of what RAM and tables take */
    uint32_t flags; /* HV_CREATE_… */
    uint32_t domains;
    uint32_t weight;
    uint32_t vcpus; /* that it may have */
} test_options;
/** Build and start. */
uint64_t test_spawn(const char *role, uint64_t pages);
/** How long the waits below go on before they are a FAILURE: what hangs is to end, and a slow or
 * busy machine is not to be taken for it. */
#define TEST_PATIENCE_NS (UINT64_C(1000000000) * (test_virtual_time() ? 30 : 300))
/** Wait until a child has ended (shut down, killed); that it does not is a FAILURE.
 * *info (may be NULL) tells how. */
void test_wait(uint64_t child, struct hv_domain_info *info);
/** Wait until vCPU `vcpu` of a child that was paused or has ended has left its processor: nothing
 * is added to its CPU time after that. The call that paused it, or the news of its end, may come
 * before.
 */
void test_wait_off(uint64_t child, uint64_t vcpu);
/** How many processors the machine has; in root. With more than one, time is the host's. */
uint32_t test_cpus(void);
/** Let vCPU `vcpu` run on processor `n` modulo their number alone; in root. */
void test_pin(uint64_t dom, uint64_t vcpu, uint32_t n);
/** Destroy a child, to the last step. */
void test_destroy(uint64_t child);
/** test_wait, FAILURE unless it shut down with reason 0, test_destroy. */
void test_join(uint64_t child);
/** test_wait, FAILURE unless hyp killed it with `report` somewhere in the reason, test_destroy. */
void test_join_killed(uint64_t child, const char *report);
/** domain_info, checked. */
struct hv_domain_info test_info(uint64_t dom);
struct hv_counters test_counters(uint64_t dom);
/** For a caller that may create: frames that anybody has freed are charged no more. With several
 * processors they are so until the flush epoch has passed; this makes it pass. */
void test_settle(void);

/**
 * Every child shares one page (of the parent's memory, granted) and a pair of ports with its
 * parent. In the parent name the child, in the child TEST_PARENT. Both sides may write anywhere in
 * the page.
 */
#define TEST_PARENT HV_SELF
volatile uint64_t *test_shared(uint64_t other);
uint64_t test_port(uint64_t other);
/** Both children on processor `n`, or the next one that there is, until they have had it in turns
 * for a while. */
void test_share(uint64_t a, uint64_t b, unsigned n);
/** The grant of that page, in the parent. */
uint64_t test_ref(uint64_t child);
/** A child that was destroyed by hand, its grant and port ended: nothing of it is known any more.
 */
void test_forget(uint64_t child);
/** Set word `index` of the shared page to `value`, and wait (yielding) for such a value; that it
 * does not come is a FAILURE. Words 0..15 only are meant for this. */
void test_signal(uint64_t other, uint32_t index, uint64_t value);
void test_await(uint64_t other, uint32_t index, uint64_t value);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console as domains see it: text of every domain on the machine's one line, input for its
 * holder, and the debug build's reasons for failing hypercalls.
 *
 * Owns the input ring. Root writes as it likes. Text of any other domain is gathered into whole
 * lines, each with the domain's number in front and without control characters, so that no guest
 * can forge another's line; a token bucket of bytes bounds what it and those below it can make the
 * machine print.
 */
#include "console.h"
#include "barrier.h"
#include "clock.h"
#include "domain.h"
#include "event.h"
#include "lock.h"
#include "printk.h"

/* 64 KiB a second, 16 KiB at once. */
#define CONSOLE_PERIOD_NS (1000000000u / 65536u)
#define CONSOLE_BURST     16384u
#define LINE_COST         8u /* of its domain's number in front */

/* Guards the reader's end of the input, the lines that are gathered and the buckets. A line is
 * printed under it: its turn at the UART would have to be waited for anyway. */
static struct spinlock console_lock = SPINLOCK_INIT(LOCK_IRQ);

/* Free-running indices: head is the interrupt's, of the one pCPU where the line ends; tail the
 * reader's. What does not fit is lost. */
#define INPUT_SIZE 4096u
static char input[INPUT_SIZE];
static uint32_t input_head, input_tail;

void console_input(char c) {
    if (input_head - input_tail < INPUT_SIZE) {
        input[input_head % INPUT_SIZE] = c;
        store_release(&input_head, input_head + 1);
    }
    if (domain_root != NULL) event_raise_virq(domain_root, HV_VIRQ_CONSOLE);
}

size_t console_read(char *to, size_t max) {
    size_t n = 0;

    spin_lock(&console_lock);
    while (n < max && input_tail != load_acquire(&input_head))
        to[n++] = input[input_tail++ % INPUT_SIZE];
    return (size_t)unlock_with(&console_lock, (int64_t)n);
}

/* Prints the gathered line of a domain. */
static void line_end(struct domain *d) {
    char line[sizeof(d->console_buf) + 32];
    int n;

    d->console_buf[d->console_line] = '\0';
    n = snprintf(line, sizeof(line), "[%lu] %s\n", d->id, d->console_buf);
    d->console_line = 0;
    console_write(line, (size_t)n);
}

/* True when it has printed a line. */
static bool line_put(struct domain *d, char c) {
    bool full = d->console_line == sizeof(d->console_buf) - 1;

    if (c == '\n' || full) line_end(d);
    if (c == '\n' || c == '\r') return c == '\n' || full;
    if (c == '\t') c = ' ';
    /* Bytes above 126 too: a terminal may take 0x80-0x9f for control characters. */
    d->console_buf[d->console_line++] = c >= ' ' && c <= '~' ? c : '?';
    return full;
}

int64_t console_domain_write(struct domain *d, const char *text, size_t bytes) {
    struct bucket *b = &domain_account(d)->console_bucket;
    uint64_t n, done = 0, now;
    bool printed = false;

    if (d == domain_root) {
        console_write(text, bytes);
        return (int64_t)bytes;
    }
    spin_lock(&console_lock);
    now = clock_now_ns();
    n = bucket_take(b, now, bytes, CONSOLE_PERIOD_NS, CONSOLE_BURST);
    /* A line at most: a UART takes 80 microseconds a character, and nobody else runs meanwhile. */
    while (done < n && !printed) printed = line_put(d, READ_ONCE(text[done++]));
    b->full_at -= (n - done) * CONSOLE_PERIOD_NS;
    /* What is printed in front of a line is paid for too. */
    if (printed) (void)bucket_take(b, now, LINE_COST, CONSOLE_PERIOD_NS, CONSOLE_BURST);
    return unlock_with(&console_lock, done > 0 ? (int64_t)done : -HV_EAGAIN);
}

/* What a domain had not ended when it ended itself. */
void console_flush(struct domain *d) {
    spin_lock(&console_lock);
    if (d->console_line > 0) line_end(d);
    spin_unlock(&console_lock);
}

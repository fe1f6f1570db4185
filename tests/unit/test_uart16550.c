/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550 model as a driver sees it, register by register, and under random accesses: whatever a
 * guest does, the FIFO stays in its bounds and the interrupt line agrees with the registers.
 *
 * sources: pvguest/drivers/model/uart16550.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/uart16550.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct uart16550 uart;
static uint8_t sent[65536];
static size_t sent_bytes, tx_calls;
static bool line;
static unsigned line_changes;

static void host_tx(void *ctx, const uint8_t *data, size_t bytes)
{
    ck_assert_ptr_eq(ctx, &uart);
    if (sent_bytes + bytes > sizeof(sent))
        sent_bytes = 0;
    memcpy(sent + sent_bytes, data, bytes);
    sent_bytes += bytes;
    tx_calls++;
}

static void host_irq(void *ctx, bool level)
{
    if (ctx != &uart || level == line)
        ck_abort_msg("interrupt callback without a change");
    line = level;
    line_changes++;
}

static void setup(void)
{
    struct uart16550_host host = { &uart, host_tx, host_irq };

    sent_bytes = tx_calls = line_changes = 0;
    line = false;
    memset(&uart, 0xa5, sizeof(uart));
    uart16550_init(&uart, &host);
}

static uint8_t in(uint16_t reg)
{
    return (uint8_t)uart16550_in(&uart, reg, 1);
}

static void out(uint16_t reg, uint8_t value)
{
    uart16550_out(&uart, reg, 1, value);
}

static void push(const char *text)
{
    ck_assert_uint_eq(uart16550_rx_push(&uart, (const uint8_t *)text, strlen(text)), strlen(text));
}

START_TEST(test_power_on)
{
    ck_assert_uint_eq(in(IER), 0);
    ck_assert_uint_eq(in(IIR), 0x01);
    ck_assert_uint_eq(in(LCR), 0);
    ck_assert_uint_eq(in(MCR), 0);
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(MSR), 0xb0);
    ck_assert_uint_eq(in(DATA), 0);
    ck_assert(!line && line_changes == 0);
}
END_TEST

/* What Linux and BSD do to find out that this is a 16550A. */
START_TEST(test_probe)
{
    out(SCR, 0x5a);
    ck_assert_uint_eq(in(SCR), 0x5a);
    out(IER, 0xff);
    ck_assert_uint_eq(in(IER), 0x0f);
    out(IER, 0);
    out(IIR, 0x01);
    ck_assert_uint_eq(in(IIR)&0xc0, 0xc0);
    out(IIR, 0x00);
    ck_assert_uint_eq(in(IIR)&0xc0, 0);
    out(MCR, 0x10 | 0x0a);
    ck_assert_uint_eq(in(MSR)&0xf0, 0x90);
    out(MCR, 0xff);
    ck_assert_uint_eq(in(MCR), 0x1f);
}
END_TEST

START_TEST(test_divisor_latch)
{
    out(LCR, 0x83);
    out(DATA, 0x34);
    out(IER, 0x12);
    ck_assert_uint_eq(in(DATA), 0x34);
    ck_assert_uint_eq(in(IER), 0x12);
    out(LCR, 0x03);
    ck_assert_uint_eq(uart.divisor, 0x1234);
    ck_assert_uint_eq(in(IER), 0);
    ck_assert_uint_eq(sent_bytes, 0);
}
END_TEST

START_TEST(test_transmit)
{
    out(DATA, 'h');
    out(DATA, 'i');
    ck_assert_uint_eq(in(LSR), 0x60);
    uart16550_outs(&uart, DATA, 1, "there", 5);
    ck_assert_uint_eq(sent_bytes, 7);
    ck_assert_int_eq(memcmp(sent, "hithere", 7), 0);
    ck_assert_uint_eq(tx_calls, 3);
    uart16550_outs(&uart, DATA, 1, NULL, 0);
    ck_assert_uint_eq(tx_calls, 3);
}
END_TEST

/* Raised by enabling, ended by reading IIR, raised again by the next byte. */
START_TEST(test_transmitter_empty_interrupt)
{
    out(IER, 0x02);
    ck_assert(line);
    ck_assert_uint_eq(in(IIR), 0x02);
    ck_assert(!line);
    ck_assert_uint_eq(in(IIR), 0x01);
    out(DATA, 'x');
    ck_assert(line);
    out(IER, 0x00);
    ck_assert(!line);
    out(IER, 0x02);
    ck_assert(line);
}
END_TEST

START_TEST(test_receive_without_fifo)
{
    out(IER, 0x01);
    ck_assert_uint_eq(uart16550_rx_room(&uart), 1);
    ck_assert_uint_eq(uart16550_rx_push(&uart, (const uint8_t *)"ab", 2), 1);
    ck_assert(line);
    ck_assert_uint_eq(in(LSR), 0x61);
    ck_assert_uint_eq(in(IIR), 0x04);
    ck_assert_uint_eq(in(DATA), 'a');
    ck_assert(!line);
    ck_assert_uint_eq(uart16550_rx_room(&uart), 1);
}
END_TEST

START_TEST(test_receive_fifo_and_trigger)
{
    out(IIR, 0x81); /* on, trigger at 8 */
    out(IER, 0x01);
    push("1234567");
    ck_assert_uint_eq(in(IIR), 0xcc);
    push("8");
    ck_assert_uint_eq(in(IIR), 0xc4);
    push("9abcdefg");
    ck_assert_uint_eq(uart16550_rx_push(&uart, (const uint8_t *)"z", 1), 0);
    ck_assert_uint_eq(in(LSR), 0x61);
    char text[17] = { 0 };
    uart16550_ins(&uart, DATA, 1, text, 16);
    ck_assert_str_eq(text, "123456789abcdefg");
    ck_assert(!line);
    ck_assert_uint_eq(in(LSR), 0x60);
}
END_TEST

START_TEST(test_fifo_clear)
{
    out(IIR, 0x01);
    push("abc");
    out(IIR, 0x05); /* transmit FIFO only */
    ck_assert_uint_eq(in(LSR)&1, 1);
    out(IIR, 0x03);
    ck_assert_uint_eq(in(LSR)&1, 0);
    push("abc");
    out(IIR, 0x00); /* off clears */
    ck_assert_uint_eq(in(LSR)&1, 0);
}
END_TEST

START_TEST(test_loopback)
{
    out(IIR, 0x01);
    out(MCR, 0x10);
    in(MSR);
    out(DATA, 'l');
    ck_assert_uint_eq(sent_bytes, 0);
    ck_assert_uint_eq(in(DATA), 'l');
    ck_assert_uint_eq(uart16550_rx_room(&uart), 0);
    for (int i = 0; i < 17; i++)
        out(DATA, (uint8_t)i);
    ck_assert_uint_eq(in(LSR), 0x63); /* ready, overrun */
    ck_assert_uint_eq(in(LSR), 0x61); /* reading ends the error */
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(in(DATA), i);
}
END_TEST

START_TEST(test_line_status_interrupt)
{
    out(MCR, 0x10);
    out(IER, 0x04);
    out(DATA, 1);
    ck_assert(!line);
    out(DATA, 2);
    ck_assert(line);
    ck_assert_uint_eq(in(IIR), 0x06);
    ck_assert_uint_eq(in(LSR)&0x02, 0x02);
    ck_assert(!line);
    in(DATA);
    out(LCR, 0x40); /* break */
    ck_assert_uint_eq(in(LSR)&0x11, 0x11);
}
END_TEST

START_TEST(test_modem_status_interrupt)
{
    out(MCR, 0x10);
    in(MSR);
    out(IER, 0x08);
    ck_assert(!line);
    out(MCR, 0x10 | 0x01);
    ck_assert(line);
    ck_assert_uint_eq(in(IIR), 0x00);
    ck_assert_uint_eq(in(MSR), 0x22);
    ck_assert(!line);
    out(MCR, 0x10 | 0x04); /* RI rises: no report; DSR falls */
    ck_assert_uint_eq(in(MSR), 0x42);
    out(MCR, 0x10); /* RI falls */
    ck_assert_uint_eq(in(MSR), 0x04);
}
END_TEST

START_TEST(test_priorities)
{
    out(MCR, 0x10);
    out(IER, 0x0f);
    out(DATA, 1);
    out(DATA, 2); /* overrun, data, empty transmitter and modem changes are all pending */
    ck_assert_uint_eq(in(IIR), 0x06);
    in(LSR);
    ck_assert_uint_eq(in(IIR), 0x04);
    in(DATA);
    ck_assert_uint_eq(in(IIR), 0x02);
    ck_assert_uint_eq(in(IIR), 0x00);
    in(MSR);
    ck_assert_uint_eq(in(IIR), 0x01);
}
END_TEST

/* Word and double word accesses are bytes at ascending ports; beyond the end nothing answers. */
START_TEST(test_wide_and_outside)
{
    out(SCR, 0x77);
    ck_assert_uint_eq(uart16550_in(&uart, MSR, 2), 0x77b0);
    ck_assert_uint_eq(uart16550_in(&uart, SCR, 4), 0xffffff77);
    ck_assert_uint_eq(uart16550_in(&uart, 8, 1), 0xff);
    ck_assert_uint_eq(uart16550_in(&uart, 0xffff, 4), 0xffffffff);
    uart16550_out(&uart, LCR, 2, 0x0a03);
    ck_assert_uint_eq(in(LCR), 0x03);
    ck_assert_uint_eq(in(MCR), 0x0a);
    uart16550_out(&uart, 0xfffe, 4, 0x55555555);
    ck_assert_uint_eq(sent_bytes, 0);
}
END_TEST

static void random_access(void)
{
    static const unsigned sizes[] = { 1, 2, 4 };
    unsigned size = sizes[rand() % 3];
    uint16_t offset = (uint16_t)(rand() % 16 ? rand() % 8 : rand());
    uint32_t count = (uint32_t)(rand() % 40);
    uint8_t *block = malloc(count * size + 1);

    memset(block, rand(), count * size);
    switch (rand() % 5) {
    case 0:
        uart16550_in(&uart, offset, size);
        break;
    case 1:
        uart16550_out(&uart, offset, size, (uint32_t)rand());
        break;
    case 2:
        uart16550_ins(&uart, offset, size, block, count);
        break;
    case 3:
        uart16550_outs(&uart, offset, size, block, count);
        break;
    default:
        uart16550_rx_push(&uart, block, count * size);
        break;
    }
    free(block);
}

START_TEST(test_random_accesses)
{
    srand(5);
    for (int i = 0; i < 200000; i++) {
        random_access();
        if (uart.fifo_count > 16 || uart.fifo_first > 15 || line != uart.irq_level)
            ck_abort_msg("FIFO or line out of bounds after %d accesses", i);
        struct uart16550 copy = uart;
        bool wanted = !(uart16550_in(&uart, IIR, 1) & 1);
        if (wanted != copy.irq_level)
            ck_abort_msg("line and IIR differ after %d accesses", i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uart16550");
    TCase *tests = tcase_create("uart16550");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, test_power_on);
    tcase_add_test(tests, test_probe);
    tcase_add_test(tests, test_divisor_latch);
    tcase_add_test(tests, test_transmit);
    tcase_add_test(tests, test_transmitter_empty_interrupt);
    tcase_add_test(tests, test_receive_without_fifo);
    tcase_add_test(tests, test_receive_fifo_and_trigger);
    tcase_add_test(tests, test_fifo_clear);
    tcase_add_test(tests, test_loopback);
    tcase_add_test(tests, test_line_status_interrupt);
    tcase_add_test(tests, test_modem_status_interrupt);
    tcase_add_test(tests, test_priorities);
    tcase_add_test(tests, test_wide_and_outside);
    tcase_add_test(tests, test_random_accesses);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * The console of a domain that is not its holder: whole lines, at a limited rate. A flood is cut
 * with an error, not printed; what was taken is told.
 */
#include "test.h"

const char test_title[] = "a guest's console output is limited, the holder's is not";

static char *text;

/* Far more than the bucket holds: that much is taken, then only what time allows. */
static void flood(void)
{
    uint64_t taken = 0;
    int64_t n;

    memset(text, '.', HV_PAGE_SIZE);
    text[HV_PAGE_SIZE - 1] = '\n';
    for (unsigned i = 0; i < 64; i++) {
        n = hv_console_write(hv_gpa(text), HV_PAGE_SIZE);
        CHECK(n == -HV_EAGAIN || (n > 0 && n <= (int64_t)HV_PAGE_SIZE));
        taken += n > 0 ? (uint64_t)n : 0;
    }
    CHECK(taken > 0);
    CHECK_TIME(taken < 32 * HV_PAGE_SIZE);
}

/* Control characters and no end of a line: nothing that could forge another domain's line. */
static void nasty_text(void)
{
    CHECK_EQ(hv_console_read(hv_gpa(text), 1), -HV_EPERM);
    for (unsigned i = 0; i < 256; i++)
        text[i] = (char)i;
    memcpy(text + 256, "\r[0] TEST: FAILURE forged\n\rhyp: PANIC forged", 44);
    int64_t n = hv_console_write(hv_gpa(text), 300);

    CHECK(n == 300 || n == -HV_EAGAIN || n > 0);
}

void test_main(void)
{
    text = test_pages(1);
    if (test_is("nasty")) {
        nasty_text();
        return;
    }
    if (!test_is("root")) {
        flood();
        return;
    }
    for (unsigned i = 0; i < 40; i++) {
        text[0] = '\n';
        CHECK_EQ(hv_console_write(hv_gpa(text), 1), 1);
    }
    test_join(test_spawn("nasty", 192));
    test_join(test_spawn("flood", 192));
}

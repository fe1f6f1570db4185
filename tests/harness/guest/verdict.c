/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verdicts, and the main function of every guest test.
 */
#include "internal.h"

static const char *const verdict_name[VERDICTS] = { "SUCCESS", "SKIP", "ERROR", "FAILURE" };

static const char *const error_name[] = {
#define HV_ERROR(nr, name, text) [nr] = "HV_E" #name,
#include <errors.def>
#undef HV_ERROR
};

/* In root the last line of the console; a child tells its parent by the reason. */
static _Noreturn void end(enum verdict verdict, const char *reason)
{
    const char *space = reason[0] ? " " : "";

    if (test_is("root"))
        hv_printf("TEST: %s%s%s\n", verdict_name[verdict], space, reason);
    else if (verdict != SUCCESS)
        hv_printf("child %s: %s%s%s\n", test_role(), verdict_name[verdict], space, reason);
    for (;;)
        hv_shutdown(verdict);
}

static _Noreturn void end_with(enum verdict verdict, const char *format, va_list args)
{
    static char reason[256];

    hv_vsnprintf(reason, sizeof reason, format, args);
    end(verdict, reason);
}

void test_success(void)
{
    end(SUCCESS, "");
}

void test_skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end_with(SKIP, format, args);
}

void test_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end_with(ERROR, format, args);
}

void test_failure(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end_with(FAILURE, format, args);
}

static const char *show(int64_t value, char *buffer, size_t bytes)
{
    if (value < 0 && value >= -(int64_t)(sizeof error_name / sizeof *error_name - 1) &&
        error_name[-value])
        hv_snprintf(buffer, bytes, "-%s", error_name[-value]);
    else
        hv_snprintf(buffer, bytes, "%ld (0x%lx)", value, (uint64_t)value);
    return buffer;
}

void test_check_eq(const char *file, int line, const char *what, int64_t actual, int64_t expected)
{
    char is[48], should[48];

    if (actual != expected)
        test_failure("%s:%d: %s is %s, not %s", file, line, what, show(actual, is, sizeof is),
                     show(expected, should, sizeof should));
}

int64_t test_need(const char *file, int line, const char *what, int64_t result)
{
    char is[48];

    if (result < 0)
        test_error("%s:%d: %s: %s", file, line, what, show(result, is, sizeof is));
    return result;
}

uint32_t guest_main(void)
{
    test_faults_start();
    if (test_is("root"))
        hv_printf("test: %s\n", test_title);
    else
        test_child_start();
    hv_unmask();
    test_main();
    test_success();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls and trace entries as text: every call and event of the lists, each type of a word,
 * results of each kind, numbers that are none, and buffers of every size.
 *
 * sources: libhypercall/src/decode.c libhypercall/src/printf.c
 */
#include <check.h>
#include <string.h>

#include "hv_domain.h"
#include "hv_event.h"
#include "hv_memory.h"
#include "hv_vcpu.h"
#include "hvlib/decode.h"

static char text[256];

static const char *name_of(uint64_t dom)
{
    return dom == 3 ? "disk" : NULL;
}

static const char *call(uint64_t nr, int64_t result, const uint64_t *arg)
{
    struct hv_call_entry e = { .nr = nr, .result = result };

    memcpy(e.arg, arg, sizeof e.arg);
    ck_assert_int_eq(hv_decode_call(text, sizeof text, &e, name_of), (int)strlen(text));
    return text;
}

#define CALL(nr, result, ...) call(nr, result, (const uint64_t[6]){ __VA_ARGS__ })

START_TEST(test_calls)
{
    ck_assert_str_eq(CALL(HV_NR_version, 1, 7, 8), "version() = 1");
    ck_assert_str_eq(CALL(HV_NR_map, 12, HV_SELF, 0, 0x31000, 2, 99),
                     "map(dom=self, space=0, gpa=0x31000, count=2) = 12");
    ck_assert_str_eq(CALL(HV_NR_populate, -HV_ENOMEM, 3, 0x40, 5),
                     "populate(dom=disk, gfn=0x40, count=5) = -HV_ENOMEM");
    ck_assert_str_eq(CALL(HV_NR_domain_pause, -HV_EPERM, 4), "domain_pause(dom=4) = -HV_EPERM");
    ck_assert_str_eq(CALL(HV_NR_grant_create, 65537, 3, 0, 16, 1, HV_MAP_READ | HV_MAP_WRITE),
                     "grant_create(dom=disk, peer=0, gfn=0x10, count=1, rights=rw-) = 65537");
    ck_assert_str_eq(CALL(HV_NR_grant_create, 0, 3, 0, 16, 1, 0x101),
                     "grant_create(dom=disk, peer=0, gfn=0x10, count=1, rights=r--|0x100) = 0");
    ck_assert_str_eq(CALL(HV_NR_set_timer, 0, 5000000001), "set_timer(deadline=5.000000001) = 0");
    ck_assert_str_eq(CALL(HV_NR_grant_end, 0, 3, (uint64_t)1 << 32, 1),
                     "grant_end(dom=disk, ref=0x100000000, force=1) = 0");
    ck_assert_str_eq(CALL(HV_NR_switch, 0, 1, HV_KERNEL_START),
                     "switch(space=1, kernel_stack=0xfffffc0000000000) = 0");
}
END_TEST

START_TEST(test_results)
{
    ck_assert_str_eq(CALL(HV_NR_return_to_user, 0, 0), "return_to_user() = ?");
    ck_assert_str_eq(CALL(HV_NR_return_to_user, -HV_EINVAL, 0), "return_to_user() = -HV_EINVAL");
    ck_assert_str_eq(CALL(HV_NR_shutdown, 0, 2), "shutdown(reason=2) = ?");
    ck_assert_str_eq(CALL(~UINT64_C(0), -HV_ENOSYS, 0), "number 0xffffffffffffffff = -HV_ENOSYS");
    ck_assert_str_eq(CALL(HV_NR_yield, -77, 0), "yield() = -77");
    ck_assert_str_eq(CALL(HV_NR_yield, INT64_MIN, 0), "yield() = -9223372036854775808");
    ck_assert_ptr_null(hv_call_name(HV_NR_LIMIT));
    ck_assert_ptr_null(hv_trace_name(HV_TRACE_LIMIT));
    ck_assert_ptr_null(hv_error_name(0));
    ck_assert_ptr_null(hv_error_name(INT64_MIN));
    ck_assert_str_eq(hv_error_name(HV_EDEAD), "HV_EDEAD");
    ck_assert_str_eq(hv_error_name(-HV_EDEAD), "HV_EDEAD");
}
END_TEST

/* Each line of the list once more, by the preprocessor: the name in front, all its arguments. */
START_TEST(test_every_call)
{
    static const struct {
        const char *name;
        unsigned int args;
    } list[] = {
#define HV_CALL0(nr, n)      [nr] = { #n, 0 },
#define HV_CALL1(nr, n, ...) [nr] = { #n, 1 },
#define HV_CALL2(nr, n, ...) [nr] = { #n, 2 },
#define HV_CALL3(nr, n, ...) [nr] = { #n, 3 },
#define HV_CALL4(nr, n, ...) [nr] = { #n, 4 },
#define HV_CALL5(nr, n, ...) [nr] = { #n, 5 },
#define HV_CALL6(nr, n, ...) [nr] = { #n, 6 },
#include "hypercalls.def"
    };

    for (uint64_t nr = 0; nr < HV_NR_LIMIT; nr++) {
        unsigned int equals = 0;

        CALL(nr, 0, 1, 2, 3, 4, 5, 6);
        ck_assert_int_eq(strncmp(text, list[nr].name, strlen(list[nr].name)), 0);
        ck_assert_int_eq(text[strlen(list[nr].name)], '(');
        for (const char *p = text; *p; p++)
            equals += *p == '=';
        ck_assert_uint_eq(equals, list[nr].args + 1);
    }
}
END_TEST

static const char *event(uint32_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct hv_trace_entry e = { .event = nr, .word = { a, b, c } };

    ck_assert_int_eq(hv_decode_trace(text, sizeof text, &e, name_of), (int)strlen(text));
    return text;
}

START_TEST(test_events)
{
    ck_assert_str_eq(event(HV_TRACE_switch, 3, 0, 0), "switch(to=disk, vcpu=0)");
    ck_assert_str_eq(event(HV_TRACE_irq, 33, 0, 0), "irq(vector=33)");
    ck_assert_str_eq(event(HV_TRACE_create, 9, (uint64_t)-HV_ENOMEM, 0),
                     "create(domain=9, result=-HV_ENOMEM)");
    ck_assert_str_eq(event(HV_TRACE_end, 9, HV_DOMAIN_KILLED, 0),
                     "end(domain=9, state=killed, reason=0)");
    ck_assert_str_eq(event(HV_TRACE_end, 9, 77, 0), "end(domain=9, state=77, reason=0)");
    ck_assert_str_eq(event(HV_TRACE_killed, 14, 4, 0x1000),
                     "killed(vector=#PF, error=4, rip=0x1000)");
    ck_assert_str_eq(event(HV_TRACE_killed, 15, 4, 0x1000),
                     "killed(vector=15, error=4, rip=0x1000)");
    ck_assert_str_eq(event(HV_TRACE_port, 0, 17, HV_PORT_VIRQ), "port(of=0, port=17, state=virq)");
    ck_assert_str_eq(event(HV_TRACE_state, 3, 1, HV_RUN_RUNNING),
                     "state(of=disk, vcpu=1, state=running)");
    ck_assert_str_eq(event(HV_TRACE_state, 3, 1, HV_RUN_BLOCKED | HV_WAIT_POLL << 8),
                     "state(of=disk, vcpu=1, state=blocked:poll)");
    ck_assert_str_eq(event(HV_TRACE_state, 3, 1, 3 | (HV_WAIT_PAUSE | HV_WAIT_DOWN | 128u) << 8),
                     "state(of=disk, vcpu=1, state=offline:pause,down,7)");
    ck_assert_str_eq(event(HV_TRACE_state, 3, 1, 4), "state(of=disk, vcpu=1, state=4)");
    ck_assert_str_eq(event(~(uint32_t)0, 1, 2, 3), "event 4294967295(0x1, 0x2, 0x3)");
    for (uint32_t n = 0; n < HV_TRACE_LIMIT; n++)
        ck_assert_int_eq(strncmp(event(n, 1, 2, 3), hv_trace_name(n), strlen(hv_trace_name(n))), 0);
}
END_TEST

START_TEST(test_concerns)
{
    const struct hv_trace_entry e = { .event = HV_TRACE_line, .domain = 5, .word = { 9, 3, 4 } };
    const struct hv_trace_entry none = { .event = HV_TRACE_LIMIT,
                                         .domain = 5,
                                         .word = { 9, 3, 4 } };

    ck_assert(hv_trace_concerns(&e, 5) && hv_trace_concerns(&e, 3));
    ck_assert(!hv_trace_concerns(&e, 9) && !hv_trace_concerns(&e, 4));
    ck_assert(hv_trace_concerns(&none, 5) && !hv_trace_concerns(&none, 3));
}
END_TEST

/* Cut anywhere: the same length is told, the text is a prefix, nothing is written behind it. */
START_TEST(test_small_buffers)
{
    const struct hv_call_entry e = { .nr = HV_NR_map, .arg = { HV_SELF, 1, 4096, 1 }, .result = 1 };
    char whole[128], part[128];
    int length = hv_decode_call(whole, sizeof whole, &e, NULL);

    for (size_t bytes = 0; bytes <= (size_t)length + 1; bytes++) {
        memset(part, '#', sizeof part);
        ck_assert_int_eq(hv_decode_call(part, bytes, &e, NULL), length);
        if (bytes) {
            ck_assert_int_eq(strncmp(part, whole, bytes - 1), 0);
            ck_assert_int_eq(part[bytes - 1], '\0');
        }
        ck_assert_int_eq(part[bytes], '#');
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tests = tcase_create("decode");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60); /* a loaded machine is no failure */
    tcase_add_test(tests, test_calls);
    tcase_add_test(tests, test_results);
    tcase_add_test(tests, test_every_call);
    tcase_add_test(tests, test_events);
    tcase_add_test(tests, test_concerns);
    tcase_add_test(tests, test_small_buffers);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

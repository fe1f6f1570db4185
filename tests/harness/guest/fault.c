/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults that a test expects, and user mode.
 *
 * Both run something under test_escape_call; the handler of a fault or system call copies the frame
 * and escapes. A fault that nobody waits for is a FAILURE.
 */
#include "internal.h"

static struct hv_frame caught;
static bool expected;

static char user_entry_stack[16384] __attribute__((aligned(4096)));

static void catch_frame(struct hv_frame *frame)
{
    if (!expected) {
        hv_print_frame(frame);
        test_failure("unexpected vector %u at 0x%lx", frame->vector, frame->rip);
    }
    caught = *frame;
    expected = false;
    test_escape((int64_t)frame->vector);
}

void test_faults_start(void)
{
    for (uint32_t vector = 0; vector < 32; vector++)
        hv_set_fault_handler(vector, catch_frame);
    hv_set_syscall_handler(catch_frame);
}

struct call {
    void (*fn)(void *arg);
    void *arg;
};

static int64_t run_call(void *arg)
{
    const struct call *call = arg;

    call->fn(call->arg);
    return TEST_NO_FAULT;
}

uint32_t test_try(void (*fn)(void *arg), void *arg, struct hv_frame *out)
{
    struct call call = { fn, arg };

    expected = true;
    uint32_t vector = (uint32_t)test_escape_call(run_call, &call);

    expected = false;
    if (vector == TEST_NO_FAULT)
        return vector;
    if (out)
        *out = caught;
    if (!caught.prev_masked)
        hv_unmask();
    return vector;
}

struct access {
    volatile uint64_t *at;
    uint64_t value;
};

static void do_read(void *arg)
{
    struct access *a = arg;

    a->value = *a->at;
}

static void do_write(void *arg)
{
    struct access *a = arg;

    *a->at = a->value;
}

static void do_exec(void *arg)
{
    void (*code)(void) = (void (*)(void))(uintptr_t)((struct access *)arg)->at;

    code();
}

uint32_t test_try_read(uint64_t address, uint64_t *value)
{
    struct access a = { (volatile uint64_t *)(uintptr_t)address, 0 };
    uint32_t vector = test_try(do_read, &a, NULL);

    if (value)
        *value = a.value;
    return vector;
}

uint32_t test_try_write(uint64_t address, uint64_t value)
{
    struct access a = { (volatile uint64_t *)(uintptr_t)address, value };

    return test_try(do_write, &a, NULL);
}

uint32_t test_try_exec(uint64_t address)
{
    struct access a = { (volatile uint64_t *)(uintptr_t)address, 0 };

    return test_try(do_exec, &a, NULL);
}

static int64_t enter(void *arg)
{
    return hv_enter_user(arg);
}

int64_t test_user_frame(uint64_t space, struct hv_frame *frame)
{
    uint64_t stack = (uint64_t)(uintptr_t)user_entry_stack + sizeof user_entry_stack;
    bool was = hv_mask();
    int64_t result = hv_switch(space, stack);

    if (result == 0) {
        expected = true;
        result = test_escape_call(enter, frame);
        expected = false;
        if (result >= 0)
            *frame = caught;
        NEED(hv_switch(0, stack));
    }
    hv_restore(was);
    return result;
}

uint32_t test_user(const void *code, size_t bytes, uint64_t rdi, struct hv_frame *out)
{
    static void *pages; /* code, stack */
    struct hv_frame frame = {
        .rip = TEST_USER_CODE, .rsp = TEST_USER_STACK, .rflags = 0x202, .rdi = rdi
    };
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    if (!pages)
        pages = test_pages(2);
    if (bytes > HV_PAGE_SIZE)
        test_error("test_user: %lu bytes of code", bytes);
    memset(pages, 0, (size_t)2 * HV_PAGE_SIZE);
    memcpy(pages, code, bytes);
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(pages), 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(HV_SELF, space, TEST_USER_STACK - HV_PAGE_SIZE, hv_gfn(pages) + 1, 1,
                  HV_MAP_READ | HV_MAP_WRITE));
    int64_t vector = NEED(test_user_frame(space, &frame));

    NEED(hv_space_end(HV_SELF, space));
    if (out)
        *out = frame;
    return (uint32_t)vector;
}

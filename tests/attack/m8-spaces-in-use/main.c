/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60 again=3
 *
 * Threat (M8; XSA-494, XSA-438 in spirit). A space is destroyed while another vCPU of the domain
 * has it loaded: in user mode in it, down with it loaded, or about to load it. The tables that its
 * processor walks are freed, and become another domain's memory under a root that still points to
 * them.
 *
 * vCPU 1 runs user code in a space that vCPU 0 destroys again and again. Held here: -HV_EBUSY
 * without a change as long as any vCPU has it loaded, up or down; what is unmapped meanwhile faults
 * on the other vCPU; a space that is going can no more be loaded. Then both go for the same space
 * at once: one loads it, or the other begins to destroy it, and whoever has it loaded has all of
 * it.
 */
#include "hvlib/clock.h"
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "a space that another vCPU has loaded is not destroyed under it";

#define STACK 16384u

static char stack[STACK] __attribute__((aligned(4096)));
static uint64_t space;
static volatile uint32_t *word; /* what the user code counts in */
static volatile unsigned faults;
static volatile uint64_t fault_at;

/* inc dword [rdi]; again */
static const uint8_t code[] = { 0xff, 0x07, 0xeb, 0xfc };

static void on_fault(struct hv_frame *frame)
{
    faults = faults + 1;
    fault_at = frame->cr2;
    CHECK_EQ(frame->user, 1);
    CHECK_EQ(hv_vcpu_number(), 1);
    for (;;) /* until it is started anew */
        hv_vcpu_down(HV_SELF, 1);
}

static void be_user(void *arg)
{
    struct hv_frame f = { .rip = TEST_USER_CODE,
                          .rsp = TEST_USER_STACK,
                          .rflags = 0x202,
                          .rdi = TEST_USER_CODE + HV_PAGE_SIZE,
                          .vector = HV_VECTOR_EVENT };

    (void)arg;
    NEED(hv_switch(space, (uint64_t)(uintptr_t)stack + STACK / 2));
    hv_enter_user(&f);
}

static void wait_for_count(void)
{
    uint32_t from = *word;

    while (*word == from)
        hv_yield();
}

static void build_space(void)
{
    uint8_t *pages = test_pages(2);

    memcpy(pages, code, sizeof code);
    word = (volatile uint32_t *)(void *)(pages + HV_PAGE_SIZE);
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(pages), 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(HV_SELF, space, TEST_USER_CODE + HV_PAGE_SIZE, hv_gfn(pages) + 1, 1,
                  HV_MAP_READ | HV_MAP_WRITE));
}

static void check_busy(void)
{
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(hv_space_destroy(HV_SELF, space), -HV_EBUSY);
        hv_yield();
    }
}

static void check_round(void)
{
    build_space();
    CHECK_EQ(hv_vcpu_start(1, be_user, NULL, stack, STACK), 0);
    wait_for_count();
    check_busy();
    wait_for_count(); /* it runs on, nothing of the space is gone */
    /* Two vCPUs in one space: this one's kernel may load it too. */
    CHECK_EQ(hv_switch(space, 0), 0);
    check_busy();
    CHECK_EQ(hv_switch(0, 0), 0);
    /* Down with it loaded. */
    CHECK_EQ(hv_vcpu_stop(1), 0);
    uint32_t at = *word;

    check_busy();
    CHECK_EQ(*word, at);
    CHECK_EQ(hv_vcpu_up(HV_SELF, 1), 0);
    wait_for_count();
    /* What is unmapped here faults there. */
    unsigned before = faults;

    CHECK_EQ(test_unmap(HV_SELF, space, TEST_USER_CODE + HV_PAGE_SIZE, 1), 1);
    at = *word;
    while (faults == before)
        hv_yield();
    CHECK_EQ(*word, at);
    CHECK_EQ(fault_at, TEST_USER_CODE + HV_PAGE_SIZE);
    check_busy();
    /* Anew means in space 0: nobody has it any more. */
    HV_BUFFER(32)
    const struct hv_vcpu_context context = { .rip = HV_KERNEL_IMAGE };

    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_vcpu_set_context(HV_SELF, 1, hv_gpa(&context)), 0);
    CHECK(hv_space_destroy(HV_SELF, space) >= 0);
    CHECK_EQ(hv_switch(space, 0), -HV_EINVAL);
    CHECK(hv_space_end(HV_SELF, space) == 0 || hv_space_destroy(HV_SELF, space) == -HV_EINVAL);
    CHECK_EQ(hv_switch(space, 0), -HV_EINVAL);
}

/* ---- who comes first ---- */

static volatile uint64_t wanted; /* the space; 0: none for now */
static volatile uint64_t looked, entered, refused;
static volatile bool over;

static void go_in_and_out(void *arg)
{
    uint64_t kernel_stack = (uint64_t)(uintptr_t)stack + STACK / 2;

    (void)arg;
    while (!over) {
        uint64_t s = wanted;
        int64_t result = s ? hv_switch(s, kernel_stack) : -HV_EINVAL;

        if (result == 0) {
            CHECK_EQ(hv_guard_write32((uint32_t *)(TEST_USER_CODE + HV_PAGE_SIZE), 1), 0);
            entered = entered + 1;
            hv_yield(); /* with one processor the other finds it here */
            CHECK_EQ(hv_guard_write32((uint32_t *)(TEST_USER_CODE + HV_PAGE_SIZE), 1), 0);
            CHECK_EQ(hv_switch(0, kernel_stack), 0);
        } else {
            CHECK_EQ(result, -HV_EINVAL);
            refused = refused + (s != 0);
        }
        looked = looked + 1;
        hv_yield();
    }
}

static void check_race(void)
{
    uint64_t busy = 0;

    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_vcpu_start(1, go_in_and_out, NULL, stack, STACK), 0);
    for (unsigned i = 0; i < 30; i++) {
        int64_t result;
        uint64_t from = entered;

        build_space();
        wanted = space;
        while (entered == from)
            hv_yield();
        while ((result = hv_space_destroy(HV_SELF, space)) == -HV_EBUSY) {
            busy++;
            hv_yield();
        }
        CHECK(result >= 0);
        CHECK_EQ(hv_switch(space, 0), -HV_EINVAL);
        while (result > 0)
            result = hv_space_destroy(HV_SELF, space);
        CHECK_EQ(result, 0);
        wanted = 0;
        for (from = looked; looked < from + 2;) /* the number may be the next one's, too */
            hv_yield();
    }
    over = true;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    hv_printf("entered %lu times, refused %lu, busy %lu\n", entered, refused, busy);
}

void test_main(void)
{
    if (test_is("attacker")) {
        hv_set_fault_handler(14, on_fault);
        for (unsigned i = 0; i < 5; i++)
            check_round();
        check_race();
        return;
    }
    if (!test_is("root"))
        return;
    test_options = (struct test_options){ .vcpus = 2 };
    test_join(test_spawn("attacker", 0));
}

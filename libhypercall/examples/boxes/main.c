/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver pair, and who tries to break it. Booted as root, with itself as second module, this
 * image builds one front end after the other from that module, each with another character, and is
 * the back end of all of them:
 *
 *   honest   puts a number into each box, and looks whether they are there
 *   liar     asks for boxes and operations that do not exist
 *   jumper   says that it has written a thousand requests more than fit
 *   thief    takes its pages back while the back end uses them
 *
 * The last three must get what they deserve and nothing more, and be served again when they behave.
 */
#include "boxes.h"
#include <hvlib/arch/hypercall.h>
#include <hvlib/builder.h>
#include <hvlib/console.h>
#include <hvlib/event.h>
#include <hvlib/grant.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>
#include <hvlib/string.h>

static uint32_t fail(const char *what, int64_t error)
{
    hv_printf("boxes: %s (%ld)\n", what, error);
    return 1;
}

/* ---- front ends: 0 when all went as it should, else a line's number ---- */

static struct boxes boxes;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return (uint32_t)fail("unexpected, line", __LINE__);                                   \
    } while (0)

static uint32_t honest(void)
{
    EXPECT(boxes.count == BOXES);
    for (uint64_t n = 0; n < boxes.count; n++) {
        uint64_t value = n * n;

        EXPECT(boxes_call(&boxes, BOXES_PUT, n, &value) == BOXES_OK);
    }
    for (uint64_t n = 0; n < boxes.count; n++) {
        uint64_t value = 0;

        EXPECT(boxes_call(&boxes, BOXES_LOOK, n, &value) == BOXES_OK && value == n * n);
    }
    return 0;
}

static uint32_t liar(void)
{
    uint64_t value = 0;

    EXPECT(boxes_call(&boxes, BOXES_LOOK, boxes.count, &value) == BOXES_EBOX);
    EXPECT(boxes_call(&boxes, BOXES_PUT, ~(uint64_t)0, &value) == BOXES_EBOX);
    EXPECT(boxes_call(&boxes, 77, 0, &value) == BOXES_EOP);
    return honest();
}

/* The back end says DEAD; the same front end begins anew and is served. */
static uint32_t found_out(void)
{
    while (hv_front_step(&boxes.front) != HV_DEV_DEAD)
        hv_wait();
    boxes_close(&boxes);
    EXPECT(boxes_open(&boxes) == 0);
    return honest();
}

static uint32_t jumper(void)
{
    struct hv_ring_head *head = (void *)boxes.request_page;

    __atomic_store_n(&head->prod, head->prod + 1000, __ATOMIC_RELEASE);
    hv_event_send(boxes.record.port);
    return found_out();
}

static uint32_t thief(void)
{
    hv_grant_take_back(boxes.request_ref, boxes.request_page, 1);
    boxes.request_ref = 0;
    return found_out();
}

static const struct {
    const char *name;
    uint32_t (*play)(void);
} characters[] = {
    { "honest", honest }, { "liar", liar }, { "jumper", jumper }, { "thief", thief }
};

static uint32_t front_end(const char *role)
{
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        if (strcmp(characters[i].name, role) != 0)
            continue;
        int64_t result = boxes_open(&boxes);

        if (result < 0)
            return fail("not connected", result);
        uint32_t reason = characters[i].play();

        boxes_close(&boxes);
        return reason;
    }
    return fail("there is no such role", 0);
}

/* ---- the back end, and who builds its front ends ---- */

static struct boxes_back back;
static bool raised; /* the device's port, or that of the children */

static void set(uint32_t port, void *flag)
{
    (void)port;
    *(bool *)flag = true;
}

/* A device for the child: a page of its RAM granted to us, and a pair of ports. */
static int64_t make_device(struct hv_build *b, struct hv_device *device, uint64_t *page_ref)
{
    int64_t gfn = hv_build_page(b);
    int64_t theirs = hv_event_alloc(b->id, hv_start_domain_id());

    if (gfn < 0 || theirs < 0)
        return gfn < 0 ? gfn : theirs;
    int64_t ours = hv_event_listen(HV_BIND_PEER, b->id, (uint64_t)theirs, set, &raised);
    int64_t ref =
        hv_grant_create(b->id, hv_start_domain_id(), (uint64_t)gfn, 1, HV_MAP_READ | HV_MAP_WRITE);

    *device = (struct hv_device){ .class_ = BOXES_CLASS,
                                  .peer = hv_start_domain_id(),
                                  .page = (uint64_t)gfn,
                                  .port = (uint32_t)theirs };
    *page_ref = (uint64_t)ref;
    return ref < 0 ? ref : ours;
}

static int64_t build(struct hv_build *b)
{
    struct hv_device device;
    uint64_t page_ref = 0;
    int64_t result = hv_build_create(b);

    if (result == 0)
        result = make_device(b, &device, &page_ref);
    if (result >= 0)
        result = boxes_back_open(&back, b->id, page_ref, (uint32_t)result);
    if (result >= 0)
        result = hv_build_finish(b, &device, 1);
    return result < 0 ? result : hv_domain_start(b->id);
}

/* Has the child ended? Then *reason is what its guest_main returned, -1 when it was killed. The
 * event says that some child has ended, perhaps one of before: look. */
static bool is_over(uint64_t id, int64_t *reason)
{
    HV_BUFFER(256) struct hv_domain_info info;

    hv_domain_info(id, hv_gpa(&info));
    *reason = info.state == HV_DOMAIN_SHUTDOWN ? (int64_t)info.reason : -1;
    return info.state == HV_DOMAIN_SHUTDOWN || info.state == HV_DOMAIN_KILLED;
}

/* One front end from its first instruction to its end. */
static int64_t serve(const struct hv_start_module *module, const char *role)
{
    char cmdline[32];
    struct hv_build b = { .image = hv_module_data(module),
                          .image_bytes = module->bytes,
                          .cmdline = cmdline,
                          .ram_pages = 256 };

    hv_snprintf(cmdline, sizeof cmdline, "role=%s", role);
    int64_t result = build(&b);

    if (result < 0)
        return fail(b.why ? b.why : "cannot build it", result);
    while (!is_over(b.id, &result)) {
        raised = false;
        while (boxes_back_step(&back))
            hv_event_poll();
        while (!raised)
            hv_wait();
    }
    hv_printf("boxes: %s: reason %ld, %lu served, %lu refused, %lu broken\n", role, result,
              back.served, back.refused, back.broken);
    boxes_back_close(&back);
    hv_event_end(back.port);
    hv_domain_end(b.id);
    return result;
}

uint32_t guest_main(void)
{
    char role[8];

    if (hv_start_option("role", role, sizeof role))
        return front_end(role);
    const struct hv_start_module *module = hv_module_get(0), *next;

    for (uint32_t i = 1; (next = hv_module_get(i)) != NULL; i++)
        module = next;
    if (!module)
        return fail("start me with my own image as second module", 0);
    if (hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, set, &raised) < 0)
        return fail("no word about children", 0);
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        if (serve(module, characters[i].name) != 0)
            return 1;
    }
    hv_puts("boxes: all front ends served, none believed\n");
    return 0;
}

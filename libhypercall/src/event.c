/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events: dispatch of pending ports, masking, waiting, and ports with their handlers.
 *
 * Owns the handler table. The pending words are shared with hyp: hyp sets a bit of a word, then its
 * bit of the selector; here the selector is taken by exchange first and then each word it names, so
 * a bit that is set in between brings its selector bit again and no event is lost.
 */
#include "hvlib/event.h"
#include "hvlib/clock.h"
#include "hvlib/memory.h"
#include "hvlib/string.h"

struct handler {
    hv_event_fn fn;
    void *arg;
};

static struct handler handler[HV_MAX_PORTS];

static inline uint64_t take(uint64_t *word)
{
    return __atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL);
}

static inline bool waiting(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) != 0;
}

static inline uint32_t lowest(uint64_t bits)
{
    return (uint32_t)__builtin_ctzll(bits);
}

static inline void raise_port(uint32_t port)
{
    const struct handler *h = &handler[port];

    if (__builtin_expect(h->fn != NULL, 1))
        h->fn(port, h->arg);
}

static __attribute__((noinline)) void serve_urgent(struct hv_vcpu_page *v)
{
    uint64_t words = take(&v->pending_sel[HV_PRIORITY_URGENT]);

    for (; words; words &= words - 1) {
        uint32_t word = lowest(words);
        uint64_t bits = take(&v->pending[HV_PRIORITY_URGENT][word]);

        for (; bits; bits &= bits - 1)
            raise_port(word * 64 + lowest(bits));
    }
}

/* All taken words of normal priority, `bits` being what was in the first. Urgent ports go before
 * each normal one, also before those that are already taken. */
static __attribute__((noinline)) void serve_normal(struct hv_vcpu_page *v, uint64_t words,
                                                   uint64_t bits)
{
    for (;;) {
        uint32_t word = lowest(words);

        for (; bits; bits &= bits - 1) {
            if (waiting(&v->pending_sel[HV_PRIORITY_URGENT]))
                serve_urgent(v);
            raise_port(word * 64 + lowest(bits));
        }
        words &= words - 1;
        if (!words)
            return;
        bits = take(&v->pending[HV_PRIORITY_NORMAL][lowest(words)]);
    }
}

static __attribute__((noinline)) void serve_both(struct hv_vcpu_page *v)
{
    serve_urgent(v);
    uint64_t words = take(&v->pending_sel[HV_PRIORITY_NORMAL]);

    if (words)
        serve_normal(v, words, take(&v->pending[HV_PRIORITY_NORMAL][lowest(words)]));
}

/*
 * One normal port is by far the most frequent case: it is served without a register to save, its
 * handler called last. What comes while this runs may stay: everybody who unmasks looks at the
 * selectors once more behind it.
 */
void hv_event_poll(void)
{
    struct hv_vcpu_page *v = hv_this_page();

    if (__builtin_expect(waiting(&v->pending_sel[HV_PRIORITY_URGENT]), 0)) {
        serve_both(v);
        return;
    }
    uint64_t words = take(&v->pending_sel[HV_PRIORITY_NORMAL]);

    if (!words)
        return;
    uint64_t bits = take(&v->pending[HV_PRIORITY_NORMAL][lowest(words)]);

    if (__builtin_expect(((words & (words - 1)) | (bits & (bits - 1))) != 0, 0))
        serve_normal(v, words, bits);
    else if (bits)
        raise_port(lowest(words) * 64 + lowest(bits));
}

/* The order matters: cleared, fenced, then looked at. hyp sets a bit and then looks at `masked`, so
 * that one of the two sees the other. */
void hv_unmask(void)
{
    for (;;) {
        hv_set_masked(0);
        hv_fence();
        if (!hv_event_pending())
            return;
        hv_set_masked(1);
        hv_event_poll();
    }
}

void hv_wait(void)
{
    hv_block();
    hv_mask();
}

/* The selector is left: it may name words that are empty. */
static uint32_t take_first(const uint32_t *ports, uint32_t count)
{
    struct hv_vcpu_page *v = hv_this_page();

    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = (uint64_t)1 << ports[i] % 64;

        for (uint32_t p = 0; p < 2; p++) {
            uint64_t *word = &v->pending[p][ports[i] / 64];

            if (__atomic_fetch_and(word, ~bit, __ATOMIC_ACQ_REL) & bit)
                return ports[i];
        }
    }
    return 0;
}

int64_t hv_event_await(const uint32_t *ports, uint32_t count, uint64_t deadline)
{
    HV_BUFFER(256) uint32_t list[HV_MAX_POLL_PORTS];
    int64_t result = -HV_EINVAL;
    bool was;

    if (count > HV_MAX_POLL_PORTS)
        return result;
    memcpy(list, ports, count * sizeof *list);
    was = hv_mask();
    do {
        result = hv_poll(hv_gpa(list), count, deadline);
        if (result == 0)
            result = take_first(list, count);
    } while (result == 0 && hv_now() < deadline);
    hv_restore(was);
    return result;
}

int64_t hv_event_handler(uint64_t port, hv_event_fn fn, void *arg)
{
    if (port >= HV_MAX_PORTS)
        return -HV_EINVAL;
    /* An upcall between the two stores must not call the new function with the old argument. */
    bool was = hv_mask();

    __atomic_store_n(&handler[port].arg, arg, __ATOMIC_RELAXED);
    __atomic_store_n(&handler[port].fn, fn, __ATOMIC_RELEASE);
    hv_restore(was);
    return 0;
}

/* The port exists before its handler does: what comes in between waits for the unmask. */
static int64_t with_handler(bool was, int64_t port, hv_event_fn fn, void *arg)
{
    if (port >= 0)
        hv_event_handler((uint64_t)port, fn, arg);
    hv_restore(was);
    return port;
}

int64_t hv_event_offer(uint64_t peer, hv_event_fn fn, void *arg)
{
    bool was = hv_mask();

    return with_handler(was, hv_event_alloc(HV_SELF, peer), fn, arg);
}

int64_t hv_event_listen(uint64_t kind, uint64_t a, uint64_t b, hv_event_fn fn, void *arg)
{
    bool was = hv_mask();

    return with_handler(was, hv_event_bind(HV_SELF, kind, a, b, 0), fn, arg);
}

int64_t hv_event_end(uint64_t port)
{
    bool was = hv_mask();
    int64_t result = hv_event_close(HV_SELF, port);

    if (result == 0)
        hv_event_handler(port, NULL, NULL);
    hv_restore(was);
    return result;
}

int64_t hv_event_query(uint64_t port, struct hv_event_status *status)
{
    HV_BUFFER(64)
    struct hv_event_status copy = { 0 };
    int64_t result = hv_event_status(HV_SELF, port, hv_gpa(&copy));

    *status = copy;
    return result;
}

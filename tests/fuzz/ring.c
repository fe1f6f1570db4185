/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a pair of rings, of each kind, against a peer that writes anything anywhere in its
 * ring, at any moment: the input is what both do. Nothing outside the rings is touched (they have
 * their exact size under ASan), the counts keep their invariants, and a broken ring stays broken.
 *
 * inputs: 600000
 * sources: libhypercall/src/ring.c tests/unit/host_guard.c
 */
#include "fuzz.h"

#include "hvlib/ring.h"

static void check(const struct hv_ring *r)
{
    if (r->broken)
        return;
    require(r->prod - r->pushed <= r->out_slots && r->in_prod - r->cons <= r->in_slots);
    require(r->prod - r->acked <= r->out_slots || r->kind != HV_RING_STREAM);
    require(r->prod - r->cons <= r->out_slots || r->kind != HV_RING_FRONT);
    require(r->in_prod - r->prod <= r->out_slots || r->kind != HV_RING_BACK);
}

static void step(struct input *in, struct hv_ring *r, uint8_t *peer, size_t bytes)
{
    uint8_t slot[HV_PAGE_SIZE] = { 0 };
    bool was_broken = r->broken;
    int64_t result = 0;
    uint32_t word;

    switch (take8(in) % 8) {
    case 0:
        take_bytes(in, slot, 16);
        result = hv_ring_put(r, slot);
        break;
    case 1:
        result = hv_ring_push(r);
        break;
    case 2:
        result = hv_ring_get(r, slot);
        break;
    case 3:
        result = hv_ring_sleep(r);
        break;
    case 4:
        result =
            r->kind == HV_RING_STREAM ? hv_ring_consumed(r) : hv_ring_sleep_for(r, 1 + take8(in));
        break;
    case 5: /* the peer's index moves by a little: what an honest one, or a sly one, does */
        memcpy(&word, peer, sizeof word);
        word += take8(in) - 8u;
        memcpy(peer, &word, sizeof word);
        break;
    case 6:
        word = take32(in);
        memcpy(peer + (take8(in) & 1) * 4, &word, sizeof word);
        break;
    default:
        peer[take32(in) % bytes] = take8(in);
        break;
    }
    require(!was_broken || (r->broken && (result == 0 || result == -HV_EDEAD)));
    require(result != -HV_EDEAD || r->broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint32_t kind = take8(&in) % 3, out_pages = 1 + take8(&in) % 8, in_pages = 1 + take8(&in) % 8;
    uint32_t out_size = 4 * (1 + take8(&in)), in_size = 4 * (1 + take8(&in)), start = take32(&in);
    size_t out_bytes = out_pages * HV_PAGE_SIZE, in_bytes = in_pages * HV_PAGE_SIZE;
    uint8_t *out = aligned_alloc(HV_PAGE_SIZE, out_bytes);
    uint8_t *peer = aligned_alloc(HV_PAGE_SIZE, in_bytes);
    struct hv_ring r;

    memset(out, 0, out_bytes);
    memset(peer, 0, in_bytes);
    if (hv_ring_init(&r, kind, out, out_pages, out_size, peer, in_pages, in_size) == 0) {
        r.prod = r.pushed = r.cons = r.in_prod = r.acked = start;
        memcpy(peer, &start, sizeof start);
        while (in.left) {
            step(&in, &r, peer, in_bytes);
            check(&r);
            require(hv_ring_room(&r) <= r.out_slots);
        }
    }
    free(out);
    free(peer);
    return 0;
}

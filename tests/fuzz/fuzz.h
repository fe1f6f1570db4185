/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share: libFuzzer's entry, and an input that is read off piece by piece. Behind
 * the end of the input every piece is 0, so that each input means the same however it is cut.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a fuzzer finds is a crash. */
#define require(x)                                                                                 \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

struct input {
    const uint8_t *at;
    size_t left;
};

static inline void take_bytes(struct input *in, void *to, size_t bytes)
{
    size_t n = bytes < in->left ? bytes : in->left;

    memset(to, 0, bytes);
    if (n)
        memcpy(to, in->at, n);
    in->at += n;
    in->left -= n;
}

static inline uint8_t take8(struct input *in)
{
    uint8_t v;

    take_bytes(in, &v, sizeof v);
    return v;
}

static inline uint32_t take32(struct input *in)
{
    uint32_t v;

    take_bytes(in, &v, sizeof v);
    return v;
}

static inline uint64_t take64(struct input *in)
{
    uint64_t v;

    take_bytes(in, &v, sizeof v);
    return v;
}

#endif

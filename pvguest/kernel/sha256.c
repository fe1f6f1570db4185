/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 after FIPS 180-4.
 *
 * Whole blocks are hashed from where they lie; only the ends of the caller's pieces are copied. The
 * message schedule is kept as a ring of 16 words, and the rounds are unrolled by eight so that the
 * working variables rotate by renaming instead of by moves.
 */
#include "sha256.h"
#include "kstring.h"

#define BLOCK 64u

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t load_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

/* One round; `v` rotates right by one place a round, so place i is v[(i - t) mod 8]. */
static inline void one_round(uint32_t v[8], unsigned t, uint32_t input)
{
    uint32_t a = v[(0 - t) & 7], b = v[(1 - t) & 7], c = v[(2 - t) & 7];
    uint32_t e = v[(4 - t) & 7], f = v[(5 - t) & 7], g = v[(6 - t) & 7];
    uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    uint32_t choose = g ^ (e & (f ^ g));
    uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    uint32_t majority = (a & b) | (c & (a | b));
    uint32_t t1 = v[(7 - t) & 7] + sum1 + choose + input;

    v[(3 - t) & 7] += t1;
    v[(7 - t) & 7] = t1 + sum0 + majority;
}

/* Word t of the schedule, for t >= 16: it takes the place of word t - 16. */
static inline uint32_t extend(uint32_t w[16], unsigned t)
{
    uint32_t near = w[(t - 2) & 15], far = w[(t - 15) & 15];
    uint32_t sigma1 = rotate(near, 17) ^ rotate(near, 19) ^ near >> 10;
    uint32_t sigma0 = rotate(far, 7) ^ rotate(far, 18) ^ far >> 3;

    return w[t & 15] += sigma1 + w[(t - 7) & 15] + sigma0;
}

static inline void eight_rounds(uint32_t v[8], const uint32_t w[8], const uint32_t k[8])
{
    one_round(v, 0, w[0] + k[0]);
    one_round(v, 1, w[1] + k[1]);
    one_round(v, 2, w[2] + k[2]);
    one_round(v, 3, w[3] + k[3]);
    one_round(v, 4, w[4] + k[4]);
    one_round(v, 5, w[5] + k[5]);
    one_round(v, 6, w[6] + k[6]);
    one_round(v, 7, w[7] + k[7]);
}

static void hash_block(uint32_t state[8], const uint8_t *data)
{
    uint32_t w[16], v[8];

    for (unsigned t = 0; t < 16; t++)
        w[t] = load_be(&data[4 * t]);
    for (unsigned i = 0; i < 8; i++)
        v[i] = state[i];
    eight_rounds(v, &w[0], &round_constants[0]);
    eight_rounds(v, &w[8], &round_constants[8]);
    for (unsigned t = 16; t < 64; t += 16) {
        for (unsigned i = 0; i < 16; i++)
            extend(w, t + i);
        eight_rounds(v, &w[0], &round_constants[t]);
        eight_rounds(v, &w[8], &round_constants[t + 8]);
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += v[i];
}

void sha256_init(struct sha256 *s)
{
    static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

    memcpy(s->state, initial, sizeof(initial));
    s->bytes = 0;
}

void sha256_update(struct sha256 *s, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    size_t held = s->bytes % BLOCK;

    s->bytes += bytes;
    if (held > 0) {
        size_t n = bytes < BLOCK - held ? bytes : BLOCK - held;
        memcpy(&s->block[held], from, n);
        if (held + n < BLOCK)
            return;
        hash_block(s->state, s->block);
        from += n;
        bytes -= n;
    }
    for (; bytes >= BLOCK; from += BLOCK, bytes -= BLOCK)
        hash_block(s->state, from);
    if (bytes > 0)
        memcpy(s->block, from, bytes);
}

void sha256_final(struct sha256 *s, uint8_t digest[SHA256_BYTES])
{
    static const uint8_t padding[BLOCK] = { 0x80 };
    uint64_t bits = s->bytes * 8;
    uint8_t length[8];

    store_be(&length[0], (uint32_t)(bits >> 32));
    store_be(&length[4], (uint32_t)bits);
    sha256_update(s, padding, BLOCK - (s->bytes + sizeof(length)) % BLOCK);
    sha256_update(s, length, sizeof(length));
    for (unsigned i = 0; i < 8; i++)
        store_be(&digest[4 * i], s->state[i]);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX_BYTES])
{
    static const char digits[16] = "0123456789abcdef";

    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * SHA256_BYTES] = '\0';
}

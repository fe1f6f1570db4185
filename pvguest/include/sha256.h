/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 (FIPS 180-4), incremental. State is the caller's; any split of the data gives one result.
 */
#ifndef PVGUEST_SHA256_H
#define PVGUEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES     32u
#define SHA256_HEX_BYTES 65u /**< hexadecimal digits and a terminator */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes; /**< taken so far; the last bytes % 64 of them wait in `block` */
    uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t bytes);
/** Writes the digest; `s` must be initialised again before it is used for other data. */
void sha256_final(struct sha256 *s, uint8_t digest[SHA256_BYTES]);
/** The digest as sha256sum prints it. */
void sha256_hex(const uint8_t digest[SHA256_BYTES], char hex[SHA256_HEX_BYTES]);

#endif

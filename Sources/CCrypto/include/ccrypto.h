/* The few primitives LinkRelay's key store needs, over OpenSSL. Swift never sees OpenSSL itself.
 *
 * All functions are thread-safe, allocate nothing that outlives the call, and return false on failure (out untouched or wiped).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CCRYPTO_H
#define CCRYPTO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __clang__
#pragma clang assume_nonnull begin
#define LRC_BYTES(n) _Nonnull n /* assume_nonnull does not reach array parameters */
#else
#define LRC_BYTES(n) n
#endif

bool lrc_random(uint8_t *out, size_t n);
bool lrc_sha256(const uint8_t *p, size_t n, uint8_t out[LRC_BYTES(32)]);
bool lrc_hmac_sha256(const uint8_t *key, size_t key_n, const uint8_t *p, size_t n, uint8_t out[LRC_BYTES(32)]);
/* AES-256-GCM (NIST SP 800-38D). `out` takes n bytes of ciphertext, then a 16-byte tag. */
bool lrc_seal(const uint8_t key[LRC_BYTES(32)], const uint8_t nonce[LRC_BYTES(12)], const uint8_t *ad, size_t ad_n,
              const uint8_t *p, size_t n, uint8_t *out);
/* `n` counts ciphertext and tag; `out` takes n - 16. False when the tag does not match. */
bool lrc_open(const uint8_t key[LRC_BYTES(32)], const uint8_t nonce[LRC_BYTES(12)], const uint8_t *ad, size_t ad_n,
              const uint8_t *p, size_t n, uint8_t *out);
bool lrc_equal(const uint8_t *a, const uint8_t *b, size_t n); /* constant time */
void lrc_wipe(void *p, size_t n);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif

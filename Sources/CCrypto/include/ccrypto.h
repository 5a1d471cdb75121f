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
/* What a public key verifies with, fixed by the key and never by the message: RSASSA-PKCS1-v1_5 and ECDSA over P-256, both with
 * SHA-256 (RFC 7518 3.3, 3.4), and Ed25519 (RFC 8037). */
enum lrc_algorithm { LRC_RS256 = 1, LRC_ES256 = 2, LRC_EDDSA = 3 };
/* Whether `sig` is the signature of `p` by a key. RS256: `a` is the modulus (2048 to 8192 bits), `b` the exponent, both big-endian.
 * ES256: `a` and `b` are the point's coordinates, 32 bytes each; `sig` is r and s, 32 bytes each. EdDSA: `a` is the key, 32 bytes,
 * `b` is empty. A key or signature of another form verifies nothing. */
bool lrc_verify(enum lrc_algorithm algorithm, const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n, const uint8_t *p,
                size_t n, const uint8_t *sig, size_t sig_n);
void lrc_wipe(void *p, size_t n);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif

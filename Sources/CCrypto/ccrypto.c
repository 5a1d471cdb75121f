/* The key store's primitives over OpenSSL's EVP: random bytes, SHA-256, HMAC, AES-256-GCM, constant-time compare, wiping.
 *
 * Any thread. Must never leave plaintext behind a failure, nor an entry in the thread's OpenSSL error queue: TLS on the same
 * thread would take it for its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ccrypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define NONCE_BYTES 12
#define TAG_BYTES 16u
/* OpenSSL counts in int; no secret of ours comes near. */
#define INPUT_MAX ((size_t)INT_MAX - TAG_BYTES)

static bool settle(bool ok)
{
    if (!ok)
        ERR_clear_error();
    return ok;
}

bool lrc_random(uint8_t *out, size_t n)
{
    return n <= INPUT_MAX && settle(n == 0 || RAND_bytes(out, (int)n) == 1);
}

bool lrc_sha256(const uint8_t *p, size_t n, uint8_t out[32])
{
    return settle(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) == 1);
}

bool lrc_hmac_sha256(const uint8_t *key, size_t key_n, const uint8_t *p, size_t n, uint8_t out[32])
{
    return key_n <= INPUT_MAX && settle(HMAC(EVP_sha256(), key, (int)key_n, p, n, out, NULL) != NULL);
}

/* Feeds the additional data; OpenSSL takes an empty input for the end, so none is given. */
static bool add_data(EVP_CIPHER_CTX *c, const uint8_t *ad, size_t ad_n)
{
    int written = 0;
    return ad_n == 0 || EVP_CipherUpdate(c, NULL, &written, ad, (int)ad_n) == 1;
}

static bool add_text(EVP_CIPHER_CTX *c, const uint8_t *p, size_t n, uint8_t *out)
{
    int written = 0;
    return n == 0 || (EVP_CipherUpdate(c, out, &written, p, (int)n) == 1 && written == (int)n);
}

bool lrc_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *ad, size_t ad_n, const uint8_t *p, size_t n,
              uint8_t *out)
{
    if (n > INPUT_MAX || ad_n > INPUT_MAX)
        return false;
    uint8_t rest[TAG_BYTES];
    int written = 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    /* GCM's nonce is 12 bytes unless told otherwise. */
    const bool ok = c != NULL && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, 1) == 1 &&
                    EVP_CIPHER_CTX_get_iv_length(c) == NONCE_BYTES && add_data(c, ad, ad_n) && add_text(c, p, n, out) &&
                    EVP_CipherFinal_ex(c, rest, &written) == 1 && written == 0 &&
                    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)TAG_BYTES, out + n) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!ok)
        OPENSSL_cleanse(out, n + TAG_BYTES);
    return settle(ok);
}

bool lrc_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *ad, size_t ad_n, const uint8_t *p, size_t n,
              uint8_t *out)
{
    if (n < TAG_BYTES || n - TAG_BYTES > INPUT_MAX || ad_n > INPUT_MAX)
        return false;
    const size_t text_n = n - TAG_BYTES;
    uint8_t tag[TAG_BYTES], rest[TAG_BYTES];
    int written = 0;
    for (size_t i = 0; i < TAG_BYTES; i++)
        tag[i] = p[text_n + i];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const bool ok = c != NULL && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, 0) == 1 &&
                    EVP_CIPHER_CTX_get_iv_length(c) == NONCE_BYTES && add_data(c, ad, ad_n) &&
                    add_text(c, p, text_n, out) &&
                    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)TAG_BYTES, tag) == 1 &&
                    EVP_CipherFinal_ex(c, rest, &written) == 1 && written == 0;
    EVP_CIPHER_CTX_free(c);
    /* Unauthenticated plaintext has been written by now. */
    if (!ok && text_n > 0)
        OPENSSL_cleanse(out, text_n);
    return settle(ok);
}

void lrc_wipe(void *p, size_t n)
{
    if (n > 0)
        OPENSSL_cleanse(p, n);
}

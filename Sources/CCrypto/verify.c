/* Verifying signatures with public keys given as numbers: RS256, ES256, EdDSA, over OpenSSL's EVP.
 *
 * Any thread. The algorithm belongs to the key: nothing in a message can choose it. Must never leave an entry in the thread's
 * OpenSSL error queue.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ccrypto.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define COORDINATE_BYTES 32u
#define RSA_BYTES_MIN 256u
#define RSA_BYTES_MAX 1024u
#define RSA_EXPONENT_BYTES_MAX 4u
#define SIGNATURE_DER_MAX 80

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(const uint8_t *n, size_t n_n, const uint8_t *e, size_t e_n)
{
    if (n_n < RSA_BYTES_MIN || n_n > RSA_BYTES_MAX || n[0] == 0 || e_n == 0 || e_n > RSA_EXPONENT_BYTES_MAX ||
        (e[e_n - 1] & 1u) == 0 || (n[n_n - 1] & 1u) == 0)
        return NULL;
    EVP_PKEY *key = NULL;
    BIGNUM *modulus = BN_bin2bn(n, (int)n_n, NULL), *exponent = BN_bin2bn(e, (int)e_n, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (modulus != NULL && exponent != NULL && build != NULL && BN_num_bits(modulus) >= (int)RSA_BYTES_MIN * 8 &&
        BN_get_word(exponent) >= 3 && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = key_from("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *p256_key(const uint8_t *x, size_t x_n, const uint8_t *y, size_t y_n)
{
    if (x_n != COORDINATE_BYTES || y_n != COORDINATE_BYTES)
        return NULL;
    uint8_t point[1 + 2 * COORDINATE_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(point + 1, x, COORDINATE_BYTES);
    memcpy(point + 1 + COORDINATE_BYTES, y, COORDINATE_BYTES);
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    /* A point that is not on the curve makes no key. */
    if (build != NULL && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
        key = key_from("EC", build);
    OSSL_PARAM_BLD_free(build);
    return key;
}

/* r and s as OpenSSL takes them; the DER's length, 0 on failure. */
static size_t der_signature(const uint8_t *sig, size_t n, uint8_t out[SIGNATURE_DER_MAX])
{
    if (n != (size_t)2 * COORDINATE_BYTES)
        return 0;
    size_t written = 0;
    BIGNUM *r = BN_bin2bn(sig, (int)COORDINATE_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(sig + COORDINATE_BYTES, (int)COORDINATE_BYTES, NULL);
    ECDSA_SIG *both = ECDSA_SIG_new();
    if (r != NULL && s != NULL && both != NULL && ECDSA_SIG_set0(both, r, s) == 1) {
        r = s = NULL; /* `both` owns them now */
        const int size = i2d_ECDSA_SIG(both, NULL);
        uint8_t *end = out;
        if (size > 0 && size <= SIGNATURE_DER_MAX && i2d_ECDSA_SIG(both, &end) == size)
            written = (size_t)size;
    }
    ECDSA_SIG_free(both);
    BN_free(r);
    BN_free(s);
    return written;
}

bool lrc_verify(enum lrc_algorithm algorithm, const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n, const uint8_t *p,
                size_t n, const uint8_t *sig, size_t sig_n)
{
    EVP_PKEY *key = NULL;
    const EVP_MD *digest = EVP_sha256();
    uint8_t der[SIGNATURE_DER_MAX];
    switch (algorithm) {
    case LRC_RS256:
        key = rsa_key(a, a_n, b, b_n);
        break;
    case LRC_ES256:
        key = p256_key(a, a_n, b, b_n);
        sig_n = der_signature(sig, sig_n, der);
        sig = der;
        break;
    case LRC_EDDSA:
        if (a_n == COORDINATE_BYTES && b_n == 0)
            key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, a, a_n);
        digest = NULL;
        break;
    default:
        break;
    }
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    const bool ok = key != NULL && c != NULL && sig_n > 0 && EVP_DigestVerifyInit(c, NULL, digest, NULL, key) == 1 &&
                    EVP_DigestVerify(c, sig, sig_n, p, n) == 1;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok;
}

/* CCrypto against published answers: FIPS 180-4 examples, RFC 4231, and the AES-256-GCM cases of the GCM specification.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "ccrypto.h"
#include "check.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t unhex(uint8_t *out, const char *text)
{
    size_t n = 0;
    for (; text[2 * n] != '\0'; n++) {
        const char pair[3] = {text[2 * n], text[2 * n + 1], '\0'};
        out[n] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static bool is_hex(const uint8_t *p, size_t n, const char *text)
{
    uint8_t expected[256];
    return unhex(expected, text) == n && memcmp(p, expected, n) == 0;
}

TEST(crypto_sha256)
{
    uint8_t out[32];
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    CHECK(lrc_sha256((const uint8_t *)"abc", 3, out));
    CHECK(is_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(lrc_sha256((const uint8_t *)"", 0, out));
    CHECK(is_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CHECK(lrc_sha256((const uint8_t *)long_text, sizeof long_text - 1, out));
    CHECK(is_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

TEST(crypto_hmac_rfc4231)
{
    static const struct {
        const char *name, *key, *text, *mac;
    } cases[] = {
        {"1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"2", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    };
    uint8_t key[131], text[160], out[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t key_n = unhex(key, cases[i].key), n = unhex(text, cases[i].text);
        CHECK_ROW(lrc_hmac_sha256(key, key_n, text, n, out) && is_hex(out, 32, cases[i].mac), cases[i].name);
    }
    static const char case6[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    static const char case7[] = "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
                                "hashed before being used by the HMAC algorithm.";
    memset(key, 0xaa, sizeof key);
    CHECK(lrc_hmac_sha256(key, sizeof key, (const uint8_t *)case6, sizeof case6 - 1, out));
    CHECK(is_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    CHECK(lrc_hmac_sha256(key, sizeof key, (const uint8_t *)case7, sizeof case7 - 1, out));
    CHECK(is_hex(out, 32, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"));
    CHECK(lrc_hmac_sha256(key, 0, text, 0, out));
    CHECK(is_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

typedef struct gcm_case {
    const char *name, *key, *nonce, *ad, *text, *sealed;
} gcm_case;

/* "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16. */
static const gcm_case gcm_cases[] = {
    {"13", "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"14", "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"15", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"16", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

TEST(crypto_gcm)
{
    uint8_t key[32], nonce[12], ad[64], text[96], sealed[112], out[112];
    for (size_t i = 0; i < sizeof gcm_cases / sizeof gcm_cases[0]; i++) {
        const gcm_case *c = &gcm_cases[i];
        unhex(key, c->key);
        unhex(nonce, c->nonce);
        const size_t ad_n = unhex(ad, c->ad), n = unhex(text, c->text);
        CHECK_ROW(lrc_seal(key, nonce, ad, ad_n, text, n, sealed) && is_hex(sealed, n + 16, c->sealed), c->name);
        CHECK_ROW(lrc_open(key, nonce, ad, ad_n, sealed, n + 16, out) && memcmp(out, text, n) == 0, c->name);
        /* In place, as a caller may. */
        memcpy(out, text, n);
        CHECK_ROW(lrc_seal(key, nonce, ad, ad_n, out, n, out) && memcmp(out, sealed, n + 16) == 0, c->name);
        CHECK_ROW(lrc_open(key, nonce, ad, ad_n, out, n + 16, out) && memcmp(out, text, n) == 0, c->name);
    }
}

/* One bit anywhere, and nothing comes out: neither text nor an entry for TLS to stumble over. */
TEST(crypto_gcm_forgeries)
{
    uint8_t key[32], nonce[12], ad[64], sealed[112], out[112];
    const gcm_case *c = &gcm_cases[3];
    unhex(key, c->key);
    unhex(nonce, c->nonce);
    const size_t ad_n = unhex(ad, c->ad), n = unhex(sealed, c->sealed);
    bool refused = true;
    for (size_t bit = 0; bit < n * 8; bit++) {
        memset(out, 0x55, sizeof out);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused = refused && !lrc_open(key, nonce, ad, ad_n, sealed, n, out) && is_zero(out, n - 16);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(refused);
    CHECK(!lrc_open(key, nonce, ad, ad_n - 1, sealed, n, out));
    CHECK(!lrc_open(key, nonce, ad, ad_n, sealed, n - 1, out));
    CHECK(!lrc_open(key, nonce, ad, ad_n, sealed, 15, out) && !lrc_open(key, nonce, ad, 0, sealed, 0, out));
    nonce[11] ^= 1;
    CHECK(!lrc_open(key, nonce, ad, ad_n, sealed, n, out));
    nonce[11] ^= 1;
    key[0] ^= 0x80;
    CHECK(!lrc_open(key, nonce, ad, ad_n, sealed, n, out));
    key[0] ^= 0x80;
    CHECK(lrc_open(key, nonce, ad, ad_n, sealed, n, out));
    CHECK(ERR_peek_error() == 0);
}

TEST(crypto_sizes_beyond_int)
{
    uint8_t key[32] = {0}, nonce[12] = {0}, byte = 7;
    const size_t huge = (size_t)1 << 32;
    CHECK(!lrc_random(&byte, huge) && !lrc_seal(key, nonce, &byte, 0, &byte, huge, &byte));
    CHECK(!lrc_open(key, nonce, &byte, 0, &byte, huge, &byte) && !lrc_seal(key, nonce, &byte, huge, &byte, 0, &byte));
    CHECK(byte == 7);
}

TEST(crypto_random_wipe)
{
    uint8_t a[64] = {0}, b[64] = {0};
    CHECK(lrc_random(a, sizeof a) && lrc_random(b, sizeof b) && lrc_random(a, 0));
    CHECK(!is_zero(a, 64) && memcmp(a, b, sizeof a) != 0);
    lrc_wipe(a, 63);
    CHECK(is_zero(a, 63));
    lrc_wipe(a, 0);
}

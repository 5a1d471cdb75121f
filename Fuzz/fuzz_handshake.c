/* The handshake: key, answer, token lists. The first line of the input is the key, the second a token, the rest a list.
 *
 * Claims: a valid key is base64 of 16 bytes as OpenSSL reads it; the answer is 28 characters of base64 of the digest taken another way;
 * a list holds a token exactly if one of its trimmed elements is that token.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "parse.h"

#include <openssl/evp.h>

static void check_key(cws_slice key)
{
    char answer[29];
    memset(answer, 'x', sizeof answer);
    const bool is_valid = ws_key_valid(key);
    ws_accept_key(key, answer);
    if (!is_valid) {
        REQUIRE(answer[0] == '\0');
        return;
    }
    uint8_t bytes[18];
    REQUIRE(key.n == 24 && EVP_DecodeBlock(bytes, key.p, 24) == 18 && memchr(key.p, '=', 22) == NULL);

    uint8_t digest[EVP_MAX_MD_SIZE], decoded[21];
    unsigned digest_n = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    REQUIRE(c != NULL && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(c, key.p, key.n) == 1);
    REQUIRE(EVP_DigestUpdate(c, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36) == 1);
    REQUIRE(EVP_DigestFinal_ex(c, digest, &digest_n) == 1 && digest_n == 20);
    EVP_MD_CTX_free(c);
    REQUIRE(strlen(answer) == 28 && EVP_DecodeBlock(decoded, (const uint8_t *)answer, 28) == 21);
    REQUIRE(memcmp(decoded, digest, 20) == 0);
}

static bool same_any_case(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        const char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] + 32) : b[i];
        if (x != y)
            return false;
    }
    return true;
}

/* Element by element, trimmed from both ends. */
static bool has_element(const char *list, size_t n, const char *token)
{
    size_t start = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && list[i] != ',')
            continue;
        size_t from = start, to = i;
        while (to > from && (list[to - 1] == ' ' || list[to - 1] == '\t'))
            to--;
        while (from < to && (list[from] == ' ' || list[from] == '\t'))
            from++;
        if (to > from && to - from == strlen(token) && same_any_case(list + from, token, to - from))
            return true;
        start = i + 1;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
    const uint8_t *end = memchr(input, '\n', n);
    const size_t key_n = end != NULL ? (size_t)(end - input) : n;
    uint8_t *key = fuzz_copy(input, key_n);
    check_key((cws_slice){key, key_n});
    free(key);
    if (end == NULL)
        return 0;

    const uint8_t *rest = end + 1;
    const size_t rest_n = n - key_n - 1;
    const uint8_t *token_end = memchr(rest, '\n', rest_n);
    if (token_end == NULL)
        return 0;
    char token[64] = {0};
    const size_t token_n = (size_t)(token_end - rest);
    memcpy(token, rest, token_n < sizeof token ? token_n : sizeof token - 1);
    const size_t list_n = rest_n - token_n - 1;
    uint8_t *list = fuzz_copy(token_end + 1, list_n);
    REQUIRE(http1_list_has_token((cws_slice){list, list_n}, token) == has_element((const char *)list, list_n, token));
    free(list);
    return 0;
}

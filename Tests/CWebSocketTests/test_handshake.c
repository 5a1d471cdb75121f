/* The opening handshake's key, answer and token lists.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "parse.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static cws_slice slice(const char *text) { return (cws_slice){(const uint8_t *)text, strlen(text)}; }

TEST(handshake_accept_key)
{
    char out[29];
    /* RFC 6455 1.3 */
    ws_accept_key(slice("dGhlIHNhbXBsZSBub25jZQ=="), out);
    CHECK(strcmp(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 0);
    ws_accept_key(slice("too short"), out);
    CHECK(out[0] == '\0');
}

TEST(handshake_key_valid)
{
    static const struct {
        const char *text;
        bool is_valid;
    } keys[] = {
        {"dGhlIHNhbXBsZSBub25jZQ==", true},
        {"AAAAAAAAAAAAAAAAAAAAAA==", true},
        {"+/+/+/+/+/+/+/+/+/+/+w==", true},
        {"", false},
        {"dGhlIHNhbXBsZSBub25jZQ=", false},
        {"dGhlIHNhbXBsZSBub25jZQ", false},
        {"dGhlIHNhbXBsZSBub25jZQ===", false},
        {"dGhlIHNhbXBsZSBub25jZQA=", false},
        {"dGhlIHNhbXBsZSBub25jZQAA", false},
        {"dGhlIHNhbXBsZSBub25j=Q==", false},
        {"dGhlIHNhbXBsZSBub25j Q==", false},
        {"dGhlIHNhbXBsZS-ub25jZQ==", false},
        {"dGhlIHNhbXBsZS_ub25jZQ==", false},
        {"dGhlIHNhbXBsZSBub25jZ\xC3\xBC==", false},
        {"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==", false},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const size_t n = strlen(keys[i].text);
        const cws_slice key = {check_guarded((const uint8_t *)keys[i].text, n), n};
        CHECK_ROW(ws_key_valid(key) == keys[i].is_valid, keys[i].text);
    }
    CHECK(!ws_key_valid((cws_slice){NULL, 0}));
}

TEST(handshake_lists)
{
    static const struct {
        const char *value, *token;
        bool has;
    } lists[] = {
        {"upgrade", "upgrade", true},
        {"UpGrAdE", "uPgRaDe", true},
        {"keep-alive, Upgrade", "upgrade", true},
        {"keep-alive,Upgrade\t ,x", "upgrade", true},
        {",, ,upgrade,", "upgrade", true},
        {"", "upgrade", false},
        {" ", "upgrade", false},
        {",", "upgrade", false},
        {"upgrades", "upgrade", false},
        {"upgrad", "upgrade", false},
        {"xupgrade", "upgrade", false},
        {"up grade", "upgrade", false},
        {"\"upgrade\"", "upgrade", false},
        {"upgrade;q=1", "upgrade", false},
        {"upgrade/1", "upgrade", false},
        {"a b, upgrade x", "upgrade", false},
        {"a,,b", "", false},
        {"linkrelay.v1, chat", "linkrelay.v1", true},
        {"linkrelay.v12", "linkrelay.v1", false},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const size_t n = strlen(lists[i].value);
        const cws_slice value = {check_guarded((const uint8_t *)lists[i].value, n), n};
        CHECK_ROW(http1_list_has_token(value, lists[i].token) == lists[i].has, lists[i].value);
    }
    CHECK(!http1_list_has_token((cws_slice){NULL, 0}, "x"));
    const cws_slice with_nul = {(const uint8_t *)"upgrade\0", 8};
    CHECK(!http1_list_has_token(with_nul, "upgrade"));
}

/* CVE-2021-32640: blanks between an element and the next were tried again from each of them. Quadratic work would take minutes. */
TEST(handshake_list_is_linear)
{
    const size_t n = 1u << 21;
    uint8_t *p = malloc(n);
    memset(p, ' ', n);
    p[0] = 'b';
    p[n - 1] = 'x';
    const clock_t start = clock();
    CHECK(!http1_list_has_token((cws_slice){p, n}, "x"));
    memset(p, ',', n);
    CHECK(!http1_list_has_token((cws_slice){p, n}, "x"));
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 20.0);
    free(p);
}

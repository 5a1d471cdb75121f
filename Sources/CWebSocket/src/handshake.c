/* Decides what belongs to the opening handshake alone: the key, its answer, and token lists (RFC 6455 4.2, RFC 9110 5.6.1).
 *
 * Any thread. The digest is OpenSSL's, which allocates for the time of the call: the one exception on the sans-I/O side. SHA-1
 * guards nothing here, it only proves that the answer came from a WebSocket server. Must never leave an OpenSSL error behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#define KEY_BYTES 24u

static const char key_suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool ws_key_valid(cws_slice key)
{
    if (key.n != KEY_BYTES || key.p[22] != '=' || key.p[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!http1_is_alpha(key.p[i]) && !http1_is_digit(key.p[i]) && key.p[i] != '+' && key.p[i] != '/')
            return false;
    return true;
}

/* Leaves out empty when the key is none or the digest is not to be had (an OpenSSL that forbids SHA-1). */
void ws_accept_key(cws_slice key, char out[29])
{
    uint8_t text[KEY_BYTES + sizeof key_suffix - 1];
    uint8_t digest[SHA_DIGEST_LENGTH];
    out[0] = '\0';
    if (!ws_key_valid(key))
        return;
    memcpy(text, key.p, KEY_BYTES);
    memcpy(text + KEY_BYTES, key_suffix, sizeof key_suffix - 1);
    if (SHA1(text, sizeof text, digest) == NULL) {
        /* A stale entry would be taken for a TLS failure by the next SSL_get_error on this thread. */
        ERR_clear_error();
        return;
    }
    EVP_EncodeBlock((uint8_t *)out, digest, SHA_DIGEST_LENGTH);
}

bool http1_list_has_token(cws_slice value, const char *token)
{
    size_t at = 0;
    while (at < value.n) {
        const uint8_t *comma = memchr(value.p + at, ',', value.n - at);
        const size_t next = comma != NULL ? (size_t)(comma - value.p) : value.n;
        size_t from = at, to = next;
        while (from < to && http1_is_blank(value.p[from]))
            from++;
        while (to > from && http1_is_blank(value.p[to - 1]))
            to--;
        size_t i = 0;
        while (from + i < to && token[i] != '\0' && http1_lower(value.p[from + i]) == http1_lower((uint8_t)token[i]))
            i++;
        if (from < to && from + i == to && token[i] == '\0')
            return true;
        at = next + 1;
    }
    return false;
}

/* What the files of the HTTP/1.1 head parser share: character classes (RFC 9110 5.6, RFC 3986) and the pieces of a parse.
 *
 * Pure functions on lent bytes; any thread. Nothing in here may be used by the loop: parse.h is the face.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWS_HTTP1_INTERNAL_H
#define CWS_HTTP1_INTERNAL_H

#include "parse.h"

/* Longer methods exist nowhere (the registry's longest has 18 letters); the bound lets an endless first token end early. */
#define HTTP1_METHOD_MAX 32u

/* Bytes [at, at + n) of the head. */
typedef struct http1_span {
    size_t at, n;
} http1_span;

/* One head under parse: the bytes, the limits, and what the request line says beyond http1_head. */
typedef struct http1_input {
    const uint8_t *p;
    const cws_limits *limits;
    http1_span authority;       /* of an absolute-form target; n == 0 otherwise */
} http1_input;

static inline bool http1_is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static inline bool http1_is_alpha(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* The value of a hex digit, -1 for anything else. */
static inline int http1_hex_value(uint8_t c)
{
    if (http1_is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static inline uint8_t http1_lower(uint8_t c) { return (c >= 'A' && c <= 'Z') ? (uint8_t)(c | 0x20) : c; }

/* tchar of RFC 9110 5.6.2. */
static inline bool http1_is_token_byte(uint8_t c)
{
    switch (c) {
    case '!': case '#': case '$': case '%': case '&': case '\'': case '*': case '+': case '-': case '.':
    case '^': case '_': case '`': case '|': case '~':
        return true;
    default:
        return http1_is_digit(c) || http1_is_alpha(c);
    }
}

/* unreserved of RFC 3986 2.3. */
static inline bool http1_is_unreserved(uint8_t c)
{
    return http1_is_digit(c) || http1_is_alpha(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* pchar of RFC 3986 3.3 without '%'. */
static inline bool http1_is_path_byte(uint8_t c)
{
    switch (c) {
    case '!': case '$': case '&': case '\'': case '(': case ')': case '*': case '+': case ',': case ';': case '=':
    case ':': case '@':
        return true;
    default:
        return http1_is_unreserved(c);
    }
}

static inline bool http1_is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

/* A control byte that no line of a head, extension or trailer may hold (RFC 9110 5.5); CR and LF are judged by the caller. */
static inline bool http1_is_control(uint8_t c) { return (c < 0x20 && c != '\t') || c == 0x7f; }

/* Are the n bytes at p the text `word`, ASCII case ignored? `word` is lower-case. */
static inline bool http1_same_word(const uint8_t *p, size_t n, const char *word)
{
    size_t i = 0;
    while (i < n && word[i] != '\0' && http1_lower(p[i]) == (uint8_t)word[i])
        i++;
    return i == n && word[i] == '\0';
}

/* http1_target.c: the request line p[line.at .. +line.n), without its CRLF. Fills method, path, query and version of h and
 * in->authority. CWS_R_NONE when it is good. */
cws_reason http1_parse_request_line(http1_head *h, http1_input *in, http1_span line);
/* http1_target.c: why a request line that is longer than any good one is refused; line is what has come of it. */
cws_reason http1_blame_long_line(const http1_input *in, http1_span line);

/* http1_host.c: uri-host [":" port] (RFC 9110 7.2), stricter than the grammar: see there. */
bool http1_authority_valid(const uint8_t *p, size_t n);

/* http1_headers.c: the field lines p[lines.at .. +lines.n), each with its CRLF, without the blank line. Fills the rest of h.
 * Call after http1_parse_request_line. */
cws_reason http1_parse_headers(http1_head *h, const http1_input *in, http1_span lines);

#endif

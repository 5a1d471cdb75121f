/* Decides what a request's fields say about the message itself: framing, host, persistence, upgrade (RFC 9112 5-7, 9).
 *
 * Whatever could be framed in two ways is refused, even where the RFC lets a server choose: behind a proxy a choice is a smuggled
 * request. Fields that say nothing about the message are only located. Any thread; must never trust one field before all were read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <string.h>

/* 18 digits stay below 2^63 whatever they are. */
#define LENGTH_DIGITS_MAX 18u

/* What the fields said, before it is judged together. */
typedef struct http1_claims {
    size_t host_count;
    http1_span host;
    bool closes, keeps, upgrades, names_websocket;
    bool has_encoding, expects;
} http1_claims;

static cws_reason read_length(http1_head *h, cws_slice v)
{
    if (h->has_length || v.n == 0 || v.n > LENGTH_DIGITS_MAX)
        return CWS_R_HTTP_AMBIGUOUS_FRAMING;
    uint64_t length = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!http1_is_digit(v.p[i]))
            return CWS_R_HTTP_AMBIGUOUS_FRAMING;
        length = length * 10 + (uint64_t)(v.p[i] - '0');
    }
    h->has_length = true;
    h->length = length;
    return CWS_R_NONE;
}

/* Takes note of one field; refuses what no other field can repair. */
static cws_reason note_field(http1_head *h, http1_claims *c, const uint8_t *p, const http1_header *f)
{
    const uint8_t *name = p + f->name;
    const cws_slice v = {p + f->value, f->value_n};
    if (http1_same_word(name, f->name_n, "host")) {
        c->host_count++;
        c->host = (http1_span){f->value, f->value_n};
    } else if (http1_same_word(name, f->name_n, "content-length")) {
        return read_length(h, v);
    } else if (http1_same_word(name, f->name_n, "transfer-encoding")) {
        if (c->has_encoding || !http1_same_word(v.p, v.n, "chunked"))
            return CWS_R_HTTP_AMBIGUOUS_FRAMING;
        c->has_encoding = true;
    } else if (http1_same_word(name, f->name_n, "connection")) {
        c->closes = c->closes || http1_list_has_token(v, "close");
        c->keeps = c->keeps || http1_list_has_token(v, "keep-alive");
        c->upgrades = c->upgrades || http1_list_has_token(v, "upgrade");
    } else if (http1_same_word(name, f->name_n, "upgrade")) {
        c->names_websocket = c->names_websocket || http1_list_has_token(v, "websocket");
    } else if (http1_same_word(name, f->name_n, "expect")) {
        if (!http1_same_word(v.p, v.n, "100-continue"))
            return CWS_R_HTTP_EXPECTATION;
        c->expects = true;
    }
    return CWS_R_NONE;
}

/* field-line without CRLF (RFC 9112 5): a name directly followed by ':'. A line that begins with a blank (obs-fold) has no name. */
static cws_reason read_field(http1_header *f, const uint8_t *p, http1_span line)
{
    size_t name_n = 0;
    while (name_n < line.n && http1_is_token_byte(p[line.at + name_n]))
        name_n++;
    if (name_n == 0 || name_n == line.n || p[line.at + name_n] != ':')
        return CWS_R_HTTP_BAD_REQUEST;
    size_t from = line.at + name_n + 1, to = line.at + line.n;
    while (from < to && http1_is_blank(p[from]))
        from++;
    while (to > from && http1_is_blank(p[to - 1]))
        to--;
    if (name_n > UINT16_MAX || to - from > UINT16_MAX)
        return CWS_R_HTTP_HEAD_TOO_LARGE;
    *f = (http1_header){(uint32_t)line.at, (uint32_t)from, (uint16_t)name_n, (uint16_t)(to - from)};
    return CWS_R_NONE;
}

static bool same_bytes_any_case(const uint8_t *p, http1_span a, http1_span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (http1_lower(p[a.at + i]) != http1_lower(p[b.at + i]))
            return false;
    return true;
}

/* RFC 9112 3.2. With an absolute-form target RFC 9112 3.2.2 has the server ignore Host; a Host that says something else is refused
 * instead, so that nobody above can look at the wrong one. */
static bool host_fits(const http1_head *h, const http1_input *in, const http1_claims *c)
{
    if (c->host_count == 0)
        return h->minor_version == 0;
    if (c->host_count > 1 || !http1_authority_valid(in->p + c->host.at, c->host.n))
        return false;
    return in->authority.n == 0 || same_bytes_any_case(in->p, c->host, in->authority);
}

static cws_reason judge(http1_head *h, const http1_input *in, const http1_claims *c)
{
    if (c->has_encoding && (h->has_length || h->minor_version == 0))
        return CWS_R_HTTP_AMBIGUOUS_FRAMING;
    if (!host_fits(h, in, c))
        return CWS_R_HTTP_BAD_HOST;
    h->is_chunked = c->has_encoding;
    h->keep_alive = !c->closes && (h->minor_version >= 1 || c->keeps);
    const bool has_body = h->is_chunked || h->length > 0;
    /* Both are ignored in HTTP/1.0 (RFC 9110 10.1.1, 7.8). */
    h->expects_continue = c->expects && has_body && h->minor_version >= 1;
    h->wants_websocket = c->upgrades && c->names_websocket && h->minor_version >= 1;
    /* The body's bytes would be read as frames (CVE-2022-21676). */
    return h->wants_websocket && has_body ? CWS_R_HTTP_BAD_UPGRADE : CWS_R_NONE;
}

cws_reason http1_parse_headers(http1_head *h, const http1_input *in, http1_span lines)
{
    const uint32_t limit = in->limits->header_count < h->header_capacity ? in->limits->header_count : h->header_capacity;
    http1_claims claims = {0};
    size_t at = lines.at;
    const size_t end = lines.at + lines.n;
    while (at < end) {
        const uint8_t *lf = memchr(in->p + at, '\n', end - at);
        if (lf == NULL)
            return CWS_R_HTTP_BAD_REQUEST;
        if (h->header_count >= limit)
            return CWS_R_HTTP_HEAD_TOO_LARGE;
        const size_t next = (size_t)(lf - in->p) + 1;
        http1_header *f = &h->headers[h->header_count];
        cws_reason reason = read_field(f, in->p, (http1_span){at, next - 2 - at});
        if (reason == CWS_R_NONE)
            reason = note_field(h, &claims, in->p, f);
        if (reason != CWS_R_NONE)
            return reason;
        h->header_count++;
        at = next;
    }
    return judge(h, in, &claims);
}

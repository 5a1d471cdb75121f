/* Decides what a request line asks for: method, path, query, version (RFC 9112 3).
 *
 * The one path rule: nothing is normalised. A path that some reader could take for another path is refused: dot segments, "..",
 * "//", '\', ';', and percent-encodings of '/', '\', ';', '%', of controls and of characters that need none. So what the router
 * compares byte by byte is the only spelling of that path. Any thread; must never change a byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <string.h>

/* Length of "HTTP/1.1". */
#define VERSION_BYTES 8u

static size_t token_length(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && http1_is_token_byte(p[i]))
        i++;
    return i;
}

/* The method's length, 0 when the line does not begin with one and a single SP. */
static size_t method_length(const uint8_t *p, size_t n)
{
    const size_t k = token_length(p, n);
    return k > 0 && k <= HTTP1_METHOD_MAX && k < n && p[k] == ' ' ? k : 0;
}

/* HTTP-version (RFC 9112 2.3). Minor versions above 1 do not exist, so they are refused like other major ones. */
static cws_reason read_version(http1_head *h, const uint8_t *p, size_t n)
{
    if (n != VERSION_BYTES || memcmp(p, "HTTP/", 5) != 0 || !http1_is_digit(p[5]) || p[6] != '.' || !http1_is_digit(p[7]))
        return CWS_R_HTTP_BAD_REQUEST;
    if (p[5] != '1' || p[7] > '1')
        return CWS_R_HTTP_VERSION;
    h->minor_version = (uint8_t)(p[7] - '0');
    return CWS_R_NONE;
}

/* The byte that the escape at p[0] == '%' stands for, -1 when it is none. */
static int escaped_byte(const uint8_t *p, size_t n)
{
    if (n < 3)
        return -1;
    const int high = http1_hex_value(p[1]), low = http1_hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool path_escape_fits(const uint8_t *p, size_t n)
{
    const int byte = escaped_byte(p, n);
    if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\' || byte == ';' || byte == '%')
        return false;
    return !http1_is_unreserved((uint8_t)byte);
}

/* p[0] is '/'. */
static bool path_fits(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t c = p[i];
        const uint8_t before = i > 0 ? p[i - 1] : 0;
        if (c == '%') {
            if (!path_escape_fits(p + i, n - i))
                return false;
        } else if (c == '/') {
            if (before == '/' || (before == '.' && p[i - 2] == '/'))
                return false;
        } else if (c == ';' || !http1_is_path_byte(c) || (c == '.' && before == '.')) {
            return false;
        }
    }
    return !(n >= 2 && p[n - 1] == '.' && p[n - 2] == '/');
}

static bool query_fits(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool fits = p[i] == '%' ? escaped_byte(p + i, n - i) >= 0
                                      : http1_is_path_byte(p[i]) || p[i] == '/' || p[i] == '?';
        if (!fits)
            return false;
    }
    return true;
}

/* path-and-query at t; '#' is in neither grammar, so fragments end here. */
static cws_reason read_origin_form(http1_head *h, const uint8_t *p, http1_span t)
{
    const uint8_t *mark = memchr(p + t.at, '?', t.n);
    const size_t path_n = mark != NULL ? (size_t)(mark - (p + t.at)) : t.n;
    h->path = (uint32_t)t.at;
    h->path_n = (uint32_t)path_n;
    if (mark != NULL) {
        h->has_query = true;
        h->query = (uint32_t)(t.at + path_n + 1);
        h->query_n = (uint32_t)(t.n - path_n - 1);
    }
    if (!path_fits(p + t.at, path_n) || !query_fits(p + h->query, h->query_n))
        return CWS_R_HTTP_BAD_REQUEST;
    return CWS_R_NONE;
}

static size_t scheme_length(const uint8_t *p, size_t n)
{
    if (n >= 7 && http1_same_word(p, 7, "http://"))
        return 7;
    return n >= 8 && http1_same_word(p, 8, "https://") ? 8 : 0;
}

/* absolute-form MUST be accepted (RFC 9112 3.2.2). Its authority is kept: the Host field has to say the same. */
static cws_reason read_absolute_form(http1_head *h, http1_input *in, http1_span t)
{
    const uint8_t *p = in->p;
    const size_t scheme = scheme_length(p + t.at, t.n);
    if (scheme == 0)
        return CWS_R_HTTP_BAD_REQUEST;
    size_t end = t.at + scheme;
    while (end < t.at + t.n && p[end] != '/' && p[end] != '?' && p[end] != '#')
        end++;
    in->authority = (http1_span){t.at + scheme, end - t.at - scheme};
    if (!http1_authority_valid(p + in->authority.at, in->authority.n))
        return CWS_R_HTTP_BAD_HOST;
    const http1_span rest = {end, t.at + t.n - end};
    if (rest.n > 0 && p[rest.at] == '/')
        return read_origin_form(h, p, rest);
    const cws_reason reason = rest.n > 0 && p[rest.at] == '#' ? CWS_R_HTTP_BAD_REQUEST : read_origin_form(h, p, rest);
    /* An empty path means "/" (RFC 9110 4.2.3). The offset must point at one: the scheme's second slash is. */
    h->path = (uint32_t)(in->authority.at - 1);
    h->path_n = 1;
    return reason;
}

static cws_reason read_target(http1_head *h, http1_input *in, http1_span t)
{
    const uint8_t *p = in->p;
    if (p[t.at] == '/')
        return read_origin_form(h, p, t);
    if (t.n == 1 && p[t.at] == '*') {
        h->path = (uint32_t)t.at;
        h->path_n = 1;
        return h->method_n == 7 && memcmp(p + h->method, "OPTIONS", 7) == 0 ? CWS_R_NONE : CWS_R_HTTP_BAD_REQUEST;
    }
    return read_absolute_form(h, in, t);
}

static bool is_refused_method(const uint8_t *p, size_t n)
{
    return (n == 7 && memcmp(p, "CONNECT", 7) == 0) || (n == 5 && memcmp(p, "TRACE", 5) == 0);
}

cws_reason http1_parse_request_line(http1_head *h, http1_input *in, http1_span line)
{
    const uint8_t *p = in->p + line.at;
    const size_t method_n = method_length(p, line.n);
    if (method_n == 0)
        return CWS_R_HTTP_BAD_REQUEST;
    h->method = (uint32_t)line.at;
    h->method_n = (uint32_t)method_n;

    const size_t target = method_n + 1;
    const uint8_t *space = memchr(p + target, ' ', line.n - target);
    const size_t target_n = space != NULL ? (size_t)(space - p) - target : line.n - target;
    if (target_n > in->limits->target_bytes)
        return CWS_R_HTTP_TARGET_TOO_LONG;
    if (space == NULL || target_n == 0)
        return CWS_R_HTTP_BAD_REQUEST;
    /* Version first: the HTTP/2 preface has neither a method nor a target of ours, but deserves the right answer. */
    const size_t version = target + target_n + 1;
    const cws_reason reason = read_version(h, p + version, line.n - version);
    if (reason != CWS_R_NONE)
        return reason;
    if (is_refused_method(p, method_n))
        return CWS_R_HTTP_METHOD;
    return read_target(h, in, (http1_span){line.at + target, target_n});
}

cws_reason http1_blame_long_line(const http1_input *in, http1_span line)
{
    const uint8_t *p = in->p + line.at;
    const size_t method_n = method_length(p, line.n);
    if (method_n == 0)
        return CWS_R_HTTP_BAD_REQUEST;
    const uint8_t *space = memchr(p + method_n + 1, ' ', line.n - method_n - 1);
    const size_t target_n = (space != NULL ? (size_t)(space - p) : line.n) - method_n - 1;
    return target_n > in->limits->target_bytes ? CWS_R_HTTP_TARGET_TOO_LONG : CWS_R_HTTP_BAD_REQUEST;
}

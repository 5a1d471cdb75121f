/* Decides where a request's head ends, and whether it is one this server reads at all (RFC 9112 2-6).
 *
 * Every byte is looked at once as it arrives, whatever the pieces; the verdict depends on the bytes alone, never on how they were
 * split. The request line is judged as soon as it is complete, the fields when the blank line is there. Any thread.
 * Must never be lenient: what is not in the grammar is refused, because a proxy in front may read it differently.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <string.h>

/* CRLF before, SP, SP, "HTTP/1.1", CRLF: what a good request line has besides method and target. */
#define LINE_EXTRA 14u

/* At most one empty line may precede the request line (RFC 9112 2.2). */
static size_t line_start(const uint8_t *p, size_t n)
{
    return n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

static cws_parse refuse(http1_head *h, cws_reason reason)
{
    h->reason = reason;
    return CWS_PARSE_ERROR;
}

/* The grammar of single bytes: bare CR, bare LF, NUL and the other controls are nowhere allowed in a head. */
static bool byte_fits(const uint8_t *p, size_t i)
{
    const bool after_cr = i > 0 && p[i - 1] == '\r';
    if (p[i] == '\n')
        return after_cr;
    return !after_cr && (p[i] == '\r' || !http1_is_control(p[i]));
}

/* The LF at i ends a line. If that was the request line, judges it now: a refusal need not wait for the fields. Finding the
 * line's start costs its own length, so all calls for one head together stay linear. */
static cws_reason judge_line(http1_head *h, http1_input *in, size_t i)
{
    const size_t start = line_start(in->p, i + 1);
    if (i < start || memrchr(in->p + start, '\n', i - start) != NULL)
        return CWS_R_NONE;
    return http1_parse_request_line(h, in, (http1_span){start, i - 1 - start});
}

static bool ends_head(const uint8_t *p, size_t i)
{
    return i >= 3 && p[i] == '\n' && p[i - 2] == '\n';
}

/* Looks at p[from..n): DONE with *end past the blank line, MORE, or ERROR with h->reason. */
static cws_parse find_end(http1_head *h, http1_input *in, size_t from, size_t n, size_t *end)
{
    const uint64_t line_max = (uint64_t)in->limits->target_bytes + HTTP1_METHOD_MAX + LINE_EXTRA;
    for (size_t i = from; i < n; i++) {
        if (i >= in->limits->head_bytes)
            return refuse(h, CWS_R_HTTP_HEAD_TOO_LARGE);
        if (!byte_fits(in->p, i))
            return refuse(h, CWS_R_HTTP_BAD_REQUEST);
        if (in->p[i] == '\n') {
            const cws_reason reason = judge_line(h, in, i);
            if (reason != CWS_R_NONE)
                return refuse(h, reason);
            if (ends_head(in->p, i)) {
                *end = i + 1;
                return CWS_PARSE_DONE;
            }
        } else if (i == line_max) {
            const size_t start = line_start(in->p, n);
            if (memchr(in->p + start, '\n', i - start) == NULL)
                return refuse(h, http1_blame_long_line(in, (http1_span){start, i - start}));
        }
    }
    return CWS_PARSE_MORE;
}

/* Empties h but for the caller's array. */
static void reset(http1_head *h)
{
    http1_header *headers = h->headers;
    const uint32_t capacity = h->header_capacity;
    *h = (http1_head){.headers = headers, .header_capacity = capacity};
}

cws_parse http1_parse_head(http1_head *h, const uint8_t *p, size_t n, size_t *seen, const cws_limits *limits)
{
    http1_input in = {.p = p, .limits = limits};
    size_t end = 0;
    reset(h);
    const cws_parse found = find_end(h, &in, *seen <= n ? *seen : 0, n, &end);
    if (found != CWS_PARSE_DONE) {
        *seen = n;
        return found;
    }
    /* Again, since an earlier call may have judged the line into another http1_head. */
    const size_t start = line_start(p, end);
    const uint8_t *line_end = memchr(p + start, '\n', end - start);
    if (line_end == NULL || line_end == p + start)
        return refuse(h, CWS_R_HTTP_BAD_REQUEST);
    const size_t fields = (size_t)(line_end - p) + 1;
    cws_reason reason = http1_parse_request_line(h, &in, (http1_span){start, fields - 2 - start});
    if (reason == CWS_R_NONE)
        reason = http1_parse_headers(h, &in, (http1_span){fields, end - 2 - fields});
    if (reason != CWS_R_NONE) {
        reset(h);
        return refuse(h, reason);
    }
    h->head_bytes = (uint32_t)end;
    return CWS_PARSE_DONE;
}

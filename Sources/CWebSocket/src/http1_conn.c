/* Reading requests: head, body (sized or chunked, kept or skipped), then on_request; one at a time, in order.
 * Runs on the loop's thread. Decides when a request is complete and what its body may cost; the grammar is http1_parse.c's.
 * Never parses a further request before the present one is answered. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

bool cws_http_wants_input(const cws_conn *c)
{
    if (!c->http)
        return cws_queued_bytes(c) <= CWS_HTTP_QUEUE_BYTES;
    return c->http->phase <= CWS_HTTP_BODY_CHUNKED;
}

bool cws_http_is_answerable(const cws_conn *c)
{
    return c->state == CWS_S_HTTP && c->http && c->http->phase >= CWS_HTTP_PENDING;
}

size_t cws_http_buffered(const cws_http *h) { return h->bytes.cap + h->body.cap; }

void cws_http_free(cws_http *h)
{
    cws_buf_free(&h->bytes);
    cws_buf_free(&h->body);
    free(h);
}

/* A handler may answer and still look at its request; once it has returned, nobody does. */
void cws_http_retire(cws_conn *c)
{
    if (!c->http)
        return;
    c->http->next_dead = c->loop->dead_http;
    c->loop->dead_http = c->http;
    c->http = NULL;
}

void cws_http_free_dead(cws_loop *l)
{
    while (l->dead_http) {
        cws_http *h = l->dead_http;
        l->dead_http = h->next_dead;
        cws_http_free(h);
    }
}

/* While an answer is being written, write_timeout judges how the peer takes it. */
void cws_http_idle(cws_conn *c)
{
    c->phase_at = 0;
    if (!c->q)
        cws_conn_set_phase(c, c->loop->limits.keepalive_timeout_ms);
}

void cws_http_finish(cws_conn *c)
{
    cws_http *h = c->http;
    c->had_request = true;
    if (h->closes_after || c->loop->is_ending) {
        cws_conn_drain(c, CWS_R_LOCAL_CLOSE, true);
        return;
    }
    cws_http_retire(c);
    cws_http_idle(c);
    /* Inside this connection's own callback the caller goes on feeding; otherwise what was held back is due now. */
    if (c->loop->current != c && (c->has_unparsed || !(c->interest & CWS_WANTS_READ) || cws_ops(c)->has_pending(c)))
        cws_conn_work(c, CWS_WORK_INPUT);
}

static bool begin(cws_conn *c)
{
    const cws_limits *limits = &c->loop->limits;
    cws_http *h = malloc(sizeof *h + limits->header_count * sizeof h->headers[0]);
    if (!h) {
        cws_conn_kill(c, CWS_R_NO_MEMORY);
        return false;
    }
    *h = (cws_http){.head = {.headers = h->headers, .header_capacity = limits->header_count}};
    c->http = h;
    if (c->had_request)
        cws_conn_set_phase(c, limits->head_timeout_ms);
    return true;
}

static void complete(cws_conn *c)
{
    c->http->phase = CWS_HTTP_PENDING;
    c->phase_at = 0;
    c->loop->stats.requests_count++;
    CWS_CALL(c->loop, on_request, c);
}

/* ---- head */

static uint16_t refusal_status(cws_reason reason)
{
    switch (reason) {
    case CWS_R_HTTP_TARGET_TOO_LONG: return 414;
    case CWS_R_HTTP_HEAD_TOO_LARGE: return 431;
    case CWS_R_HTTP_BODY_TOO_LARGE: return 413;
    case CWS_R_HTTP_VERSION: return 505;
    case CWS_R_HTTP_METHOD: return 405;
    case CWS_R_HTTP_EXPECTATION: return 417;
    case CWS_R_OVERLOADED: return 503;
    default: return 400;
    }
}

static void refuse(cws_conn *c, cws_reason reason) { cws_http_refuse(c, reason, refusal_status(reason)); }

/* The head is known and announces a body: asks the owner what it may cost. `has_more` says that some of it came along. */
static void begin_body(cws_conn *c, bool has_more)
{
    cws_http *h = c->http;
    bool may_skip = false;
    h->phase = h->head.is_chunked ? CWS_HTTP_BODY_CHUNKED : CWS_HTTP_BODY_SIZED;
    h->body_left = h->head.is_chunked ? 0 : h->head.length;
    c->loop->had_callback = true;
    h->body_ceiling = c->loop->on.on_head(c->loop->ctx, c, &may_skip);
    if (c->state != CWS_S_HTTP)
        return;
    h->may_skip = may_skip;
    if (!h->head.is_chunked && h->head.length > h->body_ceiling) {
        if (!may_skip) {
            refuse(c, CWS_R_HTTP_BODY_TOO_LARGE);
            return;
        }
        h->is_skipping = true;
    }
    h->body_from_ms = c->loop->now_ms;
    cws_http_body_deadline(c);
    if (h->head.expects_continue && h->head.minor_version >= 1 && !has_more)
        cws_http_continue(c);
}

/* Appends to the retained head, or takes it straight from p when it came whole. Returns the bytes that belong to the head. */
static size_t feed_head(cws_conn *c, const uint8_t *p, size_t n)
{
    cws_http *h = c->http;
    const cws_limits *limits = &c->loop->limits;
    const size_t most = (size_t)limits->head_bytes + 1;
    const size_t before = h->bytes.n;
    size_t took = n;
    if (took > most - before)
        took = most - before;
    cws_parse result;
    if (before == 0) {
        result = http1_parse_head(&h->head, p, n, &h->seen, limits);
        if (result == CWS_PARSE_DONE)
            took = h->head.head_bytes;
    }
    if (!cws_buf_append(&h->bytes, p, took, most)) {
        cws_conn_kill(c, CWS_R_NO_MEMORY);
        return took;
    }
    if (before != 0) {
        result = http1_parse_head(&h->head, h->bytes.p, h->bytes.n, &h->seen, limits);
        if (result == CWS_PARSE_DONE) {
            took = h->head.head_bytes - before;
            h->bytes.n = h->head.head_bytes;
        }
    }
    if (result == CWS_PARSE_ERROR) {
        refuse(c, h->head.reason);
    } else if (result == CWS_PARSE_MORE) {
        if (h->bytes.n >= most)
            refuse(c, CWS_R_HTTP_HEAD_TOO_LARGE);
    } else if (h->head.is_chunked || h->head.length > 0) {
        begin_body(c, took < n);
    } else {
        complete(c);
    }
    return took;
}

/* ---- body */

/* Standing still is one thing; a body that drips must end as well, or a connection and its memory could be had for ever at a byte a
 * minute. What has come buys time, so that a large picture over a slow line gets through. */
void cws_http_body_deadline(cws_conn *c)
{
    const cws_limits *limits = &c->loop->limits;
    const cws_http *h = c->http;
    const uint64_t rate = limits->body_bytes_per_s ? limits->body_bytes_per_s : 1;
    const uint64_t bought_s = h->body_size / rate < UINT32_MAX ? h->body_size / rate : UINT32_MAX;
    const uint64_t due = h->body_from_ms + limits->body_timeout_ms + bought_s * 1000, now = c->loop->now_ms;
    const uint64_t left = due > now ? due - now : 0;
    cws_conn_set_phase(c, left < limits->body_timeout_ms ? (uint32_t)left : limits->body_timeout_ms);
}

/* False when c is no longer reading this body. */
static bool take_body(cws_conn *c, const uint8_t *p, size_t n)
{
    cws_http *h = c->http;
    if (n > UINT64_MAX - h->body_size || (h->is_skipping && h->body_size > c->loop->limits.skipped_ceiling_bytes)) {
        refuse(c, CWS_R_HTTP_BODY_TOO_LARGE);
        return false;
    }
    h->body_size += n;
    size_t most = h->body_ceiling > SIZE_MAX ? SIZE_MAX : (size_t)h->body_ceiling;
    if (!h->is_skipping && h->body_size > h->body_ceiling) {
        if (!h->may_skip) {
            refuse(c, CWS_R_HTTP_BODY_TOO_LARGE);
            return false;
        }
        h->is_skipping = true;
    }
    if (h->is_skipping) {
        most = c->loop->limits.skipped_prefix_bytes;
        cws_buf_cut(&h->body, most);
        if (n > most - h->body.n)
            n = most - h->body.n;
    } else if (!h->head.is_chunked && most > h->head.length) {
        most = (size_t)h->head.length;
    }
    const size_t capacity = cws_buf_next(&h->body, n, most);
    if (!h->is_skipping && capacity > h->body.cap && !cws_pressure_allows(c, h->bytes.cap + capacity)) {
        cws_pressure_begin(c->loop);
        refuse(c, CWS_R_OVERLOADED);
        return false;
    }
    if (cws_buf_append(&h->body, p, n, most))
        return true;
    cws_http_refuse(c, CWS_R_NO_MEMORY, 503);
    return false;
}

static size_t feed_sized(cws_conn *c, const uint8_t *p, size_t n)
{
    cws_http *h = c->http;
    const size_t took = n > h->body_left ? (size_t)h->body_left : n;
    if (!take_body(c, p, took))
        return took;
    h->body_left -= took;
    if (h->body_left == 0)
        complete(c);
    else
        cws_http_body_deadline(c);
    return took;
}

static size_t feed_chunked(cws_conn *c, const uint8_t *p, size_t n)
{
    cws_http *h = c->http;
    const uint32_t overhead = c->loop->limits.chunk_overhead_bytes;
    size_t took = 0;
    while (took < n) {
        size_t used = 0, run = 0, run_n = 0;
        const cws_parse result = http1_parse_chunks(&h->chunks, p + took, n - took, &used, &run, &run_n, overhead);
        if (run_n > 0 && !take_body(c, p + took + run, run_n))
            return n;
        took += used;
        if (result == CWS_PARSE_ERROR) {
            refuse(c, CWS_R_HTTP_BAD_CHUNK);
            return n;
        }
        if (result == CWS_PARSE_DONE) {
            complete(c);
            return took;
        }
        if (used == 0)
            break;
    }
    cws_http_body_deadline(c);
    return took;
}

size_t cws_http_feed(cws_conn *c, const uint8_t *p, size_t n)
{
    if (!c->http && !begin(c))
        return 0;
    switch ((cws_http_phase)c->http->phase) {
    case CWS_HTTP_HEAD: return feed_head(c, p, n);
    case CWS_HTTP_BODY_SIZED: return feed_sized(c, p, n);
    case CWS_HTTP_BODY_CHUNKED: return feed_chunked(c, p, n);
    case CWS_HTTP_PENDING:
    case CWS_HTTP_STREAMING: return 0;
    }
    return 0;
}

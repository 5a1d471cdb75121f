/* Writing responses: one message each, head and body side by side. Decides framing (Content-Length, chunked, close-delimited)
 * and whether the connection stays. Runs on the loop's thread. Never puts anything of a request into a response.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "internal.h"

#define HEAD_ROOM 384u /* status line, Date and what we add ourselves */

typedef enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE, FRAMING_NONE } framing;

static const char *status_phrase(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 421: return "Misdirected Request";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
    }
}

/* RFC 9110 5.6.7, formatted once a second. */
static const char *date(cws_loop *l)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t now = time(NULL);
    if ((int64_t)now != l->date_s) {
        struct tm t;
        if (!gmtime_r(&now, &t))
            t = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
        (void)snprintf(l->date, sizeof l->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days[(unsigned)t.tm_wday % 7],
                       (unsigned)t.tm_mday % 100, months[(unsigned)t.tm_mon % 12], ((unsigned)t.tm_year + 1900) % 10000,
                       (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
        l->date_s = (int64_t)now;
    }
    return l->date;
}

typedef struct response {
    uint16_t status;
    cws_slice headers;
    cws_slice body;      /* sent, unless is_head */
    framing framing;
    const char *more_headers;
    bool is_head, closes, says_keep_alive;
} response;

static size_t append(uint8_t *out, size_t at, cws_slice s)
{
    if (s.n)
        memcpy(out + at, s.p, s.n);
    return at + s.n;
}

static const char *connection_line(const response *r)
{
    if (r->status == 426) /* it has an Upgrade header, which belongs to this connection alone (RFC 9110 7.8) */
        return r->closes ? "Connection: close, Upgrade\r\n" : r->says_keep_alive ? "Connection: keep-alive, Upgrade\r\n" : "Connection: Upgrade\r\n";
    return r->closes ? "Connection: close\r\n" : r->says_keep_alive ? "Connection: keep-alive\r\n" : "";
}

static cws_status queue_response(cws_conn *c, const response *r)
{
    const size_t body_n = r->is_head ? 0 : r->body.n;
    if (r->headers.n > SIZE_MAX / 4 || body_n > SIZE_MAX / 4)
        return CWS_BAD_ARGUMENT;
    cws_message *m = cws_message_block(c->loop, CWS_PAYLOAD_OFFSET, HEAD_ROOM + r->headers.n + body_n);
    if (!m)
        return CWS_NO_MEMORY;
    uint8_t *out = cws_message_bytes(m);
    size_t n = (size_t)snprintf((char *)out, HEAD_ROOM, "HTTP/1.1 %u %s\r\nDate: %s\r\n", r->status, status_phrase(r->status),
                                date(c->loop));
    n = append(out, n, r->headers);
    if (r->more_headers)
        n = append(out, n, (cws_slice){.p = (const uint8_t *)r->more_headers, .n = strlen(r->more_headers)});
    const char *connection = connection_line(r);
    char tail[128];
    int tail_n = r->framing == FRAMING_LENGTH
                     ? snprintf(tail, sizeof tail, "Content-Length: %zu\r\n%s\r\n", r->body.n, connection)
                     : snprintf(tail, sizeof tail, "%s%s\r\n", r->framing == FRAMING_CHUNKED ? "Transfer-Encoding: chunked\r\n" : "",
                                connection);
    n = append(out, n, (cws_slice){.p = (const uint8_t *)tail, .n = (size_t)tail_n});
    if (body_n)
        n = append(out, n, r->body);
    m->payload_n = (uint32_t)n;
    cws_message_join(c->loop, m); /* now: its length may not change any more */
    return cws_outq_push_take(c, m);
}

static bool is_head_request(const cws_http *h)
{
    return h && h->phase != CWS_HTTP_HEAD && h->head.method_n == 4 && memcmp(h->bytes.p + h->head.method, "HEAD", 4) == 0;
}

static bool ends_in_line_break(cws_slice s)
{
    return s.n == 0 || (s.n >= 2 && s.p[s.n - 2] == '\r' && s.p[s.n - 1] == '\n');
}

static cws_status check(const cws_conn *c, uint16_t status, cws_slice headers)
{
    CWS_ON_LOOP(c->loop);
    if (c->state != CWS_S_HTTP || !c->http || c->http->phase != CWS_HTTP_PENDING)
        return CWS_WRONG_STATE;
    if (status < 200 || status > 599 || !ends_in_line_break(headers))
        return CWS_BAD_ARGUMENT;
    return CWS_OK;
}

cws_status cws_http_settle(cws_conn *c, cws_status s)
{
    if (s == CWS_NO_MEMORY)
        cws_conn_kill(c, CWS_R_NO_MEMORY);
    return s;
}

cws_status cws_respond(cws_conn *c, uint16_t status, cws_slice headers, cws_slice body, cws_respond_flags flags)
{
    cws_status s = check(c, status, headers);
    if (s != CWS_OK)
        return s;
    cws_http *h = c->http;
    const bool has_no_body = status == 204 || status == 304; /* RFC 9110 8.6: neither body nor length */
    response r = {
        .status = status,
        .headers = headers,
        .body = has_no_body ? (cws_slice){0} : body,
        .framing = has_no_body ? FRAMING_NONE : FRAMING_LENGTH,
        .is_head = is_head_request(h),
        .closes = flags & CWS_RESPOND_CLOSE || !h->head.keep_alive || c->loop->is_ending,
    };
    r.says_keep_alive = !r.closes && h->head.minor_version == 0;
    if (flags & CWS_RESPOND_GZIP)
        r.more_headers = cws_http_gzip(c, &r.body) ? "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n" : "Vary: Accept-Encoding\r\n";
    s = queue_response(c, &r);
    cws_deflate_trim_deflated(&c->loop->deflate);
    if (s != CWS_OK)
        return cws_http_settle(c, s);
    h->closes_after = r.closes;
    cws_http_finish(c);
    return CWS_OK;
}

/* ---- streamed */

cws_status cws_respond_begin(cws_conn *c, uint16_t status, cws_slice headers)
{
    cws_status s = check(c, status, headers);
    if (s != CWS_OK)
        return s;
    cws_http *h = c->http;
    const bool is_chunked = h->head.minor_version >= 1;
    response r = {
        .status = status,
        .headers = headers,
        .framing = is_chunked ? FRAMING_CHUNKED : FRAMING_CLOSE,
        .is_head = is_head_request(h),
        .closes = !is_chunked || !h->head.keep_alive || c->loop->is_ending,
    };
    s = queue_response(c, &r);
    if (s != CWS_OK)
        return cws_http_settle(c, s);
    h->closes_after = r.closes;
    h->is_chunked_out = is_chunked;
    h->phase = CWS_HTTP_STREAMING;
    return CWS_OK;
}

static bool is_streaming(const cws_conn *c)
{
    CWS_ON_LOOP(c->loop);
    return c->state == CWS_S_HTTP && c->http && c->http->phase == CWS_HTTP_STREAMING;
}

cws_status cws_respond_chunk(cws_conn *c, cws_slice bytes)
{
    if (!is_streaming(c))
        return CWS_WRONG_STATE;
    if (bytes.n == 0 || is_head_request(c->http))
        return CWS_OK;
    const size_t queued = cws_queued_bytes(c);
    if (bytes.n > c->queue_ceiling_bytes || queued > c->queue_ceiling_bytes - bytes.n) {
        if (queued > 0)
            c->is_over_mark = true;
        return CWS_QUEUE_FULL;
    }
    char size_line[24];
    const int size_n = c->http->is_chunked_out ? snprintf(size_line, sizeof size_line, "%zx\r\n", bytes.n) : 0;
    const cws_slice end = {.p = (const uint8_t *)"\r\n", .n = c->http->is_chunked_out ? 2 : 0};
    cws_message *m = cws_message_raw(c->loop, (size_t)size_n + bytes.n + end.n);
    if (!m)
        return cws_http_settle(c, CWS_NO_MEMORY);
    uint8_t *out = cws_message_bytes(m);
    size_t n = append(out, 0, (cws_slice){.p = (const uint8_t *)size_line, .n = (size_t)size_n});
    n = append(out, n, bytes);
    (void)append(out, n, end);
    return cws_http_settle(c, cws_outq_push_take(c, m));
}

cws_status cws_respond_end(cws_conn *c)
{
    if (!is_streaming(c))
        return CWS_WRONG_STATE;
    if (c->http->is_chunked_out && !is_head_request(c->http)) {
        cws_message *m = cws_message_raw(c->loop, 5);
        if (m)
            memcpy(cws_message_bytes(m), "0\r\n\r\n", 5);
        const cws_status s = m ? cws_outq_push_take(c, m) : CWS_NO_MEMORY;
        if (s != CWS_OK)
            return cws_http_settle(c, s);
    }
    cws_http_finish(c);
    return CWS_OK;
}

/* ---- our own answers */

void cws_http_continue(cws_conn *c)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    cws_message *m = cws_message_raw(c->loop, sizeof line - 1);
    if (!m)
        return; /* RFC 9110 10.1.1: a client does not wait for it for ever */
    memcpy(cws_message_bytes(m), line, sizeof line - 1);
    (void)cws_outq_push_take(c, m);
}

static const char *sentence(cws_reason reason, uint16_t status)
{
    switch (reason) {
    case CWS_R_HTTP_AMBIGUOUS_FRAMING: return "The length of the request's body is ambiguous";
    case CWS_R_HTTP_BAD_HOST: return "The Host header is missing, repeated or malformed";
    case CWS_R_HTTP_TARGET_TOO_LONG: return "The request target is too long";
    case CWS_R_HTTP_HEAD_TOO_LARGE: return "The request's headers are too large";
    case CWS_R_HTTP_BODY_TOO_LARGE: return "The request's body is too large";
    case CWS_R_HTTP_BAD_CHUNK: return "The request's chunked body is malformed";
    case CWS_R_HTTP_VERSION: return "Only HTTP/1.1 and HTTP/1.0 are spoken here";
    case CWS_R_HTTP_METHOD: return "This method is not allowed";
    case CWS_R_HTTP_EXPECTATION: return "Only the expectation 100-continue can be met";
    case CWS_R_HTTP_BAD_UPGRADE:
        return status == 426 ? "A WebSocket upgrade (version 13) is required here" : "The WebSocket upgrade request is malformed";
    case CWS_R_HEAD_TIMEOUT: return "The request's headers did not arrive in time";
    case CWS_R_BODY_TIMEOUT: return "The request's body did not arrive in time";
    case CWS_R_CONNECTION_LIMIT: return "Too many connections, try again shortly";
    case CWS_R_OVERLOADED: return "The relay is busy, try again shortly";
    case CWS_R_NO_MEMORY: return "Out of memory, try again shortly";
    default: return "The request is malformed";
    }
}

static const char *extra_headers(uint16_t status)
{
    switch (status) {
    case 405: return "Content-Type: application/json\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
    case 426: return "Content-Type: application/json\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    case 503: return "Content-Type: application/json\r\nRetry-After: 1\r\n";
    default: return "Content-Type: application/json\r\n";
    }
}

void cws_http_refuse(cws_conn *c, cws_reason reason, uint16_t status)
{
    char body[256];
    const int body_n =
        snprintf(body, sizeof body, "{\"error\": \"%s\", \"code\": \"%s\"}", sentence(reason, status), cws_reason_name(reason));
    const char *headers = extra_headers(status);
    const response r = {
        .status = status,
        .headers = {.p = (const uint8_t *)headers, .n = strlen(headers)},
        .body = {.p = (const uint8_t *)body, .n = (size_t)body_n},
        .framing = FRAMING_LENGTH,
        .more_headers = c->loop->limits.opens_refusals ? "Access-Control-Allow-Origin: *\r\n" : NULL,
        .is_head = is_head_request(c->http),
        .closes = true,
    };
    if (queue_response(c, &r) == CWS_OK)
        cws_conn_drain(c, reason, true);
    else
        cws_conn_kill(c, reason);
}

/* Request heads: what is accepted and how it is read, what is refused and why. Each row runs in one gulp, byte by byte with a fresh
 * http1_head every time, and at every split, each piece ending at a guard page.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADERS_MAX 128u

typedef struct result {
    cws_parse verdict;
    http1_head head;
    http1_header headers[HEADERS_MAX];
} result;

static const cws_limits ordinary = {.head_bytes = 16384, .header_count = 100, .target_bytes = 8192};

static void feed(result *r, const uint8_t *p, size_t n, size_t *seen, const cws_limits *limits)
{
    memset(&r->head, 0xA5, sizeof r->head); /* nothing of an earlier call may be needed */
    r->head.headers = r->headers;
    r->head.header_capacity = HEADERS_MAX;
    r->verdict = http1_parse_head(&r->head, check_guarded(p, n), n, seen, limits);
}

static void gulp(result *r, const uint8_t *p, size_t n, const cws_limits *limits)
{
    size_t seen = 0;
    feed(r, p, n, &seen, limits);
}

static bool same(const result *a, const result *b)
{
    const http1_head *x = &a->head, *y = &b->head;
    if (a->verdict != b->verdict || x->reason != y->reason)
        return false;
    if (a->verdict != CWS_PARSE_DONE)
        return true;
    return x->method == y->method && x->method_n == y->method_n && x->path == y->path && x->path_n == y->path_n &&
           x->query == y->query && x->query_n == y->query_n && x->has_query == y->has_query &&
           x->minor_version == y->minor_version && x->is_chunked == y->is_chunked && x->has_length == y->has_length &&
           x->length == y->length && x->keep_alive == y->keep_alive && x->expects_continue == y->expects_continue &&
           x->wants_websocket == y->wants_websocket && x->header_count == y->header_count && x->head_bytes == y->head_bytes &&
           memcmp(a->headers, b->headers, x->header_count * sizeof a->headers[0]) == 0;
}

/* All ways; the common result is left in r. */
static void run(result *r, const char *name, const uint8_t *p, size_t n, const cws_limits *limits)
{
    result piece;
    gulp(r, p, n, limits);
    size_t seen = 0;
    piece.verdict = CWS_PARSE_MORE;
    for (size_t i = 1; i <= n && piece.verdict == CWS_PARSE_MORE; i++)
        feed(&piece, p, i, &seen, limits);
    CHECK_ROW(n == 0 || same(r, &piece), name);
    bool agree = true;
    for (size_t cut = 0; cut <= n && agree; cut++) {
        seen = 0;
        feed(&piece, p, cut, &seen, limits);
        if (piece.verdict == CWS_PARSE_MORE)
            feed(&piece, p, n, &seen, limits);
        agree = same(r, &piece);
    }
    CHECK_ROW(agree, name);
}

static bool text_is(const uint8_t *p, uint32_t at, uint32_t n, const char *text)
{
    return n == strlen(text) && memcmp(p + at, text, n) == 0;
}

#define H "Host: a.example\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define WS "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define END "\r\n"

enum { KEEP = 1, CHUNKED = 2, LENGTH = 4, CONTINUE = 8, WEBSOCKET = 16, QUERY = 32, OLD = 64 };

typedef struct accepted {
    const char *name;
    const uint8_t *p;
    size_t n;
    const char *method, *path, *query;
    unsigned claims;
    uint64_t length;
    uint32_t header_count;
} accepted;

static const accepted accepted_rows[] = {
    {"plain", BYTES(GET H END), "GET", "/", "", KEEP, 0, 1},
    {"one empty line before", BYTES("\r\n" GET H END), "GET", "/", "", KEEP, 0, 1},
    {"bytes after the head are not looked at", BYTES(GET H END "\0\n\rGET"), "GET", "/", "", KEEP, 0, 1},
    {"query", BYTES("GET /api/socketio/?EIO=4&transport=polling HTTP/1.1\r\n" H END), "GET", "/api/socketio/",
     "EIO=4&transport=polling", KEEP | QUERY, 0, 1},
    {"empty query", BYTES("GET /a? HTTP/1.1\r\n" H END), "GET", "/a", "", KEEP | QUERY, 0, 1},
    {"question marks and slashes in the query", BYTES("GET /a?b=//../?c;%2f HTTP/1.1\r\n" H END), "GET", "/a",
     "b=//../?c;%2f", KEEP | QUERY, 0, 1},
    {"escapes that no other spelling has", BYTES("GET /a%20b%C3%bc HTTP/1.1\r\n" H END), "GET", "/a%20b%C3%bc", "", KEEP, 0, 1},
    {"dots inside segments", BYTES("GET /.well-known/a.b/c. HTTP/1.1\r\n" H END), "GET", "/.well-known/a.b/c.", "", KEEP, 0, 1},
    {"all path bytes", BYTES("GET /!$&'()*+,=:@-._~ HTTP/1.1\r\n" H END), "GET", "/!$&'()*+,=:@-._~", "", KEEP, 0, 1},
    {"absolute form", BYTES("GET http://a.example/x?y HTTP/1.1\r\n" H END), "GET", "/x", "y", KEEP | QUERY, 0, 1},
    {"absolute form, case", BYTES("GET HTTPS://A.example:8443/x HTTP/1.1\r\nHost: a.EXAMPLE:8443\r\n\r\n"), "GET", "/x", "", KEEP, 0, 1},
    {"absolute form without path", BYTES("GET http://a.example HTTP/1.1\r\n" H END), "GET", "/", "", KEEP, 0, 1},
    {"absolute form, query without path", BYTES("GET http://a.example?q=1 HTTP/1.1\r\n" H END), "GET", "/", "q=1", KEEP | QUERY, 0, 1},
    {"asterisk form", BYTES("OPTIONS * HTTP/1.1\r\n" H END), "OPTIONS", "*", "", KEEP, 0, 1},
    {"unknown method", BYTES("BREW /pot HTTP/1.1\r\n" H END), "BREW", "/pot", "", KEEP, 0, 1},
    {"lower-case method", BYTES("get / HTTP/1.1\r\n" H END), "get", "/", "", KEEP, 0, 1},
    {"odd token as method", BYTES("M-SEARCH!#$%&'*+.^_`|~9 / HTTP/1.1\r\n" H END), "M-SEARCH!#$%&'*+.^_`|~9", "/", "", KEEP, 0, 1},
    {"1.0 without host", BYTES("GET / HTTP/1.0\r\n\r\n"), "GET", "/", "", OLD, 0, 0},
    {"1.0 keep-alive", BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), "GET", "/", "", OLD | KEEP, 0, 1},
    {"1.0 close wins", BYTES("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"), "GET", "/", "", OLD, 0, 2},
    {"1.0 upgrade and expectation ignored",
     BYTES("POST / HTTP/1.0\r\n" WS "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"), "POST", "/", "", OLD | LENGTH, 3, 4},
    {"1.1 close", BYTES(GET H "Connection: foo ,\t, CLOSE\r\n\r\n"), "GET", "/", "", 0, 0, 2},
    {"1.1 not quite close", BYTES(GET H "Connection: closed, x-close, clos\r\n\r\n"), "GET", "/", "", KEEP, 0, 2},
    {"length", BYTES(POST "Content-Length: 5\r\n\r\nhello"), "POST", "/", "", KEEP | LENGTH, 5, 2},
    {"length zero", BYTES(POST "content-length:0\r\n\r\n"), "POST", "/", "", KEEP | LENGTH, 0, 2},
    {"length of 18 digits", BYTES(POST "Content-Length: 999999999999999999\r\n\r\n"), "POST", "/", "", KEEP | LENGTH,
     UINT64_C(999999999999999999), 2},
    {"chunked", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n"), "POST", "/", "", KEEP | CHUNKED, 0, 2},
    {"chunked, blanks around, case", BYTES(POST "TRANSFER-ENCODING: \t Chunked\t \r\n\r\n"), "POST", "/", "", KEEP | CHUNKED, 0, 2},
    {"expectation", BYTES(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"), "POST", "/", "", KEEP | LENGTH | CONTINUE, 1, 3},
    {"expectation without body", BYTES(POST "Expect: 100-continue\r\n\r\n"), "POST", "/", "", KEEP, 0, 2},
    {"websocket", BYTES(GET H WS END), "GET", "/", "", KEEP | WEBSOCKET, 0, 3},
    {"websocket in lists", BYTES(GET H "Connection: keep-alive, uPgRaDe\r\nUpgrade: h2c, WebSocket\r\n\r\n"), "GET", "/", "",
     KEEP | WEBSOCKET, 0, 3},
    {"websocket in two fields each", BYTES(GET H "Connection: keep-alive\r\nUpgrade: h2c\r\n" WS END), "GET", "/", "",
     KEEP | WEBSOCKET, 0, 5},
    {"websocket with length 0", BYTES(GET H WS "Content-Length: 0\r\n\r\n"), "GET", "/", "", KEEP | WEBSOCKET | LENGTH, 0, 4},
    {"Upgrade alone", BYTES(GET H "Upgrade: websocket\r\n\r\n"), "GET", "/", "", KEEP, 0, 2},
    {"Connection alone", BYTES(GET H "Connection: upgrade\r\n\r\n"), "GET", "/", "", KEEP, 0, 2},
    {"h2c is ignored, with its body", BYTES("POST / HTTP/1.1\r\n" H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
     "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 2\r\n\r\n"), "POST", "/", "", KEEP | LENGTH, 2, 5},
    {"websockets is another token", BYTES(GET H "Connection: upgrade\r\nUpgrade: websockets\r\n\r\n"), "GET", "/", "", KEEP, 0, 3},
    {"empty value, tabs, obs-text", BYTES(GET H "X:\r\nY: \t \r\nZ:a\tb \xC3\xBC\xFF\r\n\r\n"), "GET", "/", "", KEEP, 0, 4},
    {"host with port", BYTES(GET "Host: a-b_c.example.:65535\r\n\r\n"), "GET", "/", "", KEEP, 0, 1},
    {"host IPv4", BYTES(GET "Host: 127.0.0.1:8080\r\n\r\n"), "GET", "/", "", KEEP, 0, 1},
    {"host IPv6", BYTES(GET "Host: [::1]\r\n\r\n"), "GET", "/", "", KEEP, 0, 1},
    {"host IPv6 with port", BYTES(GET "Host: [2001:db8::ffff:192.0.2.1]:443\r\n\r\n"), "GET", "/", "", KEEP, 0, 1},
    {"thousands of blanks in a list", BYTES(GET H "Sec-WebSocket-Protocol: b                                            x\r\n\r\n"),
     "GET", "/", "", KEEP, 0, 2},
};

static unsigned claims_of(const http1_head *h)
{
    return (h->keep_alive ? KEEP : 0u) | (h->is_chunked ? CHUNKED : 0u) | (h->has_length ? LENGTH : 0u) |
           (h->expects_continue ? CONTINUE : 0u) | (h->wants_websocket ? WEBSOCKET : 0u) | (h->has_query ? QUERY : 0u) |
           (h->minor_version == 0 ? OLD : 0u);
}

TEST(http1_accepted)
{
    result r;
    for (size_t i = 0; i < sizeof accepted_rows / sizeof accepted_rows[0]; i++) {
        const accepted *row = &accepted_rows[i];
        run(&r, row->name, row->p, row->n, &ordinary);
        if (!CHECK_ROW(r.verdict == CWS_PARSE_DONE, row->name)) {
            printf("  refused with reason %d\n", (int)r.head.reason);
            continue;
        }
        const http1_head *h = &r.head;
        CHECK_ROW(h->reason == CWS_R_NONE, row->name);
        CHECK_ROW(text_is(row->p, h->method, h->method_n, row->method), row->name);
        CHECK_ROW(text_is(row->p, h->path, h->path_n, row->path), row->name);
        CHECK_ROW(text_is(row->p, h->query, h->query_n, row->query), row->name);
        CHECK_ROW(claims_of(h) == row->claims, row->name);
        CHECK_ROW(h->length == row->length, row->name);
        CHECK_ROW(h->header_count == row->header_count, row->name);
        CHECK_ROW(h->head_bytes >= 4 && memcmp(row->p + h->head_bytes - 4, "\r\n\r\n", 4) == 0, row->name);
    }
}

TEST(http1_fields_are_located)
{
    static const char text[] = GET "Host:\t a.example \t\r\nX-Empty:  \r\nA:b:c\r\n\r\nrest";
    result r;
    const uint8_t *p = (const uint8_t *)text;
    gulp(&r, p, sizeof text - 1, &ordinary);
    CHECK(r.verdict == CWS_PARSE_DONE && r.head.header_count == 3 && r.head.head_bytes == sizeof text - 1 - 4);
    CHECK(text_is(p, r.headers[0].name, r.headers[0].name_n, "Host"));
    CHECK(text_is(p, r.headers[0].value, r.headers[0].value_n, "a.example"));
    CHECK(text_is(p, r.headers[1].name, r.headers[1].name_n, "X-Empty") && r.headers[1].value_n == 0);
    CHECK(text_is(p, r.headers[2].value, r.headers[2].value_n, "b:c"));
}

typedef struct refused {
    const char *name;
    const uint8_t *p;
    size_t n;
    cws_reason reason;
} refused;

#define BAD CWS_R_HTTP_BAD_REQUEST
#define FRAMING CWS_R_HTTP_AMBIGUOUS_FRAMING
#define HOST CWS_R_HTTP_BAD_HOST

static const refused refused_lines[] = {
    {"two empty lines before", BYTES("\r\n\r\n" GET H END), BAD},
    {"bare LF before", BYTES("\n" GET H END), BAD},
    {"blank before", BYTES(" " GET H END), BAD},
    {"0.9", BYTES("GET /\r\n\r\n"), BAD},
    {"no target", BYTES("GET HTTP/1.1\r\n" H END), BAD},
    {"empty target", BYTES("GET  HTTP/1.1\r\n" H END), BAD},
    {"two blanks", BYTES("GET  / HTTP/1.1\r\n" H END), BAD},
    {"two blanks later", BYTES("GET /  HTTP/1.1\r\n" H END), BAD},
    {"tab for blank", BYTES("GET\t/ HTTP/1.1\r\n" H END), BAD},
    {"tab in target", BYTES("GET /\t HTTP/1.1\r\n" H END), BAD},
    {"blank after version", BYTES("GET / HTTP/1.1 \r\n" H END), BAD},
    {"four parts", BYTES("GET / / HTTP/1.1\r\n" H END), BAD},
    {"no version", BYTES("GET / \r\n" H END), BAD},
    {"lower-case version", BYTES("GET / http/1.1\r\n" H END), BAD},
    {"version 1.10", BYTES("GET / HTTP/1.10\r\n" H END), BAD},
    {"version 01.1", BYTES("GET / HTTP/01.1\r\n" H END), BAD},
    {"version 1,1", BYTES("GET / HTTP/1,1\r\n" H END), BAD},
    {"version 1.x", BYTES("GET / HTTP/1.x\r\n" H END), BAD},
    {"version ICY", BYTES("GET / ICYX/1.1\r\n" H END), BAD},
    {"version 1.2", BYTES("GET / HTTP/1.2\r\n" H END), CWS_R_HTTP_VERSION},
    {"version 2.0", BYTES("GET / HTTP/2.0\r\n" H END), CWS_R_HTTP_VERSION},
    {"version 0.9", BYTES("GET / HTTP/0.9\r\n" H END), CWS_R_HTTP_VERSION},
    {"HTTP/2 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), CWS_R_HTTP_VERSION},
    {"HTTP/2 preface's first line is enough", BYTES("PRI * HTTP/2.0\r\n"), CWS_R_HTTP_VERSION},
    {"CONNECT", BYTES("CONNECT a.example:443 HTTP/1.1\r\n" H END), CWS_R_HTTP_METHOD},
    {"TRACE", BYTES("TRACE / HTTP/1.1\r\n" H END), CWS_R_HTTP_METHOD},
    {"method with a slash", BYTES("G/T / HTTP/1.1\r\n" H END), BAD},
    {"method with a colon", BYTES("GET: / HTTP/1.1\r\n" H END), BAD},
    {"method of 33 letters", BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" H END), BAD},
    {"TLS", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), BAD},
    {"PROXY line on an ordinary port", BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n" GET H END), BAD},
    {"NUL in target", BYTES("GET /\0 HTTP/1.1\r\n" H END), BAD},
    {"DEL in target", BYTES("GET /\x7f HTTP/1.1\r\n" H END), BAD},
    {"8-bit target", BYTES("GET /\xC3\xBC HTTP/1.1\r\n" H END), BAD},
    {"8-bit query", BYTES("GET /?\xC3\xBC HTTP/1.1\r\n" H END), BAD},
    {"bare LF after the line", BYTES("GET / HTTP/1.1\n" H END), BAD},
    {"bare CR in the line", BYTES("GET /\r HTTP/1.1\r\n" H END), BAD},
    {"two CR", BYTES("GET / HTTP/1.1\r\r\n" H END), BAD},
};

static const refused refused_targets[] = {
    {"relative", BYTES("GET a HTTP/1.1\r\n" H END), BAD},
    {"authority form", BYTES("GET a.example:80 HTTP/1.1\r\n" H END), BAD},
    {"asterisk with GET", BYTES("GET * HTTP/1.1\r\n" H END), BAD},
    {"asterisk and more", BYTES("OPTIONS *x HTTP/1.1\r\n" H END), BAD},
    {"asterisk with options", BYTES("options * HTTP/1.1\r\n" H END), BAD},
    {"fragment", BYTES("GET /a#b HTTP/1.1\r\n" H END), BAD},
    {"fragment in query", BYTES("GET /a?b#c HTTP/1.1\r\n" H END), BAD},
    {"fragment after authority", BYTES("GET http://a.example#b HTTP/1.1\r\n" H END), BAD},
    {"other scheme", BYTES("GET ftp://a.example/ HTTP/1.1\r\n" H END), BAD},
    {"ws scheme", BYTES("GET ws://a.example/ HTTP/1.1\r\n" H END), BAD},
    {"scheme only", BYTES("GET http:/a HTTP/1.1\r\n" H END), BAD},
    {"absolute without authority", BYTES("GET http:///a HTTP/1.1\r\n" H END), HOST},
    {"absolute with userinfo", BYTES("GET http://u@a.example/ HTTP/1.1\r\n" H END), HOST},
    {"absolute, other host", BYTES("GET http://b.example/ HTTP/1.1\r\n" H END), HOST},
    {"absolute, other port", BYTES("GET http://a.example:81/ HTTP/1.1\r\n" H END), HOST},
    {"absolute without host field", BYTES("GET http://a.example/ HTTP/1.1\r\n\r\n"), HOST},
    {"absolute, double slash", BYTES("GET http://a.example//x HTTP/1.1\r\n" H END), BAD},
    {"double slash", BYTES("GET //a HTTP/1.1\r\n" H END), BAD},
    {"double slash inside", BYTES("GET /a//b HTTP/1.1\r\n" H END), BAD},
    {"double slash at the end", BYTES("GET /a// HTTP/1.1\r\n" H END), BAD},
    {"dot segment", BYTES("GET /./a HTTP/1.1\r\n" H END), BAD},
    {"dot segment at the end", BYTES("GET /a/. HTTP/1.1\r\n" H END), BAD},
    {"dots", BYTES("GET /../etc/passwd HTTP/1.1\r\n" H END), BAD},
    {"dots at the end", BYTES("GET /a/.. HTTP/1.1\r\n" H END), BAD},
    {"dots in a name", BYTES("GET /a..b HTTP/1.1\r\n" H END), BAD},
    {"escaped slash", BYTES("GET /a%2fb HTTP/1.1\r\n" H END), BAD},
    {"escaped slash, upper", BYTES("GET /a%2Fb HTTP/1.1\r\n" H END), BAD},
    {"escaped dots", BYTES("GET /%2e%2e/a HTTP/1.1\r\n" H END), BAD},
    {"escaped dot", BYTES("GET /.%2E/a HTTP/1.1\r\n" H END), BAD},
    {"escaped backslash", BYTES("GET /a%5cb HTTP/1.1\r\n" H END), BAD},
    {"escaped semicolon", BYTES("GET /a%3bb HTTP/1.1\r\n" H END), BAD},
    {"escaped percent", BYTES("GET /a%252fb HTTP/1.1\r\n" H END), BAD},
    {"escaped NUL", BYTES("GET /a%00 HTTP/1.1\r\n" H END), BAD},
    {"escaped LF", BYTES("GET /a%0a HTTP/1.1\r\n" H END), BAD},
    {"escaped DEL", BYTES("GET /a%7f HTTP/1.1\r\n" H END), BAD},
    {"escaped letter", BYTES("GET /%61pi HTTP/1.1\r\n" H END), BAD},
    {"cut escape", BYTES("GET /a%2 HTTP/1.1\r\n" H END), BAD},
    {"escape without digits", BYTES("GET /a%zz HTTP/1.1\r\n" H END), BAD},
    {"bare percent in query", BYTES("GET /a?b=100% HTTP/1.1\r\n" H END), BAD},
    {"semicolon", BYTES("GET /a;b HTTP/1.1\r\n" H END), BAD},
    {"backslash", BYTES("GET /a\\b HTTP/1.1\r\n" H END), BAD},
    {"backslash in query", BYTES("GET /a?b\\c HTTP/1.1\r\n" H END), BAD},
    {"quote", BYTES("GET /a\"b HTTP/1.1\r\n" H END), BAD},
    {"angle bracket in query", BYTES("GET /a?<b> HTTP/1.1\r\n" H END), BAD},
};

static const refused refused_fields[] = {
    {"blank before colon", BYTES(GET H "X : 1\r\n\r\n"), BAD},
    {"tab before colon", BYTES(GET H "X\t: 1\r\n\r\n"), BAD},
    {"blank before colon of a framing field", BYTES(POST "Transfer-Encoding : chunked\r\n\r\n"), BAD},
    {"no colon", BYTES(GET H "X\r\n\r\n"), BAD},
    {"empty name", BYTES(GET H ": 1\r\n\r\n"), BAD},
    {"only a colon", BYTES(GET H ":\r\n\r\n"), BAD},
    {"folded", BYTES(GET H "X: a\r\n b\r\n\r\n"), BAD},
    {"folded with a tab", BYTES(GET H "X: a\r\n\tb\r\n\r\n"), BAD},
    {"blank before the first field", BYTES(GET " " H END), BAD},
    {"line of one blank", BYTES(GET H " \r\n\r\n"), BAD},
    {"name in brackets", BYTES(GET H "X(1): a\r\n\r\n"), BAD},
    {"8-bit name", BYTES(GET H "X\xFC: a\r\n\r\n"), BAD},
    {"NUL in name", BYTES(GET H "X\0: a\r\n\r\n"), BAD},
    {"NUL in value", BYTES(GET H "X: a\0b\r\n\r\n"), BAD},
    {"ESC in value", BYTES(GET H "X: a\x1b[0m\r\n\r\n"), BAD},
    {"DEL in value", BYTES(GET H "X: a\x7f\r\n\r\n"), BAD},
    {"vertical tab in value", BYTES(GET H "X:\x0b" "chunked\r\n\r\n"), BAD},
    {"bare CR in value", BYTES(GET H "X: a\rb\r\n\r\n"), BAD},
    {"bare LF in value", BYTES(GET H "X: a\nY: b\r\n\r\n"), BAD},
    {"two CR at the end of a value", BYTES(GET H "X: a\r\r\n\r\n"), BAD},
    {"bare LF for the blank line", BYTES(GET H "X: a\r\n\n"), BAD},
    {"CR CR LF for the blank line", BYTES(GET H "X: a\r\n\r\r\n"), BAD},
    {"expectation of something else", BYTES(POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n"), CWS_R_HTTP_EXPECTATION},
    {"expectation with more", BYTES(POST "Expect: 100-continue, x\r\n\r\n"), CWS_R_HTTP_EXPECTATION},
    {"empty expectation", BYTES(POST "Expect:\r\n\r\n"), CWS_R_HTTP_EXPECTATION},
    {"no host", BYTES(GET END), HOST},
    {"no host but others", BYTES(GET "X-Host: a\r\n\r\n"), HOST},
    {"two hosts", BYTES(GET H H END), HOST},
    {"two hosts in 1.0", BYTES("GET / HTTP/1.0\r\n" H H END), HOST},
    {"empty host", BYTES(GET "Host:\r\n\r\n"), HOST},
    {"bad host in 1.0", BYTES("GET / HTTP/1.0\r\nHost: a b\r\n\r\n"), HOST},
    {"host with a blank", BYTES(GET "Host: a b\r\n\r\n"), HOST},
    {"host list", BYTES(GET "Host: a, b\r\n\r\n"), HOST},
    {"host with userinfo", BYTES(GET "Host: u@a\r\n\r\n"), HOST},
    {"host with a path", BYTES(GET "Host: a/b\r\n\r\n"), HOST},
    {"host URL", BYTES(GET "Host: http://a\r\n\r\n"), HOST},
    {"host with escape", BYTES(GET "Host: %61\r\n\r\n"), HOST},
    {"host with 8 bits", BYTES(GET "Host: \xC3\xBC\r\n\r\n"), HOST},
    {"host of a dot", BYTES(GET "Host: .\r\n\r\n"), HOST},
    {"host with an empty label", BYTES(GET "Host: a..b\r\n\r\n"), HOST},
    {"host only a port", BYTES(GET "Host: :80\r\n\r\n"), HOST},
    {"host empty port", BYTES(GET "Host: a:\r\n\r\n"), HOST},
    {"host port 0", BYTES(GET "Host: a:0\r\n\r\n"), HOST},
    {"host port 65536", BYTES(GET "Host: a:65536\r\n\r\n"), HOST},
    {"host port padded", BYTES(GET "Host: a:0000000000000080\r\n\r\n"), HOST},
    {"host port signed", BYTES(GET "Host: a:+80\r\n\r\n"), HOST},
    {"host two ports", BYTES(GET "Host: a:80:80\r\n\r\n"), HOST},
    {"host bare IPv6", BYTES(GET "Host: ::1\r\n\r\n"), HOST},
    {"host open bracket", BYTES(GET "Host: [::1\r\n\r\n"), HOST},
    {"host empty brackets", BYTES(GET "Host: []\r\n\r\n"), HOST},
    {"host name in brackets", BYTES(GET "Host: [a]\r\n\r\n"), HOST},
    {"host zone", BYTES(GET "Host: [fe80::1%25eth0]\r\n\r\n"), HOST},
    {"host after bracket", BYTES(GET "Host: [::1]a\r\n\r\n"), HOST},
    {"host bracket empty port", BYTES(GET "Host: [::1]:\r\n\r\n"), HOST},
};

static const refused refused_framing[] = {
    {"length and encoding", BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), FRAMING},
    {"encoding and length", BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), FRAMING},
    {"encoding and length 0", BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"), FRAMING},
    {"two equal lengths", BYTES(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), FRAMING},
    {"two lengths", BYTES(POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n"), FRAMING},
    {"length list", BYTES(POST "Content-Length: 5, 5\r\n\r\n"), FRAMING},
    {"length +5", BYTES(POST "Content-Length: +5\r\n\r\n"), FRAMING},
    {"length -5", BYTES(POST "Content-Length: -5\r\n\r\n"), FRAMING},
    {"length 0x5", BYTES(POST "Content-Length: 0x5\r\n\r\n"), FRAMING},
    {"length a", BYTES(POST "Content-Length: a\r\n\r\n"), FRAMING},
    {"length 1_0", BYTES(POST "Content-Length: 1_0\r\n\r\n"), FRAMING},
    {"length 1 0", BYTES(POST "Content-Length: 1 0\r\n\r\n"), FRAMING},
    {"length 5.0", BYTES(POST "Content-Length: 5.0\r\n\r\n"), FRAMING},
    {"length quoted", BYTES(POST "Content-Length: \"5\"\r\n\r\n"), FRAMING},
    {"length empty", BYTES(POST "Content-Length:\r\n\r\n"), FRAMING},
    {"length blank", BYTES(POST "Content-Length:  \t \r\n\r\n"), FRAMING},
    {"length of 19 digits", BYTES(POST "Content-Length: 1000000000000000000\r\n\r\n"), FRAMING},
    {"length of 19 zeros", BYTES(POST "Content-Length: 0000000000000000000\r\n\r\n"), FRAMING},
    {"length 2^64", BYTES(POST "Content-Length: 18446744073709551616\r\n\r\n"), FRAMING},
    {"length 8-bit digit", BYTES(POST "Content-Length: \xB2\r\n\r\n"), FRAMING},
    {"encoding gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), FRAMING},
    {"encoding chunked, chunked", BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), FRAMING},
    {"encoding twice", BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), FRAMING},
    {"encoding twice, other", BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"), FRAMING},
    {"encoding identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), FRAMING},
    {"encoding empty", BYTES(POST "Transfer-Encoding:\r\n\r\n"), FRAMING},
    {"encoding chunked;", BYTES(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), FRAMING},
    {"encoding xchunked", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n"), FRAMING},
    {"encoding chunke", BYTES(POST "Transfer-Encoding: chunke\r\n\r\n"), FRAMING},
    {"encoding ,chunked", BYTES(POST "Transfer-Encoding: ,chunked\r\n\r\n"), FRAMING},
    {"encoding in 1.0", BYTES("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), FRAMING},
    {"upgrade with a body", BYTES(GET H WS "Content-Length: 4\r\n\r\ntest"), CWS_R_HTTP_BAD_UPGRADE},
    {"upgrade with a chunked body", BYTES(GET H WS "Transfer-Encoding: chunked\r\n\r\n"), CWS_R_HTTP_BAD_UPGRADE},
};

static void run_refused(const refused *rows, size_t count)
{
    result r;
    for (size_t i = 0; i < count; i++) {
        run(&r, rows[i].name, rows[i].p, rows[i].n, &ordinary);
        if (!CHECK_ROW(r.verdict == CWS_PARSE_ERROR && r.head.reason == rows[i].reason, rows[i].name))
            printf("  verdict %d, reason %d, expected %d\n", (int)r.verdict, (int)r.head.reason, (int)rows[i].reason);
    }
}

#define RUN_REFUSED(rows) run_refused(rows, sizeof(rows) / sizeof((rows)[0]))

TEST(http1_refused_lines) { RUN_REFUSED(refused_lines); }
TEST(http1_refused_targets) { RUN_REFUSED(refused_targets); }
TEST(http1_refused_fields) { RUN_REFUSED(refused_fields); }
TEST(http1_refused_framing) { RUN_REFUSED(refused_framing); }

TEST(http1_every_prefix_wants_more)
{
    static const char text[] = "\r\nPOST /a?b HTTP/1.1\r\n" H "Content-Length: 5\r\nX: y\r\n\r\n";
    result r;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        gulp(&r, (const uint8_t *)text, n, &ordinary);
        CHECK(r.verdict == CWS_PARSE_MORE && r.head.reason == CWS_R_NONE);
    }
}

/* Every byte value at every place of a head, in place of what is there: never accepted with a control byte in it. */
TEST(http1_no_control_byte_passes)
{
    static const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    uint8_t bytes[sizeof text - 1];
    result r;
    for (size_t at = 0; at < sizeof bytes; at++) {
        if (text[at] == '\r' || text[at] == '\n')
            continue;
        for (unsigned value = 0; value < 0x20; value++) {
            memcpy(bytes, text, sizeof bytes);
            bytes[at] = (uint8_t)value;
            gulp(&r, bytes, sizeof bytes, &ordinary);
            const bool is_padding = value == '\t' && strchr(": y", text[at]) != NULL;
            CHECK(r.verdict == CWS_PARSE_ERROR || (is_padding && r.verdict == CWS_PARSE_DONE));
        }
    }
}

/* Builds "GET /aaa... HTTP/1.1" and fields to order. */
static size_t build(uint8_t *out, size_t target_n, size_t field_count, size_t value_n)
{
    size_t n = 0;
    memcpy(out, "GET /", 5);
    memset(out + 5, 'a', target_n - 1);
    n = 4 + target_n;
    n += (size_t)sprintf((char *)out + n, " HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < field_count; i++) {
        n += (size_t)sprintf((char *)out + n, "X: ");
        memset(out + n, 'v', value_n);
        n += value_n;
        n += (size_t)sprintf((char *)out + n, "\r\n");
    }
    n += (size_t)sprintf((char *)out + n, "\r\n");
    return n;
}

static void check_limit(const char *name, const uint8_t *p, size_t n, const cws_limits *limits, cws_reason reason)
{
    result r;
    run(&r, name, p, n, limits);
    CHECK_ROW(r.verdict == (reason == CWS_R_NONE ? CWS_PARSE_DONE : CWS_PARSE_ERROR) && r.head.reason == reason, name);
}

TEST(http1_limits)
{
    static uint8_t p[8192];
    const cws_limits limits = {.head_bytes = 1000, .header_count = 10, .target_bytes = 300};
    const cws_limits few = {.head_bytes = 8000, .header_count = 10000, .target_bytes = 300};
    check_limit("target as long as allowed", p, build(p, 300, 0, 0), &limits, CWS_R_NONE);
    check_limit("target one over", p, build(p, 301, 0, 0), &limits, CWS_R_HTTP_TARGET_TOO_LONG);
    check_limit("target far over", p, build(p, 900, 0, 0), &limits, CWS_R_HTTP_TARGET_TOO_LONG);
    check_limit("as many fields as allowed", p, build(p, 1, 9, 1), &limits, CWS_R_NONE);
    check_limit("one field over", p, build(p, 1, 10, 1), &limits, CWS_R_HTTP_HEAD_TOO_LARGE);
    check_limit("fields over the caller's array", p, build(p, 1, HEADERS_MAX, 1), &few, CWS_R_HTTP_HEAD_TOO_LARGE);
    const size_t rest = build(p, 1, 1, 0);
    check_limit("head as long as allowed", p, build(p, 1, 1, 1000 - rest), &limits, CWS_R_NONE);
    check_limit("head one over", p, build(p, 1, 1, 1001 - rest), &limits, CWS_R_HTTP_HEAD_TOO_LARGE);

    /* Refused before the end is there. */
    memset(p, 'a', sizeof p);
    check_limit("endless method", p, 1000, &limits, BAD);
    memcpy(p, "GET /", 5);
    check_limit("endless target", p, 400, &limits, CWS_R_HTTP_TARGET_TOO_LONG);
    memcpy(p, "GET / ", 6);
    check_limit("endless version", p, 400, &limits, BAD);
    memcpy(p, "\r\nGET /", 7);
    check_limit("endless target after an empty line", p, 400, &limits, CWS_R_HTTP_TARGET_TOO_LONG);
    const size_t line = build(p, 1, 0, 0) - 2;
    memset(p + line, 'x', sizeof p - line);
    check_limit("endless field", p, 1001, &limits, CWS_R_HTTP_HEAD_TOO_LARGE);
}

TEST(http1_fields_beyond_16_bits)
{
    static uint8_t p[200000];
    const cws_limits limits = {.head_bytes = sizeof p, .header_count = 10, .target_bytes = 8192};
    result r;
    gulp(&r, p, build(p, 1, 2, 65535), &limits);
    CHECK(r.verdict == CWS_PARSE_DONE && r.headers[2].value_n == 65535);
    gulp(&r, p, build(p, 1, 2, 65536), &limits);
    CHECK(r.verdict == CWS_PARSE_ERROR && r.head.reason == CWS_R_HTTP_HEAD_TOO_LARGE);
}

/* Quadratic work on this head would be 5 * 10^11 steps: minutes, where linear work takes well under a second. */
TEST(http1_byte_by_byte_is_linear)
{
    const size_t size = 1u << 20;
    uint8_t *p = malloc(size + 64);
    http1_header headers[HEADERS_MAX];
    const cws_limits limits = {.head_bytes = 1u << 21, .header_count = 100, .target_bytes = 1u << 20};
    const size_t n = build(p, size / 2, 12, 40000);
    const clock_t start = clock();
    cws_parse verdict = CWS_PARSE_MORE;
    http1_head h = {.headers = headers, .header_capacity = HEADERS_MAX};
    size_t seen = 0, i = 0;
    while (i < n && verdict == CWS_PARSE_MORE)
        verdict = http1_parse_head(&h, p, ++i, &seen, &limits);
    CHECK(verdict == CWS_PARSE_DONE && i == n && h.header_count == 13);
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 20.0);
    free(p);
}

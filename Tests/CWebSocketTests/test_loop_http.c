/* HTTP on real sockets: keep-alive, order, bodies, ceilings, refusals, deadlines.
 * SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_loop_fixture.h"

#define HOST "Host: x\r\n"

static bool body_is(const client_response *r, const char *s) { return r->body_n == strlen(s) && memcmp(r->body, s, r->body_n) == 0; }

static void expect(int fd, int status, const char *body)
{
    client_response r;
    CHECK_ROW(client_response_read(fd, &r, false), body);
    CHECK_ROW(r.status == status, body);
    CHECK_ROW(body_is(&r, body), body);
    CHECK_ROW(strstr(r.head, "\r\nDate: ") != NULL, body);
}

TEST(loop_http_keeps_alive)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    for (int i = 0; i < 50; i++) {
        CHECK(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        expect(fd, 200, "hello");
    }
    client_response r;
    CHECK(client_send_text(fd, "HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /none HTTP/1.1\r\n" HOST "\r\n"));
    CHECK(client_response_read(fd, &r, true) && r.status == 200 && strstr(r.head, "Content-Length: 5\r\n") != NULL);
    expect(fd, 404, "no");
    CHECK(client_send_text(fd, "GET /bye HTTP/1.1\r\n" HOST "\r\n"));
    CHECK(client_response_read(fd, &r, false) && strstr(r.head, "Connection: close\r\n") != NULL && body_is(&r, "bye"));
    CHECK(client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_LOCAL_CLOSE);
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.requests_count == 53 && stats.accepted_count == 1 && stats.open_count == 0);
    CHECK(stats.queued_bytes == 0 && stats.buffered_bytes == 0);
    fixture_stop(&f);
}

TEST(loop_http_versions)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    int fd = client_connect(&f);
    client_response r;
    CHECK(client_send_text(fd, "GET /hello HTTP/1.0\r\n\r\n"));
    CHECK(client_response_read(fd, &r, false) && r.status == 200 && body_is(&r, "hello") && client_at_end(fd));
    close(fd);
    fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    CHECK(client_response_read(fd, &r, false) && strstr(r.head, "Connection: keep-alive\r\n") != NULL);
    CHECK(client_send_text(fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    char body[8];
    CHECK(client_response_read(fd, &r, true) && strstr(r.head, "chunked") == NULL);
    CHECK(client_read(fd, body, 8) && memcmp(body, "onethree", 8) == 0 && client_at_end(fd));
    close(fd);
    fixture_stop(&f);
}

TEST(loop_http_pipelines_in_order)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n"
                               "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                               "GET /stream HTTP/1.1\r\n" HOST "\r\n"
                               "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\nT: 1\r\n\r\n"
                               "GET /later HTTP/1.1\r\n" HOST "\r\n"
                               "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    expect(fd, 200, "later");
    expect(fd, 200, "abc");
    expect(fd, 200, "3\r\none\r\n5\r\nthree\r\n0\r\n\r\n");
    expect(fd, 200, "def");
    expect(fd, 200, "later");
    expect(fd, 200, "hello");
    close(fd);
    fixture_stop(&f);
}

/* A peer that pipelines without end and reads nothing must be held back, and still be answered completely. */
TEST(loop_http_pipelining_is_bounded)
{
    fixture f;
    fixture_init(&f);
    f.limits.send_buffer_bytes = 8192;
    CHECK(fixture_start(&f));
    const int fd = client_connect_narrow(&f);
    enum { COUNT = 20000 };
    static const char request[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
    size_t sent = 0;
    const size_t n = sizeof request - 1;
    char *all = malloc(COUNT * n);
    if (!CHECK(all != NULL))
        return;
    for (size_t i = 0; i < COUNT; i++)
        memcpy(all + i * n, request, n);
    ssize_t put = 1;
    while (put > 0 && sent < COUNT * n) {
        put = send(fd, all + sent, COUNT * n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += put > 0 ? (size_t)put : 0;
    }
    cws_loop_stats stats = {0};
    while (stats.queued_bytes <= 64u << 10)
        stats = fixture_stats(&f.sides[0]);
    bool is_bounded = true;
    for (int turn = 0; turn < 50; turn++) { /* each is a chance to read and answer more */
        stats = fixture_stats(&f.sides[0]);
        is_bounded &= stats.queued_bytes < 80u << 10 && stats.buffered_bytes <= 64u << 10;
    }
    CHECK(is_bounded);
    bool is_answered = true;
    for (size_t i = 0; i < COUNT && is_answered; i++) {
        client_response r;
        is_answered = client_response_read(fd, &r, false) && body_is(&r, "hello");
        if (sent < COUNT * n) {
            put = send(fd, all + sent, COUNT * n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += put > 0 ? (size_t)put : 0;
        }
    }
    CHECK(is_answered);
    free(all);
    close(fd);
    fixture_stop(&f);
}

TEST(loop_http_one_byte_at_a_time)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    static const char requests[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n"
                                   "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n12345"
                                   "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                                   "GET /later HTTP/1.1\r\n" HOST "\r\n";
    CHECK(client_send_slowly(fd, requests, sizeof requests - 1));
    expect(fd, 200, "hello");
    expect(fd, 200, "12345");
    expect(fd, 200, "abc");
    expect(fd, 200, "later");
    close(fd);
    fixture_stop(&f);
}

TEST(loop_http_expects_continue)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    int fd = client_connect(&f);
    client_response r;
    CHECK(client_send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    CHECK(client_response_read(fd, &r, false) && r.status == 100);
    CHECK(client_send_text(fd, "body"));
    expect(fd, 200, "body");
    /* The body came along: no 100 is owed. */
    CHECK(client_send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody"));
    expect(fd, 200, "body");
    /* Refused before the body is sent. */
    CHECK(client_send_text(fd, "POST /small HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 17\r\n\r\n"));
    CHECK(client_response_read(fd, &r, false) && r.status == 413 && client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_HTTP_BODY_TOO_LARGE);
    fixture_stop(&f);
}

TEST(loop_http_large_body)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    enum { N = 1 << 20 };
    char *body = malloc(N), *back = malloc(N), head[256];
    if (!CHECK(body != NULL && back != NULL))
        return;
    for (size_t i = 0; i < N; i++)
        body[i] = (char)('a' + i % 23);
    for (int round = 0; round < 3; round++) {
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", N);
        CHECK(client_send_text(fd, head) && client_send(fd, body, N));
        client_response r;
        CHECK(client_response_read(fd, &r, true) && r.status == 200);
        CHECK(client_read(fd, back, N) && memcmp(body, back, N) == 0);
    }
    CHECK(fixture_stats(&f.sides[0]).message_bytes == 0);
    free(body);
    free(back);
    close(fd);
    fixture_stop(&f);
}

TEST(loop_http_body_ceilings)
{
    static const struct { const char *name, *request; int status; const char *body; cws_reason reason; } rows[] = {
        {"sized, fits", "POST /small HTTP/1.1\r\n" HOST "Content-Length: 16\r\n\r\n0123456789abcdef", 200, "0123456789abcdef", CWS_R_NONE},
        {"sized, over", "POST /small HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n0123456789abcdefg", 413, NULL, CWS_R_HTTP_BODY_TOO_LARGE},
        {"chunked, over", "POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n8\r\n12345678\r\n0\r\n\r\n", 413, NULL,
         CWS_R_HTTP_BODY_TOO_LARGE},
        {"none allowed", "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 413, NULL, CWS_R_HTTP_BODY_TOO_LARGE},
        {"empty is none", "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, "hello", CWS_R_NONE},
        {"skip, sized", "POST /skip HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\nabcdefghijklmnopqrst", 200, "20 abcd", CWS_R_NONE},
        {"skip, chunked", "POST /skip HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n14\r\ndefghijklmnopqrstuvw\r\n0\r\n\r\n", 200,
         "23 abcd", CWS_R_NONE},
        {"skip, fits", "POST /skip HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", 200, "0 abcde", CWS_R_NONE},
        {"huge claim", "POST /small HTTP/1.1\r\n" HOST "Content-Length: 999999999999999999\r\n\r\n", 413, NULL, CWS_R_HTTP_BODY_TOO_LARGE},
        {"bad chunk", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400, NULL, CWS_R_HTTP_BAD_CHUNK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int slowly = 0; slowly < 2; slowly++) {
            fixture f;
            fixture_init(&f);
            f.limits.skipped_prefix_bytes = 4;
            CHECK(fixture_start(&f));
            const int fd = client_connect(&f);
            client_response r;
            if (slowly)
                (void)client_send_slowly(fd, rows[i].request, strlen(rows[i].request)); /* may be cut short by the refusal */
            else
                CHECK_ROW(client_send_text(fd, rows[i].request), rows[i].name);
            CHECK_ROW(client_response_read(fd, &r, false), rows[i].name);
            CHECK_ROW(r.status == rows[i].status, rows[i].name);
            if (rows[i].body != NULL)
                CHECK_ROW(body_is(&r, rows[i].body), rows[i].name);
            if (rows[i].reason != CWS_R_NONE) {
                CHECK_ROW(strstr(r.body, cws_reason_name(rows[i].reason)) != NULL, rows[i].name);
                CHECK_ROW(client_at_end(fd), rows[i].name);
            }
            close(fd);
            CHECK_ROW(fixture_reason(&f, 0) == (rows[i].reason ? rows[i].reason : CWS_R_PEER_EOF), rows[i].name);
            fixture_stop(&f);
        }
    }
}

TEST(loop_http_refusals)
{
    static const struct { const char *request; int status; cws_reason reason; const char *header; } rows[] = {
        {"BAD\r\n\r\n", 400, CWS_R_HTTP_BAD_REQUEST, "Connection: close"},
        {"GET / HTTP/1.1\r\n\r\n", 400, CWS_R_HTTP_BAD_HOST, "application/json"},
        {"GET / HTTP/3.0\r\n" HOST "\r\n", 505, CWS_R_HTTP_VERSION, ""},
        {"TRACE / HTTP/1.1\r\n" HOST "\r\n", 405, CWS_R_HTTP_METHOD, "Allow: GET"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, CWS_R_HTTP_AMBIGUOUS_FRAMING, ""},
        {"POST /echo HTTP/1.1\r\n" HOST "Expect: the-unexpected\r\nContent-Length: 1\r\n\r\n", 417, CWS_R_HTTP_EXPECTATION, ""},
        {"GET /ws HTTP/1.1\r\n" HOST "\r\n", 426, CWS_R_HTTP_BAD_UPGRADE, "Sec-WebSocket-Version: 13"},
        {"GET /ws HTTP/1.1\r\n" HOST "\r\n", 426, CWS_R_HTTP_BAD_UPGRADE, "\r\nConnection: close, Upgrade\r\n"},
        {"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 426, CWS_R_HTTP_BAD_UPGRADE, "Sec-WebSocket-Version: 13"},
        {"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: short\r\n\r\n", 400, CWS_R_HTTP_BAD_UPGRADE, ""},
        {"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: 4\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\ntest", 400, CWS_R_HTTP_BAD_UPGRADE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f;
        fixture_init(&f);
        CHECK(fixture_start(&f));
        const int fd = client_connect(&f);
        client_response r;
        CHECK(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n") && client_send_text(fd, rows[i].request));
        expect(fd, 200, "hello");
        CHECK_ROW(client_response_read(fd, &r, false), rows[i].request);
        CHECK_ROW(r.status == rows[i].status && strstr(r.head, rows[i].header) != NULL, rows[i].request);
        CHECK_ROW(strstr(r.body, "{\"error\": \"") == r.body && strstr(r.body, cws_reason_name(rows[i].reason)) != NULL, rows[i].request);
        CHECK_ROW(client_at_end(fd), rows[i].request);
        close(fd);
        CHECK_ROW(fixture_reason(&f, 0) == rows[i].reason, rows[i].request);
        fixture_stop(&f);
    }
}

/* A page of another origin may read a refusal of the engine's own if the owner says so; other answers are the owner's. */
TEST(loop_http_refusals_opened)
{
    static const char *const refused[] = {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 17\r\n\r\n", "BAD\r\n\r\n"};
    for (int opens = 0; opens < 2; opens++) {
        fixture f;
        fixture_init(&f);
        f.limits.opens_refusals = opens;
        CHECK(fixture_start(&f));
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            const int fd = client_connect(&f);
            client_response r;
            CHECK(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n") && client_send_text(fd, refused[i]));
            CHECK_ROW(client_response_read(fd, &r, false) && strstr(r.head, "Access-Control") == NULL, refused[i]);
            CHECK_ROW(client_response_read(fd, &r, false) && r.status >= 400, refused[i]);
            CHECK_ROW((strstr(r.head, "\r\nAccess-Control-Allow-Origin: *\r\n") != NULL) == (opens == 1), refused[i]);
            close(fd);
        }
        fixture_stop(&f);
    }
}

/* The answer must survive what the peer is still sending: that is what the lingering close is for. */
TEST(loop_http_lingers)
{
    static const char head[] = "POST /small HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n";
    static char junk[20000];
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    memset(junk, 'x', sizeof junk);
    for (int sends_early = 0; sends_early < 2; sends_early++) {
        const int fd = client_connect(&f);
        client_response r;
        char byte;
        CHECK(client_send(fd, head, sizeof head - 1));
        if (sends_early)
            CHECK(client_send(fd, junk, sizeof junk));
        CHECK(client_response_read(fd, &r, false) && r.status == 413);
        CHECK(recv(fd, &byte, 1, 0) == 0);
        if (!sends_early)
            CHECK(client_send(fd, junk, sizeof junk));
        close(fd);
        CHECK(fixture_reason(&f, (unsigned)sends_early) == CWS_R_HTTP_BODY_TOO_LARGE);
        /* All of it was read, so nothing was answered with a reset. */
        CHECK(fixture_stats(&f.sides[0]).bytes_in == (sizeof head - 1 + sizeof junk) * (unsigned)(sends_early + 1));
    }
    fixture_stop(&f);
}

TEST(loop_http_deadlines)
{
    static const struct { const char *name, *first; cws_reason reason; int status; } rows[] = {
        {"silent", "", CWS_R_HEAD_TIMEOUT, 0},
        {"half a head", "GET /hello HTTP/1.1\r\nHos", CWS_R_HEAD_TIMEOUT, 408},
        {"half a body", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab", CWS_R_BODY_TIMEOUT, 408},
        {"half a chunk", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nab", CWS_R_BODY_TIMEOUT, 408},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f;
        fixture_init(&f);
        f.limits.head_timeout_ms = 60;
        f.limits.body_timeout_ms = 60;
        CHECK(fixture_start(&f));
        const int fd = client_connect(&f);
        client_response r;
        CHECK_ROW(client_send_text(fd, rows[i].first), rows[i].name);
        if (rows[i].status != 0)
            CHECK_ROW(client_response_read(fd, &r, false) && r.status == rows[i].status, rows[i].name);
        CHECK_ROW(client_at_end(fd), rows[i].name);
        close(fd);
        CHECK_ROW(fixture_reason(&f, 0) == rows[i].reason, rows[i].name);
        fixture_stop(&f);
    }
    fixture f;
    fixture_init(&f);
    f.limits.keepalive_timeout_ms = 60;
    f.limits.head_timeout_ms = 5000;
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    expect(fd, 200, "hello");
    CHECK(client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_KEEPALIVE_TIMEOUT);
    fixture_stop(&f);
}

/* The peer's time for its next request begins when it has the answer, not when the answer is queued. */
TEST(loop_http_slow_download)
{
    fixture f;
    fixture_init(&f);
    f.limits.keepalive_timeout_ms = 60;
    CHECK(fixture_start(&f));
    const int fd = client_connect_narrow(&f);
    enum { N = 1 << 20, PIECE = N / 64 };
    char *body = calloc(1, N), head[128];
    if (!CHECK(body != NULL))
        return;
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", N);
    CHECK(client_send_text(fd, head) && client_send(fd, body, N));
    client_response r;
    CHECK(client_response_read(fd, &r, true) && r.status == 200);
    for (int i = 0; i < 64; i++) {
        usleep(5000);
        CHECK(client_read(fd, body, PIECE));
    }
    CHECK(client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_KEEPALIVE_TIMEOUT);
    free(body);
    fixture_stop(&f);
}

/* Sends a byte every few milliseconds until the server says something; false when all n were sent before. */
static bool drip_until_answered(int fd, unsigned n)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (unsigned i = 0; i < n; i++) {
        if (poll(&wait, 1, 5) > 0)
            return true;
        if (!client_send(fd, "x", 1))
            return false;
    }
    return false;
}

/* Progress alone keeps nothing open: a head and a body have to be there in time, drop by drop or not. */
TEST(loop_http_cuts_off_what_drips)
{
    static const struct { const char *name, *first; cws_reason reason; } rows[] = {
        {"head", "GET /hello HTTP/1.1\r\n" HOST "X-Long: ", CWS_R_HEAD_TIMEOUT},
        {"second head", "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "X-Long: ", CWS_R_HEAD_TIMEOUT},
        {"body", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", CWS_R_BODY_TIMEOUT},
        {"skipped body", "POST /skip HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", CWS_R_BODY_TIMEOUT},
        {"chunk", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e8\r\n", CWS_R_BODY_TIMEOUT},
        {"chunk's extension", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e8;", CWS_R_BODY_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f;
        fixture_init(&f);
        f.limits.head_timeout_ms = 150;
        f.limits.body_timeout_ms = 150;
        CHECK(fixture_start(&f));
        const int fd = client_connect(&f);
        client_response r;
        CHECK_ROW(client_send_text(fd, rows[i].first), rows[i].name);
        if (i == 1)
            expect(fd, 200, "hello");
        CHECK_ROW(drip_until_answered(fd, 990), rows[i].name);
        CHECK_ROW(client_response_read(fd, &r, false) && r.status == 408, rows[i].name);
        close(fd);
        CHECK_ROW(fixture_reason(&f, 0) == rows[i].reason, rows[i].name);
        fixture_stop(&f);
    }
}

/* Slow but fast enough: what has come buys time for the rest. */
TEST(loop_http_waits_for_a_slow_body)
{
    fixture f;
    fixture_init(&f);
    f.limits.body_timeout_ms = 800;
    f.limits.body_bytes_per_s = 10;
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    client_response r;
    CHECK(client_send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 250\r\n\r\n"));
    CHECK(!drip_until_answered(fd, 250));
    CHECK(client_response_read(fd, &r, false) && r.status == 200 && r.body_n == 250);
    close(fd);
    fixture_stop(&f);
}

TEST(loop_http_peer_gives_up)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    int fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    CHECK(fixture_wait(&f, &f.waiting_count, 1));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF);
    fixture_call(&f.sides[0], fixture_answer_waiting);
    CHECK(fixture_wait(&f, &f.gone_count, 1));
    /* Half-closed after a request that is answered at once: the answer still comes. */
    fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n") && shutdown(fd, SHUT_WR) == 0);
    expect(fd, 200, "hello");
    CHECK(client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 1) == CWS_R_PEER_EOF);
    /* Aborted from inside its own callback. */
    fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /abort HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    CHECK(client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 2) == CWS_R_LOCAL_ABORT);
    /* Input that comes while an answer is pending is kept in order. */
    fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /wait HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    CHECK(fixture_wait(&f, &f.waiting_count, 2));
    CHECK(client_send_text(fd, "GET /none HTTP/1.1\r\n" HOST "\r\n"));
    fixture_call(&f.sides[0], fixture_answer_waiting);
    expect(fd, 200, "later");
    expect(fd, 200, "hello");
    expect(fd, 404, "no");
    close(fd);
    fixture_stop(&f);
}

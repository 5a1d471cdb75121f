/* See test_faults.h. SPDX-License-Identifier: Apache-2.0 */
#include "test_faults.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what fails */

static _Thread_local bool is_loop;
static const fault *_Atomic armed;
static atomic_long allowed; /* so many more succeed; negative: all */
static atomic_uint hit_count;

bool fault_hits(fault_kind kind, int *error)
{
    const fault *what = is_loop ? atomic_load(&armed) : NULL;
    if (what == NULL || what->kind != kind)
        return false;
    long left = atomic_load(&allowed);
    while (left > 0 && !atomic_compare_exchange_weak(&allowed, &left, left - 1))
        continue;
    if (left != 0)
        return false;
    if (!what->is_lasting)
        atomic_store(&allowed, -1);
    atomic_fetch_add(&hit_count, 1);
    *error = what->error;
    return true;
}

static void mark(fixture_side *s)
{
    (void)s;
    is_loop = true;
}

static void arm(const fault *what, long n)
{
    atomic_store(&hit_count, 0);
    atomic_store(&allowed, n);
    atomic_store(&armed, what);
}

/* ---- exchanges; false at the first answer that does not come */

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"
/* RFC 7692 7.2.1: "hello" in a block that is not compressed. */
#define STORED_HELLO "\x00\x05\x00\xfa\xffhello\x00"
#define LARGE ((size_t)300000)

static bool answers(int fd, int status)
{
    client_response r;
    return client_response_read(fd, &r, false) && r.status == status;
}

static bool asks(int fd, const char *request, int status) { return client_send_text(fd, request) && answers(fd, status); }

static bool speaks_http(int fd)
{
    static const char body[6000];
    return asks(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 200) &&
           asks(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200) &&
           client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6000\r\n\r\n") && client_send(fd, body, 3000) &&
           poll(NULL, 0, 2) == 0 && client_send(fd, body, 3000) && answers(fd, 200) &&
           asks(fd, "GET /text HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", 200) &&
           asks(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 200) && asks(fd, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404) &&
           asks(fd, "GET /bye HTTP/1.1\r\nHost: x\r\n\r\n", 200) && client_at_end(fd);
}

static bool echoes(int fd, uint8_t first_byte, const void *p, size_t n)
{
    return client_send_frame(fd, first_byte, p, n) && client_expect(fd, first_byte, p, n);
}

/* Two large messages in one turn leave in one call. */
static bool echoes_twice(int fd)
{
    static char order[20008] = "!around", back[20004] = "<<";
    memset(order + 7, 'x', sizeof order - 7);
    memset(back + 2, 'x', sizeof back - 4);
    memset(back + sizeof back - 2, '>', 2);
    return client_send_frame(fd, FIN_TEXT, order, sizeof order) && client_expect(fd, FIN_TEXT, back, sizeof back) &&
           client_expect(fd, FIN_TEXT, back, sizeof back);
}

static bool speaks_websocket(int fd)
{
    static const uint8_t large[LARGE];
    if (!client_upgrade(fd) || !echoes(fd, FIN_TEXT, "small", 5))
        return false;
    if (!client_send_frame(fd, 0x01, "in ", 3) || !client_send_frame(fd, 0x00, "three ", 6) || poll(NULL, 0, 2) != 0 ||
        !client_send_frame(fd, 0x80, "pieces", 6) || !client_expect(fd, FIN_TEXT, "in three pieces", 15))
        return false;
    return echoes(fd, FIN_BINARY, large, LARGE) && echoes_twice(fd) && client_send_frame(fd, FIN_PING, "p", 1) &&
           client_expect(fd, FIN_PONG, "p", 1) && client_send_frame(fd, FIN_CLOSE, "\x03\xe8", 2) && client_expect_close(fd, 1000);
}

static bool speaks_deflated(int fd)
{
    char head[1024], text[4000];
    client_message m;
    memset(text, 't', sizeof text);
    if (!client_upgrade_with(fd, OFFER, head) || !client_send_frame(fd, FIN_TEXT | 0x40, BYTES(STORED_HELLO)) ||
        !client_expect(fd, FIN_TEXT, "hello", 5) || !client_send_frame(fd, FIN_TEXT, text, sizeof text) || !client_frame_read(fd, &m))
        return false;
    free(m.bytes);
    return true; /* compressed, or for lack of memory as it is */
}

static bool speaks_after_moving(int fd)
{
    return asks(fd, "POST /move HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok", 200) && client_upgrade(fd) &&
           client_send_frame(fd, FIN_TEXT, "!move", 5) && echoes(fd, FIN_TEXT, "there", 5);
}

static bool speaks_after_proxy(int fd)
{
    return client_send_text(fd, "PROXY TCP4 192.0.2.1 ") && poll(NULL, 0, 2) == 0 &&
           client_send_text(fd, "198.51.100.7 56324 443\r\n") && asks(fd, "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n", 200);
}

static bool is_answered(const fixture *f, bool (*speaks)(int fd))
{
    const int fd = client_connect(f);
    const bool is_whole = speaks(fd);
    close(fd);
    return is_whole;
}

static bool http(const fixture *f) { return is_answered(f, speaks_http); }
static bool websocket(const fixture *f) { return is_answered(f, speaks_websocket); }
static bool deflate(const fixture *f) { return is_answered(f, speaks_deflated); }
static bool moving(const fixture *f) { return is_answered(f, speaks_after_moving); }
static bool proxied(const fixture *f) { return is_answered(f, speaks_after_proxy); }

static bool tls(const fixture *f)
{
    tls_client c;
    const tls_wish wish = {.key_updates = 3};
    if (!tls_client_open(f, &wish, &c))
        return false;
    const bool is_whole = speaks_websocket(c.fd);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    return is_whole;
}

static const struct {
    const char *name;
    bool (*visit)(const fixture *f);
    bool is_tls, is_proxied, deflates;
    int loops;
} exchanges[] = {
    {"http", http, false, false, false, 1},
    {"websocket", websocket, false, false, false, 1},
    {"deflate", deflate, false, false, true, 1},
    {"moving", moving, false, false, false, 2},
    {"proxied", proxied, false, true, false, 1},
    {"tls", tls, true, false, false, 1},
};

/* ---- */

static bool is_empty(fixture *f)
{
    for (int tries = 0; tries < 5000; tries++) {
        bool is_left = false;
        for (int i = 0; i < f->loop_count; i++) {
            const cws_loop_stats s = fixture_stats(&f->sides[i]);
            is_left |= s.open_count != 0 || s.buffered_bytes != 0 || s.queued_bytes != 0 || s.message_bytes != 0;
        }
        if (!is_left)
            return true;
        (void)poll(NULL, 0, 1);
    }
    return false;
}

static int64_t seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* False when the exchange has no n-th call of that kind. */
static bool fail_at(size_t row, const fault *what, long n, cws_tls *context)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = exchanges[row].loops;
    f.tls = exchanges[row].is_tls ? context : NULL;
    f.expects_proxy = exchanges[row].is_proxied;
    f.allows_deflate = exchanges[row].deflates;
    CHECK(fixture_start(&f));
    for (int i = 0; i < f.loop_count; i++)
        fixture_call(&f.sides[i], mark);
    arm(what, n);
    const int64_t began = seconds();
    const bool is_whole = exchanges[row].visit(&f);
    const bool has_hit = atomic_load(&hit_count) > 0;
    arm(NULL, -1);
    char title[80];
    (void)snprintf(title, sizeof title, "%s, %s, call %ld", what->name, exchanges[row].name, n);
    CHECK_ROW(is_whole || (has_hit && what->is_noticed), title);
    CHECK_ROW(seconds() - began < 15, title); /* clients give up after 20 s */
    CHECK_ROW(exchanges[row].visit(&f), title);
    CHECK_ROW(is_empty(&f), title);
    fixture_stop(&f);
    return has_hit;
}

void fault_everywhere(const fault *what)
{
    cws_tls *context = tls_test_context();
    bool has_hit = false;
    for (size_t row = 0; row < sizeof exchanges / sizeof exchanges[0]; row++) {
        long n = 0;
        while (fail_at(row, what, n, context)) {
            n += 1 + n / 2;
            has_hit = true;
        }
    }
    CHECK_ROW(has_hit, what->name);
    cws_tls_release(context);
}

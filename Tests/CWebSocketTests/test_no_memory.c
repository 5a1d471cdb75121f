/* Memory runs out in the engine: every allocation of its own in an exchange fails in turn, once or from then on. Whoever that hits is answered
 * or cut off, never left waiting; the next one is served, and nothing stays behind. The Makefile has the linker lead malloc, calloc and
 * realloc here; OpenSSL's and zlib's own are not among them. SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test_tls_client.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

static _Thread_local bool is_loop;
static atomic_long allowed = -1; /* so many more succeed; negative: all */
static atomic_bool is_lasting;
static atomic_uint failed_count;

static bool fails(void)
{
    if (!is_loop)
        return false;
    long left = atomic_load(&allowed);
    while (left > 0 && !atomic_compare_exchange_weak(&allowed, &left, left - 1))
        continue;
    if (left != 0)
        return false;
    if (!atomic_load(&is_lasting))
        atomic_store(&allowed, -1);
    atomic_fetch_add(&failed_count, 1);
    return true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t count, size_t n) { return fails() ? NULL : __real_calloc(count, n); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

static void mark(fixture_side *s)
{
    (void)s;
    is_loop = true;
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

static bool speaks_websocket(int fd)
{
    static const uint8_t large[LARGE];
    if (!client_upgrade(fd) || !echoes(fd, FIN_TEXT, "small", 5))
        return false;
    if (!client_send_frame(fd, 0x01, "in ", 3) || !client_send_frame(fd, 0x00, "three ", 6) || poll(NULL, 0, 2) != 0 ||
        !client_send_frame(fd, 0x80, "pieces", 6) || !client_expect(fd, FIN_TEXT, "in three pieces", 15))
        return false;
    return echoes(fd, FIN_BINARY, large, LARGE) && client_send_frame(fd, FIN_PING, "p", 1) && client_expect(fd, FIN_PONG, "p", 1) &&
           client_send_frame(fd, FIN_CLOSE, "\x03\xe8", 2) && client_expect_close(fd, 1000);
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

/* The exchange with its n-th allocation failing; false when it has fewer. */
static bool fail_at(size_t row, long n, bool lasting, cws_tls *context)
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
    atomic_store(&failed_count, 0);
    atomic_store(&is_lasting, lasting);
    atomic_store(&allowed, n);
    const int64_t began = seconds();
    const bool is_whole = exchanges[row].visit(&f);
    atomic_store(&allowed, -1);
    const bool has_failed = atomic_load(&failed_count) > 0;
    CHECK_ROW(is_whole || has_failed, exchanges[row].name);
    CHECK_ROW(seconds() - began < 15, exchanges[row].name); /* clients give up after 20 s */
    CHECK_ROW(exchanges[row].visit(&f), exchanges[row].name);
    CHECK_ROW(is_empty(&f), exchanges[row].name);
    fixture_stop(&f);
    return has_failed;
}

static void fail_everywhere(bool lasting)
{
    cws_tls *context = tls_test_context();
    for (size_t row = 0; row < sizeof exchanges / sizeof exchanges[0]; row++) {
        long n = 0;
        while (fail_at(row, n, lasting, context))
            n++;
        CHECK_ROW(n >= 3, exchanges[row].name);
    }
    cws_tls_release(context);
}

TEST(no_memory_once) { fail_everywhere(false); }
TEST(no_memory_for_a_while) { fail_everywhere(true); }

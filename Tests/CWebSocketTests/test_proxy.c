/* The PROXY header: the grammar at every split, and on the loop before plain HTTP and before TLS.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "test_tls_client.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIG "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"
#define ZEROES_36 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROES_216 ZEROES_36 ZEROES_36 ZEROES_36 ZEROES_36 ZEROES_36 ZEROES_36
#define V6_FROM "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define V6_MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"

static const struct {
    const char *name;
    const uint8_t *p;
    size_t n;
    const char *source; /* NULL: none */
    uint16_t port;
} good[] = {
    {"v1 IPv4", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"), "192.0.2.1", 56324},
    {"v1 IPv6", BYTES("PROXY TCP6 2001:db8::7 2001:DB8:0:0:0:0:0:1 0 65535\r\n"), "2001:db8::7", 0},
    {"v1 longest", BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
    {"v1 mapped", BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "192.0.2.1", 1},
    {"v1 unknown", BYTES("PROXY UNKNOWN\r\n"), NULL, 0},
    {"v1 unknown with more", BYTES("PROXY UNKNOWN ffff::1 any thing  65535\r\n"), NULL, 0},
    {"v2 local", BYTES(SIG "\x20\x00\x00\x00"), NULL, 0},
    {"v2 local with bytes", BYTES(SIG "\x20\xff\x00\x03" "abc"), NULL, 0},
    {"v2 IPv4", BYTES(SIG "\x21\x11\x00\x0c" "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"), "192.0.2.1", 56324},
    {"v2 IPv4 and extras", BYTES(SIG "\x21\x11\x00\x15" "\xc0\x00\x02\x01\xc6\x33\x64\x07\x00\x01\x01\xbb" "\x04\x00\x00\x01\x00\x03" "h2c"),
     "192.0.2.1", 1},
    {"v2 IPv6", BYTES(SIG "\x21\x21\x00\x24" V6_FROM V6_FROM "\x00\x50\x01\xbb"), "2001:db8::7", 80},
    {"v2 mapped", BYTES(SIG "\x21\x21\x00\x24" V6_MAPPED V6_MAPPED "\x00\x50\x01\xbb"), "192.0.2.1", 80},
    {"v2 no family", BYTES(SIG "\x21\x00\x00\x02" "xy"), NULL, 0},
    {"v2 Unix", BYTES(SIG "\x21\x31\x00\xd8" ZEROES_216), NULL, 0},
};

static bool is_address(const cws_address *a, const char *text)
{
    char out[INET6_ADDRSTRLEN];
    return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, sizeof out) && strcmp(out, text) == 0;
}

TEST(proxy_good_headers_at_every_split)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cws_proxy_header h;
        for (size_t n = 0; n < good[i].n; n++)
            CHECK_ROW(cws_proxy_parse(&h, check_guarded(good[i].p, n), n) == CWS_PARSE_MORE, good[i].name);
        for (size_t more = 0; more < 2; more++) { /* alone, and with the client's bytes behind it */
            uint8_t with[512];
            memcpy(with, good[i].p, good[i].n);
            with[good[i].n] = 'G';
            const uint8_t *p = check_guarded(with, good[i].n + more);
            CHECK_ROW(cws_proxy_parse(&h, p, good[i].n + more) == CWS_PARSE_DONE && h.header_n == good[i].n, good[i].name);
            CHECK_ROW(h.has_source == (good[i].source != NULL), good[i].name);
            if (good[i].source != NULL)
                CHECK_ROW(is_address(&h.source, good[i].source) && h.source.port == good[i].port, good[i].name);
        }
    }
}

/* Each is an error at its last byte and still MORE before it, so that no header is refused too late. */
static const struct {
    const char *name;
    const uint8_t *p;
    size_t n;
} bad[] = {
    {"a request", BYTES("G")},
    {"lower case", BYTES("p")},
    {"PROX", BYTES("PROXI")},
    {"tab", BYTES("PROXY\t")},
    {"line feed alone", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 1 443\n")},
    {"CR and another", BYTES("PROXY UNKNOWN\rX")},
    {"NUL", BYTES("PROXY UNKNOWN\0")},
    {"not ASCII", BYTES("PROXY UNKNOWN \xc3")},
    {"no protocol", BYTES("PROXY \r\n")},
    {"two blanks", BYTES("PROXY  TCP4 192.0.2.1 198.51.100.7 1 443\r\n")},
    {"blanks inside", BYTES("PROXY TCP4 192.0.2.1  198.51.100.7 1 443\r\n")},
    {"blank at the end", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 1 443 \r\n")},
    {"too few", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n")},
    {"too many", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 1 443 9\r\n")},
    {"UDP", BYTES("PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n")},
    {"TCP5", BYTES("PROXY TCP5 192.0.2.1 198.51.100.7 1 443\r\n")},
    {"tcp4", BYTES("PROXY tcp4 192.0.2.1 198.51.100.7 1 443\r\n")},
    {"UNKNOWNX", BYTES("PROXY UNKNOWNX\r\n")},
    {"IPv6 as TCP4", BYTES("PROXY TCP4 ::1 198.51.100.7 1 443\r\n")},
    {"IPv4 as TCP6", BYTES("PROXY TCP6 192.0.2.1 ::1 1 443\r\n")},
    {"bad target", BYTES("PROXY TCP4 192.0.2.1 198.51.100 1 443\r\n")},
    {"octal", BYTES("PROXY TCP4 192.0.2.01 198.51.100.7 1 443\r\n")},
    {"bracketed", BYTES("PROXY TCP6 [::1] ::1 1 443\r\n")},
    {"zone", BYTES("PROXY TCP6 fe80::1%1 ::1 1 443\r\n")},
    {"port too large", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n")},
    {"port padded", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 01 443\r\n")},
    {"port signed", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n")},
    {"port huge", BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 1 4294967297\r\n")},
    {"v2 signature", BYTES("\x0D\x0A\x0D\x0A\x00\x0D\x0B")},
    {"v2 version 1", BYTES(SIG "\x11")},
    {"v2 command 2", BYTES(SIG "\x22")},
    {"v2 datagrams", BYTES(SIG "\x21\x12")},
    {"v2 family 4", BYTES(SIG "\x21\x41")},
    {"v2 short IPv4", BYTES(SIG "\x21\x11\x00\x0b")},
    {"v2 short IPv6", BYTES(SIG "\x21\x21\x00\x23")},
    {"v2 short Unix", BYTES(SIG "\x21\x31\x00\xd7")},
    {"v2 too long", BYTES(SIG "\x21\x00\x07\xf1")},
    {"v2 extra cut in its head", BYTES(SIG "\x21\x11\x00\x0e" "\0\0\0\0\0\0\0\0\0\0\0\0" "\x04\x00")},
    {"v2 extra too long", BYTES(SIG "\x21\x11\x00\x10" "\0\0\0\0\0\0\0\0\0\0\0\0" "\x04\x00\x02" "a")},
};

TEST(proxy_bad_headers)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cws_proxy_header h;
        for (size_t n = 0; n < bad[i].n; n++)
            CHECK_ROW(cws_proxy_parse(&h, check_guarded(bad[i].p, n), n) == CWS_PARSE_MORE, bad[i].name);
        CHECK_ROW(cws_proxy_parse(&h, check_guarded(bad[i].p, bad[i].n), bad[i].n) == CWS_PARSE_ERROR, bad[i].name);
    }
    cws_proxy_header h;
    uint8_t line[108];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    CHECK(cws_proxy_parse(&h, line, 106) == CWS_PARSE_MORE && cws_proxy_parse(&h, line, 107) == CWS_PARSE_ERROR);
    line[105] = '\r';
    CHECK(cws_proxy_parse(&h, line, 106) == CWS_PARSE_MORE);
    line[106] = '\n';
    CHECK(cws_proxy_parse(&h, line, 107) == CWS_PARSE_DONE && h.header_n == 107);
}

TEST(proxy_longest_v2)
{
    uint8_t p[CWS_PROXY_BYTES] = SIG "\x21\x00\x07\xf0";
    cws_proxy_header h;
    CHECK(cws_proxy_parse(&h, p, sizeof p - 1) == CWS_PARSE_MORE);
    CHECK(cws_proxy_parse(&h, p, sizeof p) == CWS_PARSE_DONE && h.header_n == sizeof p && !h.has_source);
}

/* ---- on the loop */

#define PEER "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n"

static void start(fixture *f, bool is_tls)
{
    fixture_init(f);
    f->expects_proxy = true;
    f->limits.head_timeout_ms = 400;
    f->tls = is_tls ? tls_test_context() : NULL;
    if (!CHECK(fixture_start(f)))
        abort();
}

static void stop(fixture *f)
{
    fixture_stop(f);
    if (f->tls != NULL)
        cws_tls_release(f->tls);
}

static bool answers(int fd, const char *body)
{
    client_response r;
    return client_response_read(fd, &r, false) && r.status == 200 && r.body_n == strlen(body) && memcmp(r.body, body, r.body_n) == 0;
}

TEST(proxy_names_the_peer)
{
    static const char v1[] = "PROXY TCP6 2001:db8::7 ::1 77 443\r\n" PEER PEER;
    static const char v2[] = SIG "\x21\x11\x00\x0c" "\xc0\x00\x02\x01\xc6\x33\x64\x07\x00\x4d\x01\xbb" PEER;
    static const char local[] = SIG "\x20\x00\x00\x00" "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    fixture f;
    start(&f, false);
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        bool (*const send)(int, const void *, size_t) = is_slow ? client_send_slowly : client_send;
        int fd = client_connect(&f);
        CHECK(send(fd, v1, sizeof v1 - 1) && answers(fd, "2001:db8::7 77 plain") && answers(fd, "2001:db8::7 77 plain"));
        close(fd);
        fd = client_connect(&f);
        CHECK(send(fd, v2, sizeof v2 - 1) && answers(fd, "192.0.2.1 77 plain"));
        close(fd);
        fd = client_connect(&f);
        CHECK(send(fd, local, sizeof local - 1) && answers(fd, "hello"));
        close(fd);
    }
    stop(&f);
}

TEST(proxy_before_tls)
{
    fixture f;
    tls_client c;
    static const char v1[] = "PROXY TCP4 192.0.2.1 198.51.100.7 77 443\r\n";
    const tls_wish wish = {.prelude = v1, .prelude_n = sizeof v1 - 1};
    start(&f, true);
    CHECK(tls_client_open(&f, &wish, &c) && client_send_text(c.fd, PEER) && answers(c.fd, "192.0.2.1 77 tls"));
    CHECK(fixture_stats(&f.sides[0]).tls_count == 1);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    /* In one segment with the handshake's first bytes. */
    uint8_t both[1024];
    memcpy(both, v1, sizeof v1 - 1);
    const size_t n = sizeof v1 - 1 + tls_client_hello(both + sizeof v1 - 1, sizeof both - sizeof v1);
    uint8_t first;
    const int fd = client_connect(&f);
    CHECK(client_send(fd, both, n) && client_read(fd, &first, 1) && first == 0x16);
    CHECK(fixture_reason(&f, 1) == CWS_R_TLS_FAILED); /* its handshake is never finished */
    close(fd);
    CHECK(fixture_stats(&f.sides[0]).tls_count == 0);
    stop(&f);
}

TEST(proxy_refusals)
{
    fixture f;
    start(&f, false);
    const int none = client_connect(&f), silent = client_connect(&f), half = client_connect(&f);
    CHECK(client_send_text(none, PEER) && client_at_end(none));
    CHECK(fixture_reason(&f, 0) == CWS_R_PROXY_HEADER);
    CHECK(client_send_text(half, "PROXY TCP4 192.0.2.1 198.51."));
    CHECK(fixture_reason(&f, 1) == CWS_R_PROXY_HEADER && fixture_reason(&f, 2) == CWS_R_PROXY_HEADER);
    /* A header and nothing behind it: the head's own deadline. */
    const int idle = client_connect(&f);
    CHECK(client_send_text(idle, "PROXY UNKNOWN\r\n") && fixture_reason(&f, 3) == CWS_R_HEAD_TIMEOUT);
    const int left = client_connect(&f);
    CHECK(client_send_text(left, "PROXY TC"));
    close(left);
    CHECK(fixture_reason(&f, 4) == CWS_R_PEER_EOF);
    close(none);
    close(silent);
    close(half);
    close(idle);
    stop(&f);
}

TEST(proxy_from_strangers)
{
    fixture f;
    fixture_init(&f);
    f.expects_proxy = f.distrusts_proxies = true;
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    CHECK(client_at_end(fd));
    CHECK(fixture_stats(&f.sides[0]).reason_count[CWS_R_PROXY_HEADER] == 1 && fixture_stats(&f.sides[0]).accepted_count == 0);
    close(fd);
    fixture_stop(&f);
}

TEST(proxy_needs_a_judge)
{
    static const cws_handlers none;
    const cws_limits limits = cws_limits_default();
    cws_loop *l = cws_loop_new(&limits, &none, NULL, 0);
    const cws_listener_options o = {.expects_proxy_header = true};
    CHECK(l != NULL && cws_loop_listen_take(l, 0, &o) == CWS_BAD_ARGUMENT);
    cws_loop_free(l);
}

/* A line where none belongs is no request. */
TEST(proxy_where_it_is_not_expected)
{
    fixture f;
    client_response r;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    CHECK(client_send_text(fd, "PROXY TCP4 192.0.2.1 198.51.100.7 77 443\r\n" PEER));
    CHECK(client_response_read(fd, &r, false) && r.status == 400);
    close(fd);
    fixture_stop(&f);
}

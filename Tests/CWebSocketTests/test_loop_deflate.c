/* permessage-deflate and gzip on real sockets: what is agreed on, both directions, fragments, bombs, one frame for many receivers.
 * SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "internal.h"
#include "test_loop_fixture.h"

#define RSV1 0x40u
#define OFFER "Sec-WebSocket-Extensions: permessage-deflate"
#define AGREED "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static int client_deflating(const fixture *f, const char *lines)
{
    char head[1024];
    const int fd = client_connect(f);
    CHECK(client_upgrade_with(fd, lines, head) && strstr(head, AGREED) != NULL);
    return fd;
}

/* As a client would: its own window, level and flush, without the last four bytes. Freed by the caller. */
static cws_slice deflated(const void *p, size_t n, int bits, int level)
{
    z_stream z = {0};
    if (deflateInit2(&z, level, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    const uLong most = deflateBound(&z, (uLong)n) + 16;
    uint8_t *out = malloc(most);
    z.next_in = p;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)most;
    if (out == NULL || deflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_out == 0)
        abort();
    (void)deflateEnd(&z);
    return (cws_slice){.p = out, .n = most - z.avail_out - 4};
}

static void discard(cws_slice s) { free((void *)(uintptr_t)s.p); }

/* bits 31: gzip; negative: raw. */
static bool inflates_to(const uint8_t *in, size_t in_n, int bits, const void *p, size_t n)
{
    static const uint8_t end[4] = {0, 0, 0xff, 0xff};
    uint8_t *out = malloc(n + 1);
    z_stream z = {.next_in = in, .avail_in = (uInt)in_n, .next_out = out, .avail_out = (uInt)n + 1};
    if (out == NULL || inflateInit2(&z, bits) != Z_OK)
        abort();
    int rc = inflate(&z, Z_SYNC_FLUSH);
    if (bits < 0 && rc == Z_OK) {
        z.next_in = end;
        z.avail_in = sizeof end;
        rc = inflate(&z, Z_SYNC_FLUSH);
    }
    const bool is_same = (rc == Z_OK || rc == Z_BUF_ERROR || rc == Z_STREAM_END) && z.avail_out == 1 && (n == 0 || memcmp(out, p, n) == 0);
    (void)inflateEnd(&z);
    free(out);
    return is_same;
}

static bool send_deflated(int fd, uint8_t first_byte, const void *p, size_t n)
{
    const cws_slice packed = deflated(p, n, 15, 6);
    const bool is_sent = client_send_frame(fd, (uint8_t)(first_byte | RSV1), packed.p, packed.n);
    discard(packed);
    return is_sent;
}

static bool expect_deflated(int fd, uint8_t first_byte, const void *p, size_t n)
{
    client_message m;
    const bool is_read = client_frame_read(fd, &m);
    const bool is_same = is_read && m.first_byte == (first_byte | RSV1) && m.n < n && inflates_to(m.bytes, m.n, -15, p, n);
    free(m.bytes);
    return is_same;
}

static uint8_t *prose(size_t n)
{
    uint8_t *p = malloc(n + 1);
    uint64_t random = 7;
    for (size_t i = 0; p != NULL && i < n; i++)
        p[i] = (uint8_t) "the quick brown fox"[check_random(&random) % 19];
    return p;
}

TEST(loop_deflate_handshake)
{
    static const struct {
        const char *lines;
        bool is_allowed;
        const char *answer; /* NULL: no extension */
    } rows[] = {
        {"", true, NULL},
        {OFFER "\r\n", false, NULL},
        {OFFER "; client_max_window_bits\r\n", true, AGREED "\r\n"},
        {OFFER "; server_max_window_bits=12; client_max_window_bits=12\r\n", true, AGREED "; server_max_window_bits=12\r\n"},
        {OFFER "; server_max_window_bits=7\r\n", true, NULL},
        {OFFER "; server_max_window_bits=7, permessage-deflate; server_max_window_bits=8\r\n", true, AGREED "; server_max_window_bits=8\r\n"},
        {OFFER "; nonsense\r\nSec-WebSocket-Extensions: a, permessage-deflate\r\n", true, AGREED "\r\n"},
        {"Sec-WebSocket-Extensions: x-other\r\n", true, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f;
        char head[1024];
        fixture_init(&f);
        f.allows_deflate = rows[i].is_allowed;
        CHECK(fixture_start(&f));
        const int fd = client_connect(&f);
        CHECK(client_upgrade_with(fd, rows[i].lines, head));
        CHECK_ROW(rows[i].answer != NULL ? strstr(head, rows[i].answer) != NULL : strstr(head, "Extensions") == NULL, rows[i].lines);
        /* Without the extension RSV1 is nobody's. */
        CHECK(send_deflated(fd, FIN_TEXT, "hello", 5));
        CHECK_ROW(rows[i].answer != NULL ? client_expect(fd, FIN_TEXT, "hello", 5) : client_expect_close(fd, 1002), rows[i].lines);
        close(fd);
        fixture_stop(&f);
    }
}

TEST(loop_deflate_echo_sizes)
{
    static const size_t sizes[] = {0, 1, 125, 126, 1023, 1024, 1025, 65535, 65536, 262144, 262145, 1u << 20, 5u << 20};
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    CHECK(fixture_start(&f));
    const int fd = client_deflating(&f, OFFER "\r\n");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *p = prose(sizes[i]);
        const bool is_packed = sizes[i] >= 1024 && sizes[i] <= 262144;
        for (unsigned k = 0; k < 4; k++) {
            const uint8_t first = k % 2 == 0 ? FIN_TEXT : FIN_BINARY;
            CHECK(k < 2 ? send_deflated(fd, first, p, sizes[i]) : client_send_frame(fd, first, p, sizes[i]));
            CHECK(is_packed ? expect_deflated(fd, first, p, sizes[i]) : client_expect(fd, first, p, sizes[i]));
        }
        free(p);
    }
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF);
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.inflated_count == 26 && stats.inflated_bytes > stats.inflated_wire_bytes && stats.inflate_refused_count == 0);
    CHECK(stats.deflated_count == 20 && stats.deflated_bytes < stats.deflated_plain_bytes && stats.deflated_bytes > 0);
    CHECK(stats.buffered_bytes == 0 && stats.queued_bytes == 0 && stats.message_bytes == 0 && stats.messages_in_count == 52 && stats.messages_out_count == 52);
    /* What the largest message took is given back. */
    const cws_deflate *d = &f.sides[0].loop->deflate;
    CHECK(d->inflated.cap <= 260 * 1024 && d->deflated.cap <= 260 * 1024);
    fixture_stop(&f);
}

/* Fragments of a compressed message, cut anywhere, with control frames between them; then a plain one in fragments. */
static size_t dialogue(uint8_t *out, const void *text, size_t text_n)
{
    const cws_slice packed = deflated(text, text_n, 15, 6);
    size_t n = client_frame(out, 0x01 | RSV1, packed.p, 3);
    n += client_frame(out + n, FIN_PING, "one", 3);
    n += client_frame(out + n, 0x00, packed.p + 3, 1);
    n += client_frame(out + n, 0x00, "", 0);
    n += client_frame(out + n, FIN_PING, "two", 3);
    n += client_frame(out + n, 0x80, packed.p + 4, packed.n - 4);
    discard(packed);
    n += client_frame(out + n, 0x01, "pl", 2);
    n += client_frame(out + n, 0x80, "ain", 3);
    n += client_frame(out + n, 0x02 | RSV1, "\xf2\x48\xcd", 3);
    n += client_frame(out + n, 0x80, "\xc9\xc9\x07\x00", 4);
    return n;
}

TEST(loop_deflate_fragments_split_at_every_byte)
{
    static const char text[] = "K\xc3\xa4se and k\xc3\xa4se and more k\xc3\xa4se \xf0\x9f\xa7\x80";
    const size_t text_n = sizeof text - 1;
    uint8_t wire[512];
    const size_t n = dialogue(wire, text, text_n);
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    CHECK(fixture_start(&f));
    for (size_t cut = 0; cut <= n + 1; cut++) {
        const int fd = client_deflating(&f, OFFER "\r\n");
        if (cut == n + 1) {
            CHECK(client_send_slowly(fd, wire, n));
        } else {
            CHECK(client_send(fd, wire, cut));
            (void)fixture_stats(&f.sides[0]);
            CHECK(client_send(fd, wire + cut, n - cut));
        }
        CHECK(client_expect(fd, FIN_PONG, "one", 3) && client_expect(fd, FIN_PONG, "two", 3));
        CHECK(client_expect(fd, FIN_TEXT, text, text_n) && client_expect(fd, FIN_TEXT, "plain", 5));
        CHECK(client_expect(fd, FIN_BINARY, "Hello", 5));
        close(fd);
        CHECK(fixture_reason(&f, (unsigned)cut) == CWS_R_PEER_EOF);
    }
    fixture_stop(&f);
}

static const struct {
    const char *name;
    uint8_t first_byte;
    const uint8_t *p;
    size_t n;
    uint16_t code;
    cws_reason reason;
} failures[] = {
    {"garbage", FIN_TEXT | RSV1, BYTES("no deflate at all"), 1007, CWS_R_FRAME_BAD_DEFLATE},
    {"half", FIN_BINARY | RSV1, BYTES("\xf2\x48\xcd"), 1007, CWS_R_FRAME_BAD_DEFLATE},
    {"reaches back into the message before", FIN_BINARY | RSV1, BYTES("\x02\x02\x00\x00"), 1007, CWS_R_FRAME_BAD_DEFLATE},
    {"inflates to no text", FIN_TEXT | RSV1, BYTES("\x00\x02\x00\xfd\xff\xc3\x28\x00"), 1007, CWS_R_FRAME_BAD_UTF8},
    {"inflates to half a character", FIN_TEXT | RSV1, BYTES("\x00\x01\x00\xfe\xff\xc3\x00"), 1007, CWS_R_FRAME_BAD_UTF8},
    {"RSV1 on a ping", FIN_PING | RSV1, BYTES(""), 1002, CWS_R_FRAME_PROTOCOL},
    {"RSV1 on a close", FIN_CLOSE | RSV1, BYTES("\x03\xe8"), 1002, CWS_R_FRAME_PROTOCOL},
    {"RSV1 on a continuation", 0x80 | RSV1, BYTES("\x00"), 1002, CWS_R_FRAME_PROTOCOL},
    {"RSV2", FIN_TEXT | 0x20, BYTES("a"), 1002, CWS_R_FRAME_PROTOCOL},
    {"RSV3 too", FIN_TEXT | RSV1 | 0x10, BYTES("a"), 1002, CWS_R_FRAME_PROTOCOL},
};

TEST(loop_deflate_failures)
{
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    CHECK(fixture_start(&f));
    unsigned ends = 0;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        for (unsigned is_fragmented = 0; is_fragmented < 2; is_fragmented++) {
            const int fd = client_deflating(&f, OFFER "\r\n");
            CHECK(send_deflated(fd, FIN_TEXT, "before", 6) && client_expect(fd, FIN_TEXT, "before", 6));
            const uint8_t first = failures[i].first_byte;
            if (is_fragmented && (first & 0x0Fu) >= 1 && (first & 0x0Fu) <= 2 && failures[i].n > 1)
                CHECK(client_send_frame(fd, first & 0x7Fu, failures[i].p, 1) && client_send_frame(fd, 0x80, failures[i].p + 1, failures[i].n - 1));
            else
                CHECK(client_send_frame(fd, first, failures[i].p, failures[i].n));
            CHECK_ROW(client_expect_close(fd, failures[i].code) && client_at_end(fd), failures[i].name);
            close(fd);
            CHECK_ROW(fixture_reason(&f, ends++) == failures[i].reason, failures[i].name);
        }
    }
    fixture_stop(&f);
}

TEST(loop_deflate_bomb_closes)
{
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    f.message_ceiling = 1u << 20;
    CHECK(fixture_start(&f));
    uint8_t *zeros = calloc(1, 256u << 20);
    const int fd = client_deflating(&f, OFFER "\r\n");
    CHECK(send_deflated(fd, FIN_BINARY, zeros, 1u << 20) && client_expect(fd, FIN_BINARY, zeros, 1u << 20));
    close(fd);
    /* 256 MiB in 256 KB. */
    const int other = client_deflating(&f, OFFER "\r\n");
    CHECK(send_deflated(other, FIN_BINARY, zeros, 256u << 20) && client_expect_close(other, 1009));
    close(other);
    CHECK(fixture_wait(&f, &f.end_count, 2));
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.reason_count[CWS_R_FRAME_TOO_BIG] == 1 && stats.inflate_refused_count == 1);
    CHECK(stats.inflated_bytes == (2u << 20) + 1);
    free(zeros);
    fixture_stop(&f);
}

/* Skipped: told, with its beginning, and the connection goes on; many in one read, while another connection is served. */
TEST(loop_deflate_bombs_are_skipped)
{
    enum { COUNT = 60 };
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    f.message_ceiling = 1u << 20;
    f.skips_oversize = true;
    f.limits.skipped_prefix_bytes = 32;
    CHECK(fixture_start(&f));
    const size_t n = 8u << 20;
    uint8_t *p = malloc(n), *wire = malloc(COUNT * 16384);
    memset(p, 'x', n);
    memcpy(p, "{\"id\":\"big\"", 11);
    const cws_slice packed = deflated(p, n, 15, 9);
    CHECK(packed.n < 10000);
    size_t wire_n = 0;
    for (unsigned i = 0; i < COUNT; i++)
        wire_n += client_frame(wire + wire_n, FIN_TEXT | RSV1, packed.p, packed.n);
    wire_n += client_frame(wire + wire_n, FIN_TEXT, "alive", 5);
    const int fd = client_deflating(&f, OFFER "\r\n"), other = client_deflating(&f, OFFER "\r\n");
    CHECK(client_send(fd, wire, wire_n));
    CHECK(client_send_frame(other, FIN_TEXT, "me too", 6) && client_expect(other, FIN_TEXT, "me too", 6));
    CHECK(client_expect(fd, FIN_TEXT, "alive", 5));
    CHECK(fixture_wait(&f, &f.skipped_count, COUNT) && f.skipped_size == (1u << 20) + 1);
    CHECK(f.skipped_prefix_n == 32 && memcmp(f.skipped_prefix, p, 32) == 0);
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.inflate_refused_count == COUNT && stats.inflated_bytes == COUNT * ((1u << 20) + 1) && stats.buffered_bytes == 0);
    CHECK(f.sides[0].loop->deflate.inflated.cap <= 260 * 1024);
    close(fd);
    close(other);
    discard(packed);
    free(wire);
    free(p);
    fixture_stop(&f);
}

/* However many send bombs: they share what a turn has, and none is served before the others have had their turn. */
TEST(loop_deflate_bombs_share_a_turn)
{
    enum { CLIENTS = 8, COUNT = 32 };
    fixture f;
    fixture_gate gate;
    int fds[CLIENTS];
    fixture_init(&f);
    f.allows_deflate = true;
    f.message_ceiling = 1u << 20;
    f.skips_oversize = true;
    CHECK(fixture_start(&f));
    const size_t n = 2u << 20;
    uint8_t *p = calloc(1, n), *wire = malloc(COUNT * 4096);
    const cws_slice packed = deflated(p, n, 15, 9);
    CHECK(packed.n < 4000);
    size_t wire_n = 0;
    for (unsigned i = 0; i < COUNT; i++)
        wire_n += client_frame(wire + wire_n, FIN_TEXT | RSV1, packed.p, packed.n);
    wire_n += client_frame(wire + wire_n, FIN_TEXT, "done", 4);
    for (unsigned i = 0; i < CLIENTS; i++)
        fds[i] = client_deflating(&f, OFFER "\r\n");
    const uint64_t turns_before = fixture_stats(&f.sides[0]).turns_count;
    fixture_hold(&f.sides[0], &gate);
    for (unsigned i = 0; i < CLIENTS; i++)
        CHECK(client_send(fds[i], wire, wire_n));
    fixture_release(&gate);
    CHECK(client_expect(fds[0], FIN_TEXT, "done", 4));
    CHECK(fixture_count(&f, &f.skipped_count) >= CLIENTS * (COUNT - 3));
    for (unsigned i = 1; i < CLIENTS; i++)
        CHECK(client_expect(fds[i], FIN_TEXT, "done", 4));
    CHECK(fixture_wait(&f, &f.skipped_count, CLIENTS * COUNT));
    /* 8 of a megabyte a turn make 32 turns, less what the first one takes; 64 a turn would make 4. */
    CHECK(fixture_stats(&f.sides[0]).turns_count - turns_before > 16);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    discard(packed);
    free(wire);
    free(p);
    fixture_stop(&f);
}

/* Too large before it is inflated: its beginning is told all the same. */
TEST(loop_deflate_wire_ceiling)
{
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    f.message_ceiling = 100000;
    f.skips_oversize = true;
    f.limits.skipped_prefix_bytes = 48;
    CHECK(fixture_start(&f));
    uint8_t *p = malloc(200000);
    uint64_t random = 3;
    for (size_t i = 0; i < 200000; i++)
        p[i] = (uint8_t)check_random(&random);
    const int fd = client_deflating(&f, OFFER "\r\n");
    /* At the ceiling, stored, with its blocks' heads a little over it on the wire. */
    const cws_slice fits = deflated(p, 100000, 15, 0), large = deflated(p, 200000, 15, 6);
    CHECK(fits.n > 100000 && client_send_frame(fd, FIN_BINARY | RSV1, fits.p, fits.n) && client_expect(fd, FIN_BINARY, p, 100000));
    CHECK(client_send_frame(fd, FIN_BINARY | RSV1, large.p, large.n) && fixture_wait(&f, &f.skipped_count, 1));
    CHECK(f.skipped_size == large.n && f.skipped_prefix_n > 0 && memcmp(f.skipped_prefix, p, f.skipped_prefix_n) == 0);
    CHECK(client_send_frame(fd, 0x02 | RSV1, large.p, 90000) && client_send_frame(fd, 0x80, large.p + 90000, large.n - 90000));
    CHECK(fixture_wait(&f, &f.skipped_count, 2) && f.skipped_size == large.n);
    CHECK(f.skipped_prefix_n > 0 && memcmp(f.skipped_prefix, p, f.skipped_prefix_n) == 0);
    CHECK(send_deflated(fd, FIN_TEXT, "alive", 5) && client_expect(fd, FIN_TEXT, "alive", 5));
    close(fd);
    discard(fits);
    discard(large);
    free(p);
    fixture_stop(&f);
}

/* One message, four receivers: compressed once, the same bytes for all who can read them, plain for who cannot. */
TEST(loop_deflate_is_shared)
{
    static const char *const offers[4] = {OFFER "\r\n", OFFER "; server_max_window_bits=12\r\n", OFFER "; server_max_window_bits=9\r\n", ""};
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    CHECK(fixture_start(&f));
    uint8_t text[FIXTURE_TEXT_MAX];
    const size_t n = fixture_text(text);
    int fds[4];
    client_message got[4];
    for (int i = 0; i < 4; i++) {
        char head[1024];
        fds[i] = client_connect(&f);
        CHECK(client_upgrade_with(fds[i], offers[i], head));
        CHECK(client_send_frame(fds[i], FIN_TEXT, "!join", 5) && client_expect(fds[i], FIN_TEXT, "!join", 5));
    }
    CHECK(client_send_frame(fds[3], FIN_TEXT, "!all", 4));
    for (int i = 0; i < 4; i++)
        CHECK(client_frame_read(fds[i], &got[i]));
    CHECK(got[0].first_byte == (FIN_TEXT | RSV1) && inflates_to(got[0].bytes, got[0].n, -15, text, n) && got[0].n < n / 3);
    CHECK(got[1].first_byte == (FIN_TEXT | RSV1) && got[1].n == got[0].n && memcmp(got[1].bytes, got[0].bytes, got[0].n) == 0);
    CHECK(got[2].first_byte == FIN_TEXT && got[2].n == n && memcmp(got[2].bytes, text, n) == 0);
    CHECK(got[3].first_byte == FIN_TEXT && got[3].n == n && memcmp(got[3].bytes, text, n) == 0);
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.deflated_count == 1 && stats.deflated_plain_bytes == n && stats.deflated_bytes == got[0].n && stats.queued_bytes == 0);
    for (int i = 0; i < 4; i++) {
        free(got[i].bytes);
        close(fds[i]);
    }
    fixture_stop(&f);
}

/* A queue of references to one compressed frame goes to the other loop, and what is received there uses that loop's compressors. */
TEST(loop_deflate_moves)
{
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    f.loop_count = 2;
    f.queue_ceiling = 64u << 10;
    CHECK(fixture_start(&f));
    uint8_t *p = prose(5000);
    char block[1024];
    memset(block, 's', sizeof block);
    const int fd = client_deflating(&f, OFFER "\r\n");
    uint8_t wire[256];
    size_t n = client_frame(wire, FIN_TEXT, "!share", 6);
    n += client_frame(wire + n, FIN_TEXT, "!move", 5);
    n += client_frame(wire + n, FIN_TEXT, "there", 5);
    CHECK(client_send(fd, wire, n));
    unsigned count = 0;
    client_message m;
    while (client_frame_read(fd, &m) && m.first_byte == (FIN_BINARY | RSV1)) {
        CHECK(inflates_to(m.bytes, m.n, -15, block, sizeof block));
        free(m.bytes);
        count++;
    }
    CHECK(count > 1000 && m.first_byte == FIN_TEXT && m.n == 5);
    free(m.bytes);
    CHECK(send_deflated(fd, FIN_TEXT, p, 5000) && expect_deflated(fd, FIN_TEXT, p, 5000));
    CHECK(fixture_stats(&f.sides[0]).deflated_count == 1 && fixture_stats(&f.sides[1]).deflated_count == 1);
    CHECK(fixture_stats(&f.sides[1]).inflated_count == 1 && fixture_stats(&f.sides[1]).queued_bytes == 0);
    close(fd);
    free(p);
    fixture_stop(&f);
}

/* What was agreed on is a byte of the connection. */
TEST(loop_deflate_idle_costs_nothing)
{
    CHECK(sizeof(cws_conn) <= 200);
    fixture f;
    fixture_init(&f);
    f.allows_deflate = true;
    CHECK(fixture_start(&f));
    int fds[100];
    for (int i = 0; i < 100; i++)
        fds[i] = client_deflating(&f, OFFER "\r\n");
    (void)fixture_stats(&f.sides[0]);
    const cws_deflate *d = &f.sides[0].loop->deflate;
    CHECK(d->inflater == NULL && d->deflater == NULL && d->inflated.p == NULL && d->deflated.p == NULL);
    for (int i = 0; i < 100; i++)
        close(fds[i]);
    fixture_stop(&f);
}

TEST(loop_gzip_responses)
{
    static const struct {
        const char *request;
        int status;
        bool is_packed, is_head;
        size_t plain_n; /* 0: the text */
    } rows[] = {
        {"GET /text HTTP/1.1\r\nHost: x\r\nAccept-Encoding: deflate, gzip\r\n\r\n", 200, true, false, 0},
        {"GET /text HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nAccept-Encoding: gzip\r\n\r\n", 200, true, false, 0},
        {"HEAD /text HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", 200, true, true, 0},
        {"GET /text HTTP/1.1\r\nHost: x\r\n\r\n", 200, false, false, 0},
        {"GET /text HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0, *\r\n\r\n", 200, false, false, 0},
        {"GET /text?short HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", 200, false, false, 1023},
        {"GET /text?304 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", 304, false, true, 0},
    };
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    uint8_t text[FIXTURE_TEXT_MAX];
    const size_t n = fixture_text(text);
    const int fd = client_connect(&f);
    size_t packed_n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        client_response r;
        CHECK(client_send_text(fd, rows[i].request) && client_response_read(fd, &r, rows[i].is_head));
        CHECK_ROW(r.status == rows[i].status && strstr(r.head, "\r\nVary: Accept-Encoding\r\n") != NULL, rows[i].request);
        CHECK_ROW((strstr(r.head, "\r\nContent-Encoding: gzip\r\n") != NULL) == rows[i].is_packed, rows[i].request);
        const char *length = strstr(r.head, "Content-Length: ");
        if (rows[i].is_packed && rows[i].is_head)
            CHECK_ROW(length != NULL && strtoul(length + 16, NULL, 10) == packed_n, rows[i].request);
        else if (rows[i].is_packed)
            CHECK_ROW(inflates_to((const uint8_t *)r.body, packed_n = r.body_n, 31, text, n) && r.body_n < n / 3, rows[i].request);
        else if (!rows[i].is_head)
            CHECK_ROW(r.body_n == (rows[i].plain_n > 0 ? rows[i].plain_n : n), rows[i].request);
        else
            CHECK_ROW(length == NULL, rows[i].request);
    }
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.gzip_count == 3 && stats.gzip_plain_bytes == 3 * n && stats.gzip_bytes == 3 * packed_n);
    /* Answers that nobody said may be compressed are not. */
    client_response r;
    CHECK(client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nContent-Length: 2000\r\n\r\n"));
    memset(text, 'e', 2000);
    CHECK(client_send(fd, text, 2000) && client_response_read(fd, &r, false) && r.body_n == 2000 && strstr(r.head, "Vary") == NULL);
    close(fd);
    fixture_stop(&f);
}

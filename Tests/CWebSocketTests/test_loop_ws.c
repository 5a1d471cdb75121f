/* WebSocket on real sockets: frame sizes, fragments, every split, ceilings, the closing handshake, pings.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_loop_fixture.h"

static uint8_t *pattern(size_t n)
{
    uint8_t *p = malloc(n + 1);
    for (size_t i = 0; p != NULL && i < n; i++)
        p[i] = (uint8_t)('!' + (i * 7 + i / 251) % 90);
    return p;
}

TEST(loop_ws_echo_sizes)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 262143, 262144, 262145, 1u << 20, 5u << 20};
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *p = pattern(sizes[i]);
        CHECK(client_send_frame(fd, FIN_BINARY, p, sizes[i]) && client_expect(fd, FIN_BINARY, p, sizes[i]));
        CHECK(client_send_frame(fd, FIN_TEXT, p, sizes[i]) && client_expect(fd, FIN_TEXT, p, sizes[i]));
        free(p);
    }
    CHECK(client_send_frame(fd, FIN_CLOSE, "\x03\xe8", 2) && client_expect_close(fd, 1000) && client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_CLOSE_FRAME && fixture_code(&f, 0) == 1000);
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.messages_in_count == 24 && stats.messages_out_count == 24);
    uint64_t timed = 0;
    for (size_t i = 0; i <= CWS_RELAY_BOUND_COUNT; i++)
        timed += stats.relay_count[i];
    CHECK(timed == 24 && stats.relay_ns > 0);
    CHECK(stats.buffered_bytes == 0 && stats.queued_bytes == 0 && stats.websocket_count == 0 && stats.upgrades_count == 1);
    fixture_stop(&f);
}

/* Many messages in one segment come back in order, in one turn or in several. */
TEST(loop_ws_bursts)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    enum { COUNT = 3000, SIZE = 100 };
    uint8_t *all = malloc(COUNT * (SIZE + 14)), payload[SIZE];
    if (!CHECK(all != NULL))
        return;
    size_t n = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        memset(payload, 'a' + (int)(i % 26), SIZE);
        memcpy(payload, &i, sizeof i);
        n += client_frame(all + n, FIN_BINARY, payload, SIZE);
    }
    CHECK(client_send(fd, all, n));
    bool is_same = true;
    for (unsigned i = 0; i < COUNT && is_same; i++) {
        memset(payload, 'a' + (int)(i % 26), SIZE);
        memcpy(payload, &i, sizeof i);
        is_same = client_expect(fd, FIN_BINARY, payload, SIZE);
    }
    CHECK(is_same);
    free(all);
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF && fixture_code(&f, 0) == 1006);
    fixture_stop(&f);
}

/* A dialogue with fragments, interleaved pings, empty fragments and characters cut in two. */
static size_t dialogue(uint8_t *out)
{
    size_t n = client_frame(out, 0x01, "K\xc3", 2);
    n += client_frame(out + n, FIN_PING, "one", 3);
    n += client_frame(out + n, 0x00, "\xa4se", 3);
    n += client_frame(out + n, 0x00, "", 0);
    n += client_frame(out + n, FIN_PONG, "unasked", 7);
    n += client_frame(out + n, FIN_PING, "", 0);
    n += client_frame(out + n, 0x80, "!", 1);
    n += client_frame(out + n, FIN_BINARY, "\x00\xff", 2);
    n += client_frame(out + n, 0x02, "", 0);
    n += client_frame(out + n, 0x80, "", 0);
    n += client_frame(out + n, FIN_CLOSE, "\x0f\xa0" "done", 6);
    return n;
}

static void expect_dialogue(int fd)
{
    CHECK(client_expect(fd, FIN_PONG, "one", 3));
    CHECK(client_expect(fd, FIN_PONG, "", 0));
    CHECK(client_expect(fd, FIN_TEXT, "K\xc3\xa4se!", 6));
    CHECK(client_expect(fd, FIN_BINARY, "\x00\xff", 2));
    CHECK(client_expect(fd, FIN_BINARY, "", 0));
    CHECK(client_expect_close(fd, 4000));
    CHECK(client_at_end(fd));
}

TEST(loop_ws_split_at_every_byte)
{
    uint8_t wire[512];
    const size_t n = dialogue(wire);
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    for (size_t cut = 0; cut <= n; cut++) {
        const int fd = client_websocket(&f);
        CHECK(client_send(fd, wire, cut));
        /* The server has certainly read the first part when it has answered another connection's question afterwards. */
        (void)fixture_stats(&f.sides[0]);
        CHECK(client_send(fd, wire + cut, n - cut));
        expect_dialogue(fd);
        close(fd);
        CHECK(fixture_reason(&f, (unsigned)cut) == CWS_R_PEER_CLOSE_FRAME && fixture_code(&f, (unsigned)cut) == 4000);
    }
    const int fd = client_websocket(&f);
    CHECK(client_send_slowly(fd, wire, n));
    expect_dialogue(fd);
    close(fd);
    CHECK(fixture_wait(&f, &f.pong_count, (unsigned)n + 2));
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes == 0);
    fixture_stop(&f);
}

TEST(loop_ws_frames_behind_the_handshake)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    uint8_t wire[512];
    static const char head[] = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    memcpy(wire, head, sizeof head - 1);
    const size_t n = sizeof head - 1 + client_frame(wire + sizeof head - 1, FIN_TEXT, "early", 5);
    CHECK(client_send(fd, wire, n));
    client_response r;
    CHECK(client_response_read(fd, &r, true) && r.status == 101 && strstr(r.head, "Sec-WebSocket-Protocol: chat\r\n") != NULL);
    CHECK(client_expect(fd, FIN_TEXT, "early", 5));
    close(fd);
    fixture_stop(&f);
}

TEST(loop_ws_failures)
{
    static const struct { const char *name; uint8_t wire[24]; size_t n; uint16_t code; cws_reason reason; } rows[] = {
        {"unmasked", "\x81\x01x", 3, 1002, CWS_R_FRAME_PROTOCOL},
        {"rsv1", "\xc1\x80\0\0\0\0", 6, 1002, CWS_R_FRAME_PROTOCOL},
        {"opcode 3", "\x83\x80\0\0\0\0", 6, 1002, CWS_R_FRAME_PROTOCOL},
        {"continuation of nothing", "\x80\x80\0\0\0\0", 6, 1002, CWS_R_FRAME_PROTOCOL},
        {"text inside a message", "\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 12, 1002, CWS_R_FRAME_PROTOCOL},
        {"bad UTF-8", "\x81\x82\0\0\0\0\xc3\x28", 8, 1007, CWS_R_FRAME_BAD_UTF8},
        {"bad UTF-8 in the second fragment", "\x01\x81\0\0\0\0\xc3\x00\x81\0\0\0\0\x28", 14, 1007, CWS_R_FRAME_BAD_UTF8},
        {"UTF-8 cut at the end", "\x81\x81\0\0\0\0\xc3", 7, 1007, CWS_R_FRAME_BAD_UTF8},
        {"UTF-8 cut at the last fragment", "\x01\x81\0\0\0\0\xc3\x80\x80\0\0\0\0", 13, 1007, CWS_R_FRAME_BAD_UTF8},
        {"over the ceiling", "\x82\xfe\x03\xe9\0\0\0\0", 8, 1009, CWS_R_FRAME_TOO_BIG},
        {"far over the ceiling", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, 1009, CWS_R_FRAME_TOO_BIG},
        {"close of one byte", "\x88\x81\0\0\0\0\x03", 7, 1002, CWS_R_FRAME_PROTOCOL},
        {"close code 1005", "\x88\x82\0\0\0\0\x03\xed", 8, 1002, CWS_R_FRAME_PROTOCOL},
        {"close reason not UTF-8", "\x88\x84\0\0\0\0\x03\xe8\xc3\x28", 10, 1007, CWS_R_FRAME_BAD_UTF8},
        {"close without a code", "\x88\x80\0\0\0\0", 6, 1005, CWS_R_PEER_CLOSE_FRAME},
        {"too many fragments", "\x02\x80\0\0\0\0\x00\x80\0\0\0\0\x00\x80\0\0\0\0\x80\x80\0\0\0\0", 24, 1008, CWS_R_FRAME_FRAGMENTS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f;
        fixture_init(&f);
        f.message_ceiling = 1000;
        f.limits.fragment_count = 3;
        CHECK(fixture_start(&f));
        const int fd = client_websocket(&f);
        CHECK_ROW(client_send(fd, rows[i].wire, rows[i].n), rows[i].name);
        CHECK_ROW(client_expect_close(fd, rows[i].code), rows[i].name);
        CHECK_ROW(client_at_end(fd), rows[i].name);
        close(fd);
        CHECK_ROW(fixture_reason(&f, 0) == rows[i].reason, rows[i].name);
        fixture_stop(&f);
    }
}

TEST(loop_ws_ceiling_over_fragments)
{
    fixture f;
    fixture_init(&f);
    f.message_ceiling = 1000;
    CHECK(fixture_start(&f));
    uint8_t *p = pattern(1001);
    int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, 0x01, p, 600) && client_send_frame(fd, 0x80, p + 600, 400));
    CHECK(client_expect(fd, FIN_TEXT, p, 1000));
    CHECK(client_send_frame(fd, 0x01, p, 600) && client_send_frame(fd, 0x80, p + 600, 401));
    CHECK(client_expect_close(fd, 1009) && client_at_end(fd));
    close(fd);
    free(p);
    fixture_stop(&f);
}

static void expect_skipped(fixture *f, unsigned count, uint64_t size, const char *prefix)
{
    CHECK(fixture_wait(f, &f->skipped_count, count));
    pthread_mutex_lock(&f->lock);
    const bool is_right = f->skipped_size == size && f->skipped_prefix_n == strlen(prefix) &&
                          memcmp(f->skipped_prefix, prefix, f->skipped_prefix_n) == 0;
    pthread_mutex_unlock(&f->lock);
    CHECK_ROW(is_right, prefix);
}

TEST(loop_ws_skips_oversize)
{
    fixture f;
    fixture_init(&f);
    f.message_ceiling = 1000;
    f.skips_oversize = true;
    f.limits.skipped_prefix_bytes = 8;
    CHECK(fixture_start(&f));
    enum { N = 3 << 20 };
    uint8_t *p = pattern(N);
    if (!CHECK(p != NULL))
        return;
    memcpy(p, "abcdefghijkl", 12);
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, p, 1001));
    expect_skipped(&f, 1, 1001, "abcdefgh");
    CHECK(client_send_frame(fd, FIN_TEXT, "after", 5) && client_expect(fd, FIN_TEXT, "after", 5));
    CHECK(client_send_frame(fd, FIN_BINARY, p, N));
    expect_skipped(&f, 2, N, "abcdefgh");
    /* Over the ceiling only with its third fragment; a ping in between is answered. */
    CHECK(client_send_frame(fd, 0x01, p, 5) && client_send_frame(fd, 0x00, p + 5, 995) && client_send_frame(fd, FIN_PING, "p", 1));
    CHECK(client_send_frame(fd, 0x00, p, 1) && client_send_frame(fd, 0x80, p, 7));
    CHECK(client_expect(fd, FIN_PONG, "p", 1));
    expect_skipped(&f, 3, 1008, "abcdefgh");
    /* The first frame is over and shorter than nothing kept yet; sent byte by byte. */
    uint8_t wire[2048];
    CHECK(client_send_slowly(fd, wire, client_frame(wire, FIN_TEXT, p, 1200)));
    expect_skipped(&f, 4, 1200, "abcdefgh");
    CHECK(client_send_frame(fd, FIN_TEXT, "still here", 10) && client_expect(fd, FIN_TEXT, "still here", 10));
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes == 0);
    free(p);
    close(fd);
    fixture_stop(&f);
}

/* A claim alone must not cost memory: what is held follows what has come. */
TEST(loop_ws_claims_cost_nothing)
{
    fixture f;
    fixture_init(&f);
    f.message_ceiling = SIZE_MAX;
    f.limits.skipped_ceiling_bytes = UINT64_MAX;
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    uint8_t wire[100014] = {FIN_BINARY, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe};
    CHECK(client_send(fd, wire, sizeof wire));
    cws_loop_stats stats = {0};
    while (stats.bytes_in < sizeof wire)
        stats = fixture_stats(&f.sides[0]);
    CHECK(stats.buffered_bytes >= 100000 && stats.buffered_bytes < 400000);
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF);
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes == 0);
    fixture_stop(&f);
}

/* What the peer sent before it saw our close frame counts, in whole messages and in pieces, and reaches others; nothing is sent back. */
TEST(loop_ws_hears_out)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int other = client_websocket(&f), fd = client_websocket(&f);
    CHECK(client_send_frame(other, FIN_TEXT, "!join", 5) && client_expect(other, FIN_TEXT, "!join", 5));
    CHECK(client_send_frame(fd, FIN_TEXT, "before", 6) && client_expect(fd, FIN_TEXT, "before", 6));
    const uint64_t before = fixture_stats(&f.sides[0]).messages_in_count;
    CHECK(client_send_frame(fd, FIN_TEXT, "!part", 5) && client_expect(fd, FIN_CLOSE, "\x0f\xa1" "as told", 9));
    uint8_t *big = pattern(300000);
    CHECK(client_send_frame(fd, FIN_PING, "x", 1) && client_send_frame(fd, FIN_BINARY, big, 300000));
    free(big);
    CHECK(client_send_frame(fd, 0x01u, "!a", 2) && client_send_frame(fd, 0x80u, "ll", 2));
    uint8_t all[FIXTURE_TEXT_MAX];
    CHECK(client_expect(other, FIN_TEXT, all, fixture_text(all)));
    CHECK(client_send_frame(fd, FIN_CLOSE, "\x0f\xa1", 2) && client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_LOCAL_CLOSE && fixture_code(&f, 0) == 4001);
    CHECK(fixture_stats(&f.sides[0]).messages_in_count - before == 3);
    /* What breaks the protocol still ends it. */
    const int bad = client_websocket(&f);
    CHECK(client_send_frame(bad, FIN_TEXT, "!part", 5) && client_expect_close(bad, 4001));
    CHECK(client_send_frame(bad, FIN_TEXT, "\xff", 1) && client_at_end(bad));
    close(bad);
    CHECK(fixture_reason(&f, 1) == CWS_R_FRAME_BAD_UTF8);
    close(other);
    fixture_stop(&f);
}

TEST(loop_ws_closes)
{
    fixture f;
    fixture_init(&f);
    f.limits.close_timeout_ms = 60;
    CHECK(fixture_start(&f));
    /* Ours, answered: what the peer still sends before its close frame is not delivered. */
    int fd = client_websocket(&f);
    uint8_t *big = pattern(300000);
    CHECK(client_send_frame(fd, FIN_TEXT, "before", 6) && client_send_frame(fd, FIN_TEXT, "!close", 6));
    CHECK(client_send_frame(fd, FIN_TEXT, "ignored", 7) && client_send_frame(fd, FIN_PING, "x", 1));
    CHECK(client_send_frame(fd, FIN_BINARY, big, 300000));
    free(big);
    CHECK(client_expect(fd, FIN_TEXT, "before", 6));
    CHECK(client_expect(fd, FIN_CLOSE, "\x0f\xa1" "as told", 9));
    CHECK(client_send_frame(fd, FIN_CLOSE, "\x0f\xa1", 2) && client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_LOCAL_CLOSE && fixture_code(&f, 0) == 4001);
    /* Ours, never answered. */
    fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "!close", 6) && client_expect_close(fd, 4001) && client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 1) == CWS_R_CLOSE_TIMEOUT && fixture_code(&f, 1) == 1006);
    /* Ours, answered by hanging up. */
    fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "!close", 6) && client_expect_close(fd, 4001));
    close(fd);
    CHECK(fixture_reason(&f, 2) == CWS_R_LOCAL_CLOSE && fixture_code(&f, 2) == 1006);
    /* Aborts from inside a callback, with more input behind. */
    fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "!abort", 6));
    CHECK(client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 3) == CWS_R_LOCAL_ABORT && fixture_code(&f, 3) == 1006);
    fd = client_websocket(&f);
    uint8_t wire[64];
    size_t n = client_frame(wire, FIN_TEXT, "!kill", 5);
    n += client_frame(wire + n, FIN_TEXT, "more", 4);
    CHECK(client_send(fd, wire, n) && client_at_end(fd));
    close(fd);
    CHECK(fixture_reason(&f, 4) == CWS_R_QUEUE_OVERFLOW && fixture_wait(&f, &f.gone_count, 1));
    /* Nothing of it is left behind: no deadline that would pass now, no message. */
    usleep(60000);
    CHECK(fixture_stats(&f.sides[0]).message_bytes == 0);
    fixture_stop(&f);
}

TEST(loop_ws_answers_every_ping)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    enum { COUNT = 2000 };
    uint8_t *wire = malloc(COUNT * 20);
    if (!CHECK(wire != NULL))
        return;
    size_t n = 0;
    for (unsigned i = 0; i < COUNT; i++)
        n += client_frame(wire + n, FIN_PING, &i, sizeof i);
    CHECK(client_send(fd, wire, n));
    bool is_same = true;
    for (unsigned i = 0; i < COUNT && is_same; i++)
        is_same = client_expect(fd, FIN_PONG, &i, sizeof i);
    CHECK(is_same);
    free(wire);
    close(fd);
    fixture_stop(&f);
}

/* A peer that pings and does not read: bounded, then ended. */
TEST(loop_ws_ping_flood)
{
    fixture f;
    fixture_init(&f);
    f.limits.send_buffer_bytes = 4096;
    f.limits.close_timeout_ms = 200;
    f.limits.write_timeout_ms = 200;
    CHECK(fixture_start(&f));
    const int fd = client_connect_narrow(&f);
    CHECK(client_upgrade(fd));
    uint8_t payload[125] = {0}, wire[160];
    const size_t n = client_frame(wire, FIN_PING, payload, sizeof payload);
    bool is_open = true;
    for (unsigned i = 0; i < 2000000 && is_open; i++)
        is_open = client_send(fd, wire, n);
    CHECK(!is_open);
    CHECK(fixture_reason(&f, 0) == CWS_R_PONG_FLOOD);
    close(fd);
    fixture_stop(&f);
}

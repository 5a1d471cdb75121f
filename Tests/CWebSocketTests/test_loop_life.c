/* What happens to connections over time: heartbeat, pause, queues, posts, alarm, stopping, noise.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "test_loop_fixture.h"

#define HOST "Host: x\r\n"

TEST(loop_an_idle_connection_is_small)
{
    printf("       sizeof(cws_conn) %zu, cws_http %zu, cws_assembly %zu, cws_message %zu\n", sizeof(cws_conn), sizeof(cws_http),
           sizeof(cws_assembly), sizeof(cws_message));
    CHECK(sizeof(cws_conn) <= 200);
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "x", 1) && client_expect(fd, FIN_TEXT, "x", 1));
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.queued_bytes == 0 && stats.message_bytes == 0 && stats.buffered_bytes == 0 && stats.websocket_count == 1);
    close(fd);
    fixture_stop(&f);
}

/* ---- heartbeat */

TEST(loop_heartbeat)
{
    fixture f;
    fixture_init(&f);
    f.beat_interval_ms = 60;
    f.beat_timeout_ms = 100;
    CHECK(fixture_start(&f));
    /* Answers for a while, then falls silent. */
    const int fd = client_websocket(&f);
    for (int i = 0; i < 5; i++)
        CHECK(client_expect(fd, FIN_PING, "", 0) && client_send_frame(fd, FIN_PONG, "", 0));
    CHECK(fixture_wait(&f, &f.pong_count, 5));
    client_message m;
    unsigned pings = 0;
    while (client_frame_read(fd, &m)) {
        pings += m.first_byte == FIN_PING;
        free(m.bytes);
    }
    free(m.bytes);
    CHECK(pings >= 1 && pings <= 3);
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_HEARTBEAT_TIMEOUT && fixture_code(&f, 0) == 1006);
    fixture_stop(&f);
}

TEST(loop_heartbeat_waits_while_paused)
{
    fixture f;
    fixture_init(&f);
    f.beat_interval_ms = 40;
    f.beat_timeout_ms = 40;
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "!pause", 6) && client_send_frame(fd, FIN_TEXT, "kept", 4));
    CHECK(fixture_wait(&f, &f.waiting_count, 1));
    for (int i = 0; i < 8; i++) /* eight intervals of silence, by the server's own clock */
        CHECK(client_expect(fd, FIN_PING, "", 0));
    CHECK(f.end_count == 0);
    fixture_call(&f.sides[0], fixture_resume_waiting);
    client_message m;
    bool is_echoed = false;
    while (!is_echoed && client_frame_read(fd, &m)) {
        is_echoed = m.first_byte == FIN_TEXT && m.n == 4;
        free(m.bytes);
    }
    CHECK(is_echoed);
    CHECK(fixture_reason(&f, 0) == CWS_R_HEARTBEAT_TIMEOUT); /* nothing more came */
    close(fd);
    fixture_stop(&f);
}

/* ---- pause */

TEST(loop_pause_keeps_order)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    uint8_t wire[8192];
    size_t n = 0;
    for (unsigned i = 0; i < 20; i++) {
        n += client_frame(wire + n, FIN_TEXT, "!pause", 6);
        n += client_frame(wire + n, FIN_BINARY, &i, sizeof i);
    }
    for (unsigned cut = 0; cut < 2; cut++) {
        CHECK(client_send(fd, wire, cut == 0 ? n : n / 3));
        if (cut != 0)
            CHECK(client_send(fd, wire + n / 3, n - n / 3));
        for (unsigned i = 0; i < 20; i++) {
            CHECK(fixture_wait(&f, &f.waiting_count, cut * 20 + i + 1));
            fixture_call(&f.sides[0], fixture_resume_waiting);
            CHECK(client_expect(fd, FIN_BINARY, &i, sizeof i));
        }
    }
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes == 0);
    /* Hung up while paused: what was sent before is delivered on resume, then the end. */
    CHECK(client_send_frame(fd, FIN_TEXT, "!pause", 6));
    CHECK(fixture_wait(&f, &f.waiting_count, 41));
    const unsigned before = f.message_count;
    CHECK(client_send_frame(fd, FIN_TEXT, "last", 4) && shutdown(fd, SHUT_WR) == 0);
    fixture_call(&f.sides[0], fixture_resume_waiting);
    CHECK(fixture_wait(&f, &f.message_count, before + 1));
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF);
    close(fd);
    fixture_stop(&f);
}

/* ---- queues */

TEST(loop_queue_ceiling_and_watermark)
{
    fixture f;
    fixture_init(&f);
    f.queue_ceiling = 64u << 10;
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "!fill", 5));
    CHECK(fixture_wait(&f, &f.full_count, 1));
    for (int i = 0; i < 63; i++) { /* 63 frames of 1028 bytes fit under 64 KiB */
        client_message m;
        CHECK(client_frame_read(fd, &m) && m.n == 1024);
        free(m.bytes);
    }
    CHECK(fixture_wait(&f, &f.drained_count, 1));
    CHECK(client_send_frame(fd, FIN_TEXT, "still", 5) && client_expect(fd, FIN_TEXT, "still", 5));
    close(fd);
    fixture_stop(&f);
}

TEST(loop_queue_count_ceiling)
{
    fixture f;
    fixture_init(&f);
    f.queue_count = 10;
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "!fill", 5));
    CHECK(fixture_wait(&f, &f.full_count, 1));
    for (int i = 0; i < 10; i++) {
        client_message m;
        CHECK(client_frame_read(fd, &m) && m.n == 1024);
        free(m.bytes);
    }
    CHECK(client_send_frame(fd, FIN_TEXT, "still", 5) && client_expect(fd, FIN_TEXT, "still", 5));
    close(fd);
    fixture_stop(&f);
}

TEST(loop_write_timeout)
{
    fixture f;
    fixture_init(&f);
    f.limits.write_timeout_ms = 100;
    f.limits.send_buffer_bytes = 4096;
    CHECK(fixture_start(&f));
    const int fd = client_connect_narrow(&f);
    CHECK(client_upgrade(fd));
    CHECK(client_send_frame(fd, FIN_TEXT, "!fill", 5));
    CHECK(fixture_reason(&f, 0) == CWS_R_WRITE_TIMEOUT || f.ends[0].reason == CWS_R_PEER_RESET);
    CHECK(fixture_stats(&f.sides[0]).queued_bytes == 0);
    close(fd);
    fixture_stop(&f);
}

/* ---- posts, alarm, stop */

typedef struct step { fixture_side *side; int number; } step;

static void take_step(void *arg)
{
    step *s = arg;
    fixture *f = s->side->of;
    pthread_mutex_lock(&f->lock);
    f->steps[f->step_count] = s->number;
    pthread_mutex_unlock(&f->lock);
    fixture_note(f, &f->step_count);
}

TEST(loop_posts_in_order)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    step steps[64];
    for (int i = 0; i < 64; i++) {
        steps[i] = (step){.side = &f.sides[0], .number = i};
        CHECK(cws_loop_post(f.sides[0].loop, take_step, &steps[i]) == CWS_OK);
    }
    cws_loop_stop(f.sides[0].loop); /* posts before it still run */
    (void)pthread_join(f.sides[0].thread, NULL);
    CHECK(f.step_count == 64);
    for (int i = 0; i < 64; i++)
        CHECK(f.steps[i] == i);
    CHECK(cws_loop_post(f.sides[0].loop, take_step, &steps[0]) == CWS_WRONG_STATE);
    cws_loop_free(f.sides[0].loop);
}

static void set_alarm(fixture_side *s) { cws_loop_set_alarm(s->loop, cws_loop_now_ms(s->loop) + 30); }

TEST(loop_alarm)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    CHECK(!cws_loop_is_current(f.sides[0].loop) && cws_loop_index(f.sides[0].loop) == 0);
    fixture_call(&f.sides[0], set_alarm);
    CHECK(fixture_wait(&f, &f.alarm_count, 1));
    fixture_stop(&f);
}

/* Input that may not be read, a FIN behind it, a peer that takes nothing: level-triggered epoll would spin on each. */
TEST(loop_sleeps_when_nothing_can_be_done)
{
    fixture f;
    fixture_init(&f);
    f.queue_ceiling = 4u << 20;
    f.limits.send_buffer_bytes = 8192;
    CHECK(fixture_start(&f));
    const int paused = client_websocket(&f), paused_and_shut = client_websocket(&f);
    const int full = client_connect_narrow(&f), pending = client_connect(&f);
    CHECK(client_send_frame(paused, FIN_TEXT, "!pause", 6) && fixture_wait(&f, &f.waiting_count, 1));
    CHECK(client_send_frame(paused, FIN_TEXT, "kept", 4));
    CHECK(client_send_frame(paused_and_shut, FIN_TEXT, "!pause", 6) && fixture_wait(&f, &f.waiting_count, 2));
    CHECK(client_send_frame(paused_and_shut, FIN_TEXT, "kept", 4) && shutdown(paused_and_shut, SHUT_WR) == 0);
    CHECK(client_upgrade(full) && client_send_frame(full, FIN_TEXT, "!fill", 5) && fixture_wait(&f, &f.full_count, 1));
    CHECK(client_send_text(pending, "GET /wait HTTP/1.1\r\n" HOST "\r\n") && fixture_wait(&f, &f.waiting_count, 3));
    CHECK(client_send_text(pending, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    fixture_call(&f.sides[0], set_alarm);
    CHECK(fixture_wait(&f, &f.alarm_count, 1));
    const uint64_t before = fixture_stats(&f.sides[0]).turns_count;
    fixture_call(&f.sides[0], set_alarm);
    CHECK(fixture_wait(&f, &f.alarm_count, 2));
    const cws_loop_stats after = fixture_stats(&f.sides[0]);
    CHECK(after.turns_count - before < 20); /* 30 ms of spinning are thousands */
    CHECK(after.open_count == 4);
    close(paused);
    close(paused_and_shut);
    close(full);
    close(pending);
    fixture_stop(&f);
}

TEST(loop_stops_with_open_connections)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    CHECK(fixture_start(&f));
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = client_connect(&f);
        if (i % 2 == 0)
            CHECK(client_upgrade(fds[i]));
        else
            CHECK(client_send_text(fds[i], i % 4 == 1 ? "GET /hello HTTP/1.1\r\n" HOST "\r\n" : "GET /hel"));
        if (i % 4 == 0)
            CHECK(client_send_frame(fds[i], FIN_TEXT, "!move", 5));
    }
    CHECK(fixture_wait(&f, &f.adopted_count, 5) && fixture_wait(&f, &f.request_count, 15));
    while (fixture_stats(&f.sides[0]).accepted_count < 20)
        continue;
    cws_loop_stop(f.sides[1].loop);
    cws_loop_stop(f.sides[0].loop);
    CHECK(fixture_wait(&f, &f.end_count, 20));
    for (unsigned i = 0; i < 20; i++)
        CHECK(f.ends[i].reason == CWS_R_LOOP_STOPPED);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    fixture_stop(&f);
}

/* Ids are unique over loops and are not given twice. */
TEST(loop_ids_are_unique)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    for (int i = 0; i < 100; i++)
        close(client_connect(&f));
    CHECK(fixture_wait(&f, &f.end_count, 100));
    bool is_unique = true;
    for (int i = 0; i < 100; i++)
        for (int k = 0; k < i; k++)
            is_unique &= f.ends[i].id != f.ends[k].id;
    CHECK(is_unique);
    fixture_stop(&f);
}

/* Two loops, hundreds of connections that say what they should not: every one ends, nothing is left, the server goes on. */
TEST(loop_survives_noise)
{
    static const char head[] = "GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char requests[] = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                                   "POST /skip HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\n01234567890123456789"
                                   "GET /later HTTP/1.1\r\n" HOST "\r\nPOST /move HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab";
    static const char *const orders[] = {"!move", "!close", "!abort", "!kill", "!share", "hello"};
    enum { COUNT = 400 };
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    f.message_ceiling = 4096;
    f.skips_oversize = true;
    f.queue_ceiling = 32u << 10;
    CHECK(fixture_start(&f));
    uint64_t seed = 7;
    for (int i = 0; i < COUNT; i++) {
        uint8_t wire[8192];
        const bool is_http = i % 4 == 0;
        size_t n = is_http ? sizeof requests - 1 : sizeof head - 1;
        memcpy(wire, is_http ? requests : head, n);
        const size_t clean = is_http ? 0 : n;
        for (int k = 0; k < 12 && !is_http; k++) {
            static const uint8_t first_bytes[] = {0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a, 0x81};
            const char *order = orders[check_random(&seed) % 6];
            n += client_frame(wire + n, first_bytes[check_random(&seed) % 8], order, strlen(order));
        }
        for (uint64_t flips = check_random(&seed) % 4; flips > 0; flips--)
            wire[clean + (size_t)(check_random(&seed) % (n - clean))] ^= (uint8_t)(1u << check_random(&seed) % 8);
        n -= (size_t)(check_random(&seed) % 20);
        const int fd = client_connect(&f);
        size_t at = 0;
        while (at < n) {
            const size_t piece = 1 + (size_t)(check_random(&seed) % n);
            const size_t now = piece < n - at ? piece : n - at;
            if (!client_send(fd, wire + at, now))
                break;
            at += now;
        }
        close(fd);
    }
    CHECK(fixture_wait(&f, &f.end_count, COUNT));
    const cws_loop_stats a = fixture_stats(&f.sides[0]), b = fixture_stats(&f.sides[1]);
    CHECK(a.open_count == 0 && b.open_count == 0 && a.websocket_count == 0 && b.websocket_count == 0);
    CHECK(a.queued_bytes == 0 && a.message_bytes == 0 && b.message_bytes == 0 && b.queued_bytes == 0 && a.buffered_bytes == 0 && b.buffered_bytes == 0);
    CHECK(b.moved_in_count > 0);
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "fine", 4) && client_expect(fd, FIN_TEXT, "fine", 4));
    close(fd);
    fixture_stop(&f);
}

/* Connections that change their loop: under traffic, with a full queue, with an unanswered request.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_loop_fixture.h"

#define HOST "Host: x\r\n"

static void expect_body(int fd, int status, const char *body)
{
    client_response r;
    CHECK_ROW(client_response_read(fd, &r, false) && r.status == status, body);
    CHECK_ROW(r.body_n == strlen(body) && memcmp(r.body, body, r.body_n) == 0, body);
}

TEST(loop_move_under_traffic)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    CHECK(fixture_start(&f));
    enum { CLIENTS = 8, MESSAGES = 300 };
    int fds[CLIENTS];
    uint64_t seed = 42;
    for (int k = 0; k < CLIENTS; k++)
        fds[k] = client_websocket(&f);
    for (int round = 0; round < 6; round++) {
        for (int k = 0; k < CLIENTS; k++) {
            uint8_t *wire = malloc((size_t)MESSAGES * 4200);
            if (!CHECK(wire != NULL))
                return;
            size_t n = 0;
            for (unsigned i = 0; i < MESSAGES; i++) {
                uint8_t payload[4096];
                const size_t size = sizeof i + (i % 50 == 7 ? 4000 : i % 40);
                memset(payload, (int)('a' + i % 26), sizeof payload);
                memcpy(payload, &i, sizeof i);
                if (i % 5 == 2)
                    n += client_frame(wire + n, FIN_TEXT, "!move", 5);
                n += client_frame(wire + n, FIN_BINARY, payload, size);
            }
            size_t at = 0;
            while (at < n) { /* random pieces, so that moves meet incomplete frames */
                size_t piece = 1 + (size_t)(check_random(&seed) % 3000);
                if (piece > n - at)
                    piece = n - at;
                CHECK(client_send(fds[k], wire + at, piece));
                at += piece;
            }
            free(wire);
        }
        for (int k = 0; k < CLIENTS; k++) {
            bool is_same = true;
            for (unsigned i = 0; i < MESSAGES && is_same; i++) {
                uint8_t payload[4096];
                memset(payload, (int)('a' + i % 26), sizeof payload);
                memcpy(payload, &i, sizeof i);
                is_same = client_expect(fds[k], FIN_BINARY, payload, sizeof i + (i % 50 == 7 ? 4000 : i % 40));
            }
            CHECK(is_same);
        }
    }
    const cws_loop_stats a = fixture_stats(&f.sides[0]), b = fixture_stats(&f.sides[1]);
    CHECK(a.moved_out_count == b.moved_in_count && b.moved_out_count == a.moved_in_count);
    CHECK(a.moved_out_count + b.moved_out_count == CLIENTS * 6 * 60);
    CHECK(a.open_count + b.open_count == CLIENTS && a.websocket_count + b.websocket_count == CLIENTS);
    CHECK(a.queued_bytes == 0 && a.message_bytes == 0 && b.message_bytes == 0 && b.queued_bytes == 0 && a.buffered_bytes == 0 && b.buffered_bytes == 0);
    for (int k = 0; k < CLIENTS; k++)
        close(fds[k]);
    CHECK(fixture_wait(&f, &f.end_count, CLIENTS));
    fixture_stop(&f);
}

/* Queued output that the peer has not taken goes along. */
static void move_with_a_full_queue(const char *order)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    f.queue_ceiling = 4u << 20;
    f.limits.send_buffer_bytes = 8192;
    CHECK(fixture_start(&f));
    const int fd = client_connect_narrow(&f);
    CHECK(client_upgrade(fd));
    CHECK(client_send_frame(fd, FIN_TEXT, order, strlen(order)) && fixture_wait(&f, &f.full_count, 1));
    CHECK(client_send_frame(fd, FIN_TEXT, "!move", 5) && client_send_frame(fd, FIN_TEXT, "after", 5));
    CHECK(fixture_wait(&f, &f.adopted_count, 1));
    const cws_loop_stats a = fixture_stats(&f.sides[0]);
    cws_loop_stats b = fixture_stats(&f.sides[1]);
    CHECK(a.queued_bytes == 0 && a.open_count == 0 && b.queued_bytes > 1u << 20);
    unsigned blocks = 0;
    client_message m;
    while (client_frame_read(fd, &m) && m.first_byte == FIN_BINARY) {
        blocks += m.n == 1024 && m.bytes[0] == m.bytes[1023];
        free(m.bytes);
    }
    CHECK(m.bytes != NULL && m.first_byte == FIN_TEXT && m.n == 5);
    free(m.bytes);
    CHECK(blocks == (4u << 20) / 1028);
    b = fixture_stats(&f.sides[1]);
    CHECK(b.queued_bytes == 0 && b.open_count == 1);
    close(fd);
    fixture_stop(&f);
}

TEST(loop_move_with_a_full_queue) { move_with_a_full_queue("!fill"); }
TEST(loop_move_with_shared_messages) { move_with_a_full_queue("!share"); }

TEST(loop_move_of_a_request)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    CHECK(fixture_start(&f));
    const int fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\nPOST /move HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody"
                               "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    expect_body(fd, 200, "hello");
    expect_body(fd, 200, "body");
    expect_body(fd, 200, "hello");
    CHECK(fixture_wait(&f, &f.adopted_count, 1));
    CHECK(client_upgrade(fd));
    CHECK(client_send_frame(fd, FIN_TEXT, "there", 5) && client_expect(fd, FIN_TEXT, "there", 5));
    CHECK(fixture_stats(&f.sides[1]).websocket_count == 1 && fixture_stats(&f.sides[0]).open_count == 0);
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF);
    fixture_stop(&f);
}

static void move_waiting(fixture_side *s)
{
    cws_conn *c = cws_loop_find(s->loop, s->waiting_id);
    if (c != NULL)
        cws_conn_move(c, s->of->sides[1].loop);
}

/* From outside a callback; onto a loop that has ended, it is an end too. */
TEST(loop_move_from_a_post)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    CHECK(fixture_start(&f));
    int fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /wait HTTP/1.1\r\n" HOST "\r\n") && fixture_wait(&f, &f.waiting_count, 1));
    fixture_call(&f.sides[0], move_waiting);
    CHECK(fixture_wait(&f, &f.waiting_count, 2)); /* asked again over there */
    fixture_call(&f.sides[1], fixture_answer_waiting);
    expect_body(fd, 200, "later");
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_PEER_EOF);
    fd = client_connect(&f);
    CHECK(client_send_text(fd, "GET /wait HTTP/1.1\r\n" HOST "\r\n") && fixture_wait(&f, &f.waiting_count, 3));
    cws_loop_stop(f.sides[1].loop);
    (void)pthread_join(f.sides[1].thread, NULL);
    fixture_call(&f.sides[0], move_waiting);
    CHECK(client_at_end(fd) && fixture_reason(&f, 1) == CWS_R_LOOP_STOPPED);
    close(fd);
    cws_loop_free(f.sides[1].loop);
    f.loop_count = 1;
    fixture_stop(&f);
}

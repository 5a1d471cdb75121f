/* Large messages on real sockets: received memory that goes out again, text checked in pieces, and what a turn holds back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_loop_fixture.h"

#define LARGE 700000u

/* `order` and then n bytes of a character of three bytes, out of step with any power of two. */
static size_t write_text(uint8_t *out, const char *order, size_t n)
{
    const size_t order_n = strlen(order);
    memcpy(out, order, order_n);
    for (size_t i = 0; i < n; i++)
        out[order_n + i] = (uint8_t)"\xe2\x82\xac"[i % 3];
    return order_n + n;
}

/* Sends the frame so that the server has seen the first part before the second comes. */
static bool send_in_two(fixture *f, int fd, const uint8_t *wire, size_t n, size_t cut)
{
    const uint64_t before = fixture_stats(&f->sides[0]).bytes_in;
    if (!client_send(fd, wire, cut))
        return false;
    while (fixture_stats(&f->sides[0]).bytes_in < before + cut)
        ;
    return client_send(fd, wire + cut, n - cut);
}

static bool answers_around(int fd, const uint8_t *payload, size_t n)
{
    uint8_t *expected = malloc(n + 4);
    if (!expected)
        return false;
    memcpy(expected, "<<", 2);
    memcpy(expected + 2, payload, n);
    memcpy(expected + 2 + n, ">>", 2);
    const bool ok = client_expect(fd, FIN_TEXT, expected, n + 4) && client_expect(fd, FIN_TEXT, expected, n + 4);
    free(expected);
    return ok;
}

TEST(loop_received_goes_out_again)
{
    static const struct {
        size_t n;
        bool is_taken;
    } rows[] = {{3000, false}, {15000, false}, {60000, true}, {99999, true}, {300000, true}, {LARGE - 10, true}};
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    uint8_t *message = malloc(LARGE), *wire = malloc(LARGE + 14);
    if (!CHECK(message && wire))
        return;
    unsigned taken = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = write_text(message, "!around", rows[i].n / 3 * 3);
        message[n++] = '.';
        const size_t wire_n = client_frame(wire, FIN_TEXT, message, n);
        CHECK(send_in_two(&f, fd, wire, wire_n, wire_n / 3));
        CHECK(answers_around(fd, message + 7, n - 8));
        taken += rows[i].is_taken;
        CHECK(fixture_wait(&f, &f.message_count, (unsigned)i + 1) && f.around_count == taken);
    }
    CHECK(f.misuse_count == 0);
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.queued_bytes == 0 && stats.message_bytes == 0 && stats.buffered_bytes == 0);
    free(message);
    free(wire);
    close(fd);
    fixture_stop(&f);
}

/* In fragments, whose memory may have grown far beyond the message: taken or copied, the answer is the same. */
TEST(loop_received_in_fragments)
{
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    uint8_t *message = malloc(LARGE);
    if (!CHECK(message))
        return;
    for (size_t size = 20000; size < LARGE - 10; size = size * 5 / 3) {
        size_t n = write_text(message, "!around", size / 3 * 3);
        message[n++] = '.';
        const size_t first = n / 7 + 1, second = n / 2;
        CHECK(client_send_frame(fd, 0x01, message, first) && client_send_frame(fd, 0x00, message + first, second));
        CHECK(client_send_frame(fd, 0x80, message + first + second, n - first - second));
        CHECK(answers_around(fd, message + 7, n - 8));
    }
    CHECK(f.misuse_count == 0 && fixture_stats(&f.sides[0]).buffered_bytes == 0);
    free(message);
    close(fd);
    fixture_stop(&f);
}

/* Shared by two places of a queue that moves to another loop: each gets bytes of its own. */
TEST(loop_received_moves)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    CHECK(fixture_start(&f));
    const int fd = client_connect_narrow(&f);
    CHECK(client_upgrade(fd));
    uint8_t *message = malloc(LARGE);
    if (!CHECK(message))
        return;
    for (unsigned round = 1; round <= 4; round++) {
        size_t n = write_text(message, "!aroundmove", LARGE / 3 * 3 - 30);
        message[n++] = '.';
        CHECK(client_send_frame(fd, FIN_TEXT, message, n));
        CHECK(fixture_wait(&f, &f.adopted_count, round));
        CHECK(answers_around(fd, message + 7, n - 8));
    }
    CHECK(f.around_count == 4 && f.misuse_count == 0);
    free(message);
    close(fd);
    fixture_stop(&f);
}

/* One bad byte, at and around the places where text is checked in pieces, ends the connection; the good text passes. */
TEST(loop_received_text_in_pieces)
{
    static const size_t sizes[] = {16383, 16384, 16385, 49152, 300000};
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    uint8_t *message = malloc(LARGE);
    if (!CHECK(message))
        return;
    unsigned ends = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t n = write_text(message, "", sizes[i] / 3 * 3);
        for (size_t bad = 16380; bad < 16390 && bad < n; bad++) {
            const int fd = client_websocket(&f);
            CHECK(client_send_frame(fd, FIN_TEXT, message, n) && client_expect(fd, FIN_TEXT, message, n));
            const uint8_t good = message[bad];
            message[bad] = 'a';
            CHECK(client_send_frame(fd, FIN_TEXT, message, n) && client_expect_close(fd, 1007));
            message[bad] = good;
            close(fd);
            CHECK(fixture_reason(&f, ends++) == CWS_R_FRAME_BAD_UTF8);
        }
        /* The last character is cut. */
        const int fd = client_websocket(&f);
        CHECK(client_send_frame(fd, FIN_TEXT, message, n - 1) && client_expect_close(fd, 1007));
        close(fd);
        CHECK(fixture_reason(&f, ends++) == CWS_R_FRAME_BAD_UTF8);
    }
    free(message);
    fixture_stop(&f);
}

/* What several senders bring in one turn is on its way before the last of them is read. */
TEST(loop_received_is_not_piled_up)
{
    enum { CLIENTS = 12, SIZE = 60000 };
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    int fds[CLIENTS];
    uint8_t *message = malloc(SIZE);
    if (!CHECK(message))
        return;
    memset(message, 'x', SIZE);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client_websocket(&f);
    fixture_gate gate;
    fixture_hold(&f.sides[0], &gate);
    for (int i = 0; i < CLIENTS; i++)
        CHECK(client_send_frame(fds[i], FIN_BINARY, message, SIZE));
    fixture_release(&gate);
    for (int i = 0; i < CLIENTS; i++)
        CHECK(client_expect(fds[i], FIN_BINARY, message, SIZE));
    CHECK(fixture_wait(&f, &f.message_count, CLIENTS) && f.held_most < (size_t)SIZE * CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    free(message);
    fixture_stop(&f);
}

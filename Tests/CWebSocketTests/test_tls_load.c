/* Bytes through TLS, exactly and in order: every size and split, pauses, pipelining, key updates, and moves between loops under load.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "test_tls_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void start(fixture *f, int loop_count)
{
    fixture_init(f);
    f->loop_count = loop_count;
    f->tls = tls_test_context();
    if (!CHECK(fixture_start(f)))
        abort();
}

static void stop(fixture *f)
{
    fixture_stop(f);
    cws_tls_release(f->tls);
}

static void fill(uint8_t *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)check_random(&seed);
}

TEST(tls_echo_of_every_size)
{
    static const size_t sizes[] = {0, 1, 125, 126, 4096, 16383, 16384, 16385, 32768, 65535, 65536, 262144, 1000003};
    fixture f;
    uint8_t *payload = malloc(1u << 20);
    start(&f, 1);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        tls_client c;
        const tls_wish wish = {.version = version, .key_updates = version == TLS1_3_VERSION};
        CHECK(tls_client_open(&f, &wish, &c) && client_upgrade(c.fd));
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            fill(payload, sizes[i], sizes[i]);
            CHECK(client_send_frame(c.fd, FIN_BINARY, payload, sizes[i]));
            CHECK(client_expect(c.fd, FIN_BINARY, payload, sizes[i]));
        }
        tls_client_close(&c);
        SSL_SESSION_free(c.session);
    }
    free(payload);
    stop(&f);
}

/* Everything arrives in one record; nothing more comes to wake the server for what it did not take at once. */
TEST(tls_pause_inside_a_record)
{
    fixture f;
    tls_client c;
    uint8_t wire[60000];
    size_t n = 0;
    start(&f, 1);
    CHECK(tls_client_open(&f, NULL, &c) && client_upgrade(c.fd));
    n += client_frame(wire + n, FIN_TEXT, "!pause", 6);
    for (int i = 0; i < 3; i++) {
        uint8_t block[15000];
        memset(block, 'a' + i, sizeof block);
        n += client_frame(wire + n, FIN_TEXT, block, sizeof block);
    }
    CHECK(client_send(c.fd, wire, n) && fixture_wait(&f, &f.waiting_count, 1));
    fixture_call(&f.sides[0], fixture_resume_waiting);
    for (int i = 0; i < 3; i++) {
        uint8_t block[15000];
        memset(block, 'a' + i, sizeof block);
        CHECK(client_expect(c.fd, FIN_TEXT, block, sizeof block));
    }
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

/* The end of a large payload is read straight to where it belongs, and no further: what lies behind it in the same record stays inside
 * OpenSSL, and epoll knows nothing of it. */
TEST(tls_pause_behind_a_large_payload)
{
    enum { SIZE = 101000, LEFT = 33464 }; /* more than CWS_DIRECT_BYTES is left */
    fixture f;
    tls_client c;
    uint8_t *large = malloc(SIZE), *wire = malloc(SIZE + 256);
    start(&f, 1);
    memset(large, 'x', SIZE);
    memcpy(large, "!pause", 6);
    size_t n = client_frame(wire, FIN_BINARY, large, SIZE);
    const size_t first_n = n - LEFT;
    n += client_frame(wire + n, FIN_TEXT, "last", 4);
    CHECK(tls_client_open(&f, NULL, &c) && client_upgrade(c.fd));
    const uint64_t before = fixture_stats(&f.sides[0]).bytes_in;
    CHECK(tls_client_send_through(&c, wire, first_n));
    while (fixture_stats(&f.sides[0]).bytes_in < before + first_n)
        continue;
    fixture_gate gate;
    fixture_hold(&f.sides[0], &gate);
    CHECK(tls_client_send_through(&c, wire + first_n, n - first_n));
    fixture_release(&gate);
    CHECK(fixture_wait(&f, &f.waiting_count, 1));
    fixture_call(&f.sides[0], fixture_resume_waiting);
    CHECK(client_expect(c.fd, FIN_TEXT, "last", 4));
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    free(large);
    free(wire);
    stop(&f);
}

/* A little more than one connection may read in a turn, so that the budget runs out inside the last record. */
TEST(tls_budget_ends_inside_a_record)
{
    enum { SIZE = 256 * 1024 + 6000 };
    fixture f;
    tls_client c;
    uint8_t *payload = malloc(SIZE);
    start(&f, 1);
    fill(payload, SIZE, 7);
    payload[0] = '#';
    CHECK(tls_client_open(&f, NULL, &c) && client_upgrade(c.fd));
    for (int i = 0; i < 60; i++) {
        CHECK(client_send_frame(c.fd, FIN_BINARY, payload, SIZE));
        CHECK(client_expect(c.fd, FIN_BINARY, payload, SIZE));
    }
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    free(payload);
    stop(&f);
}

/* More records without data than one read takes, and the data behind them, all there at once: nothing more comes to wake the server. */
TEST(tls_key_updates_before_data)
{
    enum { UPDATES = 100 };
    fixture f;
    tls_client c;
    const tls_wish wish = {.version = TLS1_3_VERSION, .key_updates = UPDATES};
    uint8_t wire[64];
    start(&f, 1);
    CHECK(tls_client_open(&f, &wish, &c) && client_upgrade(c.fd));
    for (int i = 0; i < 5; i++) {
        fixture_gate gate;
        fixture_hold(&f.sides[0], &gate);
        CHECK(tls_client_send_through(&c, wire, client_frame(wire, FIN_TEXT, "behind", 6)));
        fixture_release(&gate);
        CHECK(client_expect(c.fd, FIN_TEXT, "behind", 6));
    }
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes == 0);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

TEST(tls_pipelined_and_answered_later)
{
    static const char wire[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    fixture f;
    tls_client c;
    client_response r;
    start(&f, 1);
    CHECK(tls_client_open(&f, NULL, &c) && client_send_text(c.fd, wire));
    CHECK(client_response_read(c.fd, &r, false) && strcmp(r.body, "later") == 0);
    CHECK(fixture_wait(&f, &f.waiting_count, 1));
    fixture_call(&f.sides[0], fixture_answer_waiting);
    CHECK(client_response_read(c.fd, &r, false) && strcmp(r.body, "later") == 0);
    CHECK(client_response_read(c.fd, &r, false) && strcmp(r.body, "hello") == 0);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

/* A request that moves with its body, pipelined with the next: what the old loop's SSL_read had taken in must not be forgotten. */
TEST(tls_request_moves)
{
    enum { BODY = 30000 };
    fixture f;
    tls_client c;
    client_response r;
    uint8_t wire[BODY + 256];
    start(&f, 2);
    int n = snprintf((char *)wire, sizeof wire, "POST /move HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"
                                                "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nbehind");
    CHECK(tls_client_open(&f, NULL, &c) && client_send(c.fd, wire, (size_t)n));
    CHECK(client_response_read(c.fd, &r, false) && r.body_n == 5 && memcmp(r.body, "12345", 5) == 0);
    CHECK(client_response_read(c.fd, &r, false) && r.body_n == 6 && memcmp(r.body, "behind", 6) == 0);
    CHECK(fixture_stats(&f.sides[1]).tls_count == 1 && fixture_stats(&f.sides[0]).tls_count == 0);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

/* The whole queue moves half written: OpenSSL holds a record of it, and wants the same bytes again from the new loop. */
TEST(tls_full_queue_moves)
{
    fixture f;
    tls_client c;
    const tls_wish wish = {.is_narrow = true};
    fixture_init(&f);
    f.loop_count = 2;
    f.queue_ceiling = 1u << 20;
    f.tls = tls_test_context();
    CHECK(fixture_start(&f));
    CHECK(tls_client_open(&f, &wish, &c) && client_upgrade(c.fd));
    CHECK(client_send_frame(c.fd, FIN_TEXT, "!share", 6) && fixture_wait(&f, &f.full_count, 1));
    for (unsigned i = 1; i <= 5; i++)
        CHECK(client_send_frame(c.fd, FIN_TEXT, "!move", 5) && fixture_wait(&f, &f.adopted_count, i));
    uint8_t block[1024];
    unsigned count = 0;
    memset(block, 's', sizeof block);
    while (count < (1u << 20) / 1030 && client_expect(c.fd, FIN_BINARY, block, sizeof block))
        count++;
    CHECK(count == (1u << 20) / 1030);
    CHECK(fixture_stats(&f.sides[1]).tls_count == 1);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

/* ---- many clients, each moving its connection about while messages are under way */

enum { CLIENTS = 12, MESSAGES = 160, AHEAD = 16 };

typedef struct mover {
    const fixture *f;
    uint64_t seed;
    int version;
    bool is_good;
    pthread_t thread;
} mover;

static size_t size_of(uint64_t serial)
{
    uint64_t state = serial;
    const uint64_t r = check_random(&state);
    return r % 8 == 0 ? 16 + (r >> 8) % 90000 : 16 + (r >> 8) % 600;
}

static bool send_one(int fd, uint64_t serial, uint64_t *random)
{
    const size_t n = size_of(serial);
    uint8_t *p = malloc(n + 32), *wire = malloc(n + 64);
    fill(p, n, serial);
    p[0] = '#'; /* no order begins so */
    size_t wire_n = 0;
    if (check_random(random) % 5 == 0)
        wire_n = client_frame(wire, FIN_TEXT, "!move", 5);
    wire_n += client_frame(wire + wire_n, FIN_BINARY, p, n);
    const size_t cut = check_random(random) % 2 ? wire_n : check_random(random) % wire_n;
    const bool is_sent = client_send(fd, wire, cut) && client_send(fd, wire + cut, wire_n - cut);
    free(p);
    free(wire);
    return is_sent;
}

static bool take_one(int fd, uint64_t serial)
{
    const size_t n = size_of(serial);
    uint8_t *p = malloc(n);
    fill(p, n, serial);
    p[0] = '#';
    const bool is_same = client_expect(fd, FIN_BINARY, p, n);
    free(p);
    return is_same;
}

static void *move_about(void *arg)
{
    mover *m = arg;
    tls_client c;
    const tls_wish wish = {.version = m->version, .is_narrow = m->seed % 3 == 0};
    uint64_t random = m->seed, sent = 0, taken = 0;
    m->is_good = tls_client_open(m->f, &wish, &c) && client_upgrade(c.fd);
    if (!m->is_good)
        return NULL;
    while (m->is_good && taken < MESSAGES) {
        while (m->is_good && sent < MESSAGES && sent < taken + AHEAD)
            m->is_good = send_one(c.fd, m->seed * 1000 + sent++, &random);
        m->is_good = m->is_good && take_one(c.fd, m->seed * 1000 + taken++);
    }
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    return NULL;
}

TEST(tls_moves_under_load)
{
    fixture f;
    mover movers[CLIENTS];
    start(&f, 2);
    for (int i = 0; i < CLIENTS; i++) {
        movers[i] = (mover){.f = &f, .seed = (uint64_t)i + 1, .version = i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION};
        CHECK(pthread_create(&movers[i].thread, NULL, move_about, &movers[i]) == 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        (void)pthread_join(movers[i].thread, NULL);
        CHECK(movers[i].is_good);
    }
    const cws_loop_stats a = fixture_stats(&f.sides[0]), b = fixture_stats(&f.sides[1]);
    CHECK(a.moved_in_count + b.moved_in_count > CLIENTS * MESSAGES / 10);
    stop(&f);
}

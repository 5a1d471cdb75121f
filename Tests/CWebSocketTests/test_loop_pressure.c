/* The memory budget from the receiving side: half-received messages and bodies that never end, and those that do, beside them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_loop_fixture.h"

#define MIB ((size_t)1 << 20)
#define BUDGET (8 * MIB)
#define CEILING (4 * MIB)
#define CLIENTS 12

static void init(fixture *f, uint32_t pressure_ms)
{
    fixture_init(f);
    f->limits.held_bytes = BUDGET;
    f->limits.pressure_ms = pressure_ms;
    f->message_ceiling = CEILING;
    f->skips_oversize = true;
}

/* A frame of n bytes of which `have` are sent, as far as they are taken. */
typedef struct half { int fd; uint8_t *wire; size_t n, sent; } half;

static half half_begin(const fixture *f, size_t n)
{
    half h = {.fd = client_websocket(f), .wire = malloc(n + 14)};
    uint8_t *payload = calloc(1, n);
    CHECK(h.wire && payload);
    h.n = client_frame(h.wire, FIN_BINARY, payload, n);
    free(payload);
    return h;
}

static void half_push(half *h, size_t upto)
{
    if (h->sent >= upto)
        return;
    const ssize_t took = send(h->fd, h->wire + h->sent, upto - h->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (took > 0)
        h->sent += (size_t)took;
}

static void half_end(half *h)
{
    close(h->fd);
    free(h->wire);
}

/* Until the loop has read what it will of these: all `upto`, or as many as wait for memory as there are less. */
static size_t push_all(fixture *f, half *halves, size_t count, size_t upto, uint64_t starved)
{
    size_t most = 0;
    cws_loop_stats stats = fixture_stats(&f->sides[0]);
    while (stats.starved_count < starved) {
        for (size_t i = 0; i < count; i++)
            half_push(&halves[i], upto);
        stats = fixture_stats(&f->sides[0]);
        const size_t held = (size_t)(stats.buffered_bytes + stats.queued_bytes);
        most = held > most ? held : most;
    }
    return most;
}

/* A loop with more than its budget, all half-sent: one goes past it, the others wait. */
static void overfill(fixture *f, half *halves, uint32_t pressure_ms)
{
    init(f, pressure_ms);
    CHECK(fixture_start(f));
    for (size_t i = 0; i < CLIENTS; i++)
        halves[i] = half_begin(f, CEILING);
    const size_t most = push_all(f, halves, CLIENTS, 3 * MIB, CLIENTS - 4);
    CHECK(most > BUDGET / 2);
    CHECK(most <= BUDGET + CEILING + CLIENTS * 256 * 1024);
}

static void end_all(fixture *f, half *halves)
{
    for (size_t i = 0; i < CLIENTS; i++)
        half_end(&halves[i]);
    CHECK(fixture_wait(f, &f->end_count, CLIENTS));
    const cws_loop_stats stats = fixture_stats(&f->sides[0]);
    CHECK(stats.buffered_bytes == 0 && stats.queued_bytes == 0 && stats.message_bytes == 0);
}

/* Those who are not behind go on meanwhile, with a message of several reads too. */
TEST(loop_pressure_passes_ordinary_messages)
{
    fixture f;
    half halves[CLIENTS];
    overfill(&f, halves, 600000);
    const int healthy = client_websocket(&f);
    uint8_t *p = calloc(1, 100000);
    CHECK(p != NULL);
    CHECK(client_send_frame(healthy, FIN_BINARY, p, 40000) && client_send_frame(healthy, FIN_BINARY, p, 100000));
    CHECK(client_expect(healthy, FIN_BINARY, p, 40000) && client_expect(healthy, FIN_BINARY, p, 100000));
    CHECK(fixture_count(&f, &f.overdue_count) == 0);
    end_all(&f, halves);
    CHECK(client_send_frame(healthy, FIN_BINARY, p, 100000) && client_expect(healthy, FIN_BINARY, p, 100000));
    free(p);
    close(healthy);
    fixture_stop(&f);
}

/* When it lasts they are told. Not all at once: whoever is left when half the budget is free goes on. The last one alone takes no more
 * than that, two do. */
TEST(loop_pressure_bounds_what_never_ends)
{
    fixture f;
    half halves[CLIENTS];
    overfill(&f, halves, 1500);
    for (unsigned ticks = 0; ticks < 2000 && fixture_count(&f, &f.overdue_count) < CLIENTS - 1; ticks++) {
        for (size_t i = 0; i < CLIENTS; i++)
            half_push(&halves[i], CEILING - 1);
        (void)poll(NULL, 0, 10);
    }
    CHECK(fixture_count(&f, &f.overdue_count) >= CLIENTS - 1);
    end_all(&f, halves);
    fixture_stop(&f);
}

/* Honest ones beside one that stands still: each is read to its end, one after the other where it must be. */
TEST(loop_pressure_lets_one_at_a_time_through)
{
    fixture f;
    init(&f, 600000);
    f.limits.held_bytes = 4 * MIB;
    CHECK(fixture_start(&f));
    half still = half_begin(&f, 3 * MIB), slow[4];
    while (fixture_stats(&f.sides[0]).buffered_bytes < 2 * MIB)
        half_push(&still, 2 * MIB);
    for (size_t i = 0; i < 4; i++)
        slow[i] = half_begin(&f, 3 * MIB);
    (void)push_all(&f, slow, 4, 2 * MIB, 3);
    bool is_done[4] = {false};
    for (unsigned done = 0; done < 4;) {
        for (size_t i = 0; i < 4; i++) {
            half_push(&slow[i], slow[i].n);
            struct pollfd wait = {.fd = slow[i].fd, .events = POLLIN};
            if (is_done[i] || slow[i].sent < slow[i].n || poll(&wait, 1, 1) <= 0)
                continue;
            client_message m;
            CHECK(client_frame_read(slow[i].fd, &m) && m.n == 3 * MIB);
            free(m.bytes);
            is_done[i] = true;
            done++;
        }
    }
    CHECK(f.overdue_count == 0);
    for (size_t i = 0; i < 4; i++)
        half_end(&slow[i]);
    half_push(&still, still.n);
    while (still.sent < still.n)
        half_push(&still, still.n);
    client_message m;
    CHECK(client_frame_read(still.fd, &m) && m.n == 3 * MIB);
    free(m.bytes);
    half_end(&still);
    CHECK(fixture_wait(&f, &f.end_count, 5));
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes == 0);
    fixture_stop(&f);
}

/* A body has nobody to wait for it: it is answered, and smaller ones still are taken. */
TEST(loop_pressure_refuses_bodies)
{
    fixture f;
    init(&f, 600000);
    f.limits.held_bytes = 4 * MIB;
    CHECK(fixture_start(&f));
    half still = half_begin(&f, 3 * MIB);
    while (fixture_stats(&f.sides[0]).buffered_bytes <= 2 * MIB)
        half_push(&still, 2 * MIB);
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n";
    client_response r;
    int fd = client_connect(&f);
    uint8_t *p = calloc(1, 1000000);
    CHECK(p != NULL && client_send_text(fd, head) && client_send(fd, p, 570000));
    CHECK(client_response_read(fd, &r, false) && r.status == 503 && strstr(r.body, "\"overloaded\"") != NULL);
    CHECK(strstr(r.head, "Retry-After: ") != NULL);
    close(fd);
    CHECK(fixture_reason(&f, 0) == CWS_R_OVERLOADED);
    fd = client_connect(&f);
    CHECK(client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"));
    CHECK(client_response_read(fd, &r, false) && r.status == 200 && r.body_n == 2);
    close(fd);
    half_end(&still);
    free(p);
    fixture_stop(&f);
}

static void lower(fixture_side *s)
{
    for (unsigned i = 0; i < s->member_count; i++) {
        cws_conn *c = cws_loop_find(s->loop, s->members[i]);
        if (c != NULL)
            cws_set_message_ceiling(c, 64 * 1024, true);
    }
}

/* A ceiling that is lowered holds for the message that is half there. */
TEST(loop_lower_ceiling_gives_memory_back)
{
    fixture f;
    init(&f, 600000);
    CHECK(fixture_start(&f));
    half h = half_begin(&f, 3 * MIB);
    CHECK(client_send_frame(h.fd, FIN_TEXT, "!join", 5) && client_expect(h.fd, FIN_TEXT, "!join", 5));
    while (fixture_stats(&f.sides[0]).buffered_bytes < 2 * MIB)
        half_push(&h, 2 * MIB);
    fixture_call(&f.sides[0], lower);
    CHECK(fixture_stats(&f.sides[0]).buffered_bytes <= 4096);
    while (h.sent < h.n)
        half_push(&h, h.n);
    CHECK(fixture_wait(&f, &f.skipped_count, 1) && f.skipped_size == 3 * MIB);
    CHECK(client_send_frame(h.fd, FIN_TEXT, "after", 5) && client_expect(h.fd, FIN_TEXT, "after", 5));
    half_end(&h);
    fixture_stop(&f);
}

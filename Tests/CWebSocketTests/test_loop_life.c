/* What happens to connections over time and between loops: heartbeat, pause, queues, moves, posts, descriptors, stopping.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "test_loop_fixture.h"

#define HOST "Host: x\r\n"

static void expect_body(int fd, int status, const char *body)
{
    client_response r;
    CHECK_ROW(client_response_read(fd, &r, false) && r.status == status, body);
    CHECK_ROW(r.body_n == strlen(body) && memcmp(r.body, body, r.body_n) == 0, body);
}

TEST(loop_an_idle_connection_is_small)
{
    printf("       sizeof(cws_conn) %zu, cws_http %zu, cws_assembly %zu, cws_message %zu\n", sizeof(cws_conn), sizeof(cws_http),
           sizeof(cws_assembly), sizeof(cws_message));
    CHECK(sizeof(cws_conn) <= 250);
    fixture f;
    fixture_init(&f);
    CHECK(fixture_start(&f));
    const int fd = client_websocket(&f);
    CHECK(client_send_frame(fd, FIN_TEXT, "x", 1) && client_expect(fd, FIN_TEXT, "x", 1));
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.queued_bytes == 0 && stats.buffered_bytes == 0 && stats.websocket_count == 1);
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

/* ---- moves */

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
    CHECK(a.queued_bytes == 0 && b.queued_bytes == 0 && a.buffered_bytes == 0 && b.buffered_bytes == 0);
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
        CHECK(cws_loop_post(f.sides[0].loop, take_step, &steps[i]));
    }
    cws_loop_stop(f.sides[0].loop); /* posts before it still run */
    (void)pthread_join(f.sides[0].thread, NULL);
    CHECK(f.step_count == 64);
    for (int i = 0; i < 64; i++)
        CHECK(f.steps[i] == i);
    CHECK(!cws_loop_post(f.sides[0].loop, take_step, &steps[0]));
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

/* ---- limits of the process */

TEST(loop_connection_ceiling)
{
    fixture f;
    fixture_init(&f);
    f.limits.connection_count = 3;
    CHECK(fixture_start(&f));
    int fds[4];
    for (int i = 0; i < 3; i++)
        fds[i] = client_websocket(&f);
    fds[3] = client_connect(&f);
    client_response r;
    CHECK(client_response_read(fds[3], &r, false) && r.status == 503 && strstr(r.head, "Retry-After: ") != NULL);
    CHECK(client_at_end(fds[3]));
    close(fds[3]);
    CHECK(fixture_reason(&f, 0) == CWS_R_CONNECTION_LIMIT);
    close(fds[0]);
    CHECK(fixture_wait(&f, &f.end_count, 2));
    fds[0] = client_websocket(&f);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    fixture_stop(&f);
}

/* In a child, whose descriptors are few: existing connections go on, some newcomers are dropped, accepting comes back. */
static int run_out_of_descriptors(void)
{
    fixture f;
    fixture_init(&f);
    if (!fixture_start(&f))
        return 2;
    const int first = client_connect(&f);
    if (!client_upgrade(first))
        return 3;
    int clients[8], spare[64], spare_count = 0;
    for (int i = 0; i < 8; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    const struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 4;
    while (spare_count < 64 && (spare[spare_count] = open("/dev/null", O_RDONLY)) >= 0)
        spare_count++;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 8; i++)
        if (connect(clients[i], (const struct sockaddr *)&to, sizeof to) != 0)
            return 5;
    cws_loop_stats stats = fixture_stats(&f.sides[0]);
    while (stats.accept_paused_count < 2)
        stats = fixture_stats(&f.sides[0]);
    if (stats.reason_count[CWS_R_NO_DESCRIPTORS] < 1)
        return 6;
    const uint64_t turns = stats.turns_count;
    if (!client_send_frame(first, FIN_TEXT, "alive", 5) || !client_expect(first, FIN_TEXT, "alive", 5))
        return 7;
    for (int i = 0; i < spare_count; i++)
        close(spare[i]);
    while (stats.accepted_count < 3) /* the first, and some of those that waited */
        stats = fixture_stats(&f.sides[0]);
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    close(first);
    fixture_stop(&f);
    return turns > 0 ? 0 : 8;
}

TEST(loop_runs_out_of_descriptors)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0)
        _exit(run_out_of_descriptors());
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST(loop_sockets)
{
    int a = -1, b = -1;
    uint16_t port = 0, other = 0;
    CHECK(cws_socket_listen("127.0.0.1", 0, false, 8, &a, &port) == CWS_OK && port != 0);
    CHECK(cws_socket_listen("127.0.0.1", port, false, 8, &b, &other) == CWS_ADDRESS_IN_USE);
    CHECK(strstr(cws_last_error(), "bind: ") == cws_last_error());
    CHECK(cws_socket_listen("localhost", 0, false, 8, &b, &other) == CWS_BAD_ARGUMENT);
    close(a);
    CHECK(cws_socket_listen("127.0.0.1", 0, true, 8, &a, &port) == CWS_OK);
    CHECK(cws_socket_listen("127.0.0.1", port, true, 8, &b, &other) == CWS_OK && other == port);
    close(a);
    close(b);
    char path[64];
    snprintf(path, sizeof path, "/tmp/cws-test-%d.sock", (int)getpid());
    struct stat s;
    CHECK(cws_socket_listen_unix(path, 0600, &a) == CWS_OK && stat(path, &s) == 0 && (s.st_mode & 0777) == 0600);
    /* Somebody listens there; then nobody does any more; then it is no socket at all. */
    CHECK(cws_socket_listen_unix(path, 0660, &b) == CWS_ADDRESS_IN_USE && stat(path, &s) == 0);
    close(a);
    CHECK(cws_socket_listen_unix(path, 0660, &b) == CWS_OK && stat(path, &s) == 0 && (s.st_mode & 0777) == 0660);
    close(b);
    unlink(path);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL && fclose(file) == 0);
    CHECK(cws_socket_listen_unix(path, 0660, &b) == CWS_ADDRESS_IN_USE && stat(path, &s) == 0 && S_ISREG(s.st_mode));
    unlink(path);
}

TEST(loop_names)
{
    for (unsigned r = 0; r < CWS_R_COUNT; r++) {
        CHECK(cws_reason_name((cws_reason)r) != NULL && strlen(cws_reason_name((cws_reason)r)) > 2);
        for (unsigned k = 0; k < r; k++)
            CHECK(strcmp(cws_reason_name((cws_reason)r), cws_reason_name((cws_reason)k)) != 0);
    }
    for (int s = CWS_OK; s >= CWS_BAD_HANDSHAKE; s--)
        CHECK(strlen(cws_status_text((cws_status)s)) > 1);
}

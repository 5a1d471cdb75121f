/* A small server on the real engine, and blocking clients to talk to it: what the test_loop_*.c files share.
 *
 * The server's loops run in threads of their own and note what happens under one lock; tests wait for notes (never for time) and
 * CHECK on the main thread. The paths it serves and the texts it obeys are listed in test_loop_fixture.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_LOOP_FIXTURE_H
#define TEST_LOOP_FIXTURE_H

#include <pthread.h>

#include "check.h"
#include "cwebsocket.h"

#define FIXTURE_LOOPS_MAX 2
#define FIXTURE_ENDS_MAX 512

typedef struct fixture fixture;

typedef struct fixture_end {
    cws_reason reason;
    uint16_t code;
    uint64_t id;
} fixture_end;

typedef struct fixture_side {
    fixture *of;
    cws_loop *loop;
    pthread_t thread;
    uint64_t waiting_id; /* the request of /wait or /later; loop's thread */
    uint64_t members[4]; /* who said "!join"; loop's thread */
    unsigned member_count;
} fixture_side;

struct fixture {
    /* set before fixture_start */
    cws_limits limits;
    int loop_count;
    size_t message_ceiling, queue_ceiling;
    uint32_t queue_count;
    bool skips_oversize, allows_deflate;
    uint32_t beat_interval_ms, beat_timeout_ms;
    cws_tls *tls; /* NULL: plain; the fixture uses it, the test releases it */
    bool expects_proxy, distrusts_proxies;
    /* set by fixture_start */
    fixture_side sides[FIXTURE_LOOPS_MAX];
    uint16_t port;
    /* notes, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    fixture_end ends[FIXTURE_ENDS_MAX];
    unsigned end_count, adopted_count, drained_count, pong_count, skipped_count, message_count, request_count, waiting_count;
    unsigned overdue_count, full_count, gone_count, step_count, alarm_count, around_count, misuse_count;
    size_t held_most; /* by the loop, when a message came */
    int steps[64];
    uint64_t skipped_size;
    uint8_t skipped_prefix[64];
    size_t skipped_prefix_n;
};

void fixture_init(fixture *f);
bool fixture_start(fixture *f);
#define FIXTURE_TEXT_MAX 8192
/* What "!all" sends and /text answers: some 4 KB of JSON; its length. */
size_t fixture_text(uint8_t *out);
/* Stops every loop, joins, frees. */
void fixture_stop(fixture *f);
/* Waits until *count (a note) is at least n; false after 20 s. */
bool fixture_wait(fixture *f, const unsigned *count, unsigned n);
unsigned fixture_count(fixture *f, const unsigned *count);
/* The reason of the i-th connection that ended, waiting for it. */
cws_reason fixture_reason(fixture *f, unsigned i);
uint16_t fixture_code(fixture *f, unsigned i);
void fixture_note(fixture *f, unsigned *count);
/* Runs fn(side) on that loop and waits for it. */
void fixture_call(fixture_side *s, void (*fn)(fixture_side *s));
cws_loop_stats fixture_stats(fixture_side *s);
/* Keeps that loop from turning until fixture_release; g lives until then. */
typedef struct fixture_gate {
    fixture *of;
    unsigned entered, opened;
} fixture_gate;
void fixture_hold(fixture_side *s, fixture_gate *g);
void fixture_release(fixture_gate *g);
void fixture_resume_waiting(fixture_side *s);
void fixture_answer_waiting(fixture_side *s);

/* ---- clients: blocking, with a receive time limit of 20 s */
int client_connect(const fixture *f);
int client_connect_narrow(const fixture *f); /* with small kernel buffers */
bool client_send(int fd, const void *p, size_t n);
bool client_send_text(int fd, const char *text);
/* One byte a segment. */
bool client_send_slowly(int fd, const void *p, size_t n);
bool client_read(int fd, void *p, size_t n);
bool client_at_end(int fd); /* the peer closed, nothing was left */

typedef struct client_response {
    int status;
    char head[4096];
    char body[8192];
    size_t body_n;
} client_response;
/* Reads one response: Content-Length or chunked (the body then holds the raw chunks up to the last). */
bool client_response_read(int fd, client_response *r, bool is_head_request);

bool client_upgrade(int fd);
/* With more header lines; the answer's head is left in head (1024 bytes). */
bool client_upgrade_with(int fd, const char *lines, char *head);
int client_websocket(const fixture *f);
/* A masked frame into out (n + 14 bytes); returns its length. */
size_t client_frame(uint8_t *out, uint8_t first_byte, const void *p, size_t n);
bool client_send_frame(int fd, uint8_t first_byte, const void *p, size_t n);
typedef struct client_message {
    uint8_t first_byte;
    uint8_t *bytes; /* malloc'd */
    size_t n;
} client_message;
bool client_frame_read(int fd, client_message *m);
/* Reads a frame and compares. */
bool client_expect(int fd, uint8_t first_byte, const void *p, size_t n);
bool client_expect_close(int fd, uint16_t code);

#define FIN_TEXT 0x81u
#define FIN_BINARY 0x82u
#define FIN_CLOSE 0x88u
#define FIN_PING 0x89u
#define FIN_PONG 0x8Au

#endif

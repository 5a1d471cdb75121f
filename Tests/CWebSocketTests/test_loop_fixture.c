/* The server under test and its clients; see test_loop_fixture.h.
 *
 * Paths: /hello; /echo (body back), /small (16 bytes of body at most), /skip (more is skipped; answers "<size> <prefix>"); /later
 * (answered by a post), /wait (answered by fixture_answer_waiting), /stream; /bye (Connection: close); /abort; /move (to the other
 * loop, answered there); /peer (whose connection it is); /ws.
 * Texts on /ws are echoed, but for: "!close" "!part" (close, but hear the peer out) "!abort" "!move" "!pause" (or a text that begins so) "!beat", "!fill" and "!share" (send until the queue is full, new messages or one)
 * "!around" and more (the rest but for its last byte, in << and >>, twice; "!aroundmove" moves then)
 * and "!kill" (abort, then do what an owner may still do before on_closed; sending is refused); "!join", and "!all" (one message to all who joined).
 * /text answers FIXTURE_TEXT compressed if it may. SPDX-License-Identifier: Apache-2.0 */
#include "test_loop_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* ---- notes */

void fixture_note(fixture *f, unsigned *count)
{
    pthread_mutex_lock(&f->lock);
    (*count)++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

bool fixture_wait(fixture *f, const unsigned *count, unsigned n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&f->lock);
    int rc = 0;
    while (*count < n && rc == 0)
        rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
    const bool is_there = *count >= n;
    pthread_mutex_unlock(&f->lock);
    return is_there;
}

unsigned fixture_count(fixture *f, const unsigned *count)
{
    pthread_mutex_lock(&f->lock);
    const unsigned n = *count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

cws_reason fixture_reason(fixture *f, unsigned i)
{
    if (i >= FIXTURE_ENDS_MAX || !fixture_wait(f, &f->end_count, i + 1))
        return CWS_R_COUNT;
    return f->ends[i].reason;
}

uint16_t fixture_code(fixture *f, unsigned i)
{
    return i < FIXTURE_ENDS_MAX && fixture_wait(f, &f->end_count, i + 1) ? f->ends[i].code : 0;
}

/* ---- the server's handlers */

static cws_slice text(const char *s) { return (cws_slice){.p = (const uint8_t *)s, .n = strlen(s)}; }
static bool is(cws_slice s, const char *t) { return s.n == strlen(t) && memcmp(s.p, t, s.n) == 0; }

static cws_loop *other_loop(const fixture_side *s)
{
    const fixture *f = s->of;
    return f->sides[(s - f->sides + 1) % f->loop_count].loop;
}

static uint64_t on_head(void *ctx, cws_conn *c, bool *skip)
{
    (void)ctx;
    const cws_slice path = cws_request_path(c);
    *skip = is(path, "/skip");
    return is(path, "/skip") || is(path, "/small") ? 16 : is(path, "/hello") ? 0 : 1u << 20;
}

static void answer_later(void *arg)
{
    fixture_side *s = arg;
    cws_conn *c = cws_loop_find(s->loop, s->waiting_id);
    if (c == NULL)
        fixture_note(s->of, &s->of->gone_count);
    else
        (void)cws_respond(c, 200, text(""), text("later"), CWS_RESPOND_KEEP);
}

static void stream(cws_conn *c)
{
    (void)cws_respond_begin(c, 200, text("Content-Type: text/plain\r\n"));
    (void)cws_respond_chunk(c, text("one"));
    (void)cws_respond_chunk(c, text(""));
    (void)cws_respond_chunk(c, text("three"));
    (void)cws_respond_end(c);
}

static void answer_skip(cws_conn *c)
{
    char out[128];
    const cws_slice body = cws_request_body(c);
    const int n = snprintf(out, sizeof out, "%llu %.*s", (unsigned long long)cws_request_skipped_bytes(c), (int)body.n,
                           body.n > 0 ? (const char *)body.p : "");
    (void)cws_respond(c, 200, text(""), (cws_slice){.p = (const uint8_t *)out, .n = (size_t)n}, CWS_RESPOND_KEEP);
}

size_t fixture_text(uint8_t *out)
{
    size_t n = 0;
    for (int i = 0; i < 60; i++)
        n += (size_t)sprintf((char *)out + n, "{\"name\":\"model-%d\",\"hash\":\"%08X\",\"type\":\"Checkpoint\"}", i, (unsigned)i * 2654435761u);
    return n;
}

static void answer_text(cws_conn *c)
{
    uint8_t out[FIXTURE_TEXT_MAX];
    const size_t n = is(cws_request_query(c), "short") ? 1023 : fixture_text(out);
    if (n == 1023)
        memset(out, 'a', n);
    const uint16_t status = is(cws_request_query(c), "304") ? 304 : 200;
    (void)cws_respond(c, status, text("Content-Type: text/plain\r\n"), (cws_slice){.p = out, .n = n}, CWS_RESPOND_GZIP);
}

static void answer_peer(cws_conn *c)
{
    char address[INET6_ADDRSTRLEN] = "-", out[80];
    cws_address a;
    cws_conn_peer(c, &a);
    if (a.family != 0)
        (void)inet_ntop(a.family == 4 ? AF_INET : AF_INET6, a.bytes, address, sizeof address);
    const int n = snprintf(out, sizeof out, "%s %u %s", address, a.port, cws_conn_is_tls(c) ? "tls" : "plain");
    (void)cws_respond(c, 200, text(""), (cws_slice){.p = (const uint8_t *)out, .n = (size_t)n}, CWS_RESPOND_KEEP);
}

static void upgrade(fixture *f, cws_conn *c)
{
    const cws_upgrade_options o = {
        .subprotocol = cws_request_header(c, "sec-websocket-protocol"),
        .headers = text("X-Test: yes\r\n"),
        .message_ceiling_bytes = f->message_ceiling,
        .skip_oversize = f->skips_oversize,
        .queue_ceiling_bytes = f->queue_ceiling,
        .queue_ceiling_count = f->queue_count,
        .allow_deflate = f->allows_deflate,
    };
    if (cws_upgrade(c, &o) == CWS_OK && f->beat_interval_ms > 0)
        cws_set_heartbeat(c, f->beat_interval_ms, f->beat_timeout_ms, NULL);
}

static void on_request(void *ctx, cws_conn *c)
{
    fixture_side *s = ctx;
    const cws_slice path = cws_request_path(c);
    fixture_note(s->of, &s->of->request_count);
    if (is(path, "/hello"))
        (void)cws_respond(c, 200, text("X-A: b\r\n"), text("hello"), CWS_RESPOND_KEEP);
    else if (is(path, "/text"))
        answer_text(c);
    else if (is(path, "/echo") || is(path, "/small"))
        (void)cws_respond(c, 200, text(""), cws_request_body(c), CWS_RESPOND_KEEP);
    else if (is(path, "/skip"))
        answer_skip(c);
    else if (is(path, "/later")) {
        s->waiting_id = cws_conn_id(c);
        (void)cws_loop_post(s->loop, answer_later, s);
    } else if (is(path, "/wait")) {
        s->waiting_id = cws_conn_id(c);
        fixture_note(s->of, &s->of->waiting_count);
    } else if (is(path, "/stream"))
        stream(c);
    else if (is(path, "/bye"))
        (void)cws_respond(c, 200, text(""), text("bye"), CWS_RESPOND_CLOSE);
    else if (is(path, "/abort"))
        cws_abort(c, CWS_R_NONE);
    else if (is(path, "/move") && s != &s->of->sides[1])
        cws_conn_move(c, other_loop(s));
    else if (is(path, "/move"))
        (void)cws_respond(c, 200, text(""), cws_request_body(c), CWS_RESPOND_KEEP);
    else if (is(path, "/peer"))
        answer_peer(c);
    else if (is(path, "/ws"))
        upgrade(s->of, c);
    else
        (void)cws_respond(c, 404, text(""), text("no"), CWS_RESPOND_KEEP);
}

static cws_status send_copy(fixture_side *s, cws_conn *c, cws_opcode op, const uint8_t *p, size_t n)
{
    cws_message *m = cws_message_new(s->loop, op, n);
    if (m == NULL)
        return CWS_NO_MEMORY;
    if (n > 0)
        memcpy(cws_message_bytes(m), p, n);
    const cws_status status = cws_send(c, m);
    cws_message_release(m);
    return status;
}

/* What an owner may do between a connection's end and its on_closed. */
static void touch_the_dead(fixture_side *s, cws_conn *c)
{
    cws_message *ping = cws_message_new(s->loop, CWS_PING, 0);
    cws_conn_resume(c);
    cws_set_heartbeat(c, 20, 20, ping);
    cws_set_message_ceiling(c, 1, true);
    cws_set_queue_ceiling(c, 1, 1);
    cws_close(c, 1000, text(""), true);
    cws_conn_move(c, other_loop(s));
    if (ping)
        cws_message_release(ping);
}

static void fill(fixture_side *s, cws_conn *c)
{
    static const uint8_t block[1024];
    cws_status status = CWS_OK;
    while (status == CWS_OK)
        status = send_copy(s, c, CWS_BINARY, block, sizeof block);
    if (status == CWS_QUEUE_FULL)
        fixture_note(s->of, &s->of->full_count);
}

/* One message, queued until the queue is full: a move has to copy it. */
static void fill_shared(fixture_side *s, cws_conn *c)
{
    cws_message *m = cws_message_new(s->loop, CWS_BINARY, 1024);
    if (m == NULL)
        return;
    memset(cws_message_bytes(m), 's', cws_message_size(m));
    while (cws_send(c, m) == CWS_OK)
        continue;
    cws_message_release(m);
    fixture_note(s->of, &s->of->full_count);
}

static bool begins(cws_slice s, const char *t) { return s.n >= strlen(t) && memcmp(s.p, t, strlen(t)) == 0; }

static void send_to_all(fixture_side *s)
{
    uint8_t out[FIXTURE_TEXT_MAX];
    const size_t n = fixture_text(out);
    cws_message *m = cws_message_new(s->loop, CWS_TEXT, n);
    if (m == NULL)
        return;
    memcpy(cws_message_bytes(m), out, n);
    for (unsigned i = 0; i < s->member_count; i++) {
        cws_conn *c = cws_loop_find(s->loop, s->members[i]);
        if (c != NULL)
            (void)cws_send(c, m);
    }
    cws_message_release(m);
}

#define AROUND_N 7u

static uint64_t sum(cws_slice bytes)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < bytes.n; i++)
        hash = hash * 31 + bytes.p[i];
    return hash;
}

static void copy_around(uint8_t *out, cws_slice payload)
{
    memcpy(out, "<<", 2);
    memcpy(out + 2, payload.p, payload.n);
    memcpy(out + 2 + payload.n, ">>", 2);
}

static void send_around(fixture_side *s, cws_conn *c, cws_slice order)
{
    fixture *f = s->of;
    const cws_slice payload = {.p = order.p + AROUND_N, .n = order.n - AROUND_N - 1};
    const cws_slice long_words = {.p = order.p, .n = 49}, outside = {.p = order.p, .n = order.n + 1};
    const uint64_t before = sum(payload);
    const bool moves = begins(order, "!aroundmove"); /* not to be read later */
    bool is_misused = cws_message_around(s->loop, payload, long_words, text("")) || cws_message_around(s->loop, outside, text(""), text("")) ||
                      cws_message_around(s->loop, text("elsewhere"), text(""), text(""));
    cws_message *m = cws_message_around(s->loop, payload, text("<<"), text(">>"));
    if (m != NULL) {
        fixture_note(f, &f->around_count);
        is_misused = is_misused || cws_message_around(s->loop, payload, text("<<"), text(">>"));
    } else {
        m = cws_message_new(s->loop, CWS_TEXT, payload.n + 4);
        if (m == NULL)
            return;
        copy_around(cws_message_bytes(m), payload);
    }
    (void)cws_send(c, m);
    (void)cws_send(c, m);
    cws_message_release(m);
    if (moves)
        cws_conn_move(c, other_loop(s));
    if (is_misused || sum(payload) != before)
        fixture_note(f, &f->misuse_count);
}

static bool obey(fixture_side *s, cws_conn *c, cws_slice order)
{
    if (is(order, "!join")) {
        if (s->member_count < 4)
            s->members[s->member_count++] = cws_conn_id(c);
        (void)send_copy(s, c, CWS_TEXT, order.p, order.n);
    } else if (is(order, "!all"))
        send_to_all(s);
    else if (is(order, "!close"))
        cws_close(c, 4001, text("as told"), false);
    else if (is(order, "!part"))
        cws_close(c, 4001, text("as told"), true);
    else if (is(order, "!abort"))
        cws_abort(c, CWS_R_NONE);
    else if (is(order, "!kill")) {
        cws_conn_pause(c);
        cws_abort(c, CWS_R_QUEUE_OVERFLOW);
        touch_the_dead(s, c);
        if (send_copy(s, c, CWS_TEXT, NULL, 0) == CWS_WRONG_STATE && cws_loop_find(s->loop, cws_conn_id(c)) == NULL)
            fixture_note(s->of, &s->of->gone_count);
    } else if (is(order, "!move"))
        cws_conn_move(c, other_loop(s));
    else if (begins(order, "!pause")) {
        s->waiting_id = cws_conn_id(c);
        cws_conn_pause(c);
        fixture_note(s->of, &s->of->waiting_count);
    } else if (is(order, "!fill"))
        fill(s, c);
    else if (is(order, "!share"))
        fill_shared(s, c);
    else if (begins(order, "!around") && order.n > 64)
        send_around(s, c, order);
    else
        return false;
    return true;
}

static void on_message(void *ctx, cws_conn *c, void *user, cws_opcode op, const uint8_t *p, size_t n)
{
    fixture_side *s = ctx;
    const size_t held = (size_t)cws_loop_held_bytes(s->loop);
    (void)user;
    pthread_mutex_lock(&s->of->lock);
    if (held > s->of->held_most)
        s->of->held_most = held;
    pthread_mutex_unlock(&s->of->lock);
    if (!obey(s, c, (cws_slice){.p = p, .n = n}) && send_copy(s, c, op, p, n) == CWS_NO_MEMORY)
        cws_abort(c, CWS_R_NO_MEMORY); /* nobody is left waiting */
    fixture_note(s->of, &s->of->message_count);
}

static void on_skipped(void *ctx, cws_conn *c, void *user, uint64_t size, const uint8_t *prefix, size_t n)
{
    fixture *f = ((fixture_side *)ctx)->of;
    (void)c, (void)user;
    pthread_mutex_lock(&f->lock);
    f->skipped_size = size;
    f->skipped_prefix_n = n;
    memcpy(f->skipped_prefix, prefix, n < sizeof f->skipped_prefix ? n : sizeof f->skipped_prefix);
    pthread_mutex_unlock(&f->lock);
    fixture_note(f, &f->skipped_count);
}

static void on_pong(void *ctx, cws_conn *c, void *user, const uint8_t *p, size_t n)
{
    (void)c, (void)user, (void)p, (void)n;
    fixture_note(((fixture_side *)ctx)->of, &((fixture_side *)ctx)->of->pong_count);
}

static void on_drained(void *ctx, cws_conn *c, void *user)
{
    (void)c, (void)user;
    fixture_note(((fixture_side *)ctx)->of, &((fixture_side *)ctx)->of->drained_count);
}

static void on_overdue(void *ctx, cws_conn *c, void *user)
{
    (void)user;
    cws_close(c, 4004, text("overdue"), false);
    fixture_note(((fixture_side *)ctx)->of, &((fixture_side *)ctx)->of->overdue_count);
}

static void on_adopted(void *ctx, cws_conn *c, void *user)
{
    (void)c, (void)user;
    fixture_note(((fixture_side *)ctx)->of, &((fixture_side *)ctx)->of->adopted_count);
}

static void on_closed(void *ctx, cws_conn *c, void *user, cws_reason reason, uint16_t code)
{
    fixture *f = ((fixture_side *)ctx)->of;
    (void)user;
    pthread_mutex_lock(&f->lock);
    if (f->end_count < FIXTURE_ENDS_MAX)
        f->ends[f->end_count] = (fixture_end){.reason = reason, .code = code, .id = cws_conn_id(c)};
    pthread_mutex_unlock(&f->lock);
    fixture_note(f, &f->end_count);
}

static void on_alarm(void *ctx) { fixture_note(((fixture_side *)ctx)->of, &((fixture_side *)ctx)->of->alarm_count); }
static void on_turn_end(void *ctx) { (void)ctx; }

static bool trusts_proxy(void *ctx, const cws_address *peer)
{
    return peer->family == 4 && peer->bytes[0] == 127 && !((fixture_side *)ctx)->of->distrusts_proxies;
}

/* ---- starting, stopping, calling */

static const cws_handlers handlers = {
    .on_head = on_head,
    .on_request = on_request,
    .on_message = on_message,
    .on_skipped = on_skipped,
    .on_pong = on_pong,
    .on_drained = on_drained,
    .on_adopted = on_adopted,
    .on_overdue = on_overdue,
    .on_closed = on_closed,
    .on_alarm = on_alarm,
    .on_turn_end = on_turn_end,
    .trusts_proxy = trusts_proxy,
};

void fixture_init(fixture *f)
{
    *f = (fixture){
        .limits = cws_limits_default(),
        .loop_count = 1,
        .message_ceiling = 8u << 20,
        .queue_ceiling = 16u << 20,
        .queue_count = 100000,
    };
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
}

static void *run(void *arg)
{
    cws_loop_run(((fixture_side *)arg)->loop);
    return NULL;
}

bool fixture_start(fixture *f)
{
    int fd = -1;
    if (cws_socket_listen("127.0.0.1", 0, false, 512, &fd, &f->port) != CWS_OK)
        return false;
    for (int i = 0; i < f->loop_count; i++) {
        fixture_side *s = &f->sides[i];
        s->of = f;
        s->loop = cws_loop_new(&f->limits, &handlers, s, (uint16_t)i);
        if (s->loop == NULL)
            return false;
    }
    const cws_listener_options o = {.tag = 7, .tls = f->tls, .expects_proxy_header = f->expects_proxy};
    if (cws_loop_listen_take(f->sides[0].loop, fd, &o) != CWS_OK)
        return false;
    for (int i = 0; i < f->loop_count; i++)
        if (pthread_create(&f->sides[i].thread, NULL, run, &f->sides[i]) != 0)
            return false;
    return true;
}

void fixture_stop(fixture *f)
{
    for (int i = 0; i < f->loop_count; i++)
        cws_loop_stop(f->sides[i].loop);
    for (int i = 0; i < f->loop_count; i++)
        (void)pthread_join(f->sides[i].thread, NULL);
    for (int i = 0; i < f->loop_count; i++)
        cws_loop_free(f->sides[i].loop);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
}

typedef struct call {
    fixture_side *side;
    void (*fn)(fixture_side *s);
    unsigned done;
} call;

static void run_call(void *arg)
{
    call *k = arg;
    k->fn(k->side);
    fixture_note(k->side->of, &k->done);
}

void fixture_call(fixture_side *s, void (*fn)(fixture_side *s))
{
    call k = {.side = s, .fn = fn};
    if (cws_loop_post(s->loop, run_call, &k) == CWS_OK)
        (void)CHECK(fixture_wait(s->of, &k.done, 1));
}

static void read_stats(void *arg)
{
    void **pair = arg;
    cws_loop_read_stats(((fixture_side *)pair[0])->loop, pair[1]);
    fixture_note(((fixture_side *)pair[0])->of, pair[2]);
}

cws_loop_stats fixture_stats(fixture_side *s)
{
    cws_loop_stats out = {0};
    unsigned done = 0;
    void *pair[3] = {s, &out, &done};
    if (cws_loop_post(s->loop, read_stats, pair) == CWS_OK)
        (void)CHECK(fixture_wait(s->of, &done, 1));
    return out;
}

static void wait_at_gate(void *arg)
{
    fixture_gate *g = arg;
    fixture_note(g->of, &g->entered);
    (void)fixture_wait(g->of, &g->opened, 1);
}

void fixture_hold(fixture_side *s, fixture_gate *g)
{
    *g = (fixture_gate){.of = s->of};
    if (cws_loop_post(s->loop, wait_at_gate, g) == CWS_OK)
        (void)CHECK(fixture_wait(s->of, &g->entered, 1));
}

void fixture_release(fixture_gate *g) { fixture_note(g->of, &g->opened); }

void fixture_resume_waiting(fixture_side *s)
{
    cws_conn *c = cws_loop_find(s->loop, s->waiting_id);
    if (c != NULL)
        cws_conn_resume(c);
}

void fixture_answer_waiting(fixture_side *s) { answer_later(s); }

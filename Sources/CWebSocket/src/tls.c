/* The transport over TLS: OpenSSL between the engine and the socket, handshakes rationed a turn.
 * Runs on the loop's thread; a connection may change loops between two calls. Decides how much of a turn handshakes may take and how
 * queued messages become records; how records come in is tls_records.c's, the rules of the protocol are tls_context.c's.
 * Never blocks, never logs, and never leaves bytes behind that the kernel has given without has_pending saying so.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tls_internal.h"

#define RECORD_BYTES 16384u           /* RFC 8446 5.1 */
#define IDLE_RECORDS 8                /* records without data (KeyUpdates) that one read takes: they cost most and give nothing */
#define WRITE_BYTES (512u * 1024u)    /* one writev: a fast reader may not hold the loop */

typedef struct tls_state {
    cws_tls *tls;
    cws_tls_input input;
    SSL *ssl;          /* NULL until the peer's first byte: a silent connection costs no handshake state */
    bool is_broken;    /* OpenSSL reported a fatal error: nothing more may be asked of ssl */
    bool has_end;      /* read met `end` behind bytes that it had to deliver first */
    ssize_t end;
} tls_state;

static tls_state *state_of(const cws_conn *c) { return c->transport_state; }

/* A peer on a plain port's address, most likely a person with a browser. The answer is best effort. */
static void answer_plain_http(cws_conn *c)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 39\r\n"
                               "Connection: close\r\n\r\nThis port speaks TLS: use https://...\r\n";
    uint8_t rest[4096];
    (void)recv(c->fd, rest, sizeof rest, MSG_DONTWAIT); /* unread bytes would turn the close into a reset */
    (void)send(c->fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void fail(cws_conn *c)
{
    const bool is_ending = c->state == CWS_S_DRAIN || c->state == CWS_S_LINGER;
    const int reason = ERR_GET_REASON(ERR_peek_error());
    state_of(c)->is_broken = true;
    if (c->setup != CWS_R_NONE && reason == SSL_R_HTTP_REQUEST)
        answer_plain_http(c);
    cws_conn_kill(c, is_ending ? (cws_reason)c->reason : CWS_R_TLS_FAILED);
}

/* What a call that did not succeed means. Reading and the handshake may want to write, writing never wants to read: there is no
 * renegotiation. */
static ssize_t outcome(cws_conn *c, int result, bool is_reading)
{
    tls_state *s = state_of(c);
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        if (is_reading)
            return CWS_IO_AGAIN;
        break;
    case SSL_ERROR_WANT_WRITE:
        if (is_reading)
            c->read_wants_write = true;
        return CWS_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL: s->is_broken = true; return CWS_IO_ERROR;
    default: break;
    }
    fail(c);
    ERR_clear_error();
    return CWS_IO_ERROR;
}

/* ---- handshake */

static bool begin(cws_conn *c)
{
    tls_state *s = state_of(c);
    s->ssl = cws_tls_open(s->tls);
    if (s->ssl && cws_tls_input_attach(&s->input, s->ssl))
        return true;
    ERR_clear_error();
    cws_conn_kill(c, CWS_R_NO_MEMORY);
    return false;
}

static void established(cws_conn *c)
{
    cws_loop *l = c->loop;
    c->setup = CWS_R_NONE;
    l->stats.handshakes_count++;
    if (SSL_session_reused(state_of(c)->ssl))
        l->stats.resumed_count++;
    cws_conn_set_phase(c, l->limits.head_timeout_ms);
}

/* One step: > 0 done, 0 the peer left, CWS_IO_*. What is not begun for want of time stays readable, so the next turn comes to it. */
static ssize_t shake_hands(cws_conn *c)
{
    cws_loop *l = c->loop;
    tls_state *s = state_of(c);
    if (l->handshake_ns / 1000 >= l->limits.handshake_budget_us && l->handshake_ns > 0) {
        l->stats.handshakes_deferred_count++;
        return CWS_IO_AGAIN;
    }
    const uint64_t start_ns = cws_clock_ns();
    if (!s->ssl && !begin(c))
        return CWS_IO_ERROR;
    ERR_clear_error();
    const int result = SSL_do_handshake(s->ssl);
    ssize_t got = 1;
    if (result == 1)
        established(c);
    else
        got = outcome(c, result, true);
    l->handshake_ns += cws_clock_ns() - start_ns + 1;
    return got;
}

/* ---- the transport */

/* Until n bytes are there or no more are to be had; those that came before an end are given first. */
static ssize_t read_data(cws_conn *c, uint8_t *p, size_t n)
{
    tls_state *s = state_of(c);
    size_t total = 0;
    unsigned idle = 0;
    ERR_clear_error(); /* a call that succeeds adds nothing, and one that fails ends the loop or has asked for more */
    while (total < n) {
        size_t got = 0;
        s->input.room = n - total;
        const int result = SSL_read_ex(s->ssl, p + total, n - total, &got);
        if (result == 1) {
            total += got;
            continue;
        }
        const ssize_t end = outcome(c, result, true);
        if (end == CWS_IO_AGAIN && !c->read_wants_write && cws_tls_input_has_more(&s->input) && idle++ < IDLE_RECORDS)
            continue;
        if (total == 0)
            return end;
        s->has_end = end != CWS_IO_AGAIN;
        s->end = end;
        break;
    }
    return (ssize_t)total;
}

static ssize_t tls_read(cws_conn *c, uint8_t *p, size_t n)
{
    tls_state *s = state_of(c);
    if (s->is_broken)
        return CWS_IO_ERROR;
    if (s->has_end)
        return s->end;
    c->read_wants_write = false;
    cws_tls_input_begin(&s->input, n);
    ssize_t got = c->setup == CWS_R_NONE ? 1 : shake_hands(c);
    if (got > 0)
        got = read_data(c, p, n);
    if (cws_tls_input_end(&s->input))
        return got;
    cws_conn_kill(c, CWS_R_NO_MEMORY);
    return CWS_IO_ERROR;
}

/* Small frames share a record: the first `n` bytes of v[0..count) from `skip` on. */
static size_t collect(const struct iovec *v, int count, size_t skip, uint8_t out[RECORD_BYTES])
{
    size_t n = 0;
    for (int i = 0; i < count && n < RECORD_BYTES; i++) {
        size_t k = v[i].iov_len - skip;
        if (k > RECORD_BYTES - n)
            k = RECORD_BYTES - n;
        memcpy(out + n, (const uint8_t *)v[i].iov_base + skip, k);
        n += k;
        skip = 0;
    }
    return n;
}

/* A write that did not succeed is repeated with the same bytes, perhaps more of them, perhaps from elsewhere: the queue only grows at its
 * end (SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER). */
static ssize_t tls_writev(cws_conn *c, const struct iovec *v, int count)
{
    tls_state *s = state_of(c);
    if (s->is_broken)
        return CWS_IO_ERROR;
    if (c->setup != CWS_R_NONE)
        return CWS_IO_AGAIN;
    uint8_t record[RECORD_BYTES];
    size_t total = 0, skip = 0;
    int i = 0;
    while (i < count && total < WRITE_BYTES) {
        const uint8_t *p = (const uint8_t *)v[i].iov_base + skip;
        size_t n = v[i].iov_len - skip, put = 0;
        if (n < RECORD_BYTES && i + 1 < count) {
            n = collect(v + i, count - i, skip, record);
            p = record;
        }
        ERR_clear_error();
        const int result = SSL_write_ex(s->ssl, p, n, &put);
        if (result != 1) {
            const ssize_t end = outcome(c, result, false);
            return end == CWS_IO_AGAIN && total > 0 ? (ssize_t)total : end == 0 ? CWS_IO_ERROR : end;
        }
        total += put;
        for (put += skip; i < count && put >= v[i].iov_len; i++)
            put -= v[i].iov_len;
        skip = put;
    }
    return (ssize_t)total;
}

static bool tls_has_pending(cws_conn *c)
{
    const tls_state *s = state_of(c);
    if (c->read_wants_write)
        return false; /* the socket's readiness is what it waits for */
    return s->has_end || s->input.kept || (s->ssl && SSL_pending(s->ssl) > 0);
}

size_t cws_tls_kept_bytes(const cws_conn *c)
{
    const cws_spill *kept = state_of(c)->input.kept;
    return kept ? kept->n - kept->at : 0;
}

static bool tls_has_unread(cws_conn *c)
{
    int n = 0;
    return tls_has_pending(c) || (ioctl(c->fd, FIONREAD, &n) == 0 && n > 0);
}

/* close_notify, if the socket takes it now: nobody waits for the peer's. */
static void tls_shutdown_write(cws_conn *c)
{
    const tls_state *s = state_of(c);
    if (s->ssl && !s->is_broken && c->setup == CWS_R_NONE) {
        ERR_clear_error();
        (void)SSL_shutdown(s->ssl);
        ERR_clear_error();
    }
    (void)shutdown(c->fd, SHUT_WR);
}

static void tls_free_state(cws_conn *c)
{
    tls_state *s = state_of(c);
    SSL_free(s->ssl);
    free(s->input.kept);
    cws_tls_release(s->tls);
    free(s);
}

const cws_transport_ops cws_transport_tls = {
    .is_tls = true,
    .read = tls_read,
    .writev = tls_writev,
    .has_pending = tls_has_pending,
    .has_unread = tls_has_unread,
    .shutdown_write = tls_shutdown_write,
    .free_state = tls_free_state,
};

bool cws_tls_attach(cws_conn *c, cws_tls *t)
{
    tls_state *s = malloc(sizeof *s);
    if (!s)
        return false;
    *s = (tls_state){.tls = cws_tls_retain(t), .input = {.conn = c}};
    c->transport_state = s;
    c->transport = CWS_TRANSPORT_TLS;
    c->setup = CWS_R_TLS_FAILED;
    c->loop->stats.tls_count++;
    cws_conn_set_phase(c, c->loop->limits.head_timeout_ms);
    return true;
}

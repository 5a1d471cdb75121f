/* How bytes come in: one shared receive buffer per loop, a per-connection spill only for what cannot be used yet, and large
 * payloads read to where they belong. Runs on the loop's thread. Decides how much one connection may read in a turn and what the
 * end of input means; never looks inside the bytes.
 *
 * A peer's FIN ends the connection, also while an answer is pending: a poll given up looks exactly like a half-close, and only the
 * first occurs in earnest. What was answered before the FIN is still sent.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "internal.h"

static void on_eof(cws_conn *c)
{
    c->saw_eof = true;
    switch ((cws_state)c->state) {
    case CWS_S_HTTP:
        if (c->q && !cws_http_is_answerable(c))
            cws_conn_drain(c, CWS_R_PEER_EOF, false);
        else
            cws_conn_kill(c, CWS_R_PEER_EOF);
        return;
    case CWS_S_WS_OPEN: cws_conn_kill(c, CWS_R_PEER_EOF); return;
    case CWS_S_WS_CLOSING: cws_conn_kill(c, CWS_R_LOCAL_CLOSE); return;
    case CWS_S_DRAIN:
    case CWS_S_LINGER: cws_conn_kill(c, (cws_reason)c->reason); return;
    case CWS_S_DEAD: return;
    }
}

static void on_error(cws_conn *c)
{
    cws_conn_kill(c, c->state == CWS_S_LINGER ? (cws_reason)c->reason : CWS_R_PEER_RESET);
}

static size_t feed_linger(cws_conn *c, size_t n)
{
    if (n > c->linger_left)
        cws_conn_kill(c, (cws_reason)c->reason);
    else
        c->linger_left -= (uint32_t)n;
    return n;
}

/* Returns how much was used. The rest is either incomplete or must not be looked at yet (cws_conn_wants_input). */
static size_t feed(cws_conn *c, uint8_t *p, size_t n)
{
    size_t used = 0;
    while (used < n && cws_conn_wants_input(c)) {
        size_t k;
        if (c->state == CWS_S_HTTP) {
            k = cws_http_feed(c, p + used, n - used);
            cws_http_free_dead(c->loop); /* or a row of pipelined requests would all be kept to the end of the turn */
        } else if (c->state == CWS_S_LINGER) {
            k = feed_linger(c, n - used);
        } else {
            k = cws_ws_feed(c, p + used, n - used);
        }
        if (k == 0)
            break;
        used += k;
    }
    return used;
}

/* Replaces the spill by p[0..n), which may lie inside it. */
static void keep(cws_conn *c, const uint8_t *p, size_t n)
{
    cws_spill *old = c->spill;
    c->spill = NULL;
    c->has_unparsed = false;
    if (n > 0 && c->state != CWS_S_DEAD && c->state != CWS_S_DRAIN) {
        cws_spill *s = malloc(sizeof *s + n);
        if (s) {
            *s = (cws_spill){.n = (uint32_t)n};
            memcpy(s->bytes, p, n);
            c->spill = s;
            c->has_unparsed = !cws_conn_wants_input(c);
        } else {
            cws_conn_kill(c, CWS_R_NO_MEMORY);
        }
    }
    free(old);
}

static void finish(cws_conn *c)
{
    if (c->state != CWS_S_DEAD)
        cws_conn_count_buffered(c);
    if (!cws_conn_leave(c))
        return;
    cws_conn_work_pending(c);
    cws_conn_update_interest(c, true);
}

static void heard(cws_conn *c, size_t n)
{
    c->quiet_from_ms = c->loop->now_ms;
    c->loop->stats.bytes_in += n;
}

/* One read into the shared buffer behind what was incomplete. Returns what the socket gave, as read() does. */
static ssize_t read_shared(cws_conn *c, size_t budget, bool *is_short)
{
    uint8_t *rx = c->loop->rx;
    size_t have = 0;
    if (c->spill) {
        have = c->spill->n - c->spill->at;
        memcpy(rx, c->spill->bytes + c->spill->at, have);
    }
    size_t want = CWS_RX_BYTES - have;
    if (want > budget)
        want = budget;
    if (c->state == CWS_S_HTTP && want > CWS_HTTP_READ_BYTES)
        want = CWS_HTTP_READ_BYTES;
    ssize_t got = cws_ops(c)->read(c, rx + have, want);
    *is_short = got < 0 || (size_t)got < want;
    if (got <= 0)
        return got;
    heard(c, (size_t)got);
    const size_t total = have + (size_t)got;
    const size_t used = feed(c, rx, total);
    keep(c, rx + used, total - used);
    return got;
}

static ssize_t read_direct(cws_conn *c, uint8_t *p, size_t want, bool *is_short)
{
    ssize_t got = cws_ops(c)->read(c, p, want);
    *is_short = got < 0 || (size_t)got < want;
    if (got <= 0)
        return got;
    heard(c, (size_t)got);
    cws_ws_direct_done(c, (size_t)got);
    return got;
}

/* What one connection may read in a turn. Between enter and finish. */
static void read_more(cws_conn *c)
{
    size_t budget = cws_pressure_read_bytes(c->loop);
    bool is_short = false;
    while (budget > 0 && !is_short && !c->has_unparsed && cws_conn_wants_input(c)) {
        uint8_t *p = NULL;
        size_t want = c->spill ? 0 : cws_ws_direct(c, &p);
        if (!cws_conn_wants_input(c))
            break;
        if (want > budget)
            want = budget;
        ssize_t got = want ? read_direct(c, p, want, &is_short) : read_shared(c, budget, &is_short);
        if (got == 0)
            on_eof(c);
        if (got == CWS_IO_ERROR)
            on_error(c);
        if (got <= 0)
            break;
        budget -= (size_t)got;
    }
}

static void read_input(cws_conn *c)
{
    cws_conn_enter(c);
    read_more(c);
    finish(c);
}

/* Input that may not be looked at has arrived, or the peer is gone: stop asking for the one, act on the other. */
static void refuse_input(cws_conn *c, uint32_t events)
{
    if (c->state == CWS_S_DRAIN) {
        cws_conn_work(c, CWS_WORK_FLUSH); /* if the peer is gone, writing will tell */
    } else if (events & (EPOLLERR | EPOLLHUP)) {
        cws_conn_kill(c, CWS_R_PEER_RESET);
        return;
    } else if (events & EPOLLRDHUP && cws_http_is_answerable(c) && !c->is_paused) {
        on_eof(c);
        if (c->state == CWS_S_DEAD)
            return;
    }
    cws_conn_update_interest(c, false);
}

void cws_conn_event(cws_conn *c, uint32_t events)
{
    if (events & EPOLLOUT) {
        cws_conn_work(c, CWS_WORK_FLUSH);
        if (c->read_wants_write)
            events |= EPOLLIN;
    }
    if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        return;
    if (c->has_unparsed && cws_conn_wants_input(c)) {
        cws_conn_work(c, CWS_WORK_INPUT); /* what was kept comes first; epoll will ask again */
    } else if (cws_conn_wants_input(c)) {
        read_input(c);
    } else {
        refuse_input(c, events);
    }
}

void cws_conn_input_again(cws_conn *c)
{
    cws_conn_enter(c);
    c->is_resting = false;
    if (c->has_unparsed && c->spill && cws_conn_wants_input(c)) {
        cws_spill *s = c->spill;
        const size_t used = feed(c, s->bytes + s->at, s->n - s->at);
        s->at += (uint32_t)used;
        c->has_unparsed = s->at < s->n && !cws_conn_wants_input(c);
        if (!c->has_unparsed)
            keep(c, s->bytes + s->at, s->n - s->at);
    }
    /* What TLS has decrypted already no epoll event announces: after a pause, an answer or a move it has to be asked. */
    if (cws_ops(c)->is_tls)
        read_more(c);
    finish(c);
}

/* A connection's life: made at accept, killed at once, told and freed at the end of the turn; and its plain accessors.
 * Runs on the loop's thread. Never calls a handler. Never frees what a handler further up the stack may be looking at.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "internal.h"

atomic_uint_fast64_t cws_open_connections;

#define ID_COUNTER_BITS 47

static uint64_t next_id(cws_loop *l)
{
    const uint64_t mask = (UINT64_C(1) << ID_COUNTER_BITS) - 1;
    l->next_id = (l->next_id + 1) & mask;
    return (uint64_t)l->index << ID_COUNTER_BITS | l->next_id;
}

cws_conn *cws_conn_new(cws_loop *l, int fd, uint16_t tag, const cws_address *peer)
{
    cws_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->id = next_id(l);
    c->loop = l;
    c->transport = CWS_TRANSPORT_PLAIN;
    c->fd = fd;
    c->tag = tag;
    c->peer_family = peer->family;
    c->peer_port = peer->port;
    memcpy(c->peer_bytes, peer->bytes, sizeof c->peer_bytes);
    c->quiet_from_ms = l->now_ms;
    c->queue_ceiling_bytes = CWS_HTTP_STREAM_BYTES;
    c->queue_ceiling_count = UINT32_MAX;
    c->interest = CWS_WANTS_READ;
    cws_link_init(&c->work);
    cws_link_init(&c->timer);
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = c->id};
    if (!cws_table_insert(&l->table, c))
        goto fail;
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        cws_table_remove(&l->table, c);
        goto fail;
    }
    l->stats.open_count++;
    atomic_fetch_add_explicit(&cws_open_connections, 1, memory_order_relaxed);
    cws_conn_set_phase(c, l->limits.head_timeout_ms);
    return c;
fail:
    free(c);
    return NULL;
}

void cws_conn_kill(cws_conn *c, cws_reason reason)
{
    if (c->state == CWS_S_DEAD)
        return;
    cws_loop *l = c->loop;
    c->state = CWS_S_DEAD;
    c->reason = (uint8_t)reason;
    cws_wheel_disarm(c);
    cws_link_remove(&c->work);
    c->work_flags = 0;
    cws_link_append(&l->dead, &c->work);
    cws_outq_clear(c);
    if (c->beat_ping)
        cws_message_release(c->beat_ping);
    c->beat_ping = NULL;
    close(c->fd);
    c->fd = -1;
}

void cws_conn_free(cws_conn *c)
{
    atomic_fetch_sub_explicit(&cws_open_connections, 1, memory_order_relaxed);
    c->loop->stats.buffered_bytes -= c->buffered;
    cws_ops(c)->free_state(c);
    if (c->http)
        cws_http_free(c->http);
    if (c->assembly)
        cws_assembly_free(c->loop, c->assembly);
    free(c->spill);
#ifndef NDEBUG
    memset(c, 0xDD, sizeof *c); /* whoever still uses it shall notice */
#endif
    free(c);
}

/* ---- around callbacks */

void cws_conn_enter(cws_conn *c)
{
    c->loop->current = c;
    c->loop->move_to = NULL;
    c->loop->inflate_share = CWS_INFLATE_SHARE_BYTES;
}

bool cws_conn_leave(cws_conn *c)
{
    cws_loop *l = c->loop;
    cws_loop *to = l->move_to;
    l->current = NULL;
    l->move_to = NULL;
    if (c->state == CWS_S_DEAD)
        return false;
    if (!to)
        return true;
    cws_conn_move_now(c, to);
    return false;
}

/* ---- input permission and epoll interest */

void cws_conn_update_interest(cws_conn *c, bool is_lazy)
{
    uint8_t want = 0;
    if (cws_conn_wants_input(c))
        want |= CWS_WANTS_READ;
    else if (is_lazy)
        want |= c->interest & (CWS_WANTS_READ | CWS_WANTS_HANGUP);
    else if (cws_http_is_answerable(c) && !c->is_paused)
        want |= CWS_WANTS_HANGUP; /* someone waiting for an answer may give up */
    if (c->is_blocked || c->read_wants_write)
        want |= CWS_WANTS_WRITE;
    if (want == c->interest)
        return;
    uint32_t events = want & CWS_WANTS_READ ? EPOLLIN | EPOLLRDHUP : want & CWS_WANTS_HANGUP ? EPOLLRDHUP : 0u;
    if (want & CWS_WANTS_WRITE)
        events |= EPOLLOUT;
    struct epoll_event e = {.events = events, .data.u64 = c->id};
    if (epoll_ctl(c->loop->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) != 0) {
        cws_conn_kill(c, CWS_R_NO_MEMORY);
        return;
    }
    c->interest = want;
}

void cws_conn_work_pending(cws_conn *c)
{
    if (cws_ops(c)->has_pending(c) && cws_conn_wants_input(c))
        cws_conn_work(c, CWS_WORK_INPUT);
}

void cws_conn_count_buffered(cws_conn *c)
{
    size_t n = c->spill ? c->spill->n - c->spill->at : 0;
    if (c->http)
        n += cws_http_buffered(c->http);
    if (c->assembly)
        n += cws_assembly_buffered(c->assembly);
    if (cws_ops(c)->is_tls)
        n += cws_tls_kept_bytes(c);
    c->loop->stats.buffered_bytes += cws_clamp_u32(n);
    c->loop->stats.buffered_bytes -= c->buffered;
    c->buffered = cws_clamp_u32(n);
}

/* ---- what the owner may do with any connection */

void cws_conn_pause(cws_conn *c)
{
    CWS_ON_LOOP(c->loop);
    c->is_paused = true;
}

void cws_conn_resume(cws_conn *c)
{
    CWS_ON_LOOP(c->loop);
    if (!c->is_paused || c->state == CWS_S_DEAD)
        return;
    c->is_paused = false;
    c->quiet_from_ms = c->loop->now_ms;
    cws_conn_restart_phase(c);
    cws_conn_work(c, CWS_WORK_INPUT);
}

void cws_abort(cws_conn *c, cws_reason reason)
{
    CWS_ON_LOOP(c->loop);
    cws_conn_kill(c, reason == CWS_R_NONE ? CWS_R_LOCAL_ABORT : reason);
}

uint64_t cws_conn_id(const cws_conn *c) { return c->id; }
cws_loop *cws_conn_loop(const cws_conn *c) { return c->loop; }
uint16_t cws_conn_listener_tag(const cws_conn *c) { return c->tag; }
bool cws_conn_is_starved(const cws_conn *c) { return c->is_starved; }
bool cws_conn_is_websocket(const cws_conn *c) { return c->is_websocket; }
bool cws_conn_is_tls(const cws_conn *c) { return cws_ops(c)->is_tls; }
size_t cws_queued_bytes(const cws_conn *c) { return c->q ? c->q->bytes : 0; }
uint32_t cws_queued_count(const cws_conn *c) { return c->q ? c->q->count : 0; }
void *cws_conn_user(const cws_conn *c) { return c->user; }

void cws_conn_set_user(cws_conn *c, void *user)
{
    CWS_ON_LOOP(c->loop);
    c->user = user;
}

void cws_conn_peer(const cws_conn *c, cws_address *out)
{
    *out = (cws_address){.family = c->peer_family, .port = c->peer_port};
    memcpy(out->bytes, c->peer_bytes, sizeof out->bytes);
}

uint64_t cws_loop_held_bytes(const cws_loop *l) { return l->stats.message_bytes + l->stats.buffered_bytes; }

void cws_set_queue_ceiling(cws_conn *c, size_t bytes, uint32_t count)
{
    CWS_ON_LOOP(c->loop);
    c->queue_ceiling_bytes = cws_clamp_u32(bytes);
    c->queue_ceiling_count = count;
}

cws_status cws_send(cws_conn *c, cws_message *m)
{
    CWS_ON_LOOP(c->loop);
    assert(m->loop == c->loop);
    if (c->state != CWS_S_WS_OPEN)
        return CWS_WRONG_STATE;
    if (c->deflate_bits > 0)
        m = cws_message_for(c, m);
    const size_t n = cws_message_wire_n(m);
    const size_t queued = cws_queued_bytes(c);
    if (n > c->queue_ceiling_bytes || queued > c->queue_ceiling_bytes - n ||
        cws_queued_count(c) >= c->queue_ceiling_count) {
        if (queued > 0)
            c->is_over_mark = true;
        return CWS_QUEUE_FULL;
    }
    cws_message_retain(m);
    return cws_outq_push_take(c, m);
}

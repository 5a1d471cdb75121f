/* Handing a connection to another loop: everything it has goes along (unread input, queued output, an unanswered request, its
 * deadlines), nothing of the old loop does (messages are made orphans, the heartbeat's message is released).
 * The first half runs on the old loop's thread, cws_conn_adopt on the new one's; the mailbox lock between them is the hand-over.
 * Never touches a connection after it was mailed. SPDX-License-Identifier: Apache-2.0 */
#include <sys/epoll.h>

#include "internal.h"

void cws_conn_move(cws_conn *c, cws_loop *to)
{
    CWS_ON_LOOP(c->loop);
    cws_loop *l = c->loop;
    if (c->state == CWS_S_DEAD)
        return;
    if (l->current == c)
        l->move_to = to == l ? NULL : to;
    else if (to != l)
        cws_conn_move_now(c, to);
}

void cws_conn_move_now(cws_conn *c, cws_loop *to)
{
    cws_loop *l = c->loop;
    if (!cws_outq_flush(c))
        return;
    if (!cws_outq_orphan(c)) {
        cws_conn_kill(c, CWS_R_NO_MEMORY);
        return;
    }
    if (c->beat_ping)
        cws_message_release(c->beat_ping);
    c->beat_ping = NULL;
    cws_conn_count_buffered(c);
    const size_t buffered = c->buffered, queued = cws_queued_bytes(c);
    const bool is_websocket = c->is_websocket, is_tls = cws_ops(c)->is_tls;
    if (c->assembly)
        cws_pressure_forget(l, c->assembly);
    cws_wheel_disarm(c);
    cws_link_remove(&c->work);
    c->work_flags = 0;
    cws_table_remove(&l->table, c);
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    c->loop = to;
    c->mail.fn = NULL;
    if (!cws_loop_mail(to, &c->mail)) {
        c->loop = l;
        cws_link_init(&c->work);
        cws_conn_kill(c, CWS_R_LOOP_STOPPED);
        return;
    }
    l->stats.moved_out_count++;
    l->stats.open_count--;
    l->stats.buffered_bytes -= buffered;
    l->stats.queued_bytes -= queued;
    if (is_websocket)
        l->stats.websocket_count--;
    if (is_tls)
        l->stats.tls_count--;
}

static bool join(cws_loop *l, cws_conn *c)
{
    if (!cws_table_insert(&l->table, c))
        return false;
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = c->id};
    const bool wants_write = c->is_blocked || c->read_wants_write;
    if (wants_write)
        e.events |= EPOLLOUT;
    c->interest = (uint8_t)(CWS_WANTS_READ | (wants_write ? CWS_WANTS_WRITE : 0u));
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

void cws_conn_adopt(cws_loop *l, cws_conn *c)
{
    cws_link_init(&c->work);
    l->stats.moved_in_count++;
    l->stats.open_count++;
    l->stats.buffered_bytes += c->buffered;
    l->stats.queued_bytes += cws_queued_bytes(c);
    if (c->is_websocket)
        l->stats.websocket_count++;
    if (cws_ops(c)->is_tls)
        l->stats.tls_count++;
    const bool is_joined = join(l, c);
    cws_conn_enter(c);
    CWS_CALL(l, on_adopted, c, c->user);
    if (!is_joined)
        cws_conn_kill(c, CWS_R_NO_MEMORY);
    const bool is_unanswered = c->state == CWS_S_HTTP && c->http && c->http->phase == CWS_HTTP_PENDING;
    if (is_unanswered && !cws_conn_is_leaving(c))
        CWS_CALL(l, on_request, c);
    if (!cws_conn_leave(c))
        return;
    cws_conn_check_deadlines(c);
    if (c->state == CWS_S_DEAD)
        return;
    /* TLS may hold decrypted bytes that no epoll event will announce; for plain input this costs a look at the spill. */
    cws_conn_work(c, CWS_WORK_FLUSH | CWS_WORK_INPUT);
}

/* A connection's outbound queue: message references in order, written with one call per connection at the end of a turn.
 * Runs on the loop's thread. Decides nothing about ceilings (cws_send does) nor about what an empty queue means (conn_output.c).
 * Never copies a large payload, except for a move (cws_outq_orphan).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define SMALLEST_CAPACITY 16u
#define KEPT_COUNT 1024u
#define IOV_COUNT 64
#define JOINED_BYTES (16u * 1024u)
#define JOINED_EACH_BYTES 1024u /* messages no larger than this on average are written as one piece: to copy them costs less */
#define WRITES_PER_TURN 8 /* fairness: a fast reader may not hold the loop */

static cws_outq *take_queue(cws_loop *l)
{
    cws_outq *q = l->free_queues;
    if (q) {
        l->free_queues = q->next_free;
        l->free_queue_count--;
    } else {
        q = malloc(sizeof *q + SMALLEST_CAPACITY * sizeof q->slots[0]);
        if (!q)
            return NULL;
    }
    *q = (cws_outq){.capacity = SMALLEST_CAPACITY};
    return q;
}

static void give_queue_back(cws_conn *c)
{
    cws_loop *l = c->loop;
    cws_outq *q = c->q;
    c->q = NULL;
    if (q->capacity != SMALLEST_CAPACITY || l->free_queue_count >= KEPT_COUNT) {
        free(q);
        return;
    }
    q->next_free = l->free_queues;
    l->free_queues = q;
    l->free_queue_count++;
}

static bool grow(cws_conn *c)
{
    cws_outq *q = c->q;
    if (q->capacity > UINT32_MAX / 2)
        return false;
    cws_outq *next = malloc(sizeof *next + (size_t)q->capacity * 2 * sizeof next->slots[0]);
    if (!next)
        return false;
    *next = (cws_outq){.bytes = q->bytes, .sent = q->sent, .write_at = q->write_at, .count = q->count, .capacity = q->capacity * 2};
    for (uint32_t i = 0; i < q->count; i++)
        next->slots[i] = q->slots[(q->head + i) & (q->capacity - 1)];
    give_queue_back(c);
    c->q = next;
    return true;
}

cws_status cws_outq_push_take(cws_conn *c, cws_message *m)
{
    if (!c->q)
        c->q = take_queue(c->loop);
    if (!c->q || (c->q->count == c->q->capacity && !grow(c))) {
        cws_message_release(m);
        return CWS_NO_MEMORY;
    }
    cws_outq *q = c->q;
    q->slots[(q->head + q->count) & (q->capacity - 1)] = m;
    q->count++;
    q->bytes += cws_message_wire_n(m);
    c->loop->stats.queued_bytes += cws_message_wire_n(m);
    if (m->kind == CWS_KIND_PONG)
        c->pong_count++;
    if (q->bytes > cws_conn_low_mark(c))
        c->is_over_mark = true;
    cws_conn_work(c, CWS_WORK_FLUSH);
    return CWS_OK;
}

static void drop_first(cws_conn *c, bool was_sent)
{
    cws_outq *q = c->q;
    cws_message *m = q->slots[q->head];
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    q->sent = 0;
    if (m->kind == CWS_KIND_PONG)
        c->pong_count--;
    if (m->kind == CWS_KIND_DATA && was_sent)
        c->loop->stats.messages_out_count++;
    cws_message_release(m);
}

static void advance(cws_conn *c, size_t n)
{
    cws_outq *q = c->q;
    q->bytes -= n;
    c->loop->stats.queued_bytes -= n;
    c->loop->stats.bytes_out += n;
    while (q->count > 0) {
        size_t left = cws_message_wire_n(q->slots[q->head]) - q->sent;
        if (n < left) {
            q->sent += n;
            break;
        }
        n -= left;
        drop_first(c, true);
    }
    if (q->count == 0)
        give_queue_back(c);
}

static int gather(const cws_outq *q, struct iovec *v, size_t *total)
{
    int n = 0;
    *total = 0;
    for (uint32_t i = 0; i < q->count && n < IOV_COUNT; i++) {
        cws_message *m = q->slots[(q->head + i) & (q->capacity - 1)];
        size_t skip = i == 0 ? q->sent : 0;
        v[n].iov_base = cws_message_payload(m) - m->header_n + skip;
        v[n].iov_len = cws_message_wire_n(m) - skip;
        *total += v[n].iov_len;
        n++;
    }
    return n;
}

/* Small messages into one piece. The kernel takes 45 ns longer for each piece it has to collect itself; TLS joins in its own way. */
static int join(const cws_conn *c, struct iovec *v, int count, size_t total, uint8_t joined[JOINED_BYTES])
{
    if (count < 2 || total > JOINED_BYTES || total > (size_t)count * JOINED_EACH_BYTES || cws_ops(c)->is_tls)
        return count;
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        memcpy(joined + n, v[i].iov_base, v[i].iov_len);
        n += v[i].iov_len;
    }
    v[0] = (struct iovec){.iov_base = joined, .iov_len = n};
    return 1;
}

bool cws_outq_flush(cws_conn *c)
{
    bool is_full = false;
    uint8_t joined[JOINED_BYTES];
    for (int round = 0; c->q && !is_full && round < WRITES_PER_TURN; round++) {
        struct iovec v[IOV_COUNT];
        size_t total;
        int count = gather(c->q, v, &total);
        count = join(c, v, count, total, joined);
        ssize_t n = cws_ops(c)->writev(c, v, count);
        if (n == CWS_IO_ERROR) {
            cws_conn_kill(c, c->state == CWS_S_DRAIN ? (cws_reason)c->reason : CWS_R_PEER_RESET);
            return false;
        }
        if (n > 0) {
            c->q->write_at = c->loop->now_ms;
            advance(c, (size_t)n);
        }
        is_full = n < 0 || (size_t)n < total;
    }
    if (!is_full && c->q)
        cws_conn_work(c, CWS_WORK_FLUSH);
    if (is_full && !c->is_blocked) {
        c->q->write_at = c->loop->now_ms;
        cws_wheel_arm(c->loop, c, c->loop->now_ms + c->loop->limits.write_timeout_ms);
    }
    c->is_blocked = is_full;
    return true;
}

void cws_outq_clear(cws_conn *c)
{
    if (!c->q)
        return;
    c->loop->stats.queued_bytes -= c->q->bytes;
    while (c->q->count > 0)
        drop_first(c, false);
    give_queue_back(c);
}

bool cws_outq_orphan(cws_conn *c)
{
    cws_outq *q = c->q;
    for (uint32_t i = 0; q && i < q->count; i++) {
        cws_message **slot = &q->slots[(q->head + i) & (q->capacity - 1)];
        cws_message *orphan = cws_message_orphan_take(*slot);
        if (!orphan) {
            /* The slot's reference is gone: close the gap, so that the queue can still be cleared. */
            for (uint32_t k = i; k + 1 < q->count; k++)
                q->slots[(q->head + k) & (q->capacity - 1)] = q->slots[(q->head + k + 1) & (q->capacity - 1)];
            q->count--;
            return false;
        }
        *slot = orphan;
    }
    return true;
}

void cws_outq_free_list(cws_loop *l)
{
    while (l->free_queues) {
        cws_outq *q = l->free_queues;
        l->free_queues = q->next_free;
        free(q);
    }
    l->free_queue_count = 0;
}

/* The loop's memory budget from the receiving side: who may go on growing a half-received message or body, and who has to wait.
 * Runs on the loop's thread. Decides before memory is taken, never after; what it lets past the budget is one message at a time, so that
 * somebody always gets done. Never frees anything, and never ends a connection itself: it tells the owner.
 *
 * Up to three quarters of the budget everybody grows. In the last quarter only those do who hold less than a fair share of it, so that
 * ordinary messages pass while large ones wait. What is still not whole after limits.pressure_ms of that has to go: it may be a message
 * that never ends. SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#define READ_MIN_BYTES (16u * 1024u)

static uint64_t fair_share(const cws_loop *l)
{
    const uint64_t count = l->stats.open_count ? l->stats.open_count : 1;
    return l->limits.held_bytes / 4 / count;
}

bool cws_pressure_allows(const cws_conn *c, size_t want)
{
    const cws_loop *l = c->loop;
    const uint64_t budget = l->limits.held_bytes;
    if (budget == 0)
        return true;
    const cws_assembly *first = l->pressure.first;
    uint64_t held = cws_loop_held_bytes(l) - c->buffered;
    if (first && first->conn != c)
        held -= first->conn->buffered; /* beside the budget: it must not be what others wait for */
    if (held > budget || want > budget - held)
        return false;
    return held + want <= budget / 4 * 3 || want <= fair_share(l);
}

void cws_pressure_begin(cws_loop *l)
{
    if (l->pressure.since_ms == 0)
        l->pressure.since_ms = l->now_ms ? l->now_ms : 1;
}

size_t cws_pressure_read_bytes(const cws_loop *l)
{
    if (l->pressure.since_ms == 0)
        return CWS_RX_BYTES;
    const uint64_t share = fair_share(l);
    return share < READ_MIN_BYTES ? READ_MIN_BYTES : share < CWS_RX_BYTES ? (size_t)share : CWS_RX_BYTES;
}

bool cws_pressure_admits(cws_conn *c, cws_assembly *a, size_t want)
{
    cws_loop *l = c->loop;
    cws_pressure *p = &l->pressure;
    if (l->limits.held_bytes == 0)
        return true;
    if (a->began_ms == 0)
        a->began_ms = l->now_ms;
    if (c->phase_at == 0 && c->state == CWS_S_WS_OPEN)
        cws_conn_set_phase(c, l->limits.pressure_ms);
    if (cws_pressure_allows(c, want))
        return true;
    cws_pressure_begin(l);
    if (!p->first && cws_link_is_alone(&p->waiting))
        p->first = a;
    if (p->first == a)
        return true;
    a->wanted = want;
    c->is_starved = true;
    l->stats.starved_count++;
    if (cws_link_is_alone(&a->waiting))
        cws_link_append(&p->waiting, &a->waiting);
    p->seen_bytes = cws_loop_held_bytes(l);
    return false;
}

void cws_pressure_forget(cws_loop *l, cws_assembly *a)
{
    cws_link_remove(&a->waiting);
    a->conn->is_starved = false;
    if (l->pressure.first == a)
        l->pressure.first = NULL;
}

static void go_on(cws_assembly *a)
{
    cws_conn *c = a->conn;
    c->is_starved = false;
    c->quiet_from_ms = c->loop->now_ms;
    cws_conn_work(c, CWS_WORK_INPUT);
}

void cws_pressure_relieve(cws_loop *l)
{
    cws_pressure *p = &l->pressure;
    const uint64_t held = cws_loop_held_bytes(l);
    if (p->since_ms == 0)
        return;
    if (cws_link_is_alone(&p->waiting)) {
        if (!p->first && held <= l->limits.held_bytes / 2)
            p->since_ms = 0;
        return;
    }
    if (p->first && held >= p->seen_bytes)
        return;
    p->seen_bytes = held;
    cws_link all;
    cws_link_take(&all, &p->waiting);
    while (!cws_link_is_alone(&all)) {
        cws_assembly *a = CWS_CONTAINER(all.next, cws_assembly, waiting);
        cws_link_remove(&a->waiting);
        if (cws_pressure_allows(a->conn, a->wanted)) {
            go_on(a);
        } else if (!p->first) {
            p->first = a;
            go_on(a);
        } else {
            cws_link_append(&p->waiting, &a->waiting);
        }
    }
}

void cws_pressure_due(cws_conn *c)
{
    cws_loop *l = c->loop;
    const cws_assembly *a = c->assembly;
    if (!a || a->is_skipping || l->limits.held_bytes == 0)
        return;
    const uint64_t since = l->pressure.since_ms, now = l->now_ms;
    const uint64_t from = since == 0 ? now : since > a->began_ms ? since : a->began_ms;
    if (now - from < l->limits.pressure_ms) {
        cws_conn_set_phase(c, l->limits.pressure_ms - (uint32_t)(now - from));
        return;
    }
    cws_conn_enter(c);
    CWS_CALL(l, on_overdue, c, c->user);
    (void)cws_conn_leave(c);
}

/* Which deadline a connection is under, and what happens when it passes. Each connection has one wheel node; here it is decided
 * what the earliest deadline really is. Runs on the loop's thread, between events. Calls no handler but on_overdue.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

void cws_conn_set_phase(cws_conn *c, uint32_t ms)
{
    c->phase_at = c->loop->now_ms + ms;
    cws_wheel_arm(c->loop, c, c->phase_at);
}

void cws_conn_restart_phase(cws_conn *c)
{
    const cws_limits *limits = &c->loop->limits;
    if (c->state == CWS_S_HTTP) {
        const bool is_idle = !c->http && c->had_request;
        const bool is_head = !c->http || c->http->phase == CWS_HTTP_HEAD;
        if (is_idle)
            cws_http_idle(c);
        else if (is_head)
            cws_conn_set_phase(c, limits->head_timeout_ms);
        else if (!cws_http_is_answerable(c)) {
            c->http->body_from_ms = c->loop->now_ms;
            cws_http_body_deadline(c);
        }
    }
    if (c->beat_interval_ms)
        cws_wheel_arm(c->loop, c, c->beat_ping_at);
}

static void end_http_phase(cws_conn *c)
{
    if (c->setup != CWS_R_NONE) {
        cws_conn_kill(c, (cws_reason)c->setup);
    } else if (!c->http) {
        /* Nothing of a request came: an answer would be taken for the answer to one that is on its way. */
        cws_conn_kill(c, c->had_request ? CWS_R_KEEPALIVE_TIMEOUT : CWS_R_HEAD_TIMEOUT);
    } else if (c->http->phase == CWS_HTTP_HEAD) {
        cws_http_refuse(c, CWS_R_HEAD_TIMEOUT, 408);
    } else {
        cws_http_refuse(c, CWS_R_BODY_TIMEOUT, 408);
    }
}

static void end_phase(cws_conn *c)
{
    c->phase_at = 0;
    switch ((cws_state)c->state) {
    case CWS_S_HTTP: end_http_phase(c); return;
    case CWS_S_WS_CLOSING: cws_conn_kill(c, CWS_R_CLOSE_TIMEOUT); return;
    case CWS_S_LINGER:
        cws_conn_kill(c, c->reason == CWS_R_LOCAL_CLOSE ? CWS_R_CLOSE_TIMEOUT : (cws_reason)c->reason);
        return;
    case CWS_S_WS_OPEN: cws_pressure_due(c); return;
    case CWS_S_DRAIN:
    case CWS_S_DEAD: return;
    }
}

static uint64_t silence_at(const cws_conn *c)
{
    const uint64_t awake = c->loop->awake_from_ms;
    const uint64_t from = awake > c->quiet_from_ms ? awake : c->quiet_from_ms;
    return from + c->beat_interval_ms + c->beat_timeout_ms;
}

/* Who is not read cannot be heard. */
static bool is_read(const cws_conn *c) { return !c->is_paused && !c->is_starved; }
static bool beats(const cws_conn *c) { return c->state == CWS_S_WS_OPEN && c->beat_interval_ms > 0; }

/* When a peer that takes nothing is given up; UINT64_MAX: it takes what there is. */
static uint64_t blocked_until(const cws_conn *c)
{
    return c->is_blocked && c->q ? c->q->write_at + c->loop->limits.write_timeout_ms : UINT64_MAX;
}

static uint64_t next_deadline(const cws_conn *c)
{
    uint64_t at = blocked_until(c);
    const bool counts_phase = !(c->is_paused && c->state == CWS_S_HTTP);
    if (c->phase_at && counts_phase && c->phase_at < at)
        at = c->phase_at;
    if (beats(c)) {
        if (c->beat_ping_at < at)
            at = c->beat_ping_at;
        if (is_read(c) && silence_at(c) < at)
            at = silence_at(c);
    }
    return at;
}

void cws_conn_check_deadlines(cws_conn *c)
{
    const uint64_t now = c->loop->now_ms;
    if (now >= blocked_until(c))
        cws_conn_kill(c, c->state == CWS_S_DRAIN ? (cws_reason)c->reason : CWS_R_WRITE_TIMEOUT);
    if (beats(c) && is_read(c) && now >= silence_at(c))
        cws_conn_kill(c, CWS_R_HEARTBEAT_TIMEOUT);
    if (c->state == CWS_S_DEAD)
        return;
    if (c->phase_at && now >= c->phase_at && !(c->is_paused && c->state == CWS_S_HTTP))
        end_phase(c);
    if (beats(c) && now >= c->beat_ping_at) {
        cws_ws_beat(c);
        c->beat_ping_at = now + c->beat_interval_ms;
    }
    if (c->state == CWS_S_DEAD)
        return;
    const uint64_t at = next_deadline(c);
    if (at != UINT64_MAX)
        cws_wheel_arm(c->loop, c, at);
}

/* What happens when a queue moves: the low watermark, and for a connection that is ending, its next step.
 * Runs on the loop's thread, at the end of a turn. Never queues anything.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "internal.h"

static void linger(cws_conn *c)
{
    cws_ops(c)->shutdown_write(c);
    c->state = CWS_S_LINGER;
    c->linger_left = CWS_LINGER_BYTES;
    const uint32_t ms = c->loop->limits.close_timeout_ms;
    cws_conn_set_phase(c, ms < CWS_LINGER_MS ? ms : CWS_LINGER_MS);
    cws_conn_update_interest(c, false);
}

/* Everything is sent. Closing over unread input would send RST, which may overtake our last words: then we linger. */
static void end_drained(cws_conn *c)
{
    if (c->saw_eof) {
        cws_conn_kill(c, (cws_reason)c->reason);
    } else if (c->ends_with_linger || cws_ops(c)->has_unread(c)) {
        linger(c);
    } else {
        cws_ops(c)->shutdown_write(c);
        cws_conn_kill(c, (cws_reason)c->reason);
    }
}

static void after_flush(cws_conn *c)
{
    const bool is_empty = c->q == NULL;
    switch ((cws_state)c->state) {
    case CWS_S_DRAIN:
        if (is_empty) {
            end_drained(c);
            return;
        }
        break;
    case CWS_S_WS_CLOSING:
        if (is_empty && c->phase_at == 0)
            cws_conn_set_phase(c, c->loop->limits.close_timeout_ms);
        break;
    case CWS_S_HTTP:
        if (is_empty && c->phase_at == 0 && c->had_request && !c->http)
            cws_http_idle(c);
        if (c->has_unparsed || !(c->interest & CWS_WANTS_READ)) {
            if (cws_conn_wants_input(c))
                cws_conn_work(c, CWS_WORK_INPUT);
        }
        break;
    case CWS_S_WS_OPEN:
    case CWS_S_LINGER:
    case CWS_S_DEAD: break;
    }
    if (c->state == CWS_S_DEAD)
        return;
    cws_conn_work_pending(c);
    cws_conn_update_interest(c, true);
}

void cws_conn_flush(cws_conn *c)
{
    if (!cws_outq_flush(c))
        return;
    if (c->is_over_mark && cws_queued_bytes(c) <= cws_conn_low_mark(c)) {
        c->is_over_mark = false;
        if (c->state == CWS_S_WS_OPEN || c->state == CWS_S_HTTP) {
            cws_conn_enter(c);
            CWS_CALL(c->loop, on_drained, c, c->user);
            if (!cws_conn_leave(c))
                return;
        }
    }
    after_flush(c);
}

/* Input is over. What is queued is sent, then the connection ends for `reason`, lingering if asked. */
void cws_conn_drain(cws_conn *c, cws_reason reason, bool lingers)
{
    if (c->state == CWS_S_DEAD)
        return;
    c->state = CWS_S_DRAIN;
    c->reason = (uint8_t)reason;
    c->ends_with_linger = lingers;
    c->phase_at = 0;
    cws_http_retire(c);
    cws_ws_drop_assembly(c);
    cws_conn_work(c, CWS_WORK_FLUSH);
}

/* Control frames and the closing handshake (RFC 6455 5.5, 7), both ways, and the heartbeat.
 * Runs on the loop's thread. Decides what a ping costs us and when the handshake is over. Never sends after a close frame.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

#define OPCODE_CLOSE 8u
#define OPCODE_PING 9u
#define OPCODE_PONG 10u
#define CODE_NONE 1005u

static void queue_close(cws_conn *c, uint16_t code, const uint8_t *reason, size_t n)
{
    uint8_t payload[125] = {(uint8_t)(code >> 8), (uint8_t)code};
    const bool has_code = code != CODE_NONE && code != 0;
    if (n > 123)
        n = 123;
    if (has_code && n)
        memcpy(payload + 2, reason, n);
    cws_message *m = cws_message_control(c->loop, OPCODE_CLOSE, payload, has_code ? 2 + n : 0);
    /* Without memory the peer sees the connection end without the frame: still an end. */
    if (m)
        (void)cws_outq_push_take(c, m);
}

static uint16_t close_code(cws_reason reason)
{
    switch (reason) {
    case CWS_R_FRAME_BAD_UTF8:
    case CWS_R_FRAME_BAD_DEFLATE: return 1007;
    case CWS_R_FRAME_TOO_BIG: return 1009;
    case CWS_R_FRAME_FRAGMENTS:
    case CWS_R_PONG_FLOOD: return 1008;
    default: return 1002;
    }
}

/* RFC 6455 7.1.7. The peer may still be sending: linger, or our close frame is lost to an RST. */
void cws_ws_fail(cws_conn *c, cws_reason reason)
{
    if (c->state == CWS_S_WS_OPEN)
        queue_close(c, close_code(reason), NULL, 0);
    cws_conn_drain(c, reason, true);
}

void cws_close(cws_conn *c, uint16_t code, cws_slice reason, bool hears_out)
{
    CWS_ON_LOOP(c->loop);
    if (c->state != CWS_S_WS_OPEN)
        return;
    size_t n = reason.n;
    if (n > 123) {
        n = 123;
        while (n > 0 && (reason.p[n] & 0xC0u) == 0x80u)
            n--; /* not through the middle of a character */
    }
    queue_close(c, code, reason.p, n);
    c->state = CWS_S_WS_CLOSING;
    c->hears_out = hears_out;
    c->phase_at = 0;
    cws_conn_work(c, CWS_WORK_FLUSH | CWS_WORK_INPUT);
    if (!hears_out)
        cws_ws_drop_assembly(c);
}

/* ---- from the peer */

static void on_close(cws_conn *c, const uint8_t *p, size_t n)
{
    uint16_t code = CODE_NONE;
    if (n == 1) {
        cws_ws_fail(c, CWS_R_FRAME_PROTOCOL);
        return;
    }
    if (n >= 2) {
        code = (uint16_t)(p[0] << 8 | p[1]);
        utf8_state utf8 = {0};
        if (!ws_close_code_valid(code)) {
            cws_ws_fail(c, CWS_R_FRAME_PROTOCOL);
            return;
        }
        if (!utf8_check(&utf8, p + 2, n - 2) || utf8.need != 0) {
            cws_ws_fail(c, CWS_R_FRAME_BAD_UTF8);
            return;
        }
    }
    const bool is_ours = c->state == CWS_S_WS_CLOSING;
    if (!is_ours)
        queue_close(c, code, NULL, 0);
    c->close_code = code;
    cws_conn_drain(c, is_ours ? CWS_R_LOCAL_CLOSE : CWS_R_PEER_CLOSE_FRAME, false);
}

static void on_ping(cws_conn *c, const uint8_t *p, size_t n)
{
    uint32_t most = c->loop->limits.pending_pong_count;
    if (most > UINT16_MAX)
        most = UINT16_MAX;
    /* Many pings in one read are no flood if the peer takes the pongs: try before judging. */
    if (c->pong_count >= most && !cws_outq_flush(c))
        return;
    if (c->pong_count >= most) {
        cws_ws_fail(c, CWS_R_PONG_FLOOD);
        return;
    }
    cws_message *m = cws_message_control(c->loop, OPCODE_PONG, p, n);
    if (m)
        m->kind = CWS_KIND_PONG;
    if (!m || cws_outq_push_take(c, m) != CWS_OK)
        cws_conn_kill(c, CWS_R_NO_MEMORY);
}

void cws_ws_control(cws_conn *c, uint8_t opcode, uint8_t *p, size_t n)
{
    if (opcode == OPCODE_CLOSE)
        on_close(c, p, n);
    else if (opcode == OPCODE_PING && c->state == CWS_S_WS_OPEN)
        on_ping(c, p, n);
    else if (opcode == OPCODE_PONG && cws_ws_hears(c))
        CWS_CALL(c->loop, on_pong, c, c->user, p, n);
}

/* ---- heartbeat */

void cws_set_heartbeat(cws_conn *c, uint32_t interval_ms, uint32_t timeout_ms, cws_message *ping)
{
    CWS_ON_LOOP(c->loop);
    if (c->state == CWS_S_DEAD)
        return;
    if (ping)
        cws_message_retain(ping);
    if (c->beat_ping)
        cws_message_release(c->beat_ping);
    c->beat_ping = ping;
    c->beat_interval_ms = interval_ms;
    c->beat_timeout_ms = timeout_ms;
    c->quiet_from_ms = c->loop->now_ms;
    c->beat_ping_at = c->loop->now_ms + interval_ms;
    if (interval_ms)
        cws_wheel_arm(c->loop, c, c->beat_ping_at);
}

/* A blocked peer gets none: bytes that it has not taken yet ask the same question, and write_timeout waits for the answer. */
void cws_ws_beat(cws_conn *c)
{
    if (c->is_blocked)
        return;
    if (c->beat_ping) {
        cws_message_retain(c->beat_ping);
        (void)cws_outq_push_take(c, c->beat_ping);
        return;
    }
    cws_message *m = cws_message_control(c->loop, OPCODE_PING, NULL, 0);
    if (m)
        (void)cws_outq_push_take(c, m);
}

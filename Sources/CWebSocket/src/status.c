/* The names of results and reasons: texts for people, labels for metrics. Any thread. Decides nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

const char *cws_status_text(cws_status s)
{
    switch (s) {
    case CWS_OK: return "ok";
    case CWS_NO_MEMORY: return "out of memory";
    case CWS_QUEUE_FULL: return "the outbound queue is full";
    case CWS_WRONG_STATE: return "the connection is not in a state that allows this";
    case CWS_BAD_ARGUMENT: return "bad argument";
    case CWS_SYSTEM: return "a system call failed";
    case CWS_ADDRESS_IN_USE: return "the address is in use";
    case CWS_BAD_HANDSHAKE: return "not a valid WebSocket upgrade";
    }
    return "unknown status";
}

static const char *const reason_names[CWS_R_COUNT] = {
    [CWS_R_NONE] = "none",
    [CWS_R_PEER_EOF] = "peer_eof",
    [CWS_R_PEER_RESET] = "peer_reset",
    [CWS_R_PEER_CLOSE_FRAME] = "peer_close_frame",
    [CWS_R_LOCAL_CLOSE] = "local_close",
    [CWS_R_LOCAL_ABORT] = "local_abort",
    [CWS_R_LOOP_STOPPED] = "loop_stopped",
    [CWS_R_HTTP_BAD_REQUEST] = "http_bad_request",
    [CWS_R_HTTP_AMBIGUOUS_FRAMING] = "http_ambiguous_framing",
    [CWS_R_HTTP_BAD_HOST] = "http_bad_host",
    [CWS_R_HTTP_TARGET_TOO_LONG] = "http_target_too_long",
    [CWS_R_HTTP_HEAD_TOO_LARGE] = "http_head_too_large",
    [CWS_R_HTTP_BODY_TOO_LARGE] = "http_body_too_large",
    [CWS_R_HTTP_BAD_CHUNK] = "http_bad_chunk",
    [CWS_R_HTTP_VERSION] = "http_version",
    [CWS_R_HTTP_METHOD] = "http_method",
    [CWS_R_HTTP_EXPECTATION] = "http_expectation",
    [CWS_R_HTTP_BAD_UPGRADE] = "http_bad_upgrade",
    [CWS_R_HEAD_TIMEOUT] = "head_timeout",
    [CWS_R_BODY_TIMEOUT] = "body_timeout",
    [CWS_R_KEEPALIVE_TIMEOUT] = "keepalive_timeout",
    [CWS_R_HEARTBEAT_TIMEOUT] = "heartbeat_timeout",
    [CWS_R_CLOSE_TIMEOUT] = "close_timeout",
    [CWS_R_WRITE_TIMEOUT] = "write_timeout",
    [CWS_R_FRAME_PROTOCOL] = "frame_protocol",
    [CWS_R_FRAME_BAD_UTF8] = "frame_bad_utf8",
    [CWS_R_FRAME_TOO_BIG] = "frame_too_big",
    [CWS_R_FRAME_FRAGMENTS] = "frame_fragments",
    [CWS_R_FRAME_BAD_DEFLATE] = "frame_bad_deflate",
    [CWS_R_PONG_FLOOD] = "pong_flood",
    [CWS_R_QUEUE_OVERFLOW] = "queue_overflow",
    [CWS_R_CONNECTION_LIMIT] = "connection_limit",
    [CWS_R_NO_DESCRIPTORS] = "no_descriptors",
    [CWS_R_NO_MEMORY] = "no_memory",
    [CWS_R_OVERLOADED] = "overloaded",
    [CWS_R_TLS_FAILED] = "tls_failed",
    [CWS_R_PROXY_HEADER] = "proxy_header",
};

const char *cws_reason_name(cws_reason r)
{
    return (unsigned)r < CWS_R_COUNT ? reason_names[r] : "unknown";
}

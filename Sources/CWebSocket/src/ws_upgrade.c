/* The opening handshake's decision (RFC 6455 4.2): which requests become a WebSocket, and the 101.
 * Runs on the loop's thread. Never upgrades a request that had a body: its bytes would be read as frames.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

static bool is_text(cws_slice s, const char *text) { return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0; }

/* 0 when the request is a valid opening handshake, else the status to refuse it with. */
static uint16_t refusal(const cws_conn *c, cws_slice key)
{
    const http1_head *head = &c->http->head;
    if (!head->wants_websocket)
        return 426;
    if (cws_request_header_count(c, "sec-websocket-version") != 1)
        return 426;
    if (!is_text(cws_request_header(c, "sec-websocket-version"), "13"))
        return 426;
    if (!is_text(cws_request_method(c), "GET") || head->minor_version < 1)
        return 400;
    if (head->is_chunked || (head->has_length && head->length > 0))
        return 400;
    if (cws_request_header_count(c, "sec-websocket-key") != 1 || !ws_key_valid(key))
        return 400;
    return 0;
}

/* The first acceptable offer of permessage-deflate, in the order of the lines (RFC 7692 5). */
static bool agrees_to_deflate(const cws_conn *c, ws_deflate_terms *terms)
{
    cws_slice name, value;
    for (size_t i = 0; cws_request_header_at(c, i, &name, &value); i++)
        if (http1_list_has_token(name, "sec-websocket-extensions") && ws_deflate_negotiate(value, terms))
            return true;
    return false;
}

static cws_message *switching_protocols(cws_loop *l, cws_slice key, const cws_upgrade_options *o, cws_slice extension)
{
    static const char begin[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    static const char protocol[] = "\r\nSec-WebSocket-Protocol: ";
    static const char extensions[] = "\r\nSec-WebSocket-Extensions: ";
    char accept[29];
    ws_accept_key(key, accept);
    const cws_slice parts[] = {
        {.p = (const uint8_t *)begin, .n = sizeof begin - 1},
        {.p = (const uint8_t *)accept, .n = 28},
        {.p = (const uint8_t *)protocol, .n = o->subprotocol.p ? sizeof protocol - 1 : 0},
        {.p = o->subprotocol.p, .n = o->subprotocol.p ? o->subprotocol.n : 0},
        {.p = (const uint8_t *)extensions, .n = extension.n ? sizeof extensions - 1 : 0},
        extension,
        {.p = (const uint8_t *)"\r\n", .n = 2},
        {.p = o->headers.p, .n = o->headers.n},
        {.p = (const uint8_t *)"\r\n", .n = 2},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        n += parts[i].n;
    cws_message *m = cws_message_raw(l, n);
    if (!m)
        return NULL;
    uint8_t *out = cws_message_bytes(m);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].n)
            memcpy(out, parts[i].p, parts[i].n);
        out += parts[i].n;
    }
    return m;
}

static void become_websocket(cws_conn *c, const cws_upgrade_options *o)
{
    cws_loop *l = c->loop;
    cws_http_retire(c);
    c->state = CWS_S_WS_OPEN;
    c->is_websocket = true;
    c->close_code = 1006;
    c->phase_at = 0;
    c->message_ceiling = cws_clamp_u32(o->message_ceiling_bytes);
    c->skips_oversize = o->skip_oversize;
    c->queue_ceiling_bytes = cws_clamp_u32(o->queue_ceiling_bytes);
    c->queue_ceiling_count = o->queue_ceiling_count;
    l->stats.upgrades_count++;
    l->stats.websocket_count++;
    if (l->current != c)
        cws_conn_work(c, CWS_WORK_INPUT);
}

cws_status cws_upgrade(cws_conn *c, const cws_upgrade_options *options)
{
    CWS_ON_LOOP(c->loop);
    if (c->state != CWS_S_HTTP || !c->http || c->http->phase != CWS_HTTP_PENDING)
        return CWS_WRONG_STATE;
    const cws_slice key = cws_request_header(c, "sec-websocket-key");
    const uint16_t status = refusal(c, key);
    if (status) {
        cws_http_refuse(c, CWS_R_HTTP_BAD_UPGRADE, status);
        return CWS_BAD_HANDSHAKE;
    }
    ws_deflate_terms terms = {0};
    char extension[WS_DEFLATE_ANSWER_BYTES];
    const bool deflates = options->allow_deflate && agrees_to_deflate(c, &terms);
    const cws_slice line = {.p = (const uint8_t *)extension, .n = deflates ? ws_deflate_answer(&terms, extension) : 0};
    cws_message *m = switching_protocols(c->loop, key, options, line);
    const cws_status s = m ? cws_outq_push_take(c, m) : CWS_NO_MEMORY;
    if (s != CWS_OK)
        return cws_http_settle(c, s);
    c->deflate_bits = deflates ? terms.server_bits : 0;
    become_websocket(c, options);
    return CWS_OK;
}

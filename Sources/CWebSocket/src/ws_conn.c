/* Assembling messages from frames: fragmentation, ceilings (before any payload is kept), UTF-8 across fragments, skipping.
 * Runs on the loop's thread. A whole message in the receive buffer is unmasked and delivered where it lies: no copy, no allocation.
 * Never allocates from a peer's claim alone; never delivers after a close, a pause or a move was asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define OPCODE_CONTINUATION 0u
#define OPCODE_TEXT 1u
#define OPCODE_CONTROL 8u
#define TEXT_PIECE_BYTES (16u * 1024u) /* a multiple of the mask */

size_t cws_assembly_buffered(const cws_assembly *a) { return a->bytes.capacity; }

void cws_assembly_free(cws_loop *l, cws_assembly *a)
{
    cws_pressure_forget(l, a);
    cws_received_free(l, &a->bytes);
    free(a);
}

void cws_ws_drop_assembly(cws_conn *c)
{
    cws_assembly *a = c->assembly;
    if (!a)
        return;
    cws_pressure_forget(c->loop, a);
    cws_received_free(c->loop, &a->bytes);
    a->is_skipping = true;
    cws_conn_count_buffered(c);
}

bool cws_ws_hears(const cws_conn *c)
{
    return c->state == CWS_S_WS_OPEN || (c->state == CWS_S_WS_CLOSING && c->hears_out);
}

void cws_ws_deliver(cws_conn *c, uint8_t opcode, cws_slice bytes)
{
    c->loop->stats.messages_in_count++;
    CWS_CALL(c->loop, on_message, c, c->user, opcode == OPCODE_TEXT ? CWS_TEXT : CWS_BINARY, bytes.p, bytes.n);
}

/* Unmasks text and checks it a piece at a time, while the piece is in the nearest cache; pure ASCII needs no second look.
 * False: no UTF-8, and the rest is left as it is. */
static bool unmask_text(utf8_state *utf8, uint8_t *p, size_t n, const uint8_t mask[4], size_t offset)
{
    while (n > 0) {
        const size_t piece = n < TEXT_PIECE_BYTES ? n : TEXT_PIECE_BYTES;
        const bool is_ascii = ws_unmask(p, piece, mask, offset);
        if ((!is_ascii || utf8->need != 0) && !utf8_check(utf8, p, piece))
            return false;
        p += piece;
        n -= piece;
    }
    return true;
}

/* ---- a message in pieces */

static size_t prefix_limit(const cws_conn *c) { return cws_ws_hears(c) ? c->loop->limits.skipped_prefix_bytes : 0; }

static void start_skipping(cws_conn *c, cws_assembly *a)
{
    a->is_skipping = true;
    cws_pressure_forget(c->loop, a);
    cws_received_cut(c->loop, &a->bytes, prefix_limit(c));
}

void cws_set_message_ceiling(cws_conn *c, size_t bytes, bool skip_oversize)
{
    CWS_ON_LOOP(c->loop);
    c->message_ceiling = cws_clamp_u32(bytes);
    c->skips_oversize = skip_oversize;
    cws_assembly *a = c->assembly;
    if (!a || a->is_skipping || !skip_oversize || a->size <= cws_ws_wire_ceiling(c, a->is_compressed))
        return;
    const bool was_starved = c->is_starved;
    start_skipping(c, a);
    cws_conn_count_buffered(c);
    if (was_starved)
        cws_conn_work(c, CWS_WORK_INPUT);
}

static void finish_message(cws_conn *c, cws_assembly *a)
{
    cws_message *m = a->bytes.m;
    const cws_slice bytes = {.p = m ? cws_message_payload(m) : (const uint8_t *)"", .n = cws_received_n(&a->bytes)};
    c->assembly = NULL;
    if (cws_ws_hears(c)) {
        if (a->is_skipping && a->is_compressed) {
            cws_ws_inflate_skipped(c, a->size, bytes);
        } else if (a->is_skipping) {
            CWS_CALL(c->loop, on_skipped, c, c->user, a->size, bytes.p, bytes.n);
        } else if (a->is_compressed) {
            cws_ws_inflate(c, a->opcode, bytes);
        } else if (a->opcode == OPCODE_TEXT && a->utf8.need != 0) {
            cws_ws_fail(c, CWS_R_FRAME_BAD_UTF8);
        } else {
            cws_received_lend(c->loop, &a->bytes);
            cws_ws_deliver(c, a->opcode, bytes);
            cws_received_end(c->loop, &a->bytes);
        }
    }
    cws_assembly_free(c->loop, a);
}

/* `n` bytes of the present frame's payload lie at p, still masked, inside or outside a->bytes. */
static void account(cws_conn *c, cws_assembly *a, uint8_t *p, size_t n)
{
    if (a->opcode != OPCODE_TEXT || a->is_compressed || a->is_skipping)
        (void)ws_unmask(p, n, a->mask, a->mask_at);
    else if (!unmask_text(&a->utf8, p, n, a->mask, a->mask_at))
        cws_ws_fail(c, CWS_R_FRAME_BAD_UTF8);
}

static void advance(cws_conn *c, cws_assembly *a, size_t n)
{
    a->frame_left -= n;
    a->mask_at = (uint32_t)(a->mask_at + n) & 3u;
    if (a->frame_left == 0 && a->is_final)
        finish_message(c, a);
}

/* What the message may still become: grows by doubling below this, never from the claim at once. Before the last fragment that is
 * the ceiling, or many small fragments would each pay for a reallocation. */
static size_t bound(const cws_conn *c, const cws_assembly *a)
{
    const size_t n = cws_received_n(&a->bytes);
    const size_t declared = a->frame_left > SIZE_MAX - n ? SIZE_MAX : n + (size_t)a->frame_left;
    return a->is_final || declared > c->message_ceiling ? declared : c->message_ceiling;
}

/* Before any of it is taken. False: c waits for memory, or is dead. */
static bool make_room(cws_conn *c, cws_assembly *a, size_t more, size_t most)
{
    const size_t capacity = cws_received_next(&a->bytes, more, most);
    if (!a->is_skipping && capacity > a->bytes.capacity && !cws_pressure_admits(c, a, capacity))
        return false;
    if (cws_received_reserve(c->loop, &a->bytes, more, most))
        return true;
    cws_conn_kill(c, CWS_R_NO_MEMORY);
    return false;
}

static size_t take_payload(cws_conn *c, uint8_t *p, size_t n)
{
    cws_assembly *a = c->assembly;
    const size_t took = n > a->frame_left ? (size_t)a->frame_left : n;
    size_t kept = took, most = bound(c, a);
    if (a->is_skipping) {
        most = prefix_limit(c);
        const size_t have = cws_received_n(&a->bytes), room = have < most ? most - have : 0;
        if (kept > room)
            kept = room;
    }
    if (kept > 0 && !make_room(c, a, kept, most))
        return c->state == CWS_S_DEAD ? took : 0;
    account(c, a, p, took);
    if (c->assembly != a || c->state == CWS_S_DRAIN)
        return took;
    (void)cws_received_append(c->loop, &a->bytes, p, kept, most);
    advance(c, a, took);
    return took;
}

size_t cws_ws_direct(cws_conn *c, uint8_t **p)
{
    cws_assembly *a = c->assembly;
    if (!cws_ws_hears(c) || !a || a->is_skipping || a->frame_left < CWS_DIRECT_BYTES)
        return 0;
    if (!make_room(c, a, CWS_DIRECT_BYTES, bound(c, a)))
        return 0;
    const size_t n = cws_received_n(&a->bytes), room = a->bytes.capacity - n;
    *p = cws_message_payload(a->bytes.m) + n;
    return room < a->frame_left ? room : (size_t)a->frame_left;
}

void cws_ws_direct_done(cws_conn *c, size_t n)
{
    cws_assembly *a = c->assembly;
    account(c, a, cws_message_payload(a->bytes.m) + a->bytes.m->payload_n, n);
    if (c->state == CWS_S_DRAIN)
        return;
    a->bytes.m->payload_n += (uint32_t)n;
    advance(c, a, n);
}

/* ---- a frame's head */

/* The assembly that a data frame goes on, made when it is the first of its message; NULL when the connection failed over it. */
static cws_assembly *assembly_for(cws_conn *c, const ws_frame *f)
{
    cws_assembly *a = c->assembly;
    if ((f->opcode == OPCODE_CONTINUATION) != (a != NULL)) {
        cws_ws_fail(c, CWS_R_FRAME_PROTOCOL);
        return NULL;
    }
    if (a)
        return a;
    a = calloc(1, sizeof *a);
    if (!a) {
        cws_conn_kill(c, CWS_R_NO_MEMORY);
        return NULL;
    }
    a->conn = c;
    cws_link_init(&a->waiting);
    a->opcode = f->opcode;
    a->is_compressed = f->rsv1;
    c->assembly = a;
    return a;
}

static void begin_frame(cws_conn *c, const ws_frame *f)
{
    cws_assembly *a = assembly_for(c, f);
    if (!a)
        return;
    if (++a->fragments > c->loop->limits.fragment_count) {
        cws_ws_fail(c, CWS_R_FRAME_FRAGMENTS);
        return;
    }
    if (f->payload_n > c->loop->limits.skipped_ceiling_bytes || a->size > c->loop->limits.skipped_ceiling_bytes - f->payload_n) {
        cws_ws_fail(c, CWS_R_FRAME_TOO_BIG);
        return;
    }
    a->size += f->payload_n;
    a->frame_left = f->payload_n;
    a->is_final = f->is_final;
    a->mask_at = 0;
    memcpy(a->mask, f->mask, sizeof a->mask);
    if (!a->is_skipping && (!cws_ws_hears(c) || a->size > cws_ws_wire_ceiling(c, a->is_compressed))) {
        if (cws_ws_hears(c) && !c->skips_oversize) {
            cws_ws_fail(c, CWS_R_FRAME_TOO_BIG);
            return;
        }
        start_skipping(c, a);
    }
    if (a->frame_left == 0 && a->is_final)
        finish_message(c, a);
}

/* The common case. */
static void deliver_in_place(cws_conn *c, const ws_frame *f, uint8_t *payload)
{
    const size_t n = (size_t)f->payload_n;
    if (f->opcode == OPCODE_TEXT && !f->rsv1) {
        utf8_state utf8 = {0};
        if (!unmask_text(&utf8, payload, n, f->mask, 0) || utf8.need != 0) {
            cws_ws_fail(c, CWS_R_FRAME_BAD_UTF8);
            return;
        }
    } else {
        (void)ws_unmask(payload, n, f->mask, 0);
    }
    if (f->rsv1) {
        cws_ws_inflate(c, f->opcode, (cws_slice){.p = payload, .n = n});
        return;
    }
    cws_ws_deliver(c, f->opcode, (cws_slice){.p = payload, .n = n});
}

size_t cws_ws_feed(cws_conn *c, uint8_t *p, size_t n)
{
    if (c->assembly && c->assembly->frame_left > 0)
        return take_payload(c, p, n);
    ws_frame f;
    const cws_parse result = ws_parse_frame(&f, p, n, c->deflate_bits > 0);
    if (result == CWS_PARSE_MORE)
        return 0;
    if (result == CWS_PARSE_ERROR) {
        cws_ws_fail(c, f.reason);
        return n;
    }
    const size_t rest = n - f.header_n;
    uint8_t *payload = p + f.header_n;
    if (f.opcode >= OPCODE_CONTROL) {
        if (rest < f.payload_n)
            return 0;
        (void)ws_unmask(payload, (size_t)f.payload_n, f.mask, 0);
        cws_ws_control(c, f.opcode, payload, (size_t)f.payload_n);
        return f.header_n + (size_t)f.payload_n;
    }
    const bool is_whole = f.is_final && f.opcode != OPCODE_CONTINUATION && !c->assembly && rest >= f.payload_n;
    if (is_whole && cws_ws_hears(c) && f.payload_n <= cws_ws_wire_ceiling(c, f.rsv1)) {
        deliver_in_place(c, &f, payload);
        return f.header_n + (size_t)f.payload_n;
    }
    begin_frame(c, &f);
    return f.header_n;
}

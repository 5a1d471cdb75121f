/* Compressed messages from the peer (RFC 7692 6.2): inflated whole, checked, delivered; or the reason why not.
 * Runs on the loop's thread. Decides what a message may become and how much inflating one connection gets before the others' turn.
 * Never keeps a context: what was inflated is gone when the handler has returned.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#define WIRE_COST 64u /* what a compressed byte can cost at worst, in bytes made */

static bool is_text(cws_slice s)
{
    utf8_state utf8 = {0};
    return utf8_check(&utf8, s.p, s.n) && utf8.need == 0;
}

/* What the peer may send of a message before it is certainly too large: blocks that are only stored make it a little larger. */
size_t cws_ws_wire_ceiling(const cws_conn *c, bool is_compressed)
{
    const size_t ceiling = c->message_ceiling, extra = is_compressed ? ceiling / 1024 + 64 : 0;
    return ceiling > SIZE_MAX - extra ? SIZE_MAX : ceiling + extra;
}

static void refuse_oversize(cws_conn *c, uint64_t size, cws_slice prefix)
{
    cws_loop *l = c->loop;
    l->stats.inflate_refused_count++;
    if (!c->skips_oversize) {
        cws_ws_fail(c, CWS_R_FRAME_TOO_BIG);
        return;
    }
    if (prefix.n > l->limits.skipped_prefix_bytes)
        prefix.n = l->limits.skipped_prefix_bytes;
    CWS_CALL(l, on_skipped, c, c->user, size, prefix.p, prefix.n);
}

static size_t less(size_t left, size_t cost) { return cost < left ? left - cost : 0; }

/* A kilobyte may be a megabyte, or hold nothing but blocks: what one read brought is not finished in one go if it costs too much. Those
 * who used up their share rest, and take turns at what a turn of the loop has for all of them: together they do not hold it up. */
static void account(cws_conn *c, size_t wire, size_t made)
{
    cws_loop *l = c->loop;
    const size_t cost = wire > SIZE_MAX / 2 / WIRE_COST ? SIZE_MAX : wire * WIRE_COST + made;
    l->inflate_left = less(l->inflate_left, cost);
    l->inflate_share = less(l->inflate_share, cost);
    if (l->inflate_share > 0)
        return;
    c->is_resting = true;
    cws_conn_work(c, CWS_WORK_INPUT);
}

void cws_ws_inflate(cws_conn *c, uint8_t opcode, cws_slice bytes)
{
    cws_loop *l = c->loop;
    cws_slice out;
    const cws_inflate_result result = cws_inflate(&l->deflate, bytes, c->message_ceiling, &out);
    l->stats.inflated_count++;
    l->stats.inflated_wire_bytes += bytes.n;
    l->stats.inflated_bytes += out.n;
    account(c, bytes.n, out.n);
    if (result == CWS_INFLATE_NO_MEMORY)
        cws_conn_kill(c, CWS_R_NO_MEMORY);
    else if (result == CWS_INFLATE_BAD)
        cws_ws_fail(c, CWS_R_FRAME_BAD_DEFLATE);
    else if (result == CWS_INFLATE_OVER)
        refuse_oversize(c, out.n, out);
    else if (opcode == CWS_TEXT && !is_text(out))
        cws_ws_fail(c, CWS_R_FRAME_BAD_UTF8);
    else
        cws_ws_deliver(c, opcode, out);
    cws_deflate_trim_inflated(&l->deflate);
}

void cws_ws_inflate_skipped(cws_conn *c, uint64_t size, cws_slice prefix)
{
    cws_loop *l = c->loop;
    refuse_oversize(c, size, cws_inflate_prefix(&l->deflate, prefix, l->limits.skipped_prefix_bytes));
    cws_deflate_trim_inflated(&l->deflate);
}

/* Which messages are sent compressed, and to whom. A message is compressed once, for the first receiver that agreed to it; all others
 * get the same frame, which is possible because no frame refers to an earlier one. The loop's thread.
 * Never compresses what is small, large or unlikely to shrink: that would cost more than relaying it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* NULL: send it as it is. */
static cws_message *pack(cws_loop *l, cws_message *m)
{
    const cws_slice plain = {.p = cws_message_payload(m), .n = m->payload_n};
    cws_slice bytes;
    if (!cws_deflate_is_worthwhile(plain) || !cws_deflate_message(&l->deflate, plain, &bytes))
        return NULL;
    cws_message *packed = cws_message_compressed(m, bytes);
    cws_deflate_trim_deflated(&l->deflate);
    if (!packed)
        return NULL;
    l->stats.deflated_count++;
    l->stats.deflated_plain_bytes += plain.n;
    l->stats.deflated_bytes += packed->payload_n;
    return packed;
}

cws_message *cws_message_for(const cws_conn *c, cws_message *m)
{
    cws_loop *l = c->loop;
    if (c->deflate_bits == 0 || m->kind != CWS_KIND_DATA || m->is_plain || m->payload_n < l->limits.deflate_min_bytes ||
        m->payload_n > l->limits.deflate_max_bytes || !cws_deflate_suits(c->deflate_bits, m->payload_n))
        return m;
    if (!m->packed)
        m->packed = pack(l, m);
    m->is_plain = m->packed == NULL;
    return m->is_plain ? m : m->packed;
}

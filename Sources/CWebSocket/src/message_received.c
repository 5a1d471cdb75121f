/* A payload as it comes in: one growing piece of memory that, once whole, can itself become the message that goes out.
 * Runs on the loop's thread. Decides how it grows (with what came, never with what was claimed) and when its memory may go on; the frame
 * and the words around the payload are written into the room that it leaves before and behind itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LENT_MIN_BYTES (16u * 1024u) /* less is copied: that costs less than what a message would hold beyond its bytes */
#define EXTRA_BYTES (sizeof(cws_message) + CWS_RECEIVED_OFFSET + CWS_RECEIVED_TAIL)

size_t cws_received_next(const cws_received *r, size_t more, size_t max)
{
    const size_t n = cws_received_n(r);
    if (r->m && r->capacity - n >= more)
        return r->capacity;
    if (max > UINT32_MAX - EXTRA_BYTES)
        max = UINT32_MAX - EXTRA_BYTES;
    if (n > max || more > max - n)
        return 0;
    const size_t capacity = n + more > max / 2 ? max : (n + more) * 2;
    return capacity < 256 && max >= 256 ? 256 : capacity;
}

bool cws_received_reserve(cws_loop *l, cws_received *r, size_t more, size_t max)
{
    const size_t n = cws_received_n(r);
    if (r->m && r->capacity - n >= more)
        return true;
    const size_t capacity = cws_received_next(r, more, max);
    if (capacity == 0)
        return false;
    if (r->m && r->m->size_class >= CWS_MESSAGE_CLASSES) {
        cws_message *moved = realloc(r->m, EXTRA_BYTES + capacity); /* which moves pages, not bytes */
        if (!moved)
            return false;
        *r = (cws_received){.m = moved, .capacity = capacity};
        return true;
    }
    cws_message *m = cws_message_block(l, CWS_RECEIVED_OFFSET, capacity + CWS_RECEIVED_TAIL);
    if (!m)
        return false;
    m->payload_n = (uint32_t)n;
    if (n > 0)
        memcpy(cws_message_payload(m), cws_message_payload(r->m), n);
    cws_received_free(l, r);
    *r = (cws_received){.m = m, .capacity = capacity};
    return true;
}

bool cws_received_append(cws_loop *l, cws_received *r, const uint8_t *p, size_t n, size_t max)
{
    if (n == 0)
        return true;
    if (!cws_received_reserve(l, r, n, max))
        return false;
    memcpy(cws_message_payload(r->m) + r->m->payload_n, p, n);
    r->m->payload_n += (uint32_t)n;
    return true;
}

void cws_received_free(cws_loop *l, cws_received *r)
{
    if (r->m)
        cws_message_give_back(l, r->m);
    *r = (cws_received){0};
}

void cws_received_cut(cws_loop *l, cws_received *r, size_t n)
{
    if (cws_received_n(r) < n)
        n = cws_received_n(r);
    cws_received kept = {0};
    if (n > 0 && r->capacity > n)
        (void)cws_received_append(l, &kept, cws_message_payload(r->m), n, n); /* without memory nothing is kept */
    if (n > 0 && r->capacity <= n)
        return;
    cws_received_free(l, r);
    *r = kept;
}

void cws_received_lend(cws_loop *l, const cws_received *r)
{
    const size_t n = cws_received_n(r);
    l->lent = n >= LENT_MIN_BYTES && r->capacity - n <= n / 4 ? r->m : NULL;
}

void cws_received_end(cws_loop *l, cws_received *r)
{
    const bool was_taken = r->m && r->m->kind == CWS_KIND_DATA;
    l->lent = NULL;
    if (!was_taken)
        return;
    cws_message_release(r->m);
    *r = (cws_received){0};
}

cws_message *cws_message_around(cws_loop *l, cws_slice payload, cws_slice before, cws_slice after)
{
    CWS_ON_LOOP(l);
    cws_message *m = l->lent;
    if (!m || !payload.p || before.n > CWS_RECEIVED_OFFSET - CWS_PAYLOAD_OFFSET || after.n > CWS_RECEIVED_TAIL)
        return NULL;
    const uintptr_t first = (uintptr_t)cws_message_payload(m), at = (uintptr_t)payload.p;
    if (at < first || at - first > m->payload_n || payload.n > m->payload_n - (at - first) || payload.n < m->payload_n / 4 * 3)
        return NULL;
    l->lent = NULL;
    m->refs = 2; /* the caller's, and one until the callback has ended: it still reads what it was shown */
    m->kind = CWS_KIND_DATA;
    m->payload_at = (uint32_t)(m->payload_at + (at - first) - before.n);
    m->payload_n = (uint32_t)(before.n + payload.n + after.n);
    cws_message_join(l, m);
    memcpy(cws_message_payload(m), before.p, before.n);
    memcpy(cws_message_payload(m) + before.n + payload.n, after.p, after.n);
    cws_message_seal(m, CWS_TEXT, false);
    return m;
}

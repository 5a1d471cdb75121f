/* Outbound messages: one allocation holding frame header and payload side by side, counted, recycled by size class.
 * Runs on the thread of the message's loop; the count is a plain integer because a message never leaves its loop (an orphan,
 * made for a move, belongs to one queue). Never touches a payload.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define SMALLEST_CLASS_BYTES 128u
#define DOUBLING_CLASSES 9u
#define SMALL_CLASSES 4u
#define SMALL_KEPT_BYTES (2u * 1024u * 1024u)  /* what one of the small ones may keep for reuse: thousands wait for proof of their arrival; */
#define CLASS_KEPT_BYTES (512u * 1024u)        /* one of the others that double, */
#define LARGE_KEPT_BYTES (4u * 1024u * 1024u)  /* and all larger ones together */
#define CACHE_LINE_BYTES 64u
#define PREFETCHED_BYTES 512u

/* Doubling would waste up to half of what is large: from 32 KiB on there are four sizes to each doubling. */
static size_t class_bytes(unsigned size_class)
{
    if (size_class < DOUBLING_CLASSES)
        return (size_t)SMALLEST_CLASS_BYTES << size_class;
    const unsigned quarter = size_class - DOUBLING_CLASSES;
    return (size_t)(5u + quarter % 4) << (13 + quarter / 4);
}

static unsigned class_for(size_t need)
{
    if (need <= SMALLEST_CLASS_BYTES)
        return 0;
    if (need <= (size_t)SMALLEST_CLASS_BYTES << (DOUBLING_CLASSES - 1))
        return (unsigned)(64 - __builtin_clzll((need - 1) / SMALLEST_CLASS_BYTES));
    unsigned size_class = DOUBLING_CLASSES;
    while (size_class < CWS_MESSAGE_CLASSES && class_bytes(size_class) < need)
        size_class++;
    return size_class;
}

/* A recycled message was last touched long ago, when it was sent: its memory is on the way while the one before it is filled. */
static void fetch(const cws_message *m, size_t need)
{
    const size_t most = need < PREFETCHED_BYTES ? need : PREFETCHED_BYTES;
    for (size_t i = 0; m && i < most; i += CACHE_LINE_BYTES)
        __builtin_prefetch((const char *)m + i, 1);
}

cws_message *cws_message_block(cws_loop *l, size_t at, size_t n)
{
    CWS_ON_LOOP(l);
    if (n > UINT32_MAX)
        return NULL;
    const size_t need = n + sizeof(cws_message) + at;
    const unsigned size_class = class_for(need);
    cws_message *m;
    if (size_class < CWS_MESSAGE_CLASSES && l->free_messages[size_class]) {
        m = l->free_messages[size_class];
        l->free_messages[size_class] = m->next;
        l->free_message_count[size_class]--;
        fetch(m->next, need);
        if (size_class >= DOUBLING_CLASSES)
            l->kept_large_bytes -= class_bytes(size_class);
    } else {
        m = malloc(size_class < CWS_MESSAGE_CLASSES ? class_bytes(size_class) : need);
        if (!m)
            return NULL;
    }
    l->made_bytes += n;
    m->loop = NULL;
    m->packed = NULL;
    m->payload_at = (uint32_t)at;
    m->payload_n = (uint32_t)n;
    m->refs = 1;
    m->size_class = (uint8_t)size_class;
    m->header_n = 0;
    m->kind = CWS_KIND_OTHER;
    m->is_plain = false;
    return m;
}

/* What m occupies. The same for as long as it is of a loop. */
static size_t memory_bytes(const cws_message *m)
{
    return m->size_class < CWS_MESSAGE_CLASSES ? class_bytes(m->size_class) : sizeof *m + m->payload_at + m->payload_n;
}

void cws_message_join(cws_loop *l, cws_message *m)
{
    m->loop = l;
    l->stats.message_bytes += memory_bytes(m);
}

static void part(cws_message *m)
{
    if (!m->loop)
        return;
    m->loop->stats.message_bytes -= memory_bytes(m);
    m->loop = NULL;
}

static cws_message *allocate(cws_loop *l, size_t n)
{
    cws_message *m = cws_message_block(l, CWS_PAYLOAD_OFFSET, n);
    if (m)
        cws_message_join(l, m);
    return m;
}

void cws_message_seal(cws_message *m, uint8_t opcode, bool is_compressed)
{
    m->header_n = (uint8_t)ws_header_size(m->payload_n);
    (void)ws_write_header(cws_message_payload(m) - m->header_n, opcode, true, is_compressed, m->payload_n);
}

cws_message *cws_message_new(cws_loop *l, cws_opcode op, size_t n)
{
    const bool is_control = op == CWS_PING || op == CWS_PONG;
    if (is_control && n > 125)
        return NULL;
    cws_message *m = allocate(l, n);
    if (!m)
        return NULL;
    m->kind = is_control ? CWS_KIND_OTHER : CWS_KIND_DATA;
    cws_message_seal(m, (uint8_t)op, false);
    return m;
}

cws_message *cws_message_compressed(const cws_message *m, cws_slice bytes)
{
    cws_message *packed = allocate(m->loop, bytes.n);
    if (!packed)
        return NULL;
    packed->kind = m->kind;
    cws_message_seal(packed, cws_message_wire(m)[0] & 0x0Fu, true);
    memcpy(packed->bytes + CWS_PAYLOAD_OFFSET, bytes.p, bytes.n);
    return packed;
}

cws_message *cws_message_raw(cws_loop *l, size_t n) { return allocate(l, n); }

cws_message *cws_message_control(cws_loop *l, uint8_t opcode, const uint8_t *p, size_t n)
{
    cws_message *m = allocate(l, n);
    if (!m)
        return NULL;
    cws_message_seal(m, opcode, false);
    if (n)
        memcpy(m->bytes + CWS_PAYLOAD_OFFSET, p, n);
    return m;
}

uint8_t *cws_message_bytes(cws_message *m) { return cws_message_payload(m); }
size_t cws_message_size(const cws_message *m) { return m->payload_n; }

void cws_message_retain(cws_message *m)
{
    if (m->loop)
        CWS_ON_LOOP(m->loop);
    m->refs++;
}

static bool has_room(cws_loop *l, unsigned size_class)
{
    const size_t bytes = class_bytes(size_class);
    if (size_class < DOUBLING_CLASSES)
        return (l->free_message_count[size_class] + 1) * bytes <= (size_class < SMALL_CLASSES ? SMALL_KEPT_BYTES : CLASS_KEPT_BYTES);
    if (l->kept_large_bytes + bytes > LARGE_KEPT_BYTES)
        return false;
    l->kept_large_bytes += bytes;
    return true;
}

void cws_message_give_back(cws_loop *l, cws_message *m)
{
    const unsigned k = m->size_class;
    if (!l || k >= CWS_MESSAGE_CLASSES || !has_room(l, k)) {
        free(m);
        return;
    }
    m->next = l->free_messages[k];
    l->free_messages[k] = m;
    l->free_message_count[k]++;
}

void cws_message_release(cws_message *m)
{
    if (m->loop)
        CWS_ON_LOOP(m->loop);
    /* With its last reference goes the one that it has of its compressed twin. */
    while (m) {
        assert(m->refs > 0);
        if (--m->refs > 0)
            return;
        cws_message *packed = m->packed;
        cws_loop *l = m->loop;
        part(m);
        cws_message_give_back(l, m);
        m = packed;
    }
}

cws_message *cws_message_orphan_take(cws_message *m)
{
    if (m->refs == 1) {
        if (m->packed)
            cws_message_release(m->packed);
        m->packed = NULL;
        part(m);
        return m;
    }
    cws_message *copy = malloc(sizeof *m + CWS_PAYLOAD_OFFSET + m->payload_n);
    if (copy) {
        *copy = *m;
        copy->payload_at = CWS_PAYLOAD_OFFSET;
        memcpy(copy->bytes + CWS_PAYLOAD_OFFSET - m->header_n, cws_message_wire(m), cws_message_wire_n(m));
        copy->loop = NULL;
        copy->packed = NULL;
        copy->refs = 1;
    }
    cws_message_release(m);
    return copy;
}

void cws_message_free_lists(cws_loop *l)
{
    for (unsigned k = 0; k < CWS_MESSAGE_CLASSES; k++) {
        while (l->free_messages[k]) {
            cws_message *m = l->free_messages[k];
            l->free_messages[k] = m->next;
            free(m);
        }
        l->free_message_count[k] = 0;
    }
    l->kept_large_bytes = 0;
}

/* Outbound messages: one allocation holding frame header and payload side by side, counted, recycled by size class.
 * Runs on the thread of the message's loop; the count is a plain integer because a message never leaves its loop (an orphan,
 * made for a move, belongs to one queue). Never touches a payload.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define SMALLEST_CLASS_BYTES 128u
#define CLASS_KEPT_BYTES (512u * 1024u) /* what one class may keep for reuse, */
#define SMALL_KEPT_BYTES (2u * 1024u * 1024u) /* and one of the small ones, of which thousands wait for proof of their arrival */
#define SMALL_CLASSES 4u
#define CACHE_LINE_BYTES 64u
#define PREFETCHED_BYTES 512u

static size_t class_bytes(unsigned size_class) { return (size_t)SMALLEST_CLASS_BYTES << size_class; }

/* CWS_MESSAGE_CLASSES: too large for any. */
static unsigned class_for(size_t need)
{
    if (need <= SMALLEST_CLASS_BYTES)
        return 0;
    const unsigned bits = 64u - (unsigned)__builtin_clzll((need - 1) / SMALLEST_CLASS_BYTES);
    return bits < CWS_MESSAGE_CLASSES ? bits : CWS_MESSAGE_CLASSES;
}

/* A recycled message was last touched long ago, when it was sent: its memory is on the way while the one before it is filled. */
static void fetch(const cws_message *m, size_t need)
{
    const size_t most = need < PREFETCHED_BYTES ? need : PREFETCHED_BYTES;
    for (size_t i = 0; m && i < most; i += CACHE_LINE_BYTES)
        __builtin_prefetch((const char *)m + i, 1);
}

static cws_message *allocate(cws_loop *l, size_t n)
{
    CWS_ON_LOOP(l);
    const size_t extra = sizeof(cws_message) + CWS_PAYLOAD_OFFSET;
    if (n > SIZE_MAX - extra)
        return NULL;
    const size_t need = n + extra;
    const unsigned size_class = class_for(need);
    cws_message *m;
    if (size_class < CWS_MESSAGE_CLASSES && l->free_messages[size_class]) {
        m = l->free_messages[size_class];
        l->free_messages[size_class] = m->next;
        l->free_message_count[size_class]--;
        fetch(m->next, need);
    } else {
        m = malloc(size_class < CWS_MESSAGE_CLASSES ? class_bytes(size_class) : need);
        if (!m)
            return NULL;
    }
    m->loop = l;
    m->packed = NULL;
    m->payload_n = n;
    m->refs = 1;
    m->size_class = (uint8_t)size_class;
    m->header_n = 0;
    m->kind = CWS_KIND_OTHER;
    m->is_plain = false;
    return m;
}

static void write_frame_header(cws_message *m, uint8_t opcode, bool is_compressed)
{
    m->header_n = (uint8_t)ws_header_size(m->payload_n);
    (void)ws_write_header(m->bytes + CWS_PAYLOAD_OFFSET - m->header_n, opcode, true, is_compressed, m->payload_n);
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
    write_frame_header(m, (uint8_t)op, false);
    return m;
}

cws_message *cws_message_compressed(const cws_message *m, cws_slice bytes)
{
    cws_message *packed = allocate(m->loop, bytes.n);
    if (!packed)
        return NULL;
    packed->kind = m->kind;
    write_frame_header(packed, cws_message_wire(m)[0] & 0x0Fu, true);
    memcpy(packed->bytes + CWS_PAYLOAD_OFFSET, bytes.p, bytes.n);
    return packed;
}

cws_message *cws_message_raw(cws_loop *l, size_t n) { return allocate(l, n); }

cws_message *cws_message_control(cws_loop *l, uint8_t opcode, const uint8_t *p, size_t n)
{
    cws_message *m = allocate(l, n);
    if (!m)
        return NULL;
    write_frame_header(m, opcode, false);
    if (n)
        memcpy(m->bytes + CWS_PAYLOAD_OFFSET, p, n);
    return m;
}

uint8_t *cws_message_bytes(cws_message *m) { return m->bytes + CWS_PAYLOAD_OFFSET; }
size_t cws_message_size(const cws_message *m) { return m->payload_n; }

void cws_message_retain(cws_message *m)
{
    if (m->loop)
        CWS_ON_LOOP(m->loop);
    m->refs++;
}

static void give_back(cws_message *m)
{
    cws_loop *l = m->loop;
    const unsigned k = m->size_class;
    const size_t most = k < SMALL_CLASSES ? SMALL_KEPT_BYTES : CLASS_KEPT_BYTES;
    if (!l || k >= CWS_MESSAGE_CLASSES || (l->free_message_count[k] + 1) * class_bytes(k) > most) {
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
        give_back(m);
        m = packed;
    }
}

cws_message *cws_message_orphan_take(cws_message *m)
{
    if (m->refs == 1) {
        if (m->packed)
            cws_message_release(m->packed);
        m->packed = NULL;
        m->loop = NULL;
        return m;
    }
    const size_t size = sizeof *m + CWS_PAYLOAD_OFFSET + m->payload_n;
    cws_message *copy = malloc(size);
    if (copy) {
        memcpy(copy, m, size);
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
}

/* Decides which offer of permessage-deflate is taken and what is answered (RFC 7692 5, 7.1; the grammar is RFC 6455 9.1's).
 *
 * Any thread; no allocation, no copy. An offer with a parameter that is unknown, doubled or out of range is passed over and the next one
 * looked at. Must never agree to keep a context: the compressors are shared.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <stdio.h>
#include <string.h>

typedef struct cursor { const uint8_t *p, *end; } cursor;
typedef struct word { const uint8_t *p; size_t n; } word;

typedef enum parameter { SERVER_NO_CONTEXT, CLIENT_NO_CONTEXT, SERVER_BITS, CLIENT_BITS, PARAMETER_COUNT } parameter;
static const char *const parameter_names[PARAMETER_COUNT] = {
    "server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"};

static void skip_blanks(cursor *c)
{
    while (c->p < c->end && http1_is_blank(*c->p))
        c->p++;
}

/* Whether the next byte is `byte`, blanks before it passed over; consumes it then. */
static bool take(cursor *c, uint8_t byte)
{
    skip_blanks(c);
    if (c->p == c->end || *c->p != byte)
        return false;
    c->p++;
    return true;
}

static bool take_token(cursor *c, word *out)
{
    skip_blanks(c);
    out->p = c->p;
    while (c->p < c->end && http1_is_token_byte(*c->p))
        c->p++;
    out->n = (size_t)(c->p - out->p);
    return out->n > 0;
}

/* A token, also in quotes; RFC 6455 9.1 wants a token there too, so that a backslash has nothing to escape. */
static bool take_value(cursor *c, word *out)
{
    if (!take(c, '"'))
        return take_token(c, out);
    out->p = c->p;
    while (c->p < c->end && http1_is_token_byte(*c->p))
        c->p++;
    out->n = (size_t)(c->p - out->p);
    if (out->n == 0 || c->p == c->end || *c->p != '"')
        return false;
    c->p++;
    return true;
}

static bool is(word w, const char *text) { return http1_same_word(w.p, w.n, text); }

/* 8 to 15 without a leading zero; 0 for anything else. */
static uint8_t window_bits(word w)
{
    if (w.n == 1 && (w.p[0] == '8' || w.p[0] == '9'))
        return (uint8_t)(w.p[0] - '0');
    if (w.n == 2 && w.p[0] == '1' && w.p[1] >= '0' && w.p[1] <= '5')
        return (uint8_t)(10 + w.p[1] - '0');
    return 0;
}

typedef struct offer {
    unsigned seen;         /* bits by parameter */
    uint8_t server_bits;
    bool is_acceptable;
} offer;

static void judge(offer *o, word name, bool has_value, word value)
{
    unsigned k = 0;
    while (k < PARAMETER_COUNT && !is(name, parameter_names[k]))
        k++;
    if (k == PARAMETER_COUNT || (o->seen >> k & 1u) != 0) {
        o->is_acceptable = false;
        return;
    }
    o->seen |= 1u << k;
    const uint8_t bits = has_value ? window_bits(value) : 0;
    switch ((parameter)k) {
    case SERVER_NO_CONTEXT:
    case CLIENT_NO_CONTEXT: o->is_acceptable = o->is_acceptable && !has_value; return;
    case SERVER_BITS:
        o->server_bits = bits;
        o->is_acceptable = o->is_acceptable && bits > 0;
        return;
    case CLIENT_BITS: o->is_acceptable = o->is_acceptable && (!has_value || bits > 0); return;
    case PARAMETER_COUNT: return;
    }
}

/* One element of the list; false when it is not of the grammar. */
static bool read_offer(cursor *c, offer *o)
{
    word name;
    if (!take_token(c, &name))
        return false;
    *o = (offer){.is_acceptable = is(name, "permessage-deflate")};
    while (take(c, ';')) {
        word parameter_name, value = {0};
        if (!take_token(c, &parameter_name))
            return false;
        const bool has_value = take(c, '=');
        if (has_value && !take_value(c, &value))
            return false;
        judge(o, parameter_name, has_value, value);
    }
    return true;
}

bool ws_deflate_negotiate(cws_slice line, ws_deflate_terms *terms)
{
    cursor c = {.p = line.p, .end = line.p + line.n};
    for (;;) {
        while (take(&c, ','))
            continue;
        offer o;
        if (c.p == c.end || !read_offer(&c, &o))
            return false;
        skip_blanks(&c);
        if (c.p < c.end && *c.p != ',')
            return false;
        if (!o.is_acceptable)
            continue;
        *terms = (ws_deflate_terms){
            .server_bits = o.server_bits > 0 ? o.server_bits : 15,
            .says_server_bits = o.server_bits > 0,
        };
        return true;
    }
}

size_t ws_deflate_answer(const ws_deflate_terms *terms, char out[WS_DEFLATE_ANSWER_BYTES])
{
    char bits[32] = "";
    if (terms->says_server_bits)
        (void)snprintf(bits, sizeof bits, "; server_max_window_bits=%u", (unsigned)terms->server_bits);
    return (size_t)snprintf(out, WS_DEFLATE_ANSWER_BYTES,
                            "permessage-deflate; server_no_context_takeover; client_no_context_takeover%s", bits);
}

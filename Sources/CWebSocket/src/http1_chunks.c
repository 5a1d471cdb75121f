/* Decides where a chunked body's payload lies and where the body ends (RFC 9112 7.1).
 *
 * A byte machine for everything but payload, which is reported in runs. Extensions and trailers are checked for grammar, counted
 * against one ceiling for the whole body, and dropped. Any thread; must never accept a size that another reader could read as
 * another number: hex digits only, at most 15 of them, CRLF only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#define SIZE_DIGITS_MAX 15u

enum {
    IN_SIZE,            /* 0: how a zeroed http1_chunks begins */
    IN_EXTENSION,
    AT_SIZE_LF,
    IN_PAYLOAD,
    AT_PAYLOAD_CR,
    AT_PAYLOAD_LF,
    AT_TRAILER,         /* start of a line: a trailer or the end */
    IN_TRAILER_NAME,
    IN_TRAILER_VALUE,
    AT_TRAILER_LF,
    AT_END_LF,
    ENDED,
    BROKEN,
};

static uint8_t count_overhead(http1_chunks *s, uint32_t limit, uint8_t next)
{
    if (s->overhead >= limit)
        return BROKEN;
    s->overhead++;
    return next;
}

static uint8_t on_size(http1_chunks *s, uint8_t c, uint32_t limit)
{
    const int digit = http1_hex_value(c);
    if (digit >= 0) {
        if (s->size_digits >= SIZE_DIGITS_MAX)
            return BROKEN;
        s->size_digits++;
        s->left = s->left * 16 + (uint64_t)digit;
        return IN_SIZE;
    }
    if (s->size_digits == 0)
        return BROKEN;
    if (c == '\r')
        return AT_SIZE_LF;
    return c == ';' ? count_overhead(s, limit, IN_EXTENSION) : BROKEN;
}

static uint8_t on_size_lf(http1_chunks *s, uint8_t c)
{
    s->size_digits = 0;
    if (c != '\n')
        return BROKEN;
    return s->left > 0 ? IN_PAYLOAD : AT_TRAILER;
}

static uint8_t on_trailer_name(http1_chunks *s, uint8_t c, uint32_t limit)
{
    if (http1_is_token_byte(c))
        return count_overhead(s, limit, IN_TRAILER_NAME);
    /* At the start of a line a ':' would be an empty name. */
    return c == ':' && s->state == IN_TRAILER_NAME ? count_overhead(s, limit, IN_TRAILER_VALUE) : BROKEN;
}

/* One byte that is not payload: the next state. */
static uint8_t step(http1_chunks *s, uint8_t c, uint32_t limit)
{
    switch (s->state) {
    case IN_SIZE:
        return on_size(s, c, limit);
    case IN_EXTENSION:
    case IN_TRAILER_VALUE:
        if (c == '\r')
            return s->state == IN_EXTENSION ? AT_SIZE_LF : AT_TRAILER_LF;
        return http1_is_control(c) ? (uint8_t)BROKEN : count_overhead(s, limit, s->state);
    case AT_SIZE_LF:
        return on_size_lf(s, c);
    case AT_PAYLOAD_CR:
        return c == '\r' ? AT_PAYLOAD_LF : BROKEN;
    case AT_PAYLOAD_LF:
        return c == '\n' ? IN_SIZE : BROKEN;
    case AT_TRAILER:
        return c == '\r' ? (uint8_t)AT_END_LF : on_trailer_name(s, c, limit);
    case IN_TRAILER_NAME:
        return on_trailer_name(s, c, limit);
    case AT_TRAILER_LF:
        return c == '\n' ? AT_TRAILER : BROKEN;
    case AT_END_LF:
        return c == '\n' ? ENDED : BROKEN;
    default:
        return BROKEN;
    }
}

/* Takes what is there of the present chunk. */
static void take_run(http1_chunks *s, size_t available, size_t *run_n)
{
    *run_n = s->left < available ? (size_t)s->left : available;
    s->left -= *run_n;
    if (s->left == 0)
        s->state = AT_PAYLOAD_CR;
}

cws_parse http1_parse_chunks(http1_chunks *s, const uint8_t *p, size_t n, size_t *used, size_t *run, size_t *run_n,
                             uint32_t overhead_limit)
{
    size_t i = 0;
    *run = 0;
    *run_n = 0;
    while (i < n && s->state < ENDED) {
        if (s->state == IN_PAYLOAD) {
            *run = i;
            take_run(s, n - i, run_n);
            i += *run_n;
            break;
        }
        s->state = step(s, p[i], overhead_limit);
        if (s->state != BROKEN)
            i++;
    }
    *used = i;
    if (s->state == BROKEN)
        return CWS_PARSE_ERROR;
    return s->state == ENDED ? CWS_PARSE_DONE : CWS_PARSE_MORE;
}

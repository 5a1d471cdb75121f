/* Decides whether a request's Accept-Encoding lets its answer be gzip (RFC 9110 12.5.3).
 *
 * Any thread; no allocation. No such header means no: clients that can read gzip say so. What is malformed is not accepted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http1_internal.h"

#include <string.h>

enum { UNSAID, REFUSED, ACCEPTED };

static cws_slice trimmed(const uint8_t *p, size_t n)
{
    while (n > 0 && http1_is_blank(*p)) {
        p++;
        n--;
    }
    while (n > 0 && http1_is_blank(p[n - 1]))
        n--;
    return (cws_slice){.p = p, .n = n};
}

/* A qvalue over 0: "1", "0.5", "1.000". */
static bool is_positive(cws_slice q)
{
    if (q.n == 0 || q.n > 5 || (q.p[0] != '0' && q.p[0] != '1') || (q.n > 1 && q.p[1] != '.'))
        return false;
    bool is_over = q.p[0] == '1';
    for (size_t i = 2; i < q.n; i++) {
        if (!http1_is_digit(q.p[i]) || (q.p[0] == '1' && q.p[i] != '0'))
            return false;
        is_over = is_over || q.p[i] != '0';
    }
    return is_over;
}

/* The weight after the coding's name; `n` bytes that begin with the semicolon, or none. */
static bool has_weight(const uint8_t *p, size_t n)
{
    if (n == 0)
        return true;
    const cws_slice weight = trimmed(p + 1, n - 1);
    return weight.n >= 2 && http1_lower(weight.p[0]) == 'q' && weight.p[1] == '=' &&
           is_positive((cws_slice){.p = weight.p + 2, .n = weight.n - 2});
}

static void read_element(http1_encodings *e, const uint8_t *p, size_t n)
{
    const uint8_t *semicolon = memchr(p, ';', n);
    const size_t name_n = semicolon ? (size_t)(semicolon - p) : n;
    const cws_slice name = trimmed(p, name_n);
    const uint8_t said = has_weight(p + name_n, n - name_n) ? ACCEPTED : REFUSED;
    if (http1_same_word(name.p, name.n, "gzip") || http1_same_word(name.p, name.n, "x-gzip"))
        e->gzip = said;
    else if (http1_same_word(name.p, name.n, "*"))
        e->any = said;
}

void http1_read_encodings(http1_encodings *e, cws_slice line)
{
    size_t at = 0;
    while (at < line.n) {
        const uint8_t *comma = memchr(line.p + at, ',', line.n - at);
        const size_t next = comma ? (size_t)(comma - line.p) : line.n;
        if (next > at)
            read_element(e, line.p + at, next - at);
        at = next + 1;
    }
}

bool http1_accepts_gzip(const http1_encodings *e) { return e->gzip == ACCEPTED || (e->gzip == UNSAID && e->any == ACCEPTED); }

/* Growing byte strings. Decides how memory grows towards a ceiling: doubling, so that a peer's claim alone costs nothing.
 * Runs on the loop's thread. Never grows above the ceiling it is given.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"

size_t cws_buf_next(const cws_buf *b, size_t more, size_t max)
{
    if (b->cap - b->n >= more)
        return b->cap;
    if (b->n > max || more > max - b->n)
        return 0;
    const size_t need = b->n + more;
    size_t cap = b->cap > max / 2 ? max : b->cap * 2;
    if (cap < need)
        cap = need;
    return cap < 256 && max >= 256 ? 256 : cap;
}

bool cws_buf_reserve(cws_buf *b, size_t more, size_t max)
{
    if (b->cap - b->n >= more)
        return true;
    const size_t cap = cws_buf_next(b, more, max);
    if (cap == 0)
        return false;
    uint8_t *p = realloc(b->p, cap);
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

bool cws_buf_append(cws_buf *b, const uint8_t *p, size_t n, size_t max)
{
    if (n == 0)
        return true;
    if (!cws_buf_reserve(b, n, max))
        return false;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return true;
}

void cws_buf_cut(cws_buf *b, size_t n)
{
    if (b->n > n)
        b->n = n;
    if (b->cap <= n || n == 0)
        return;
    uint8_t *p = realloc(b->p, n); /* shrinking in place or not at all: what is there stays valid */
    if (!p)
        return;
    b->p = p;
    b->cap = n;
}

void cws_buf_free(cws_buf *b)
{
    free(b->p);
    *b = (cws_buf){0};
}

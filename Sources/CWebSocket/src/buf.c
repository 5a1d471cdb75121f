/* Growing byte strings. Decides how memory grows towards a ceiling: doubling, so that a peer's claim alone costs nothing.
 * Runs on the loop's thread. Never grows above the ceiling it is given.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"

bool cws_buf_reserve(cws_buf *b, size_t more, size_t max)
{
    if (b->cap - b->n >= more)
        return true;
    if (b->n > max || more > max - b->n)
        return false;
    size_t need = b->n + more;
    size_t cap = b->cap > max / 2 ? max : b->cap * 2;
    if (cap < need)
        cap = need;
    if (cap < 256 && max >= 256)
        cap = 256;
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

void cws_buf_free(cws_buf *b)
{
    free(b->p);
    *b = (cws_buf){0};
}

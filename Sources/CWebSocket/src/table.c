/* Which connections a loop has, by id. Open addressing with linear probing, at most half full, shifted back on removal.
 * An id is never reused, so it is slot and generation in one: epoll carries it, and a stale event or a late answer finds nothing.
 * Runs on the loop's thread. Never holds a freed connection.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "internal.h"

static size_t home(const cws_table *t, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (t->capacity - 1);
}

static void place(cws_table *t, cws_conn *c)
{
    size_t i = home(t, c->id);
    while (t->slots[i])
        i = (i + 1) & (t->capacity - 1);
    t->slots[i] = c;
}

static bool grow(cws_table *t)
{
    cws_table next = {.capacity = t->capacity ? t->capacity * 2 : 64, .count = t->count};
    next.slots = calloc(next.capacity, sizeof *next.slots);
    if (!next.slots)
        return false;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i])
            place(&next, t->slots[i]);
    free(t->slots);
    *t = next;
    return true;
}

bool cws_table_insert(cws_table *t, cws_conn *c)
{
    if (t->count * 2 >= t->capacity && !grow(t))
        return false;
    place(t, c);
    t->count++;
    return true;
}

cws_conn *cws_table_find(const cws_table *t, uint64_t id)
{
    if (t->capacity == 0)
        return NULL;
    for (size_t i = home(t, id); t->slots[i]; i = (i + 1) & (t->capacity - 1))
        if (t->slots[i]->id == id)
            return t->slots[i];
    return NULL;
}

void cws_table_remove(cws_table *t, const cws_conn *c)
{
    if (t->capacity == 0)
        return;
    const size_t mask = t->capacity - 1;
    size_t i = home(t, c->id);
    while (t->slots[i] != c) {
        if (!t->slots[i])
            return;
        i = (i + 1) & mask;
    }
    t->count--;
    /* Pull back whatever the hole would hide from its home. */
    for (size_t j = (i + 1) & mask; t->slots[j]; j = (j + 1) & mask) {
        size_t distance = (j - home(t, t->slots[j]->id)) & mask;
        if (distance >= ((j - i) & mask)) {
            t->slots[i] = t->slots[j];
            i = j;
        }
    }
    t->slots[i] = NULL;
}

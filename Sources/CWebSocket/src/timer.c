/* Deadlines: a wheel of 1024 ticks of 16 ms with one intrusive node per connection.
 * A node is armed for the connection's earliest deadline and never moved later: activity is free, and a node that fires early
 * looks at the real deadlines (cws_conn_check_deadlines) and arms itself again. Runs on the loop's thread. Never fires early
 * by more than it re-checks, never late by more than a tick and a turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

void cws_wheel_init(cws_wheel *w, uint64_t now_ms)
{
    *w = (cws_wheel){.tick = now_ms >> CWS_WHEEL_SHIFT};
    for (size_t i = 0; i < CWS_WHEEL_SLOTS; i++)
        cws_link_init(&w->slots[i]);
}

void cws_wheel_disarm(cws_conn *c)
{
    if (c->timer_at == 0)
        return;
    cws_link_remove(&c->timer);
    c->timer_at = 0;
}

void cws_wheel_arm(cws_loop *l, cws_conn *c, uint64_t at_ms)
{
    if (c->state == CWS_S_DEAD)
        return; /* it is freed at the end of the turn, and a node of it would stay */
    if (c->timer_at != 0) {
        if (c->timer_at <= at_ms)
            return;
        cws_wheel_disarm(c);
    }
    cws_wheel *w = &l->wheel;
    uint64_t tick = (at_ms >> CWS_WHEEL_SHIFT) + 1;
    if (tick <= w->tick)
        tick = w->tick + 1;
    if (tick - w->tick >= CWS_WHEEL_SLOTS)
        tick = w->tick + CWS_WHEEL_SLOTS - 1;
    size_t slot = (size_t)(tick % CWS_WHEEL_SLOTS);
    c->timer_at = at_ms ? at_ms : 1;
    cws_link_append(&w->slots[slot], &c->timer);
    w->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void run_slot(cws_loop *l, size_t slot)
{
    cws_wheel *w = &l->wheel;
    if (!(w->bits[slot / 64] & (UINT64_C(1) << (slot % 64))))
        return;
    w->bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    cws_link due;
    cws_link_take(&due, &w->slots[slot]);
    while (!cws_link_is_alone(&due)) {
        cws_conn *c = CWS_CONTAINER(due.next, cws_conn, timer);
        uint64_t at = c->timer_at;
        cws_wheel_disarm(c);
        if (at > l->now_ms)
            cws_wheel_arm(l, c, at); /* beyond the wheel's horizon: another lap */
        else
            cws_conn_check_deadlines(c);
    }
}

void cws_wheel_run(cws_loop *l)
{
    cws_wheel *w = &l->wheel;
    const uint64_t target = l->now_ms >> CWS_WHEEL_SHIFT;
    if (target > w->tick + CWS_WHEEL_SLOTS)
        w->tick = target - CWS_WHEEL_SLOTS; /* slept longer than a lap: each slot once */
    while (w->tick < target) {
        w->tick++;
        run_slot(l, (size_t)(w->tick % CWS_WHEEL_SLOTS));
    }
}

uint64_t cws_wheel_next_ms(const cws_wheel *w)
{
    const size_t first = (size_t)((w->tick + 1) % CWS_WHEEL_SLOTS);
    for (size_t passed = 0; passed < CWS_WHEEL_SLOTS;) {
        size_t slot = (first + passed) % CWS_WHEEL_SLOTS;
        uint64_t word = w->bits[slot / 64] >> (slot % 64);
        if (word) {
            size_t ahead = passed + (size_t)__builtin_ctzll(word);
            return (w->tick + 1 + ahead) << CWS_WHEEL_SHIFT;
        }
        passed += 64 - slot % 64;
    }
    return UINT64_MAX;
}

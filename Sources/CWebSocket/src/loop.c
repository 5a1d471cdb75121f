/* The loop: one thread, one epoll, and the order of a turn:
 *   events -> mailbox -> deadlines -> alarm -> kept input -> (on_closed, on_turn_end, flush, until quiet) -> free.
 * Decides when things run, never what they do. Runs on the thread that called cws_loop_run; only the mailbox is touched by others.
 * Never frees a connection before the end of the turn in which it died. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define EVENT_COUNT 256
#define STANDSTILL_MS 500 /* later than asked for by this much: it was the process that stood still, not its peers */
#define QUIET_PASSES 4 /* after these the rest waits for the next turn, so that new input is not starved */

static _Thread_local const cws_loop *running_loop;

bool cws_loop_is_current(const cws_loop *l) { return running_loop == l; }
uint16_t cws_loop_index(const cws_loop *l) { return l->index; }

uint64_t cws_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t cws_loop_now_ms(const cws_loop *l)
{
    CWS_ON_LOOP(l);
    return l->now_ms;
}

void cws_loop_set_alarm(cws_loop *l, uint64_t at_ms)
{
    CWS_ON_LOOP(l);
    l->alarm_at_ms = at_ms;
}

void cws_loop_set_limits(cws_loop *l, const cws_limits *limits)
{
    CWS_ON_LOOP(l);
    l->limits = *limits;
}

cws_conn *cws_loop_find(cws_loop *l, uint64_t id)
{
    CWS_ON_LOOP(l);
    cws_conn *c = cws_table_find(&l->table, id);
    return c && c->state != CWS_S_DEAD ? c : NULL;
}

void cws_loop_read_stats(cws_loop *l, cws_loop_stats *out)
{
    CWS_ON_LOOP(l);
    *out = l->stats;
    l->stats.max_turn_ns = 0;
}

/* ---- one turn */

static uint64_t earliest_ms(const cws_loop *l)
{
    uint64_t at = cws_wheel_next_ms(&l->wheel);
    if (l->alarm_at_ms && l->alarm_at_ms < at)
        at = l->alarm_at_ms;
    if (l->accept_resume_at_ms && l->accept_resume_at_ms < at)
        at = l->accept_resume_at_ms;
    return at;
}

static int wait_ms(const cws_loop *l, uint64_t now_ms)
{
    if (!cws_link_is_alone(&l->work) || !cws_link_is_alone(&l->dead))
        return 0;
    uint64_t at = earliest_ms(l);
    if (at == UINT64_MAX)
        return -1;
    if (at <= now_ms)
        return 0;
    return at - now_ms > INT_MAX ? INT_MAX : (int)(at - now_ms);
}

static void deliver(cws_loop *l, const struct epoll_event *e)
{
    const uint64_t data = e->data.u64;
    if (data == CWS_DATA_WAKE) {
        cws_loop_run_mail(l);
    } else if (data & CWS_DATA_LISTENER) {
        cws_listener_event(l, data);
    } else {
        cws_conn *c = cws_table_find(&l->table, data);
        if (c && c->state != CWS_S_DEAD)
            cws_conn_event(c, e->events);
    }
}

static bool is_waking(const cws_conn *c, uint8_t flag) { return flag == CWS_WORK_INPUT && c->is_resting; }

/* Those that rest go on in the order in which they began to, as long as this turn has inflating left; one does in any case. */
static void run_work(cws_loop *l, uint8_t flag, void (*run)(cws_conn *c))
{
    cws_link batch, later;
    bool has_woken = false;
    cws_link_init(&later);
    cws_link_take(&batch, &l->work);
    while (!cws_link_is_alone(&batch)) {
        cws_conn *c = CWS_CONTAINER(batch.next, cws_conn, work);
        const bool is_due = c->work_flags & flag;
        cws_link_remove(&c->work);
        if (is_due && is_waking(c, flag)) {
            if (has_woken && l->inflate_left == 0) {
                cws_link_append(&later, &c->work);
                continue;
            }
            has_woken = true;
        }
        c->work_flags &= (uint8_t)~flag;
        if (c->work_flags)
            cws_link_append(&l->work, &c->work);
        if (is_due)
            run(c);
    }
    cws_link_put_before(&l->work, &later);
}

static void bury(cws_loop *l, cws_link *graves)
{
    while (!cws_link_is_alone(&l->dead)) {
        cws_conn *c = CWS_CONTAINER(l->dead.next, cws_conn, work);
        cws_link_remove(&c->work);
        cws_link_append(graves, &c->work);
        cws_table_remove(&l->table, c);
        l->stats.open_count--;
        if (c->is_websocket)
            l->stats.websocket_count--;
        if (cws_ops(c)->is_tls)
            l->stats.tls_count--;
        l->stats.reason_count[c->reason]++;
        CWS_CALL(l, on_closed, c, c->user, (cws_reason)c->reason, c->close_code);
    }
}

void cws_loop_end_turn(cws_loop *l)
{
    cws_link graves;
    cws_link_init(&graves);
    for (int pass = 0; pass < QUIET_PASSES; pass++) {
        bury(l, &graves);
        l->had_callback = false;
        l->on.on_turn_end(l->ctx);
        run_work(l, CWS_WORK_FLUSH, cws_conn_flush);
        if (!l->had_callback && cws_link_is_alone(&l->dead))
            break;
    }
    while (!cws_link_is_alone(&graves)) {
        cws_conn *c = CWS_CONTAINER(graves.next, cws_conn, work);
        cws_link_remove(&c->work);
        cws_conn_free(c);
    }
    cws_http_free_dead(l);
    cws_pressure_relieve(l);
}

/* A turn that makes much to send does not pile it up: what is written while it is still in the cache costs less, and its memory serves
 * the next message. Between callbacks only. */
static void flush_early(cws_loop *l)
{
    l->made_bytes = 0;
    run_work(l, CWS_WORK_FLUSH, cws_conn_flush);
}

static void turn(cws_loop *l, const struct epoll_event *events, int count)
{
    l->handshake_ns = 0;
    l->inflate_left = CWS_INFLATE_BYTES;
    l->made_bytes = 0;
    for (int i = 0; i < count; i++) {
        deliver(l, &events[i]);
        if (l->made_bytes >= CWS_EARLY_FLUSH_BYTES)
            flush_early(l);
    }
    cws_wheel_run(l);
    if (l->accept_resume_at_ms && l->now_ms >= l->accept_resume_at_ms)
        cws_listener_resume(l);
    if (l->alarm_at_ms && l->now_ms >= l->alarm_at_ms) {
        l->alarm_at_ms = 0;
        l->on.on_alarm(l->ctx);
    }
    run_work(l, CWS_WORK_INPUT, cws_conn_input_again);
    cws_loop_end_turn(l);
}

/* What is queued gets one chance to leave; then everything ends. No callback runs in here, so the table is stable. */
static void kill_all(cws_loop *l)
{
    for (size_t i = 0; i < l->table.capacity; i++) {
        cws_conn *c = l->table.slots[i];
        if (!c || c->state == CWS_S_DEAD)
            continue;
        if (cws_outq_flush(c))
            cws_conn_kill(c, CWS_R_LOOP_STOPPED);
    }
}

/* Handlers may still post, and other loops may still hand connections over, until the mailbox is closed while empty. */
static void end(cws_loop *l)
{
    cws_listener_close_all(l);
    bool is_done = false;
    while (!is_done) {
        cws_loop_run_mail(l);
        kill_all(l);
        cws_loop_end_turn(l);
        pthread_mutex_lock(&l->lock);
        is_done = l->mail_first == NULL && cws_link_is_alone(&l->dead);
        if (is_done)
            l->is_mailbox_closed = true;
        pthread_mutex_unlock(&l->lock);
    }
}

/* OpenSSL writes to sockets with write(2), which knows no MSG_NOSIGNAL. */
static void block_sigpipe(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

const uint32_t *cws_relay_bounds_us(void)
{
    static const uint32_t bounds_us[CWS_RELAY_BOUND_COUNT] = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000};
    return bounds_us;
}

static void count_turn(cws_loop *l, uint64_t took_ns, uint64_t message_count)
{
    const uint32_t *const bounds_us = cws_relay_bounds_us();
    l->stats.turns_count++;
    l->stats.busy_ns += took_ns;
    if (took_ns > l->stats.max_turn_ns)
        l->stats.max_turn_ns = took_ns;
    if (took_ns > CWS_SLOW_TURN_MS * UINT64_C(1000000))
        l->stats.slow_turns_count++;
    if (message_count == 0)
        return;
    size_t i = 0;
    while (i < CWS_RELAY_BOUND_COUNT && took_ns > bounds_us[i] * UINT64_C(1000))
        i++;
    l->stats.relay_count[i] += message_count;
    l->stats.relay_ns += took_ns * message_count;
}

/* A stopped process, a suspended machine, a turn without end: what peers sent meanwhile is still unread, and nobody was pinged. */
static bool has_stood_still(uint64_t turn_began_ms, uint64_t turn_ended_ms, int waited_ms, uint64_t now_ms)
{
    const bool in_turn = turn_began_ms && turn_ended_ms > turn_began_ms + STANDSTILL_MS;
    const bool in_wait = waited_ms >= 0 && now_ms > turn_ended_ms + (uint64_t)waited_ms + STANDSTILL_MS;
    return in_turn || in_wait;
}

void cws_loop_run(cws_loop *l)
{
    struct epoll_event events[EVENT_COUNT];
    block_sigpipe();
    running_loop = l;
    l->is_running = true;
    uint64_t before_ns = cws_clock_ns();
    while (!l->is_ending) {
        const int wait = wait_ms(l, before_ns / 1000000);
        int count = epoll_wait(l->epoll_fd, events, EVENT_COUNT, wait);
        const uint64_t start_ns = cws_clock_ns();
        const uint64_t messages = l->stats.messages_in_count;
        const uint64_t former_ms = l->now_ms;
        l->now_ms = start_ns / 1000000;
        if (has_stood_still(former_ms, before_ns / 1000000, wait, l->now_ms))
            l->awake_from_ms = l->now_ms;
        turn(l, events, count > 0 ? count : 0);
        before_ns = cws_clock_ns();
        count_turn(l, before_ns - start_ns, l->stats.messages_in_count - messages);
    }
    end(l);
    l->is_running = false;
    running_loop = NULL;
}

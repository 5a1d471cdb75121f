/* Making and freeing a loop, and its default limits. Any thread, while the loop does not run.
 * Decides the defaults and where connection ids start. Never runs a callback.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

#define ID_COUNTER_BITS 47

cws_limits cws_limits_default(void)
{
    return (cws_limits){
        .head_bytes = 16384,
        .header_count = 100,
        .target_bytes = 8192,
        .chunk_overhead_bytes = 16384,
        .head_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .body_bytes_per_s = 16384,
        .keepalive_timeout_ms = 65000,
        .close_timeout_ms = 3000,
        .write_timeout_ms = 45000,
        .fragment_count = 131072,
        .pending_pong_count = 64,
        .connection_count = 100000,
        .accept_budget = 64,
        .send_buffer_bytes = 0,
        .unsent_low_bytes = 131072,
        .skipped_prefix_bytes = 4096,
        .skipped_ceiling_bytes = 256u << 20,
        .queue_low_bytes = 1 << 20,
        .deflate_min_bytes = 1024,
        .deflate_max_bytes = 256 * 1024,
        .held_bytes = 0,
        .pressure_ms = 60000,
        .handshake_budget_us = 2000,
    };
}

static bool open_descriptors(cws_loop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (l->epoll_fd < 0 || l->wake_fd < 0 || l->spare_fd < 0)
        return false;
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = CWS_DATA_WAKE};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &e) == 0;
}

cws_loop *cws_loop_new(const cws_limits *limits, const cws_handlers *handlers, void *ctx, uint16_t index)
{
    cws_loop *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->on = *handlers;
    l->ctx = ctx;
    l->index = index;
    l->limits = *limits;
    cws_link_init(&l->work);
    cws_link_init(&l->dead);
    cws_link_init(&l->pressure.waiting);
    pthread_mutex_init(&l->lock, NULL);
    const uint64_t now_ns = cws_clock_ns();
    l->now_ms = now_ns / 1000000;
    /* The microsecond of birth: a later loop with this index starts above every id of this one, at under 10^6 accepts a second. */
    l->next_id = now_ns / 1000 & ((UINT64_C(1) << ID_COUNTER_BITS) - 1);
    cws_wheel_init(&l->wheel, l->now_ms);
    l->rx = malloc(CWS_RX_BYTES);
    if (!open_descriptors(l) || !l->rx) {
        cws_loop_free(l);
        return NULL;
    }
    return l;
}

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Only when the loop never ran: cws_loop_run leaves an empty mailbox behind. */
static void free_mail(cws_loop *l)
{
    while (l->mail_first) {
        cws_mail *m = l->mail_first;
        l->mail_first = m->next;
        if (m->fn) {
            free(m);
            continue;
        }
        cws_conn *c = CWS_CONTAINER(m, cws_conn, mail);
        cws_link_init(&c->work);
        cws_conn_kill(c, CWS_R_LOOP_STOPPED);
        cws_link_remove(&c->work);
        cws_conn_free(c);
    }
}

void cws_loop_free(cws_loop *l)
{
    assert(!l->is_running);
    free_mail(l);
    cws_listener_close_all(l);
    free(l->listeners);
    free(l->table.slots);
    free(l->rx);
    free(l->tls_window.bytes);
    cws_message_free_lists(l);
    cws_deflate_free(&l->deflate);
    cws_outq_free_list(l);
    close_descriptor(l->epoll_fd);
    close_descriptor(l->wake_fd);
    close_descriptor(l->spare_fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

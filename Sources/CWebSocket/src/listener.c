/* Accepting: how many a turn, what to do without descriptors, and the socket options of what was accepted.
 * Runs on the loop's thread, except the cws_socket_* functions (any thread). Never spins on a listener it cannot serve:
 * without descriptors one waiting connection is dropped by way of the spare one, and accepting pauses for a moment.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

#define PAUSE_MS 100u
#define REFUSED_AT_ONCE 64u /* over the connection ceiling this many may linger with their 503, the next are just closed */

/* ---- registration */

static bool watch(cws_loop *l, const cws_listener *s)
{
    struct epoll_event e = {.events = EPOLLIN | (s->is_shared ? (uint32_t)EPOLLEXCLUSIVE : 0u), .data.u64 = s->data};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) == 0 || errno == EEXIST)
        return true;
    cws_set_last_error("epoll_ctl");
    return false;
}

cws_status cws_loop_listen_take(cws_loop *l, int fd, const cws_listener_options *options)
{
    CWS_ON_LOOP(l);
    if (options->expects_proxy_header && !l->on.trusts_proxy)
        return CWS_BAD_ARGUMENT;
    cws_listener *grown = realloc(l->listeners, (l->listener_count + 1) * sizeof *grown);
    if (!grown)
        return CWS_NO_MEMORY;
    l->listeners = grown;
    cws_listener *s = &grown[l->listener_count];
    *s = (cws_listener){
        .data = CWS_DATA_LISTENER | l->next_listener++,
        .fd = fd,
        .tag = options->tag,
        .is_shared = options->is_shared,
        .expects_proxy = options->expects_proxy_header,
        .tls = options->tls,
    };
    if (l->accept_resume_at_ms == 0 && !watch(l, s))
        return CWS_SYSTEM;
    if (s->tls)
        (void)cws_tls_retain(s->tls);
    l->listener_count++;
    return CWS_OK;
}

static void close_listener(cws_loop *l, cws_listener *s)
{
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    if (!s->is_shared)
        close(s->fd);
    if (s->tls)
        cws_tls_release(s->tls);
}

void cws_loop_unlisten(cws_loop *l, uint16_t tag)
{
    CWS_ON_LOOP(l);
    size_t kept = 0;
    for (size_t i = 0; i < l->listener_count; i++) {
        if (l->listeners[i].tag == tag)
            close_listener(l, &l->listeners[i]);
        else
            l->listeners[kept++] = l->listeners[i];
    }
    l->listener_count = kept;
}

void cws_listener_close_all(cws_loop *l)
{
    for (size_t i = 0; i < l->listener_count; i++)
        close_listener(l, &l->listeners[i]);
    l->listener_count = 0;
}

static void pause_accepting(cws_loop *l)
{
    for (size_t i = 0; i < l->listener_count; i++)
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, l->listeners[i].fd, NULL);
    l->accept_resume_at_ms = l->now_ms + PAUSE_MS;
    l->stats.accept_paused_count++;
}

void cws_listener_resume(cws_loop *l)
{
    l->accept_resume_at_ms = 0;
    if (l->spare_fd < 0)
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < l->listener_count; i++)
        if (!watch(l, &l->listeners[i]))
            l->accept_resume_at_ms = l->now_ms + PAUSE_MS;
}

/* ---- one accepted socket */

static void read_address(const struct sockaddr_storage *from, cws_address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *out = (cws_address){0};
    if (from->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        out->family = 4;
        memcpy(out->bytes, &v4.sin_addr, 4);
        out->port = ntohs(v4.sin_port);
    } else if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        const bool is_mapped = memcmp(&v6.sin6_addr, mapped, sizeof mapped) == 0;
        out->family = is_mapped ? 4 : 6;
        if (is_mapped)
            memcpy(out->bytes, (const uint8_t *)&v6.sin6_addr + 12, 4);
        else
            memcpy(out->bytes, &v6.sin6_addr, 16);
        out->port = ntohs(v6.sin6_port);
    }
}

static void set_option(int fd, int level, int name, uint32_t value)
{
    int v = value > INT32_MAX ? INT32_MAX : (int)value;
    (void)setsockopt(fd, level, name, &v, sizeof v); /* each is an improvement, none is needed */
}

static void set_options(const cws_loop *l, int fd, bool is_tcp)
{
    if (l->limits.send_buffer_bytes)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, l->limits.send_buffer_bytes);
    if (!is_tcp)
        return;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (l->limits.unsent_low_bytes)
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, l->limits.unsent_low_bytes);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, l->limits.write_timeout_ms);
}

static bool set_up(cws_conn *c, const cws_listener *s)
{
    if (s->expects_proxy)
        return cws_proxy_attach(c, s->tls);
    return !s->tls || cws_tls_attach(c, s->tls);
}

static void drop(cws_loop *l, int fd, cws_reason reason)
{
    l->stats.reason_count[reason]++;
    close(fd);
}

static void take(cws_loop *l, int fd, const cws_listener *s, const struct sockaddr_storage *from)
{
    cws_address peer;
    read_address(from, &peer);
    if (s->expects_proxy && !l->on.trusts_proxy(l->ctx, &peer)) {
        drop(l, fd, CWS_R_PROXY_HEADER);
        return;
    }
    set_options(l, fd, peer.family != 0);
    const uint64_t open_count = atomic_load_explicit(&cws_open_connections, memory_order_relaxed);
    const bool is_over = open_count >= l->limits.connection_count;
    /* Before a TLS handshake there is no way to say 503, and a handshake is what we cannot afford now. */
    const bool may_answer = !s->tls && !s->expects_proxy;
    if (is_over && (!may_answer || open_count >= (uint64_t)l->limits.connection_count + REFUSED_AT_ONCE)) {
        drop(l, fd, CWS_R_CONNECTION_LIMIT);
        return;
    }
    cws_conn *c = cws_conn_new(l, fd, s->tag, &peer);
    if (!c) {
        drop(l, fd, CWS_R_NO_MEMORY);
        return;
    }
    l->stats.accepted_count++;
    if (!set_up(c, s))
        cws_conn_kill(c, CWS_R_NO_MEMORY);
    else if (is_over)
        cws_http_refuse(c, CWS_R_CONNECTION_LIMIT, 503);
}

/* ---- the event */

static int accept_one(const cws_listener *s, struct sockaddr_storage *from)
{
    socklen_t n = sizeof *from;
    memset(from, 0, sizeof *from);
    return accept4(s->fd, (struct sockaddr *)from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void drop_one(cws_loop *l, const cws_listener *s)
{
    struct sockaddr_storage from;
    if (l->spare_fd >= 0)
        close(l->spare_fd);
    int fd = accept_one(s, &from);
    if (fd >= 0) {
        close(fd);
        l->stats.reason_count[CWS_R_NO_DESCRIPTORS]++;
    }
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_transient(int error)
{
    /* The connection is already gone, or its network is: accept(2) reports its error; the next one may be fine. */
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == ENETUNREACH ||
           error == EHOSTDOWN || error == EHOSTUNREACH || error == ENOPROTOOPT || error == EOPNOTSUPP || error == EPERM;
}

void cws_listener_event(cws_loop *l, uint64_t data)
{
    const cws_listener *s = NULL;
    for (size_t i = 0; i < l->listener_count; i++)
        if (l->listeners[i].data == data)
            s = &l->listeners[i];
    if (!s || l->accept_resume_at_ms)
        return;
    for (uint32_t i = 0; i < l->limits.accept_budget; i++) {
        struct sockaddr_storage from;
        int fd = accept_one(s, &from);
        if (fd >= 0) {
            take(l, fd, s, &from);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (!is_transient(errno)) {
            if (errno == EMFILE || errno == ENFILE)
                drop_one(l, s);
            pause_accepting(l);
            return;
        }
    }
}

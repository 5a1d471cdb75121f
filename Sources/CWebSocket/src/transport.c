/* The seam between the engine and the bytes' way: read, writev, shutdown. This is the plain one, straight onto the socket.
 * Runs on the loop's thread. Never blocks, never raises SIGPIPE, never reports an errno: four outcomes only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "internal.h"

static ssize_t outcome(ssize_t n)
{
    if (n >= 0)
        return n;
    return cws_is_again(errno) ? CWS_IO_AGAIN : CWS_IO_ERROR;
}

static ssize_t plain_read(cws_conn *c, uint8_t *p, size_t n)
{
    ssize_t got;
    do
        got = recv(c->fd, p, n, 0);
    while (got < 0 && errno == EINTR)
        ;
    return outcome(got);
}

static ssize_t plain_writev(cws_conn *c, const struct iovec *v, int count)
{
    ssize_t put;
    if (count == 1) { /* send() has less to read from us than sendmsg() */
        do
            put = send(c->fd, v[0].iov_base, v[0].iov_len, MSG_NOSIGNAL);
        while (put < 0 && errno == EINTR)
            ;
        return outcome(put);
    }
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)count};
    do
        put = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR)
        ;
    return outcome(put);
}

static bool plain_has_pending(cws_conn *c)
{
    (void)c;
    return false;
}

static bool plain_has_unread(cws_conn *c)
{
    int n = 0;
    return ioctl(c->fd, FIONREAD, &n) == 0 && n > 0;
}

static void plain_shutdown_write(cws_conn *c) { (void)shutdown(c->fd, SHUT_WR); }

static void plain_free_state(cws_conn *c) { (void)c; }

const cws_transport_ops cws_transport_plain = {
    .is_tls = false,
    .read = plain_read,
    .writev = plain_writev,
    .has_pending = plain_has_pending,
    .has_unread = plain_has_unread,
    .shutdown_write = plain_shutdown_write,
    .free_state = plain_free_state,
};

const cws_transport_ops *const cws_transports[CWS_TRANSPORT_COUNT] = {
    [CWS_TRANSPORT_PLAIN] = &cws_transport_plain,
    [CWS_TRANSPORT_PROXY] = &cws_transport_proxy,
    [CWS_TRANSPORT_TLS] = &cws_transport_tls,
};

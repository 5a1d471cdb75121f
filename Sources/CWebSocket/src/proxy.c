/* The transport while a PROXY header is still to come: reads exactly that header, then gives way to plain TCP or TLS.
 * Runs on the loop's thread. Decides whose connection this is from then on; the grammar is proxy_parse.c's, and whether the peer
 * may say so at all was asked at accept (listener.c). Never takes a byte that is not the header's.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

typedef struct proxy_state {
    cws_tls *tls;  /* one use, or NULL */
    size_t n;
    uint8_t bytes[CWS_PROXY_BYTES];
} proxy_state;

static void free_state(cws_conn *c)
{
    proxy_state *s = c->transport_state;
    if (s->tls)
        cws_tls_release(s->tls);
    free(s);
    c->transport_state = NULL;
}

static ssize_t receive(cws_conn *c, uint8_t *p, size_t n, int flags)
{
    ssize_t got;
    do
        got = recv(c->fd, p, n, flags);
    while (got < 0 && errno == EINTR)
        ;
    if (got >= 0)
        return got;
    return errno == EAGAIN || errno == EWOULDBLOCK ? CWS_IO_AGAIN : CWS_IO_ERROR;
}

static ssize_t give_way(cws_conn *c, const cws_proxy_header *h, uint8_t *p, size_t n)
{
    proxy_state *s = c->transport_state;
    cws_tls *tls = s->tls;
    if (h->has_source) {
        c->peer_family = h->source.family;
        c->peer_port = h->source.port;
        memcpy(c->peer_bytes, h->source.bytes, sizeof c->peer_bytes);
    }
    c->transport = CWS_TRANSPORT_PLAIN;
    c->setup = CWS_R_NONE;
    c->transport_state = NULL;
    const bool is_good = !tls || cws_tls_attach(c, tls);
    if (tls)
        cws_tls_release(tls);
    free(s);
    if (!is_good) {
        cws_conn_kill(c, CWS_R_NO_MEMORY);
        return CWS_IO_ERROR;
    }
    cws_conn_set_phase(c, c->loop->limits.head_timeout_ms);
    return cws_ops(c)->read(c, p, n);
}

static ssize_t proxy_read(cws_conn *c, uint8_t *p, size_t n)
{
    proxy_state *s = c->transport_state;
    cws_proxy_header h;
    /* A look first: what follows the header belongs to another protocol, and OpenSSL wants it from the socket. */
    ssize_t got = receive(c, s->bytes + s->n, sizeof s->bytes - s->n, MSG_PEEK);
    if (got <= 0)
        return got;
    const cws_parse result = cws_proxy_parse(&h, s->bytes, s->n + (size_t)got);
    if (result == CWS_PARSE_ERROR) {
        cws_conn_kill(c, CWS_R_PROXY_HEADER);
        return CWS_IO_ERROR;
    }
    const size_t take = result == CWS_PARSE_DONE ? h.header_n - s->n : (size_t)got;
    got = receive(c, s->bytes + s->n, take, 0);
    if (got < 0)
        return got;
    s->n += (size_t)got;
    if (result == CWS_PARSE_MORE || (size_t)got < take)
        return CWS_IO_AGAIN;
    return give_way(c, &h, p, n);
}

static ssize_t proxy_writev(cws_conn *c, const struct iovec *v, int count)
{
    (void)c, (void)v, (void)count;
    return CWS_IO_AGAIN; /* nothing is said before it is known to whom */
}

static bool has_none(cws_conn *c)
{
    (void)c;
    return false;
}

static void proxy_shutdown_write(cws_conn *c) { (void)shutdown(c->fd, SHUT_WR); }

const cws_transport_ops cws_transport_proxy = {
    .is_tls = false,
    .read = proxy_read,
    .writev = proxy_writev,
    .has_pending = has_none,
    .has_unread = has_none,
    .shutdown_write = proxy_shutdown_write,
    .free_state = free_state,
};

bool cws_proxy_attach(cws_conn *c, cws_tls *t)
{
    proxy_state *s = malloc(sizeof *s);
    if (!s)
        return false;
    s->tls = t ? cws_tls_retain(t) : NULL;
    s->n = 0;
    c->transport_state = s;
    c->transport = CWS_TRANSPORT_PROXY;
    c->setup = CWS_R_PROXY_HEADER;
    return true;
}

/* How records come in: one read of the socket for as many as are there, shown to OpenSSL as a BIO. OpenSSL asks for every record's head and
 * body by themselves, which on the socket would be two system calls a record.
 * Runs on the loop's thread, inside tls_read only. Decides how much is taken from the kernel at a time: what the reader still has room for,
 * so that hardly anything has to be kept. What has to be (no more records in this turn, or the answer to a KeyUpdate does not fit into the
 * socket) stays with the connection and counts as buffered. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_internal.h"

#define RECORD_HEAD_BYTES 5u           /* RFC 8446 5.1 */
#define WINDOW_BYTES (64u * 1024u)

/* ---- from where the bytes are */

static size_t take_kept(cws_tls_input *in, void *out, size_t n)
{
    cws_spill *s = in->kept;
    if (n > s->n - s->at)
        n = s->n - s->at;
    memcpy(out, s->bytes + s->at, n);
    s->at += (uint32_t)n;
    if (s->at == s->n) {
        free(s);
        in->kept = NULL;
    }
    return n;
}

static size_t take_window(cws_tls_window *w, void *out, size_t n)
{
    if (n > w->n - w->at)
        n = w->n - w->at;
    if (n > 0) /* else there may be no window */
        memcpy(out, w->bytes + w->at, n);
    w->at += n;
    return n;
}

static size_t from_socket(cws_tls_input *in, void *p, size_t n)
{
    ssize_t got;
    do
        got = recv(in->conn->fd, p, n, 0);
    while (got < 0 && errno == EINTR)
        ;
    if (got == 0)
        in->socket = CWS_TLS_SOCKET_ENDED;
    else if (got < 0)
        in->socket = cws_is_again(errno) ? CWS_TLS_SOCKET_EMPTY : CWS_TLS_SOCKET_BROKEN;
    else if ((size_t)got < n)
        in->socket = CWS_TLS_SOCKET_EMPTY;
    return got > 0 ? (size_t)got : 0;
}

/* The rest of a record that was begun in an earlier turn is read for itself. From a record's head on, the window takes no more than the
 * reader has room for; a record is longer than what is in it, so all of the window is used up by the time the reader has that much. */
static size_t fetch(cws_tls_input *in, void *out, size_t n)
{
    cws_tls_window *w = &in->conn->loop->tls_window;
    if (n > RECORD_HEAD_BYTES || in->room <= n || !w->bytes)
        return from_socket(in, out, n);
    w->at = 0;
    w->n = from_socket(in, w->bytes, in->room < WINDOW_BYTES ? in->room : WINDOW_BYTES);
    return take_window(w, out, n);
}

/* ---- what OpenSSL calls */

static int read_records(BIO *b, char *out, size_t n, size_t *got)
{
    cws_tls_input *in = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *got = in->kept ? take_kept(in, out, n) : take_window(&in->conn->loop->tls_window, out, n);
    if (*got == 0 && in->socket == CWS_TLS_SOCKET_UNREAD)
        *got = fetch(in, out, n);
    if (*got > 0)
        return 1;
    if (in->socket == CWS_TLS_SOCKET_EMPTY)
        BIO_set_retry_read(b);
    return 0;
}

static long control(BIO *b, int what, long n, void *p)
{
    const cws_tls_input *in = BIO_get_data(b);
    (void)n, (void)p;
    return what == BIO_CTRL_EOF && in->socket == CWS_TLS_SOCKET_ENDED;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

/* Kept to the end of the process: connections of any loop refer to it. */
static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "records");
    if (method && BIO_meth_set_read_ex(method, read_records) == 1 && BIO_meth_set_ctrl(method, control) == 1)
        return;
    BIO_meth_free(method);
    method = NULL;
}

/* ---- what tls.c calls */

bool cws_tls_input_attach(cws_tls_input *in, SSL *ssl)
{
    (void)pthread_once(&method_once, make_method);
    BIO *reading = method ? BIO_new(method) : NULL;
    BIO *writing = reading ? BIO_new_socket(in->conn->fd, BIO_NOCLOSE) : NULL; /* OpenSSL's own, which knows kernel TLS */
    if (!writing) {
        BIO_free(reading);
        return false;
    }
    BIO_set_data(reading, in);
    BIO_set_init(reading, 1);
    SSL_set_bio(ssl, reading, writing);
    return true;
}

void cws_tls_input_begin(cws_tls_input *in, size_t room)
{
    cws_tls_window *w = &in->conn->loop->tls_window;
    if (!w->bytes)
        w->bytes = malloc(WINDOW_BYTES); /* without it records are read one by one */
    w->at = w->n = 0;
    in->room = room;
    in->socket = CWS_TLS_SOCKET_UNREAD;
}

bool cws_tls_input_has_more(const cws_tls_input *in)
{
    const cws_tls_window *w = &in->conn->loop->tls_window;
    return in->kept || w->at < w->n;
}

bool cws_tls_input_end(cws_tls_input *in)
{
    cws_tls_window *w = &in->conn->loop->tls_window;
    const size_t left = w->n - w->at;
    in->socket = CWS_TLS_SOCKET_EMPTY; /* nothing is read for whoever only writes */
    if (left > 0) {
        in->kept = malloc(sizeof *in->kept + left);
        if (!in->kept)
            return false;
        *in->kept = (cws_spill){.n = (uint32_t)left};
        memcpy(in->kept->bytes, w->bytes + w->at, left);
        w->at = w->n;
    }
    return true;
}

/* See test_tls_client.h. SPDX-License-Identifier: Apache-2.0 */
#include "test_tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- certificates */

static char directory[] = "/tmp/cws-tls-XXXXXX";
static char file[64];

static void remove_files(void)
{
    (void)unlink(file);
    (void)rmdir(directory);
}

const char *tls_test_file(void)
{
    char error[256] = "";
    if (file[0] != '\0')
        return file;
    if (mkdtemp(directory) == NULL)
        abort();
    (void)snprintf(file, sizeof file, "%s/one.pem", directory);
    (void)atexit(remove_files);
    if (!CHECK(cws_tls_self_signed(file, "localhost, 127.0.0.1", error, sizeof error)))
        fprintf(stderr, "%s\n", error);
    return file;
}

cws_tls *tls_test_context(void)
{
    char error[256] = "";
    cws_tls *t = cws_tls_new(tls_test_file(), tls_test_file(), error, sizeof error);
    if (!CHECK(t != NULL)) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    return t;
}

size_t tls_client_hello(uint8_t *out, size_t n)
{
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(x);
    BIO *in = BIO_new(BIO_s_mem()), *made = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, made);
    (void)SSL_connect(ssl);
    const int got = BIO_read(made, out, (int)n);
    SSL_free(ssl);
    SSL_CTX_free(x);
    ERR_clear_error();
    return got > 0 ? (size_t)got : 0;
}

/* ---- the pump */

/* Of this thread only: the server's have to see to themselves. */
static void block_sigpipe(sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, before);
}

typedef struct way {
    uint8_t bytes[16384];
    size_t at, n;
    bool is_over;
} way;

/* From TLS to the test. False when nothing moved. */
static bool pump_down(tls_client *c, way *w)
{
    if (w->n > w->at) {
        const ssize_t put = send(c->inner, w->bytes + w->at, w->n - w->at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno != EAGAIN)
            w->is_over = true;
        w->at += put > 0 ? (size_t)put : 0;
        return put > 0;
    }
    if (w->is_over)
        return false;
    size_t got = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(c->ssl, w->bytes, sizeof w->bytes, &got);
    if (result == 1) {
        w->at = 0;
        w->n = got;
        return true;
    }
    const int why = SSL_get_error(c->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return false;
    c->saw_close_notify = why == SSL_ERROR_ZERO_RETURN;
    w->is_over = true;
    (void)shutdown(c->inner, SHUT_WR);
    return true;
}

static bool pump_up(tls_client *c, way *w)
{
    if (w->n > w->at) {
        size_t put = 0;
        ERR_clear_error();
        const int result = SSL_write_ex(c->ssl, w->bytes + w->at, w->n - w->at, &put);
        const int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, result);
        if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            w->at = w->n = 0;
        w->at += put;
        atomic_fetch_add(&c->sent, put);
        return put > 0;
    }
    if (w->is_over)
        return false;
    const ssize_t got = recv(c->inner, w->bytes, sizeof w->bytes, MSG_DONTWAIT);
    w->is_over = got == 0 || (got < 0 && errno != EAGAIN);
    if (got > 0) {
        w->at = 0;
        w->n = (size_t)got;
        for (unsigned i = 0; i < c->key_updates; i++) {
            (void)SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED);
            if (i + 1 < c->key_updates)
                (void)SSL_do_handshake(c->ssl); /* or the next would take its place */
        }
    }
    return got > 0 || w->is_over;
}

static void *pump(void *arg)
{
    tls_client *c = arg;
    way *down = calloc(1, sizeof *down), *up = calloc(1, sizeof *up);
    block_sigpipe(NULL);
    while (!(up->is_over && up->at == up->n)) {
        const bool came_down = pump_down(c, down), went_up = pump_up(c, up);
        if (came_down || went_up)
            continue;
        struct pollfd on[2] = {{.fd = c->socket, .events = 0}, {.fd = c->inner, .events = 0}};
        if (down->at < down->n)
            on[1].events |= POLLOUT;
        else if (!down->is_over)
            on[0].events |= POLLIN;
        if (up->at < up->n)
            on[0].events |= POLLOUT;
        else
            on[1].events |= POLLIN;
        if (on[0].events == 0)
            on[0].fd = -1;
        (void)poll(on, 2, 20000);
    }
    (void)SSL_shutdown(c->ssl);
    free(down);
    free(up);
    return NULL;
}

/* ---- opening and closing */

static SSL *new_ssl(const tls_wish *wish)
{
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (wish->version != 0) {
        SSL_CTX_set_security_level(x, wish->version < TLS1_2_VERSION ? 0 : 1);
        (void)SSL_CTX_set_min_proto_version(x, wish->version);
        (void)SSL_CTX_set_max_proto_version(x, wish->version);
    }
    SSL *ssl = SSL_new(x);
    SSL_CTX_free(x);
    if (wish->alpn != NULL) {
        uint8_t list[32];
        const size_t n = strlen(wish->alpn);
        list[0] = (uint8_t)n;
        memcpy(list + 1, wish->alpn, n);
        (void)SSL_set_alpn_protos(ssl, list, (unsigned)n + 1);
    }
    if (wish->session != NULL)
        (void)SSL_set_session(ssl, wish->session);
    return ssl;
}

static void describe(tls_client *c)
{
    const unsigned char *alpn = NULL;
    unsigned n = 0;
    unsigned char digest[32];
    c->version = SSL_version(c->ssl);
    c->is_resumed = SSL_session_reused(c->ssl) == 1;
    SSL_get0_alpn_selected(c->ssl, &alpn, &n);
    if (n > 0 && n < sizeof c->alpn)
        memcpy(c->alpn, alpn, n);
    X509 *x = SSL_get1_peer_certificate(c->ssl);
    if (x != NULL && X509_digest(x, EVP_sha256(), digest, &n) == 1)
        for (size_t i = 0; i < sizeof digest; i++)
            (void)snprintf(c->fingerprint + i * 3, sizeof c->fingerprint - i * 3, "%02X%s", digest[i], i < 31 ? ":" : "");
    X509_free(x);
}

static bool shake_hands(tls_client *c, const tls_wish *wish)
{
    sigset_t before;
    block_sigpipe(&before);
    ERR_clear_error();
    const bool is_done =
        (wish->prelude_n == 0 || client_send(c->socket, wish->prelude, wish->prelude_n)) && SSL_connect(c->ssl) == 1;
    ERR_clear_error();
    const struct timespec now = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    (void)sigtimedwait(&set, NULL, &now); /* one that is pending */
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_done;
}

bool tls_client_open(const fixture *f, const tls_wish *wish, tls_client *out)
{
    static const tls_wish none = {0};
    int pair[2];
    wish = wish != NULL ? wish : &none;
    *out = (tls_client){.key_updates = wish->key_updates};
    out->socket = wish->is_narrow ? client_connect_narrow(f) : client_connect(f);
    if (out->socket < 0)
        return false;
    out->ssl = new_ssl(wish);
    (void)SSL_set_fd(out->ssl, out->socket);
    if (!shake_hands(out, wish) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        SSL_free(out->ssl);
        close(out->socket);
        return false;
    }
    describe(out);
    (void)fcntl(out->socket, F_SETFL, O_NONBLOCK);
    const struct timeval limit = {.tv_sec = 20};
    (void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    out->fd = pair[0];
    out->inner = pair[1];
    return pthread_create(&out->thread, NULL, pump, out) == 0;
}

bool tls_client_send_through(tls_client *c, const void *p, size_t n)
{
    const size_t until = atomic_load(&c->sent) + n;
    if (!client_send(c->fd, p, n))
        return false;
    while (atomic_load(&c->sent) < until)
        (void)sched_yield();
    return true;
}

void tls_client_close(tls_client *c)
{
    close(c->fd);
    (void)pthread_join(c->thread, NULL);
    c->session = SSL_get1_session(c->ssl);
    if (c->session != NULL && !SSL_SESSION_is_resumable(c->session)) {
        SSL_SESSION_free(c->session);
        c->session = NULL;
    }
    SSL_free(c->ssl);
    close(c->inner);
    close(c->socket);
}

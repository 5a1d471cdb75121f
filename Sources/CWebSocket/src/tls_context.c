/* A server's certificate and the rules of its handshakes, shared by loops and replaceable while they run.
 * Any thread: a lock around one pointer, a count of users. Decides versions, ciphers, ALPN and tickets.
 * Never puts a key or what OpenSSL quotes from a file into an error text. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

/* TLS 1.2: forward secret and authenticated only. TLS 1.3 has no others. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

struct cws_tls {
    atomic_uint uses;
    pthread_mutex_t lock;
    SSL_CTX *context; /* under the lock; connections keep the one they began with alive */
};

void cws_tls_explain(const char *what, char *error, size_t n)
{
    const int system_error = errno;
    const unsigned long code = ERR_peek_error();
    const char *reason = NULL;
    char text[96];
    if (code && !ERR_SYSTEM_ERROR(code))
        reason = ERR_reason_error_string(code);
    if (!reason)
        reason = strerror_r(code ? ERR_GET_REASON(code) : system_error, text, sizeof text);
    (void)snprintf(error, n, "%s: %s", what, reason);
    ERR_clear_error();
}

/* ---- rules */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                           unsigned in_n, void *arg)
{
    static const char http11[] = "http/1.1";
    (void)ssl, (void)arg;
    for (unsigned at = 0; at < in_n; at += 1u + in[at]) {
        if (in[at] != sizeof http11 - 1 || in_n - at - 1 < in[at] || memcmp(in + at + 1, http11, sizeof http11 - 1) != 0)
            continue;
        *out = in + at + 1;
        *out_n = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
}

/* A daemon has nobody to ask, and OpenSSL would ask on the terminal. */
static int no_passphrase(char *out, int n, int is_writing, void *arg)
{
    (void)out, (void)n, (void)is_writing, (void)arg;
    return -1;
}

static bool set_rules(SSL_CTX *x)
{
    static const unsigned char name[] = "linkrelay";
    /* Many a client just closes; lengths are HTTP's and RFC 6455's business. No SSL_OP_ENABLE_KTLS: see docs/adr/0011-tls.md. */
    SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* With it a stream of KeyUpdates, which carry nothing, would keep one SSL_read busy for ever. */
    SSL_CTX_clear_mode(x, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(x, 0); /* tls_records.c reads ahead, and knows what it has */
    /* Tickets keep the state at the peer; early data stays off (OpenSSL's default), because it can be replayed. */
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(x, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(x, no_passphrase);
    return SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(x, CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(x, GROUPS) == 1 &&
           SSL_CTX_set_session_id_context(x, name, sizeof name - 1) == 1;
}

static SSL_CTX *load(const char *certificate_path, const char *key_path, char *error, size_t error_n)
{
    ERR_clear_error();
    errno = 0;
    SSL_CTX *x = SSL_CTX_new(TLS_server_method());
    const char *what = NULL;
    if (!x || !set_rules(x))
        what = "TLS cannot be set up";
    else if (SSL_CTX_use_certificate_chain_file(x, certificate_path) != 1)
        what = "the certificate cannot be used";
    else if (SSL_CTX_use_PrivateKey_file(x, key_path, SSL_FILETYPE_PEM) != 1)
        what = "the private key cannot be used";
    if (!what)
        return x; /* SSL_CTX_use_PrivateKey_file has compared the two */
    cws_tls_explain(what, error, error_n);
    SSL_CTX_free(x);
    return NULL;
}

/* ---- the handle */

cws_tls *cws_tls_new(const char *certificate_path, const char *key_path, char *error, size_t error_n)
{
    cws_tls *t = malloc(sizeof *t);
    if (!t) {
        cws_tls_explain("TLS cannot be set up", error, error_n);
        return NULL;
    }
    t->context = load(certificate_path, key_path, error, error_n);
    if (!t->context) {
        free(t);
        return NULL;
    }
    atomic_init(&t->uses, 1);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

bool cws_tls_reload(cws_tls *t, const char *certificate_path, const char *key_path, char *error, size_t error_n)
{
    SSL_CTX *fresh = load(certificate_path, key_path, error, error_n);
    if (!fresh)
        return false;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->context;
    t->context = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return true;
}

cws_tls *cws_tls_retain(cws_tls *t)
{
    atomic_fetch_add_explicit(&t->uses, 1, memory_order_relaxed);
    return t;
}

void cws_tls_release(cws_tls *t)
{
    if (atomic_fetch_sub_explicit(&t->uses, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(t->context);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

SSL *cws_tls_open(cws_tls *t)
{
    pthread_mutex_lock(&t->lock);
    SSL *ssl = SSL_new(t->context);
    pthread_mutex_unlock(&t->lock);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

void cws_tls_fingerprint(cws_tls *t, char *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    out[0] = '\0';
    pthread_mutex_lock(&t->lock);
    const bool is_taken = X509_digest(SSL_CTX_get0_certificate(t->context), EVP_sha256(), digest, &n) == 1;
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; is_taken && i < n && i < CWS_FINGERPRINT_CHARS / 3; i++)
        (void)snprintf(out + (size_t)i * 3, CWS_FINGERPRINT_CHARS - (size_t)i * 3, "%02X%s", digest[i], i + 1 < n ? ":" : "");
}

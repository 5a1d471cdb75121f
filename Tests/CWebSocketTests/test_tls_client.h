/* A TLS client for the fixture's server: a thread of its own turns a socket pair into TLS, so that every client_* function works on `fd`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_TLS_CLIENT_H
#define TEST_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "test_loop_fixture.h"

typedef struct tls_wish {
    int version;               /* TLS1_2_VERSION; 0: whatever the two can */
    const char *alpn;          /* one protocol; NULL offers none */
    SSL_SESSION *session;      /* to resume */
    const void *prelude;       /* sent before the handshake */
    size_t prelude_n;
    unsigned key_updates;      /* TLS 1.3: so many times new keys before every write */
    bool is_narrow;            /* small kernel buffers */
} tls_wish;

typedef struct tls_client {
    int fd;                    /* inside TLS */
    /* after the handshake */
    int version;
    bool is_resumed;
    char alpn[32];
    char fingerprint[CWS_FINGERPRINT_CHARS];
    /* after tls_client_close */
    bool saw_close_notify;
    SSL_SESSION *session;      /* NULL if no ticket came; the caller frees */
    /* the client's own */
    int inner, socket;
    SSL *ssl;
    unsigned key_updates;
    atomic_size_t sent;        /* bytes that went into TLS and to the socket */
    pthread_t thread;
} tls_client;

/* False when the handshake failed; nothing is left open then. */
bool tls_client_open(const fixture *f, const tls_wish *wish, tls_client *out);
void tls_client_close(tls_client *c);
/* Sends, and waits until the socket has it all. */
bool tls_client_send_through(tls_client *c, const void *p, size_t n);

/* A certificate file of the test's own in a directory of the test's own; the same for all tests of one run. */
const char *tls_test_file(void);
/* A context with it; the caller releases it. */
cws_tls *tls_test_context(void);
/* The first bytes of a client that begins a handshake; returns how many. */
size_t tls_client_hello(uint8_t *out, size_t n);

#endif

/* What the files of TLS have of each other: how a connection is begun (tls_context.c) and how its records come in (tls_records.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWS_TLS_INTERNAL_H
#define CWS_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "internal.h"

/* ---- tls_context.c, any thread */

/* A server's side of one connection under the present certificate; NULL: no memory. */
SSL *cws_tls_open(cws_tls *t);
/* "what: why", from OpenSSL's queue (which it empties) or else from errno. */
void cws_tls_explain(const char *what, char *error, size_t n);

/* ---- tls_records.c, the loop's thread */

/* As far as this turn knows; empty also whenever nothing is being read. */
typedef enum cws_tls_socket {
    CWS_TLS_SOCKET_EMPTY, CWS_TLS_SOCKET_UNREAD, CWS_TLS_SOCKET_ENDED, CWS_TLS_SOCKET_BROKEN
} cws_tls_socket;
/* One connection's encrypted input. Stays where it is for as long as the SSL lives. */
typedef struct cws_tls_input {
    cws_conn *conn;
    cws_spill *kept;       /* read before, comes first; its owner frees it */
    size_t room;           /* what the reader can still take, decrypted */
    cws_tls_socket socket;
} cws_tls_input;
/* Makes ssl read through `in` and write to the connection's socket. False: no memory. */
bool cws_tls_input_attach(cws_tls_input *in, SSL *ssl);
/* Around all that reads in a turn. End false: no memory for what is left, which is lost. */
void cws_tls_input_begin(cws_tls_input *in, size_t room);
bool cws_tls_input_end(cws_tls_input *in);
/* Between the two: are there bytes that OpenSSL has not seen? */
bool cws_tls_input_has_more(const cws_tls_input *in);

#endif

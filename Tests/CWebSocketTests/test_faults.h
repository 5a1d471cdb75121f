/* Exchanges with the engine while something fails under it: the n-th allocation or system call of a kind that its loops make, once or from
 * then on. Whoever that hits is answered or cut off, never left waiting; the next one is served, and nothing stays behind.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_FAULTS_H
#define TEST_FAULTS_H

#include "test_tls_client.h"

typedef enum fault_kind {
    FAULT_MEMORY,
    FAULT_ACCEPT,
    FAULT_RECV,
    FAULT_SEND,
    FAULT_SENDMSG,
    FAULT_EPOLL_CTL,
    FAULT_EPOLL_WAIT,
} fault_kind;

typedef struct fault {
    const char *name;
    fault_kind kind;
    int error;        /* errno; 0: only half of the bytes */
    bool is_noticed;  /* the peer may be cut off */
    bool is_lasting;
} fault;

/* Whether this call of the caller's thread is to fail; `error` is what to put into errno. */
bool fault_hits(fault_kind kind, int *error);

/* Every exchange with each of its calls failing in turn, or with some of them where there are many. */
void fault_everywhere(const fault *what);

#endif

/* Memory runs out in the engine, or the kernel refuses a call of its loops. The Makefile has the linker lead these functions here; those that
 * OpenSSL and zlib call are not among them. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "test_faults.h"

/* ---- memory */

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

static bool is_out_of_memory(void)
{
    int error = 0;
    return fault_hits(FAULT_MEMORY, &error);
}

void *__wrap_malloc(size_t n) { return is_out_of_memory() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t count, size_t n) { return is_out_of_memory() ? NULL : __real_calloc(count, n); }
void *__wrap_realloc(void *p, size_t n) { return is_out_of_memory() ? NULL : __real_realloc(p, n); }

TEST(faults_memory)
{
    static const fault once = {"no memory once", FAULT_MEMORY, ENOMEM, true, false}, on = {"no memory", FAULT_MEMORY, ENOMEM, true, true};
    fault_everywhere(&once);
    fault_everywhere(&on);
}

/* ---- system calls */

int __real_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags);
ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *e);
int __real_epoll_wait(int set, struct epoll_event *e, int n, int ms);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *e);
int __wrap_epoll_wait(int set, struct epoll_event *e, int n, int ms);

/* True: the call fails with errno, unless errno is 0: then it does half. */
static bool goes_wrong(fault_kind kind)
{
    int error;
    if (!fault_hits(kind, &error))
        return false;
    errno = error;
    return true;
}

int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags)
{
    return goes_wrong(FAULT_ACCEPT) ? -1 : __real_accept4(fd, from, n, flags);
}

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
    if (!goes_wrong(FAULT_RECV))
        return __real_recv(fd, p, n, flags);
    return errno ? -1 : __real_recv(fd, p, n > 7 ? 7 : n, flags);
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
    if (!goes_wrong(FAULT_SEND))
        return __real_send(fd, p, n, flags);
    return errno ? -1 : __real_send(fd, p, n / 2 + 1, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (!goes_wrong(FAULT_SENDMSG))
        return __real_sendmsg(fd, m, flags);
    return errno ? -1 : __real_send(fd, m->msg_iov[0].iov_base, m->msg_iov[0].iov_len / 2 + 1, flags);
}

int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *e)
{
    return goes_wrong(FAULT_EPOLL_CTL) ? -1 : __real_epoll_ctl(set, op, fd, e);
}

int __wrap_epoll_wait(int set, struct epoll_event *e, int n, int ms)
{
    return goes_wrong(FAULT_EPOLL_WAIT) ? -1 : __real_epoll_wait(set, e, n, ms);
}

static const fault calls[] = {
    {"accept interrupted", FAULT_ACCEPT, EINTR, false, false},
    {"nobody to accept", FAULT_ACCEPT, EAGAIN, false, false},
    {"gone before accept", FAULT_ACCEPT, ECONNABORTED, false, false},
    {"accept without memory", FAULT_ACCEPT, ENOMEM, false, false},
    {"accept without descriptors", FAULT_ACCEPT, EMFILE, true, false},
    {"recv interrupted", FAULT_RECV, EINTR, false, false},
    {"nothing to receive", FAULT_RECV, EAGAIN, false, false},
    {"recv of little", FAULT_RECV, 0, false, false},
    {"recv of little, always", FAULT_RECV, 0, false, true},
    {"recv without memory", FAULT_RECV, ENOMEM, true, false},
    {"recv after a reset", FAULT_RECV, ECONNRESET, true, false},
    {"send interrupted", FAULT_SEND, EINTR, false, false},
    {"no room to send", FAULT_SEND, EAGAIN, false, false},
    {"send of half", FAULT_SEND, 0, false, false},
    {"send of half, always", FAULT_SEND, 0, false, true},
    {"send without memory", FAULT_SEND, ENOBUFS, true, false},
    {"send to nobody", FAULT_SEND, EPIPE, true, false},
    {"sendmsg interrupted", FAULT_SENDMSG, EINTR, false, false},
    {"no room for sendmsg", FAULT_SENDMSG, EAGAIN, false, false},
    {"sendmsg of half", FAULT_SENDMSG, 0, false, true},
    {"sendmsg to nobody", FAULT_SENDMSG, EPIPE, true, false},
    {"no memory to watch", FAULT_EPOLL_CTL, ENOMEM, true, false},
    {"too many watched", FAULT_EPOLL_CTL, ENOSPC, true, true},
    {"wait interrupted", FAULT_EPOLL_WAIT, EINTR, false, false},
};

TEST(faults_calls)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        fault_everywhere(&calls[i]);
}

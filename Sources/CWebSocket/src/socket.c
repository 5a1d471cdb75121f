/* Opening listening sockets, and the text of the last system failure. Any thread. Never resolves a name.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

static _Thread_local char last_error[160];

const char *cws_last_error(void) { return last_error; }

void cws_set_last_error(const char *what)
{
    char text[96];
    const char *message = strerror_r(errno, text, sizeof text);
    (void)snprintf(last_error, sizeof last_error, "%s: %s", what, message);
}

static cws_status failure(const char *what, int fd)
{
    const cws_status s = errno == EADDRINUSE ? CWS_ADDRESS_IN_USE : CWS_SYSTEM;
    cws_set_last_error(what);
    if (fd >= 0)
        close(fd);
    return s;
}

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
} address;

static socklen_t numeric_address(const char *host, uint16_t port, address *a)
{
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        return sizeof a->v4;
    }
    if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(port);
        return sizeof a->v6;
    }
    return 0;
}

cws_status cws_socket_listen(const char *host, uint16_t port, bool reuse_port, int backlog, int *fd, uint16_t *bound_port)
{
    address a;
    socklen_t n = numeric_address(host, port, &a);
    if (n == 0)
        return CWS_BAD_ARGUMENT;
    const int one = 1, zero = 0;
    int s = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return failure("socket", -1);
    (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (reuse_port && setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
        return failure("SO_REUSEPORT", s);
    if (a.any.sa_family == AF_INET6)
        (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(s, &a.any, n) != 0)
        return failure("bind", s);
    if (listen(s, backlog) != 0)
        return failure("listen", s);
    if (getsockname(s, &a.any, &n) != 0)
        return failure("getsockname", s);
    *bound_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    *fd = s;
    return CWS_OK;
}

/* A socket file outlives its process; only one that nobody answers at may be taken away. */
static bool is_stale(const char *path, const address *a)
{
    struct stat present;
    if (lstat(path, &present) != 0 || !S_ISSOCK(present.st_mode))
        return false;
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return false;
    const bool is_refused = connect(s, &a->any, sizeof a->local) != 0 && errno == ECONNREFUSED;
    close(s);
    return is_refused;
}

cws_status cws_socket_listen_unix(const char *path, uint32_t mode, int *fd)
{
    address a;
    memset(&a, 0, sizeof a);
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof a.local.sun_path)
        return CWS_BAD_ARGUMENT;
    a.local.sun_family = AF_UNIX;
    memcpy(a.local.sun_path, path, n);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return failure("socket", -1);
    if (is_stale(path, &a))
        (void)unlink(path);
    if (bind(s, &a.any, sizeof a.local) != 0)
        return failure("bind", s);
    if (chmod(path, (mode_t)mode) != 0)
        return failure("chmod", s);
    if (listen(s, SOMAXCONN) != 0)
        return failure("listen", s);
    *fd = s;
    return CWS_OK;
}

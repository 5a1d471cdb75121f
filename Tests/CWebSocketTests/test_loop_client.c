/* The fixture's clients: blocking sockets that speak as much HTTP and WebSocket as the tests need.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "test_loop_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int connect_with(const fixture *f, int buffer)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    const struct timeval limit = {.tv_sec = 20};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (buffer > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int client_connect(const fixture *f) { return connect_with(f, 0); }
int client_connect_narrow(const fixture *f) { return connect_with(f, 8192); }

bool client_send(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        const ssize_t put = send(fd, at, n, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        at += put;
        n -= (size_t)put;
    }
    return true;
}

bool client_send_text(int fd, const char *s) { return client_send(fd, s, strlen(s)); }

bool client_send_slowly(int fd, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!client_send(fd, (const char *)p + i, 1))
            return false;
    return true;
}

bool client_read(int fd, void *p, size_t n)
{
    char *at = p;
    while (n > 0) {
        const ssize_t got = recv(fd, at, n, 0);
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

bool client_at_end(int fd)
{
    char byte;
    const ssize_t got = recv(fd, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static bool read_until(int fd, char *out, size_t capacity, const char *end)
{
    const size_t end_n = strlen(end);
    for (size_t n = 0; n + 1 < capacity; n++) {
        if (!client_read(fd, out + n, 1))
            return false;
        out[n + 1] = '\0';
        if (n + 1 >= end_n && memcmp(out + n + 1 - end_n, end, end_n) == 0)
            return true;
    }
    return false;
}

bool client_response_read(int fd, client_response *r, bool is_head_request)
{
    *r = (client_response){0};
    if (!read_until(fd, r->head, sizeof r->head, "\r\n\r\n") || sscanf(r->head, "HTTP/1.1 %d", &r->status) != 1)
        return false;
    if (is_head_request || r->status < 200)
        return true;
    if (strstr(r->head, "Transfer-Encoding: chunked") != NULL) {
        if (!read_until(fd, r->body, sizeof r->body, "0\r\n\r\n"))
            return false;
        r->body_n = strlen(r->body);
        return true;
    }
    const char *length = strstr(r->head, "Content-Length: ");
    if (length == NULL)
        return true;
    r->body_n = (size_t)strtoul(length + 16, NULL, 10);
    return r->body_n < sizeof r->body && client_read(fd, r->body, r->body_n);
}

bool client_upgrade_with(int fd, const char *lines, char *head)
{
    return client_send_text(fd, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") &&
           client_send_text(fd, lines) && client_send_text(fd, "\r\n") && read_until(fd, head, 1024, "\r\n\r\n") && strncmp(head, "HTTP/1.1 101 ", 13) == 0 &&
           strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL && strstr(head, "X-Test: yes") != NULL;
}

bool client_upgrade(int fd)
{
    char head[1024];
    return client_upgrade_with(fd, "", head);
}

int client_websocket(const fixture *f)
{
    const int fd = client_connect(f);
    CHECK(client_upgrade(fd));
    return fd;
}

size_t client_frame(uint8_t *out, uint8_t first_byte, const void *p, size_t n)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;
    out[at++] = first_byte;
    if (n < 126)
        out[at++] = (uint8_t)(0x80u | n);
    else {
        const int width = n < 65536 ? 2 : 8;
        out[at++] = (uint8_t)(0x80u | (width == 2 ? 126u : 127u));
        for (int i = width - 1; i >= 0; i--)
            out[at++] = (uint8_t)(n >> (8 * i));
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        out[at + i] = (uint8_t)(((const uint8_t *)p)[i] ^ mask[i & 3]);
    return at + n;
}

bool client_send_frame(int fd, uint8_t first_byte, const void *p, size_t n)
{
    uint8_t *out = malloc(n + 14);
    if (out == NULL)
        return false;
    const bool is_sent = client_send(fd, out, client_frame(out, first_byte, p, n));
    free(out);
    return is_sent;
}

bool client_frame_read(int fd, client_message *m)
{
    uint8_t head[2], wide[8];
    *m = (client_message){0};
    if (!client_read(fd, head, 2))
        return false;
    m->first_byte = head[0];
    m->n = head[1] & 0x7Fu;
    const size_t width = m->n == 126 ? 2 : m->n == 127 ? 8 : 0;
    if (width > 0) {
        if (!client_read(fd, wide, width))
            return false;
        m->n = 0;
        for (size_t i = 0; i < width; i++)
            m->n = m->n << 8 | wide[i];
    }
    m->bytes = malloc(m->n + 1);
    return m->bytes != NULL && client_read(fd, m->bytes, m->n);
}

bool client_expect(int fd, uint8_t first_byte, const void *p, size_t n)
{
    client_message m;
    const bool is_read = client_frame_read(fd, &m);
    const bool is_same = is_read && m.first_byte == first_byte && m.n == n && (n == 0 || memcmp(m.bytes, p, n) == 0);
    free(m.bytes);
    return is_same;
}

bool client_expect_close(int fd, uint16_t code)
{
    client_message m;
    const bool is_read = client_frame_read(fd, &m);
    const int got = is_read && m.n >= 2 ? m.bytes[0] << 8 | m.bytes[1] : 1005;
    const bool is_same = is_read && m.first_byte == FIN_CLOSE && got == code;
    free(m.bytes);
    return is_same;
}

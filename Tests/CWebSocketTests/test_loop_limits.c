/* Where the process or the machine says no: connections, descriptors, addresses; and the names of it all.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_loop_fixture.h"

TEST(loop_connection_ceiling)
{
    fixture f;
    fixture_init(&f);
    f.limits.connection_count = 3;
    CHECK(fixture_start(&f));
    int fds[4];
    for (int i = 0; i < 3; i++)
        fds[i] = client_websocket(&f);
    fds[3] = client_connect(&f);
    client_response r;
    CHECK(client_response_read(fds[3], &r, false) && r.status == 503 && strstr(r.head, "Retry-After: ") != NULL);
    CHECK(client_at_end(fds[3]));
    close(fds[3]);
    CHECK(fixture_reason(&f, 0) == CWS_R_CONNECTION_LIMIT);
    close(fds[0]);
    CHECK(fixture_wait(&f, &f.end_count, 2));
    fds[0] = client_websocket(&f);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    fixture_stop(&f);
}

/* The kernel spreads connections over the loops as it likes. */
TEST(loop_connection_ceiling_is_of_all_loops)
{
    fixture f;
    fixture_init(&f);
    f.loop_count = 2;
    f.limits.connection_count = 4;
    CHECK(fixture_start(&f));
    int fds[5];
    for (int i = 0; i < 4; i++) {
        fds[i] = client_websocket(&f);
        CHECK(client_send_frame(fds[i], FIN_TEXT, i == 0 ? "!move" : "x", i == 0 ? 5 : 1));
    }
    CHECK(fixture_wait(&f, &f.adopted_count, 1));
    fds[4] = client_connect(&f);
    client_response r;
    CHECK(client_response_read(fds[4], &r, false) && r.status == 503);
    close(fds[4]);
    CHECK(fixture_reason(&f, 0) == CWS_R_CONNECTION_LIMIT);
    close(fds[0]);
    CHECK(fixture_wait(&f, &f.end_count, 2));
    fds[0] = client_websocket(&f);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    fixture_stop(&f);
}

/* In a child, whose descriptors are few: existing connections go on, some newcomers are dropped, accepting comes back. */
static int run_out_of_descriptors(void)
{
    fixture f;
    fixture_init(&f);
    if (!fixture_start(&f))
        return 2;
    const int first = client_connect(&f);
    if (!client_upgrade(first))
        return 3;
    int clients[8], spare[64], spare_count = 0;
    for (int i = 0; i < 8; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    const struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 4;
    while (spare_count < 64 && (spare[spare_count] = open("/dev/null", O_RDONLY)) >= 0)
        spare_count++;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 8; i++)
        if (connect(clients[i], (const struct sockaddr *)&to, sizeof to) != 0)
            return 5;
    cws_loop_stats stats = fixture_stats(&f.sides[0]);
    while (stats.accept_paused_count < 2)
        stats = fixture_stats(&f.sides[0]);
    if (stats.reason_count[CWS_R_NO_DESCRIPTORS] < 1)
        return 6;
    const uint64_t turns = stats.turns_count;
    if (!client_send_frame(first, FIN_TEXT, "alive", 5) || !client_expect(first, FIN_TEXT, "alive", 5))
        return 7;
    for (int i = 0; i < spare_count; i++)
        close(spare[i]);
    while (stats.accepted_count < 3) /* the first, and some of those that waited */
        stats = fixture_stats(&f.sides[0]);
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    close(first);
    fixture_stop(&f);
    return turns > 0 ? 0 : 8;
}

TEST(loop_runs_out_of_descriptors)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0)
        _exit(run_out_of_descriptors());
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST(loop_sockets)
{
    int a = -1, b = -1;
    uint16_t port = 0, other = 0;
    CHECK(cws_socket_listen("127.0.0.1", 0, false, 8, &a, &port) == CWS_OK && port != 0);
    CHECK(cws_socket_listen("127.0.0.1", port, false, 8, &b, &other) == CWS_ADDRESS_IN_USE);
    CHECK(strstr(cws_last_error(), "bind: ") == cws_last_error());
    CHECK(cws_socket_listen("localhost", 0, false, 8, &b, &other) == CWS_BAD_ARGUMENT);
    close(a);
    CHECK(cws_socket_listen("127.0.0.1", 0, true, 8, &a, &port) == CWS_OK);
    CHECK(cws_socket_listen("127.0.0.1", port, true, 8, &b, &other) == CWS_OK && other == port);
    close(a);
    close(b);
    char path[64];
    snprintf(path, sizeof path, "/tmp/cws-test-%d.sock", (int)getpid());
    struct stat s;
    CHECK(cws_socket_listen_unix(path, 0600, &a) == CWS_OK && stat(path, &s) == 0 && (s.st_mode & 0777) == 0600);
    /* Somebody listens there; then nobody does any more; then it is no socket at all. */
    CHECK(cws_socket_listen_unix(path, 0660, &b) == CWS_ADDRESS_IN_USE && stat(path, &s) == 0);
    close(a);
    CHECK(cws_socket_listen_unix(path, 0660, &b) == CWS_OK && stat(path, &s) == 0 && (s.st_mode & 0777) == 0660);
    close(b);
    unlink(path);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL && fclose(file) == 0);
    CHECK(cws_socket_listen_unix(path, 0660, &b) == CWS_ADDRESS_IN_USE && stat(path, &s) == 0 && S_ISREG(s.st_mode));
    unlink(path);
}

TEST(loop_names)
{
    for (unsigned r = 0; r < CWS_R_COUNT; r++) {
        CHECK(cws_reason_name((cws_reason)r) != NULL && strlen(cws_reason_name((cws_reason)r)) > 2);
        for (unsigned k = 0; k < r; k++)
            CHECK(strcmp(cws_reason_name((cws_reason)r), cws_reason_name((cws_reason)k)) != 0);
    }
    for (int s = CWS_OK; s >= CWS_BAD_HANDSHAKE; s--)
        CHECK(strlen(cws_status_text((cws_status)s)) > 1);
}

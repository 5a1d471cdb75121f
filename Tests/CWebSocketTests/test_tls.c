/* TLS on the loop: versions, ALPN, tickets, reloading, and what peers do wrong. See test_tls_load.c for bytes under load.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "test_tls_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void start(fixture *f)
{
    f->tls = tls_test_context();
    if (!CHECK(fixture_start(f)))
        abort();
}

static void stop(fixture *f)
{
    fixture_stop(f);
    cws_tls_release(f->tls);
}

static void start_default(fixture *f)
{
    fixture_init(f);
    start(f);
}

static bool says(int fd, const char *request, int status, const char *body)
{
    client_response r;
    return client_send_text(fd, request) && client_response_read(fd, &r, false) && r.status == status &&
           r.body_n == strlen(body) && memcmp(r.body, body, r.body_n) == 0;
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

TEST(tls_both_versions)
{
    fixture f;
    start_default(&f);
    for (size_t i = 0; i < 2; i++) {
        tls_client c;
        const tls_wish wish = {.version = versions[i], .alpn = "http/1.1"};
        if (!CHECK(tls_client_open(&f, &wish, &c)))
            continue;
        CHECK(c.version == versions[i] && strcmp(c.alpn, "http/1.1") == 0);
        CHECK(says(c.fd, HELLO, 200, "hello"));
        CHECK(says(c.fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd", 200, "abcd"));
        CHECK(fixture_stats(&f.sides[0]).tls_count == 1);
        CHECK(says(c.fd, "GET /bye HTTP/1.1\r\nHost: x\r\n\r\n", 200, "bye") && client_at_end(c.fd));
        tls_client_close(&c);
        SSL_SESSION_free(c.session);
        CHECK(c.saw_close_notify);
        CHECK(fixture_reason(&f, (unsigned)i) == CWS_R_LOCAL_CLOSE);
    }
    const cws_loop_stats stats = fixture_stats(&f.sides[0]);
    CHECK(stats.handshakes_count == 2 && stats.resumed_count == 0 && stats.tls_count == 0);
    stop(&f);
}

TEST(tls_refuses)
{
    fixture f;
    start_default(&f);
    static const tls_wish wishes[] = {{.version = TLS1_1_VERSION}, {.alpn = "h2"}, {.alpn = "http/1.0"}};
    for (unsigned i = 0; i < 3; i++) {
        tls_client c;
        CHECK(!tls_client_open(&f, &wishes[i], &c));
        CHECK(fixture_reason(&f, i) == CWS_R_TLS_FAILED);
    }
    CHECK(fixture_stats(&f.sides[0]).reason_count[CWS_R_TLS_FAILED] == 3);
    stop(&f);
}

TEST(tls_tickets_until_reload)
{
    fixture f;
    char other[80], error[256], before[CWS_FINGERPRINT_CHARS], after[CWS_FINGERPRINT_CHARS];
    start_default(&f);
    (void)snprintf(other, sizeof other, "%s.other", tls_test_file());
    CHECK(cws_tls_self_signed(other, "localhost", error, sizeof error));
    cws_tls_fingerprint(f.tls, before);
    for (size_t i = 0; i < 2; i++) {
        tls_client first, second, third;
        tls_wish wish = {.version = versions[i]};
        CHECK(tls_client_open(&f, &wish, &first) && says(first.fd, HELLO, 200, "hello"));
        tls_client_close(&first);
        CHECK(first.session != NULL);
        wish.session = first.session;
        CHECK(tls_client_open(&f, &wish, &second) && second.is_resumed && says(second.fd, HELLO, 200, "hello"));
        CHECK(cws_tls_reload(f.tls, other, other, error, sizeof error));
        cws_tls_fingerprint(f.tls, after);
        CHECK(strcmp(before, after) != 0);
        /* The open one goes on; a new one meets the new certificate and starts afresh. */
        CHECK(says(second.fd, HELLO, 200, "hello"));
        CHECK(tls_client_open(&f, &wish, &third) && !third.is_resumed && says(third.fd, HELLO, 200, "hello"));
        CHECK(strcmp(third.fingerprint, after) == 0);
        tls_client_close(&second);
        tls_client_close(&third);
        SSL_SESSION_free(first.session);
        SSL_SESSION_free(second.session);
        SSL_SESSION_free(third.session);
        CHECK(cws_tls_reload(f.tls, tls_test_file(), tls_test_file(), error, sizeof error));
    }
    CHECK(!cws_tls_reload(f.tls, "/nowhere", other, error, sizeof error) && strstr(error, "No such file") != NULL);
    cws_tls_fingerprint(f.tls, after);
    CHECK(strcmp(before, after) == 0);
    CHECK(fixture_stats(&f.sides[0]).resumed_count == 2);
    (void)unlink(other);
    stop(&f);
}

TEST(tls_plain_bytes_end_their_connection_only)
{
    fixture f;
    tls_client c;
    client_response r;
    start_default(&f);
    CHECK(tls_client_open(&f, NULL, &c) && says(c.fd, HELLO, 200, "hello"));
    const int plain = client_connect(&f);
    CHECK(client_send_text(plain, HELLO) && client_response_read(plain, &r, false) && r.status == 400);
    CHECK(client_at_end(plain));
    close(plain);
    CHECK(fixture_reason(&f, 0) == CWS_R_TLS_FAILED);
    const int noise = client_connect(&f);
    CHECK(client_send(noise, "\x16\x03\x01\xff\xff\x01", 6));
    CHECK(fixture_reason(&f, 1) == CWS_R_TLS_FAILED);
    close(noise);
    CHECK(says(c.fd, HELLO, 200, "hello"));
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

TEST(tls_half_handshakes_time_out)
{
    fixture f;
    uint8_t hello[1024];
    const size_t n = tls_client_hello(hello, sizeof hello);
    fixture_init(&f);
    f.limits.head_timeout_ms = 150;
    start(&f);
    CHECK(n > 100 && n < sizeof hello);
    const int silent = client_connect(&f), half = client_connect(&f), idle = client_connect(&f);
    CHECK(client_send(half, hello, n / 2));
    CHECK(client_send(idle, hello, n)); /* takes the server's flight and never finishes */
    for (unsigned i = 0; i < 3; i++)
        CHECK(fixture_reason(&f, i) == CWS_R_TLS_FAILED);
    /* A finished handshake has the head's deadline, and its name. */
    tls_client c;
    CHECK(tls_client_open(&f, NULL, &c) && client_at_end(c.fd));
    CHECK(fixture_reason(&f, 3) == CWS_R_HEAD_TIMEOUT);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    close(silent);
    close(half);
    close(idle);
    stop(&f);
}

TEST(tls_handshakes_are_rationed)
{
    enum { COUNT = 8 };
    fixture f;
    uint8_t hello[1024], answer[5];
    const size_t n = tls_client_hello(hello, sizeof hello);
    int fds[COUNT];
    fixture_init(&f);
    f.limits.handshake_budget_us = 0; /* one step a turn */
    start(&f);
    tls_client c;
    CHECK(tls_client_open(&f, NULL, &c) && says(c.fd, HELLO, 200, "hello"));
    fixture_gate gate;
    fixture_hold(&f.sides[0], &gate);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(&f);
        CHECK(client_send(fds[i], hello, n));
    }
    CHECK(client_send_text(c.fd, HELLO));
    fixture_release(&gate);
    for (int i = 0; i < COUNT; i++) {
        CHECK(client_read(fds[i], answer, sizeof answer) && answer[0] == 0x16);
        close(fds[i]);
    }
    client_response r;
    CHECK(client_response_read(c.fd, &r, false) && r.status == 200);
    CHECK(fixture_stats(&f.sides[0]).handshakes_deferred_count >= COUNT - 1);
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

TEST(tls_connection_ceiling)
{
    fixture f;
    tls_client c, d;
    fixture_init(&f);
    f.limits.connection_count = 1;
    start(&f);
    CHECK(tls_client_open(&f, NULL, &c) && says(c.fd, HELLO, 200, "hello"));
    CHECK(!tls_client_open(&f, NULL, &d));
    CHECK(fixture_stats(&f.sides[0]).reason_count[CWS_R_CONNECTION_LIMIT] == 1);
    CHECK(says(c.fd, HELLO, 200, "hello"));
    tls_client_close(&c);
    SSL_SESSION_free(c.session);
    stop(&f);
}

TEST(tls_peer_leaves_in_a_rush)
{
    fixture f;
    start_default(&f);
    for (unsigned i = 0; i < 4; i++) {
        tls_client c;
        CHECK(tls_client_open(&f, NULL, &c) && client_upgrade(c.fd));
        CHECK(client_send_frame(c.fd, FIN_TEXT, "!fill", 5));
        CHECK(fixture_wait(&f, &f.full_count, i + 1));
        tls_client_close(&c);
        SSL_SESSION_free(c.session);
        const cws_reason reason = fixture_reason(&f, i);
        CHECK(reason == CWS_R_PEER_RESET || reason == CWS_R_PEER_EOF);
    }
    stop(&f);
}

/* ---- certificates */

TEST(tls_self_signed_covers)
{
    char path[80], error[256];
    (void)snprintf(path, sizeof path, "%s.names", tls_test_file());
    CHECK(cws_tls_self_signed(path, "localhost, studio.lan,127.0.0.1,::1, 192.168.1.7", error, sizeof error));
    CHECK(cws_tls_covers(path, "localhost", 0) && cws_tls_covers(path, "studio.lan,::1,192.168.1.7", 390));
    CHECK(!cws_tls_covers(path, "localhost", 397));
    CHECK(!cws_tls_covers(path, "localhost,192.168.1.8", 0));
    CHECK(!cws_tls_covers(path, "other.lan", 0) && !cws_tls_covers(path, "LinkRelay", 0));
    CHECK(!cws_tls_covers("/nowhere", "localhost", 0));
    (void)unlink(path);
    CHECK(!cws_tls_self_signed("/nowhere/x.pem", "localhost", error, sizeof error));
    CHECK(strcmp(error, "the self-signed certificate cannot be written: No such file or directory") == 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!CHECK(file != NULL))
        return;
    (void)fputs(text, file);
    (void)fclose(file);
}

TEST(tls_bad_files)
{
    char path[80], other[80], error[256];
    (void)snprintf(path, sizeof path, "%s.bad", tls_test_file());
    (void)snprintf(other, sizeof other, "%s.other", tls_test_file());
    CHECK(cws_tls_self_signed(other, "localhost", error, sizeof error));
    CHECK(cws_tls_new(tls_test_file(), other, error, sizeof error) == NULL);
    CHECK(strcmp(error, "the private key cannot be used: key values mismatch") == 0);
    CHECK(cws_tls_new("/nowhere", other, error, sizeof error) == NULL);
    CHECK(strcmp(error, "the certificate cannot be used: No such file or directory") == 0);
    write_text(path, "no PEM at all\n");
    CHECK(cws_tls_new(path, other, error, sizeof error) == NULL);
    CHECK(strcmp(error, "the certificate cannot be used: no start line") == 0);
    CHECK(!cws_tls_covers(path, "localhost", 0));
    /* Encrypted: nobody is asked for a passphrase. */
    write_text(path, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                     "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAh0UUo0mVVvNQICCAAw\n"
                     "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJcRJ6nlFNgGCqKBE1Ux+KgEgZBh\n"
                     "-----END ENCRYPTED PRIVATE KEY-----\n");
    CHECK(cws_tls_new(tls_test_file(), path, error, sizeof error) == NULL);
    CHECK(strstr(error, "the private key cannot be used: ") == error);
    (void)unlink(path);
    (void)unlink(other);
}

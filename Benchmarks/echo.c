/* A WebSocket echo server on the bare engine: `echo PORT [MESSAGE_CEILING_BYTES [DEFLATE_MIN_BYTES]]`. For conformance suites and for
 * measuring what the engine costs without a relay above it. The third word turns permessage-deflate on, for messages from that size.
 * One loop, on the main thread; SIGINT and SIGTERM stop it.
 *
 *   cc -O2 -D_GNU_SOURCE -ISources/CWebSocket/include Benchmarks/echo.c Sources/CWebSocket/src/[a-z]*.c -lcrypto -lz -lpthread -o echo
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cwebsocket.h"

#define QUEUE_CEILING_BYTES ((size_t)256 << 20)

typedef struct echo {
    cws_loop *loop;
    size_t message_ceiling;
    bool allows_deflate;
    sigset_t signals;
} echo;

static cws_slice text(const char *s) { return (cws_slice){.p = (const uint8_t *)s, .n = strlen(s)}; }

static uint64_t on_head(void *ctx, cws_conn *c, bool *skip)
{
    (void)ctx, (void)c, (void)skip;
    return 0;
}

static void on_request(void *ctx, cws_conn *c)
{
    const echo *e = ctx;
    if (!cws_request_wants_websocket(c)) {
        (void)cws_respond(c, 200, text("Content-Type: text/plain\r\n"), text("echo\n"), CWS_RESPOND_KEEP);
        return;
    }
    const cws_upgrade_options options = {
        .message_ceiling_bytes = e->message_ceiling,
        .queue_ceiling_bytes = QUEUE_CEILING_BYTES,
        .queue_ceiling_count = UINT32_MAX,
        .allow_deflate = e->allows_deflate,
    };
    (void)cws_upgrade(c, &options);
}

static void on_message(void *ctx, cws_conn *c, void *user, cws_opcode op, const uint8_t *bytes, size_t n)
{
    const echo *e = ctx;
    (void)user;
    cws_message *m = cws_message_new(e->loop, op, n);
    if (m == NULL) {
        cws_abort(c, CWS_R_NO_MEMORY);
        return;
    }
    if (n > 0)
        memcpy(cws_message_bytes(m), bytes, n);
    if (cws_send(c, m) == CWS_QUEUE_FULL)
        cws_abort(c, CWS_R_QUEUE_OVERFLOW);
    cws_message_release(m);
}

static void on_skipped(void *ctx, cws_conn *c, void *user, uint64_t size, const uint8_t *prefix, size_t n)
{
    (void)ctx, (void)c, (void)user, (void)size, (void)prefix, (void)n;
}

static void on_pong(void *ctx, cws_conn *c, void *user, const uint8_t *bytes, size_t n)
{
    (void)ctx, (void)c, (void)user, (void)bytes, (void)n;
}

static void on_drained(void *ctx, cws_conn *c, void *user) { (void)ctx, (void)c, (void)user; }
static void on_adopted(void *ctx, cws_conn *c, void *user) { (void)ctx, (void)c, (void)user; }

static void on_closed(void *ctx, cws_conn *c, void *user, cws_reason reason, uint16_t code)
{
    (void)ctx, (void)c, (void)user, (void)reason, (void)code;
}

static void on_alarm(void *ctx) { (void)ctx; }
static void on_turn_end(void *ctx) { (void)ctx; }

static void *wait_for_signal(void *arg)
{
    const echo *e = arg;
    int which;
    if (sigwait(&e->signals, &which) == 0)
        cws_loop_stop(e->loop);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: echo PORT [MESSAGE_CEILING_BYTES [DEFLATE_MIN_BYTES]]\n");
        return 64;
    }
    const cws_handlers handlers = {
        .on_head = on_head,
        .on_request = on_request,
        .on_message = on_message,
        .on_skipped = on_skipped,
        .on_pong = on_pong,
        .on_drained = on_drained,
        .on_adopted = on_adopted,
        .on_closed = on_closed,
        .on_alarm = on_alarm,
        .on_turn_end = on_turn_end,
    };
    cws_limits limits = cws_limits_default();
    const cws_listener_options listener = {.tag = 1};
    echo e = {
        .message_ceiling = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : (size_t)64 << 20,
        .allows_deflate = argc > 3,
    };
    if (e.allows_deflate)
        limits.deflate_min_bytes = (uint32_t)strtoul(argv[3], NULL, 10);
    sigemptyset(&e.signals);
    sigaddset(&e.signals, SIGINT);
    sigaddset(&e.signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &e.signals, NULL);

    int fd = -1;
    uint16_t port = 0;
    cws_status s = cws_socket_listen("127.0.0.1", (uint16_t)strtoul(argv[1], NULL, 10), false, 1024, &fd, &port);
    if (s != CWS_OK) {
        fprintf(stderr, "echo: %s: %s\n", cws_status_text(s), cws_last_error());
        return 1;
    }
    e.loop = cws_loop_new(&limits, &handlers, &e, 0);
    pthread_t waiter;
    if (e.loop == NULL || cws_loop_listen_take(e.loop, fd, &listener) != CWS_OK ||
        pthread_create(&waiter, NULL, wait_for_signal, &e) != 0) {
        fprintf(stderr, "echo: cannot start\n");
        return 1;
    }
    printf("ws://127.0.0.1:%u/\n", port);
    fflush(stdout);
    cws_loop_run(e.loop);
    (void)pthread_join(waiter, NULL);
    cws_loop_free(e.loop);
    return 0;
}

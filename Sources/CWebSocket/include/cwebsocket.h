/* The one public face of CWebSocket: an epoll server for HTTP/1.1 and WebSocket (RFC 9112, RFC 6455).
 *
 * It knows sockets, HTTP and frames; it knows nothing of rooms, keys or Socket.IO.
 *
 * Threads: a loop is one thread and one epoll. Everything below is called on the loop's own thread unless it says
 * "any thread". A connection belongs to one loop at a time (cws_conn_move hands it over), a message to one loop for ever.
 * Ownership: a pointer argument is borrowed for the call unless the name says otherwise. Bytes given to a callback are
 * lent until it returns. A `cws_conn *` is valid until its on_closed has returned; keep cws_conn_id() to find it later.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWEBSOCKET_H
#define CWEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#pragma clang assume_nonnull begin
#define CWS_NULLABLE _Nullable
#else
#define CWS_NULLABLE
#endif

typedef struct cws_loop cws_loop;
typedef struct cws_conn cws_conn;
typedef struct cws_message cws_message;
typedef struct cws_tls cws_tls; /* a server's certificate and TLS rules; see cws_tls_new */

typedef struct cws_slice {
    const uint8_t *CWS_NULLABLE p;
    size_t n;
} cws_slice;

/* ---------------------------------------------------------------- results and reasons */

typedef enum cws_status {
    CWS_OK = 0,
    CWS_NO_MEMORY = -1,
    CWS_QUEUE_FULL = -2,     /* the outbound queue's ceiling: nothing was queued */
    CWS_WRONG_STATE = -3,    /* the connection, or the loop, is not in a state that allows this call */
    CWS_BAD_ARGUMENT = -4,
    CWS_SYSTEM = -5,         /* a system call failed; cws_last_error() has its text */
    CWS_ADDRESS_IN_USE = -6,
    CWS_BAD_HANDSHAKE = -7,  /* the request was no valid upgrade; it has been answered */
} cws_status;

const char *cws_status_text(cws_status s);

/* Why a connection ended or a request was refused. Each is a metric label (cws_reason_name) and counted per loop. */
typedef enum cws_reason {
    CWS_R_NONE = 0,
    /* the peer's doing */
    CWS_R_PEER_EOF,            /* FIN without a close frame */
    CWS_R_PEER_RESET,          /* RST or another socket error */
    CWS_R_PEER_CLOSE_FRAME,    /* RFC 6455 7: the peer began the close handshake */
    /* our doing, ordinary */
    CWS_R_LOCAL_CLOSE,         /* cws_close or a response that said Connection: close */
    CWS_R_LOCAL_ABORT,         /* cws_abort without a more precise reason */
    CWS_R_LOOP_STOPPED,
    /* HTTP refusals; each is answered with the status in brackets, then closed */
    CWS_R_HTTP_BAD_REQUEST,        /* [400] grammar */
    CWS_R_HTTP_AMBIGUOUS_FRAMING,  /* [400] CL+TE, two CL, odd TE */
    CWS_R_HTTP_BAD_HOST,           /* [400] Host missing, doubled or malformed */
    CWS_R_HTTP_TARGET_TOO_LONG,    /* [414] */
    CWS_R_HTTP_HEAD_TOO_LARGE,     /* [431] bytes or count */
    CWS_R_HTTP_BODY_TOO_LARGE,     /* [413] */
    CWS_R_HTTP_BAD_CHUNK,          /* [400] */
    CWS_R_HTTP_VERSION,            /* [505] */
    CWS_R_HTTP_METHOD,             /* [405] TRACE, CONNECT */
    CWS_R_HTTP_EXPECTATION,        /* [417] */
    CWS_R_HTTP_BAD_UPGRADE,        /* [400 or 426] */
    /* deadlines */
    CWS_R_HEAD_TIMEOUT,        /* [408] */
    CWS_R_BODY_TIMEOUT,        /* [408] */
    CWS_R_KEEPALIVE_TIMEOUT,
    CWS_R_HEARTBEAT_TIMEOUT,   /* nothing heard for interval + timeout */
    CWS_R_CLOSE_TIMEOUT,       /* the close handshake or the lingering close was not finished */
    CWS_R_WRITE_TIMEOUT,       /* the peer took nothing while bytes were queued */
    /* frames, RFC 6455 */
    CWS_R_FRAME_PROTOCOL,      /* 1002 */
    CWS_R_FRAME_BAD_UTF8,      /* 1007 */
    CWS_R_FRAME_TOO_BIG,       /* 1009 */
    CWS_R_FRAME_FRAGMENTS,     /* 1008: more fragments than the ceiling */
    CWS_R_FRAME_BAD_DEFLATE,   /* 1007 */
    CWS_R_PONG_FLOOD,          /* 1008: owed pongs beyond the ceiling while the peer does not read */
    /* resources */
    CWS_R_QUEUE_OVERFLOW,      /* slow peer: its outbound queue met its ceiling */
    CWS_R_CONNECTION_LIMIT,    /* [503] */
    CWS_R_NO_DESCRIPTORS,      /* accepted with the spare descriptor and closed */
    CWS_R_NO_MEMORY,           /* [503] where a request is refused for it */
    CWS_R_OVERLOADED,          /* [503] a body for which the memory budget has no room */
    CWS_R_TLS_FAILED,          /* a handshake refused or not finished in time, or a bad record */
    CWS_R_PROXY_HEADER,        /* PROXY protocol: not from a trusted peer, missing, malformed or late */
    CWS_R_COUNT
} cws_reason;

/* The metric label, lower-case with underscores, e.g. "heartbeat_timeout". Static. */
const char *cws_reason_name(cws_reason r);

/* ---------------------------------------------------------------- loops */

typedef struct cws_limits {
    uint32_t head_bytes;               /* request line + headers; default 16384 */
    uint32_t header_count;             /* default 100 */
    uint32_t target_bytes;             /* default 8192 */
    uint32_t chunk_overhead_bytes;     /* chunk extensions + trailers of one body; default 16384 */
    uint32_t head_timeout_ms;          /* from accept, or from the first byte of a later request; default 10000. The TLS handshake and a PROXY
                                          header each have as long of their own */
    uint32_t body_timeout_ms;          /* for a body without progress, and for a whole one; default 30000 */
    uint32_t body_bytes_per_s;         /* each so many bytes of a body that came give the whole of it another second; default 16384 */
    uint32_t keepalive_timeout_ms;     /* idle between requests; default 65000 */
    uint32_t close_timeout_ms;         /* close handshake and lingering close; default 3000 */
    uint32_t write_timeout_ms;         /* queued bytes and none taken; default 45000 */
    uint32_t fragment_count;           /* fragments of one message, empty ones counted; default 131072 */
    uint32_t pending_pong_count;       /* owed pongs; default 64 */
    uint32_t connection_count;         /* of all loops of the process together; over it 503; default 100000 */
    uint32_t accept_budget;            /* accepts a turn; default 64 */
    uint32_t send_buffer_bytes;        /* SO_SNDBUF; 0 leaves the system's; default 0 */
    uint32_t unsent_low_bytes;         /* TCP_NOTSENT_LOWAT; default 131072 */
    uint32_t skipped_prefix_bytes;     /* how much of an oversize message or body is kept; default 4096 */
    uint64_t skipped_ceiling_bytes;    /* a message or body larger than this is not read past: 1009 or 413; default 256 MiB */
    uint32_t queue_low_bytes;          /* outbound low mark (or a quarter of the ceiling if that is less); default 1 MiB */
    uint32_t deflate_min_bytes;        /* smaller messages are sent as they are; default 1024 */
    uint32_t deflate_max_bytes;        /* larger ones too, and larger HTTP bodies: compressing must not hold up the loop; default 256 KiB */
    uint64_t held_bytes;               /* the loop's memory budget (cws_loop_held_bytes); growth of unfinished input waits when it is nearly used
                                          up; 0 none; default 0 */
    bool opens_refusals;               /* the engine's own refusals say Access-Control-Allow-Origin: *, for web pages of other origins to read;
                                          default false */
    uint32_t pressure_ms;              /* what is then not whole after so long is reported by on_overdue; default 60000 */
    uint32_t handshake_budget_us;      /* CPU time for TLS handshakes a turn, one step at least; default 2000 */
} cws_limits;

cws_limits cws_limits_default(void);

typedef enum cws_opcode {
    CWS_TEXT = 1,
    CWS_BINARY = 2,
    CWS_PING = 9,
    CWS_PONG = 10,
} cws_opcode;

/* An address: family 4, 6 or 0 (Unix socket); IPv4-mapped IPv6 is reported as 4. bytes: 4 or 16 used. */
typedef struct cws_address {
    uint8_t family;
    uint8_t bytes[16];
    uint16_t port;
} cws_address;

/* What the owner is told. All run on the loop's thread. None may call cws_loop_run or free the loop.
 * After cws_conn_move(c) or cws_abort(c) inside a callback, no further callback for c comes on this loop
 * (except on_closed after an abort, at the end of the turn). */
typedef struct cws_handlers {
    /* A request's head is complete and it announces a body: returns the body ceiling in bytes for it (0 = none allowed:
     * 413). Set *skip to true to have a larger body read and discarded instead of refused: the request then arrives with
     * cws_request_skipped_bytes() > 0 and the body's first skipped_prefix_bytes. Request accessors are valid. */
    uint64_t (*on_head)(void *ctx, cws_conn *c, bool *skip);
    /* A request is complete. Answer with cws_respond*, cws_upgrade or cws_abort, now or later. No further request of this
     * connection is parsed before that (pipelining in order). Also called after cws_conn_move for an unanswered
     * request, on the new loop, right after on_adopted. */
    void (*on_request)(void *ctx, cws_conn *c);
    /* One complete WebSocket message, unmasked; text has been checked to be UTF-8. */
    void (*on_message)(void *ctx, cws_conn *c, void *CWS_NULLABLE user, cws_opcode op, const uint8_t *bytes, size_t n);
    /* A message over the ceiling was read and discarded (only if cws_set_message_ceiling said skip): `size` is its payload
     * in bytes, `prefix` its first bytes. Of a compressed message `size` is a lower bound: inflating stops at the ceiling. */
    void (*on_skipped)(void *ctx, cws_conn *c, void *CWS_NULLABLE user, uint64_t size, const uint8_t *prefix, size_t n);
    /* A pong arrived (unsolicited ones too). */
    void (*on_pong)(void *ctx, cws_conn *c, void *CWS_NULLABLE user, const uint8_t *bytes, size_t n);
    /* The outbound queue fell to its low mark (cws_limits.queue_low_bytes) after having been over it. */
    void (*on_drained)(void *ctx, cws_conn *c, void *CWS_NULLABLE user);
    /* A connection moved here by cws_conn_move is now this loop's. */
    void (*on_adopted)(void *ctx, cws_conn *c, void *CWS_NULLABLE user);
    /* Memory has been short for limits.pressure_ms, and a message of c is still not whole: close or abort c, or its memory stays taken.
     * NULL only without limits.held_bytes. */
    void (*CWS_NULLABLE on_overdue)(void *ctx, cws_conn *c, void *CWS_NULLABLE user);
    /* The last call for c. `code` is the peer's close code (1005 none, 1006 no close frame), for WebSocket only. */
    void (*on_closed)(void *ctx, cws_conn *c, void *CWS_NULLABLE user, cws_reason reason, uint16_t code);
    /* A connection came by a listener that expects a PROXY header: may this peer say who its client is? It is closed otherwise.
     * NULL only where no such listener is. */
    bool (*CWS_NULLABLE trusts_proxy)(void *ctx, const cws_address *peer);
    /* cws_loop_set_alarm's time has come. */
    void (*on_alarm)(void *ctx);
    /* All events of this turn were delivered; what is queued is flushed after this returns. */
    void (*on_turn_end)(void *ctx);
} cws_handlers;

/* NULL when out of memory or descriptors. `ctx` is passed to every handler. */
cws_loop *CWS_NULLABLE cws_loop_new(const cws_limits *limits, const cws_handlers *handlers, void *CWS_NULLABLE ctx,
                                    uint16_t index);
/* Runs on the calling thread until cws_loop_stop. On return every connection has had its on_closed. */
void cws_loop_run(cws_loop *l);
/* Any thread. Pending posts run first. */
void cws_loop_stop(cws_loop *l);
/* After cws_loop_run returned (or if it never ran). */
void cws_loop_free(cws_loop *l);
/* Any thread; runs fn(arg) on the loop, in the order of posting relative to other posts and to connections moved here. fn will not run after
 * CWS_NO_MEMORY, nor after CWS_WRONG_STATE: cws_loop_run has returned. */
cws_status cws_loop_post(cws_loop *l, void (*fn)(void *CWS_NULLABLE arg), void *CWS_NULLABLE arg);
/* Any thread: is this the thread that runs l? */
bool cws_loop_is_current(const cws_loop *l);
uint16_t cws_loop_index(const cws_loop *l);
/* Monotonic milliseconds, read once a turn. */
uint64_t cws_loop_now_ms(const cws_loop *l);
/* One alarm per loop; replaces the former. 0 = none. */
void cws_loop_set_alarm(cws_loop *l, uint64_t at_ms);
/* Replaces the limits for connections from now on. */
void cws_loop_set_limits(cws_loop *l, const cws_limits *limits);

/* Upper bounds of cws_loop_stats.relay_count, in microseconds; one more bucket holds the rest. Any thread; lives for ever. */
#define CWS_RELAY_BOUND_COUNT 12
const uint32_t *cws_relay_bounds_us(void);

#define CWS_SLOW_TURN_MS 100

typedef struct cws_loop_stats {
    uint64_t accepted_count, open_count, websocket_count, tls_count, moved_in_count, moved_out_count;
    uint64_t requests_count, upgrades_count;
    uint64_t messages_in_count, messages_out_count, bytes_in, bytes_out; /* inside TLS where there is TLS */
    uint64_t queued_bytes;       /* all outbound queues of the loop; a shared message counts once a receiver */
    uint64_t message_bytes;      /* memory of all messages of the loop, wherever they wait: each counts once */
    uint64_t buffered_bytes;     /* memory of all inbound partial messages and bodies of the loop */
    uint64_t starved_count;      /* times a message had to wait for memory before it could go on */
    uint64_t turns_count, busy_ns; /* loop turns; time spent outside epoll_wait */
    uint64_t max_turn_ns;        /* the longest turn since the last read */
    uint64_t slow_turns_count;   /* turns over CWS_SLOW_TURN_MS */
    /* WebSocket messages by how long their turn took: from taking up what had arrived until all that it caused, for every receiver, was
     * handed to the kernel or to queues that wait for it. */
    uint64_t relay_count[CWS_RELAY_BOUND_COUNT + 1], relay_ns;
    uint64_t accept_paused_count; /* times accepting stopped for want of descriptors */
    uint64_t deflated_count, deflated_plain_bytes, deflated_bytes; /* messages compressed (once, for all receivers), before, after */
    uint64_t inflated_count, inflated_wire_bytes, inflated_bytes;  /* compressed messages received, before inflating, after */
    uint64_t inflate_refused_count;                                /* of these, over their ceiling */
    uint64_t gzip_count, gzip_plain_bytes, gzip_bytes;             /* HTTP bodies compressed, before, after */
    uint64_t handshakes_count, resumed_count; /* finished TLS handshakes; those of them that resumed a session */
    uint64_t handshakes_deferred_count; /* times a handshake had to wait for the next turn's budget */
    uint64_t reason_count[CWS_R_COUNT];
} cws_loop_stats;
/* Copies the figures; resets max_turn_ns. */
void cws_loop_read_stats(cws_loop *l, cws_loop_stats *out);

/* ---------------------------------------------------------------- listeners */

typedef struct cws_listener_options {
    uint16_t tag;                        /* handed to cws_conn_listener_tag: which listener a connection came by */
    bool is_shared;                      /* the descriptor is also given to other loops: EPOLLEXCLUSIVE */
    bool expects_proxy_header;           /* a PROXY header, v1 or v2, must come first, before TLS too; needs cws_handlers.trusts_proxy */
    cws_tls *CWS_NULLABLE tls;           /* NULL = plain; the listener counts a use of its own */
} cws_listener_options;

/* Opens a listening TCP socket (numeric IPv4 or IPv6 `host`). port 0 chooses one, reported in *bound_port.
 * SO_REUSEPORT when `reuse_port`, so that every loop can have its own. Any thread. */
cws_status cws_socket_listen(const char *host, uint16_t port, bool reuse_port, int backlog, int *fd, uint16_t *bound_port);
/* Opens a listening Unix socket, replacing the file of one that nobody listens at any more; `mode` are its permissions. Any thread. */
cws_status cws_socket_listen_unix(const char *path, uint32_t mode, int *fd);
/* The text of this thread's last CWS_SYSTEM failure. */
const char *cws_last_error(void);
/* Takes the descriptor unless is_shared (then the caller closes it after the loops ended). */
cws_status cws_loop_listen_take(cws_loop *l, int fd, const cws_listener_options *options);
/* Stops accepting on every listener with this tag and closes what it took. */
void cws_loop_unlisten(cws_loop *l, uint16_t tag);

/* ---------------------------------------------------------------- TLS */

/* TLS 1.2 and 1.3 with this certificate (a chain, leaf first) and private key, both PEM. NULL: `error` says what is wrong, without a
 * secret in it. Any thread; counted: release it when the last listener has been given it. */
cws_tls *CWS_NULLABLE cws_tls_new(const char *certificate_path, const char *key_path, char *error, size_t error_n);
/* Reads the files anew. Handshakes from now on use them; open connections go on, old session tickets are forgotten. False: nothing has
 * changed and `error` says why. Any thread. */
bool cws_tls_reload(cws_tls *t, const char *certificate_path, const char *key_path, char *error, size_t error_n);
/* Gives one use back; the last one frees. Any thread. */
void cws_tls_release(cws_tls *t);
#define CWS_FINGERPRINT_CHARS 96
/* SHA-256 of the present certificate as people compare it: 32 pairs of upper-case hex digits with colons, and a NUL, into out's
 * CWS_FINGERPRINT_CHARS bytes. Any thread. */
void cws_tls_fingerprint(cws_tls *t, char *out);

/* Writes a self-signed certificate (ECDSA P-256, good for 397 days) and its key into one PEM file of mode 0600, replacing it at once. `names`:
 * host names and numeric addresses, separated by commas. Any thread; blocks. */
bool cws_tls_self_signed(const char *path, const char *names, char *error, size_t error_n);
/* Whether that file holds a certificate for all of `names` that is good for `days` more. Any thread; blocks. */
bool cws_tls_covers(const char *path, const char *names, uint32_t days);

/* ---------------------------------------------------------------- connections */

/* Unique in the process, never reused. */
uint64_t cws_conn_id(const cws_conn *c);
/* The connection with this id if it is this loop's and not closed, else NULL. */
cws_conn *CWS_NULLABLE cws_loop_find(cws_loop *l, uint64_t id);
cws_loop *cws_conn_loop(const cws_conn *c);
uint16_t cws_conn_listener_tag(const cws_conn *c);
bool cws_conn_is_websocket(const cws_conn *c);
bool cws_conn_is_tls(const cws_conn *c);
void cws_conn_set_user(cws_conn *c, void *CWS_NULLABLE user);
void *CWS_NULLABLE cws_conn_user(const cws_conn *c);

/* The peer's address, or what a PROXY header said it is. */
void cws_conn_peer(const cws_conn *c, cws_address *out);

/* Stops delivering input (the kernel's buffer fills and the peer is held back); resume delivers what was kept, at the
 * end of the turn. Heartbeat time-outs do not count while paused. Without effect on a connection that has ended but whose on_closed has not
 * come yet; so are all functions here. */
void cws_conn_pause(cws_conn *c);
void cws_conn_resume(cws_conn *c);

/* Its input waits until the loop's memory budget has room for the message that it has begun. */
bool cws_conn_is_starved(const cws_conn *c);

/* Drops the connection without a close handshake. on_closed(reason) comes at the end of this turn. */
void cws_abort(cws_conn *c, cws_reason reason);

/* Gives `c` to loop `to`. Call on c's present loop; from one of c's own callbacks it takes effect when that returns.
 * Unread input and queued output go along, in order; the user pointer too. Then on_adopted on `to`. Moving to the own loop does
 * nothing and calls nothing. */
void cws_conn_move(cws_conn *c, cws_loop *to);

/* ---------------------------------------------------------------- HTTP */

/* Valid from on_head/on_request until the response is complete (also across a move). */
cws_slice cws_request_method(const cws_conn *c);
/* Without query. Absolute-form targets arrive reduced to their path. */
cws_slice cws_request_path(const cws_conn *c);
/* Without '?'. p is NULL when there is none. */
cws_slice cws_request_query(const cws_conn *c);
/* The value of the first header of that name (ASCII case ignored), trimmed; p NULL when absent. */
cws_slice cws_request_header(const cws_conn *c, const char *name);
/* How many headers of that name there are. */
size_t cws_request_header_count(const cws_conn *c, const char *name);
/* The i-th header (in order of arrival); false past the end. */
bool cws_request_header_at(const cws_conn *c, size_t i, cws_slice *name, cws_slice *value);
/* Decoded (chunked removed). */
cws_slice cws_request_body(const cws_conn *c);
/* > 0: the body was over the ceiling and was discarded; this was its size. */
uint64_t cws_request_skipped_bytes(const cws_conn *c);
/* Connection has the token upgrade and Upgrade the token websocket. */
bool cws_request_wants_websocket(const cws_conn *c);

typedef enum cws_respond_flags {
    CWS_RESPOND_KEEP = 0,  /* keep the connection if the request allows it */
    CWS_RESPOND_CLOSE = 1, /* say Connection: close and do a lingering close after it */
    CWS_RESPOND_GZIP = 2,  /* compress the body if the request accepts gzip, it has 1 KiB or more and shrinks; says Vary in any case.
                            * Only for bodies that hold no secret beside text of somebody else's choice (BREACH) */
} cws_respond_flags;

/* Answers the pending request. `headers`: complete lines, each "Name: value\r\n"; Content-Length, Date and Connection are
 * added here. HEAD requests get the head only. CWS_NO_MEMORY, here and from the four below, ends the connection (CWS_R_NO_MEMORY). */
cws_status cws_respond(cws_conn *c, uint16_t status, cws_slice headers, cws_slice body, cws_respond_flags flags);
/* Streamed: chunked for HTTP/1.1, close-delimited for 1.0. */
cws_status cws_respond_begin(cws_conn *c, uint16_t status, cws_slice headers);
cws_status cws_respond_chunk(cws_conn *c, cws_slice bytes);
cws_status cws_respond_end(cws_conn *c);

/* ---------------------------------------------------------------- WebSocket */

typedef struct cws_upgrade_options {
    cws_slice subprotocol;          /* echoed when p is not NULL */
    cws_slice headers;              /* more response header lines */
    size_t message_ceiling_bytes;   /* inbound payload of one message */
    bool skip_oversize;             /* oversize: discard and on_skipped; else close 1009 */
    size_t queue_ceiling_bytes;     /* outbound */
    uint32_t queue_ceiling_count;
    bool allow_deflate;             /* take the first acceptable offer of permessage-deflate, without context takeover on either side */
} cws_upgrade_options;

/* Answers the pending request with 101 (RFC 6455 4.2). On CWS_BAD_HANDSHAKE it has been answered with 400 or 426 already. */
cws_status cws_upgrade(cws_conn *c, const cws_upgrade_options *options);

/* Ceilings of 4 GiB and more count as one byte less: no message is longer. */
void cws_set_message_ceiling(cws_conn *c, size_t bytes, bool skip_oversize);
void cws_set_queue_ceiling(cws_conn *c, size_t bytes, uint32_t count);

/* Sends `ping` (any message: a WebSocket ping, or a text of a protocol above) every interval, and ends the connection with
 * CWS_R_HEARTBEAT_TIMEOUT when no byte came for interval + timeout. Retains `ping`. interval 0 = off. After a move the owner sets it
 * again with a message of the new loop. */
void cws_set_heartbeat(cws_conn *c, uint32_t interval_ms, uint32_t timeout_ms, cws_message *CWS_NULLABLE ping);

/* Begins the close handshake after what is queued; `reason` at most 123 bytes of UTF-8. Input is ignored from now on, or, if `hears_out`,
 * what the peer sent before it saw our close frame is still delivered (on_message, on_skipped, on_pong), until its own close frame comes
 * or cws_limits.close_timeout_ms passes (RFC 6455 1.4: data is discarded only after *receiving* one). */
void cws_close(cws_conn *c, uint16_t code, cws_slice reason, bool hears_out);

/* Queues a reference (retains). Flushed at the end of the turn. CWS_QUEUE_FULL queues nothing and closes nothing. */
cws_status cws_send(cws_conn *c, cws_message *m);
size_t cws_queued_bytes(const cws_conn *c);
/* What the loop holds: every message made and not yet released, in queues or kept by the caller, and unfinished input. */
uint64_t cws_loop_held_bytes(const cws_loop *l);
uint32_t cws_queued_count(const cws_conn *c);

/* ---------------------------------------------------------------- messages */

/* A server frame of n payload bytes (uninitialised), refcount 1, from the loop's free lists. NULL when out of memory. */
cws_message *CWS_NULLABLE cws_message_new(cws_loop *l, cws_opcode op, size_t n);
/* Inside on_message: a text frame of `before` (at most 48 bytes), `payload` and `after` (at most 16), refcount 1, that is the memory of the
 * message being delivered itself. NULL when that cannot be (it was not read there, it is small, `payload` is not most of it, it was taken
 * already): the caller copies. What the message held outside of `payload` is overwritten; `payload` stays readable until on_message returns. */
cws_message *CWS_NULLABLE cws_message_around(cws_loop *l, cws_slice payload, cws_slice before, cws_slice after);
uint8_t *cws_message_bytes(cws_message *m); /* the payload; write before the first send */
size_t cws_message_size(const cws_message *m);
/* A hint: m is about to be touched. */
static inline void cws_message_expect(const cws_message *m) { __builtin_prefetch(m, 1); }
void cws_message_retain(cws_message *m);
void cws_message_release(cws_message *m);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif

/* The stateful half of CWebSocket as its own files see it: the loop, a connection, a message, and who may touch which field.
 *
 * Everything here belongs to one loop's thread, except the fields named "any thread". Nothing here is seen by Swift.
 * Memory rule: nothing that a callback may still be looking at is freed inside a turn (see cws_conn_kill, cws_loop_end_turn).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWS_INTERNAL_H
#define CWS_INTERNAL_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "buf.h"
#include "deflate.h"
#include "parse.h"

#ifdef __clang__
#pragma clang diagnostic ignored "-Wnullability-completeness"
#endif

#define CWS_RX_BYTES (256u * 1024u)        /* the shared receive buffer of a loop, and what one connection may read a turn */
#define CWS_HTTP_READ_BYTES (64u * 1024u)  /* one read while HTTP is spoken: bounds what pipelining can make us keep */
#define CWS_HTTP_QUEUE_BYTES (64u * 1024u) /* no further pipelined request is parsed while more than this is queued */
#define CWS_HTTP_STREAM_BYTES (8u * 1024u * 1024u) /* the queue's ceiling for streamed responses, until the owner sets one */
#define CWS_DIRECT_BYTES (32u * 1024u)     /* frames with more than this to come are read straight into the message */
#ifndef CWS_EARLY_FLUSH_BYTES
#define CWS_EARLY_FLUSH_BYTES (128u * 1024u) /* more than this in new messages is written before the next connection is read */
#endif
#define CWS_INFLATE_BYTES (8u * 1024u * 1024u) /* inflating in a turn, see ws_deflate.c; some 10 ms at worst */
#define CWS_INFLATE_SHARE_BYTES (2u * 1024u * 1024u) /* and of one connection, before it rests */
#define CWS_LINGER_MS 1000u
#define CWS_LINGER_BYTES (64u * 1024u)
#define CWS_WHEEL_SLOTS 1024u
#define CWS_WHEEL_SHIFT 4u                 /* a tick is 16 ms */
#define CWS_MESSAGE_CLASSES 29u            /* 128 B to 32 KiB by doubling, to 1 MiB in quarters; larger messages go to malloc */
#define CWS_PAYLOAD_OFFSET 16u             /* room for a frame header before the payload, keeping the payload aligned */
#define CWS_RECEIVED_OFFSET 64u            /* the same before a payload being received, with room for other words around it */
#define CWS_RECEIVED_TAIL 16u
#define CWS_DATA_WAKE UINT64_MAX           /* epoll data of the loop's eventfd */
#define CWS_DATA_LISTENER (UINT64_C(1) << 63) /* epoll data of listeners; connection ids stay below it */

/* ---- small pieces */

/* Circular, with a sentinel, so that unlinking needs no list and iteration survives removals. */
typedef struct cws_link { struct cws_link *prev, *next; } cws_link;

static inline void cws_link_init(cws_link *l) { l->prev = l->next = l; }
static inline bool cws_link_is_alone(const cws_link *l) { return l->next == l; }
static inline void cws_link_remove(cws_link *l) {
    l->prev->next = l->next;
    l->next->prev = l->prev;
    cws_link_init(l);
}
static inline void cws_link_append(cws_link *list, cws_link *l) {
    l->prev = list->prev;
    l->next = list;
    list->prev->next = l;
    list->prev = l;
}
/* Moves all of `from` to the empty list `to`. */
static inline void cws_link_take(cws_link *to, cws_link *from) {
    cws_link_init(to);
    if (cws_link_is_alone(from)) return;
    *to = *from;
    to->prev->next = to;
    to->next->prev = to;
    cws_link_init(from);
}
/* Puts all of `from` before what `list` has. */
static inline void cws_link_put_before(cws_link *list, cws_link *from) {
    cws_link rest;
    cws_link_take(&rest, list);
    cws_link_take(list, from);
    if (cws_link_is_alone(&rest)) return;
    rest.next->prev = list->prev;
    rest.prev->next = list;
    list->prev->next = rest.next;
    list->prev = rest.prev;
}
#define CWS_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/* Unread input kept between turns: an incomplete frame head, or what came behind a pause, a pending request or a move. */
typedef struct cws_spill { uint32_t at, n; uint8_t bytes[]; } cws_spill;

/* A mailbox entry. fn NULL: the entry is the `mail` member of a connection that moves in. */
typedef struct cws_mail { struct cws_mail *next; void (*fn)(void *arg); } cws_mail;

/* ---- messages and queues */

typedef enum cws_kind { CWS_KIND_DATA, CWS_KIND_PONG, CWS_KIND_OTHER } cws_kind;

struct cws_message {
    cws_loop *loop;       /* NULL: an orphan, on its way between loops with a connection; belongs to the queue it is in */
    union {
        cws_message *next;   /* in a free list */
        cws_message *packed; /* alive: its compressed twin, one reference; NULL while nobody needed it */
    };
    uint32_t payload_at;  /* in bytes: CWS_PAYLOAD_OFFSET, more in one that was received */
    uint32_t payload_n;
    uint32_t refs;
    uint8_t size_class;   /* CWS_MESSAGE_CLASSES: from malloc */
    uint8_t header_n;     /* the frame header ends where the payload begins */
    uint8_t kind;
    bool is_plain;        /* compressing was tried or judged: not worth it */
    uint8_t bytes[];      /* payload_at + payload_n */
};
_Static_assert(offsetof(struct cws_message, bytes) % CWS_PAYLOAD_OFFSET == 0, "payloads are aligned as malloc aligns");
/* Bytes that are no WebSocket frame (HTTP). */
cws_message *cws_message_raw(cws_loop *l, size_t n);
/* A control frame, or NULL when out of memory. n <= 125. */
cws_message *cws_message_control(cws_loop *l, uint8_t opcode, const uint8_t *p, size_t n);
/* The same bytes for another loop: m itself if the caller holds its only reference (consumed either way), NULL when out of memory. */
cws_message *cws_message_orphan_take(cws_message *m);
/* message_packed.c: what to send to c for m: m, or its compressed twin, made here for the first receiver who can read it. Borrowed. */
cws_message *cws_message_for(const cws_conn *c, cws_message *m);
/* A data frame with RSV1; the opcode is m's. */
cws_message *cws_message_compressed(const cws_message *m, cws_slice bytes);
static inline uint8_t *cws_message_payload(cws_message *m) { return m->bytes + m->payload_at; }
static inline const uint8_t *cws_message_wire(const cws_message *m) { return m->bytes + m->payload_at - m->header_n; }
static inline size_t cws_message_wire_n(const cws_message *m) { return (size_t)m->header_n + m->payload_n; }
/* A message of `at` bytes for what goes before the payload and n bytes from there on, of no loop, no frame header yet. NULL: no memory. */
cws_message *cws_message_block(cws_loop *l, size_t at, size_t n);
/* From here on m is l's and counts as memory that l holds; its payload keeps its size. */
void cws_message_join(cws_loop *l, cws_message *m);
/* Writes the frame header that its payload now has. */
void cws_message_seal(cws_message *m, uint8_t opcode, bool is_compressed);
/* To l's free lists or to malloc, whoever allocated it and whatever it counts. */
void cws_message_give_back(cws_loop *l, cws_message *m);
void cws_message_free_lists(cws_loop *l);

/* message_received.c: a payload as it comes in, in memory that can go out again. All zero at first. */
typedef struct cws_received {
    cws_message *m;          /* its payload: the bytes so far; not counted, of no loop */
    size_t capacity;         /* of payload */
} cws_received;
static inline size_t cws_received_n(const cws_received *r) { return r->m ? r->m->payload_n : 0; }
/* The capacity that cws_received_reserve would leave; 0 when it would refuse. */
size_t cws_received_next(const cws_received *r, size_t more, size_t max);
/* Keeps the first n bytes at most and gives the rest of the memory back. */
void cws_received_cut(cws_loop *l, cws_received *r, size_t n);
/* As cws_buf_reserve: room for `more`, at least doubling what is there, never above `max` in all; false: no memory or over max. */
bool cws_received_reserve(cws_loop *l, cws_received *r, size_t more, size_t max);
bool cws_received_append(cws_loop *l, cws_received *r, const uint8_t *p, size_t n, size_t max);
void cws_received_free(cws_loop *l, cws_received *r);
/* Around the callback that is shown all of r: until _end its memory may become a message (cws_message_around). */
void cws_received_lend(cws_loop *l, const cws_received *r);
void cws_received_end(cws_loop *l, cws_received *r);

/* Exists only while something is queued. A ring; capacity is a power of two. */
typedef struct cws_outq {
    struct cws_outq *next_free;
    size_t bytes;          /* wire bytes not yet taken by the transport */
    size_t sent;           /* of the first message */
    uint64_t write_at;     /* the last progress, while the connection is blocked */
    uint32_t head, count, capacity;
    cws_message *slots[];
} cws_outq;
/* Takes the reference in every case; CWS_NO_MEMORY released it. No ceiling here: see cws_send. */
cws_status cws_outq_push_take(cws_conn *c, cws_message *m);
/* Writes what the transport takes. False when c died of it. */
bool cws_outq_flush(cws_conn *c);
void cws_outq_clear(cws_conn *c);
bool cws_outq_orphan(cws_conn *c);
void cws_outq_free_list(cws_loop *l);

/* ---- transport: the seam between the engine and plain TCP, TLS or a PROXY header that is still to come */

#define CWS_IO_AGAIN (-1)
#define CWS_IO_ERROR (-2)
static inline bool cws_is_again(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS; }
typedef struct cws_transport_ops {
    bool is_tls;
    ssize_t (*read)(cws_conn *c, uint8_t *p, size_t n);                   /* > 0, 0 at the end, CWS_IO_* */
    ssize_t (*writev)(cws_conn *c, const struct iovec *v, int count);     /* > 0 (maybe short), CWS_IO_* */
    bool (*has_pending)(cws_conn *c);                                     /* would read give something that epoll does not announce? */
    bool (*has_unread)(cws_conn *c);                                      /* would close() now cost the peer our last bytes? */
    void (*shutdown_write)(cws_conn *c);
    void (*free_state)(cws_conn *c);                                      /* c->transport_state, when c is freed */
} cws_transport_ops;
extern const cws_transport_ops cws_transport_plain, cws_transport_proxy, cws_transport_tls;

/* What a connection's bytes go through; it keeps the number. */
typedef enum cws_transport { CWS_TRANSPORT_PLAIN, CWS_TRANSPORT_PROXY, CWS_TRANSPORT_TLS, CWS_TRANSPORT_COUNT } cws_transport;
extern const cws_transport_ops *const cws_transports[CWS_TRANSPORT_COUNT];

/* proxy.c: c's first bytes are a PROXY header; then TLS begins if t is not NULL. False: no memory. */
bool cws_proxy_attach(cws_conn *c, cws_tls *t);
/* tls.c: c's next bytes are a TLS handshake. False: no memory. */
bool cws_tls_attach(cws_conn *c, cws_tls *t);
/* Encrypted bytes that c holds: not in the kernel any more, and not yet OpenSSL's. */
size_t cws_tls_kept_bytes(const cws_conn *c);

/* What one read of the socket gave (tls_records.c); empty whenever no connection is being read. */
typedef struct cws_tls_window { uint8_t *bytes; size_t at, n; } cws_tls_window;

/* tls_context.c, any thread */
cws_tls *cws_tls_retain(cws_tls *t);

/* ---- HTTP */

typedef enum cws_http_phase {
    CWS_HTTP_HEAD, CWS_HTTP_BODY_SIZED, CWS_HTTP_BODY_CHUNKED,
    CWS_HTTP_PENDING,     /* on_request was called, no answer yet */
    CWS_HTTP_STREAMING,   /* between cws_respond_begin and cws_respond_end */
} cws_http_phase;

/* Exists from a request's first byte to the end of its response. */
typedef struct cws_http {
    struct cws_http *next_dead;
    http1_head head;
    size_t seen;
    cws_buf bytes;           /* the head, as received */
    cws_buf body;
    http1_chunks chunks;
    uint64_t body_left;      /* of a sized body */
    uint64_t body_size;      /* so far, decoded */
    uint64_t body_ceiling;
    uint64_t body_from_ms;   /* when the head was complete */
    uint8_t phase;
    bool may_skip, is_skipping;
    bool is_chunked_out, closes_after;
    http1_header headers[];
} cws_http;

/* ---- WebSocket input */

/* Exists while a message (or a frame of one) is incomplete. */
typedef struct cws_assembly {
    cws_conn *conn;
    cws_link waiting;        /* for memory, in loop->pressure.waiting; alone: it may grow */
    size_t wanted;           /* what it then waits for: the capacity it is to have */
    uint64_t began_ms;       /* when it first took memory of its own */
    cws_received bytes;      /* payload so far; of a skipped message its prefix */
    uint64_t size;           /* payload bytes that the frames so far have declared, the present one included */
    uint64_t frame_left;
    uint32_t fragments;
    uint32_t mask_at;        /* modulo 4 */
    uint8_t mask[4];
    utf8_state utf8;
    uint8_t opcode;
    bool is_final, is_skipping, is_compressed;
} cws_assembly;

/* ---- connections */

typedef enum cws_state {
    CWS_S_HTTP,
    CWS_S_WS_OPEN,
    CWS_S_WS_CLOSING,     /* cws_close was called: waiting for the peer's close frame */
    CWS_S_DRAIN,          /* input is over; what is queued goes out, then `ending` */
    CWS_S_LINGER,         /* writing is shut; reading and discarding until the peer closes */
    CWS_S_DEAD,           /* on loop->dead, freed at the end of the turn */
} cws_state;

#define CWS_WORK_FLUSH 1u
#define CWS_WORK_INPUT 2u

#define CWS_WANTS_READ 1u
#define CWS_WANTS_WRITE 2u
#define CWS_WANTS_HANGUP 4u /* only the peer's FIN: an answer is pending */

struct cws_conn {
    /* identity: written once */
    uint64_t id;
    cws_loop *loop;
    void *user;
    void *transport_state;
    union {               /* never at the same time: the work list of a loop, or a mailbox on the way to one */
        cws_link work;
        cws_mail mail;
    };
    cws_link timer;
    uint64_t timer_at;    /* 0: not in the wheel */
    uint64_t quiet_from_ms; /* the last inbound byte; or a later moment before which nothing counts as silence (pause, start) */
    uint64_t phase_at;    /* the state's own deadline; 0 none */
    /* input */
    cws_http *http;
    cws_assembly *assembly;
    cws_spill *spill;
    uint32_t buffered;    /* this connection's share of stats.buffered_bytes */
    uint32_t message_ceiling;
    /* output */
    cws_outq *q;
    uint32_t queue_ceiling_bytes, queue_ceiling_count;
    /* heartbeat */
    uint64_t beat_ping_at;
    cws_message *beat_ping;
    uint32_t beat_interval_ms;
    union {               /* lingering comes after the last beat */
        uint32_t beat_timeout_ms;
        uint32_t linger_left;
    };
    int fd;
    uint16_t tag, close_code, peer_port, pong_count;
    uint8_t peer_bytes[16];
    uint8_t peer_family;
    uint8_t deflate_bits;  /* permessage-deflate was agreed on and the peer can look back 2^this bytes; 0: not agreed on */
    uint8_t transport;     /* a cws_transport */
    uint8_t state, reason, interest, work_flags;
    uint8_t setup;        /* while the transport is being set up: the reason if that is not over in time */
    bool is_paused : 1, is_blocked : 1, is_over_mark : 1, has_unparsed : 1, is_websocket : 1;
    bool skips_oversize : 1, saw_eof : 1, had_request : 1, ends_with_linger : 1;
    bool hears_out : 1;    /* while closing: what the peer still sends is delivered */
    bool is_resting : 1;   /* its input goes on when it is its turn to inflate */
    bool is_starved : 1;   /* its message waits for memory (pressure.c) */
    bool read_wants_write : 1; /* TLS: reading goes on when the socket takes bytes */
};
/* There is one for every idle link, and the allocator gives steps of 16 bytes less its own 8. Rare things go elsewhere. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct cws_conn) <= 200, "a connection needs more memory than it did");

static inline const cws_transport_ops *cws_ops(const cws_conn *c) { return cws_transports[c->transport]; }

static inline uint32_t cws_clamp_u32(size_t n) { return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX; }

/* conn.c */
cws_conn *cws_conn_new(cws_loop *l, int fd, uint16_t tag, const cws_address *peer);
void cws_conn_kill(cws_conn *c, cws_reason reason);
/* Of all loops: each accepts what the kernel gives it, which is not an even share. */
extern atomic_uint_fast64_t cws_open_connections;
void cws_conn_free(cws_conn *c);
void cws_conn_enter(cws_conn *c);             /* around callbacks for c; */
bool cws_conn_leave(cws_conn *c);             /* false: c is dead or has moved away, do not touch it */
/* Brings epoll in line. Lazy keeps interest in input that will only be refused if it comes: most answers are faster. */
void cws_conn_update_interest(cws_conn *c, bool is_lazy);
void cws_conn_count_buffered(cws_conn *c);
/* If the transport holds input that may be read now, the next turn reads it. */
void cws_conn_work_pending(cws_conn *c);

/* conn_input.c */
void cws_conn_event(cws_conn *c, uint32_t events);
void cws_conn_input_again(cws_conn *c);
/* conn_output.c */
void cws_conn_flush(cws_conn *c);
void cws_conn_drain(cws_conn *c, cws_reason reason, bool linger);
/* conn_deadline.c */
void cws_conn_check_deadlines(cws_conn *c);
void cws_conn_set_phase(cws_conn *c, uint32_t ms);
void cws_conn_restart_phase(cws_conn *c);
/* move.c */
void cws_conn_move_now(cws_conn *c, cws_loop *to);
void cws_conn_adopt(cws_loop *l, cws_conn *c);

/* http1_conn.c: both consume and return the number of bytes taken */
size_t cws_http_feed(cws_conn *c, const uint8_t *p, size_t n);
bool cws_http_wants_input(const cws_conn *c);
bool cws_http_is_answerable(const cws_conn *c);
size_t cws_http_buffered(const cws_http *h);
void cws_http_free(cws_http *h);
/* Some of the body came: how long the next of it may take. */
void cws_http_body_deadline(cws_conn *c);
/* Takes the request from c, if any; its bytes live on until no handler can be looking at them. */
void cws_http_retire(cws_conn *c);
/* Only where no handler is on the stack. */
void cws_http_free_dead(cws_loop *l);
/* The request is over: back to waiting for the next one, or on to the end of the connection. */
void cws_http_finish(cws_conn *c);
/* Between two requests: keepalive_timeout_ms runs from the moment on at which the answer is written. */
void cws_http_idle(cws_conn *c);
/* http1_gzip.c: makes *body its compressed form, in a buffer of the loop, if the pending request allows it and it is worth it. */
bool cws_http_gzip(cws_conn *c, cws_slice *body);
/* http1_respond.c */
void cws_http_refuse(cws_conn *c, cws_reason reason, uint16_t status);
/* Passes s on. Without memory for an answer the connection ends: nobody is left waiting for it. */
cws_status cws_http_settle(cws_conn *c, cws_status s);
void cws_http_continue(cws_conn *c);

/* ws_conn.c: `p` is modified in place (unmasking) */
size_t cws_ws_feed(cws_conn *c, uint8_t *p, size_t n);
/* Where to read the present frame's payload to directly; 0 when it should come through the shared buffer. */
size_t cws_ws_direct(cws_conn *c, uint8_t **p);
void cws_ws_direct_done(cws_conn *c, size_t n);
size_t cws_assembly_buffered(const cws_assembly *a);
/* Gives up the bytes of a half-received message. The frame that is on its way is still counted to its end. */
void cws_ws_drop_assembly(cws_conn *c);
void cws_ws_deliver(cws_conn *c, uint8_t opcode, cws_slice bytes);
/* ws_deflate.c: one whole compressed message, or what is left of one that was skipped; delivers, or fails the connection. */
void cws_ws_inflate(cws_conn *c, uint8_t opcode, cws_slice bytes);
void cws_ws_inflate_skipped(cws_conn *c, uint64_t size, cws_slice prefix);
size_t cws_ws_wire_ceiling(const cws_conn *c, bool is_compressed);
void cws_assembly_free(cws_loop *l, cws_assembly *a);
/* ws_control.c */
void cws_ws_control(cws_conn *c, uint8_t opcode, uint8_t *p, size_t n);
void cws_ws_fail(cws_conn *c, cws_reason reason);
/* Whether messages of the peer still count: open, or closing but heard out. */
bool cws_ws_hears(const cws_conn *c);
void cws_ws_beat(cws_conn *c);

/* pressure.c */
typedef struct cws_pressure {
    cws_link waiting;        /* assemblies, the longest waiting first */
    cws_assembly *first;     /* the one that may go past the budget until it is whole; NULL none */
    uint64_t since_ms;       /* when memory got short; 0: it is not */
    uint64_t seen_bytes;     /* less than this must be held before another look at who waits is worth it */
} cws_pressure;
/* Does the budget have room for c to hold `want` bytes of input in all? */
bool cws_pressure_allows(const cws_conn *c, size_t want);
/* May a, c's assembly, grow to `want`? False: c waits and is not read until it may. */
bool cws_pressure_admits(cws_conn *c, cws_assembly *a, size_t want);
void cws_pressure_begin(cws_loop *l);
/* What one connection may read in a turn. */
size_t cws_pressure_read_bytes(const cws_loop *l);
/* a neither waits nor goes first any more. */
void cws_pressure_forget(cws_loop *l, cws_assembly *a);
/* Once a turn: lets those go on for whom there is room now. */
void cws_pressure_relieve(cws_loop *l);
/* c's deadline for a half-received message has come. */
void cws_pressure_due(cws_conn *c);

/* ---- loops */

typedef struct cws_table { cws_conn **slots; size_t capacity, count; } cws_table; /* by id, open addressing */
bool cws_table_insert(cws_table *t, cws_conn *c);
void cws_table_remove(cws_table *t, const cws_conn *c);
cws_conn *cws_table_find(const cws_table *t, uint64_t id);

typedef struct cws_wheel {
    cws_link slots[CWS_WHEEL_SLOTS];
    uint64_t bits[CWS_WHEEL_SLOTS / 64]; /* slots that may hold something */
    uint64_t tick;
} cws_wheel;
void cws_wheel_init(cws_wheel *w, uint64_t now_ms);
void cws_wheel_arm(cws_loop *l, cws_conn *c, uint64_t at_ms); /* no later than at_ms; an earlier arming stays */
void cws_wheel_disarm(cws_conn *c);
void cws_wheel_run(cws_loop *l);
uint64_t cws_wheel_next_ms(const cws_wheel *w);              /* UINT64_MAX: nothing armed */

typedef struct cws_listener {
    uint64_t data;        /* epoll data; 0: closed */
    int fd;
    uint16_t tag;
    bool is_shared, expects_proxy;
    cws_tls *tls;         /* one use, or NULL */
} cws_listener;
void cws_listener_event(cws_loop *l, uint64_t data);
void cws_listener_resume(cws_loop *l);
void cws_listener_close_all(cws_loop *l);

struct cws_loop {
    /* written before cws_loop_run, then constant */
    cws_handlers on;
    void *ctx;
    int epoll_fd, wake_fd;
    uint16_t index;
    uint8_t *rx;          /* CWS_RX_BYTES, shared by all connections */
    /* the loop's thread */
    bool is_running, is_ending, had_callback;
    int spare_fd;         /* given up to accept and drop one connection when descriptors run out */
    cws_limits limits;
    uint64_t now_ms, alarm_at_ms, accept_resume_at_ms, next_id, next_listener;
    uint64_t awake_from_ms; /* when the process last went on after standing still; nothing before counts as silence of a peer */
    cws_conn *current;    /* whose callback is running */
    cws_loop *move_to;    /* what that callback asked for */
    cws_table table;
    cws_wheel wheel;
    cws_link work, dead;
    cws_pressure pressure;
    cws_http *dead_http;
    cws_listener *listeners;
    size_t listener_count;
    cws_message *free_messages[CWS_MESSAGE_CLASSES];
    uint32_t free_message_count[CWS_MESSAGE_CLASSES];
    size_t kept_large_bytes; /* in free_messages above 32 KiB */
    size_t made_bytes;    /* in messages made since the turn began or flushed early */
    cws_message *lent;    /* what was received and is being shown to a callback, while it may become a message */
    cws_outq *free_queues;
    uint32_t free_queue_count;
    cws_deflate deflate;
    size_t inflate_left;  /* what may still be inflated in this turn; then those that rest stay resting */
    size_t inflate_share; /* what the connection that is being read may still have inflated before it rests */
    uint64_t handshake_ns; /* spent on TLS handshakes this turn */
    cws_tls_window tls_window;
    int64_t date_s;
    char date[32];
    cws_loop_stats stats;
    /* any thread, under the lock */
    pthread_mutex_t lock;
    cws_mail *mail_first, *mail_last;
    bool is_stop_asked, is_mailbox_closed;
};
/* ---- asked several times a message, and so not called */

/* A move was asked for inside the present callback. */
static inline bool cws_conn_is_leaving(const cws_conn *c) { return c->loop->current == c && c->loop->move_to; }

static inline bool cws_conn_wants_input(const cws_conn *c)
{
    if (cws_conn_is_leaving(c))
        return false;
    switch ((cws_state)c->state) {
    case CWS_S_HTTP: return !c->is_paused && cws_http_wants_input(c);
    case CWS_S_WS_OPEN: return !c->is_paused && !c->is_resting && !c->is_starved;
    case CWS_S_WS_CLOSING: return !c->hears_out || (!c->is_paused && !c->is_resting && !c->is_starved);
    case CWS_S_LINGER: return true;
    case CWS_S_DRAIN:
    case CWS_S_DEAD: return false;
    }
    return false;
}

static inline void cws_conn_work(cws_conn *c, uint8_t flags)
{
    if (c->state == CWS_S_DEAD)
        return;
    c->work_flags |= flags;
    if (cws_link_is_alone(&c->work))
        cws_link_append(&c->loop->work, &c->work);
}

/* Above this a queue is behind; back at it, its owner is told. */
static inline size_t cws_conn_low_mark(const cws_conn *c)
{
    const size_t quarter = c->queue_ceiling_bytes / 4;
    return quarter < c->loop->limits.queue_low_bytes ? quarter : c->loop->limits.queue_low_bytes;
}

bool cws_loop_mail(cws_loop *l, cws_mail *m); /* any thread; false: the loop has ended */
void cws_loop_end_turn(cws_loop *l);
void cws_loop_run_mail(cws_loop *l);
uint64_t cws_clock_ns(void);
void cws_set_last_error(const char *what);

/* Our own misuse only: before and after cws_loop_run the caller is trusted. */
#define CWS_ON_LOOP(l) assert(!(l)->is_running || cws_loop_is_current(l))

/* Every callback goes through here, so that the end of the turn knows that there may be something to send or to tell. */
#define CWS_CALL(l, handler, ...) ((l)->had_callback = true, (l)->on.handler((l)->ctx, __VA_ARGS__))

#endif

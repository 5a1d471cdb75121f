/* The sans-I/O half of CWebSocket: HTTP/1.1 heads and chunks, WebSocket frames, masking, UTF-8, the handshake's digest.
 *
 * Nothing here does I/O, allocates or keeps a pointer past its return. Three answers everywhere: more, done, error.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWS_PARSE_H
#define CWS_PARSE_H

#include "cwebsocket.h"

typedef enum cws_parse { CWS_PARSE_MORE = 0, CWS_PARSE_DONE = 1, CWS_PARSE_ERROR = -1 } cws_parse;

/* ---- http1_parse.c: a request's head (RFC 9112). Offsets are into the head's bytes, so that the buffer may move. */
typedef struct http1_header {
    uint32_t name, value;       /* offsets */
    uint16_t name_n, value_n;
} http1_header;

typedef struct http1_head {
    uint32_t method, path, query;          /* offsets */
    uint32_t method_n, path_n, query_n;
    bool has_query;
    uint8_t minor_version;                 /* HTTP/1.minor */
    bool is_chunked;
    bool has_length;
    uint64_t length;                       /* Content-Length */
    bool keep_alive;
    bool expects_continue;
    bool wants_websocket;
    uint32_t header_count;
    http1_header *headers;                 /* caller's array */
    uint32_t header_capacity;
    uint32_t head_bytes;                   /* consumed, on DONE */
    cws_reason reason;                     /* on ERROR */
} http1_head;

/* Parses p[0..n). The caller sets headers and header_capacity (= limits->header_count). `*seen` (0 at first) remembers how far
 * an earlier, shorter call has looked for the end, so that a byte-by-byte arrival stays linear. MORE until the blank line is
 * there; limits on target, head and header count are checked as soon as they can be. */
cws_parse http1_parse_head(http1_head *h, const uint8_t *p, size_t n, size_t *seen, const cws_limits *limits);

/* The chunked decoder: consumes from p, copies payload bytes to nowhere: it reports runs. */
typedef struct http1_chunks {
    uint8_t state;
    uint64_t left;              /* of the present chunk */
    uint32_t overhead;          /* extension + trailer bytes so far */
    uint8_t size_digits;
} http1_chunks;
/* Looks at p[0..n), consumes *used bytes and reports at most one run of payload (*run offset, *run_n bytes). Call again with the
 * rest until used == n, DONE or ERROR. */
cws_parse http1_parse_chunks(http1_chunks *s, const uint8_t *p, size_t n, size_t *used, size_t *run, size_t *run_n,
                             uint32_t overhead_limit);

/* ---- frame_parse.c: one frame header (RFC 6455 5.2). */
typedef struct ws_frame {
    bool is_final, rsv1;
    uint8_t opcode;
    uint8_t mask[4];
    uint64_t payload_n;
    uint8_t header_n;           /* bytes of the header, on DONE */
    cws_reason reason;          /* on ERROR */
} ws_frame;
/* Server side: an unmasked frame is an error, so are RSV2/3, RSV1 unless allow_rsv1, reserved opcodes, control frames fragmented or over
 * 125, non-minimal lengths, the 63rd bit. */
cws_parse ws_parse_frame(ws_frame *f, const uint8_t *p, size_t n, bool allow_rsv1);
/* Close codes a peer may send: 1000-1003, 1007-1014, 3000-4999. */
bool ws_close_code_valid(uint16_t code);

/* ---- frame_write.c: server frame header into out (up to 10 bytes); returns its length, which is known before. */
static inline size_t ws_header_size(uint64_t payload_n) { return payload_n < 126 ? 2 : payload_n <= UINT16_MAX ? 4 : 10; }
size_t ws_write_header(uint8_t out[10], uint8_t opcode, bool is_final, bool rsv1, uint64_t payload_n);

/* ---- mask.c: in place; `offset` is the payload offset of p[0] modulo 4. True when all that came out is ASCII. Vectorised, with a scalar
 * twin for tests. */
bool ws_unmask(uint8_t *p, size_t n, const uint8_t mask[4], size_t offset);
bool ws_unmask_scalar(uint8_t *p, size_t n, const uint8_t mask[4], size_t offset);

/* ---- utf8.c: incremental (state 0 = between characters). Vectorised ASCII runs; scalar twin for tests. */
typedef struct utf8_state { uint8_t need, low, high; } utf8_state;
/* False as soon as a byte cannot continue a valid text (RFC 3629). At the end of a text s->need must be 0. */
bool utf8_check(utf8_state *s, const uint8_t *p, size_t n);
bool utf8_check_scalar(utf8_state *s, const uint8_t *p, size_t n);

/* ---- handshake.c: RFC 6455 4.2.2. `key` must be base64 of 16 bytes (24 characters). */
bool ws_key_valid(cws_slice key);
void ws_accept_key(cws_slice key, char out[29]); /* NUL-terminated 28 characters */
/* RFC 9110 token list: does a comma-separated header value contain `token` (ASCII case ignored)? Linear, no allocation. */
bool http1_list_has_token(cws_slice value, const char *token);

/* ---- deflate_offer.c: permessage-deflate (RFC 7692 7.1). No context is ever kept, on either side. */
typedef struct ws_deflate_terms {
    uint8_t server_bits;     /* how far back the client can look: 8 to 15 */
    bool says_server_bits;   /* it asked for that, and is told */
} ws_deflate_terms;
/* Reads one Sec-WebSocket-Extensions line; true when it holds an acceptable offer, the first of which is taken. */
bool ws_deflate_negotiate(cws_slice line, ws_deflate_terms *terms);
#define WS_DEFLATE_ANSWER_BYTES 128u
/* The value of the answer's line, NUL-terminated; returns its length. */
size_t ws_deflate_answer(const ws_deflate_terms *terms, char out[WS_DEFLATE_ANSWER_BYTES]);

/* ---- http1_encoding.c: Accept-Encoding (RFC 9110 12.5.3). All zero at first; reads one line after the other. */
typedef struct http1_encodings { uint8_t gzip, any; } http1_encodings;
void http1_read_encodings(http1_encodings *e, cws_slice line);
bool http1_accepts_gzip(const http1_encodings *e);
/* ---- proxy_parse.c: the PROXY protocol's header, v1 and v2 (haproxy's proxy-protocol.txt). */
#define CWS_PROXY_BYTES 2048u /* the longest header taken: addresses and what proxies add to them */
typedef struct cws_proxy_header {
    bool has_source;            /* false: the proxy speaks for itself (LOCAL, UNKNOWN) or its client has no address */
    cws_address source;
    uint32_t header_n;          /* bytes of the header, on DONE */
} cws_proxy_header;
/* Looks at p[0..n). MORE: all n bytes belong to the header. ERROR as soon as no further byte could make it one. */
cws_parse cws_proxy_parse(cws_proxy_header *h, const uint8_t *p, size_t n);

#endif

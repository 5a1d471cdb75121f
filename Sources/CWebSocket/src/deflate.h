/* The compressors of a loop: one inflater and one deflater, made at their first use and shared by all connections, because no context
 * is ever kept between two messages (RFC 7692 7.1.1). A connection holds none of it.
 *
 * The loop's thread. What comes out lies in buffers of the loop until the next call of the same kind. Nothing here knows of sockets.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWS_DEFLATE_H
#define CWS_DEFLATE_H

#include "buf.h"
#include "cwebsocket.h"

/* How far the deflater reaches back: 2^12 bytes. More gains nothing on what is relayed and would exclude the peers that ask for 12, who
 * could then not share a compressed frame with the others (docs/adr/0010-compression.md). */
#define CWS_DEFLATE_WINDOW 12u

/* All zero: nothing made yet. */
typedef struct cws_deflate {
    struct z_stream_s *inflater, *deflater;
    cws_buf inflated, deflated;
} cws_deflate;

typedef enum cws_inflate_result {
    CWS_INFLATE_DONE,
    CWS_INFLATE_OVER,      /* more than the ceiling: *out holds ceiling + 1 bytes, the rest was not looked at */
    CWS_INFLATE_BAD,       /* no DEFLATE, its end missing, or absurdly many blocks; *out holds what came before */
    CWS_INFLATE_NO_MEMORY,
} cws_inflate_result;

/* One whole compressed message without its last 00 00 ff ff (RFC 7692 7.2.2). Makes at most ceiling + 1 bytes. */
cws_inflate_result cws_inflate(cws_deflate *d, cws_slice in, size_t ceiling, cws_slice *out);
/* The first bytes, at most `most`, of a message of which `in` is the beginning. As many as could be had; maybe none. */
cws_slice cws_inflate_prefix(cws_deflate *d, cws_slice in, size_t most);

/* May what the deflater makes of n bytes go to a peer that can look back 2^bits bytes? */
bool cws_deflate_suits(uint8_t bits, size_t n);
/* One message, without its last 00 00 ff ff. False when it would not be smaller or memory is short: send it as it is. */
bool cws_deflate_message(cws_deflate *d, cws_slice in, cws_slice *out);
/* A gzip member (RFC 1952); the same answer. */
bool cws_deflate_gzip(cws_deflate *d, cws_slice in, cws_slice *out);
/* A look at a sample: false for what DEFLATE gains little on (pictures, also in base64; random or compressed bytes). */
bool cws_deflate_is_worthwhile(cws_slice in);

/* Give back what an unusually large message made the one or the other buffer grow to. Two, because a message is often compressed while
 * an inflated one is still being looked at. */
void cws_deflate_trim_inflated(cws_deflate *d);
void cws_deflate_trim_deflated(cws_deflate *d);
void cws_deflate_free(cws_deflate *d);

#endif

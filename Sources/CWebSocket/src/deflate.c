/* DEFLATE by zlib: one message at a time, nothing kept from one to the next. Decides how far to inflate, when to stop and what is not
 * worth compressing. The loop's thread (a cws_deflate is one loop's). Never makes more than the ceiling + 1 bytes, whatever the input
 * says; never reads past its input. Level 1: level 6 costs twice the time for an eighth to a sixth less.
 * SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include "deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define LEVEL 1
#define MEMORY_LEVEL 6
#define INFLATE_WINDOW 15             /* whatever a peer uses */
#define KEPT_BYTES (260u * 1024u)  /* a buffer larger than this is not kept */
#define FIRST_RATIO 4u             /* how much larger than its input we expect a message to become */
#define SMALLEST_OUT_BYTES 1024u
#define FREE_BLOCKS 1024u
#define BLOCK_BYTES 256u           /* and one block more for so many bytes before or after inflating */
#define TAIL_BYTES 4u
#define GZIP_HEAD_BYTES 10u
#define GZIP_TAIL_BYTES 8u

static const uint8_t tail[TAIL_BYTES] = {0x00, 0x00, 0xff, 0xff};

/* ---- inflating */

static bool start_inflating(cws_deflate *d)
{
    d->inflated.n = 0;
    if (d->inflater)
        return inflateReset(d->inflater) == Z_OK;
    z_stream *z = calloc(1, sizeof *z);
    if (z && inflateInit2(z, -INFLATE_WINDOW) != Z_OK) {
        free(z);
        z = NULL;
    }
    d->inflater = z;
    return z != NULL;
}

/* Room for output up to `most` bytes in all; 0 when memory is short. */
static uInt reserve(cws_buf *b, size_t most)
{
    if (b->n == b->cap && !cws_buf_reserve(b, 1, most))
        return 0;
    size_t room = b->cap - b->n;
    if (room > most - b->n)
        room = most - b->n;
    return room > UINT_MAX ? UINT_MAX : (uInt)room;
}

typedef struct progress {
    size_t most;       /* output bytes, one more than allowed */
    size_t fed;        /* input bytes so far */
    size_t blocks;
    bool has_ended;    /* the last thing read was the end of a block marked as the last one (RFC 7692 7.2.3.4): of a stream, not the message */
    bool is_between;   /* or of another block, at the end of a byte */
} progress;

/* A block costs a microsecond whatever it holds, and may have 11 bytes. Real ones hold kilobytes, or what was between two flushes. */
static bool has_too_many_blocks(const progress *s, size_t made) { return s->blocks > FREE_BLOCKS + (s->fed + made) / BLOCK_BYTES; }

/* Notes where a round of inflate() has stopped: Z_BLOCK lets it stop after every block. data_type: 128 = there, 64 = and it was the last
 * one, the low bits = unused bits of the last byte. */
static void note_stop(progress *s, const z_stream *z, int rc)
{
    const bool is_after_block = (z->data_type & 128) != 0;
    s->has_ended = rc == Z_STREAM_END || (is_after_block && (z->data_type & 64) != 0);
    s->is_between = is_after_block && (z->data_type & 7) == 0;
    s->blocks += s->has_ended || is_after_block;
}

/* Consumes `in` until it ends or the output, shorter before, has s->most bytes (then OVER). */
static cws_inflate_result feed(cws_deflate *d, cws_slice in, progress *s)
{
    z_stream *z = d->inflater;
    cws_buf *b = &d->inflated;
    z->next_in = in.p;
    z->avail_in = (uInt)in.n;
    for (;;) {
        const uInt room = reserve(b, s->most), left = z->avail_in;
        if (room == 0)
            return CWS_INFLATE_NO_MEMORY;
        z->next_out = b->p + b->n;
        z->avail_out = room;
        const int rc = inflate(z, Z_BLOCK);
        b->n += room - z->avail_out;
        s->fed += left - z->avail_in;
        if (b->n == s->most)
            return CWS_INFLATE_OVER; /* whatever else may be wrong with it */
        if (rc == Z_BUF_ERROR)
            return z->avail_in == 0 ? CWS_INFLATE_DONE : CWS_INFLATE_BAD;
        if (rc != Z_OK && rc != Z_STREAM_END)
            return rc == Z_MEM_ERROR ? CWS_INFLATE_NO_MEMORY : CWS_INFLATE_BAD;
        note_stop(s, z, rc);
        if (has_too_many_blocks(s, b->n) || (s->has_ended && inflateReset(z) != Z_OK))
            return CWS_INFLATE_BAD;
        if (z->avail_in == 0 && z->avail_out > 0)
            return CWS_INFLATE_DONE;
    }
}

cws_inflate_result cws_inflate(cws_deflate *d, cws_slice in, size_t ceiling, cws_slice *out)
{
    *out = (cws_slice){.p = tail, .n = 0};
    if (in.n == 0)
        return CWS_INFLATE_DONE;
    if (in.n > INT_MAX)
        return CWS_INFLATE_OVER;
    if (!start_inflating(d))
        return CWS_INFLATE_NO_MEMORY;
    progress s = {.most = ceiling >= SIZE_MAX / 4 ? SIZE_MAX / 4 : ceiling + 1};
    const size_t guess = in.n * FIRST_RATIO + SMALLEST_OUT_BYTES;
    /* By what has arrived, not by what it may become. Without memory here the first round says so. */
    (void)cws_buf_reserve(&d->inflated, guess < s.most ? guess : s.most, s.most);
    cws_inflate_result result = feed(d, in, &s);
    if (result == CWS_INFLATE_DONE && !s.has_ended) {
        result = feed(d, (cws_slice){.p = tail, .n = TAIL_BYTES}, &s);
        if (result == CWS_INFLATE_DONE && !s.has_ended && !s.is_between)
            result = CWS_INFLATE_BAD;
    }
    if (d->inflated.n > 0)
        *out = (cws_slice){.p = d->inflated.p, .n = d->inflated.n};
    return result;
}

cws_slice cws_inflate_prefix(cws_deflate *d, cws_slice in, size_t most)
{
    if (in.n == 0 || in.n > INT_MAX || most == 0 || !start_inflating(d))
        return (cws_slice){.p = tail, .n = 0};
    progress s = {.most = most};
    (void)feed(d, in, &s);
    return (cws_slice){.p = d->inflated.n > 0 ? d->inflated.p : tail, .n = d->inflated.n};
}

/* ---- deflating */

/* No distance is longer than what went before. */
bool cws_deflate_suits(uint8_t bits, size_t n) { return bits >= CWS_DEFLATE_WINDOW || n <= (size_t)1 << bits; }

static z_stream *deflater(cws_deflate *d)
{
    if (d->deflater)
        return d->deflater;
    z_stream *z = calloc(1, sizeof *z);
    if (z && deflateInit2(z, LEVEL, Z_DEFLATED, -(int)CWS_DEFLATE_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        z = NULL;
    }
    d->deflater = z;
    return z;
}

/* Appends `in`, compressed, to d->deflated, which may not grow past `most`. False when that was not enough. */
static bool run(cws_deflate *d, z_stream *z, cws_slice in, int flush, size_t most)
{
    cws_buf *b = &d->deflated;
    if (in.n > INT_MAX || most > INT_MAX || most <= b->n || (b->cap < most && !cws_buf_reserve(b, most - b->n, most)))
        return false;
    z->next_in = in.p;
    z->avail_in = (uInt)in.n;
    z->next_out = b->p + b->n;
    z->avail_out = (uInt)(most - b->n);
    const int rc = deflate(z, flush);
    const bool is_whole = flush == Z_FINISH ? rc == Z_STREAM_END : rc == Z_OK && z->avail_in == 0 && z->avail_out > 0;
    b->n = most - z->avail_out;
    return deflateReset(z) == Z_OK && is_whole;
}

bool cws_deflate_message(cws_deflate *d, cws_slice in, cws_slice *out)
{
    z_stream *z = deflater(d);
    d->deflated.n = 0;
    /* The tail goes again: as large as the input together with it is still smaller on the wire. */
    if (!z || in.n <= TAIL_BYTES || !run(d, z, in, Z_SYNC_FLUSH, in.n + TAIL_BYTES - 1) || d->deflated.n < TAIL_BYTES)
        return false;
    *out = (cws_slice){.p = d->deflated.p, .n = d->deflated.n - TAIL_BYTES};
    return out->n > 0 && memcmp(out->p + out->n, tail, TAIL_BYTES) == 0;
}

static void put_le32(uint8_t *p, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

bool cws_deflate_gzip(cws_deflate *d, cws_slice in, cws_slice *out)
{
    /* No name, no time: the same body gives the same bytes. 4: the fastest algorithm; 255: an unknown system. */
    static const uint8_t head[GZIP_HEAD_BYTES] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255};
    z_stream *z = deflater(d);
    d->deflated.n = 0;
    if (!z || in.n <= GZIP_HEAD_BYTES + GZIP_TAIL_BYTES || in.n > INT_MAX ||
        !cws_buf_append(&d->deflated, head, sizeof head, in.n) || !run(d, z, in, Z_FINISH, in.n - GZIP_TAIL_BYTES))
        return false;
    uint8_t end[GZIP_TAIL_BYTES];
    put_le32(end, (uint32_t)crc32(crc32(0, NULL, 0), in.p, (uInt)in.n));
    put_le32(end + 4, (uint32_t)in.n);
    if (!cws_buf_append(&d->deflated, end, sizeof end, in.n))
        return false;
    *out = (cws_slice){.p = d->deflated.p, .n = d->deflated.n};
    return true;
}

/* The probability that two bytes of the sample are equal: 1/256 for random bytes, 1/64 for base64, 1/16 for hex, about 1/20 for JSON
 * and other text. Below 1/40 level 1 gains less than a third, at 20 ms a megabyte. The sample is spread evenly, so that a short text before
 * a large picture does not speak for it. */
bool cws_deflate_is_worthwhile(cws_slice in)
{
    enum { PIECES = 8, PIECE_BYTES = 128, SAMPLE = PIECES * PIECE_BYTES };
    uint32_t counts[256] = {0};
    const bool is_small = in.n <= SAMPLE;
    for (size_t k = 0; k < (is_small ? 1u : PIECES); k++) {
        const size_t from = is_small ? 0 : (in.n - PIECE_BYTES) / (PIECES - 1) * k;
        const size_t n = is_small ? in.n : PIECE_BYTES;
        for (size_t i = 0; i < n; i++)
            counts[in.p[from + i]]++;
    }
    const uint64_t total = is_small ? in.n : SAMPLE;
    uint64_t pairs = 0;
    for (unsigned i = 0; i < 256; i++)
        pairs += (uint64_t)counts[i] * (counts[i] > 0 ? counts[i] - 1 : 0);
    return total > 1 && pairs * 40 >= total * (total - 1);
}

/* ---- memory */

static void trim(cws_buf *b)
{
    if (b->cap > KEPT_BYTES)
        cws_buf_free(b);
}

void cws_deflate_trim_inflated(cws_deflate *d) { trim(&d->inflated); }
void cws_deflate_trim_deflated(cws_deflate *d) { trim(&d->deflated); }

void cws_deflate_free(cws_deflate *d)
{
    if (d->inflater)
        (void)inflateEnd(d->inflater);
    if (d->deflater)
        (void)deflateEnd(d->deflater);
    free(d->inflater);
    free(d->deflater);
    cws_buf_free(&d->inflated);
    cws_buf_free(&d->deflated);
    *d = (cws_deflate){0};
}

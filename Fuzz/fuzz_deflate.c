/* A compressed message of a peer's, and its offer. The first byte chooses the ceiling (2^0 to 2^20), the rest is read three times: as
 * compressed bytes, as bytes to compress, as a Sec-WebSocket-Extensions line.
 *
 * Claims: never more than ceiling + 1 bytes; the verdict and the bytes are those of a plain zlib reader in small pieces, so that nothing
 * whole is refused; the messages before leave no trace; a prefix is a prefix; what we compress comes back, and is smaller; what is agreed on can be kept.
 * SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include <zlib.h>

#include "deflate.h"
#include "fuzz.h"
#include "parse.h"

#define PIECE_BYTES 7u
#define FEW_BLOCKS_BYTES 2000u /* no more than 1024 blocks fit in */

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

typedef struct reader {
    z_stream z;
    size_t n;           /* bytes made, counted on past the ceiling */
    bool is_bad, has_ended, is_between; /* two blocks, at the end of a byte */
} reader;

/* Compares what zlib makes of in[0..n), a few bytes at a time, with expected, as far as that goes. */
static void read_plain(reader *r, const uint8_t *in, size_t n, cws_slice expected)
{
    uint8_t piece[PIECE_BYTES];
    r->z.next_in = in;
    r->z.avail_in = (uInt)n;
    do {
        r->z.next_out = piece;
        r->z.avail_out = sizeof piece;
        const int rc = inflate(&r->z, Z_SYNC_FLUSH);
        const size_t got = sizeof piece - r->z.avail_out;
        const size_t known = r->n < expected.n ? expected.n - r->n : 0;
        REQUIRE(memcmp(piece, expected.p + (known > 0 ? r->n : 0), got < known ? got : known) == 0);
        r->n += got;
        r->has_ended = rc == Z_STREAM_END || (rc == Z_BUF_ERROR && r->has_ended);
        if (rc != Z_BUF_ERROR)
            r->is_between = (r->z.data_type & 128) != 0 && (r->z.data_type & 7) == 0;
        r->is_bad = rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR;
        if (rc == Z_STREAM_END)
            REQUIRE(inflateReset(&r->z) == Z_OK);
    } while (!r->is_bad && r->n <= expected.n && (r->z.avail_in > 0 || r->z.avail_out == 0));
}

static void check_inflate(cws_deflate *d, const uint8_t *p, size_t n, size_t ceiling)
{
    cws_slice out;
    uint8_t *in = fuzz_copy(p, n);
    const cws_inflate_result result = cws_inflate(d, (cws_slice){.p = in, .n = n}, ceiling, &out);
    REQUIRE(result != CWS_INFLATE_NO_MEMORY);
    REQUIRE(result == CWS_INFLATE_OVER ? out.n == ceiling + 1 : out.n <= ceiling);
    reader r = {0};
    REQUIRE(inflateInit2(&r.z, -15) == Z_OK);
    if (n > 0)
        read_plain(&r, in, n, out);
    if (n > 0 && !r.is_bad && !r.has_ended && r.n <= out.n)
        read_plain(&r, tail, sizeof tail, out);
    (void)inflateEnd(&r.z);
    if (result == CWS_INFLATE_OVER)
        REQUIRE(r.n >= out.n);
    if (result == CWS_INFLATE_DONE)
        REQUIRE(!r.is_bad && r.n == out.n);
    if (r.is_bad && r.n <= ceiling)
        REQUIRE(result == CWS_INFLATE_BAD);
    if (result == CWS_INFLATE_BAD && n <= FEW_BLOCKS_BYTES)
        REQUIRE(r.is_bad || (!r.has_ended && !r.is_between));

    uint8_t *first = fuzz_copy(out.p, out.n);
    const size_t first_n = out.n;
    const cws_slice begin = cws_inflate_prefix(d, (cws_slice){.p = in, .n = n}, first_n / 2);
    REQUIRE(begin.n <= first_n / 2 && memcmp(begin.p, first, begin.n) == 0);
    REQUIRE(cws_inflate(d, (cws_slice){.p = in, .n = n}, ceiling, &out) == result && out.n == first_n &&
            memcmp(out.p, first, first_n) == 0);
    free(first);
    free(in);
}

static void check_deflate(cws_deflate *d, const uint8_t *p, size_t n)
{
    cws_slice packed, out;
    uint8_t *in = fuzz_copy(p, n);
    (void)cws_deflate_is_worthwhile((cws_slice){.p = in, .n = n});
    if (cws_deflate_gzip(d, (cws_slice){.p = in, .n = n}, &packed))
        REQUIRE(packed.n < n);
    if (cws_deflate_message(d, (cws_slice){.p = in, .n = n}, &packed)) {
        REQUIRE(packed.n < n);
        REQUIRE(cws_inflate(d, packed, n, &out) == CWS_INFLATE_DONE && out.n == n && memcmp(out.p, in, n) == 0);
    }
    free(in);
}

static void check_offer(const uint8_t *p, size_t n)
{
    char answer[WS_DEFLATE_ANSWER_BYTES];
    ws_deflate_terms terms = {0}, again = {0};
    http1_encodings encodings = {0};
    uint8_t *line = fuzz_copy(p, n);
    http1_read_encodings(&encodings, (cws_slice){.p = line, .n = n});
    (void)http1_accepts_gzip(&encodings);
    if (ws_deflate_negotiate((cws_slice){.p = line, .n = n}, &terms)) {
        REQUIRE(terms.server_bits >= 8 && terms.server_bits <= 15);
        const size_t answer_n = ws_deflate_answer(&terms, answer);
        REQUIRE(answer_n == strlen(answer));
        REQUIRE(ws_deflate_negotiate((cws_slice){.p = (const uint8_t *)answer, .n = answer_n}, &again));
        REQUIRE(again.server_bits == terms.server_bits && again.says_server_bits == terms.says_server_bits);
    }
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_n)
{
    static cws_deflate d; /* lives on, as a loop's does */
    if (input_n < 1)
        return 0;
    check_inflate(&d, input + 1, input_n - 1, (size_t)1 << input[0] % 21);
    check_deflate(&d, input + 1, input_n - 1);
    check_offer(input + 1, input_n - 1);
    return 0;
}

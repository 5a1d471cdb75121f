/* Chunked bodies. The first byte chooses the pieces, the second the overhead ceiling, the rest is the wire.
 *
 * Claims: payload, end and verdict do not depend on the pieces, and agree with a decoder that reads the whole body by its grammar.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "parse.h"

typedef struct outcome {
    cws_parse verdict;
    size_t used, payload_n;
    uint8_t *payload;
} outcome;

/* Feeds piece after piece of at most `piece_n` bytes. */
static void decode(outcome *o, const uint8_t *p, size_t n, size_t piece_n, uint32_t limit)
{
    http1_chunks s = {0};
    *o = (outcome){.payload = malloc(n + 1)};
    REQUIRE(o->payload != NULL);
    while (o->used < n && o->verdict == CWS_PARSE_MORE) {
        const size_t size = piece_n < n - o->used ? piece_n : n - o->used;
        uint8_t *piece = fuzz_copy(p + o->used, size);
        size_t at = 0;
        while (at < size && o->verdict == CWS_PARSE_MORE) {
            size_t used = 0, run = 0, run_n = 0;
            o->verdict = http1_parse_chunks(&s, piece + at, size - at, &used, &run, &run_n, limit);
            REQUIRE(used <= size - at && run_n <= used && run <= used - run_n && s.overhead <= limit);
            REQUIRE(used > 0 || o->verdict == CWS_PARSE_ERROR);
            memcpy(o->payload + o->payload_n, piece + at + run, run_n);
            o->payload_n += run_n;
            at += used;
        }
        o->used += at;
        free(piece);
    }
}

typedef struct reader {
    const uint8_t *p;
    size_t n, at;
    uint64_t overhead;
} reader;

/* The bytes before the next CRLF, when they are all there and hold no control byte. */
static bool read_line(reader *r, const uint8_t **line, size_t *line_n)
{
    const size_t start = r->at;
    while (r->at < r->n && (r->p[r->at] >= 0x20 || r->p[r->at] == '\t') && r->p[r->at] != 0x7f)
        r->at++;
    if (r->n - r->at < 2 || r->p[r->at] != '\r' || r->p[r->at + 1] != '\n')
        return false;
    *line = r->p + start;
    *line_n = r->at - start;
    r->at += 2;
    return true;
}

static bool is_trailer(const uint8_t *line, size_t n)
{
    static const char name_bytes[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t i = 0;
    while (i < n && line[i] != '\0' && strchr(name_bytes, line[i]) != NULL)
        i++;
    return i > 0 && i < n && line[i] == ':';
}

/* RFC 9112 7.1 read straight down, with the same ceilings. True when p begins with a whole body. */
static bool read_body(reader *r, uint8_t *payload, size_t *payload_n)
{
    const uint8_t *line;
    size_t line_n;
    for (;;) {
        if (!read_line(r, &line, &line_n))
            return false;
        size_t digits = 0;
        uint64_t size = 0;
        while (digits < line_n && strchr("0123456789abcdefABCDEF", line[digits]) != NULL && digits < 16) {
            const char digit[2] = {(char)line[digits++], '\0'};
            size = size * 16 + strtoul(digit, NULL, 16);
        }
        if (digits == 0 || digits > 15 || (digits < line_n && line[digits] != ';'))
            return false;
        r->overhead += line_n - digits;
        if (size == 0)
            break;
        if (size > r->n - r->at || r->n - r->at - size < 2)
            return false;
        memcpy(payload + *payload_n, r->p + r->at, size);
        *payload_n += size;
        r->at += size;
        if (r->p[r->at] != '\r' || r->p[r->at + 1] != '\n')
            return false;
        r->at += 2;
    }
    for (;;) {
        if (!read_line(r, &line, &line_n))
            return false;
        if (line_n == 0)
            return true;
        if (!is_trailer(line, line_n))
            return false;
        r->overhead += line_n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_n)
{
    if (input_n < 2)
        return 0;
    const uint8_t *p = input + 2;
    const size_t n = input_n - 2;
    const uint32_t limit = input[1];
    const size_t pieces[] = {1, 2u + input[0]};
    outcome whole;
    decode(&whole, p, n, n, limit);
    for (size_t i = 0; i < 2; i++) {
        outcome o;
        decode(&o, p, n, pieces[i], limit);
        REQUIRE(o.verdict == whole.verdict && o.used == whole.used && o.payload_n == whole.payload_n);
        REQUIRE(memcmp(o.payload, whole.payload, o.payload_n) == 0);
        free(o.payload);
    }
    reader r = {p, n, 0, 0};
    uint8_t *payload = malloc(n + 1);
    REQUIRE(payload != NULL);
    size_t payload_n = 0;
    const bool is_body = read_body(&r, payload, &payload_n) && r.overhead <= limit;
    REQUIRE(is_body == (whole.verdict == CWS_PARSE_DONE));
    if (is_body)
        REQUIRE(r.at == whole.used && payload_n == whole.payload_n && memcmp(payload, whole.payload, payload_n) == 0);
    free(payload);
    free(whole.payload);
    return 0;
}

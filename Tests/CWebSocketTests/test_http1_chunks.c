/* Chunked bodies: payload, where the body ends, and every odd size that other servers have taken for a number. Each row runs in one
 * gulp, byte by byte, and at every split, each piece ending at a guard page.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

#define PAYLOAD_MAX 4096u

typedef struct outcome {
    cws_parse verdict;
    size_t used, payload_n;
    uint8_t payload[PAYLOAD_MAX];
    http1_chunks state;
} outcome;

/* Feeds one piece to its end, as the loop does. */
static void feed(outcome *o, const uint8_t *p, size_t n, uint32_t limit)
{
    const uint8_t *piece = check_guarded(p, n);
    size_t at = 0;
    do {
        size_t used = 0, run = 0, run_n = 0;
        o->verdict = http1_parse_chunks(&o->state, piece + at, n - at, &used, &run, &run_n, limit);
        if (!CHECK(used <= n - at && run_n <= used && run <= used - run_n && o->payload_n + run_n <= PAYLOAD_MAX))
            return;
        memcpy(o->payload + o->payload_n, piece + at + run, run_n);
        o->payload_n += run_n;
        if (!CHECK(used > 0 || n == at || o->verdict != CWS_PARSE_MORE))
            return;
        at += used;
    } while (o->verdict == CWS_PARSE_MORE && at < n);
    o->used += at;
}

static bool same(const outcome *a, const outcome *b)
{
    return a->verdict == b->verdict && a->used == b->used && a->payload_n == b->payload_n &&
           memcmp(a->payload, b->payload, a->payload_n) == 0;
}

static void run(outcome *o, const char *name, const uint8_t *p, size_t n, uint32_t limit)
{
    static outcome pieces;
    *o = (outcome){0};
    feed(o, p, n, limit);
    pieces = (outcome){0};
    for (size_t i = 0; i < n && pieces.verdict == CWS_PARSE_MORE; i++)
        feed(&pieces, p + i, 1, limit);
    CHECK_ROW(same(o, &pieces), name);
    bool agree = true;
    for (size_t cut = 0; cut <= n && agree; cut++) {
        pieces = (outcome){0};
        feed(&pieces, p, cut, limit);
        if (pieces.verdict == CWS_PARSE_MORE)
            feed(&pieces, p + cut, n - cut, limit);
        agree = same(o, &pieces);
    }
    CHECK_ROW(agree, name);
}

typedef struct good_row {
    const char *name;
    const uint8_t *p;
    size_t n;
    const char *payload;
    size_t left_over;           /* bytes that belong to the next request */
} good_row;

static const good_row good_rows[] = {
    {"empty body", BYTES("0\r\n\r\n"), "", 0},
    {"one chunk", BYTES("5\r\nhello\r\n0\r\n\r\n"), "hello", 0},
    {"two chunks", BYTES("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), "hello!", 0},
    {"hex in both cases", BYTES("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), "01234567890123456789a", 0},
    {"leading zeros", BYTES("000000000000005\r\nhello\r\n000\r\n\r\n"), "hello", 0},
    {"payload that looks like framing", BYTES("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), "\r\n0\r\n\r\n", 0},
    {"extension", BYTES("5;a\r\nhello\r\n0;b=c\r\n\r\n"), "hello", 0},
    {"extension with blanks and quotes", BYTES("5;a = \"b;\t\\\"\"\r\nhello\r\n0\r\n\r\n"), "hello", 0},
    {"trailers", BYTES("0\r\nA: b\r\nC:\r\n\r\n"), "", 0},
    {"next request", BYTES("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), "x", 16},
    {"trailer that names a length", BYTES("0\r\nContent-Length: 5\r\n\r\nhello"), "", 5},
};

TEST(chunks_accepted)
{
    static outcome o;
    for (size_t i = 0; i < sizeof good_rows / sizeof good_rows[0]; i++) {
        const good_row *row = &good_rows[i];
        run(&o, row->name, row->p, row->n, 64);
        CHECK_ROW(o.verdict == CWS_PARSE_DONE && o.used == row->n - row->left_over, row->name);
        CHECK_ROW(o.payload_n == strlen(row->payload) && memcmp(o.payload, row->payload, o.payload_n) == 0, row->name);
    }
}

typedef struct bad_row {
    const char *name;
    const uint8_t *p;
    size_t n;
    size_t at;                  /* the first byte that does not fit */
} bad_row;

static const bad_row bad_rows[] = {
    {"empty size", BYTES("\r\nhello\r\n0\r\n\r\n"), 0},
    {"empty size with extension", BYTES(";a\r\n"), 0},
    {"sign", BYTES("+5\r\nhello\r\n"), 0},
    {"minus", BYTES("-5\r\nhello\r\n"), 0},
    {"0x", BYTES("0x5\r\nhello\r\n"), 1},
    {"underscore", BYTES("0_2e\r\n"), 1},
    {"leading blank", BYTES(" 5\r\nhello\r\n"), 0},
    {"trailing blank", BYTES("5 \r\nhello\r\n"), 1},
    {"trailing tab", BYTES("5\t\r\nhello\r\n"), 1},
    {"blank before extension", BYTES("5 ;a\r\nhello\r\n"), 1},
    {"not hex", BYTES("g\r\n"), 0},
    {"8-bit digit", BYTES("\xB2\r\n"), 0},
    {"decimal point", BYTES("5.0\r\n"), 1},
    {"quoted", BYTES("\"5\"\r\n"), 0},
    {"16 digits", BYTES("0000000000000005\r\nhello\r\n"), 15},
    {"2^64 + 5", BYTES("10000000000000005\r\nhello\r\n"), 15},
    {"bare LF after the size", BYTES("5\nhello\r\n"), 1},
    {"bare CR after the size", BYTES("5\rhello\r\n"), 2},
    {"two CR after the size", BYTES("5\r\r\nhello\r\n"), 2},
    {"bare LF after an extension", BYTES("5;a\nhello\r\n"), 3},
    {"NUL in an extension", BYTES("5;a\0\r\nhello\r\n"), 3},
    {"CR in an extension", BYTES("5;a\rb\r\nhello\r\n"), 4},
    {"bare LF after the payload", BYTES("5\r\nhello\n0\r\n\r\n"), 8},
    {"payload too long", BYTES("5\r\nhello!\r\n0\r\n\r\n"), 8},
    {"payload too short", BYTES("6\r\nhello\r\n0\r\n\r\n"), 9},
    {"CR and no LF after the payload", BYTES("5\r\nhello\r0\r\n\r\n"), 9},
    {"LF for the end", BYTES("0\r\n\n"), 3},
    {"CR and no LF for the end", BYTES("0\r\n\rGET"), 4},
    {"LF after the last size", BYTES("0\n\r\n"), 1},
    {"trailer without colon", BYTES("0\r\nA\r\n\r\n"), 4},
    {"trailer with an empty name", BYTES("0\r\n: a\r\n\r\n"), 3},
    {"trailer with a blank before the colon", BYTES("0\r\nA : b\r\n\r\n"), 4},
    {"trailer folded", BYTES("0\r\nA: b\r\n c\r\n\r\n"), 9},
    {"trailer with a NUL", BYTES("0\r\nA: b\0\r\n\r\n"), 7},
    {"trailer with a bare LF", BYTES("0\r\nA: b\n\r\n"), 7},
    {"trailer with a bare CR", BYTES("0\r\nA: b\rc\r\n\r\n"), 8},
};

TEST(chunks_refused)
{
    static outcome o;
    for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
        run(&o, bad_rows[i].name, bad_rows[i].p, bad_rows[i].n, 64);
        if (!CHECK_ROW(o.verdict == CWS_PARSE_ERROR && o.used == bad_rows[i].at, bad_rows[i].name))
            printf("  verdict %d at %zu\n", (int)o.verdict, o.used);
    }
}

TEST(chunks_answer_stays)
{
    http1_chunks s = {0};
    size_t used = 9, run = 9, run_n = 9;
    const uint8_t *p = (const uint8_t *)"0\r\n\r\n0\r\n\r\n";
    CHECK(http1_parse_chunks(&s, p, 10, &used, &run, &run_n, 0) == CWS_PARSE_DONE && used == 5 && run_n == 0);
    CHECK(http1_parse_chunks(&s, p + 5, 5, &used, &run, &run_n, 0) == CWS_PARSE_DONE && used == 0);
    s = (http1_chunks){0};
    CHECK(http1_parse_chunks(&s, (const uint8_t *)"x", 1, &used, &run, &run_n, 0) == CWS_PARSE_ERROR && used == 0);
    CHECK(http1_parse_chunks(&s, p, 5, &used, &run, &run_n, 0) == CWS_PARSE_ERROR && used == 0);
}

TEST(chunks_largest_size)
{
    http1_chunks s = {0};
    size_t used = 0, run = 0, run_n = 0;
    const uint8_t *p = (const uint8_t *)"fffffffffffffff\r\nab";
    CHECK(http1_parse_chunks(&s, p, 19, &used, &run, &run_n, 0) == CWS_PARSE_MORE);
    CHECK(used == 19 && run == 17 && run_n == 2 && s.left == UINT64_C(0xfffffffffffffff) - 2);
}

/* Extensions and trailers of all chunks together have one ceiling. */
TEST(chunks_overhead_is_bounded)
{
    static outcome o;
    static const char extension[] = "1;abc\r\nx\r\n1;abc\r\nx\r\n0\r\n\r\n";
    static const char trailer[] = "0\r\nA: bcd\r\nE:f\r\n\r\n";
    run(&o, "extensions at the ceiling", (const uint8_t *)extension, sizeof extension - 1, 8);
    CHECK(o.verdict == CWS_PARSE_DONE && o.payload_n == 2);
    run(&o, "extensions over it", (const uint8_t *)extension, sizeof extension - 1, 7);
    CHECK(o.verdict == CWS_PARSE_ERROR && o.payload_n == 1);
    run(&o, "trailers at the ceiling", (const uint8_t *)trailer, sizeof trailer - 1, 9);
    CHECK(o.verdict == CWS_PARSE_DONE);
    run(&o, "trailers over it", (const uint8_t *)trailer, sizeof trailer - 1, 8);
    CHECK(o.verdict == CWS_PARSE_ERROR);
    run(&o, "none allowed", (const uint8_t *)"1;\r\n", 4, 0);
    CHECK(o.verdict == CWS_PARSE_ERROR);
}

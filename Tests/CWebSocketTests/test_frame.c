/* Frame headers both ways, and close codes. Each row runs in one gulp and on every prefix, ending at a guard page.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "parse.h"

#include <string.h>

#define KEY "\x01\x02\x03\x04"

typedef struct row {
    const char *name;
    const uint8_t *p;
    size_t n;
    bool allow_rsv1;
    cws_parse verdict;
    size_t decided_at;          /* bytes after which the verdict stands */
    bool is_final, rsv1;
    uint8_t opcode;
    uint64_t payload_n;
} row;

#define DONE CWS_PARSE_DONE
#define ERROR CWS_PARSE_ERROR

static const row rows[] = {
    {"text", BYTES("\x81\x85" KEY "hello"), false, DONE, 6, true, false, 1, 5},
    {"empty binary", BYTES("\x82\x80" KEY), false, DONE, 6, true, false, 2, 0},
    {"first fragment", BYTES("\x01\x81" KEY "x"), false, DONE, 6, false, false, 1, 1},
    {"continuation", BYTES("\x80\x81" KEY "x"), false, DONE, 6, true, false, 0, 1},
    {"close", BYTES("\x88\x80" KEY), false, DONE, 6, true, false, 8, 0},
    {"ping of 125", BYTES("\x89\xFD" KEY), false, DONE, 6, true, false, 9, 125},
    {"pong", BYTES("\x8A\x80" KEY), false, DONE, 6, true, false, 10, 0},
    {"125", BYTES("\x82\xFD" KEY), false, DONE, 6, true, false, 2, 125},
    {"126", BYTES("\x82\xFE\x00\x7E" KEY), false, DONE, 8, true, false, 2, 126},
    {"65535", BYTES("\x82\xFE\xFF\xFF" KEY), false, DONE, 8, true, false, 2, 65535},
    {"65536", BYTES("\x82\xFF\x00\x00\x00\x00\x00\x01\x00\x00" KEY), false, DONE, 14, true, false, 2, 65536},
    {"2^32 + 5", BYTES("\x82\xFF\x00\x00\x00\x01\x00\x00\x00\x05" KEY), false, DONE, 14, true, false, 2, UINT64_C(4294967301)},
    {"2^62", BYTES("\x82\xFF\x40\x00\x00\x00\x00\x00\x00\x00" KEY), false, DONE, 14, true, false, 2, UINT64_C(1) << 62},
    {"2^63 - 1", BYTES("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF" KEY), false, DONE, 14, true, false, 2, INT64_MAX},
    {"compressed text", BYTES("\xC1\x80" KEY), true, DONE, 6, true, true, 1, 0},
    {"compressed first fragment", BYTES("\x42\x80" KEY), true, DONE, 6, false, true, 2, 0},
    {"uncompressed although agreed", BYTES("\x81\x80" KEY), true, DONE, 6, true, false, 1, 0},

    {"unmasked", BYTES("\x81\x05hello"), false, ERROR, 2, 0, 0, 0, 0},
    {"unmasked close", BYTES("\x88\x00"), false, ERROR, 2, 0, 0, 0, 0},
    {"RSV1 not agreed", BYTES("\xC1\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"RSV1 on continuation", BYTES("\xC0\x80" KEY), true, ERROR, 1, 0, 0, 0, 0},
    {"RSV1 on ping", BYTES("\xC9\x80" KEY), true, ERROR, 1, 0, 0, 0, 0},
    {"RSV2", BYTES("\xA1\x80" KEY), true, ERROR, 1, 0, 0, 0, 0},
    {"RSV3", BYTES("\x91\x80" KEY), true, ERROR, 1, 0, 0, 0, 0},
    {"all RSV, as in 'test'", BYTES("test"), true, ERROR, 1, 0, 0, 0, 0},
    {"opcode 3", BYTES("\x83\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"opcode 7", BYTES("\x87\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"opcode 11", BYTES("\x8B\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"opcode 15", BYTES("\x8F\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"fragmented close", BYTES("\x08\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"fragmented ping", BYTES("\x09\x80" KEY), false, ERROR, 1, 0, 0, 0, 0},
    {"ping of 126", BYTES("\x89\xFE\x00\x7E" KEY), false, ERROR, 2, 0, 0, 0, 0},
    {"ping of 64-bit length", BYTES("\x89\xFF\x00\x00\x00\x00\x00\x01\x00\x00" KEY), false, ERROR, 2, 0, 0, 0, 0},
    {"125 in 16 bits", BYTES("\x82\xFE\x00\x7D" KEY), false, ERROR, 4, 0, 0, 0, 0},
    {"0 in 16 bits", BYTES("\x82\xFE\x00\x00" KEY), false, ERROR, 4, 0, 0, 0, 0},
    {"65535 in 64 bits", BYTES("\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF" KEY), false, ERROR, 10, 0, 0, 0, 0},
    {"5 in 64 bits", BYTES("\x82\xFF\x00\x00\x00\x00\x00\x00\x00\x05" KEY), false, ERROR, 10, 0, 0, 0, 0},
    {"2^63", BYTES("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00" KEY), false, ERROR, 10, 0, 0, 0, 0},
    {"2^64 - 1", BYTES("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" KEY), false, ERROR, 10, 0, 0, 0, 0},
};

TEST(frame_rows)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const row *r = &rows[i];
        for (size_t n = 0; n <= r->n; n++) {
            ws_frame f;
            const cws_parse verdict = ws_parse_frame(&f, check_guarded(r->p, n), n, r->allow_rsv1);
            CHECK_ROW(verdict == (n < r->decided_at ? CWS_PARSE_MORE : r->verdict), r->name);
            CHECK_ROW(f.reason == (verdict == ERROR ? CWS_R_FRAME_PROTOCOL : CWS_R_NONE), r->name);
            if (verdict == DONE)
                CHECK_ROW(f.header_n == r->decided_at && f.is_final == r->is_final && f.rsv1 == r->rsv1 &&
                          f.opcode == r->opcode && f.payload_n == r->payload_n && memcmp(f.mask, KEY, 4) == 0, r->name);
        }
    }
}

/* Every pair of first bytes: what passes is what RFC 6455 5.2 and 5.5 let pass. */
TEST(frame_first_two_bytes)
{
    uint8_t p[14] = {0};
    p[9] = 1;                   /* 2^48 in 64 bits; 16 bits are set below */
    p[4] = 1;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            p[0] = (uint8_t)first;
            p[1] = (uint8_t)second;
            p[2] = (second & 0x7F) == 126 ? 1 : 0;
            const unsigned opcode = first & 15, length = second & 127;
            const bool is_control = opcode >= 8;
            const bool fits = (first & 0x70) == 0 && (opcode <= 2 || (opcode >= 8 && opcode <= 10)) && second >= 128 &&
                              (!is_control || (first >= 128 && length <= 125));
            ws_frame f;
            if (ws_parse_frame(&f, p, sizeof p, false) != (fits ? DONE : ERROR)) {
                CHECK(false);
                return;
            }
        }
    }
    CHECK(true);
}

TEST(frame_written)
{
    static const struct {
        uint64_t payload_n;
        size_t header_n;
        const char *bytes;
    } written[] = {
        {0, 2, "\x81\x00"},       {125, 2, "\x81\x7D"},          {126, 4, "\x81\x7E\x00\x7E"}, {65535, 4, "\x81\x7E\xFF\xFF"},
        {65536, 10, "\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00"}, {INT64_MAX, 10, "\x81\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"},
    };
    uint8_t out[10];
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        CHECK(ws_write_header(out, 1, true, false, written[i].payload_n) == written[i].header_n);
        CHECK(memcmp(out, written[i].bytes, written[i].header_n) == 0);
    }
    CHECK(ws_write_header(out, 2, false, true, 0) == 2 && out[0] == 0x42);
}

/* What is written, with a mask added, reads back the same. */
TEST(frame_round_trip)
{
    uint64_t seed = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t out[14];
        ws_frame f;
        const uint64_t payload_n = (check_random(&seed) >> 1) >> (check_random(&seed) % 63);
        const uint8_t opcode = (uint8_t)(1 + check_random(&seed) % 2);
        const bool is_final = check_random(&seed) % 2, rsv1 = check_random(&seed) % 2;
        const size_t n = ws_write_header(out, opcode, is_final, rsv1, payload_n);
        out[1] |= 0x80;
        memcpy(out + n, KEY, 4);
        if (ws_parse_frame(&f, out, n + 4, true) != DONE || f.header_n != n + 4 || f.payload_n != payload_n ||
            f.opcode != opcode || f.is_final != is_final || f.rsv1 != rsv1) {
            CHECK(false);
            return;
        }
    }
    CHECK(true);
}

TEST(frame_close_codes)
{
    static const struct {
        uint16_t first, last;
    } valid[] = {{1000, 1003}, {1007, 1014}, {3000, 4999}};
    for (uint32_t code = 0; code <= UINT16_MAX; code++) {
        bool expected = false;
        for (size_t i = 0; i < 3; i++)
            expected = expected || (code >= valid[i].first && code <= valid[i].last);
        if (ws_close_code_valid((uint16_t)code) != expected) {
            CHECK(false);
            return;
        }
    }
    CHECK(ws_close_code_valid(1000) && !ws_close_code_valid(1005) && !ws_close_code_valid(1006) && !ws_close_code_valid(1015));
}

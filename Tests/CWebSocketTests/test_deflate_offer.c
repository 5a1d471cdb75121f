/* Which offers of permessage-deflate are taken, and which requests accept gzip. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "check.h"
#include "parse.h"

#define PMD "permessage-deflate"

/* bits 0: nothing acceptable. `is_told` whether the answer names them. */
static const struct {
    const char *line;
    uint8_t bits;
    bool is_told;
} offers[] = {
    {PMD, 15, false},
    {"Permessage-Deflate", 15, false},
    {" \t" PMD " ", 15, false},
    {PMD "; client_max_window_bits", 15, false},
    {PMD ";client_max_window_bits=8", 15, false},
    {PMD "; client_max_window_bits=15", 15, false},
    {PMD "; server_no_context_takeover; client_no_context_takeover", 15, false},
    {PMD "; SERVER_MAX_WINDOW_BITS=12; client_max_window_bits=12", 12, true},
    {PMD "; server_max_window_bits=8", 8, true},
    {PMD "; server_max_window_bits=9", 9, true},
    {PMD "; server_max_window_bits=10", 10, true},
    {PMD "; server_max_window_bits=15", 15, true},
    {PMD "; server_max_window_bits=\"11\"", 11, true},
    {PMD " ; server_max_window_bits = 10 ; client_max_window_bits", 10, true},
    {", ," PMD ",", 15, false},
    {"x-webkit-deflate-frame, " PMD, 15, false},
    {"other; a; b=c; d=\"e\", " PMD "; server_max_window_bits=13", 13, true},
    /* the next offer */
    {PMD "; server_max_window_bits=16, " PMD, 15, false},
    {PMD "; unknown, " PMD "; server_max_window_bits=10", 10, true},
    {PMD "; server_max_window_bits=10, " PMD, 10, true},
    {PMD "; client_max_window_bits; client_max_window_bits, " PMD "; bad=1, " PMD "; server_max_window_bits=14", 14, true},
    /* unknown, doubled, out of range, with a value that is none or without one */
    {PMD "; unknown", 0, false},
    {PMD "; unknown=1; client_max_window_bits", 0, false},
    {PMD "; server_no_context_takeover; server_no_context_takeover", 0, false},
    {PMD "; client_no_context_takeover; client_no_context_takeover", 0, false},
    {PMD "; server_max_window_bits=10; server_max_window_bits=10", 0, false},
    {PMD "; client_max_window_bits; client_max_window_bits=10", 0, false},
    {PMD "; server_no_context_takeover=1", 0, false},
    {PMD "; client_no_context_takeover=\"\"", 0, false},
    {PMD "; server_max_window_bits", 0, false},
    {PMD "; server_max_window_bits=", 0, false},
    {PMD "; server_max_window_bits=7", 0, false},
    {PMD "; server_max_window_bits=16", 0, false},
    {PMD "; server_max_window_bits=0", 0, false},
    {PMD "; server_max_window_bits=08", 0, false},
    {PMD "; server_max_window_bits=010", 0, false},
    {PMD "; server_max_window_bits=+9", 0, false},
    {PMD "; server_max_window_bits=-9", 0, false},
    {PMD "; server_max_window_bits=9.0", 0, false},
    {PMD "; server_max_window_bits=1e1", 0, false},
    {PMD "; server_max_window_bits=4294967305", 0, false},
    {PMD "; server_max_window_bits=\" 9\"", 0, false},
    {PMD "; client_max_window_bits=7", 0, false},
    {PMD "; client_max_window_bits=16", 0, false},
    {PMD "; client_max_window_bits=\"\"", 0, false},
    {PMD "; server_max_window_bit=9", 0, false},
    {PMD "; server_max_window_bitss=9", 0, false},
    /* not of the grammar: nothing behind it is believed */
    {"", 0, false},
    {" ", 0, false},
    {",", 0, false},
    {";", 0, false},
    {"permessage-deflat", 0, false},
    {"permessage-deflatee", 0, false},
    {"permessage-bzip2", 0, false},
    {PMD ";", 0, false},
    {PMD "; ;", 0, false},
    {PMD "; =9", 0, false},
    {PMD " x", 0, false},
    {PMD "; server_max_window_bits=9 9", 0, false},
    {PMD "; server_max_window_bits=\"9", 0, false},
    {PMD "; server_max_window_bits=\"9\"9", 0, false},
    {PMD "; a=\"b c\", " PMD, 0, false},
    {"\"" PMD "\"", 0, false},
    {"=, " PMD, 0, false},
    {"other; a=, " PMD, 0, false},
};

TEST(deflate_offers)
{
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        const size_t n = strlen(offers[i].line);
        const cws_slice line = {.p = check_guarded((const uint8_t *)offers[i].line, n), .n = n};
        ws_deflate_terms terms = {0};
        const bool is_accepted = ws_deflate_negotiate(line, &terms);
        CHECK_ROW(is_accepted == (offers[i].bits > 0), offers[i].line);
        CHECK_ROW(terms.server_bits == offers[i].bits && terms.says_server_bits == offers[i].is_told, offers[i].line);
    }
}

TEST(deflate_answers)
{
    char out[WS_DEFLATE_ANSWER_BYTES];
    const ws_deflate_terms plain = {.server_bits = 15}, told = {.server_bits = 9, .says_server_bits = true};
    static const char always[] = PMD "; server_no_context_takeover; client_no_context_takeover";
    CHECK(ws_deflate_answer(&plain, out) == strlen(out) && strcmp(out, always) == 0);
    CHECK(ws_deflate_answer(&told, out) == strlen(out) && strncmp(out, always, strlen(always)) == 0 &&
          strcmp(out + strlen(always), "; server_max_window_bits=9") == 0);
    /* What we answer is an offer that we would take. */
    ws_deflate_terms again = {0};
    CHECK(ws_deflate_negotiate((cws_slice){.p = (const uint8_t *)out, .n = strlen(out)}, &again) && again.server_bits == 9);
}

static const struct {
    const char *lines[2];
    bool accepts;
} encodings[] = {
    {{"gzip"}, true},
    {{"GZip"}, true},
    {{"x-gzip"}, true},
    {{"gzip, deflate, br, zstd"}, true},
    {{"deflate;q=0.5,gzip;q=0.1"}, true},
    {{" \tgzip\t; q=1.000 "}, true},
    {{"gzip;q=0.001"}, true},
    {{"*"}, true},
    {{"br, *;q=0.1"}, true},
    {{"br", "gzip"}, true},
    {{",,gzip,"}, true},
    {{"gzip;Q=1"}, true},
    {{""}, false},
    {{","}, false},
    {{"identity"}, false},
    {{"br, deflate"}, false},
    {{"gzip;q=0"}, false},
    {{"gzip;q=0."}, false},
    {{"gzip;q=0.000"}, false},
    {{"gzip;q=0, *"}, false},
    {{"*", "gzip;q=0"}, false},
    {{"*;q=0"}, false},
    {{"gzipp"}, false},
    {{"gzi"}, false},
    {{"gzip x"}, false},
    {{"gzip;q"}, false},
    {{"gzip;q="}, false},
    {{"gzip;q=2"}, false},
    {{"gzip;q=1.5"}, false},
    {{"gzip;q=01"}, false},
    {{"gzip;q=0.0001"}, false},
    {{"gzip;q=-1"}, false},
    {{"gzip;q=.5"}, false},
    {{"gzip;level=9"}, false},
    {{"gzip;"}, false},
    {{"\"gzip\""}, false},
};

TEST(encodings)
{
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        http1_encodings e = {0};
        for (int k = 0; k < 2 && encodings[i].lines[k] != NULL; k++) {
            const size_t n = strlen(encodings[i].lines[k]);
            http1_read_encodings(&e, (cws_slice){.p = check_guarded((const uint8_t *)encodings[i].lines[k], n), .n = n});
        }
        CHECK_ROW(http1_accepts_gzip(&e) == encodings[i].accepts, encodings[i].lines[0]);
    }
    const http1_encodings none = {0};
    CHECK(!http1_accepts_gzip(&none));
}

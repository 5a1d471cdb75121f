/* The PROXY header: any bytes at all.
 *
 * Claims: the answer for n bytes follows from the answers for fewer (MORE until one byte decides, then always the same); a header is never
 * longer than its ceiling nor than what was given; a source is an address; what lies behind a header does not matter; a line that is accepted
 * says what it says when it is written anew. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "parse.h"

#include <arpa/inet.h>

static cws_parse parse(cws_proxy_header *h, const uint8_t *p, size_t n)
{
    uint8_t *copy = fuzz_copy(p, n);
    const cws_parse result = cws_proxy_parse(h, copy, n);
    free(copy);
    return result;
}

static void check_line(const cws_proxy_header *h, const uint8_t *p)
{
    char address[INET6_ADDRSTRLEN], line[128];
    cws_proxy_header again;
    const bool is_v4 = h->source.family == 4;
    REQUIRE(inet_ntop(is_v4 ? AF_INET : AF_INET6, h->source.bytes, address, sizeof address) != NULL);
    const int n = snprintf(line, sizeof line, "PROXY %s %s %s %u 0\r\n", is_v4 ? "TCP4" : "TCP6", address, is_v4 ? "0.0.0.0" : "::",
                           h->source.port);
    REQUIRE(cws_proxy_parse(&again, (const uint8_t *)line, (size_t)n) == CWS_PARSE_DONE && again.has_source);
    REQUIRE(memcmp(again.source.bytes, h->source.bytes, sizeof again.source.bytes) == 0);
    REQUIRE(again.source.family == h->source.family && again.source.port == h->source.port);
    REQUIRE(p[0] == 'P' || p[0] == '\r');
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    cws_proxy_header whole, part;
    const cws_parse result = parse(&whole, p, n);
    if (result == CWS_PARSE_DONE) {
        REQUIRE(whole.header_n <= n && whole.header_n <= CWS_PROXY_BYTES && whole.header_n >= 15);
        REQUIRE(parse(&part, p, whole.header_n) == CWS_PARSE_DONE && part.header_n == whole.header_n);
        if (whole.has_source) {
            REQUIRE(whole.source.family == 4 || whole.source.family == 6);
            check_line(&whole, p);
        }
    }
    /* Where the answer changes, it changes once: at the first byte that decides. */
    size_t decided = n;
    for (size_t k = 0; k < n && k <= 256; k++) {
        const cws_parse early = parse(&part, p, k);
        if (early == CWS_PARSE_MORE) {
            REQUIRE(decided == n);
            continue;
        }
        if (decided == n)
            decided = k;
        REQUIRE(early == result);
        if (early == CWS_PARSE_DONE)
            REQUIRE(part.header_n == whole.header_n && part.header_n == decided);
    }
    return 0;
}

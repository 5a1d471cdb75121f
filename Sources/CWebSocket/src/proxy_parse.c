/* The PROXY protocol's header: what a load balancer puts before the client's own bytes (haproxy's proxy-protocol.txt, versions 1 and 2).
 * Pure, any thread. Decides whether bytes are such a header and whom they name; never reads past it, allocates or guesses.
 * Strict: one spelling for each number, no datagrams, extras well-formed. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "parse.h"

#define V1_BYTES 107u /* the longest line, its CRLF included */
#define V2_FIXED 16u

static const uint8_t v1_start[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const uint8_t v2_start[12] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};

static bool agrees(const uint8_t *p, size_t n, const uint8_t *start, size_t start_n)
{
    return memcmp(p, start, n < start_n ? n : start_n) == 0;
}

/* IPv4-mapped addresses are IPv4. */
static void set_address(cws_address *a, uint8_t family, const uint8_t *bytes, uint16_t port)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const bool is_mapped = family == 6 && memcmp(bytes, mapped, sizeof mapped) == 0;
    *a = (cws_address){.family = is_mapped ? 4 : family, .port = port};
    if (is_mapped)
        memcpy(a->bytes, bytes + 12, 4);
    else
        memcpy(a->bytes, bytes, family == 4 ? 4 : 16);
}

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n" */

/* Cuts the next word at a single blank; the last one ends with the line. */
static bool take_word(const uint8_t **p, const uint8_t *end, cws_slice *word)
{
    const uint8_t *from = *p;
    const uint8_t *to = memchr(from, ' ', (size_t)(end - from));
    *word = (cws_slice){from, (size_t)((to ? to : end) - from)};
    *p = to ? to + 1 : end;
    return word->n > 0;
}

static bool take_port(cws_slice word, uint16_t *port)
{
    uint32_t value = 0;
    if (word.n > 5 || (word.n > 1 && word.p[0] == '0'))
        return false;
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] < '0' || word.p[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(word.p[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool take_ip(cws_slice word, uint8_t family, uint8_t bytes[16])
{
    char text[INET6_ADDRSTRLEN];
    if (word.n >= sizeof text || memchr(word.p, '\0', word.n))
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    return inet_pton(family == 4 ? AF_INET : AF_INET6, text, bytes) == 1;
}

static bool take_line(cws_proxy_header *h, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    cws_slice protocol, source, target, source_port, target_port;
    uint8_t from[16], to[16];
    uint16_t port = 0, ignored = 0;
    p += sizeof v1_start;
    if (!take_word(&p, end, &protocol))
        return false;
    if (protocol.n == 7 && memcmp(protocol.p, "UNKNOWN", 7) == 0)
        return true; /* whatever follows is to be ignored */
    if (protocol.n != 4 || memcmp(protocol.p, "TCP", 3) != 0 || (protocol.p[3] != '4' && protocol.p[3] != '6'))
        return false;
    const uint8_t family = (uint8_t)(protocol.p[3] - '0');
    if (!take_word(&p, end, &source) || !take_word(&p, end, &target) || !take_word(&p, end, &source_port) ||
        !take_word(&p, end, &target_port) || p != end || end[-1] == ' ')
        return false;
    if (!take_ip(source, family, from) || !take_ip(target, family, to) || !take_port(source_port, &port) ||
        !take_port(target_port, &ignored))
        return false;
    h->has_source = true;
    set_address(&h->source, family, from, port);
    return true;
}

static cws_parse parse_line(cws_proxy_header *h, const uint8_t *p, size_t n)
{
    size_t i = sizeof v1_start;
    while (i < n && i < V1_BYTES - 1 && p[i] >= 0x20 && p[i] < 0x7F)
        i++;
    if (i >= n)
        return n < V1_BYTES ? CWS_PARSE_MORE : CWS_PARSE_ERROR;
    if (p[i] != '\r')
        return CWS_PARSE_ERROR;
    if (i + 1 == n)
        return CWS_PARSE_MORE;
    if (p[i + 1] != '\n' || !take_line(h, p, i))
        return CWS_PARSE_ERROR;
    h->header_n = (uint32_t)i + 2;
    return CWS_PARSE_DONE;
}

/* ---- version 2: 12 fixed bytes, version and command, family, length, addresses, extras */

#define V2_LOCAL 0x20u
#define V2_PROXY 0x21u

typedef enum v2_family { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31 } v2_family;

static size_t addresses_n(uint8_t family)
{
    switch (family) {
    case V2_UNSPEC: return 0;
    case V2_TCP4: return 12;
    case V2_TCP6: return 36;
    case V2_UNIX: return 216;
    default: return SIZE_MAX;
    }
}

static size_t wide(const uint8_t *p) { return (size_t)p[0] << 8 | p[1]; }

/* Type, two bytes of length, value; to the very end. */
static bool extras_are_sound(const uint8_t *p, size_t n)
{
    while (n > 0) {
        if (n < 3 || wide(p + 1) > n - 3)
            return false;
        const size_t k = 3 + wide(p + 1);
        p += k;
        n -= k;
    }
    return true;
}

static cws_parse parse_binary(cws_proxy_header *h, const uint8_t *p, size_t n)
{
    if (n > 12 && p[12] != V2_LOCAL && p[12] != V2_PROXY)
        return CWS_PARSE_ERROR;
    const bool is_proxy = n > 12 && p[12] == V2_PROXY;
    if (is_proxy && n > 13 && addresses_n(p[13]) == SIZE_MAX)
        return CWS_PARSE_ERROR;
    if (n < V2_FIXED)
        return CWS_PARSE_MORE;
    const size_t rest_n = wide(p + 14);
    const size_t address_n = is_proxy ? addresses_n(p[13]) : 0;
    if (rest_n > CWS_PROXY_BYTES - V2_FIXED || rest_n < address_n)
        return CWS_PARSE_ERROR;
    if (n - V2_FIXED < rest_n)
        return CWS_PARSE_MORE;
    const uint8_t *a = p + V2_FIXED;
    /* What a LOCAL header carries, and what follows addresses of no family, is to be skipped unseen. */
    if (is_proxy && p[13] != V2_UNSPEC && !extras_are_sound(a + address_n, rest_n - address_n))
        return CWS_PARSE_ERROR;
    if (is_proxy && (p[13] == V2_TCP4 || p[13] == V2_TCP6)) {
        const size_t ip_n = p[13] == V2_TCP4 ? 4 : 16;
        h->has_source = true;
        set_address(&h->source, p[13] == V2_TCP4 ? 4 : 6, a, (uint16_t)wide(a + 2 * ip_n));
    }
    h->header_n = (uint32_t)(V2_FIXED + rest_n);
    return CWS_PARSE_DONE;
}

cws_parse cws_proxy_parse(cws_proxy_header *h, const uint8_t *p, size_t n)
{
    *h = (cws_proxy_header){0};
    if (n == 0)
        return CWS_PARSE_MORE;
    if (agrees(p, n, v1_start, sizeof v1_start))
        return n < sizeof v1_start ? CWS_PARSE_MORE : parse_line(h, p, n);
    if (agrees(p, n, v2_start, sizeof v2_start))
        return n < sizeof v2_start ? CWS_PARSE_MORE : parse_binary(h, p, n);
    return CWS_PARSE_ERROR;
}

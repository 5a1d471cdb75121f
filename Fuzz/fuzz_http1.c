/* Request heads. The first byte chooses a split and the limits, the rest is the wire.
 *
 * Claims: the verdict does not depend on the pieces; it does not depend on what follows the head; what is accepted keeps the promises
 * that the router and the loop build on (spans inside the head, no control bytes, one framing, a path with one spelling).
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "parse.h"

#define HEADERS_MAX 32u

typedef struct result {
    cws_parse verdict;
    http1_head head;
    http1_header headers[HEADERS_MAX];
} result;

static void feed(result *r, const uint8_t *p, size_t n, size_t *seen, const cws_limits *limits)
{
    memset(&r->head, 0xA5, sizeof r->head);
    r->head.headers = r->headers;
    r->head.header_capacity = HEADERS_MAX;
    r->verdict = http1_parse_head(&r->head, p, n, seen, limits);
}

static void require_same(const result *a, const result *b)
{
    const http1_head *x = &a->head, *y = &b->head;
    REQUIRE(a->verdict == b->verdict && x->reason == y->reason);
    if (a->verdict != CWS_PARSE_DONE)
        return;
    REQUIRE(x->method == y->method && x->method_n == y->method_n && x->path == y->path && x->path_n == y->path_n);
    REQUIRE(x->query == y->query && x->query_n == y->query_n && x->has_query == y->has_query);
    REQUIRE(x->minor_version == y->minor_version && x->is_chunked == y->is_chunked && x->has_length == y->has_length);
    REQUIRE(x->length == y->length && x->keep_alive == y->keep_alive && x->expects_continue == y->expects_continue);
    REQUIRE(x->wants_websocket == y->wants_websocket && x->header_count == y->header_count);
    REQUIRE(x->head_bytes == y->head_bytes);
    REQUIRE(memcmp(a->headers, b->headers, x->header_count * sizeof a->headers[0]) == 0);
}

static void require_text(const uint8_t *p, const http1_head *h, uint32_t at, uint32_t n, const char *banned)
{
    REQUIRE(at <= h->head_bytes && n <= h->head_bytes - at);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t c = p[at + i];
        REQUIRE((c >= 0x20 || c == '\t') && c != 0x7f && strchr(banned, c) == NULL);
    }
}

static bool holds(const uint8_t *p, size_t n, const char *word)
{
    const size_t word_n = strlen(word);
    for (size_t i = 0; i + word_n <= n; i++)
        if (memcmp(p + i, word, word_n) == 0)
            return true;
    return false;
}

static void require_path(const uint8_t *p, const http1_head *h)
{
    const uint8_t *path = p + h->path;
    REQUIRE(h->path_n >= 1);
    if (h->path_n == 1 && path[0] == '*') {
        REQUIRE(h->method_n == 7 && memcmp(p + h->method, "OPTIONS", 7) == 0 && !h->has_query);
        return;
    }
    REQUIRE(path[0] == '/');
    require_text(p, h, h->path, h->path_n, " \t\\;?#\"<>");
    static const char *const banned[] = {"//", "..", "/./", "%2f", "%2F", "%5c", "%5C", "%2e", "%2E", "%00", "%25", "%3b"};
    for (size_t i = 0; i < sizeof banned / sizeof banned[0]; i++)
        REQUIRE(!holds(path, h->path_n, banned[i]));
}

static void require_sound(const uint8_t *p, const result *r, const cws_limits *limits)
{
    const http1_head *h = &r->head;
    REQUIRE(h->reason == CWS_R_NONE && h->head_bytes >= 4 && h->head_bytes <= limits->head_bytes);
    REQUIRE(memcmp(p + h->head_bytes - 4, "\r\n\r\n", 4) == 0 && !holds(p + 4, h->head_bytes - 5, "\r\n\r\n"));
    REQUIRE(h->header_count <= HEADERS_MAX && h->header_count <= limits->header_count);
    REQUIRE(h->method_n > 0);
    require_text(p, h, h->method, h->method_n, " \t:/\"(),");
    require_text(p, h, h->query, h->query_n, " \t\\#\"<>");
    require_path(p, h);
    size_t host_count = 0;
    for (uint32_t i = 0; i < h->header_count; i++) {
        const http1_header *f = &h->headers[i];
        REQUIRE(f->name_n > 0);
        require_text(p, h, f->name, f->name_n, " \t:\"(),/");
        require_text(p, h, f->value, f->value_n, "");
        if (f->value_n > 0)
            REQUIRE(strchr(" \t", p[f->value]) == NULL && strchr(" \t", p[f->value + f->value_n - 1]) == NULL);
        host_count += f->name_n == 4 && strncasecmp((const char *)p + f->name, "host", 4) == 0;
    }
    REQUIRE(h->minor_version <= 1 && (host_count == 1 || (host_count == 0 && h->minor_version == 0)));
    REQUIRE(!(h->is_chunked && (h->has_length || h->minor_version == 0)));
    REQUIRE(h->length == 0 || h->has_length);
    REQUIRE(!h->wants_websocket || (!h->is_chunked && h->length == 0 && h->minor_version == 1));
    REQUIRE(!h->expects_continue || h->is_chunked || h->length > 0);
}

/* In two pieces, both ending where their allocation ends. */
static void require_split_same(const result *whole, const uint8_t *p, size_t n, size_t cut, const cws_limits *limits)
{
    result r;
    size_t seen = 0;
    uint8_t *first = fuzz_copy(p, cut), *both = fuzz_copy(p, n);
    feed(&r, first, cut, &seen, limits);
    if (r.verdict == CWS_PARSE_MORE)
        feed(&r, both, n, &seen, limits);
    require_same(whole, &r);
    free(first);
    free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_n)
{
    static const cws_limits choices[] = {
        {.head_bytes = 16384, .header_count = 100, .target_bytes = 8192},
        {.head_bytes = 16384, .header_count = 4, .target_bytes = 8192},
        {.head_bytes = 80, .header_count = 100, .target_bytes = 8192},
        {.head_bytes = 16384, .header_count = 100, .target_bytes = 12},
    };
    if (input_n < 1)
        return 0;
    const cws_limits *limits = &choices[input[0] & 3];
    const uint8_t *p = input + 1;
    const size_t n = input_n - 1;
    result whole, piece;
    size_t seen = 0, i = 0;
    feed(&whole, p, n, &seen, limits);
    if (n > 0) {
        require_split_same(&whole, p, n, (input[0] >> 2) * 37u % n, limits);
        seen = 0;
        do
            feed(&piece, p, ++i, &seen, limits);
        while (piece.verdict == CWS_PARSE_MORE && i < n);
        require_same(&whole, &piece);
    }
    if (whole.verdict == CWS_PARSE_DONE) {
        REQUIRE(i == whole.head.head_bytes);
        require_sound(p, &whole, limits);
        require_split_same(&whole, p, whole.head.head_bytes, 0, limits);
    } else if (whole.verdict == CWS_PARSE_ERROR) {
        REQUIRE(whole.head.reason >= CWS_R_HTTP_BAD_REQUEST && whole.head.reason <= CWS_R_HTTP_BAD_UPGRADE);
    }
    return 0;
}

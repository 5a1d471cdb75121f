/* What the owner may ask about the present request. Runs on the loop's thread. Slices point into the retained head and body and
 * live until the response is complete. Never answers before the head is complete. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "internal.h"

static const cws_http *request(const cws_conn *c)
{
    CWS_ON_LOOP(c->loop);
    return c->http && c->http->phase != CWS_HTTP_HEAD ? c->http : NULL;
}

static cws_slice part(const cws_http *h, uint32_t at, size_t n) { return (cws_slice){.p = h->bytes.p + at, .n = n}; }

static const cws_slice nothing = {.p = NULL, .n = 0};

cws_slice cws_request_method(const cws_conn *c)
{
    const cws_http *h = request(c);
    return h ? part(h, h->head.method, h->head.method_n) : nothing;
}

cws_slice cws_request_path(const cws_conn *c)
{
    const cws_http *h = request(c);
    return h ? part(h, h->head.path, h->head.path_n) : nothing;
}

cws_slice cws_request_query(const cws_conn *c)
{
    const cws_http *h = request(c);
    return h && h->head.has_query ? part(h, h->head.query, h->head.query_n) : nothing;
}

static bool is_named(const cws_http *h, uint32_t i, const char *name, size_t n)
{
    const http1_header *header = &h->head.headers[i];
    return header->name_n == n && strncasecmp((const char *)h->bytes.p + header->name, name, n) == 0;
}

cws_slice cws_request_header(const cws_conn *c, const char *name)
{
    const cws_http *h = request(c);
    const size_t n = strlen(name);
    for (uint32_t i = 0; h && i < h->head.header_count; i++)
        if (is_named(h, i, name, n))
            return part(h, h->head.headers[i].value, h->head.headers[i].value_n);
    return nothing;
}

size_t cws_request_header_count(const cws_conn *c, const char *name)
{
    const cws_http *h = request(c);
    const size_t n = strlen(name);
    size_t count = 0;
    for (uint32_t i = 0; h && i < h->head.header_count; i++)
        if (is_named(h, i, name, n))
            count++;
    return count;
}

bool cws_request_header_at(const cws_conn *c, size_t i, cws_slice *name, cws_slice *value)
{
    const cws_http *h = request(c);
    if (!h || i >= h->head.header_count)
        return false;
    const http1_header *header = &h->head.headers[i];
    *name = part(h, header->name, header->name_n);
    *value = part(h, header->value, header->value_n);
    return true;
}

cws_slice cws_request_body(const cws_conn *c)
{
    const cws_http *h = request(c);
    return h ? (cws_slice){.p = h->body.p, .n = h->body.n} : nothing;
}

uint64_t cws_request_skipped_bytes(const cws_conn *c)
{
    const cws_http *h = request(c);
    return h && h->is_skipping ? h->body_size : 0;
}

bool cws_request_wants_websocket(const cws_conn *c)
{
    const cws_http *h = request(c);
    return h && h->head.wants_websocket;
}

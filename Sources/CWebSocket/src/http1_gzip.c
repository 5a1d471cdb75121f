/* Which response bodies are compressed. The owner has said that it may be; the request, the size and a sample decide.
 * Runs on the loop's thread. Never compresses a body that would not get smaller.
 * SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#define SMALLEST_BYTES 1024u

static bool is_accepted(const cws_conn *c)
{
    http1_encodings encodings = {0};
    cws_slice name, value;
    for (size_t i = 0; cws_request_header_at(c, i, &name, &value); i++)
        if (http1_list_has_token(name, "accept-encoding"))
            http1_read_encodings(&encodings, value);
    return http1_accepts_gzip(&encodings);
}

bool cws_http_gzip(cws_conn *c, cws_slice *body)
{
    cws_loop *l = c->loop;
    cws_slice out;
    if (body->n < SMALLEST_BYTES || body->n > l->limits.deflate_max_bytes || !is_accepted(c) || !cws_deflate_is_worthwhile(*body) ||
        !cws_deflate_gzip(&l->deflate, *body, &out))
        return false;
    l->stats.gzip_count++;
    l->stats.gzip_plain_bytes += body->n;
    l->stats.gzip_bytes += out.n;
    *body = out;
    return true;
}

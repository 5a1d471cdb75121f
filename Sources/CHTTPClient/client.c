/* The request over libcurl's easy interface.
 *
 * Any thread, one handle a call. Must never follow a redirect, use a proxy or a netrc of the environment, or speak anything but
 * HTTP: the address is the operator's, and the answer decides who may enter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chttpclient.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

struct body {
    uint8_t *out;
    size_t n, max;
    bool is_too_large;
};

static size_t take(char *p, size_t size, size_t count, void *context)
{
    struct body *body = context;
    const size_t n = size * count; /* libcurl: size is always 1 */
    if (n > body->max - body->n) {
        body->is_too_large = true;
        return 0;
    }
    memcpy(body->out + body->n, p, n);
    body->n += n;
    return n;
}

static bool prepare(CURL *c, const char *url, const char *user, const char *secret, const char *form, long timeout_ms,
                    struct curl_slist *headers, struct body *body)
{
    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK && curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERNAME, user) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PASSWORD, secret) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDS, form) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, body) == CURLE_OK;
}

enum lhc_result lhc_post_form(const char *url, const char *user, const char *secret, const char *form, long timeout_ms,
                              uint8_t *out, size_t out_max, size_t *out_n, long *status)
{
    struct body body = {.out = out, .n = 0, .max = out_max, .is_too_large = false};
    enum lhc_result result = LHC_NO_MEMORY;
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    CURL *c = curl_easy_init();
    if (c == NULL || headers == NULL || !prepare(c, url, user, secret, form, timeout_ms, headers, &body))
        goto out;
    const CURLcode code = curl_easy_perform(c);
    if (code == CURLE_OK && curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status) == CURLE_OK) {
        *out_n = body.n;
        result = LHC_OK;
    } else {
        result = body.is_too_large ? LHC_TOO_LARGE : LHC_UNREACHABLE;
    }
out:
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
    return result;
}

/* One HTTP request at a time to a service that the operator named, over libcurl: certificates checked, nothing followed.
 *
 * Blocks; never call it on a loop. Thread-safe, keeps nothing between calls.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CHTTPCLIENT_H
#define CHTTPCLIENT_H
#include <stddef.h>
#include <stdint.h>

enum lhc_result { LHC_OK = 0, LHC_UNREACHABLE = -1, LHC_TOO_LARGE = -2, LHC_NO_MEMORY = -3 };

/* POSTs a form with HTTP Basic authentication and waits at most `timeout_ms` for the whole answer.
 * All texts are NUL-terminated; `form` is already encoded. On LHC_OK, `*status` is the HTTP status and the first `*out_n` bytes of
 * `out` are the body. An answer of more than `out_max` bytes is LHC_TOO_LARGE; a redirect is an answer like any other. */
enum lhc_result lhc_post_form(const char *url, const char *user, const char *secret, const char *form, long timeout_ms,
                              uint8_t *out, size_t out_max, size_t *out_n, long *status);
#endif

/* A growing byte string with a ceiling given at every growth. See buf.c; any thread, one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CWS_BUF_H
#define CWS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#pragma clang diagnostic ignored "-Wnullability-completeness"
#endif

typedef struct cws_buf { uint8_t *p; size_t n, cap; } cws_buf;
/* Makes room for `more` bytes beyond n, at least doubling, never above `max` in all; false: no memory or over max. */
bool cws_buf_reserve(cws_buf *b, size_t more, size_t max);
bool cws_buf_append(cws_buf *b, const uint8_t *p, size_t n, size_t max);
/* The capacity that cws_buf_reserve would leave; 0 when it would refuse. */
size_t cws_buf_next(const cws_buf *b, size_t more, size_t max);
/* Keeps the first n bytes at most and gives the rest of the memory back. */
void cws_buf_cut(cws_buf *b, size_t n);
void cws_buf_free(cws_buf *b);

#endif

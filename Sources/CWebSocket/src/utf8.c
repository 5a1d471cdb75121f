/* Decides whether a text message is UTF-8 (RFC 3629; RFC 6455 8.1), in any pieces, and fails at the first byte that cannot be.
 *
 * Runs of ASCII go 16 or 64 bytes at a time (SSE2/AVX2, NEON, or 8 at a time elsewhere), characters that lie whole in the input
 * in one step, and only those cut by the end of a piece through the state. Any thread. Must never read past p[0..n).
 * SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define WIDE_MIN_BYTES 128u

/* One byte. `low` and `high` bound the next continuation byte: that is where overlong forms, surrogates and values past U+10FFFF
 * are told apart (RFC 3629 4). */
static bool step(utf8_state *s, uint8_t c)
{
    if (s->need > 0) {
        if (c < s->low || c > s->high)
            return false;
        s->need--;
        s->low = 0x80;
        s->high = 0xBF;
        return true;
    }
    if (c < 0x80)
        return true;
    if (c < 0xC2 || c > 0xF4)
        return false;
    s->need = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    s->low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    s->high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    return true;
}

static bool is_continuation(uint8_t c) { return (c & 0xC0) == 0x80; }

/* The length of the well-formed character at p that lies whole in p[0..n); 0 when it is cut or malformed. */
static size_t whole_character(const uint8_t *p, size_t n)
{
    const uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xE0)
        return n >= 2 && c >= 0xC2 && is_continuation(p[1]) ? 2 : 0;
    if (c < 0xF0) {
        if (n < 3 || !is_continuation(p[1]) || !is_continuation(p[2]))
            return 0;
        return (c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ? 0 : 3;
    }
    if (n < 4 || c > 0xF4 || !is_continuation(p[1]) || !is_continuation(p[2]) || !is_continuation(p[3]))
        return 0;
    return (c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F) ? 0 : 4;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static size_t ascii_wide(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + i + 32));
        if (_mm256_movemask_epi8(_mm256_or_si256(a, b)) != 0)
            break;
    }
    return i;
}

/* How many bytes at p are certainly ASCII: up to the first other byte, or to where less than a block is left. */
static size_t ascii_blocks(const uint8_t *p, size_t n)
{
    size_t i = n >= WIDE_MIN_BYTES && __builtin_cpu_supports("avx2") ? ascii_wide(p, n) : 0;
    for (; n - i >= 16; i += 16) {
        const int others = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)));
        if (others != 0)
            return i + (size_t)__builtin_ctz((unsigned)others);
    }
    return i;
}
#elif defined(__aarch64__)
static size_t ascii_blocks(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (n - i >= 16 && vmaxvq_u8(vld1q_u8(p + i)) < 0x80)
        i += 16;
    return i;
}
#else
static size_t ascii_blocks(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return i;
}
#endif

bool utf8_check(utf8_state *s, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        if (s->need == 0) {
            /* Looking for a run at every character would cost text that has none; one ASCII byte is the hint. */
            if (p[i] < 0x80)
                i += ascii_blocks(p + i, n - i);
            size_t length = 0;
            while (i < n && (length = whole_character(p + i, n - i)) > 1)
                i += length;
            if (length == 1) {
                i++;
                continue;
            }
            if (i == n)
                break;
        }
        if (!step(s, p[i]))
            return false;
        i++;
    }
    return true;
}

bool utf8_check_scalar(utf8_state *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!step(s, p[i]))
            return false;
    return true;
}

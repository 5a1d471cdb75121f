/* Undoes the client's masking in place (RFC 6455 5.3): the one pass over every inbound payload byte.
 *
 * x86-64: SSE2 always, AVX2 for longer payloads where the processor has it; ARM64: NEON; elsewhere 8 bytes at a time. Any thread.
 * Must never touch a byte outside p[0..n), not even to read it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Below this the call of the AVX2 version costs more than it gains. */
#define WIDE_MIN_BYTES 128u

/* The mask as it lies over p, twice: 8 bytes in memory order. */
static uint64_t key_at(const uint8_t mask[4], size_t offset)
{
    uint8_t bytes[8];
    uint64_t key;
    for (size_t i = 0; i < 8; i++)
        bytes[i] = mask[(offset + i) & 3];
    memcpy(&key, bytes, 8);
    return key;
}

/* Whole words, then the rest. The key begins at p[0]. */
static void unmask_words(uint8_t *p, size_t n, uint64_t key)
{
    uint8_t bytes[8];
    while (n >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word ^= key;
        memcpy(p, &word, 8);
        p += 8;
        n -= 8;
    }
    memcpy(bytes, &key, 8);
    for (size_t i = 0; i < n; i++)
        p[i] ^= bytes[i];
}

#if defined(__x86_64__)
/* The number of bytes done, a multiple of 16 and so of the mask. */
static size_t unmask_blocks(uint8_t *p, size_t n, uint64_t key)
{
    const __m128i k = _mm_set1_epi64x((long long)key);
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        __m128i *at = (__m128i *)(void *)(p + i);
        _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), k));
    }
    return i;
}

__attribute__((target("avx2"))) static size_t unmask_wide(uint8_t *p, size_t n, uint64_t key)
{
    const __m256i k = _mm256_set1_epi64x((long long)key);
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m256i *a = (__m256i *)(void *)(p + i), *b = (__m256i *)(void *)(p + i + 32);
        const __m256i x = _mm256_xor_si256(_mm256_loadu_si256(a), k);
        const __m256i y = _mm256_xor_si256(_mm256_loadu_si256(b), k);
        _mm256_storeu_si256(a, x);
        _mm256_storeu_si256(b, y);
    }
    return i;
}

static size_t unmask_vectors(uint8_t *p, size_t n, uint64_t key)
{
    size_t done = 0;
    if (n >= WIDE_MIN_BYTES && __builtin_cpu_supports("avx2"))
        done = unmask_wide(p, n, key);
    return done + unmask_blocks(p + done, n - done, key);
}
#elif defined(__aarch64__)
static size_t unmask_vectors(uint8_t *p, size_t n, uint64_t key)
{
    const uint8x16_t k = vreinterpretq_u8_u64(vdupq_n_u64(key));
    size_t i = 0;
    for (; n - i >= 16; i += 16)
        vst1q_u8(p + i, veorq_u8(vld1q_u8(p + i), k));
    return i;
}
#else
static size_t unmask_vectors(uint8_t *p, size_t n, uint64_t key)
{
    (void)p, (void)n, (void)key;
    return 0;
}
#endif

void ws_unmask(uint8_t *p, size_t n, const uint8_t mask[4], size_t offset)
{
    if (n == 0)
        return;
    const uint64_t key = key_at(mask, offset);
    const size_t done = unmask_vectors(p, n, key);
    unmask_words(p + done, n - done, key);
}

void ws_unmask_scalar(uint8_t *p, size_t n, const uint8_t mask[4], size_t offset)
{
    for (size_t i = 0; i < n; i++)
        p[i] ^= mask[(offset + i) & 3];
}

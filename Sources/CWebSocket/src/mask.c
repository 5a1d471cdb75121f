/* Undoes the client's masking in place (RFC 6455 5.3): the one pass over every inbound payload byte, which tells on its way whether all
 * of them are ASCII. Then nothing more need be asked about UTF-8, and most messages are.
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
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* The mask as it lies over p, twice: 8 bytes in memory order. */
static uint64_t key_at(const uint8_t mask[4], size_t offset)
{
    uint8_t bytes[4];
    uint32_t key;
    for (size_t i = 0; i < 4 && offset != 0; i++)
        bytes[i] = mask[(offset + i) & 3];
    memcpy(&key, offset == 0 ? mask : bytes, 4);
    return (uint64_t)key << 32 | key;
}

/* Blocks do the multiples of 16, which are multiples of the mask. */
typedef struct blocks {
    size_t done;
    bool is_ascii;
} blocks;

#if defined(__x86_64__)
__attribute__((target("avx2"))) static blocks unmask_wide(uint8_t *p, size_t n, uint64_t key)
{
    const __m256i k = _mm256_set1_epi64x((long long)key);
    __m256i seen = _mm256_setzero_si256();
    size_t i = 0;
    for (; n - i >= 64; i += 64) {
        __m256i *a = (__m256i *)(void *)(p + i), *b = (__m256i *)(void *)(p + i + 32);
        const __m256i x = _mm256_xor_si256(_mm256_loadu_si256(a), k);
        const __m256i y = _mm256_xor_si256(_mm256_loadu_si256(b), k);
        _mm256_storeu_si256(a, x);
        _mm256_storeu_si256(b, y);
        seen = _mm256_or_si256(seen, _mm256_or_si256(x, y));
    }
    return (blocks){.done = i, .is_ascii = _mm256_movemask_epi8(seen) == 0};
}

static blocks unmask_blocks(uint8_t *p, size_t n, uint64_t key)
{
    blocks wide = {.done = 0, .is_ascii = true};
    if (n >= WIDE_MIN_BYTES && __builtin_cpu_supports("avx2"))
        wide = unmask_wide(p, n, key);
    const __m128i k = _mm_set1_epi64x((long long)key);
    __m128i seen = _mm_setzero_si128();
    size_t i = wide.done;
    for (; n - i >= 16; i += 16) {
        __m128i *at = (__m128i *)(void *)(p + i);
        const __m128i x = _mm_xor_si128(_mm_loadu_si128(at), k);
        _mm_storeu_si128(at, x);
        seen = _mm_or_si128(seen, x);
    }
    return (blocks){.done = i, .is_ascii = wide.is_ascii && _mm_movemask_epi8(seen) == 0};
}
#elif defined(__aarch64__)
static blocks unmask_blocks(uint8_t *p, size_t n, uint64_t key)
{
    const uint8x16_t k = vreinterpretq_u8_u64(vdupq_n_u64(key));
    uint8x16_t seen = vdupq_n_u8(0);
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        const uint8x16_t x = veorq_u8(vld1q_u8(p + i), k);
        vst1q_u8(p + i, x);
        seen = vorrq_u8(seen, x);
    }
    return (blocks){.done = i, .is_ascii = vmaxvq_u8(seen) < 0x80};
}
#else
static blocks unmask_blocks(uint8_t *p, size_t n, uint64_t key)
{
    uint64_t seen = 0;
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        uint64_t words[2];
        memcpy(words, p + i, 16);
        words[0] ^= key;
        words[1] ^= key;
        memcpy(p + i, words, 16);
        seen |= words[0] | words[1];
    }
    return (blocks){.done = i, .is_ascii = (seen & HIGH_BITS) == 0};
}
#endif

/* Fewer than 16 bytes, in at most four steps. */
static bool unmask_rest(uint8_t *p, size_t n, uint64_t key)
{
    uint8_t k[8];
    uint64_t eight = 0;
    uint32_t four = 0;
    uint16_t two = 0;
    uint8_t one = 0;
    memcpy(k, &key, 8);
    if (n & 8) {
        memcpy(&eight, p, 8);
        eight ^= key;
        memcpy(p, &eight, 8);
        p += 8;
    }
    if (n & 4) {
        uint32_t key_four;
        memcpy(&key_four, k, 4);
        memcpy(&four, p, 4);
        four ^= key_four;
        memcpy(p, &four, 4);
        p += 4;
    }
    if (n & 2) {
        uint16_t key_two;
        memcpy(&key_two, k, 2);
        memcpy(&two, p, 2);
        two = (uint16_t)(two ^ key_two);
        memcpy(p, &two, 2);
        p += 2;
    }
    if (n & 1) {
        one = (uint8_t)(*p ^ k[n & 2]);
        *p = one;
    }
    return ((eight | four | two | one) & HIGH_BITS) == 0;
}

bool ws_unmask(uint8_t *p, size_t n, const uint8_t mask[4], size_t offset)
{
    const uint64_t key = key_at(mask, offset);
    const blocks most = unmask_blocks(p, n, key);
    return unmask_rest(p + most.done, n - most.done, key) && most.is_ascii;
}

bool ws_unmask_scalar(uint8_t *p, size_t n, const uint8_t mask[4], size_t offset)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        p[i] ^= mask[(offset + i) & 3];
        seen |= p[i];
    }
    return seen < 0x80;
}

/* The one operation that Swift's vectors lack: which bytes of a comparison's result are set, as bits of an integer.
 * Pure, any thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef CVECTOR_H
#define CVECTOR_H
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the first byte is expected in the lowest bits"
#endif

/* Swift's SIMD16<Int8>. */
typedef signed char cv_bytes __attribute__((ext_vector_type(16)));

/* How far to shift a byte's number to get to its bits in the mask. */
#if defined(__x86_64__)
#define CV_MASK_SHIFT 0
#else
#define CV_MASK_SHIFT 2
#endif

/* Each byte of v is 0 or -1. One bit a byte on x86-64; elsewhere four, all alike, because that is what other processors have an
 * instruction for. */
static inline __attribute__((always_inline)) uint64_t cv_mask(cv_bytes v)
{
#if defined(__x86_64__)
    typedef char bytes __attribute__((vector_size(16)));
    return (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128((bytes)v);
#else
    typedef unsigned short words __attribute__((vector_size(16)));
    typedef unsigned char half __attribute__((vector_size(8)));
    const half nibbles = __builtin_convertvector((words)v >> 4, half);
    return (uint64_t)nibbles;
#endif
}

#endif

/* Unmasking: the vectorised version against its scalar twin, at every small length, alignment and mask offset, ending at a guard page.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "parse.h"

#include <string.h>

#define LARGE (1u << 20)

static uint8_t source[LARGE];

static void fill(uint64_t seed)
{
    for (size_t i = 0; i < sizeof source; i += 8) {
        const uint64_t word = check_random(&seed);
        memcpy(source + i, &word, 8);
    }
}

/* `before` bytes in front of the payload must stay as they are; what is behind it faults. */
static bool agree(size_t before, size_t n, const uint8_t mask[4], size_t offset)
{
    uint8_t *a = check_guarded(source, before + n);
    uint8_t *b = check_guarded_twin(source, before + n);
    const bool is_ascii = ws_unmask(a + before, n, mask, offset);
    return ws_unmask_scalar(b + before, n, mask, offset) == is_ascii && memcmp(a, b, before + n) == 0;
}

TEST(mask_known)
{
    /* RFC 6455 5.7 */
    uint8_t p[] = {0x7f, 0x9f, 0x4d, 0x51, 0x58};
    const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    ws_unmask(p, sizeof p, mask, 0);
    CHECK(memcmp(p, "Hello", 5) == 0);
    uint8_t q[] = {0x4d, 0x51, 0x58};
    ws_unmask(q, sizeof q, mask, 2);
    CHECK(memcmp(q, "llo", 3) == 0);
    ws_unmask_scalar(q, sizeof q, mask, 2);
    ws_unmask_scalar(q, sizeof q, mask, 2);
    CHECK(memcmp(q, "llo", 3) == 0);
}

/* One byte that is not ASCII, at every place of every length: the only one that may be missed. */
TEST(mask_sees_every_byte)
{
    const uint8_t mask[4] = {0x81, 0x42, 0xF3, 0x24};
    static const uint8_t others[] = {0x80, 0xC3, 0xFF};
    bool ok = true;
    for (size_t n = 0; n <= 210; n++) {
        for (size_t at = 0; at <= n; at++) {
            const size_t offset = (n + at) & 3;
            for (size_t i = 0; i < n; i++)
                source[i] = (uint8_t)((i == at ? others[i % 3] : i & 0x7F) ^ mask[(offset + i) & 3]);
            uint8_t *p = check_guarded(source, n);
            ok = ok && ws_unmask(p, n, mask, offset) == (at == n);
        }
    }
    CHECK(ok);
}

TEST(mask_every_small_length_and_offset)
{
    const uint8_t mask[4] = {0x01, 0x80, 0xA5, 0xFF};
    bool ok = true;
    fill(2);
    for (size_t n = 0; n <= 400; n++)
        for (size_t offset = 0; offset < 4; offset++)
            ok = ok && agree(n % 17, n, mask, offset);
    CHECK(ok);
}

TEST(mask_random_lengths)
{
    uint64_t seed = 3;
    bool ok = true;
    fill(4);
    for (unsigned i = 0; i < 3000; i++) {
        const uint64_t draw = check_random(&seed);
        uint8_t mask[4];
        memcpy(mask, &draw, 4);
        const size_t n = (draw >> 32) % (i % 30 == 0 ? LARGE - 64 : 5000);
        ok = ok && agree(check_random(&seed) % 64, n, mask, check_random(&seed) % 4);
    }
    CHECK(ok);
}

TEST(mask_in_pieces)
{
    uint64_t seed = 5;
    bool ok = true;
    fill(6);
    for (unsigned i = 0; i < 500; i++) {
        const uint8_t mask[4] = {1, 2, 3, (uint8_t)i};
        const size_t n = check_random(&seed) % 2000, cut = n == 0 ? 0 : check_random(&seed) % n;
        uint8_t *a = check_guarded(source, n);
        uint8_t *b = check_guarded_twin(source, n);
        ws_unmask(a, n, mask, 0);
        ws_unmask(b, cut, mask, 0);
        ws_unmask(b + cut, n - cut, mask, cut & 3);
        ok = ok && memcmp(a, b, n) == 0;
    }
    CHECK(ok);
}

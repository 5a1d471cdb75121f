/* A stream of frames: headers, unmasking, UTF-8. The first byte chooses RSV1 and the pieces, the rest is the wire.
 *
 * Claims: a header's verdict stands from the first byte that decides it and is the shortest form of its length; vectorised and scalar
 * unmasking agree in any pieces; so do the two UTF-8 checks and a decoder of code points.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"
#include "parse.h"

/* The verdict on every prefix, each ending where its allocation ends. */
static cws_parse parse_header(ws_frame *f, const uint8_t *p, size_t n, bool allow_rsv1)
{
    const size_t look = n < 14 ? n : 14;
    cws_parse verdict = ws_parse_frame(f, p, n, allow_rsv1);
    bool is_decided = false;
    for (size_t i = 0; i <= look; i++) {
        ws_frame g;
        uint8_t *prefix = fuzz_copy(p, i);
        const cws_parse v = ws_parse_frame(&g, prefix, i, allow_rsv1);
        free(prefix);
        REQUIRE(is_decided ? v == verdict : v == CWS_PARSE_MORE || v == verdict);
        if (v == CWS_PARSE_DONE)
            REQUIRE(i >= g.header_n && g.header_n == f->header_n && g.payload_n == f->payload_n && g.opcode == f->opcode);
        is_decided = v != CWS_PARSE_MORE;
    }
    return verdict;
}

static void require_sound(const ws_frame *f, const uint8_t *p, bool allow_rsv1)
{
    uint8_t out[14];
    const size_t written = ws_write_header(out, f->opcode, f->is_final, f->rsv1, f->payload_n);
    out[1] |= 0x80;
    memcpy(out + written, f->mask, 4);
    REQUIRE(written + 4 == f->header_n && memcmp(out, p, f->header_n) == 0);
    REQUIRE(f->payload_n <= INT64_MAX && f->reason == CWS_R_NONE);
    REQUIRE(f->opcode <= 2 || (f->opcode >= 8 && f->opcode <= 10 && f->is_final && f->payload_n <= 125));
    REQUIRE(!f->rsv1 || (allow_rsv1 && (f->opcode == 1 || f->opcode == 2)));
}

static bool decodes(const uint8_t *p, size_t n)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t i = 0;
    while (i < n) {
        const uint8_t c = p[i];
        const size_t length = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
        if (length == 0 || length > n - i)
            return false;
        uint32_t value = length == 1 ? c : c & (0x7Fu >> length);
        for (size_t k = 1; k < length; k++) {
            if ((p[i + k] >> 6) != 2)
                return false;
            value = value << 6 | (p[i + k] & 0x3Fu);
        }
        if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
            return false;
        i += length;
    }
    return true;
}

static void check_text(const uint8_t *p, size_t n, size_t cut)
{
    utf8_state whole = {0}, scalar = {0}, pieces = {0};
    const bool fits = utf8_check(&whole, p, n);
    REQUIRE(utf8_check_scalar(&scalar, p, n) == fits);
    uint8_t *first = fuzz_copy(p, cut), *second = fuzz_copy(p + cut, n - cut);
    REQUIRE((utf8_check(&pieces, first, cut) && utf8_check(&pieces, second, n - cut)) == fits);
    if (fits)
        REQUIRE(whole.need == scalar.need && whole.need == pieces.need && whole.need <= 3);
    REQUIRE((fits && whole.need == 0) == decodes(p, n));
    free(first);
    free(second);
}

static void check_payload(const uint8_t *p, size_t n, const uint8_t mask[4], size_t cut)
{
    uint8_t *a = fuzz_copy(p, n), *b = fuzz_copy(p, n), *c = fuzz_copy(p, n);
    const bool is_ascii = ws_unmask(a, n, mask, 0);
    REQUIRE(ws_unmask_scalar(b, n, mask, 0) == is_ascii);
    const bool first = ws_unmask(c, cut, mask, 0), second = ws_unmask(c + cut, n - cut, mask, cut & 3);
    REQUIRE((first && second) == is_ascii);
    REQUIRE(memcmp(a, b, n) == 0 && memcmp(a, c, n) == 0);
    check_text(a, n, cut);
    check_text(p, n, cut);
    free(a);
    free(b);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_n)
{
    if (input_n < 1)
        return 0;
    const bool allow_rsv1 = (input[0] & 1) != 0;
    const uint8_t *p = input + 1;
    size_t n = input_n - 1;
    ws_frame f;
    while (n > 0) {
        const cws_parse verdict = parse_header(&f, p, n, allow_rsv1);
        REQUIRE((verdict == CWS_PARSE_ERROR) == (f.reason == CWS_R_FRAME_PROTOCOL));
        if (verdict != CWS_PARSE_DONE)
            break;
        require_sound(&f, p, allow_rsv1);
        p += f.header_n;
        n -= f.header_n;
        const size_t here = f.payload_n < n ? (size_t)f.payload_n : n;
        check_payload(p, here, f.mask, here > 0 ? (input[0] >> 1) % (here + 1) : 0);
        p += here;
        n -= here;
    }
    return 0;
}

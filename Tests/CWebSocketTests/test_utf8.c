/* UTF-8: a table of the well known odd sequences run at every split, every code point, and the vectorised version against its scalar twin
 * and against a decoder written another way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "parse.h"

#include <string.h>

typedef bool (*checker)(utf8_state *s, const uint8_t *p, size_t n);

/* Decodes to code points and judges those: RFC 3629 by its definition instead of by byte ranges. True when p is all well formed. */
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

static bool whole(checker check, const uint8_t *p, size_t n)
{
    utf8_state s = {0};
    return check(&s, check_guarded(p, n), n) && s.need == 0;
}

typedef struct row {
    const char *name;
    const uint8_t *p;
    size_t n;
    bool fits;
    size_t fails_at;            /* the first byte that cannot be; n: only the end is missing */
} row;

static const row rows[] = {
    {"empty", BYTES(""), true, 0},
    {"ASCII with NUL", BYTES("a\0\x7f"), true, 0},
    {"all lengths", BYTES("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80z"), true, 0},
    {"smallest of each length", BYTES("\xC2\x80\xE0\xA0\x80\xF0\x90\x80\x80"), true, 0},
    {"largest of each length", BYTES("\x7F\xDF\xBF\xEF\xBF\xBF\xF4\x8F\xBF\xBF"), true, 0},
    {"around the surrogates", BYTES("\xED\x9F\xBF\xEE\x80\x80"), true, 0},
    {"Autobahn 6.3", BYTES("\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80" "edited"), false, 12},
    {"lone continuation", BYTES("a\x80"), false, 1},
    {"C0 80", BYTES("\xC0\x80"), false, 0},
    {"C1 BF", BYTES("\xC1\xBF"), false, 0},
    {"overlong in three", BYTES("\xE0\x9F\xBF"), false, 1},
    {"overlong in four", BYTES("\xF0\x8F\xBF\xBF"), false, 1},
    {"first surrogate", BYTES("\xED\xA0\x80"), false, 1},
    {"last surrogate", BYTES("\xED\xBF\xBF"), false, 1},
    {"U+110000", BYTES("\xF4\x90\x80\x80"), false, 1},
    {"F5", BYTES("\xF5\x80\x80\x80"), false, 0},
    {"FE", BYTES("\xFE"), false, 0},
    {"FF", BYTES("\xFF"), false, 0},
    {"two cut by ASCII", BYTES("\xC3" "a"), false, 1},
    {"three cut by ASCII", BYTES("\xE2\x82" "a"), false, 2},
    {"four cut by a start", BYTES("\xF0\x9F\x98\xC3\xBC"), false, 3},
    {"two without end", BYTES("\xC3"), false, 1},
    {"three without end", BYTES("\xE2\x82"), false, 2},
    {"four without end", BYTES("\xF0\x9F\x98"), false, 3},
};

/* In two pieces; the place where it failed is found by lengthening. */
static void run(const row *r, checker check)
{
    for (size_t cut = 0; cut <= r->n; cut++) {
        utf8_state s = {0};
        const bool first = check(&s, check_guarded(r->p, cut), cut);
        const bool both = first && check(&s, check_guarded(r->p + cut, r->n - cut), r->n - cut) && s.need == 0;
        CHECK_ROW(both == r->fits, r->name);
        CHECK_ROW(r->fits || first == (cut <= r->fails_at), r->name);
    }
}

TEST(utf8_rows)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        run(&rows[i], utf8_check);
        run(&rows[i], utf8_check_scalar);
        CHECK_ROW(decodes(rows[i].p, rows[i].n) == rows[i].fits, rows[i].name);
    }
}

/* Each odd row after and before runs of ASCII of every length around the block sizes. */
TEST(utf8_rows_among_ascii)
{
    uint8_t text[400];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool ok = true;
        for (size_t before = 0; before <= 200; before++) {
            const size_t after = before % 3 == 0 ? 0 : 150 - before % 70;
            memset(text, 'a', sizeof text);
            memcpy(text + before, rows[i].p, rows[i].n);
            const size_t n = before + rows[i].n + after;
            ok = ok && whole(utf8_check, text, n) == rows[i].fits && whole(utf8_check_scalar, text, n) == rows[i].fits;
        }
        CHECK_ROW(ok, rows[i].name);
    }
}

TEST(utf8_every_three_bytes)
{
    bool ok = true;
    for (uint32_t v = 0; v < 1u << 24 && ok; v += 1) {
        const uint8_t p[4] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, 0xBF};
        /* Four bytes where the first starts a four-byte character. */
        const size_t n = p[0] >= 0xF0 ? 4 : 3;
        utf8_state s = {0}, t = {0};
        const bool fits = decodes(p, n);
        ok = (utf8_check(&s, p, n) && s.need == 0) == fits && (utf8_check_scalar(&t, p, n) && t.need == 0) == fits;
        if (p[0] < 0x7F && p[1] < 0x80)
            v |= 0xFF;          /* ASCII before ASCII teaches nothing new */
    }
    CHECK(ok);
}

static size_t encode(uint8_t *out, uint32_t value)
{
    if (value < 0x80) {
        out[0] = (uint8_t)value;
        return 1;
    }
    const size_t length = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, value >>= 6)
        out[i] = (uint8_t)(0x80 | (value & 0x3F));
    out[0] = (uint8_t)((0xF00u >> length) | value);
    return length;
}

TEST(utf8_every_code_point)
{
    bool ok = true;
    for (uint32_t value = 0; value <= 0x120000 && ok; value++) {
        uint8_t p[4];
        const size_t n = encode(p, value);
        const bool fits = value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
        utf8_state s = {0};
        ok = (utf8_check(&s, p, n) && s.need == 0) == fits;
    }
    CHECK(ok);
}

/* Mixed text of random runs, half of the time with one byte changed, in up to three pieces. */
TEST(utf8_random_text)
{
    static uint8_t text[4096];
    uint64_t seed = 7;
    unsigned fits_count = 0, odd_count = 0;
    bool ok = true;
    for (unsigned i = 0; i < 20000 && ok; i++) {
        size_t n = 0;
        const size_t aim = check_random(&seed) % (i % 20 == 0 ? 4000 : 300);
        while (n < aim) {
            size_t run_n = check_random(&seed) % 90;
            const uint32_t range = (uint32_t[]){0x80, 0x80, 0x800, 0x10000, 0x110000}[check_random(&seed) % 5];
            for (; run_n > 0 && n < aim; run_n--) {
                const uint32_t value = (uint32_t)(check_random(&seed) % range);
                n += encode(text + n, value >= 0xD800 && value <= 0xDFFF ? 0xFFFD : value);
            }
        }
        if (n > 0 && i % 2 == 0)
            text[check_random(&seed) % n] = (uint8_t)check_random(&seed);
        const bool fits = decodes(text, n);
        const size_t a = check_random(&seed) % (n + 1), b = a + check_random(&seed) % (n - a + 1);
        utf8_state s = {0};
        const bool pieces = utf8_check(&s, check_guarded(text, a), a) && utf8_check(&s, check_guarded(text + a, b - a), b - a) &&
                            utf8_check(&s, check_guarded(text + b, n - b), n - b) && s.need == 0;
        ok = pieces == fits && whole(utf8_check, text, n) == fits && whole(utf8_check_scalar, text, n) == fits;
        fits_count += fits;
        odd_count += !fits;
    }
    CHECK(ok);
    CHECK(fits_count > 5000 && odd_count > 5000);
}

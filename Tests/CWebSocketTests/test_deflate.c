/* The compressors by themselves: the examples of RFC 7692, round trips against plain zlib, windows, bombs, bad data, the sample.
 * SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "check.h"
#include "deflate.h"

static bool is(cws_slice s, const void *p, size_t n) { return s.n == n && (n == 0 || memcmp(s.p, p, n) == 0); }

/* Text with repetitions near and far. */
static uint8_t *prose(size_t n)
{
    static const char *const words[] = {"checkpoint", "lora", "\"hash\":\"", "0A1B2C", "progress", " ", "{", "}", ",", "https://models.example/api/"};
    uint8_t *p = malloc(n + 1);
    uint64_t random = n;
    size_t at = 0;
    while (p != NULL && at < n) {
        const char *word = words[check_random(&random) % 10];
        const size_t word_n = strlen(word) < n - at ? strlen(word) : n - at;
        memcpy(p + at, word, word_n);
        at += word_n;
    }
    return p;
}

static uint8_t *noise(size_t n)
{
    uint8_t *p = malloc(n + 1);
    uint64_t random = 42;
    for (size_t i = 0; p != NULL && i < n; i++)
        p[i] = (uint8_t)check_random(&random);
    return p;
}

/* A reader that keeps no more than 2^bits bytes: it takes what comes a few bytes at a time, so that every reach back is by the window. */
static bool reads_as(cws_slice in, int bits, const uint8_t *p, size_t n)
{
    static const uint8_t end[4] = {0, 0, 0xff, 0xff};
    z_stream z = {0};
    uint8_t piece[64];
    size_t at = 0;
    bool is_same = inflateInit2(&z, bits) == Z_OK;
    for (int part = 0; is_same && part < (bits < 0 ? 2 : 1); part++) {
        z.next_in = part == 0 ? in.p : end;
        z.avail_in = part == 0 ? (uInt)in.n : 4;
        int rc = Z_OK;
        do {
            z.next_out = piece;
            z.avail_out = sizeof piece;
            rc = inflate(&z, Z_SYNC_FLUSH);
            const size_t got = sizeof piece - z.avail_out;
            is_same = (rc == Z_OK || rc == Z_BUF_ERROR || rc == Z_STREAM_END) && got <= n - at && memcmp(piece, p + at, got) == 0;
            at += got;
        } while (is_same && z.avail_out == 0);
    }
    (void)inflateEnd(&z);
    return is_same && at == n;
}

static const struct {
    const char *name;
    const uint8_t *in;
    size_t n;
    cws_inflate_result result;
    const char *out;
} messages[] = {
    {"RFC 7.2.3.1", BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), CWS_INFLATE_DONE, "Hello"},
    {"RFC 7.2.3.3: not compressed", BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), CWS_INFLATE_DONE, "Hello"},
    {"RFC 7.2.3.4: last block", BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), CWS_INFLATE_DONE, "Hello"},
    {"last block, nothing behind it", BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00"), CWS_INFLATE_DONE, "Hello"},
    {"last block twice", BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), CWS_INFLATE_DONE, "HelloHello"},
    {"RFC 7.2.3.5: two blocks", BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), CWS_INFLATE_DONE, "Hello"},
    {"RFC 7.2.3.6: empty", BYTES("\x00"), CWS_INFLATE_DONE, ""},
    {"nothing at all", BYTES(""), CWS_INFLATE_DONE, ""},
    {"only last blocks", BYTES("\x03\x00\x03\x00\x03\x00"), CWS_INFLATE_DONE, ""},
    {"end missing", BYTES("\xf2\x48\xcd\xc9\xc9\x07"), CWS_INFLATE_BAD, NULL},
    {"half", BYTES("\xf2\x48\xcd"), CWS_INFLATE_BAD, NULL},
    {"stored, half", BYTES("\x00\x05\x00\xfa\xff\x48\x65"), CWS_INFLATE_BAD, NULL},
    {"stored, length and its complement differ", BYTES("\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"), CWS_INFLATE_BAD, NULL},
    {"block type 3", BYTES("\x06\x00"), CWS_INFLATE_BAD, NULL},
    {"behind a last block", BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff\xff"), CWS_INFLATE_BAD, NULL},
    {"reaches back before the beginning", BYTES("\x02\x02\x00\x00"), CWS_INFLATE_BAD, NULL},
    {"text", BYTES("Hello, world, this is no DEFLATE at all"), CWS_INFLATE_BAD, NULL},
    {"zlib header", BYTES("\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00"), CWS_INFLATE_BAD, NULL},
    {"gzip header", BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xf3\x48\xcd\xc9\xc9\x07\x00"), CWS_INFLATE_BAD, NULL},
};

TEST(deflate_known_messages)
{
    cws_deflate d = {0};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        cws_slice out;
        const cws_slice in = {.p = check_guarded(messages[i].in, messages[i].n), .n = messages[i].n};
        CHECK_ROW(cws_inflate(&d, in, 1000, &out) == messages[i].result, messages[i].name);
        if (messages[i].out != NULL)
            CHECK_ROW(is(out, messages[i].out, strlen(messages[i].out)), messages[i].name);
    }
    cws_deflate_free(&d);
}

TEST(deflate_round_trips)
{
    static const size_t sizes[] = {5, 64, 256, 257, 1000, 1023, 1024, 4095, 4096, 4097, 16384, 32768, 65535, 65536, 100000, 262144, 1u << 20};
    cws_deflate d = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *p = prose(sizes[i]);
        cws_slice packed, out;
        const bool is_packed = cws_deflate_message(&d, (cws_slice){.p = p, .n = sizes[i]}, &packed);
        CHECK(is_packed || sizes[i] < 64);
        if (is_packed) {
            CHECK(packed.n < sizes[i] && reads_as(packed, -(int)CWS_DEFLATE_WINDOW, p, sizes[i]));
            CHECK(cws_inflate(&d, packed, sizes[i], &out) == CWS_INFLATE_DONE && is(out, p, sizes[i]));
            /* One byte less is one too many, and is all that was made. */
            CHECK(cws_inflate(&d, packed, sizes[i] - 1, &out) == CWS_INFLATE_OVER && is(out, p, sizes[i]));
            CHECK(cws_inflate(&d, packed, 0, &out) == CWS_INFLATE_OVER && is(out, p, 1));
            const size_t most = sizes[i] / 3;
            const cws_slice begin = cws_inflate_prefix(&d, packed, most);
            CHECK(begin.n == most && memcmp(begin.p, p, most) == 0);
            const cws_slice half = cws_inflate_prefix(&d, (cws_slice){.p = packed.p, .n = packed.n / 2}, sizes[i]);
            CHECK(half.n < sizes[i] && memcmp(half.p, p, half.n) == 0);
        }
        free(p);
    }
    cws_deflate_free(&d);
}

/* Whoever can look back less far than our compressor reaches gets only messages that are no longer than that. */
TEST(deflate_windows)
{
    cws_deflate d = {0};
    for (uint8_t bits = 8; bits <= 15; bits++) {
        const size_t most = (size_t)1 << bits;
        CHECK(cws_deflate_suits(bits, most));
        CHECK(cws_deflate_suits(bits, most + 1) == (bits >= CWS_DEFLATE_WINDOW));
        uint8_t *p = prose(most);
        cws_slice packed;
        CHECK(cws_deflate_message(&d, (cws_slice){.p = p, .n = most}, &packed) && reads_as(packed, -(int)bits, p, most));
        free(p);
    }
    cws_deflate_free(&d);
}

TEST(deflate_does_not_grow)
{
    cws_deflate d = {0};
    cws_slice out;
    for (size_t n = 0; n < 3000; n += 7) {
        uint8_t *p = noise(n);
        CHECK(!cws_deflate_message(&d, (cws_slice){.p = p, .n = n}, &out) && !cws_deflate_gzip(&d, (cws_slice){.p = p, .n = n}, &out));
        free(p);
    }
    /* A failure leaves nothing behind for the next one. */
    uint8_t *p = prose(5000);
    CHECK(cws_deflate_message(&d, (cws_slice){.p = p, .n = 5000}, &out) && reads_as(out, -15, p, 5000));
    free(p);
    cws_deflate_free(&d);
}

TEST(deflate_gzip)
{
    cws_deflate d = {0};
    for (size_t n = 1024; n < 200000; n = n * 3 + 1) {
        uint8_t *p = prose(n);
        cws_slice out, again;
        CHECK(cws_deflate_gzip(&d, (cws_slice){.p = p, .n = n}, &out) && out.n < n && reads_as(out, 15 + 16, p, n));
        uint8_t *first = malloc(out.n);
        memcpy(first, out.p, out.n);
        const size_t first_n = out.n;
        CHECK(cws_deflate_gzip(&d, (cws_slice){.p = p, .n = n}, &again) && is(again, first, first_n));
        free(first);
        free(p);
    }
    cws_deflate_free(&d);
}

/* `times` times 16 MiB of zeros; freed by the caller. */
static cws_slice bomb(unsigned times)
{
    const size_t chunk = (size_t)16 << 20;
    uint8_t *zeros = calloc(1, chunk), *one = malloc(chunk / 100);
    z_stream z = {0};
    if (zeros == NULL || one == NULL || deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = zeros;
    z.avail_in = (uInt)chunk;
    z.next_out = one;
    z.avail_out = (uInt)(chunk / 100);
    if (deflate(&z, Z_FULL_FLUSH) != Z_OK)
        abort();
    const size_t n = chunk / 100 - z.avail_out;
    (void)deflateEnd(&z);
    uint8_t *all = malloc(n * times);
    for (unsigned i = 0; all != NULL && i < times; i++)
        memcpy(all + n * i, one, n);
    free(zeros);
    free(one);
    return (cws_slice){.p = all, .n = n * times - 4};
}

TEST(deflate_bombs)
{
    const cws_slice in = bomb(64); /* 1 MB becomes 1 GiB */
    cws_deflate d = {0};
    cws_slice out;
    CHECK(in.n > 1000000 && in.n < 1100000);
    for (size_t ceiling = 1; ceiling <= 32u << 20; ceiling *= 32) {
        CHECK(cws_inflate(&d, in, ceiling, &out) == CWS_INFLATE_OVER && out.n == ceiling + 1);
        /* The input's own size may be kept beside it, never more than the ceiling. */
        CHECK(d.inflated.cap <= ceiling + 1 || d.inflated.cap <= 4 * in.n + 1024);
        cws_deflate_trim_inflated(&d);
        CHECK(d.inflated.cap <= 260 * 1024);
        cws_buf_free(&d.inflated);
    }
    CHECK(cws_inflate_prefix(&d, in, 4096).n == 4096 && d.inflated.cap <= 4096);
    free((void *)(uintptr_t)in.p);
    cws_deflate_free(&d);
}

/* Blocks with next to nothing in them cost time and make nothing: a bound, which no flushing sender meets. */
TEST(deflate_block_bombs)
{
    enum { COUNT = 1 << 19 };
    cws_deflate d = {0};
    cws_slice out;
    static const struct {
        const char *name, *block;
        size_t n;
    } rows[] = {{"last blocks", "\x03\x00", 2}, {"empty stored blocks", "\x00\x00\x00\xff\xff", 5}};
    for (size_t k = 0; k < 2; k++) {
        uint8_t *p = malloc(COUNT * rows[k].n);
        for (size_t i = 0; p != NULL && i < COUNT; i++)
            memcpy(p + rows[k].n * i, rows[k].block, rows[k].n);
        CHECK_ROW(cws_inflate(&d, (cws_slice){.p = p, .n = COUNT * rows[k].n}, 1000, &out) == CWS_INFLATE_BAD, rows[k].name);
        CHECK_ROW(d.inflater->total_in < 10000, rows[k].name);
        CHECK_ROW(cws_inflate_prefix(&d, (cws_slice){.p = p, .n = COUNT * rows[k].n}, 1000).n == 0, rows[k].name);
        free(p);
    }
    cws_deflate_free(&d);
}

/* A sender that flushes after every `step` bytes: two blocks each. */
TEST(deflate_flushing_senders)
{
    static const struct { size_t n, step; } rows[] = {{500, 1}, {50000, 100}, {1u << 20, 400}, {1u << 20, 1000}, {4u << 20, 16384}};
    cws_deflate d = {0};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        uint8_t *p = prose(rows[k].n), *packed = malloc(rows[k].n * 12);
        z_stream z = {.next_out = packed, .avail_out = (uInt)rows[k].n * 12};
        CHECK(p != NULL && packed != NULL && deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        for (size_t at = 0; at < rows[k].n; at += rows[k].step) {
            z.next_in = p + at;
            z.avail_in = (uInt)(rows[k].n - at < rows[k].step ? rows[k].n - at : rows[k].step);
            CHECK(deflate(&z, Z_SYNC_FLUSH) == Z_OK);
        }
        cws_slice out;
        const cws_slice in = {.p = packed, .n = (size_t)z.total_out - 4};
        CHECK(cws_inflate(&d, in, rows[k].n, &out) == CWS_INFLATE_DONE && is(out, p, rows[k].n));
        (void)deflateEnd(&z);
        free(packed);
        free(p);
    }
    cws_deflate_free(&d);
}

static void to_base64(uint8_t *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)digits[p[i] & 63];
}

TEST(deflate_sample)
{
    for (size_t n = 300; n < 300000; n = n * 2 + 17) {
        uint8_t *text = prose(n), *bytes = noise(n), *picture = noise(n), *hex = noise(n);
        to_base64(picture, n);
        for (size_t i = 0; i < n; i++)
            hex[i] = (uint8_t)"0123456789abcdef"[hex[i] & 15];
        CHECK(cws_deflate_is_worthwhile((cws_slice){.p = check_guarded(text, n), .n = n}));
        CHECK(cws_deflate_is_worthwhile((cws_slice){.p = hex, .n = n}));
        CHECK(!cws_deflate_is_worthwhile((cws_slice){.p = bytes, .n = n}));
        CHECK(!cws_deflate_is_worthwhile((cws_slice){.p = picture, .n = n}));
        /* A picture behind a short text is still a picture. */
        static const char before[] = "{\"id\":\"1\",\"status\":\"success\",\"images\":[{\"url\":\"data:image/png;base64,";
        if (n > 2000) {
            memcpy(picture, before, sizeof before - 1);
            CHECK(!cws_deflate_is_worthwhile((cws_slice){.p = picture, .n = n}));
        }
        free(text);
        free(bytes);
        free(picture);
        free(hex);
    }
    CHECK(!cws_deflate_is_worthwhile((cws_slice){.p = (const uint8_t *)"", .n = 0}));
    CHECK(!cws_deflate_is_worthwhile((cws_slice){.p = (const uint8_t *)"a", .n = 1}));
}

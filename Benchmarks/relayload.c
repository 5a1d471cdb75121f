/*
 * relayload - a load generator for message relays on the loopback interface.
 *
 * It opens rooms of connections to a relay server, lets one member of each room (the sender) send
 * JSON messages, and measures how and when the other members (the receivers) get them.
 *
 * One thread, one epoll loop:   cc -O2 -o relayload relayload.c -lssl -lcrypto -lz
 *
 * What differs between servers (paths, how a room is joined, how a message is wrapped) is data, not
 * code: a "dialect", either one of the built-in ones below or a file in the same format.
 * `relayload --help` documents the options and the dialect format.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* ------------------------------------------------------------------ small helpers */

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("relayload: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static void *must(void *p)
{
    if (!p) die("out of memory");
    return p;
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A growable run of bytes (may hold NULs). */
struct blob {
    char *p;
    size_t n, cap;
};

static void blob_add(struct blob *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = (b->n + n) * 2 + 64;
        b->p = must(realloc(b->p, b->cap));
    }
    if (n) memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void blob_str(struct blob *b, const char *s) { blob_add(b, s, strlen(s)); }

/* ------------------------------------------------------------------ latency histogram
 * Log-linear: 128 steps to each power of two, so a value is off by less than 1 %. */

#define HIST_SUB 7
#define HIST_CELLS ((64 - HIST_SUB + 1) << HIST_SUB)

struct hist {
    uint64_t cell[HIST_CELLS];
    uint64_t count, max;
    double sum;
};

static void hist_add(struct hist *h, uint64_t v)
{
    unsigned i;
    if (v < (1u << HIST_SUB)) {
        i = (unsigned)v;
    } else {
        unsigned shift = 63 - (unsigned)__builtin_clzll(v) - HIST_SUB;
        i = ((shift + 1) << HIST_SUB) + (unsigned)((v >> shift) & ((1u << HIST_SUB) - 1));
    }
    h->cell[i]++;
    h->count++;
    h->sum += (double)v;
    if (v > h->max) h->max = v;
}

static uint64_t hist_at(const struct hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->count + 0.5), seen = 0;
    if (!h->count) return 0;
    if (want < 1) want = 1;
    for (unsigned i = 0; i < HIST_CELLS; i++) {
        seen += h->cell[i];
        if (seen < want) continue;
        if (i < (1u << HIST_SUB)) return i;
        unsigned shift = (i >> HIST_SUB) - 1;
        uint64_t low = (((uint64_t)(i & ((1u << HIST_SUB) - 1))) | (1u << HIST_SUB)) << shift;
        uint64_t mid = low + (1ull << shift) / 2;
        return mid < h->max ? mid : h->max;
    }
    return h->max;
}

/* ------------------------------------------------------------------ options */

enum mode { MODE_PAIR, MODE_FANOUT, MODE_RATE, MODE_IDLE };
static const char *mode_name[] = {"pair", "fanout", "rate", "idle"};

static struct options {
    enum mode mode;
    const char *host, *label, *dialect, *dialect_file, *keys_file, *time_expect;
    int port, rooms, members, window, concurrency, sources, touch, sndbuf, rcvbuf;
    size_t size, read_size;
    double duration, warmup, settle, hold, drain, rate, setup_limit;
    bool spin, discard, poisson, nodelay, progress, tls, deflate, prose;
    int pids[64], npids;
} opt = {
    .mode = MODE_PAIR, .host = "127.0.0.1", .label = "", .dialect = "native",
    .port = 8080, .rooms = 32, .members = 2, .window = 8, .concurrency = 128, .sources = 1,
    .touch = 0, .size = 200, .read_size = 256 * 1024,
    .duration = 5, .warmup = 1, .settle = 0.3, .hold = 2, .drain = 5, .rate = 5000,
    .setup_limit = 120, .spin = true, .nodelay = true,
};

/* ------------------------------------------------------------------ dialects */

static const char DIALECT_NATIVE[] =
    "# a plain JSON protocol: join by one message, wait for a message that holds the text\n"
    "path /ws\n"
    "sender send {\"event\":\"join\",\"key\":\"%k\",\"type\":\"client\"}\n"
    "sender expect \"joined\"\n"
    "receiver send {\"event\":\"join\",\"key\":\"%k\",\"type\":\"sd\"}\n"
    "receiver expect \"joined\"\n"
    "message {\"event\":\"command\",\"data\":%m}\n";

static const char DIALECT_SOCKETIO[] =
    "# Socket.IO v4 over the Engine.IO v4 WebSocket transport alone; join acknowledged\n"
    "path /socket.io/?EIO=4&transport=websocket\n"
    "sender expect 0{\n"
    "sender send 40\n"
    "sender expect 40{\n"
    "sender send 42[\"iam\",{\"type\":\"client\"}]\n"
    "sender send 420[\"join\",\"%k\"]\n"
    "sender expect 430[\n"
    "receiver expect 0{\n"
    "receiver send 40\n"
    "receiver expect 40{\n"
    "receiver send 42[\"iam\",{\"type\":\"sd\"}]\n"
    "receiver send 420[\"join\",\"%k\"]\n"
    "receiver expect 430[\n"
    "message 42[\"command\",%m]\n"
    "answer 2 3\n";

static const char DIALECT_ECHO[] =
    "# the server sends every message back on the connection it came from\n"
    "path /echo\n"
    "echo yes\n"
    "message %m\n";

static const char DIALECT_NCHAN[] =
    "# Nchan: the room is an id in the path, publisher and subscriber have paths of their own\n"
    "sender-path /pub?id=%k\n"
    "receiver-path /sub?id=%k\n"
    "message %m\n";

static const char DIALECT_NATS[] =
    "# NATS over WebSocket: a byte stream inside binary frames\n"
    "path /\n"
    "frame binary\n"
    "receive stream\n"
    "sender expect INFO\n"
    "sender send CONNECT {\"verbose\":false,\"pedantic\":false}\\r\\nPING\\r\\n\n"
    "sender expect PONG\n"
    "receiver expect INFO\n"
    "receiver send CONNECT {\"verbose\":false,\"pedantic\":false}\\r\\nSUB %k 1\\r\\nPING\\r\\n\n"
    "receiver expect PONG\n"
    "message PUB %k %n\\r\\n%m\\r\\n\n";

static const char DIALECT_MQTT[] =
    "# MQTT 3.1.1, QoS 0, over WebSocket (binary frames, subprotocol mqtt)\n"
    "path /mqtt\n"
    "frame binary\n"
    "receive stream\n"
    "subprotocol mqtt\n"
    "sender send \\x10\\x0c\\x00\\x04MQTT\\x04\\x02\\x00\\x00\\x00\\x00\n"
    "sender expect \\x20\\x02\\x00\\x00\n"
    "receiver send \\x10\\x0c\\x00\\x04MQTT\\x04\\x02\\x00\\x00\\x00\\x00\n"
    "receiver expect \\x20\\x02\\x00\\x00\n"
    "receiver send \\x82%v\\x00\\x01%2%k\\x00\n"
    "receiver expect \\x90\\x03\n"
    "message \\x30%v%2%k%m\n";

static const char DIALECT_RAW[] =
    "# plain TCP, no WebSocket: records of a 4-byte big-endian length and that many bytes;\n"
    "# the first record of a connection names its room and role\n"
    "frame tcp\n"
    "receive stream\n"
    "sender send %4%kS\n"
    "receiver send %4%kR\n"
    "message %4%m\n";

static const struct {
    const char *name, *text;
} builtin[] = {
    {"native", DIALECT_NATIVE}, {"socketio", DIALECT_SOCKETIO}, {"echo", DIALECT_ECHO},
    {"nchan", DIALECT_NCHAN},   {"nats", DIALECT_NATS},         {"mqtt", DIALECT_MQTT},
    {"raw", DIALECT_RAW},
};

enum role { SENDER, RECEIVER };
enum framing { FRAME_TEXT, FRAME_BINARY, FRAME_TCP };

struct step {
    bool expect; /* wait for a message that holds text; else send text */
    struct blob text;
};

#define MAX_STEPS 16

static struct {
    enum framing frame;
    bool stream; /* find messages in the byte stream, not one to a WebSocket message */
    bool echo;
    char *path[2], *subprotocol;
    struct step step[2][MAX_STEPS];
    int steps[2];
    struct blob message, answer_match, answer_reply;
    struct blob reply; /* what a receiver sends back for each message; then the sender is who measures */
} dialect;

/* Reads \r \n \t \\ \xHH. */
static struct blob unescape(const char *s)
{
    struct blob b = {0};
    while (*s) {
        char c = *s++;
        if (c == '\\' && *s) {
            c = *s++;
            if (c == 'r') c = '\r';
            else if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'x' && isxdigit((unsigned char)s[0]) && isxdigit((unsigned char)s[1])) {
                char hex[3] = {s[0], s[1], 0};
                c = (char)strtol(hex, NULL, 16);
                s += 2;
            }
        }
        blob_add(&b, &c, 1);
    }
    return b;
}

static void dialect_line(char *line)
{
    char *word = line, *rest;
    while (*word == ' ' || *word == '\t') word++;
    if (!*word || *word == '#') return;
    rest = word;
    while (*rest && *rest != ' ') rest++;
    if (*rest) *rest++ = 0;

    if (!strcmp(word, "path")) {
        dialect.path[SENDER] = must(strdup(rest));
        dialect.path[RECEIVER] = must(strdup(rest));
    } else if (!strcmp(word, "sender-path")) {
        dialect.path[SENDER] = must(strdup(rest));
    } else if (!strcmp(word, "receiver-path")) {
        dialect.path[RECEIVER] = must(strdup(rest));
    } else if (!strcmp(word, "subprotocol")) {
        dialect.subprotocol = must(strdup(rest));
    } else if (!strcmp(word, "frame")) {
        if (!strcmp(rest, "text")) dialect.frame = FRAME_TEXT;
        else if (!strcmp(rest, "binary")) dialect.frame = FRAME_BINARY;
        else if (!strcmp(rest, "tcp")) dialect.frame = FRAME_TCP;
        else die("dialect: frame is text, binary or tcp, not '%s'", rest);
    } else if (!strcmp(word, "receive")) {
        dialect.stream = !strcmp(rest, "stream");
    } else if (!strcmp(word, "echo")) {
        dialect.echo = !strcmp(rest, "yes");
    } else if (!strcmp(word, "message")) {
        dialect.message = unescape(rest);
    } else if (!strcmp(word, "reply")) {
        dialect.reply = unescape(rest);
    } else if (!strcmp(word, "answer")) {
        char *reply = strchr(rest, ' ');
        if (!reply) die("dialect: answer needs two words");
        *reply++ = 0;
        dialect.answer_match = unescape(rest);
        dialect.answer_reply = unescape(reply);
    } else if (!strcmp(word, "sender") || !strcmp(word, "receiver")) {
        enum role r = word[0] == 's' ? SENDER : RECEIVER;
        bool expect = !strncmp(rest, "expect ", 7);
        if (!strcmp(rest, "none")) { /* forget the built-in steps of this role */
            dialect.steps[r] = 0;
            return;
        }
        if (!expect && strncmp(rest, "send ", 5)) die("dialect: '%s' wants send, expect or none", word);
        if (dialect.steps[r] == MAX_STEPS) die("dialect: too many steps");
        struct step *s = &dialect.step[r][dialect.steps[r]++];
        s->expect = expect;
        s->text = unescape(rest + (expect ? 7 : 5));
    } else {
        die("dialect: unknown word '%s'", word);
    }
}

static void dialect_text(const char *text)
{
    char *copy = must(strdup(text)), *save = NULL;
    for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) dialect_line(l);
    free(copy);
}

static void dialect_load(void)
{
    if (opt.dialect_file) {
        FILE *f = fopen(opt.dialect_file, "r");
        if (!f) die("cannot read %s: %s", opt.dialect_file, strerror(errno));
        char *line = NULL;
        size_t cap = 0;
        while (getline(&line, &cap, f) > 0) {
            line[strcspn(line, "\r\n")] = 0;
            dialect_line(line);
        }
        free(line);
        fclose(f);
        return;
    }
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        if (!strcmp(builtin[i].name, opt.dialect)) {
            dialect_text(builtin[i].text);
            return;
        }
    die("no dialect '%s' built in", opt.dialect);
}

/* What the placeholders of a text stand for. */
struct fill {
    char key[160];
    uint32_t index;
    enum role role;
    const struct blob *json;
};

/* Appends text with its placeholders filled in. %v, %2 and %4 need the length of what follows, so
 * what follows is built first. */
static void expand(struct blob *out, const char *s, size_t n, const struct fill *f)
{
    char num[32];
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '%' || i + 1 == n) {
            blob_add(out, s + i, 1);
            continue;
        }
        switch (s[++i]) {
        case 'k': blob_str(out, f->key); break;
        case 'i': snprintf(num, sizeof num, "%u", f->index); blob_str(out, num); break;
        case 'r': blob_str(out, f->role == SENDER ? "sender" : "receiver"); break;
        case 'm': if (f->json) blob_add(out, f->json->p, f->json->n); break;
        case 'n': snprintf(num, sizeof num, "%zu", f->json ? f->json->n : 0); blob_str(out, num); break;
        case '2': { /* 16-bit length of the key */
            uint8_t b[2] = {0, (uint8_t)strlen(f->key)};
            blob_add(out, b, 2);
            break;
        }
        case '4':
        case 'v': { /* length of the rest: 32 bits big-endian, or MQTT's variable-length integer */
            struct blob rest = {0};
            uint8_t b[4];
            size_t k = 0;
            expand(&rest, s + i + 1, n - i - 1, f);
            if (s[i] == '4') {
                for (; k < 4; k++) b[k] = (uint8_t)(rest.n >> (24 - 8 * k));
            } else {
                size_t v = rest.n;
                do {
                    b[k] = v & 127;
                    v >>= 7;
                    if (v) b[k] |= 128;
                    k++;
                } while (v && k < 4);
            }
            blob_add(out, b, k);
            blob_add(out, rest.p, rest.n);
            free(rest.p);
            return;
        }
        default: blob_add(out, s + i, 1);
        }
    }
}

/* ------------------------------------------------------------------ messages on the wire
 *
 * Every message holds one JSON object of exactly --size bytes:
 *     {"id":"@@RRRRRRRR:SSSSSSSS:DDDDDDDDDDDDDDDD:TTTTTTTTTTTTTTTT@","pad":"..."}
 * R room, S sequence number, D time it was due, T time it was sent, all in hex, times in ns.
 * In the closed loop D alone is used. Frames are prepared once and masked with one key: only
 * the id is written for each message, so sending costs the generator next to nothing. */

#define MARK_LEN 54
#define MARK_SEQ 11
#define MARK_DUE 20
#define MARK_SENT 37

static uint8_t mask_key[4];
static struct blob *room_head;   /* per room: frame header up to the end of the marker, masked */
static struct blob frame_tail;   /* the rest, the same for all rooms */
static size_t frame_len;         /* head + tail */
static size_t mark_at;           /* where the marker starts in the head */
static size_t mark_phase;        /* the marker's offset in the payload, for the mask */
static size_t json_after_mark;   /* bytes of JSON behind the marker */

static size_t ws_header(uint8_t *h, uint8_t opcode, size_t len)
{
    size_t n = 2;
    h[0] = 0x80 | opcode;
    if (len < 126) {
        h[1] = 0x80 | (uint8_t)len;
    } else if (len < 65536) {
        h[1] = 0x80 | 126;
        h[2] = (uint8_t)(len >> 8);
        h[3] = (uint8_t)len;
        n = 4;
    } else {
        h[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) h[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    memcpy(h + n, mask_key, 4);
    return n + 4;
}

static void mask_bytes(char *p, size_t n, size_t phase)
{
    for (size_t i = 0; i < n; i++) p[i] ^= (char)mask_key[(phase + i) & 3];
}

/* Appends a frame with the given payload (as is on plain TCP). */
static void add_frame(struct blob *out, uint8_t opcode, const char *p, size_t n)
{
    if (dialect.frame != FRAME_TCP) {
        uint8_t h[14];
        blob_add(out, h, ws_header(h, opcode, n));
    }
    size_t at = out->n;
    blob_add(out, p, n);
    if (dialect.frame != FRAME_TCP) mask_bytes(out->p + at, n, 0);
}

static uint8_t data_opcode(void) { return dialect.frame == FRAME_BINARY ? 2 : 1; }

/* Keys for rooms whose server issues them: one a line. */
static struct { char (*line)[160]; size_t count; } keys;

static void load_keys(void)
{
    FILE *f = fopen(opt.keys_file, "r");
    if (!f) die("cannot read %s: %s", opt.keys_file, strerror(errno));
    char text[160];
    while (fgets(text, sizeof text, f)) {
        text[strcspn(text, "\r\n")] = 0;
        keys.line = must(realloc(keys.line, (keys.count + 1) * sizeof *keys.line));
        memset(keys.line[keys.count], 0, sizeof *keys.line);
        memcpy(keys.line[keys.count++], text, strlen(text));
    }
    fclose(f);
    if (!keys.count) die("no keys in %s", opt.keys_file);
}

static void fill_for(struct fill *f, uint32_t room, enum role role, uint32_t index)
{
    memset(f, 0, sizeof *f);
    if (keys.count)
        memcpy(f->key, keys.line[room % keys.count], sizeof f->key);
    else
        snprintf(f->key, sizeof f->key, "room%06u", room % 1000000);
    f->role = role;
    f->index = index;
}

static void build_frames(void)
{
    static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct blob json = {0};
    uint32_t rnd = 12345;

    room_head = must(calloc((size_t)opt.rooms, sizeof *room_head));
    for (int r = 0; r < opt.rooms; r++) {
        char mark[MARK_LEN + 1];
        struct fill f;
        struct blob payload = {0}, frame = {0};
        snprintf(mark, sizeof mark, "@@%08x:%08x:%016x:%016x@", r, 0, 0, 0);
        json.n = 0;
        blob_str(&json, "{\"id\":\"");
        blob_str(&json, mark);
        blob_str(&json, "\",\"pad\":\"");
        if (json.n + 2 > opt.size) die("--size must be at least %zu", json.n + 2);
        while (opt.prose && json.n + 40 < opt.size) { /* what lists of models look like, near enough */
            char word[40];
            rnd = rnd * 1664525u + 1013904223u;
            blob_add(&json, word, (size_t)snprintf(word, sizeof word, "type: Checkpoint, hash: %08X; ", rnd));
        }
        while (json.n + 2 < opt.size) {
            rnd = rnd * 1664525u + 1013904223u;
            blob_add(&json, b64 + (rnd >> 26), 1);
        }
        blob_str(&json, "\"}");

        fill_for(&f, (uint32_t)r, SENDER, 0);
        f.json = &json;
        expand(&payload, dialect.message.p, dialect.message.n, &f);
        char *m = memmem(payload.p, payload.n, "@@", 2);
        if (!m) die("dialect: the message has no %%m");
        mark_phase = (size_t)(m - payload.p);
        add_frame(&frame, data_opcode(), payload.p, payload.n);
        size_t head = frame.n - payload.n + mark_phase + MARK_LEN;
        mark_at = head - MARK_LEN;
        json_after_mark = json.n - (size_t)((char *)memmem(json.p, json.n, "@@", 2) - json.p) - MARK_LEN;
        if (r == 0) {
            frame_len = frame.n;
            blob_add(&frame_tail, frame.p + head, frame.n - head);
        } else if (frame.n != frame_len) {
            die("dialect: the message must have one length for all rooms");
        }
        blob_add(&room_head[r], frame.p, head);
        free(payload.p);
        free(frame.p);
        rnd = 12345;
    }
    free(json.p);
}

/* Writes an even number of hex digits, two at a time, masked as the place in the payload asks. */
static void put_hex(char *p, uint64_t v, int digits, size_t phase)
{
    static char two[256][2];
    static bool made;
    if (!made) {
        for (int i = 0; i < 256; i++) {
            two[i][0] = "0123456789abcdef"[i >> 4];
            two[i][1] = "0123456789abcdef"[i & 15];
        }
        made = true;
    }
    uint8_t m[4] = {0, 0, 0, 0};
    if (dialect.frame != FRAME_TCP)
        for (int i = 0; i < 4; i++) m[i] = mask_key[(phase + (size_t)i) & 3];
    for (int i = digits - 2; i >= 0; i -= 2, v >>= 8) {
        p[i] = (char)(two[v & 255][0] ^ m[i & 3]);
        p[i + 1] = (char)(two[v & 255][1] ^ m[(i + 1) & 3]);
    }
}

static uint64_t get_hex(const char *p, int digits)
{
    uint64_t v = 0;
    for (int i = 0; i < digits; i++) {
        uint8_t c = (uint8_t)p[i]; /* '0'-'9' or 'a'-'f' */
        v = v << 4 | (uint64_t)((c & 15) + 9 * (c >> 6));
    }
    return v;
}

/* ------------------------------------------------------------------ connections and rooms */

enum phase { UNUSED, CONNECTING, UPGRADING, JOINING, READY, DEAD };

struct pending { /* a message waiting to be written */
    uint32_t seq;
    uint64_t due, sent;
};

#define HEAD_MAX 1024

struct conn {
    int fd;
    uint8_t phase, role, step;
    bool want_out, dirty;
    uint32_t room, next_seq;
    uint64_t began;

    SSL *ssl;
    uint64_t step_sent; /* when the last step was sent */
    bool is_deflated;

    /* input: the frame being read, and the first bytes of the message being read */
    uint8_t hdr[10], hdr_have, opcode, fin;
    bool in_payload;
    uint64_t left;
    size_t skip; /* stream: payload bytes of the current message still to come */
    uint32_t head_have;
    char head[HEAD_MAX];

    /* output: control bytes first, then messages */
    struct blob ctl;
    size_t ctl_off, out_off;
    struct pending *ring;
    uint32_t ring_cap, ring_first, ring_n;
};

struct room {
    struct conn *sender;
    uint64_t sent, received;
    uint32_t receivers;
};

static struct conn *conns;
static struct room *rooms;
static uint32_t nconns, next_conn, inflight, upgraded, ready, dead;
static int epfd;
static char *rbuf;
static char first_error[256];

static struct conn **dirty;
static uint32_t ndirty;

/* measurement */
static bool sending, closed_loop;
static uint64_t win_from, win_to; /* latencies count for messages due in this span */
static uint64_t sent_in_win, delivered_in_win, delivered_all, sent_all, due_in_win, due_delivered;
static uint64_t out_of_order, repeated, missing_marks;
static struct hist lat_due, lat_sent, lag, hs_upgrade, hs_ready, hs_expect;
static SSL_CTX *tls;

static void set_events(struct conn *c)
{
    struct epoll_event ev = {.events = EPOLLIN | (c->want_out ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &ev);
}

static void conn_fail(struct conn *c, const char *why)
{
    if (c->phase == DEAD) return;
    if (!first_error[0])
        snprintf(first_error, sizeof first_error, "%s (phase %d, connection %u, %s)", why, c->phase,
                 (unsigned)(c - conns), c->role == SENDER ? "sender" : "receiver");
    if (c->phase < READY) inflight--;
    else ready--;
    c->phase = DEAD;
    dead++;
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
    c->fd = -1;
}

/* TLS or not: -1 and EAGAIN when it would block, 0 at the end. */
static ssize_t tls_result(struct conn *c, int n)
{
    if (n > 0) return n;
    int why = SSL_get_error(c->ssl, n);
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t conn_send(struct conn *c, const void *p, size_t n)
{
    if (c->ssl) return tls_result(c, SSL_write(c->ssl, p, (int)n));
    return send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t conn_recv(struct conn *c, void *p, size_t n)
{
    if (c->ssl) return tls_result(c, SSL_read(c->ssl, p, (int)n));
    return recv(c->fd, p, n, MSG_DONTWAIT);
}

/* ---- output */

static void write_ready(struct conn *c);

static void push_message(struct conn *c, uint64_t due)
{
    if (c->ring_n == c->ring_cap) {
        uint32_t cap = c->ring_cap ? c->ring_cap * 2 : 16;
        struct pending *r = must(malloc(cap * sizeof *r));
        for (uint32_t i = 0; i < c->ring_n; i++) r[i] = c->ring[(c->ring_first + i) % c->ring_cap];
        free(c->ring);
        c->ring = r;
        c->ring_cap = cap;
        c->ring_first = 0;
    }
    struct room *rm = &rooms[c->room];
    c->ring[(c->ring_first + c->ring_n++) % c->ring_cap] =
        (struct pending){.seq = (uint32_t)rm->sent, .due = due};
    rm->sent++;
    sent_all++;
    if (due >= win_from && due < win_to) due_in_win++;
}

static void mark_dirty(struct conn *c)
{
    if (c->dirty) return;
    c->dirty = true;
    dirty[ndirty++] = c;
}

/* Writes the id of message p into the head of a frame. */
static void stamp(char *head, struct pending *p, uint64_t now)
{
    if (!p->sent) {
        p->sent = now;
        if (p->due >= win_from && p->due < win_to) {
            sent_in_win++;
            if (!closed_loop) hist_add(&lag, now > p->due ? now - p->due : 0);
        }
    }
    head += mark_at;
    put_hex(head + MARK_SEQ, p->seq, 8, mark_phase + MARK_SEQ);
    put_hex(head + MARK_DUE, p->due, 16, mark_phase + MARK_DUE);
    if (!closed_loop) put_hex(head + MARK_SENT, p->sent, 16, mark_phase + MARK_SENT);
}

#define SMALL_FRAME 4096
#define BATCH_BYTES (64 * 1024)
#define BATCH_IOV 32

/* Writes pending messages until none is left (true) or the socket is full (false). */
static bool write_messages(struct conn *c)
{
    static char batch[BATCH_BYTES];
    const struct blob *head = &room_head[c->room];

    while (c->ring_n) {
        uint64_t now = now_ns();
        size_t want = 0;
        ssize_t n;
        if (frame_len <= SMALL_FRAME) {
            uint32_t k = 0;
            while (k < c->ring_n && want + frame_len <= BATCH_BYTES) {
                char *p = batch + want;
                memcpy(p, head->p, head->n);
                stamp(p, &c->ring[(c->ring_first + k) % c->ring_cap], now);
                memcpy(p + head->n, frame_tail.p, frame_tail.n);
                want += frame_len;
                k++;
            }
            want -= c->out_off;
            n = conn_send(c, batch + c->out_off, want);
        } else {
            struct iovec iov[2 * BATCH_IOV];
            int v = 0;
            size_t off = c->out_off;
            for (uint32_t k = 0; k < c->ring_n && k < BATCH_IOV; k++) {
                char *p = batch + k * (BATCH_BYTES / BATCH_IOV);
                memcpy(p, head->p, head->n);
                stamp(p, &c->ring[(c->ring_first + k) % c->ring_cap], now);
                if (off < head->n)
                    iov[v++] = (struct iovec){p + off, head->n - off};
                size_t tail_off = off > head->n ? off - head->n : 0;
                iov[v++] = (struct iovec){frame_tail.p + tail_off, frame_tail.n - tail_off};
                want += frame_len - off;
                off = 0;
            }
            struct msghdr mh = {.msg_iov = iov, .msg_iovlen = (size_t)v};
            if (c->ssl) want = iov[0].iov_len;
            n = c->ssl ? conn_send(c, iov[0].iov_base, want) : sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) return false;
            conn_fail(c, strerror(errno));
            return true;
        }
        c->out_off += (size_t)n;
        while (c->ring_n && c->out_off >= frame_len) {
            c->out_off -= frame_len;
            c->ring_first = (c->ring_first + 1) % c->ring_cap;
            c->ring_n--;
        }
        if ((size_t)n < want) return false;
    }
    return true;
}

static void write_ready(struct conn *c)
{
    bool done = true;
    for (;;) {
        if (c->phase == DEAD) return;
        if (c->out_off == 0 && c->ctl.n > c->ctl_off) {
            ssize_t n = conn_send(c, c->ctl.p + c->ctl_off, c->ctl.n - c->ctl_off);
            if (n < 0) {
                if (errno == EAGAIN || errno == EINTR) { done = false; break; }
                conn_fail(c, strerror(errno));
                return;
            }
            c->ctl_off += (size_t)n;
            if (c->ctl_off < c->ctl.n) { done = false; break; }
            free(c->ctl.p);
            c->ctl = (struct blob){0};
            c->ctl_off = 0;
        }
        if (!c->ring_n) break;
        if (!write_messages(c)) { done = false; break; }
        if (c->phase == DEAD) return;
        if (c->ctl.n == c->ctl_off) break;
    }
    if (c->want_out == done) {
        c->want_out = !done;
        set_events(c);
    }
}

/* ---- joining */

static void run_steps(struct conn *c)
{
    while (c->step < dialect.steps[c->role]) {
        struct step *s = &dialect.step[c->role][c->step];
        if (s->expect) break;
        struct fill f;
        struct blob text = {0};
        fill_for(&f, c->room, c->role, (uint32_t)(c - conns));
        expand(&text, s->text.p, s->text.n, &f);
        add_frame(&c->ctl, data_opcode(), text.p, text.n);
        free(text.p);
        c->step++;
        c->step_sent = now_ns();
    }
    if (c->ctl.n) write_ready(c);
    if (c->phase == JOINING && c->step == dialect.steps[c->role]) {
        c->phase = READY;
        c->head_have = 0;
        inflight--;
        ready++;
        hist_add(&hs_ready, now_ns() - c->began);
    }
}

static void upgraded_now(struct conn *c)
{
    upgraded++;
    hist_add(&hs_upgrade, now_ns() - c->began);
    c->phase = JOINING;
    run_steps(c);
}

static void conn_open(uint32_t index)
{
    struct conn *c = &conns[index];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    if (inet_pton(AF_INET, opt.host, &to.sin_addr) != 1) die("bad --host");
    c->began = now_ns();
    c->phase = CONNECTING;
    inflight++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s (open-file limit?)", strerror(errno));
    int one = 1;
    if (opt.nodelay) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (opt.sndbuf) setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &opt.sndbuf, sizeof opt.sndbuf);
    if (opt.rcvbuf) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &opt.rcvbuf, sizeof opt.rcvbuf);
    if (opt.sources > 1) { /* 127.0.0.2, .3, ...: each has ports of its own */
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(0x7f000002u + index % (uint32_t)opt.sources);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (void *)&from, sizeof from) < 0) die("bind: %s", strerror(errno));
    }
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    c->want_out = true;
    if (connect(c->fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        conn_fail(c, strerror(errno));
        return;
    }
    epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev);
}

static void conn_connected(struct conn *c)
{
    int err = 0;
    socklen_t len = sizeof err;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err) {
        conn_fail(c, strerror(err));
        return;
    }
    if (dialect.frame == FRAME_TCP) {
        upgraded_now(c);
        if (c->phase == READY) write_ready(c);
        return;
    }
    if (tls) {
        c->ssl = must(SSL_new(tls));
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_connect_state(c->ssl);
    }
    struct fill f;
    struct blob path = {0};
    char port[16];
    fill_for(&f, c->room, c->role, (uint32_t)(c - conns));
    expand(&path, dialect.path[c->role], strlen(dialect.path[c->role]), &f);
    snprintf(port, sizeof port, ":%d", opt.port);
    blob_str(&c->ctl, "GET ");
    blob_add(&c->ctl, path.p, path.n);
    blob_str(&c->ctl, " HTTP/1.1\r\nHost: ");
    blob_str(&c->ctl, opt.host);
    blob_str(&c->ctl, port);
    blob_str(&c->ctl, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
    if (dialect.subprotocol) {
        blob_str(&c->ctl, "Sec-WebSocket-Protocol: ");
        blob_str(&c->ctl, dialect.subprotocol);
        blob_str(&c->ctl, "\r\n");
    }
    if (opt.deflate) blob_str(&c->ctl, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    blob_str(&c->ctl, "\r\n");
    free(path.p);
    c->phase = UPGRADING;
    c->head_have = 0;
    write_ready(c);
}

/* ---- input */

/* A receiver's answer to the message that carried this marker. */
static void send_reply(struct conn *c, const char *m)
{
    struct fill f;
    struct blob json = {0}, text = {0};
    blob_str(&json, "{\"id\":\"");
    blob_add(&json, m, MARK_LEN);
    blob_str(&json, "\",\"status\":\"success\"}");
    fill_for(&f, c->room, c->role, (uint32_t)(c - conns));
    f.json = &json;
    expand(&text, dialect.reply.p, dialect.reply.n, &f);
    add_frame(&c->ctl, data_opcode(), text.p, text.n);
    free(text.p);
    free(json.p);
    mark_dirty(c);
}

static void got_marker(struct conn *c, const char *m, uint64_t now)
{
    if (c->role == SENDER && !dialect.echo && !dialect.reply.n) return; /* its own message, sent back to it */
    uint32_t room = (uint32_t)get_hex(m + 2, 8), seq = (uint32_t)get_hex(m + MARK_SEQ, 8);
    uint64_t due = get_hex(m + MARK_DUE, 16);
    if (room != c->room || seq != c->next_seq) out_of_order++;
    if (room == c->room && seq < c->next_seq) repeated++;
    c->next_seq = seq + 1;
    if (c->role == RECEIVER && dialect.reply.n) {
        send_reply(c, m);
        return;
    }
    struct room *rm = &rooms[c->room];
    rm->received++;
    delivered_all++;
    if (now >= win_from && now < win_to) delivered_in_win++;
    if (due >= win_from && due < win_to) {
        due_delivered++;
        hist_add(&lat_due, now > due ? now - due : 0);
        if (!closed_loop) {
            uint64_t sent = get_hex(m + MARK_SENT, 16);
            hist_add(&lat_sent, now > sent ? now - sent : 0);
        }
    }
    if (closed_loop) mark_dirty(rm->sender);
}

static bool answer_if_asked(struct conn *c, const char *p, size_t n)
{
    if (!dialect.answer_match.n || n != dialect.answer_match.n || memcmp(p, dialect.answer_match.p, n))
        return false;
    add_frame(&c->ctl, data_opcode(), dialect.answer_reply.p, dialect.answer_reply.n);
    write_ready(c);
    return true;
}

static void join_progress(struct conn *c, const char *p, size_t n)
{
    if (c->step >= dialect.steps[c->role]) return;
    struct step *s = &dialect.step[c->role][c->step];
    if (!memmem(p, n, s->text.p, s->text.n)) return;
    if (opt.time_expect && !strncmp(s->text.p, opt.time_expect, strlen(opt.time_expect)))
        hist_add(&hs_expect, now_ns() - c->step_sent);
    c->head_have = 0;
    c->step++;
    run_steps(c);
}

/* The first bytes of a compressed message are enough: what is looked for stands at its beginning. */
static size_t inflate_head(const char *p, size_t n, char *out, size_t room)
{
    static z_stream z;
    static bool made;
    if (!made && inflateInit2(&z, -15) != Z_OK) die("no zlib");
    made = true;
    inflateReset(&z);
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    inflate(&z, Z_SYNC_FLUSH);
    return room - z.avail_out;
}

/* One whole WebSocket message; p holds its first bytes (up to HEAD_MAX). */
static void got_message(struct conn *c, const char *p, size_t n, uint64_t now)
{
    static char plain[HEAD_MAX];
    if (c->is_deflated) {
        n = inflate_head(p, n, plain, sizeof plain);
        p = plain;
    }
    if (answer_if_asked(c, p, n)) return;
    if (c->phase == JOINING) {
        join_progress(c, p, n);
        return;
    }
    const char *m = memmem(p, n, "@@", 2);
    if (m && (size_t)(p + n - m) >= MARK_LEN) got_marker(c, m, now);
    else if (c->role == RECEIVER || dialect.echo) missing_marks++;
}

/* Bytes of a stream in which messages are found by their marker. */
static void got_stream(struct conn *c, const char *p, size_t n, uint64_t now)
{
    if (c->phase == JOINING) {
        if (c->head_have + n > HEAD_MAX) c->head_have = 0;
        size_t k = n < HEAD_MAX - c->head_have ? n : HEAD_MAX - c->head_have;
        memcpy(c->head + c->head_have, p, k);
        c->head_have += (uint32_t)k;
        join_progress(c, c->head, c->head_have);
        return;
    }
    while (n) {
        if (c->skip) {
            size_t k = n < c->skip ? n : c->skip;
            p += k, n -= k, c->skip -= k;
        } else if (c->head_have) { /* a marker cut in two */
            if (c->head_have == 1 && *p != '@') {
                c->head_have = 0;
                continue;
            }
            size_t k = MARK_LEN - c->head_have;
            if (k > n) k = n;
            memcpy(c->head + c->head_have, p, k);
            p += k, n -= k, c->head_have += (uint32_t)k;
            if (c->head_have == MARK_LEN) {
                c->head_have = 0;
                c->skip = json_after_mark;
                got_marker(c, c->head, now);
            }
        } else {
            const char *q = memchr(p, '@', n);
            if (!q) return;
            n -= (size_t)(q - p);
            p = q;
            if (n >= MARK_LEN && p[1] == '@') {
                got_marker(c, p, now);
                p += MARK_LEN, n -= MARK_LEN;
                c->skip = json_after_mark;
            } else if (n >= 2 && p[1] != '@') {
                p++, n--;
            } else {
                memcpy(c->head, p, n);
                c->head_have = (uint32_t)n;
                return;
            }
        }
    }
}

static void got_control(struct conn *c, const char *p, size_t n)
{
    if (c->opcode == 9) {
        add_frame(&c->ctl, 10, p, n);
        write_ready(c);
    } else if (c->opcode == 8) {
        conn_fail(c, "closed by a close frame");
    }
}

/* WebSocket frames. Only the first bytes of a message are kept, the rest is counted off. */
static void got_frames(struct conn *c, const char *p, size_t n, uint64_t now)
{
    while (n && c->phase != DEAD) {
        if (!c->in_payload) {
            size_t need = 2;
            while (c->hdr_have < need && n) {
                c->hdr[c->hdr_have++] = (uint8_t)*p++;
                n--;
                if (c->hdr_have >= 2) {
                    uint8_t l = c->hdr[1] & 127;
                    need = l == 126 ? 4 : l == 127 ? 10 : 2;
                }
            }
            if (c->hdr_have < need) return;
            if (c->hdr[1] & 128) {
                conn_fail(c, "the server masked a frame");
                return;
            }
            uint8_t op = c->hdr[0] & 15, l = c->hdr[1] & 127;
            c->left = l;
            if (l == 126) c->left = (uint64_t)c->hdr[2] << 8 | c->hdr[3];
            if (l == 127) {
                c->left = 0;
                for (int i = 2; i < 10; i++) c->left = c->left << 8 | c->hdr[i];
            }
            c->fin = c->hdr[0] >> 7;
            if (op == 1 || op == 2) c->is_deflated = c->hdr[0] & 0x40;
            c->opcode = op;
            c->hdr_have = 0;
            c->in_payload = true;
            if (op && !dialect.stream) c->head_have = 0;
            /* the common case: all of it is here */
            if (c->left <= n && c->fin && (op == 1 || op == 2) && !dialect.stream) {
                size_t len = (size_t)c->left, k = len < HEAD_MAX ? len : HEAD_MAX;
                c->in_payload = false;
                c->left = 0;
                got_message(c, p, k, now);
                p += len, n -= len;
                continue;
            }
        }
        size_t k = c->left < n ? (size_t)c->left : n;
        if (dialect.stream && c->opcode < 8) {
            got_stream(c, p, k, now);
        } else {
            size_t room = HEAD_MAX - c->head_have, keep = k < room ? k : room;
            memcpy(c->head + c->head_have, p, keep);
            c->head_have += (uint32_t)keep;
        }
        p += k, n -= k, c->left -= k;
        if (c->left) return;
        c->in_payload = false;
        if (c->opcode >= 8) {
            got_control(c, c->head, dialect.stream ? 0 : c->head_have);
            if (!dialect.stream) c->head_have = 0;
        } else if (c->fin && !dialect.stream) {
            uint32_t len = c->head_have;
            c->head_have = 0;
            got_message(c, c->head, len, now);
        }
    }
}

static void got_upgrade(struct conn *c, const char *p, size_t n, uint64_t now)
{
    size_t k = n < HEAD_MAX - c->head_have ? n : HEAD_MAX - c->head_have;
    memcpy(c->head + c->head_have, p, k);
    size_t had = c->head_have;
    c->head_have += (uint32_t)k;
    char *end = memmem(c->head, c->head_have, "\r\n\r\n", 4);
    if (!end) {
        if (c->head_have == HEAD_MAX) conn_fail(c, "upgrade answer too long");
        return;
    }
    if (c->head_have < 12 || memcmp(c->head + 9, "101", 3)) {
        char why[64];
        snprintf(why, sizeof why, "upgrade refused: %.30s", c->head);
        conn_fail(c, why);
        return;
    }
    size_t used = (size_t)(end + 4 - c->head) - had;
    c->head_have = 0;
    upgraded_now(c);
    if (c->phase != DEAD && n > used) got_frames(c, p + used, n - used, now);
}

static void read_ready(struct conn *c)
{
    /* With --discard the rest of a big message is dropped in the kernel, not copied. */
    if (opt.discard && c->in_payload && c->left > 16384 && c->head_have >= 256) {
        ssize_t n = recv(c->fd, rbuf, (size_t)c->left - 1, MSG_DONTWAIT | MSG_TRUNC);
        if (n > 0) {
            c->left -= (uint64_t)n;
            return;
        }
    }
again:;
    ssize_t n = conn_recv(c, rbuf, opt.read_size);
    if (n == 0) {
        conn_fail(c, "closed by the server");
        return;
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) conn_fail(c, strerror(errno));
        return;
    }
    uint64_t now = now_ns();
    if (c->phase == UPGRADING) got_upgrade(c, rbuf, (size_t)n, now);
    else if (dialect.frame == FRAME_TCP) got_stream(c, rbuf, (size_t)n, now);
    else got_frames(c, rbuf, (size_t)n, now);
    if (c->ssl && SSL_has_pending(c->ssl)) goto again; /* epoll does not know of these */
}

/* ------------------------------------------------------------------ the loop */

static double rate_interval; /* ns between messages in the open loop */
static double rate_next;
static uint32_t rate_room;

static double rnd01(void)
{
    static uint64_t s = 88172645463325252ull;
    s ^= s << 13, s ^= s >> 7, s ^= s << 17;
    return ((double)(s >> 11) + 1) / 9007199254740993.0;
}

static void fill_window(struct room *r, uint64_t now)
{
    if (!r->receivers) return;
    uint64_t room_for = (uint64_t)opt.window * r->receivers;
    while (r->sent * r->receivers - r->received < room_for) push_message(r->sender, now);
}

static double ln(double x); /* natural logarithm, so that libm is not needed */

static void send_due(uint64_t now)
{
    while (rate_next <= (double)now) {
        struct conn *s = rooms[rate_room].sender;
        if (s->phase == READY) {
            push_message(s, (uint64_t)rate_next);
            mark_dirty(s);
        }
        rate_room = (rate_room + 1) % (uint32_t)opt.rooms;
        rate_next += opt.poisson ? -ln(rnd01()) * rate_interval : rate_interval;
    }
}

static void flush_dirty(void)
{
    if (!ndirty) return;
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < ndirty; i++) {
        struct conn *c = dirty[i];
        c->dirty = false;
        if (c->phase != READY) continue;
        if (sending && closed_loop && c == rooms[c->room].sender) fill_window(&rooms[c->room], now);
        if (!c->want_out) write_ready(c);
    }
    ndirty = 0;
}

/* Handles what happens until the given time, or until the condition holds. */
static void loop_until(uint64_t until, bool (*finished)(void))
{
    struct epoll_event ev[512];
    for (;;) {
        uint64_t now = now_ns();
        if (now >= until || (finished && finished())) return;
        while (inflight < (uint32_t)opt.concurrency && next_conn < nconns) conn_open(next_conn++);
        bool open_loop = sending && !closed_loop;
        if (open_loop) send_due(now);
        flush_dirty();
        int n;
        if (open_loop && opt.spin) {
            n = epoll_wait(epfd, ev, 512, 0);
        } else {
            uint64_t wake = until;
            if (open_loop && (uint64_t)rate_next < wake) wake = (uint64_t)rate_next;
            now = now_ns();
            uint64_t d = wake > now ? wake - now : 0;
            if (finished && d > 20000000) d = 20000000;
            struct timespec ts = {(time_t)(d / 1000000000u), (long)(d % 1000000000u)};
            n = epoll_pwait2(epfd, ev, 512, &ts, NULL);
        }
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            if (c->phase == DEAD) continue;
            if (c->phase == CONNECTING) {
                if (ev[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) conn_connected(c);
                continue;
            }
            if (ev[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) read_ready(c);
            if (c->phase != DEAD && (ev[i].events & EPOLLOUT)) write_ready(c);
        }
    }
}

static bool all_set_up(void) { return next_conn == nconns && inflight == 0; }
static bool all_delivered(void) { return due_delivered >= due_in_win * rooms[0].receivers; }

/* ln by range reduction and a series; enough for arrival times */
static double ln(double x)
{
    int e = 0;
    while (x < 0.75) x *= 2, e--;
    while (x > 1.5) x /= 2, e++;
    double y = (x - 1) / (x + 1), y2 = y * y, t = y, s = 0;
    for (int i = 1; i < 40; i += 2, t *= y2) s += t / i;
    return 2 * s + e * 0.69314718055994531;
}

/* ------------------------------------------------------------------ the server's side */

struct usage {
    double cpu;  /* seconds */
    double wait; /* seconds that its threads were ready to run but something else ran */
    uint64_t rss_kb;
    long threads;
};

/* CPU time and waiting time of a process: the sum of its threads, to the nanosecond. */
static void thread_times(int pid, double *ran, double *waited)
{
    char path[64];
    *ran = *waited = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d) die("no process %d", pid);
    for (struct dirent *e; (e = readdir(d));) {
        char file[400];
        uint64_t r, w;
        if (e->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s/schedstat", path, e->d_name);
        FILE *f = fopen(file, "r");
        if (!f) continue;
        if (fscanf(f, "%" SCNu64 " %" SCNu64, &r, &w) == 2) {
            *ran += (double)r / 1e9;
            *waited += (double)w / 1e9;
        }
        fclose(f);
    }
    closedir(d);
}

/* Processor time of a whole process in seconds: that of threads which have ended would be missing from their sum. */
static double process_cpu(int pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t)) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct usage server_usage(bool memory)
{
    struct usage u = {0};
    for (int i = 0; i < opt.npids; i++) {
        char path[64], buf[256];
        double ran, waited;
        thread_times(opt.pids[i], &ran, &waited);
        u.cpu += process_cpu(opt.pids[i]);
        u.wait += waited;
        if (!memory) continue;
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", opt.pids[i]);
        FILE *f = fopen(path, "r");
        while (f && fgets(buf, sizeof buf, f)) {
            uint64_t kb;
            if (sscanf(buf, "Rss: %" SCNu64, &kb) == 1) u.rss_kb += kb;
        }
        if (f) fclose(f);
        snprintf(path, sizeof path, "/proc/%d/status", opt.pids[i]);
        f = fopen(path, "r");
        while (f && fgets(buf, sizeof buf, f)) {
            long n;
            if (sscanf(buf, "Threads: %ld", &n) == 1) u.threads += n;
        }
        if (f) fclose(f);
    }
    return u;
}

/* What both CPUs did, in seconds: busy (any process or interrupt), stolen by the host. */
static void machine_usage(double *busy, double *stolen)
{
    unsigned long long us = 0, ni = 0, sy = 0, id = 0, io = 0, irq = 0, soft = 0, steal = 0;
    double tick = (double)sysconf(_SC_CLK_TCK);
    FILE *f = fopen("/proc/stat", "r");
    if (f) {
        if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &us, &ni, &sy, &id, &io, &irq, &soft,
                   &steal) != 8)
            us = 0;
        fclose(f);
    }
    *busy = (double)(us + ni + sy + irq + soft) / tick;
    *stolen = (double)steal / tick;
}

/* ------------------------------------------------------------------ results */

static void print_hist(const char *name, const struct hist *h)
{
    printf(",\"%s\":{\"n\":%" PRIu64 ",\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
           "\"p99.9\":%.1f,\"max\":%.1f}",
           name, h->count, h->count ? h->sum / (double)h->count / 1e3 : 0, (double)hist_at(h, .5) / 1e3,
           (double)hist_at(h, .9) / 1e3, (double)hist_at(h, .99) / 1e3, (double)hist_at(h, .999) / 1e3,
           (double)h->max / 1e3);
}

static void print_common(void)
{
    printf("{\"label\":\"%s\",\"mode\":\"%s\",\"dialect\":\"%s\",\"rooms\":%d,\"members\":%d", opt.label,
           mode_name[opt.mode], opt.dialect_file ? opt.dialect_file : opt.dialect, opt.rooms,
           opt.members);
}

static void set_up(void)
{
    loop_until(now_ns() + (uint64_t)(opt.setup_limit * 1e9), all_set_up);
    if (!all_set_up()) {
        fprintf(stderr, "relayload: %u of %u connections not set up in time (%u ready, %u upgraded)%s%s\n",
                nconns - ready, nconns, ready, upgraded, first_error[0] ? "; first error: " : "",
                first_error);
        if (opt.mode != MODE_IDLE) exit(1);
    } else if (ready < nconns) {
        fprintf(stderr, "relayload: %u connections failed; first error: %s\n", nconns - ready, first_error);
        if (opt.mode != MODE_IDLE) exit(1);
    }
}

static void run_idle(void)
{
    struct usage before = server_usage(true);
    uint64_t t0 = now_ns();
    double c0, c1, waited;
    thread_times(getpid(), &c0, &waited);
    set_up();
    uint64_t t1 = now_ns();
    thread_times(getpid(), &c1, &waited);
    struct usage joined = server_usage(false);
    if (opt.touch) { /* every sender sends some messages, so that buffers made on demand exist */
        win_from = 0, win_to = UINT64_MAX;
        for (int i = 0; i < opt.touch; i++) {
            for (int r = 0; r < opt.rooms; r++)
                if (rooms[r].sender->phase == READY) {
                    push_message(rooms[r].sender, now_ns());
                    mark_dirty(rooms[r].sender);
                }
            loop_until(now_ns() + 2000000000u, all_delivered);
        }
    }
    uint32_t opened = ready;
    loop_until(now_ns() + (uint64_t)(opt.settle * 1e9), NULL);
    struct usage after = server_usage(true);
    struct usage h0 = server_usage(false);
    uint64_t hold0 = now_ns();
    loop_until(hold0 + (uint64_t)(opt.hold * 1e9), NULL);
    struct usage end = server_usage(true);
    double took = (double)(t1 - t0) / 1e9, held = (double)(now_ns() - hold0) / 1e9;
    print_common();
    printf(",\"connections\":%u,\"opened\":%u,\"alive_after_hold\":%u,\"failed\":%u,\"setup_s\":%.3f,"
           "\"handshakes_per_s\":%.0f,\"concurrency\":%d,\"touch\":%d,\"touch_delivered\":%" PRIu64,
           nconns, opened, ready, dead, took, (double)upgraded / took, opt.concurrency, opt.touch,
           delivered_all);
    print_hist("upgrade_us", &hs_upgrade);
    print_hist("join_us", &hs_ready);
    printf(",\"client_cpu_pct\":%.1f", (c1 - c0) / took * 100);
    if (opt.time_expect) print_hist("expect_us", &hs_expect);
    if (opt.npids)
        printf(",\"server_cpu_pct\":%.1f,\"server_cpu_us_per_handshake\":%.2f,\"server_rss_before_kb\":%" PRIu64
               ",\"server_rss_after_kb\":%" PRIu64 ",\"server_rss_end_kb\":%" PRIu64
               ",\"bytes_per_connection\":%.0f,\"server_idle_cpu_pct\":%.2f",
               (joined.cpu - before.cpu) / took * 100,
               upgraded ? (joined.cpu - before.cpu) / (double)upgraded * 1e6 : 0, before.rss_kb,
               after.rss_kb, end.rss_kb,
               opened ? ((double)after.rss_kb - (double)before.rss_kb) * 1024 / (double)opened : 0,
               (end.cpu - h0.cpu) / held * 100);
    printf(",\"first_error\":\"%s\"}\n", first_error);
}

static void run_messages(void)
{
    set_up();
    loop_until(now_ns() + (uint64_t)(opt.settle * 1e9), NULL);

    closed_loop = opt.mode != MODE_RATE;
    uint64_t t = now_ns();
    win_from = t + (uint64_t)(opt.warmup * 1e9);
    win_to = win_from + (uint64_t)(opt.duration * 1e9);
    sending = true;
    if (closed_loop) {
        for (int r = 0; r < opt.rooms; r++) mark_dirty(rooms[r].sender);
    } else {
        rate_interval = 1e9 / opt.rate;
        rate_next = (double)t;
    }
    loop_until(win_from, NULL);
    struct usage u0 = server_usage(false);
    double c0, c1, w0, w1, busy0, busy1, stolen0, stolen1;
    thread_times(getpid(), &c0, &w0);
    machine_usage(&busy0, &stolen0);
    uint64_t b0 = now_ns();
    loop_until(win_to, NULL);
    struct usage u1 = server_usage(false);
    thread_times(getpid(), &c1, &w1);
    double span = (double)(now_ns() - b0) / 1e9;
    machine_usage(&busy1, &stolen1);
    struct usage mem = server_usage(true);
    sending = false;
    uint64_t drain_from = now_ns();
    loop_until(drain_from + (uint64_t)(opt.drain * 1e9), all_delivered);

    double secs = opt.duration;
    uint64_t expected = due_in_win * rooms[0].receivers;
    print_common();
    printf(",\"size\":%zu,\"frame\":%zu,\"window\":%d,\"rate\":%.0f,\"duration_s\":%.2f", opt.size,
           frame_len, closed_loop ? opt.window : 0, closed_loop ? 0 : opt.rate, secs);
    printf(",\"sent_per_s\":%.0f,\"delivered_per_s\":%.0f,\"mb_per_s\":%.2f", (double)sent_in_win / secs,
           (double)delivered_in_win / secs, (double)delivered_in_win * (double)opt.size / secs / 1e6);
    printf(",\"undelivered\":%" PRIu64 ",\"out_of_order\":%" PRIu64
           ",\"repeated\":%" PRIu64 ",\"unknown_messages\":%" PRIu64
           ",\"closed\":%u",
           expected > due_delivered ? expected - due_delivered : 0, out_of_order, repeated, missing_marks, dead);
    print_hist("latency_us", &lat_due);
    if (!closed_loop) {
        print_hist("latency_from_send_us", &lat_sent);
        print_hist("send_lag_us", &lag);
    }
    printf(",\"client_cpu_pct\":%.1f,\"client_wait_pct\":%.1f", (c1 - c0) / span * 100,
           (w1 - w0) / span * 100);
    if (opt.npids)
        printf(",\"server_cpu_pct\":%.1f,\"server_wait_pct\":%.1f,\"server_cpu_us_per_delivery\":%.3f"
               ",\"server_rss_kb\":%" PRIu64 ",\"server_threads\":%ld,\"other_cpu_pct\":%.1f",
               (u1.cpu - u0.cpu) / span * 100, (u1.wait - u0.wait) / span * 100,
               delivered_in_win ? (u1.cpu - u0.cpu) / (double)delivered_in_win * 1e6 : 0, mem.rss_kb,
               mem.threads, (busy1 - busy0 - (u1.cpu - u0.cpu) - (c1 - c0)) / span * 100);
    printf(",\"stolen_cpu_pct\":%.1f", (stolen1 - stolen0) / span * 100);
    printf(",\"first_error\":\"%s\"}\n", first_error);
}

/* ------------------------------------------------------------------ command line */

static void help(void)
{
    puts(
"usage: relayload MODE [options]\n"
"\n"
"Opens rooms of connections to a relay server and measures what the receivers get.\n"
"The result is one JSON line on stdout; latencies are in microseconds.\n"
"\n"
"Modes\n"
"  pair    one sender and one receiver to a room, closed loop: --window messages in flight a room\n"
"  fanout  one sender and --members minus 1 receivers to a room, closed loop\n"
"  rate    open loop: --rate messages a second over all rooms, whatever comes back; latency counts\n"
"          from the time a message was DUE, so a stalled server is charged for the messages that\n"
"          had to wait (no coordinated omission); latency_from_send_us and send_lag_us tell both\n"
"          parts apart (a large send_lag_us: the generator or the server's backpressure held it)\n"
"  idle    open --rooms times --members connections, join, hold them; with --pid: memory for each\n"
"\n"
"Where to\n"
"  --host ADDR         127.0.0.1 (numeric)      --port N            8080\n"
"  --pid PID[,PID...]  the server's processes: CPU time and memory are read from /proc\n"
"  --sources N         connect from N addresses, 127.0.0.2 on, each with ports of its own (1)\n"
"\n"
"What\n"
"  --rooms N           32       --members K   2 (fanout: sender + receivers; echo: always 1)\n"
"  --size BYTES        length of the JSON object in each message (200); a dialect's envelope and\n"
"                      the frame header come on top\n"
"  --window N          messages in flight in each room, closed loop (8)\n"
"  --rate N            messages sent a second over all rooms, open loop (5000)\n"
"  --poisson           open loop with random (exponential) gaps, not even ones\n"
"  --duration S        5        --warmup S    1        --settle S    0.3 after joining\n"
"  --drain S           longest wait for messages still on the way at the end (5)\n"
"  --hold S            idle: how long to hold the connections (2)\n"
"  --touch N           idle: each sender first sends N messages (0)\n"
"  --concurrency N     connections being set up at a time (128)\n"
"  --setup-limit S     give up on setting up after S seconds (120)\n"
"\n"
"How\n"
"  --discard           drop the rest of big messages in the kernel (MSG_TRUNC): less work here\n"
"  --no-spin           open loop: sleep between messages rather than spin\n"
"  --read-size BYTES   read buffer (262144)\n"
"  --sndbuf BYTES      fixed socket buffers, not the kernel's own choice (large messages: a large\n"
"  --rcvbuf BYTES      send buffer spares the generator many partial writes)\n"
"  --nagle             leave TCP_NODELAY off\n"
"  --tls               over TLS; no certificate is checked\n"
"  --deflate           offer permessage-deflate (messages sent stay plain; of what comes the head is inflated)\n"
"  --prose             pad messages with text that compresses, not with base64\n"
"  --time-expect TEXT  idle: time the join steps 'expect TEXT...' from the step sent before (expect_us)\n"
"  --label TEXT        copied into the result\n"
"\n"
"Reading the result\n"
"  client_cpu_pct near 100 in a closed loop: the generator is the limit, and the server's own is\n"
"  told by server_cpu_us_per_delivery. In rate mode the generator spins, so its CPU says nothing:\n"
"  look at send_lag_us. client_wait_pct and server_wait_pct are time spent ready to run while\n"
"  something else ran; other_cpu_pct (of one CPU; the kernel's tick count, so rough, and too low in\n"
"  rate mode) is what neither side used, stolen_cpu_pct what the host took: more than a percent or\n"
"  two of waiting, or a few of the others, and the figures are not to be trusted. (A server with\n"
"  several threads on one CPU also waits for itself.)\n"
"\n"
"Dialects\n"
"  --dialect NAME      native (default), socketio, echo, nchan, nats, mqtt, raw\n"
"  --dialect-file F    one of your own\n"
    "  --keys F            keys for %k, one a line, instead of made-up ones\n"
"  --set 'LINE'        one more dialect line, after those of the dialect (may be repeated)\n"
"  --show-dialect      print the built-in dialect chosen with --dialect\n"
"A dialect is lines of a word and its text; \\r \\n \\t \\\\ \\xHH are read in texts:\n"
"  path P              request path of both roles (or sender-path P, receiver-path P)\n"
"  subprotocol P       Sec-WebSocket-Protocol to ask for\n"
"  frame KIND          text (default) or binary WebSocket messages, or tcp: no WebSocket at all\n"
"  receive KIND        message (default): one to a WebSocket message; stream: anywhere in the bytes\n"
"  sender STEP         what a sender does to join, in order: 'send TEXT' or 'expect TEXT' (wait for\n"
"                      a message that holds TEXT); 'none' forgets the steps so far\n"
"  receiver STEP       the same for a receiver\n"
"  message TEXT        a message; must hold %m\n"
"  reply TEXT          what a receiver sends back for each message, with %m a small JSON object of the same\n"
"                      id; then latencies are round trips and a delivery is an answer that came back\n"
"  answer A B          reply B to each message that is exactly A (text ping and pong)\n"
"  echo yes            the sender is its own receiver\n"
"Placeholders in texts and paths: %m the JSON object, %n its length, %k the room's key (10\n"
"characters), %i the connection's number, %r sender or receiver, %4 and %v the length of all that\n"
"follows (32-bit big-endian; MQTT's variable-length integer), %2 the 16-bit length of the key,\n"
"%% a percent sign.\n"
"\n"
"Example\n"
"  taskset -c 1 ./relayload pair --port 9001 --rooms 32 --window 8 --size 200 --pid 1234 \\\n"
"      --set 'path /link' --set 'message {\"event\":\"command\",\"data\":%m}'");
}

static double number(const char *s)
{
    char *end;
    double v = strtod(s, &end);
    if (end == s || v < 0) die("not a number: '%s'", s);
    if (*end == 'k' || *end == 'K') v *= 1000;
    return v;
}

int main(int argc, char **argv)
{
    enum { O_HOST = 256, O_PORT, O_PID, O_SOURCES, O_ROOMS, O_MEMBERS, O_SIZE, O_WINDOW, O_RATE, O_POISSON,
           O_DURATION, O_WARMUP, O_SETTLE, O_DRAIN, O_HOLD, O_TOUCH, O_CONC, O_LIMIT, O_DISCARD, O_NOSPIN,
           O_RSIZE, O_SNDBUF, O_RCVBUF, O_NAGLE, O_LABEL, O_DIALECT, O_DFILE, O_KEYS, O_SET, O_SHOW, O_TLS, O_DEFLATE,
           O_PROSE, O_TIME };
    static const struct option longs[] = {
        {"host", 1, 0, O_HOST}, {"port", 1, 0, O_PORT}, {"pid", 1, 0, O_PID}, {"sources", 1, 0, O_SOURCES},
        {"rooms", 1, 0, O_ROOMS}, {"members", 1, 0, O_MEMBERS}, {"size", 1, 0, O_SIZE},
        {"window", 1, 0, O_WINDOW}, {"rate", 1, 0, O_RATE}, {"poisson", 0, 0, O_POISSON},
        {"duration", 1, 0, O_DURATION}, {"warmup", 1, 0, O_WARMUP}, {"settle", 1, 0, O_SETTLE},
        {"drain", 1, 0, O_DRAIN}, {"hold", 1, 0, O_HOLD}, {"touch", 1, 0, O_TOUCH},
        {"concurrency", 1, 0, O_CONC}, {"setup-limit", 1, 0, O_LIMIT}, {"discard", 0, 0, O_DISCARD},
        {"no-spin", 0, 0, O_NOSPIN}, {"read-size", 1, 0, O_RSIZE}, {"sndbuf", 1, 0, O_SNDBUF}, {"rcvbuf", 1, 0, O_RCVBUF},
        {"nagle", 0, 0, O_NAGLE},
        {"label", 1, 0, O_LABEL}, {"dialect", 1, 0, O_DIALECT}, {"dialect-file", 1, 0, O_DFILE},
        {"keys", 1, 0, O_KEYS}, {"tls", 0, 0, O_TLS}, {"deflate", 0, 0, O_DEFLATE}, {"prose", 0, 0, O_PROSE},
        {"time-expect", 1, 0, O_TIME},
        {"set", 1, 0, O_SET}, {"show-dialect", 0, 0, O_SHOW}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
    const char *sets[64];
    int nsets = 0, o;
    bool show = false;

    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        help();
        return argc < 2;
    }
    while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) switch (o) {
        case O_HOST: opt.host = optarg; break;
        case O_PORT: opt.port = (int)number(optarg); break;
        case O_PID:
            for (char *p = strtok(optarg, ","); p; p = strtok(NULL, ","))
                if (opt.npids < 64) opt.pids[opt.npids++] = atoi(p);
            break;
        case O_SOURCES: opt.sources = (int)number(optarg); break;
        case O_ROOMS: opt.rooms = (int)number(optarg); break;
        case O_MEMBERS: opt.members = (int)number(optarg); break;
        case O_SIZE: opt.size = (size_t)number(optarg); break;
        case O_WINDOW: opt.window = (int)number(optarg); break;
        case O_RATE: opt.rate = number(optarg); break;
        case O_POISSON: opt.poisson = true; break;
        case O_DURATION: opt.duration = number(optarg); break;
        case O_WARMUP: opt.warmup = number(optarg); break;
        case O_SETTLE: opt.settle = number(optarg); break;
        case O_DRAIN: opt.drain = number(optarg); break;
        case O_HOLD: opt.hold = number(optarg); break;
        case O_TOUCH: opt.touch = (int)number(optarg); break;
        case O_CONC: opt.concurrency = (int)number(optarg); break;
        case O_LIMIT: opt.setup_limit = number(optarg); break;
        case O_DISCARD: opt.discard = true; break;
        case O_NOSPIN: opt.spin = false; break;
        case O_RSIZE: opt.read_size = (size_t)number(optarg); break;
        case O_SNDBUF: opt.sndbuf = (int)number(optarg); break;
        case O_RCVBUF: opt.rcvbuf = (int)number(optarg); break;
        case O_NAGLE: opt.nodelay = false; break;
        case O_LABEL: opt.label = optarg; break;
        case O_DIALECT: opt.dialect = optarg; break;
        case O_DFILE: opt.dialect_file = optarg; break;
        case O_KEYS: opt.keys_file = optarg; load_keys(); break;
        case O_SET: if (nsets < 64) sets[nsets++] = optarg; break;
        case O_SHOW: show = true; break;
        case O_TLS: opt.tls = true; break;
        case O_DEFLATE: opt.deflate = true; break;
        case O_PROSE: opt.prose = true; break;
        case O_TIME: opt.time_expect = optarg; break;
        case 'h': help(); return 0;
        default: return 1;
        }
    if (show) {
        for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
            if (!strcmp(builtin[i].name, opt.dialect)) fputs(builtin[i].text, stdout);
        return 0;
    }
    if (optind >= argc) die("which mode? pair, fanout, rate or idle (--help)");
    int m;
    for (m = 0; m < 4; m++)
        if (!strcmp(argv[optind], mode_name[m])) break;
    if (m == 4) die("no mode '%s'", argv[optind]);
    opt.mode = (enum mode)m;

    dialect_load();
    for (int i = 0; i < nsets; i++) {
        char *line = must(strdup(sets[i]));
        dialect_line(line);
        free(line);
    }
    if (dialect.frame != FRAME_TCP && (!dialect.path[SENDER] || !dialect.path[RECEIVER]))
        die("dialect: no path");
    if (!dialect.message.n) die("dialect: no message");
    if (opt.mode == MODE_PAIR && !dialect.echo) opt.members = 2;
    if (dialect.echo) opt.members = 1;
    if (opt.rooms < 1 || opt.members < 1 || opt.window < 1 || opt.rate <= 0) die("nothing to do");
    if (opt.members < 2 && !dialect.echo && opt.mode != MODE_IDLE) die("a room needs a receiver");

    if (opt.tls) {
        tls = must(SSL_CTX_new(TLS_client_method()));
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    nconns = (uint32_t)opt.rooms * (uint32_t)opt.members;
    if (nconns + 16 > rl.rlim_cur)
        die("%u connections need more open files than the limit of %llu", nconns,
            (unsigned long long)rl.rlim_cur);

    srand((unsigned)now_ns());
    for (int i = 0; i < 4; i++) mask_key[i] = (uint8_t)(1 + rand() % 255);
    build_frames();
    conns = must(calloc(nconns, sizeof *conns));
    rooms = must(calloc((size_t)opt.rooms, sizeof *rooms));
    dirty = must(calloc(nconns, sizeof *dirty));
    rbuf = must(malloc(opt.read_size));
    for (uint32_t i = 0; i < nconns; i++) {
        struct conn *c = &conns[i];
        c->room = i / (uint32_t)opt.members;
        c->role = i % (uint32_t)opt.members == 0 ? SENDER : RECEIVER;
        struct room *r = &rooms[c->room];
        if (c->role == SENDER) r->sender = c;
        if (c->role == RECEIVER || dialect.echo) r->receivers++;
    }
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (opt.mode == MODE_IDLE) run_idle();
    else run_messages();
    return dead ? 2 : 0;
}

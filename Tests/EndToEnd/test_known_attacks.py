"""Inputs that broke other servers, by class, over real sockets: each gets its answer, and the relay lives on.

docs/conformance.md says which class is held where. One relay serves all cases of a test; after each of them a healthy pair has
exchanged something, and at the end the relay is alive, healthy and no larger than a bound.
SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import struct

import pytest

from neighbour import Neighbours
from wire import CLOSE, ENGINE_PATH, PING, TEXT, EngineSocket, PollingSession, RawSocket, RawWebSocket, frame

HOST = b"Host: 127.0.0.1\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + KEY
GROWTH_BYTES = 64 << 20


def get(fields=b"", target=b"/healthz", version=b"1.1", host=HOST):
    return b"GET " + target + b" HTTP/" + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b""):
    return b"POST /api/link HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body


def chunked(body):
    return post(b"Transfer-Encoding: chunked\r\n", body)


# Behind each refused request stands a second one: it must never be answered.
SMUGGLED = get(target=b"/readyz")

REFUSED = {
    "chunk size 0_2e": chunked(b"0_2e\r\n"), "chunk size +5": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size 0x5": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), "chunk size empty": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "chunk size of blanks": chunked(b" 5\r\nhello\r\n0\r\n\r\n"), "chunk size, blank behind": chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk, bare LF": chunked(b"5\nhello\n0\n\n"), "chunk too long": chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
    "chunk extension, bare LF": chunked(b"5;a\nGET / HTTP/1.1\r\n"), "chunk extensions of 20 KB": chunked(b"1;" + b"a" * 20_000 + b"\r\nx\r\n"),
    "trailers of 24 KB": chunked(b"0\r\n" + b"A: b\r\n" * 6000 + b"\r\n"), "trailer folded": chunked(b"0\r\nA: b\r\n c\r\n\r\n"),
    "length empty": post(b"Content-Length:\r\n"), "length blank inside": post(b"Content-Length: 1 0\r\n"),
    "length with _": post(b"Content-Length: 1_0\r\n"), "length of 19 digits": post(b"Content-Length: 1000000000000000000\r\n"),
    "length 5.0": post(b"Content-Length: 5.0\r\n"), "length twice the same": post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "length before the colon": post(b"Content-Length : 5\r\n", b"hello"),
    "encoding identity": post(b"Transfer-Encoding: identity\r\n"), "encoding gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n"),
    "encoding twice": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "encoding behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "chunked and length 0": post(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", b"0\r\n\r\n"),
    "name empty": get(b": a\r\n"), "name 8-bit": get(b"X\xfc: a\r\n"), "name with NUL": get(b"X\0: a\r\n"), "no colon": get(b"X\r\n"),
    "bare LF in the head": get().replace(b"\r\n", b"\n"), "bare LF after a field": get(b"A: b\nC: d\r\n"), "blank line first field": get(host=b" " + HOST),
    "host empty": get(host=b"Host:\r\n"), "host list": get(host=b"Host: a, b\r\n"), "host with userinfo": get(host=b"Host: u@127.0.0.1\r\n"),
    "host port padded": get(host=b"Host: 127.0.0.1:0000000000008787\r\n"), "host port 65536": get(host=b"Host: 127.0.0.1:65536\r\n"),
    "host port 2^16+80": get(host=b"Host: 127.0.0.1:65616\r\n"), "host with a path": get(host=b"Host: 127.0.0.1/x\r\n"),
    "version 0.9": b"GET /healthz\r\n\r\n", "version 1.10": get(version=b"1.10"), "two blanks": b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "path, double slash": get(target=b"//healthz"), "path, encoded slash": get(target=b"/api%2flink"), "path, encoded dots": get(target=b"/%2e%2e/healthz"),
    "path, encoded letter": get(target=b"/%68ealthz"), "path, encoded percent": get(target=b"/a%252fb"), "path, NUL": get(target=b"/a%00"),
    "path, semicolon": get(target=b"/healthz;a"), "path, backslash": get(target=b"/a\\b"), "query, half an escape": get(target=b"/healthz?a=%4"),
    "fragment": get(target=b"/healthz#a"), "upgrade with a body": get(UPGRADE + b"Content-Length: 4\r\n", b"/link") + b"test",
    "upgrade with chunks": get(UPGRADE + b"Transfer-Encoding: chunked\r\n", b"/link"), "two keys": get(UPGRADE + KEY, b"/link"),
    "key of 15 bytes": get(UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25j"), b"/link"),
    "101 headers": get(b"A: b\r\n" * 101), "TRACE": b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
}

# name: (request, statuses)
ANSWERED = {
    "h2c is ignored": (get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"), {200}),
    "absolute form": (get(target=b"http://127.0.0.1/healthz"), {200}),
    "unknown path": (get(target=b"/toString"), {404}), "inherited path": (get(target=b"/__proto__"), {404}),
    "version twice": (get(UPGRADE + b"Sec-WebSocket-Version: 13\r\n", b"/link"), {426}),
    "no Connection token": (get(UPGRADE.replace(b"Connection: Upgrade", b"Connection: close"), b"/link"), {426}),
    "wrong Upgrade": (get(UPGRADE.replace(b"websocket", b"websockets"), b"/link"), {426}),
    "upgrade in 1.0": (get(UPGRADE, b"/link", b"1.0"), {426}),
    "thousands of blanks in a list": (get(UPGRADE + b"Sec-WebSocket-Protocol: b" + b" " * 12_000 + b"x\r\n", b"/link"), {101}),
    "extension with doubled parameters": (
        get(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99; server_max_window_bits=8\r\n", b"/link"), {101}),
    "ranges that overflow": (get(b"Range: bytes=9223372036854775807-0,-9223372036854775808\r\n", b"/"), {200}),
}

FRAMES = {
    **{f"close {code}": (frame(CLOSE, struct.pack(">H", code)), {1002}) for code in (0, 1004, 1006, 1015, 1016, 2999, 5000, 65535)},
    "ping of 2^16": (b"\x89\xff" + struct.pack(">Q", 1 << 16) + b"\0\0\0\0", {1002}),
    "length not minimal, ping": (b"\x89\xfe\x00\x05\0\0\0\0hello", {1002}),
    "upgrade's body as a frame": (b"test", {1002}),
    "continuation behind a whole text": (frame(PING, b"") + frame(0, b"x"), {1002}),
    "empty fragments with pings between": (frame(TEXT, b"", fin=False) + (frame(0, b"", fin=False) + frame(PING)) * 140_000, {1002, 1008, 1009}),
}


@pytest.fixture
def abused(make_relay):
    return make_relay(wrong_code_burst=1000, wrong_codes_per_minute=100_000)


def resident_bytes(relay):
    with open(f"/proc/{relay.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def descriptors(relay):
    return len(os.listdir(f"/proc/{relay.process.pid}/fd"))


def test_refused_and_never_read_on(abused):
    """One answer, which refuses, then the end: nothing behind it is a request."""
    with Neighbours(abused) as pair:
        for name, request in REFUSED.items():
            raw = RawSocket(abused)
            raw.send(request + SMUGGLED)
            answers = re.findall(rb"HTTP/1\.1 (\d+)", raw.rest())
            assert len(answers) == 1 and answers[0] in (b"400", b"413", b"431", b"501", b"505", b"405"), f"{name}: {answers}"
            raw.close()
            pair.wait_exchanges(1)
    assert abused.api("GET", "/healthz", token=False).status == 200


def test_odd_but_answered(abused):
    with Neighbours(abused) as pair:
        for name, (request, right) in ANSWERED.items():
            raw = RawSocket(abused)
            raw.send(request)
            status, headers, _ = raw.response()
            assert status in right, f"{name}: {status}"
            assert status != 426 or headers.get("sec-websocket-version") == "13", name
            assert "sec-websocket-extensions" not in headers and "sec-websocket-protocol" not in headers, name
            raw.close()
            pair.wait_exchanges(1)


def test_malformed_frames(abused):
    """The close frame has its code and no reason with bytes of somebody else in it."""
    with Neighbours(abused) as pair:
        for name, (sent, right) in FRAMES.items():
            socket = RawWebSocket(abused, "/link")
            socket.send(sent)
            ended = socket.end()
            assert ended.code in right or (ended.code is None and len(sent) > 10_000), f"{name}: {ended}"
            assert ended.reason.decode().isprintable(), name
            socket.close()
            pair.wait_exchanges(1)


def test_floods_do_not_grow_the_relay(abused):
    """Pings that nobody reads the pongs of, upgrades that are reset, sessions opened and left, many packets in a body, big joins."""
    with Neighbours(abused) as pair:
        pair.wait_exchanges(5)
        before, files = resident_bytes(abused), descriptors(abused)
        flooder = RawWebSocket(abused, "/link", seconds=1)
        try:
            for _ in range(400):
                flooder.socket.sendall(frame(PING, b"x" * 125) * 1000)
        except (TimeoutError, ConnectionError):
            pass
        assert resident_bytes(abused) - before < GROWTH_BYTES, "pings"
        flooder.reset()
        session = PollingSession(abused)
        for number in range(300):
            path = f"{ENGINE_PATH}?EIO=4&transport=websocket" + (f"&sid={session.sid}" if number % 2 else "")
            raw = RawSocket(abused)
            raw.send(get(UPGRADE, path.encode()) + frame(TEXT, b"2probe"))
            raw.reset()
        assert session.post("40")[0] == 200, "a reset probe is not the session's end"
        for _ in range(20):
            one = PollingSession(abused)
            one.post("40", *["2"] * 4000)
            one.post(*['420["join","%s"]' % ("a" * 1000)] * 300)
        pair.wait_exchanges(20)
        assert resident_bytes(abused) - before < GROWTH_BYTES
        # The resets are noticed when their turn comes; the healthy pair's exchanges are those turns.
        for _ in range(50):
            if descriptors(abused) <= files + 4:
                break
            pair.wait_exchanges(5)
        assert descriptors(abused) <= files + 4


def test_unknown_paths_are_one_metric(abused):
    """A label for each would be anybody's way to memory."""
    def names():
        return {line.rsplit(" ", 1)[0] for line in abused.api("GET", "/metrics", token=False).body.decode().splitlines() if line[:1] != "#"}

    for path in ("/x", "/y?z"):
        assert abused.api("GET", path, token=False).status == 404
    before = names()
    for number in range(200):
        assert abused.api("GET", f"/unknown-{number}", token=False).status == 404
    assert names() == before


@pytest.mark.parametrize("body, right", [
    (b'{"id":99999999999999999999}', 400), (b'{"id":-1}', 400), (b'{"id":1.0}', 400), (b'{"id":1e400}', 400), (b'{"id":"1"}', 400),
    (b'{"id":[1]}', 400), (b'{"id":9223372036854775807}', 404), (b"[" * 60_000, 400), (b'{"a":' * 10_000, 400), (b"[]", 400), (b"1", 400),
    (b'{"name":{"toString":"x"}}', 400), (b'{"name":"\\ud800"}', 200), (b'{"name":"\xff"}', 400), (b'{"name":"' + b"a" * 5000 + b'"}', 400),
    (b'{"name":"a","user":"other","key":"' + b"a" * 128 + b'","activated":true,"__proto__":{"scopes":["admin"]}}', 200),
    (b"a" * 70_000, 413),
], ids=str)
def test_rest_bodies(relay, body, right):
    """Refused by the rule they break; members that nobody asked for change nothing."""
    answer = relay.api("POST", "/api/link", body, headers={"Content-Type": "application/json"})
    assert answer.status == right, answer
    assert isinstance(answer.json.get("error"), str) if right != 200 else len(answer.json["key"]) == 6
    assert len(relay.links()) == (1 if right == 200 else 0)
    assert all(not one["activated"] for one in relay.links().values())


def test_rest_queries_and_types(relay):
    number, _ = relay.new_link()
    for query in ("", "id=", "id=0", "id=-1", "id=%31", "id=+1", "id=0x1", "id=1e0", f"id={number}&id={number}", "id=" + "9" * 30, "id[]=1", "ID=1"):
        assert relay.api("DELETE", f"/api/link?{query}").status == 400, query
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""):
        assert relay.api("POST", "/api/link", b'{"name":"x"}', headers={"Content-Type": kind}).status == 415, kind
    for token in ("", "lr_", "lr_" + "0" * 4000, "null", "eyJhbGciOiJub25lIn0.e30."):
        answer = relay.api("GET", "/api/link", token=False, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 401 and "www-authenticate" in {name.lower() for name in answer.headers}, token
    assert list(relay.links()) == [number]


@pytest.mark.parametrize("origin", [
    "null", "http://127.0.0.1.evil.example", "http://evil.example/127.0.0.1", "http://127.0.0.1@evil.example", "https://127.0.0.1",
    "http://127.0.0.1:1", "file://", "http://127.0.0.1 http://evil.example", "", "*", "http://127.0.0.1:080", "//127.0.0.1", "http://",
])
def test_origins_by_every_door(relay, origin):
    """The same refusal at the upgrade of both dialects and at polling, with nothing reflected."""
    doors = [(b"/link", UPGRADE), (ENGINE_PATH.encode() + b"?EIO=4&transport=websocket", UPGRADE), (ENGINE_PATH.encode() + b"?EIO=4&transport=polling", b"")]
    for target, fields in doors:
        raw = RawSocket(relay)
        raw.send(get(fields + b"Origin: " + origin.encode() + b"\r\n", target, host=b"Host: 127.0.0.1:%d\r\n" % relay.port))
        status, headers, _ = raw.response()
        assert status == 403 and "access-control-allow-origin" not in headers, target
        raw.close()


def test_forwarded_headers_of_strangers(make_relay):
    """From an address that is no proxy's they name nobody, whatever is in them."""
    relay = make_relay(connections_per_address=5000, trusted_proxies="192.0.2.1")
    for value in ("127.0.0.1", "::1", "1.2.3.4, 192.0.2.1", "a" * 4000, ",,,", "[::1", "999.1.1.1", "unix:", "1.2.3.4:99999", "\t"):
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "X-Forwarded-Proto", "X-Forwarded-Host"):
            raw = RawSocket(relay)
            raw.send(get(f"{name}: {value}\r\n".encode()))
            assert raw.response()[0] == 200, (name, value)
            raw.close()
    socket = EngineSocket(relay, headers=["X-Forwarded-For: 203.0.113.9"])
    socket.enter("client", "a1b2c3")
    socket.text("1")
    socket.end()
    relay.wait_log("session_ended")
    assert "203.0.113.9" not in relay.log

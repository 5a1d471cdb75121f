"""Bad input of every layer gets its answer, and a healthy pair in the same relay never notices.

Three answers are right where a row does not say more: an `error` event, a close, an HTTP refusal. Never right: silence
with the session half alive, a namespace packet that stops clients from coming back, or a relay that is gone.
SPDX-License-Identifier: Apache-2.0
"""
import json
import random
import struct

import pytest

from neighbour import Neighbours
from wire import BINARY, CLOSE, ENGINE_PATH, PING, TEXT, Ended, EngineSocket, PollingSession, RawSocket, RawWebSocket, frame

HOST = b"Host: 127.0.0.1\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

# name: (request, statuses that are right)
HTTP = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n", {400}),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {400}),
    "PROXY line": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "HTTP/3.0": (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", {400, 505}),
    "no Host": (b"GET /healthz HTTP/1.1\r\n\r\n", {400}),
    "two Hosts": (b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n", {400}),
    "blank before colon": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A : b\r\n\r\n", {400}),
    "folded header": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\r\n c\r\n\r\n", {400}),
    "bare CR": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\rc\r\n\r\n", {400}),
    "NUL": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\0c\r\n\r\n", {400}),
    "length and chunked": (
        b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "two lengths": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", {400}),
    "length list": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello", {400}),
    "signed length": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello", {400}),
    "negative length": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", {400}),
    "hex length": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\nhello", {400}),
    "length of 30 digits": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", {400, 413}),
    "length of 18 digits": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n", {413}),
    "chunked twice": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "unknown coding": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "chunked in 1.0": (b"POST /api/link HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "chunk size overflow": (
        b"POST /api/link HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n0\r\n\r\n", {400, 413}),
    "chunk size negative": (
        b"POST /api/link HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n", {400}),
    "head too large": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n", {400, 431}),
    "2,000 headers": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 2000 + UPGRADE + b"\r\n", {400, 431}),
    "target too long": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {400, 414, 431}),
    "dots": (b"GET /../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404}),
    "encoded slash": (b"GET /..%2f..%2fetc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404}),
    "absolute form": (b"GET http://evil.example/api/link HTTP/1.1\r\n" + HOST + b"\r\n", {400, 401, 403, 404, 421}),
    "unknown method": (b"FROB /api/link HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "lower-case method": (b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "range": (b"GET / HTTP/1.1\r\n" + HOST + b"Range: bytes=0-9223372036854775807\r\n\r\n", {200, 206, 304, 404, 416}),
    "websocket version": (b"GET /link HTTP/1.1\r\n" + HOST + UPGRADE.replace(b"13", b"12") + b"\r\n", {400, 426}),
    "websocket key": (b"GET /link HTTP/1.1\r\n" + HOST + UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"x") + b"\r\n", {400}),
    "websocket POST": (b"POST /link HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n", {400, 405}),
    "no upgrade on /link": (b"GET /link HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 426}),
    "subprotocol of blanks": (
        b"GET /link HTTP/1.1\r\n" + HOST + UPGRADE + b"Sec-WebSocket-Protocol: b" + b" " * 8000 + b"x\r\n\r\n", {101, 400}),
    "extension named constructor": (
        b"GET /link HTTP/1.1\r\n" + HOST + UPGRADE + b"Sec-WebSocket-Extensions: constructor, __proto__; a=1\r\n\r\n", {101, 400}),
    "REST body is no JSON": (b"POST /api/link HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{", {400, 401}),
}

# name: (bytes after the handshake, close codes that are right)
FRAMES = {
    "unmasked": (frame(TEXT, b"2probe", mask=None), {1002}),
    "RSV1 without an extension": (frame(TEXT, b"x", rsv=4), {1002}),
    "RSV3": (frame(TEXT, b"x", rsv=1), {1002}),
    "opcode 3": (frame(3, b"x"), {1002}),
    "opcode 15": (frame(15, b"x"), {1002}),
    "ping in pieces": (frame(PING, b"x", fin=False), {1002}),
    "ping of 126 bytes": (frame(PING, b"x" * 126), {1002}),
    "continuation of nothing": (frame(0, b"x"), {1002}),
    "text inside a text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), {1002}),
    "length not minimal, 16 bits": (b"\x81\xfe\x00\x05" + b"\0\0\0\0" + b"hello", {1002}),
    "length not minimal, 64 bits": (b"\x81\xff" + struct.pack(">Q", 5) + b"\0\0\0\0" + b"hello", {1002}),
    "63rd bit": (b"\x81\xff" + struct.pack(">Q", 1 << 63) + b"\0\0\0\0", {1002, 1009}),
    "close of one byte": (frame(CLOSE, b"\x03"), {1002}),
    "close 1005": (frame(CLOSE, struct.pack(">H", 1005)), {1002}),
    "close 999": (frame(CLOSE, struct.pack(">H", 999)), {1002}),
    "close reason no UTF-8": (frame(CLOSE, struct.pack(">H", 1000) + b"\xff"), {1002, 1007}),
    "no UTF-8": (frame(TEXT, b'42["iam",{"type":"\xc3\x28"}]'), {1007}),
    "surrogate in UTF-8": (frame(TEXT, b'42["iam",{"type":"\xed\xa0\x80"}]'), {1007}),
    "overlong UTF-8": (frame(TEXT, b'42["iam",{"type":"\xc0\xaf"}]'), {1007}),
    "UTF-8 cut off": (frame(TEXT, b'42["\xe2\x82'), {1007}),
    "empty fragments": (frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 200_000, {1002, 1008, 1009}),
}

# Larger than anything: the relay may close with 1009, or say so and discard what comes. It must not wait in silence.
OVERSIZE = {
    "2^63-1": b"\x81\xff" + struct.pack(">Q", (1 << 63) - 1),
    "2^62": b"\x81\xff" + struct.pack(">Q", 1 << 62),
    "2^32+5": b"\x81\xff" + struct.pack(">Q", (1 << 32) + 5),
    "fragments past 2^63": frame(TEXT, b"4", fin=False) + b"\x80\xff" + struct.pack(">Q", (1 << 63) - 1),
}

# name: packet after the namespace is connected
SOCKET_PACKETS = {
    "empty message": b"4",
    "unknown packet type": b"49",
    "letter as type": b"4x",
    "event without payload": b"42",
    "event is an object": b'42{"a":1}',
    "event is empty": b"42[]",
    "event name is an object": b'42[{"toString":"foo"}]',
    "event name is a number": b"42[1]",
    "event name is null": b"42[null]",
    "reserved event: error": b'42["error",{"msg":"x"}]',
    "reserved event: disconnect": b'42["disconnect"]',
    "reserved event: connect": b'42["connect"]',
    "newListener": b'42["newListener"]',
    "broken JSON": b'42["command",{"id":}]',
    "JSON that ends early": b'42["command",{"id":"1"',
    "JSON with more behind": b'42["command",{}]]',
    "comment in JSON": b'42["command",{/* */}]',
    "NaN": b'42["command",{"a":NaN}]',
    "leading nought": b'42["command",{"a":01}]',
    "control character raw": b'42["command",{"a":"\x01"}]',
    "bad escape": b'42["command",{"a":"\\x41"}]',
    "deep": b'42["command",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    "deep objects": b'42["command",' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"]",
    "17 arguments": b'42["command",' + b",".join([b"1"] * 17) + b"]",
    "10,000 arguments": b'42["command",' + b",".join([b"1"] * 10_000) + b"]",
    "ack id of 30 digits": b"42" + b"9" * 30 + b'["join","a1b2c3"]',
    "ack of nothing": b"43999[{}]",
    "attachments: 11": b'4511-["command"]',
    "attachments: very many": b'4599999999999-["command"]',
    "attachments without a dash": b'451["command"]',
    "namespace without end": b"42/",
    "namespace of 60,000": b"42/" + b"a" * 60_000 + b',["iam"]',
    "join of an object": b'427["join",{"a":1}]',
    "join of a number": b'427["join",123456]',
    "join of nothing": b'427["join"]',
    "join of 100,000 digits": b'427["join","' + b"a" * 100_000 + b'"]',
    "join with NUL": rb'427["join","a1b2c\u0000"]',
    "iam of nothing": b'42["iam"]',
    "iam of a string": b'42["iam","sd"]',
    "iam of an unknown type": b'42["iam",{"type":"admin"}]',
    "iam of an inherited name": b'42["iam",{"type":"constructor","__proto__":{"type":"sd"}}]',
    "command outside a room": b'42["command",{"id":"1","type":"activities:list"}]',
    "status from a client": b'42["commandStatus",{"id":"1","status":"success"}]',
    "presence from a client": b'42["roomPresence",{"client":9,"sd":9}]',
    "kicked from a client": b'42["kicked"]',
    "upgradeKey from a client": b'42["upgradeKey",{"key":"a1b2c3"}]',
}

# name: Engine.IO packet on a WebSocket
ENGINE_PACKETS = {
    "empty": b"", "type 7": b"7", "type x": b"x", "open from a client": b"0{}", "probe twice": b"2probe",
    "upgrade without a probe": b"5", "noop": b"6", "pong unasked": b"3", "raw binary": None,
}

# name: polling body
BODIES = {
    "empty": b"", "only a separator": b"\x1e", "type 9": b"9", "broken base64": b"b@@@@", "base64 cut off": b"bAQ",
    "half a packet": b"4", "no UTF-8": b'42["iam",{"type":"\xff"}]', "many packets": b"\x1e".join([b"3"] * 200_000),
    "many separators": b"\x1e" * 100_000, "zeros": b"\0" * 10_000, "EIO=3 form": b"2:40",
    "EIO=3 form, very long": b"99999999999999999999:4a", "EIO=3 form, negative": b"-1:4",
}

NATIVE = {
    "no JSON": b"hello", "empty": b"", "number": b"1", "array": b"[]", "null": b"null", "no event": b'{"data":1}',
    "event is a number": b'{"event":1}', "event is null": b'{"event":null}', "event twice": b'{"event":"leave","event":"iam"}',
    "data twice": b'{"event":"iam","data":{"type":"sd"},"data":{"type":"client"}}',
    "ack is an object": b'{"event":"join","data":"a1b2c3","ack":{}}', "ack is long": b'{"event":"join","data":"x","ack":"' + b"a" * 50_000 + b'"}',
    "unknown event": b'{"event":"frobnicate"}', "iam of nothing": b'{"event":"iam"}', "join before iam": b'{"event":"join","data":"a1b2c3"}',
    "deep": b'{"event":"iam","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "more behind": b'{"event":"leave"}{}',
    "event from the relay": b'{"event":"kicked"}', "ack event": b'{"event":"ack","ack":1,"data":{"success":true}}',
}


@pytest.fixture
def abused(make_relay):
    return make_relay(connections_per_address=5000, wrong_code_burst=1000, wrong_codes_per_minute=100_000)


def alive(socket):
    """Proves that the session still answers."""
    socket.text('4277["join","zzz"]')
    return socket.upto(b"4377[")


def test_malformed_http(abused):
    """Refused by status and closed where the framing is in doubt; nothing of it is read as a second request."""
    with Neighbours(abused) as pair:
        for name, (request, right) in HTTP.items():
            raw = RawSocket(abused)
            raw.send(request)
            try:
                status, headers, _ = raw.response()
            except Ended:
                raise AssertionError(f"{name}: closed without an answer")
            assert status in right, f"{name}: {status}"
            if status in (400, 413, 431):
                assert b"HTTP/1.1 200" not in raw.rest() if headers.get("connection") == "close" else True, name
            raw.close()
            pair.wait_exchanges(1)


@pytest.mark.parametrize("path", ["/link", f"{ENGINE_PATH}?EIO=4&transport=websocket"], ids=["native", "socketio"])
def test_malformed_frames(abused, path):
    with Neighbours(abused) as pair:
        for name, (sent, right) in FRAMES.items():
            socket = RawWebSocket(abused, path)
            assert socket.refused is None
            socket.send(sent)
            try:
                ended = socket.end()
            except TimeoutError:
                raise AssertionError(f"{name}: the connection was not ended")
            # A peer that was still sending may find the connection reset before it reads the close frame.
            assert ended.code in right or (ended.code is None and len(sent) > 10_000), f"{name}: {ended}"
            socket.close()
            pair.wait_exchanges(1)


def test_malformed_socket_packets(abused):
    """An `error` and the session goes on, or the session ends: each time one of them."""
    with Neighbours(abused) as pair:
        for name, packet in SOCKET_PACKETS.items():
            socket = EngineSocket(abused)
            socket.enter("client")
            socket.text(packet)
            try:
                taken = alive(socket)
                assert all(one.startswith((b'42["error",{"msg":"', b"437[", b"4377[")) for one in taken), f"{name}: {taken}"
            except Ended as ended:
                assert ended.code is None or ended.code in (1000, 1002, 1003, 1007, 1008, 1009) or 4000 <= ended.code <= 4199, name
            assert not any(one.startswith((b"41", b"44")) for one in socket.seen), name
            socket.close()
            pair.wait_exchanges(1)


def test_refused_join_values_are_acknowledged(abused):
    """A join that cannot be a key is refused by its acknowledgement, with a message."""
    for value in ('{"a":1}', "123456", '"zzz"', '""', '"' + "a" * 1000 + '"', "null", "[]"):
        socket = EngineSocket(abused)
        socket.enter("client")
        socket.text(f'427["join",{value}]')
        answer = json.loads(socket.upto(b"437[")[-1][3:])[0]
        assert answer["success"] is False and answer["msg"], value
        socket.close()


def test_malformed_engine_packets(abused):
    with Neighbours(abused) as pair:
        for name, packet in ENGINE_PACKETS.items():
            socket = EngineSocket(abused)
            socket.enter("client")
            socket.send(frame(BINARY, b"\x04\x00\xff")) if packet is None else socket.text(packet)
            try:
                alive(socket)
            except Ended as ended:
                assert name not in ("noop", "pong unasked"), f"{name}: {ended}"
            socket.close()
            pair.wait_exchanges(1)


def test_malformed_polling_bodies(abused):
    """400 and the session is gone, or 200 and it lives; the next request tells which, and they must agree."""
    with Neighbours(abused) as pair:
        for name, body in BODIES.items():
            session = PollingSession(abused)
            session.post("40")
            session.get()
            try:
                status, answer = session.post_raw(body)
            except ConnectionError:
                status = 400
            assert status in (200, 400, 413), f"{name}: {status} {answer}"
            status_after, _ = session.post('42["iam",{"type":"client"}]', '421["join","zzz"]')
            if status_after == 200:
                assert session.upto(b"431["), name
            else:
                assert status_after == 400 and status != 200 or name in ("half a packet", "no UTF-8", "EIO=3 form"), name
            pair.wait_exchanges(1)


def test_malformed_native_messages(abused):
    with Neighbours(abused) as pair:
        for name, message in NATIVE.items():
            socket = RawWebSocket(abused, "/link")
            socket.text(message)
            socket.text('{"event":"iam","data":{"type":"client"}}')
            socket.text('{"event":"join","data":"zzz","ack":77}')
            try:
                while b'"ack":77' not in (answer := socket.take()):
                    assert answer.startswith((b'{"event":"error","data":{"msg":"', b'{"event":"ack"')), f"{name}: {answer}"
            except Ended as ended:
                assert ended.code in (None, 1002, 1003, 1007, 1008, 1009) or 4000 <= ended.code <= 4199, f"{name}: {ended}"
            socket.close()
            pair.wait_exchanges(1)


@pytest.mark.parametrize("name", OVERSIZE)
def test_announced_size_beyond_reason(abused, name):
    """Only the length is sent; memory for it must not be, and the neighbours notice nothing."""
    with Neighbours(abused):
        socket = EngineSocket(abused)
        socket.text("40")
        socket.packet()
        before = resident_bytes(abused)
        socket.send(OVERSIZE[name] + b"\0\0\0\0" + b"x" * 3_000_000)
        try:
            told = socket.packet()
            assert told.startswith(b'42["error",{"msg":"'), told
        except Ended as ended:
            assert ended.code in (1009, None)
        assert resident_bytes(abused) - before < 64_000_000
        socket.close()


def resident_bytes(relay):
    with open(f"/proc/{relay.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_message_from_a_browser_over_its_ceiling(abused):
    """More than a browser may send: refused with the reason, or closed with 1009; the rest of the relay goes on."""
    with Neighbours(abused):
        socket = EngineSocket(abused)
        socket.enter("client", abused.pair_self("large")[1])
        try:
            socket.text(b'42["command",{"id":"big","type":"image:img2img","pad":"' + b"x" * 40_000_000 + b'"}]')
            taken = socket.upto(b'42["error",{"msg":"')
            taken += alive(socket)
            ended = [json.loads(one[2:])[1] for one in taken if one.startswith(b'42["commandStatus"')]
            assert [(one["id"], one["reason"]) for one in ended] == [("big", "too_large")]
        except Ended as ended:
            assert ended.code in (1009, None)
        socket.close()
        session = PollingSession(abused)
        session.post("40")
        session.get()
        try:
            status, _ = session.post_raw(b'42["command",{"id":"big","pad":"' + b"x" * 40_000_000 + b'"}]')
            assert status in (400, 413) or session.upto(b'42["error",{"msg":"')
        except ConnectionError:
            pass


def test_random_bytes(abused):
    """Noise at every door, for the crash that no table foresaw."""
    noise = random.Random(7)
    with Neighbours(abused) as pair:
        for number in range(120):
            data = noise.randbytes(noise.randint(1, 600))
            kind = number % 4
            if kind == 0:
                door = RawSocket(abused)
                door.send(data)
            elif kind == 1:
                door = RawWebSocket(abused, "/link")
                door.send(data)
            elif kind == 2:
                door = EngineSocket(abused)
                door.text(b"4" + bytes(byte & 0x7F for byte in data))
            else:
                door = RawWebSocket(abused, "/link")
                door.text(bytes(byte & 0x7F for byte in data))
            door.reset() if number % 2 else door.close()
        pair.wait_exchanges(20)


def test_slow_head_is_cut_off(make_relay):
    """One byte now and then does not hold a connection for ever."""
    relay = make_relay(head_timeout="1s")
    with Neighbours(relay):
        raw = RawSocket(relay)
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        answer = raw.rest()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
        raw.close()


def test_nobody_joins_in_time(make_relay):
    """A connection that never says who it is ends, with a code after which clients come back or none. `iam` is enough to stay."""
    relay = make_relay(first_message_timeout="1s")
    known = RawWebSocket(relay, "/link")
    known.text('{"event":"iam","data":{"type":"client"},"ack":1}')
    assert b'"success":true' in known.take()
    silent = RawWebSocket(relay, "/link")
    ended = silent.end()
    assert ended.code == 4003 and ended.reason.startswith(b"no iam "), ended
    known.text('{"event":"iam","data":{"type":"client"},"ack":2}')
    assert b'"success":true' in known.take(), "its time was up before the silent one's"
    engine = EngineSocket(relay)
    engine.text("40")
    with pytest.raises(Ended):
        while True:
            assert not engine.packet().startswith((b"41", b"44"))

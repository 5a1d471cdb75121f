"""permessage-deflate with the `websockets` client and by hand, and gzip over HTTP: off where it is off, the same bytes where it is on.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import contextlib
import gzip
import json
import os
import re
import zlib

import pytest
from websockets.sync.client import connect

from wire import TEXT, EngineSocket, PollingSession, RawWebSocket, frame

SECONDS = 20
MESSAGE_BYTES = 64 << 20
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
TAIL = b"\x00\x00\xff\xff"
RSV1 = 4


class Peer:
    """A member in the native dialect on the `websockets` client; `compression` None offers nothing."""

    def __init__(self, relay, role, key, compression="deflate"):
        self.life = contextlib.ExitStack()
        self.socket = self.life.enter_context(connect(
            relay.ws_url + "/link", compression=compression, max_size=MESSAGE_BYTES, open_timeout=SECONDS, proxy=None))
        self.send("iam", {"type": role})
        self.send("join", key, ack=1)
        assert self.upto("ack")["success"] is True

    @property
    def is_compressing(self):
        return bool(self.socket.protocol.extensions)

    def send(self, event, payload, **more):
        self.socket.send(json.dumps({"event": event, "data": payload, **more}))

    def upto(self, event):
        while True:
            message = json.loads(self.socket.recv(timeout=SECONDS))
            if message["event"] == event:
                return message.get("data", message)

    def close(self):
        self.life.close()


@pytest.fixture
def seat(closing):
    return lambda *words, **more: closing(Peer(*words, **more))


def metric(relay, name):
    text = relay.api("GET", "/metrics").body.decode()
    return int(re.search(rf"^linkrelay_{name} (\d+)$", text, re.MULTILINE).group(1))


def resources(count):
    return [
        {"type": "Checkpoint", "name": f"model-{n}.safetensors", "hash": f"{n * 2654435761 % 2**32:08X}", "title": "Käse 🧀"}
        for n in range(count)
    ]


def squeezed(payload):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert data.endswith(TAIL)
    return data[:-4]


def expanded(payload):
    return zlib.decompressobj(-12).decompress(payload + TAIL)


def sd_upto(sd, event):
    while json.loads(sd.take())["event"] != event:
        pass


def peak_bytes(relay):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) << 10


def test_off_by_default(relay, seat):
    _, key = relay.pair_self("off")
    client, sd = seat(relay, "client", key), seat(relay, "sd", key)
    assert not client.is_compressing and not sd.is_compressing
    client.send("command", {"id": "1", "type": "resources:list"})
    assert sd.upto("command")["id"] == "1"
    raw = RawWebSocket(relay, "/link", [OFFER])
    assert raw.status == 101 and "sec-websocket-extensions" not in raw.headers
    raw.send(frame(TEXT, squeezed(b"{}"), rsv=RSV1))
    assert raw.end().code == 1002
    assert metric(relay, "messages_compressed_total") == 0 and metric(relay, "messages_inflated_total") == 0


def test_round_trip(make_relay, seat):
    """Long and short, both ways, with a client that asks for a smaller window."""
    relay = make_relay(compression="on")
    _, key = relay.pair_self("on")
    client, sd = seat(relay, "client", key), seat(relay, "sd", key)
    assert client.is_compressing and sd.is_compressing
    for number, count in enumerate([0, 1, 20, 500, 4000]):
        command = {"id": f"c{number}", "type": "resources:list", "known": resources(count)}
        client.send("command", command)
        assert sd.upto("command") == command
        status = {"id": f"c{number}", "type": "resources:list", "status": "success", "resources": resources(count)}
        sd.send("commandStatus", status)
        assert client.upto("commandStatus") == status
    # 20 and 500 resources each way; 4000 are over 256 KiB and not worth the loop's time.
    assert metric(relay, "messages_compressed_total") == 4
    assert metric(relay, "messages_inflated_total") >= 10
    assert metric(relay, "compression_out_bytes_total") * 3 < metric(relay, "compression_in_bytes_total")
    assert metric(relay, "inflation_in_bytes_total") * 3 < metric(relay, "inflation_out_bytes_total")


def test_compressed_once_for_all_who_can_read_it(make_relay, seat):
    relay = make_relay(compression="on")
    _, key = relay.pair_self("shared")
    sd = seat(relay, "sd", key, compression=None)
    clients = [seat(relay, "client", key) for _ in range(3)] + [seat(relay, "client", key, compression=None)]
    clients[0].send("command", {"id": "1", "type": "resources:list"})
    sd.upto("command")
    before = metric(relay, "messages_compressed_total")
    status = {"id": "1", "type": "resources:list", "status": "success", "resources": resources(100)}
    sd.send("commandStatus", status)
    for client in clients:
        assert client.upto("commandStatus") == status
    assert metric(relay, "messages_compressed_total") == before + 1


def test_pictures_are_not_compressed(make_relay, seat):
    relay = make_relay(compression="on")
    _, key = relay.pair_self("picture")
    sd, client = seat(relay, "sd", key), seat(relay, "client", key)
    client.send("command", {"id": "1", "type": "image:txt2img"})
    sd.upto("command")
    status = {"id": "1", "status": "success", "images": [base64.b64encode(os.urandom(60_000)).decode()]}
    sd.send("commandStatus", status)
    assert client.upto("commandStatus") == status
    assert metric(relay, "messages_compressed_total") == 0 and metric(relay, "messages_inflated_total") > 0


def test_socketio_in_fragments(make_relay):
    """Engine.IO packets in compressed, fragmented messages with pings between, and what comes back."""
    relay = make_relay(compression="on", compression_threshold_bytes="256")
    _, key = relay.pair_self("socketio")
    client, sd = EngineSocket(relay, headers=[OFFER]), EngineSocket(relay, headers=[OFFER])
    assert "server_no_context_takeover; client_no_context_takeover" in client.headers["sec-websocket-extensions"]
    # `take` hands out compressed bytes as they are; small packets stay under the threshold.
    client.text("40")
    sd.text("40")
    for peer, role in ((client, "client"), (sd, "sd")):
        packed = squeezed(b"42" + json.dumps(["iam", {"type": role}]).encode())
        peer.send(frame(TEXT, packed[:3], fin=False, rsv=RSV1) + frame(9, b"ping") + frame(0, packed[3:]))
        packed = squeezed(b"420" + json.dumps(["join", key]).encode())
        peer.send(frame(TEXT, packed, rsv=RSV1))
    command = b'42["command",{"id":"1","type":"image:txt2img","prompt":"%s"}]' % (b"a cat, " * 40)
    client.upto(b"430[")
    sd.upto(b"430[")
    client.send(frame(TEXT, squeezed(command), rsv=RSV1))
    while True:
        packet = sd.take()
        if packet[:2] not in (b"42", b"2", b"3"):
            break
    assert expanded(packet) == command
    client.close()
    sd.close()


@pytest.mark.parametrize("payload, code", [
    (b"no deflate", 1007), (squeezed(b'{"event":"iam"}' * 20)[:-5], 1007), (squeezed(b"\xff\xfe" * 20), 1007),
])
def test_bad_data(make_relay, payload, code):
    relay = make_relay(compression="on")
    raw = RawWebSocket(relay, "/link", [OFFER])
    raw.send(frame(TEXT, payload, rsv=RSV1))
    assert raw.end().code == code
    assert relay.is_running


def test_bomb_is_refused_and_the_connection_lives(make_relay, seat):
    """100 MB in 100 KB, many times: the command ends, memory stays, everybody stays."""
    ceiling = 1 << 20
    relay = make_relay(compression="on", sd_message_bytes=ceiling)
    _, key = relay.pair_self("bomb")
    client = seat(relay, "client", key)
    sd = RawWebSocket(relay, "/link", [OFFER])
    sd.text('{"event":"iam","data":{"type":"sd"}}')
    sd.text(json.dumps({"event": "join", "data": key, "ack": 1}))
    sd_upto(sd, "ack")
    client.send("command", {"id": "big", "type": "image:txt2img"})
    sd_upto(sd, "command")
    bomb = squeezed(b'{"event":"commandStatus","data":{"id":"big","type":"image:txt2img","status":"success","x":"' + b"0" * (100 << 20))
    assert len(bomb) < 120_000
    before = peak_bytes(relay)
    for _ in range(20):
        sd.send(frame(TEXT, bomb, rsv=RSV1))
    status = client.upto("commandStatus")
    assert status["id"] == "big" and status["status"] == "error" and status["reason"] == "too_large"
    sd.text('{"event":"commandStatus","data":{"id":"after","status":"processing"}}')
    while status["id"] != "after":
        status = client.upto("commandStatus")
    assert metric(relay, "inflations_refused_total") == 20
    assert metric(relay, "inflation_out_bytes_total") < 20 * (ceiling + 4096)
    assert peak_bytes(relay) - before < 16 << 20
    sd.close()


# HTTP


def asked(relay, path, headers=None, **more):
    return relay.api("GET", path, token=False, headers={"Accept-Encoding": "gzip", **(headers or {})}, **more)


def test_page_is_compressed(make_relay):
    relay = make_relay()
    plain = relay.api("GET", "/js/app.js", token=False)
    packed = asked(relay, "/js/app.js")
    assert plain.status == packed.status == 200
    assert plain.headers["Content-Encoding"] is None and packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) * 2 < len(plain.body)
    tag = packed.headers["ETag"]
    assert tag == plain.headers["ETag"] and tag.startswith('W/"')
    again = asked(relay, "/js/app.js", {"If-None-Match": tag})
    assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag and again.headers["Vary"] == "Accept-Encoding"
    assert asked(relay, "/js/app.js", {"Accept-Encoding": "gzip;q=0"}).headers["Content-Encoding"] is None
    metrics = asked(relay, "/metrics")
    assert metrics.headers["Content-Encoding"] == "gzip" and b"linkrelay_http_bodies_compressed_total" in gzip.decompress(metrics.body)


def test_keys_are_never_compressed(make_relay):
    """A list with keys beside names that others may choose (BREACH)."""
    relay = make_relay()
    for number in range(8):
        relay.pair_self(f"install-{number}", name="Studio")
    answer = relay.api("GET", "/api/link", headers={"Accept-Encoding": "gzip"})
    assert len(answer.body) > 1024 and len(answer.json) == 8
    assert answer.headers["Content-Encoding"] is None


def test_polling_answers(make_relay):
    relay = make_relay()
    _, code = relay.new_link()
    headers = {"Accept-Encoding": "gzip"}
    client = PollingSession(relay)
    client.enter("client", code)
    sd = EngineSocket(relay)
    sd.enter("sd", code, installId="one")
    status = b'42["commandStatus",{"id":"1","note":"%s"}]' % (b"step by step " * 200)
    sd.text(status)
    sd.text('42["leave"]')
    sd.text('42["nonsense"]')
    sd.upto(b'42["error"')  # what was sent before has been worked
    first = client.request("GET", client.query, headers=headers)
    assert b'42["upgradeKey"' in first[2] and status in first[2] and len(first[2]) > 1024
    assert first[1]["Content-Encoding"] is None
    sd.close()
    key = json.loads(re.search(rb'42\["upgradeKey",(\{[^}]*\})', first[2]).group(1))["key"]
    sd = EngineSocket(relay)
    sd.enter("sd", key, installId="one")
    sd.text(status)
    seen = []
    while status not in b"".join(seen):
        _, answer_headers, body = client.request("GET", client.query, headers=headers)
        if answer_headers["Content-Encoding"] == "gzip":
            assert "Accept-Encoding" in answer_headers.get_all("Vary")
            body = gzip.decompress(body)
            seen.append(body)
            assert status in body
        if b"2" in body.split(b"\x1e"):
            client.post("3")
    sd.close()


def test_gzip_can_be_turned_off(make_relay):
    relay = make_relay(http_gzip="off")
    answer = asked(relay, "/js/app.js")
    assert answer.status == 200 and answer.headers["Content-Encoding"] is None

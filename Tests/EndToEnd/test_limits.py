"""Ceilings that bite one message and not the connection; a member that does not read.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import struct

import pytest

from neighbour import Neighbours
from test_admin import enter
from test_metrics import metrics, samples
from wire import ENGINE_PATH, SECONDS, TEXT, EngineSocket, PollingSession, RawSocket, RawWebSocket, frame

CEILING = 256 * 1024


def oversize(identifier):
    return b'{"id":"%s","type":"image:txt2img","status":"success","images":["%s"]}' % (identifier, b"x" * (2 * CEILING))


@pytest.mark.parametrize("kind", ["socketio", "native"])
def test_oversize_status_is_skipped(make_relay, kind):
    """Its bytes are discarded, the sender is told the size and the ceiling, the command ends, the connection lives."""
    relay = make_relay(sd_message_bytes=CEILING, client_message_bytes=CEILING // 2)
    _, key = relay.pair_self("oversize")
    client = EngineSocket(relay)
    client.enter("client", key)
    if kind == "socketio":
        sd = EngineSocket(relay)
        sd.enter("sd", key)
        send = lambda payload: sd.text(b'42["commandStatus",' + payload + b"]")
        next_error = lambda: json.loads(sd.upto(b'42["error"')[-1][2:])[1]
    else:
        sd = RawWebSocket(relay, "/link")
        sd.text('{"event":"iam","data":{"type":"sd"}}')
        sd.text(json.dumps({"event": "join", "data": key, "ack": 1}))
        send = lambda payload: sd.text(b'{"event":"commandStatus","data":' + payload + b"}")

        def next_error():
            while True:
                message = json.loads(sd.take())
                if message["event"] == "error":
                    return message["data"]

    client.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    client.text('42["command",{"id":"big-1","type":"image:txt2img"}]')
    client.text('42["command",{"id":"big-2","type":"image:txt2img"}]')
    send(oversize(b"big-1"))
    told = next_error()
    assert str(CEILING) in told["msg"].replace(",", "") or "256" in told["msg"], told
    ended = json.loads(client.upto(b'42["commandStatus"')[-1][2:])[1]
    assert ended["id"] == "big-1" and ended["status"] == "error" and ended["reason"] == "too_large" and ended["error"]
    # The same connection, the next command.
    send(b'{"id":"big-2","type":"image:txt2img","status":"success","images":[]}')
    ended = json.loads(client.upto(b'42["commandStatus"')[-1][2:])[1]
    assert ended == {"id": "big-2", "type": "image:txt2img", "status": "success", "images": []}
    sd.close()
    client.close()


def test_oversize_status_in_fragments_is_skipped(make_relay):
    """The size is known only on the way."""
    relay = make_relay(sd_message_bytes=CEILING)
    _, key = relay.pair_self("fragments")
    client, sd = EngineSocket(relay), EngineSocket(relay)
    client.enter("client", key)
    sd.enter("sd", key)
    client.text('42["command",{"id":"f","type":"image:txt2img"}]')
    sd.upto(b'42["command"')
    message = b'42["commandStatus",' + oversize(b"f") + b"]"
    pieces = [message[start:start + 10_000] for start in range(0, len(message), 10_000)]
    for index, piece in enumerate(pieces):
        sd.send(frame(TEXT if index == 0 else 0, piece, fin=index == len(pieces) - 1))
    assert json.loads(sd.upto(b'42["error"')[-1][2:])[1]["msg"]
    ended = json.loads(client.upto(b'42["commandStatus"')[-1][2:])[1]
    assert ended["id"] == "f" and ended["reason"] == "too_large"
    sd.text('42["commandStatus",{"id":"after"}]')
    assert client.upto(b'42["commandStatus"')[-1] == b'42["commandStatus",{"id":"after"}]'


@pytest.mark.parametrize("kind", ["a1111", "comfy"])
def test_oversize_list_from_a_real_extension(make_relay, paired, kind):
    """A library past the ceiling: the browser hears why, and the link goes on."""
    relay = make_relay(sd_message_bytes=1024 * 1024)
    install, client = paired(relay, kind)
    install.tell("add_resources", count=5000)
    ended = client.ask("resources:list")
    assert ended["status"] == "error" and ended["reason"] == "too_large"
    install.wait("error")
    install.tell("add_resources", count=5)
    assert len(client.ask("resources:list")["resources"]) == 5
    assert install.all("disconnected") == [] and client.all("disconnected") == []


def test_slow_browser_never_holds_up_the_room(relay):
    """One browser stops reading while an install reports; the others go on, and the slow one alone is cut off."""
    _, key = relay.pair_self("slow")
    sd, quick, slow = EngineSocket(relay), EngineSocket(relay), EngineSocket(relay)
    slow.enter("client", key)
    quick.enter("client", key)
    sd.enter("sd", key)
    quick.upto(b'42["roomPresence",{"client":2,"sd":1}]')
    # Distinct statuses without an id: nothing that the relay may merge.
    for number in range(400):
        sd.text(b'42["commandStatus",{"type":"resources:list","n":%d,"pad":"%s"}]' % (number, b"x" * 100_000))
        assert json.loads(quick.upto(b'42["commandStatus"')[-1][2:])[1]["n"] == number
    cut_off = b'42["roomPresence",{"client":1,"sd":1}]'
    assert cut_off in quick.seen or quick.upto(cut_off)
    slow.end()


def metric(relay, name):
    text = relay.api("GET", "/metrics", token=False).body.decode()
    return int(re.search(rf"^linkrelay_{name} (\d+)$", text, re.MULTILINE).group(1))


def test_full_budget_holds_back_who_filled_it(make_relay):
    """One room's queues use up the process's memory: its sender is not read any more, another room does not notice."""
    relay = make_relay(
        loops=1, process_memory_bytes="8MiB", room_memory_bytes="8MiB", sd_message_bytes="1MiB", client_message_bytes="256KiB",
        member_queue_bytes="64MiB", member_queue_count=100_000)
    _, key = relay.pair_self("filler")
    idle = RawWebSocket(relay, "/link")
    idle.text('{"event":"iam","data":{"type":"client"}}')
    idle.text(json.dumps({"event": "join", "data": key, "ack": 1}))
    idle.take()
    with Neighbours(relay) as pair:
        filler = EngineSocket(relay)
        filler.enter("sd", key)
        status = frame(TEXT, b'42["commandStatus",{"type":"resources:list","pad":"%s"}]' % (b"x" * 100_000))
        filler.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                filler.socket.sendall(status)
        pair.wait_exchanges(20)
        assert metric(relay, "process_budget_pauses_total") == 1 and metric(relay, "sessions_held_back") == 1
        assert metric(relay, "queued_bytes") < 10 << 20
        idle.close()
        filler.close()


@pytest.mark.parametrize("path", ["/link", ENGINE_PATH + "?EIO=4&transport=websocket"])
def test_no_large_message_without_a_seat(relay, path):
    """Saying `iam` gives nobody the memory of an extension: more than 64 KiB is read past, and the connection lives."""
    stranger = RawWebSocket(relay, path)
    say = ((lambda event, payload: '{"event":"%s","data":%s}' % (event, payload)) if path == "/link"
           else (lambda event, payload: '42["%s",%s]' % (event, payload)))
    if path != "/link":
        stranger.text("40")
        while not stranger.take().startswith(b"40"):
            pass
    stranger.text(say("iam", '{"type":"sd"}'))
    stranger.send(b"\x81\xff" + struct.pack(">Q", 16 << 20) + b"\0\0\0\0" + say("commandStatus", '{"pad":"').encode()[:-1])
    stranger.send(b"x" * (8 << 20))
    # Asked on the way: by then the relay has read most of it.
    while metric(relay, "bytes_in_total") < 7 << 20:
        pass
    assert metric(relay, "buffered_bytes") < 256 << 10
    stranger.close()


def test_no_large_body_without_a_seat(relay):
    session = PollingSession(relay)
    assert session.post("40", '42["iam",{"type":"sd"}]')[0] == 200
    raw = RawSocket(relay)
    raw.send(f"POST {ENGINE_PATH}?{session.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {16 << 20}\r\n\r\n4".encode())
    raw.send(b"x" * (8 << 20))
    while metric(relay, "bytes_in_total") < 7 << 20:
        pass
    assert metric(relay, "buffered_bytes") < 4 << 20
    raw.close()


@pytest.mark.parametrize("kind", ["socketio", "native"])
def test_a_sender_is_not_held_back_for_ever(make_relay, kind):
    """A browser that reads nothing fills the room's budget: whoever sends is not read, and after a while told to come back."""
    relay = make_relay(room_memory_bytes="262144", sd_message_bytes="262144", client_message_bytes="65536", heartbeat_timeout="1s")
    _, key = relay.pair_self("slow")
    slow = EngineSocket(relay)
    slow.enter("client", key)
    sd = EngineSocket(relay) if kind == "socketio" else RawWebSocket(relay, "/link")
    if kind == "socketio":
        sd.enter("sd", key)
        status = b'42["commandStatus",{"type":"resources:list","pad":"%s"}]' % (b"x" * 100_000)
    else:
        enter(sd, "sd", key)
        status = b'{"event":"commandStatus","data":{"type":"resources:list","pad":"%s"}}' % (b"x" * 100_000)
    counted = 'linkrelay_sessions_closed_total{reason="overloaded"}'
    assert samples(metrics(relay))[counted] == 0
    # As much as is taken, until the kernel's buffers on both sides are full because the relay reads no more.
    sd.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(2000):
            sd.text(status)
    sd.socket.settimeout(SECONDS)
    assert sd.end().code == 4004
    now = samples(metrics(relay))
    assert now[counted] == 1 and now["linkrelay_room_budget_pauses_total"] >= 1

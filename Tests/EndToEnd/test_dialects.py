"""Both dialects in one room: a payload crosses byte for byte, only the frame around it changes.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json

import pytest

from wire import Ended, EngineSocket, PollingSession, RawWebSocket

# Everything that a reader which rebuilds JSON would change: escapes, raw characters, numbers no double holds, blanks,
# doubled names, order.
PAYLOADS = {
    "unicode raw": '{"id":"1","type":"t","prompt":"Möbel 家具 😀 \u2028"}'.encode(),
    "unicode escaped": rb'{"id":"1","type":"t","prompt":"M\u00f6bel \u5bb6\u5177 \ud83d\ude00 \u2028 \/ \u002f"}',
    "lone surrogate escaped": rb'{"id":"1","type":"t","prompt":"\ud800 and \udc00"}',
    "integer beyond a double": b'{"id":"1","type":"t","seed":9007199254740993}',
    "number beyond a double": b'{"id":"1","type":"t","big":1e400,"small":-1E-400,"long":0.1000000000000000000000000000001}',
    "minus nought": b'{"id":"1","type":"t","zero":-0,"float":-0.0,"exponent":1E+2}',
    "nulls": b'{"id":"1","type":"t","a":null,"b":[null,null],"progress":null,"status":null}',
    "blanks": b'{ "id" : "1" ,\t"type":"t",\n  "list": [ 1 , 2 ,  3 ] }',
    "order": b'{"z":1,"a":2,"type":"t","10":3,"9":4,"id":"1"}',
    "no id and no status": b'{"type":"resources:list","resources":[]}',
    "id is a number": b'{"id":17,"type":"t"}',
    "no type": b'{"id":"1","status":"canceled"}',
    "empty": b"{}",
    "deep": b'{"id":"1","type":"t","deep":' + b"[" * 90 + b"]" * 90 + b"}",
    "control characters escaped": rb'{"id":"1","type":"t","text":"\u0000\u001e\u001f\b\f\n\r\t\"\\"}',
    "separator look-alikes": '{"id":"1","type":"t","text":"42[\\"command\\",{}] \\u001e 0{} 51-"}'.encode(),
}


class SocketIO:
    """One member over Socket.IO; `wrapped` is how an event looks on the wire."""

    transport = "websocket"

    def __init__(self, relay, role, key):
        self.socket = EngineSocket(relay)
        self.socket.enter(role, key)

    def send(self, event, payload):
        self.socket.text(b'42["' + event + b'",' + payload + b"]")

    def receive(self, event):
        packet = self.socket.upto(b'42["' + event + b'"')[-1]
        assert packet.endswith(b"]")
        return packet[len(b'42["' + event + b'",'):-1]

    def close(self):
        self.socket.close()


class Polling:
    """One member over long polling."""

    def __init__(self, relay, role, key):
        self.session = PollingSession(relay)
        self.session.early = [one for one in self.session.enter(role, key) if one.startswith(b"42")]

    def send(self, event, payload):
        assert self.session.post(b'42["' + event + b'",' + payload + b"]")[0] == 200

    def receive(self, event):
        start = b'42["' + event + b'"'
        taken = self.session.upto(start)
        place = next(index for index, one in enumerate(taken) if one.startswith(start))
        self.session.early = taken[place + 1:]
        return taken[place][len(start) + 1:-1]

    def close(self):
        self.session.post("1")


class Native:
    """One member at /link."""

    def __init__(self, relay, role, key):
        self.socket = RawWebSocket(relay, "/link")
        self.socket.text(json.dumps({"event": "iam", "data": {"type": role}}))
        self.socket.text(json.dumps({"event": "join", "data": key, "ack": 1}))
        while not self.socket.take().startswith(b'{"event":"ack"'):
            pass

    def send(self, event, payload):
        self.socket.text(b'{"event":"' + event + b'","data":' + payload + b"}")

    def receive(self, event):
        start = b'{"event":"' + event + b'","data":'
        while True:
            message = self.socket.take()
            if message.startswith(start):
                return message[len(start):-1]

    def close(self):
        self.socket.close()


KINDS = {"socketio": SocketIO, "polling": Polling, "native": Native}


@pytest.fixture
def room(relay, closing):
    """A room's key and members on demand."""
    _, key = relay.pair_self("dialects")
    return lambda kind, role: closing(KINDS[kind](relay, role, key))


@pytest.mark.parametrize("client_kind", KINDS)
@pytest.mark.parametrize("sd_kind", KINDS)
def test_bytes_are_kept(room, sd_kind, client_kind):
    """Every payload in both directions between every two dialects and transports."""
    sd, client = room(sd_kind, "sd"), room(client_kind, "client")
    for number, (name, payload) in enumerate(PAYLOADS.items()):
        # A command whose id is in flight already would not be delivered twice.
        payload = payload.replace(b'"1"', b'"c%d"' % number)
        client.send(b"command", payload)
        assert sd.receive(b"command") == payload, name
        sd.send(b"commandStatus", payload)
        assert client.receive(b"commandStatus") == payload, name


@pytest.mark.parametrize("sd_kind", KINDS)
def test_large_list_to_everybody(room, sd_kind):
    """20,000 entries, 8 MB, to four browsers of all kinds at once."""
    entry = '{{"type":"LORA","hash":"{0:064x}","name":"Möbel \\u00fc {0}","size":9007199254740993,"pad":"{1}"}}'
    entries = ",".join(entry.format(number, "x" * 300) for number in range(20_000)).encode()
    payload = b'{"type":"resources:list","resources":[' + entries + b"]}"
    assert len(payload) > 8_000_000
    sd = room(sd_kind, "sd")
    clients = [room(kind, "client") for kind in ("socketio", "native", "socketio", "polling")]
    sd.send(b"commandStatus", payload)
    wanted = hashlib.sha256(payload).hexdigest()
    for client in clients:
        assert hashlib.sha256(client.receive(b"commandStatus")).hexdigest() == wanted


def test_order_is_kept(room):
    """What one member sends arrives at every receiver in the order sent."""
    sd = room("socketio", "sd")
    clients = [room(kind, "client") for kind in KINDS]
    for number in range(300):
        sd.send(b"commandStatus", b'{"id":"s%d","status":"success","n":%d}' % (number, number))
    for client in clients:
        received = [json.loads(client.receive(b"commandStatus"))["n"] for _ in range(300)]
        assert received == list(range(300))


@pytest.mark.parametrize("pieces", [1, 7, 4096])
def test_fragmented_messages_arrive_whole(relay, room, pieces):
    """A browser may cut a message anywhere, in the middle of a character too."""
    from wire import TEXT, frame

    sd, client = room("native", "sd"), room("socketio", "client")
    payload = ('{"id":"f","type":"t","text":"' + "Möbel 家具 😀" * (10 * pieces) + '"}').encode()
    message = b'42["command",' + payload + b"]"
    cuts = [message[start:start + pieces] for start in range(0, len(message), pieces)]
    client.socket.send(b"".join(
        frame(TEXT if index == 0 else 0, cut, fin=index == len(cuts) - 1) for index, cut in enumerate(cuts)
    ))
    assert sd.receive(b"command") == payload


@pytest.mark.parametrize("size", [100, 20_000, 200_000, 3_000_000])
@pytest.mark.parametrize("receiver", ["native", "socketio"])
@pytest.mark.parametrize("role, event", [("client", b"command"), ("sd", b"commandStatus")])
@pytest.mark.parametrize("form", [
    b'42117["%s",%s]', b'{"event":"%s","data":%s,"ack":"the hundred and seventeenth"}', b'{"ack":"the hundred and seventeenth","event":"%s","data":%s}'])
def test_a_large_message_is_acknowledged(room, form, role, event, receiver, size):
    """Its memory goes on to the receivers: what was around the payload has been read by then."""
    if role == "client":
        size = min(size, 200_000)
    payload = b'{"type":"resources:list","pad":"%s"}' % (b"x" * size)
    answer = b'43117[{"success":true}]' if form[:1] == b"4" else b'{"event":"ack","ack":"the hundred and seventeenth","data":{"success":true}}'
    other = room(receiver, "sd" if role == "client" else "client")
    sender = room("socketio" if form[:1] == b"4" else "native", role)
    for _ in range(2):
        sender.socket.text(form % (event, payload))
        assert other.receive(event) == payload
        while (message := sender.socket.take()) != answer:
            assert b"roomPresence" in message


def test_native_acknowledgement_echo_and_subprotocol(relay):
    """`ack` is echoed as it came, number or string; the offered subprotocol is echoed; unknown fields are ignored."""
    _, key = relay.pair_self("native-echo")
    socket = RawWebSocket(relay, "/link", ["Sec-WebSocket-Protocol: linkrelay.v1"])
    assert socket.headers["sec-websocket-protocol"] == "linkrelay.v1"
    socket.text('{"event":"iam","data":{"type":"client","later":[1,2]},"unknown":{"a":1}}')
    for number, ack in enumerate((b"1", b'"first"', b"9007199254740993")):
        socket.text(b'{"event":"join","data":"' + key.encode() + b'","ack":' + ack + b"}")
        message = socket.take()
        while message.startswith(b'{"event":"roomPresence"'):
            message = socket.take()
        assert message.startswith(b'{"event":"ack","ack":' + ack + b',"data":{"success":true'), message
    socket.close()


def test_native_kicked_has_no_data(relay):
    number, key = relay.pair_self("native-kicked")
    socket = RawWebSocket(relay, "/link")
    socket.text('{"event":"iam","data":{"type":"sd"}}')
    socket.text(json.dumps({"event": "join", "data": key, "ack": 1}))
    assert json.loads(socket.take())["data"]["success"] is True
    assert json.loads(socket.take()) == {"event": "roomPresence", "data": {"client": 0, "sd": 1}}
    relay.api("DELETE", f"/api/link?id={number}")
    assert socket.take() == b'{"event":"kicked"}'
    socket.text('{"event":"join","data":"a1b2c3","ack":2}')
    answer = json.loads(socket.take())
    assert answer["ack"] == 2 and answer["data"]["success"] is False and answer["data"]["msg"]
    socket.close()


def test_native_unknown_event_is_answered(relay):
    socket = RawWebSocket(relay, "/link")
    socket.text('{"event":"frobnicate","data":1}')
    answer = json.loads(socket.take())
    assert answer["event"] == "error" and answer["data"]["msg"]
    socket.text('{"event":"join","data":"a1b2c3","ack":1}')
    answer = json.loads(socket.take())
    assert answer["data"]["success"] is False and answer["data"]["msg"] == "You must identify yourself first"
    socket.close()


def test_native_credentials_in_the_authorization_header(relay):
    """The key may travel in the header of the handshake; a URL is no place for it."""
    _, key = relay.pair_self("native-header")
    socket = RawWebSocket(relay, "/link", [f"Authorization: Bearer {key}"])
    socket.text('{"event":"iam","data":{"type":"sd"}}')
    socket.text('{"event":"join","ack":1}')
    try:
        answer = json.loads(socket.take())
    except Ended as ended:
        raise AssertionError(f"the connection ended with {ended.code} {ended.reason!r}")
    while answer["event"] == "roomPresence":
        answer = json.loads(socket.take())
    assert answer["data"]["success"] is True
    socket.close()

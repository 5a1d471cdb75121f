"""What the ack of a command or a status says, that there is one only, and that it agrees with the command's end. Raw sessions.

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest

from wire import EngineSocket, NativeSocket, PollingSession

CEILING = 16 * 1024


@pytest.fixture
def room(make_relay):
    """A relay with one room, and what enters it."""

    def make(kind=EngineSocket, **settings):
        relay = make_relay(**settings)
        _, key = relay.pair_self("acks")

        def enter(role, kind=kind, **more):
            session = kind(relay)
            session.enter(role, key, **more)
            return session

        enter.relay = relay
        return enter

    return make


def ask(session, number, event, payload):
    """Sends an event that asks for an ack."""
    if isinstance(session, NativeSocket):
        session.text('{"event":"%s","ack":%d,"data":%s}' % (event, number, payload))
    else:
        session.text('42%d["%s",%s]' % (number, event, payload))


def events(session, number):
    """Every event up to the ack with that number, which is the last: (name, data)."""
    told = []
    while True:
        packet = session.take()
        if isinstance(session, NativeSocket):
            message = json.loads(packet)
            told.append((message["event"] if message["event"] != "ack" else message["ack"], message.get("data")))
        elif packet.startswith(b"43"):
            digits, _, rest = packet[2:].partition(b"[")
            told.append((int(digits), json.loads(b"[" + rest)[0]))
        elif packet.startswith(b"42"):
            name, *data = json.loads(packet[2:])
            told.append((name, *data))
        if told and told[-1][0] == number:
            return told


def answers(session, event='command', payload='{"id":"probe"', number=99):
    """What was said since the last ack, up to a question that is refused in a way of its own."""
    ask(session, number, "iam", '{"type":"nobody"}')
    return events(session, number)[:-1]


def end_of(told, identifier):
    return [data for name, data in told if name == "commandStatus" and data["id"] == identifier]


KINDS = pytest.mark.parametrize("kind", [EngineSocket, NativeSocket], ids=["socketio", "native"])


@KINDS
def test_offline(room, kind):
    client = room(kind)("client")
    ask(client, 1, "command", '{"id":"a","type":"activities:list"}')
    assert events(client, 1)[-1][1]["code"] == "instance_offline"
    ask(client, 2, "command", '{"type":"activities:list"}')
    told = answers(client)
    assert [one["reason"] for one in end_of(told, "a")] == ["instance_offline"]
    acks = [(name, data["success"], data["code"]) for name, data in told if isinstance(name, int)]
    assert acks == [(2, False, "instance_offline")] and "error" not in [name for name, _ in told]


def test_too_much_is_held(room):
    enter = room(presence_grace="60s", held_command_count=1)
    client, install = enter("client"), enter("sd")
    install.reset()
    enter.relay.wait_log("reason=peer_reset")
    for number, identifier in enumerate(["", "a", "b"], 1):
        ask(client, number, "command", '{"id":"%s","type":"activities:list"}' % identifier)
    told = answers(client)
    acks = {name: data for name, data in told if isinstance(name, int)}
    assert [acks[number]["success"] for number in (1, 2, 3)] == [True, False, False]
    assert {acks[number]["code"] for number in (2, 3)} == {"commands_in_flight"}
    assert sum(isinstance(name, int) for name, _ in told) == 3
    assert [one["reason"] for one in end_of(told, "a") + end_of(told, "b")] == ["refused", "refused"]
    # Without an id there is no end, only the ack.
    ask(client, 4, "command", '{"type":"activities:list"}')
    told = answers(client)
    assert [(name, data["code"]) for name, data in told] == [(4, "commands_in_flight")]


def test_unsupported(room):
    """At once where the extension is there, on its return where it was away."""
    enter = room(presence_grace="60s")
    client, install = enter("client"), enter("sd", installId="one", capabilities=["image:txt2img"])
    client.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    ask(client, 1, "command", '{"id":"a","type":"activities:list"}')
    told = events(client, 1) + answers(client)
    assert [(name, data["code"]) for name, data in told if isinstance(name, int)] == [(1, "unsupported")]
    assert [one["reason"] for one in end_of(told, "a")] == ["unsupported"]
    install.reset()
    enter.relay.wait_log("reason=peer_reset")
    ask(client, 2, "command", '{"id":"b","type":"activities:list"}')
    ask(client, 3, "command", '{"id":"c","type":"image:txt2img"}')
    back = enter("sd", installId="one", capabilities=["image:txt2img"])
    told = back.upto(b'42["command"')
    assert [one for one in told if one.startswith(b'42["command"')] == [b'42["command",{"id":"c","type":"image:txt2img"}]']
    assert json.loads(client.upto(b'42["commandStatus",{"id":"b"')[-1][2:])[1]["reason"] == "unsupported"


@KINDS
@pytest.mark.parametrize("size", [CEILING - 10, 4 * CEILING], ids=["read", "skipped"])
def test_too_large(room, kind, size):
    """A message just over its ceiling is read, a larger one is skipped; the ack is the same."""
    enter = room(kind, client_message_bytes=CEILING, sd_message_bytes=CEILING)
    client, install = enter("client"), enter("sd")
    payload = '{"id":"big","type":"image:txt2img","prompt":"%s"}' % ("x" * size)
    ask(client, 5, "command", payload)
    refused = events(client, 5)[-1][1]
    assert (refused["success"], refused["code"]) == (False, "too_large")
    told = answers(client)
    assert [one["reason"] for one in end_of(told, "big")] == ["too_large"] and "error" not in [name for name, _ in told]
    ask(install, 6, "commandStatus", payload)
    refused = events(install, 6)[-1][1]
    assert (refused["success"], refused["code"]) == (False, "too_large")


def test_too_large_over_polling(room):
    client = room(PollingSession, client_message_bytes=CEILING)("client")
    client.post('427["command",{"id":"big","type":"x:y","p":"%s"}]' % ("x" * 4 * CEILING))
    assert any(one.startswith(b"437[") and b'"code":"too_large"' in one for one in client.upto(b"437["))


@KINDS
@pytest.mark.parametrize("event", ["command", "commandStatus"])
def test_nothing_said(room, kind, event):
    """An event without an argument is refused; nobody is sent half a message."""
    enter = room(kind)
    client, install = enter("client"), enter("sd")
    sender, other = (client, install) if event == "command" else (install, client)
    sender.text('{"event":"%s","ack":1}' % event if kind is NativeSocket else '421["%s"]' % event)
    refused = events(sender, 1)[-1][1]
    assert (refused["success"], refused["code"]) == (False, "malformed")
    assert event not in [name for name, _ in answers(other)]


@pytest.mark.parametrize("tail", ["é" * 40, "\\\\u00e9" * 20], ids=["utf8", "escapes"])
@pytest.mark.parametrize("shift", range(2))
def test_a_long_type_is_not_cut_in_half(room, tail, shift):
    enter = room(EngineSocket, command_timeout="1s")
    client, install = enter("client"), enter("sd")
    ask(client, 1, "command", '{"id":"a","type":"%s"}' % ("x" * (63 - shift) + tail))
    assert events(client, 1)[-1][1]["success"] is True
    ended = json.loads(client.upto(b'42["commandStatus",{"id":"a"')[-1][2:])[1]
    assert ended["reason"] == "timeout" and "type" not in ended
    install.close()

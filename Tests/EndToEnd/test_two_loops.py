"""Messages belong to the loop that made them: with two loops each is given back, whoever it went to and wherever that one went next.

SPDX-License-Identifier: Apache-2.0
"""
import json
import time

import pytest

from test_limits import metric
from test_memory_budget import member
from wire import CLOSE, PONG, EngineSocket, PollingSession, frame

# Larger than what a loop copies: the memory they were read into goes out.
PAD = "x" * 50_000
HEARD_SECONDS = 20


def home(identifier):
    """The loop of two that has this room (InstanceID.spread)."""
    mask = (1 << 64) - 1
    z = (identifier + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
    return (z ^ z >> 31) % 2


class Install:
    """A room's extension, in either dialect."""

    def __init__(self, relay, key, kind):
        self.relay, self.key, self.kind = relay, key, kind
        self.enter()

    def enter(self):
        self.socket = member(self.relay, self.key, self.kind)

    def take(self, name):
        while b'"%s"' % name.encode() not in self.socket.take():
            pass

    def answer(self, name, status, pad=PAD):
        said = {"id": name, "type": "resources:list", "status": status, "pad": pad}
        self.socket.text(json.dumps({"event": "commandStatus", "data": said}) if self.kind == "native" else "42" + json.dumps(["commandStatus", said]))

    def show_life(self):
        self.socket.send(frame(PONG)) if self.kind == "native" else self.socket.text("3")

    def vanish(self):
        gone = metric(self.relay, "vanished_total")
        self.socket.reset()
        while metric(self.relay, "vanished_total") == gone:
            pass


def say(client, text):
    client.post(text) if isinstance(client, PollingSession) else client.text(text)


def ask(client, name):
    say(client, "42" + json.dumps(["command", {"id": name, "type": "resources:list", "pad": PAD}]))


def hear(client, name, status):
    """Until it was told that."""
    marks = b'"id": "%s"' % name.encode(), b'"status": "%s"' % status.encode()
    while not any(all(mark in one for mark in marks) for one in client.upto(b'42["commandStatus"')):
        pass


def visit(client, rooms, name):
    """Goes from room to room, and asks in each: its session moves to the other loop with what waits for it."""
    for number, (key, install) in enumerate(rooms):
        say(client, '42%d["join",%s]' % (number + 1, json.dumps(key)))
        client.upto(b"43%d[" % (number + 1))
        one = f"{name}-{number}"
        ask(client, one)
        install.take(one)
        install.answer(one, "processing")
        hear(client, one, "processing")
        install.answer(one, "success")
        hear(client, one, "success")


def absences(relay, rooms, name):
    """In each room an end that nobody hears, and a command that waits for its extension; what a loop keeps for them."""
    before, kept = metric(relay, "message_bytes"), []
    for number, (key, install) in enumerate(rooms):
        missed, held = f"{name}-missed-{number}", f"{name}-held-{number}"
        client = member(relay, key, "socketio", "client")
        ask(client, missed)
        install.take(missed)
        install.vanish()
        ask(client, held)
        say(client, '425["iam",{"type":"client"}]')
        client.upto(b"435[")
        gone = metric(relay, "leaves_total")
        client.reset()
        while metric(relay, "leaves_total") == gone:
            pass
        kept.append(metric(relay, "message_bytes") - before)
        install.enter()
        install.take(held)
        for one in (missed, held):
            install.answer(one, "success")
    return kept


def settled(relay, installs, wanted=None):
    """The bytes of all messages, once they are what is wanted; without that, once nothing is kept for those who are away and they stay the same."""
    deadline = time.monotonic() + HEARD_SECONDS
    before, found = None, metric(relay, "message_bytes")
    while time.monotonic() < deadline and found != (wanted if wanted is not None else before if found < len(PAD) else None):
        for install in installs:
            install.show_life()
        time.sleep(0.1)
        before, found = found, metric(relay, "message_bytes")
    return found


@pytest.mark.long
@pytest.mark.parametrize("kind", ["native", "socketio"])
def test_all_messages_are_given_back(make_relay, closing, kind):
    relay = make_relay(loops=2, instance_limit=0, result_retention="2s", heartbeat_interval="1s", heartbeat_timeout="2s", presence_grace="1m")
    paired = [relay.pair_self(f"loop-{number}") for number in range(8)]
    keys = [next(key for identifier, key in paired if home(identifier) == loop) for loop in (0, 1)]
    installs = [Install(relay, key, kind) for key in keys]
    rooms = list(zip(keys, installs))

    def round(name):
        moved = metric(relay, "sessions_moved_total")
        for session, walker in (("websocket", EngineSocket(relay)), ("polling", PollingSession(relay))):
            say(walker, "40")
            say(walker, '42["iam",{"type":"client"}]')
            visit(walker, rooms + rooms, f"{name}-{session}")
            if session == "websocket":
                walker.send(frame(CLOSE, b"\x03\xe8"))
                walker.end()
            else:
                say(walker, "1")
        # Each goes to the other loop three times at least.
        assert metric(relay, "sessions_moved_total") - moved >= 6
        return absences(relay, rooms, name)

    # What each loop makes once and keeps is made by then.
    round("first")
    usual = settled(relay, installs)
    assert all(kept > len(PAD) for kept in round("second"))
    assert settled(relay, installs, usual) == usual
    for install in installs:
        install.socket.close()

"""SIGHUP reaches those who are here already: ceilings, the ledger, queues; and leaves alone what a peer was told once. Raw sessions.

SPDX-License-Identifier: Apache-2.0
"""
import json
import signal
import time

import pytest

from test_acks import ask, events
from wire import EngineSocket, PollingSession, RawSocket

KIB = 1024


@pytest.fixture
def room(make_relay):
    """A relay whose settings a file holds, one room, what enters it, and `change`, which returns when the relay has read the file again."""

    def make(text):
        relay = make_relay.prepare()
        path = relay.directory / "relayd.conf"
        path.write_text(text)
        relay.settings["config"] = path
        relay.start()
        _, key = relay.pair_self("reload")

        def enter(role, kind=EngineSocket):
            session = kind(relay)
            session.enter(role, key)
            return session

        def change(text):
            path.write_text(text)
            count = relay.log.count("event=reloaded")
            relay.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 20
            while relay.log.count("event=reloaded") == count and time.monotonic() < deadline:
                time.sleep(0.01)
            assert relay.log.count("event=reloaded") == count + 1, relay.log

        enter.relay = relay
        return enter, change

    return make


def test_message_ceilings(room):
    enter, change = room("client-message-bytes = 64 KiB\nsd-message-bytes = 128 KiB\n")
    client, install = enter("client"), enter("sd")
    change("client-message-bytes = 1 MiB\nsd-message-bytes = 2 MiB\n")
    ask(client, 1, "command", '{"id":"a","type":"x:y","p":"%s"}' % ("x" * 200 * KIB))
    assert events(client, 1)[-1][1]["success"] is True
    assert len(install.upto(b'42["command"')[-1]) > 200 * KIB
    ask(install, 2, "commandStatus", '{"id":"a","type":"x:y","status":"success","p":"%s"}' % ("x" * 300 * KIB))
    assert events(install, 2)[-1][1]["success"] is True
    assert len(client.upto(b'42["commandStatus"')[-1]) > 300 * KIB
    change("client-message-bytes = 64 KiB\nsd-message-bytes = 128 KiB\n")
    ask(client, 3, "command", '{"id":"b","type":"x:y","p":"%s"}' % ("x" * 200 * KIB))
    assert events(client, 3)[-1][1]["code"] == "too_large"


def test_commands_in_flight(room):
    enter, change = room("commands-in-flight = 2\n")
    client, install = enter("client"), enter("sd")

    def admitted(*names):
        for number, name in enumerate(names, 1):
            ask(client, number, "command", '{"id":"%s","type":"x:y"}' % name)
        return [events(client, number)[-1][1]["success"] for number, _ in enumerate(names, 1)]

    assert admitted("a", "b", "c") == [True, True, False]
    change("commands-in-flight = 3\n")
    assert admitted("d", "e") == [True, False]
    change("commands-in-flight = 1\n")
    install.text('42["commandStatus",{"id":"a","type":"x:y","status":"success"}]')
    client.upto(b'42["commandStatus",{"id":"a"')
    assert admitted("f") == [False]


def test_a_shorter_command_timeout(room):
    """A command sent after the reload does not wait for the deadline of one sent before."""
    enter, change = room("command-timeout = 600s\n")
    client, _ = enter("client"), enter("sd")
    ask(client, 1, "command", '{"id":"old","type":"x:y"}')
    events(client, 1)
    change("command-timeout = 1s\n")
    ask(client, 2, "command", '{"id":"new","type":"x:y"}')
    assert json.loads(client.upto(b'42["commandStatus",{"id":"new"')[-1][2:])[1]["reason"] == "timeout"


def test_the_heartbeat_that_a_socketio_peer_was_told(room):
    """Engine.IO tells the peer once how often it is pinged: a longer interval is for those who come later."""
    enter, change = room("heartbeat-interval = 1s\nheartbeat-timeout = 3s\n")
    sessions = [enter("client"), enter("sd"), enter("client", PollingSession)]
    change("heartbeat-interval = 30s\nheartbeat-timeout = 60s\n")
    fresh = EngineSocket(enter.relay)
    assert fresh.opening["pingInterval"] == 30_000
    *sockets, polling = sessions
    for _ in range(6):
        for session in sockets:
            while session.take() != b"2":
                pass
            session.text("3")
        while b"2" not in polling.get():
            pass
        polling.post("3")


def test_queues(room):
    """What may wait for a slow member; over WebSocket and polling each by its own setting."""
    enter, change = room("member-queue-bytes = 4 MiB\npoll-bytes = 4 MiB\n")
    install, poller = enter("sd"), enter("client", PollingSession)
    change("member-queue-bytes = 4 MiB\npoll-bytes = 16 KiB\n")
    for number in range(10):
        ask(install, number, "commandStatus", '{"id":"s%d","type":"x:y","status":"success","p":"%s"}' % (number, "x" * 4 * KIB))
        events(install, number)
    assert poller.request("GET", poller.query)[0] == 400


def test_a_reload_that_contradicts_what_stays_changes_nothing(make_relay, closing):
    """The proxy's address is gone from the file, but that every connection begins with a PROXY header is not changed by a reload."""
    relay = make_relay.prepare()
    path = relay.directory / "relayd.conf"
    path.write_text("proxy-protocol = on\ntrusted-proxies = 127.0.0.1\ncommand-timeout = 600s\n")
    relay.settings["config"] = path
    relay.start()
    path.write_text("command-timeout = 1s\n")
    relay.process.send_signal(signal.SIGHUP)
    assert "proxy-protocol is on but trusted-proxies is not set" in relay.wait_log("event=reload_refused")
    socket = closing(RawSocket(relay))
    socket.send(b"PROXY TCP4 192.0.2.1 127.0.0.1 5 80\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert socket.response()[0] == 200

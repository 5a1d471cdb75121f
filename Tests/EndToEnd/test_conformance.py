"""Rules of Engine.IO v4 and Socket.IO v5 that no other transcript holds; docs/conformance.md lists all of them.

Hand-made requests and packets, exact answers. SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest

from wire import BINARY, Ended, EngineSocket, PollingSession, frame


def probed(relay, session):
    """A WebSocket whose probe was answered."""
    socket = EngineSocket(relay, f"EIO=4&transport=websocket&sid={session.sid}", is_opening=False)
    socket.text("2probe")
    assert socket.packet() == b"3probe"
    return socket


def connected(relay):
    socket = EngineSocket(relay)
    socket.enter("client")
    return socket


def test_session_ids_are_secrets(relay):
    """128 random bits each; the Socket.IO id that peers may show is another one; neither the log nor the metrics tell it."""
    sids = set()
    for _ in range(50):
        session = PollingSession(relay)
        assert session.post("40")[0] == 200
        shown = json.loads(session.get()[0][2:])["sid"]
        sids |= {session.sid, shown}
        assert session.request("GET", f"EIO=4&transport=polling&sid={shown}")[0] == 400
    assert len(sids) == 100 and all(len(sid) == 32 for sid in sids)
    # No digit stands still: neither a counter nor a clock is part of them.
    assert all(len({sid[place] for sid in sids}) > 8 for place in range(32))
    said = relay.log + relay.api("GET", "/metrics").body.decode()
    assert not any(sid in said for sid in sids)


def test_opening_over_websocket(relay):
    socket = EngineSocket(relay)
    assert sorted(socket.opening) == ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]
    assert socket.opening["maxPayload"] == 1 << 20 and socket.opening["upgrades"] == []
    socket.close()


@pytest.mark.parametrize("query, code", [
    ("transport=websocket", 5), ("EIO=abc&transport=websocket", 5), ("EIO=4", 0), ("EIO=4&transport=abc", 0),
    ("EIO=4&transport=polling&j=0", 3), ("EIO=4&transport=polling&j=", 3),
])
def test_refused_queries(relay, query, code):
    """JSONP (`j`) is no part of version 4: a script tag must not get a session."""
    socket = EngineSocket(relay, query, is_opening=False)
    assert socket.refused == 400 and json.loads(socket.body)["code"] == code


def test_base64_wish_is_harmless(relay):
    """Client libraries without binary requests say `b64=1`; the relay sends no binary, so it changes nothing."""
    session = PollingSession(relay, query="EIO=4&transport=polling&b64=1")
    assert session.post("40") == (200, b"ok")
    assert session.get()[0].startswith(b'40{"sid":"')


def test_largest_payload(make_relay):
    """`maxPayload` is what a body may have; the packet that is over it is refused and the session lives."""
    relay = make_relay(client_message_bytes=200_000)
    _, key = relay.pair_self("payload")
    session = PollingSession(relay)
    assert session.opening["maxPayload"] == 200_000
    session.enter("client", key)

    def command(name, size):
        head = f'42["command",{{"id":"{name}","type":"activities:list","pad":"'
        return head + "x" * (size - len(head) - 3) + '"}]'

    assert session.post(command("fits", 200_000)) == (200, b"ok")
    # Without an install it ends at once, for a reason that is not its size.
    assert json.loads(session.upto(b'42["commandStatus"')[-1][2:])[1]["reason"] == "instance_offline"
    assert session.post(command("over", 1_000_000)) == (200, b"ok")
    assert json.loads(session.upto(b'42["commandStatus"')[-1][2:])[1]["reason"] == "too_large"


def test_separator_on_a_websocket_is_no_separator(relay):
    socket = connected(relay)
    socket.text('42["leave"]\x1e421["leave"]')
    assert json.loads(socket.packet()[2:])[1]["code"] == "malformed"
    socket.close()


def test_client_ping_is_answered(relay):
    """Only the relay has to ping; who pings nevertheless gets the same bytes back, at most 125."""
    socket = connected(relay)
    socket.text("2hello")
    assert socket.packet() == b"3hello"
    session = PollingSession(relay)
    session.post("2hi")
    assert session.get() == [b"3hi"]
    socket.close()


def test_close_packet_over_websocket(relay):
    _, key = relay.pair_self("close")
    watcher, leaver = EngineSocket(relay), EngineSocket(relay)
    watcher.enter("client", key)
    leaver.enter("sd", key)
    watcher.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    leaver.text("1")
    leaver.end()
    watcher.upto(b'42["roomPresence",{"client":1,"sd":0}]')
    watcher.close()


def test_nothing_lost_or_doubled_over_the_upgrade(relay):
    """Some packets go by a last poll, the others by the WebSocket: together all, once, in order."""
    _, key = relay.pair_self("upgrade")
    session, install = PollingSession(relay), EngineSocket(relay)
    session.enter("client", key)
    install.enter("sd", key)
    session.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    socket = probed(relay, session)
    for number in range(40):
        install.text('42["commandStatus",{"status":"success","n":%d}]' % number)
    install.text(f'421["join","{key}"]')
    install.upto(b"431[")
    by_poll = session.get()
    assert 0 < len(by_poll) <= 16
    # What the client says between the probe and its upgrade still counts.
    assert session.post(f'427["join","{key}"]')[0] == 200
    socket.text("5")
    taken = by_poll
    while not any(one.startswith(b"437[") for one in taken):
        taken.append(socket.packet())
    assert [json.loads(one[2:])[1]["n"] for one in taken if b'"n":' in one] == list(range(40))
    install.close()
    socket.close()


def test_polls_are_not_held_during_the_probe(relay):
    session = PollingSession(relay)
    socket = probed(relay, session)
    assert session.get(seconds=5) == [b"6"]
    socket.close()


def test_old_transport_is_refused_after_the_upgrade(relay):
    session = PollingSession(relay)
    socket = probed(relay, session)
    socket.text("5")
    socket.enter("client")
    for method, body in (("GET", None), ("POST", b"41"), ("PUT", b"41")):
        assert session.request(method, session.query, body=body)[0] == 400, method
    again = EngineSocket(relay, f"EIO=4&transport=websocket&sid={session.sid}", is_opening=False)
    assert again.refused == 400
    socket.text('427["leave"]')
    assert socket.packet().startswith(b"437["), "the session never noticed"
    socket.close()


@pytest.mark.parametrize("said", [None, "2probe"], ids=["silent", "probed"])
def test_upgrade_times_out(make_relay, said):
    """The WebSocket goes, polling stays, and may try again."""
    relay = make_relay(upgrade_timeout="1s")
    session = PollingSession(relay)
    socket = EngineSocket(relay, f"EIO=4&transport=websocket&sid={session.sid}", is_opening=False)
    if said:
        socket.text(said)
    socket.end()
    assert session.post("40")[0] == 200 and session.get()[0].startswith(b'40{"sid"')
    again = probed(relay, session)
    again.text("5")
    again.enter("client")
    again.close()


@pytest.mark.parametrize("first", ["5", "2", "3probe", "40", '42["iam",{"type":"sd"}]', "", "2probe2probe"])
def test_only_a_probe_begins_an_upgrade(relay, first):
    session = PollingSession(relay)
    socket = EngineSocket(relay, f"EIO=4&transport=websocket&sid={session.sid}", is_opening=False)
    socket.text(first)
    assert socket.end().code is None
    assert session.post("40")[0] == 200 and session.get()[0].startswith(b'40{"sid"')


def test_origin_of_a_websocket_is_code_four(relay):
    socket = EngineSocket(relay, headers=["Origin: https://evil.example"], is_opening=False)
    assert socket.refused == 403 and json.loads(socket.body)["code"] == 4


@pytest.mark.parametrize("packet", [
    '42["iam",{"type":"client"}]', '421["join","a1b2c3"]', "431[]", '44{"message":"x"}', '451-["command",{"_placeholder":true,"num":0}]',
    '461-1[{"_placeholder":true,"num":0}]', '42/other,["iam"]', "4abc", "4", "40[]",
])
def test_first_packet_must_connect(relay, packet):
    """Anything else before CONNECT ends the transport, over either one; never by a packet that keeps clients away."""
    socket = EngineSocket(relay)
    socket.text(packet)
    assert socket.end().code is None and socket.seen == []
    session = PollingSession(relay)
    session.post(packet)
    assert session.request("GET", session.query)[0] == 400


def test_refused_namespace_then_the_right_one(relay):
    """A CONNECT to another namespace is an answer's worth, not the connection's; nor is its DISCONNECT."""
    socket = EngineSocket(relay)
    socket.text('40/admin,{"token":"x"}')
    assert socket.packet() == b'44/admin,{"message":"Invalid namespace"}'
    socket.text("41/admin,")
    socket.text('40{"token":"x"}')
    first = socket.packet()
    assert first.startswith(b'40{"sid":"')
    socket.text("40")
    assert socket.packet() == first, "connecting twice changes nothing"
    socket.text("41/admin,")
    socket.text('421["leave"]')
    assert socket.packet().startswith(b"431[")
    socket.close()


def test_nobody_connects_in_time(make_relay):
    """Over polling too: a session that never connects its namespace ends."""
    relay = make_relay(first_message_timeout="1s")
    session = PollingSession(relay)
    assert session.get(seconds=15) == [b"6"]
    assert session.request("GET", session.query)[0] == 400


def test_namespace_may_be_connected_again(relay):
    """After DISCONNECT the connection is kept, but says nothing until the next CONNECT."""
    _, key = relay.pair_self("again")
    socket = EngineSocket(relay)
    socket.enter("client", key)
    socket.upto(b'42["roomPresence"')
    socket.text("41")
    assert socket.enter("client", key)[-1].startswith(b'430[{"success":true')
    socket.text("41")
    socket.text('42["leave"]')
    socket.end()


def test_acknowledgements_keep_id_and_order(relay):
    """Ids come back digit for digit, each once, between the events in the order of the questions."""
    socket = connected(relay)
    ids = [b"0", b"007", b"7", b"999999999999999"] + [b"%d" % number for number in range(100, 160)]
    for one in ids:
        socket.text(b"42" + one + b'["leave"]')
        socket.text('42["frobnicate"]')
    for one in ids:
        assert socket.packet() == b"43" + one + b'[{"success":true}]'
        assert socket.packet().startswith(b'42["error"')
    socket.close()


@pytest.mark.parametrize("answer", ["430[]", "43999999999999999[1,2]", '431[{"success":true}]'])
def test_acknowledgement_of_nothing_is_ignored(relay, answer):
    socket = connected(relay)
    socket.text(answer)
    socket.text('425["leave"]')
    assert socket.packet().startswith(b"435[")
    socket.close()


@pytest.mark.parametrize("head, answer", [
    ('452-["command",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b'42["error"'),
    ('452-9["command",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b'439[{"success":false'),
    ('462-9[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b'42["error"'),
    ('452-/other,["command",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b'42["error"'),
])
def test_binary_packets_are_refused_with_their_attachments(relay, head, answer):
    """One refusal for the whole of it; the attachments are not refused again, one more would be. Over both transports."""
    socket = connected(relay)
    socket.text(head)
    for _ in range(2):
        socket.send(frame(BINARY, b"\x01\x02\x03"))
    socket.text('425["leave"]')
    taken = [socket.packet(), socket.packet()]
    assert taken[0].startswith(answer) and b"binary_not_supported" in taken[0] and taken[1].startswith(b"435["), taken
    socket.send(frame(BINARY, b"\x01"))
    assert b"binary_not_supported" in socket.packet()
    socket.close()
    session = PollingSession(relay)
    session.post("40")
    session.get()
    assert session.post(head, "bAQID", "bAQID", '425["leave"]')[0] == 200
    taken = session.upto(b"435[")
    assert len(taken) == 2 and taken[0].startswith(answer), taken


def test_malformed_event_is_refused_and_the_rest_goes_on(relay):
    """The protocol would end the connection; the contract keeps it: `error`, and the next packet counts."""
    socket = connected(relay)
    for packet in ("42", "42{}", "42[]", "42[1]", "43[]", "43", "49", "4", "45-[]", "40[]", "41{}", "44"):
        socket.text(packet)
        assert socket.packet().startswith(b'42["error",{"msg":"'), packet
    socket.text('425["leave"]')
    assert socket.packet().startswith(b"435[")
    socket.close()


def test_silent_polling_session_is_told_nothing_more(make_relay):
    """Who polls but never answers a ping lives by its polls; who does neither is gone after interval and timeout."""
    relay = make_relay(heartbeat_interval="1s", heartbeat_timeout="1s", first_message_timeout="60s")
    session = PollingSession(relay)
    for _ in range(4):
        assert session.get(seconds=5) == [b"2"]
    watcher = connected(relay)
    pings = 0
    while pings < 4:
        if watcher.take() == b"2":
            watcher.text("3")
            pings += 1
    assert session.request("GET", session.query)[0] == 400
    with pytest.raises(Ended):
        while True:
            watcher.take()

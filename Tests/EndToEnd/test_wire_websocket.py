"""Transcripts of Engine.IO over WebSocket and of the upgrade from polling: hand-made packets, exact answers.

SPDX-License-Identifier: Apache-2.0
"""
import json
import threading

import pytest

from wire import BINARY, ENGINE_PATH, Ended, EngineSocket, PollingSession, frame


def upgraded(relay, session):
    """A second transport for that session, before its probe."""
    return EngineSocket(relay, f"EIO=4&transport=websocket&sid={session.sid}", is_opening=False)


def test_opening_and_connect(relay):
    socket = EngineSocket(relay)
    assert socket.opening["upgrades"] == [] and socket.opening["pingInterval"] == 25_000
    socket.text("40")
    assert socket.packet().startswith(b'40{"sid":"')
    socket.close()


def test_connect_with_auth_payload(relay):
    """Libraries may send one; nothing is read from it."""
    socket = EngineSocket(relay)
    socket.text('40{"token":"x"}')
    assert socket.packet().startswith(b'40{"sid":"')
    socket.close()


def test_other_namespace_is_refused_and_harmless(relay):
    socket = EngineSocket(relay)
    socket.text("40/admin,")
    assert socket.packet() == b'44/admin,{"message":"Invalid namespace"}'
    socket.text('40/other?x=1,{"a":1}')
    assert socket.packet().startswith(b"44/other")
    assert socket.enter("client", "a1b2c3")[-1].startswith(b'430[{"success":false,"msg":"')
    socket.close()


def test_acknowledgement_before_presence(relay):
    _, key = relay.pair_self("order")
    install = EngineSocket(relay)
    assert install.enter("sd", key)[-1].startswith(b'430[{"success":true')
    assert install.packet() == b'42["roomPresence",{"client":0,"sd":1}]'
    clients = []
    for count in range(1, 6):
        client = EngineSocket(relay)
        clients.append(client)
        assert len(client.enter("client", key, ack=12)) == 1
        assert client.seen[-1].startswith(b"4312[{")
        assert client.packet() == b'42["roomPresence",{"client":%d,"sd":1}]' % count
    install.close()


def test_pairing_transcript(relay):
    """The whole first connection, packet by packet."""
    _, code = relay.new_link()
    client = EngineSocket(relay)
    client.enter("client", code)
    assert client.packet() == b'42["roomPresence",{"client":1,"sd":0}]'
    install = EngineSocket(relay)
    taken = install.enter("sd", code)
    while not taken[-1].startswith(b'42["roomPresence"'):
        taken.append(install.packet())
    kinds = [one[:4] for one in taken]
    assert sorted(kinds) == [b"42[\"", b"42[\"", b"430["] and taken[-1] == b'42["roomPresence",{"client":1,"sd":1}]'
    upgrade = next(one for one in taken if one.startswith(b'42["upgradeKey",'))
    key = json.loads(upgrade[2:])[1]["key"]
    assert upgrade == b'42["upgradeKey",{"key":"' + key.encode() + b'"}]' and len(key) == 128
    assert client.packet() == upgrade
    assert client.packet() == b'42["roomPresence",{"client":1,"sd":1}]'
    # The desktop app joins again at once: an acknowledgement, and nothing for anybody else.
    install.text(f'421["join","{key}"]')
    assert install.packet().startswith(b'431[{"success":true')
    client.text('42["command",{"id":"1","type":"activities:list"}]')
    assert install.packet() == b'42["command",{"id":"1","type":"activities:list"}]'
    install.text('42["commandStatus",{"id":"1","status":"success"}]')
    assert client.packet() == b'42["commandStatus",{"id":"1","status":"success"}]'
    install.close()


def test_join_acknowledgement_is_exactly_one_object(relay):
    _, key = relay.pair_self("one-object")
    socket = EngineSocket(relay)
    answer = json.loads(socket.enter("client", key)[-1][3:])
    assert len(answer) == 1 and answer[0]["success"] is True and isinstance(answer[0].get("msg", ""), str)
    socket.close()


def test_kicked_transcript(relay):
    number, key = relay.pair_self("kicked")
    socket = EngineSocket(relay)
    socket.enter("sd", key)
    socket.upto(b'42["roomPresence"')
    relay.api("DELETE", f"/api/link?id={number}")
    assert socket.packet() == b'42["kicked"]'
    _, code = relay.new_link()
    socket.text(f'425["join","{code}"]')
    assert socket.upto(b"435[")[-1].startswith(b'435[{"success":true')
    socket.close()


def test_heartbeat_both_ways(make_relay):
    """The relay's ping must be answered, any other sign of life will do as well; a client's probe is answered too."""
    relay = make_relay(heartbeat_interval="1s", heartbeat_timeout="2s")
    talker, silent = EngineSocket(relay), EngineSocket(relay)
    talker.text("40")
    talker.packet()
    for _ in range(4):
        assert talker.take() == b"2"
        talker.text("3")
    assert silent.take() == b"2"
    with pytest.raises(Ended):
        while True:
            silent.take()
    assert talker.take() == b"2", "who answered lives"
    talker.text('42["leave"]')
    assert talker.take() == b"2"
    talker.close()


@pytest.mark.parametrize("first", ["client", "sd"])
def test_whoever_changes_its_role_is_pinged_all_the_same(make_relay, first):
    """An extension's pings come from the relay itself, a client's from the engine."""
    relay = make_relay(heartbeat_interval="1s", heartbeat_timeout="10s")
    socket = EngineSocket(relay)
    socket.enter(first)
    socket.text('42["iam",{"type":"client"}]')
    for _ in range(3):
        assert socket.take() == b"2"
        socket.text("3")
    socket.close()


@pytest.mark.parametrize("packets", [
    pytest.param(['451-["command",{"_placeholder":true,"num":0}]', b"\x01\x02\x03"], id="binary event"),
    pytest.param(['452-["command",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', b"a", b"b"], id="two"),
    pytest.param(['451-["command",{"_placeholder":true,"num":"splice"}]', b"a"], id="number is no number"),
    pytest.param(['451-["command",{"_placeholder":true,"num":4000000000}]', b"a"], id="number out of range"),
])
def test_binary_events_are_refused_with_error(relay, packets):
    """Parsed within limits, refused, and the connection goes on."""
    socket = EngineSocket(relay)
    socket.enter("client")
    for packet in packets:
        socket.send(frame(BINARY, packet)) if isinstance(packet, bytes) else socket.text(packet)
    assert socket.packet().startswith(b'42["error",{"msg":"')
    socket.text('429["join","a1b2c3"]')
    assert socket.upto(b"439[")[-1].startswith(b'439[{"success":false')
    socket.close()


@pytest.mark.parametrize("is_connected", [True, False], ids=["connected", "before the namespace"])
def test_upgrade_by_probe(relay, is_connected):
    """`2probe`, `3probe`, `5`: the waiting poll gets a noop, packets go on over the new transport, none twice."""
    _, key = relay.pair_self("probe")
    session = PollingSession(relay)
    if is_connected:
        session.enter("client", key)
        session.upto(b'42["roomPresence"') if not session.answers[-1][-1].startswith(b'42["roomPresence"') else None
    polled = []
    waiting = threading.Thread(target=lambda: polled.append(session.request("GET", session.query, seconds=30)))
    waiting.start()
    socket = upgraded(relay, session)
    assert socket.refused is None
    socket.text("2probe")
    assert socket.packet() == b"3probe"
    waiting.join(10)
    assert polled and polled[0][0] == 200 and polled[0][2] == b"6", polled
    socket.text("5")
    if is_connected:
        socket.text(f'421["join","{key}"]')
        assert socket.packet().startswith(b'431[{"success":true')
    else:
        socket.enter("client", key)
    assert session.request("GET", session.query)[0] == 400, "the old transport is closed"
    socket.text('42["leave"]')
    socket.close()


def test_events_during_the_probe_are_not_lost(relay):
    """Between `3probe` and `5` the room goes on talking."""
    _, key = relay.pair_self("during")
    session = PollingSession(relay)
    session.enter("client", key)
    install = EngineSocket(relay)
    install.enter("sd", key)
    socket = upgraded(relay, session)
    socket.text("2probe")
    assert socket.packet() == b"3probe"
    for number in range(30):
        install.text('42["commandStatus",{"id":"d%d","status":"success","n":%d}]' % (number, number))
    install.text('420["join","%s"]' % key)
    install.upto(b"430[")
    socket.text("5")
    taken = []
    while not any(b'"n":29' in one for one in taken):
        taken.append(socket.packet())
    assert [json.loads(one[2:])[1]["n"] for one in taken if b'"n":' in one] == list(range(30))
    install.close()


def test_failed_probe_leaves_polling_alone(relay):
    """A proxy that kills the WebSocket halfway: polling goes on."""
    _, key = relay.pair_self("failed-probe")
    session = PollingSession(relay)
    session.enter("client", key)
    socket = upgraded(relay, session)
    socket.text("2probe")
    assert socket.packet() == b"3probe"
    socket.reset()
    session.post(f'424["join","{key}"]')
    assert session.upto(b"434[")[-1].startswith(b'434[{"success":true')


def test_probe_that_is_no_probe(relay):
    session = PollingSession(relay)
    socket = upgraded(relay, session)
    socket.text("2something")
    socket.end()
    assert session.post("40")[0] == 200


def test_second_upgrade_is_refused(relay):
    session = PollingSession(relay)
    first = upgraded(relay, session)
    first.text("2probe")
    assert first.packet() == b"3probe"
    first.text("5")
    first.text("40")
    assert first.packet().startswith(b"40")
    second = upgraded(relay, session)
    if second.refused is None:
        second.text("2probe")
        assert second.end() is not None
    else:
        assert second.refused == 400
    first.text('42["iam",{"type":"client"}]')
    first.text('421["join","a1b2c3"]')
    assert first.packet().startswith(b"431[")
    first.close()


def test_unknown_session_on_websocket(relay):
    socket = EngineSocket(relay, "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA", is_opening=False)
    assert socket.refused == 400 and json.loads(socket.body)["code"] == 1


def test_old_protocol_on_websocket(relay):
    socket = EngineSocket(relay, "EIO=3&transport=websocket", is_opening=False)
    assert socket.refused == 400 and json.loads(socket.body) == {"code": 5, "message": "Unsupported protocol version"}


def test_path_with_and_without_the_trailing_slash(relay):
    """The clients' libraries add the slash; a request without it finds the same thing or nothing, never a crash."""
    answer = relay.api("GET", ENGINE_PATH.rstrip("/") + "?EIO=4&transport=polling", token=False)
    assert answer.status in (200, 301, 308, 404)


def test_namespace_disconnect_leaves_the_room(relay):
    """`41` is how a client library says goodbye."""
    _, key = relay.pair_self("goodbye")
    watcher, leaver = EngineSocket(relay), EngineSocket(relay)
    watcher.enter("client", key)
    leaver.enter("sd", key)
    watcher.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    leaver.text("41")
    watcher.upto(b'42["roomPresence",{"client":1,"sd":0}]')
    watcher.close()


def test_upgrade_request_with_a_body(relay):
    """Once read as a frame by others: the request is refused or its body is no frame; the session lives."""
    from wire import RawSocket

    session = PollingSession(relay)
    raw = RawSocket(relay)
    raw.send(
        f"GET {ENGINE_PATH}?EIO=4&transport=websocket&sid={session.sid} HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 4\r\n\r\ntest".encode()
    )
    raw.rest()
    raw.close()
    assert session.post("40")[0] == 200

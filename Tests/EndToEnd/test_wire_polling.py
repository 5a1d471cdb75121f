"""Transcripts of long polling: hand-made requests, exact answers.

SPDX-License-Identifier: Apache-2.0
"""
import json
import threading

import pytest

from wire import ENGINE_PATH, SEPARATOR, Ended, EngineSocket, PollingSession, RawSocket

PACKETS_PER_ANSWER = 16


def test_opening_packet(relay):
    session = PollingSession(relay)
    opening = session.opening
    assert sorted(opening) == ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]
    assert opening["upgrades"] == ["websocket"] and len(opening["sid"]) >= 16
    assert opening["pingInterval"] == 25_000 and opening["pingTimeout"] == 60_000
    assert session.early == []


def test_connect_is_acknowledged_at_once(make_relay, tmp_path):
    """Even while the store is down: a deployed client gives up after one second."""
    relay = make_relay(fault_store=tmp_path / "store-is-down")
    relay.break_store()
    session = PollingSession(relay)
    assert session.post("40")[0] == 200
    packets = session.get(seconds=1)
    assert len(packets) == 1 and sorted(json.loads(packets[0][2:])) == ["sid"] and packets[0][:2] == b"40"


def test_acknowledgement_before_presence(relay):
    """Also when the install is in the room already, which is when the order matters to the site."""
    _, key = relay.pair_self("order")
    install = EngineSocket(relay)
    install.enter("sd", key)
    for _ in range(5):
        session = PollingSession(relay)
        taken = session.enter("client", key, ack=3)
        taken += session.upto(b'42["roomPresence"') if not taken[-1].startswith(b'42["roomPresence"') else []
        kinds = [one.split(b"[")[0] + (b"" if b'"roomPresence"' not in one else b" presence") for one in taken]
        assert kinds.index(b"433") < kinds.index(b"42 presence"), taken
        session.post("1")
    install.close()


def test_at_most_sixteen_packets_an_answer(relay):
    """Python clients hang up on the seventeenth; nothing is lost by the splitting and the order stays."""
    _, key = relay.pair_self("sixteen")
    session = PollingSession(relay)
    session.enter("client", key)
    install = EngineSocket(relay)
    install.enter("sd", key)
    for number in range(200):
        install.text('42["commandStatus",{"id":"n%d","status":"success","n":%d}]' % (number, number))
    install.text('42["commandStatus",{"id":"last"}]')
    taken = []
    while not any(b'"last"' in one for one in taken):
        taken += session.get()
    assert max(len(answer) for answer in session.answers) <= PACKETS_PER_ANSWER
    numbers = [json.loads(one[2:])[1]["n"] for one in taken if b'"n":' in one]
    assert numbers == list(range(200))
    install.close()


def test_many_packets_in_one_post(relay):
    """Clients send any number."""
    _, key = relay.pair_self("many")
    install = EngineSocket(relay)
    install.enter("sd", key)
    session = PollingSession(relay)
    session.enter("client", key)
    packets = ['42["command",{"id":"m%d","type":"activities:list"}]' % number for number in range(100)]
    assert session.post(*packets)[0] == 200
    for number in range(100):
        assert json.loads(install.upto(b'42["command"')[-1][2:])[1]["id"] == f"m{number}"
    install.close()


def test_second_concurrent_poll_ends_the_session(relay):
    session = PollingSession(relay)
    session.post("40")
    session.get()
    first = RawSocket(relay)
    request = f"GET {ENGINE_PATH}?{session.query} HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n\r\n".encode()
    first.send(request)
    second = RawSocket(relay)
    second.send(request)
    # Whichever the relay reads second is refused, and the other one is answered because its session ends.
    assert 400 in {first.response()[0], second.response()[0]}
    status, _, body = session.request("GET", session.query)
    assert status == 400 and json.loads(body)["code"] == 1, "the session is gone"
    first.close()
    second.close()


def test_close_packet_ends_the_session(relay):
    """A clean goodbye counts at once: no grace for who says it."""
    _, key = relay.pair_self("goodbye")
    watcher = EngineSocket(relay)
    watcher.enter("client", key)
    session = PollingSession(relay)
    session.enter("sd", key)
    watcher.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    assert session.post("1")[0] == 200
    watcher.upto(b'42["roomPresence",{"client":1,"sd":0}]')
    assert session.request("GET", session.query)[0] == 400
    watcher.close()


def test_goodbye_answers_the_waiting_poll(relay):
    """Else the client library waits for its poll before it lets go."""
    session = PollingSession(relay)
    session.post("40")
    session.get()
    answered = []
    waiting = threading.Thread(target=lambda: answered.append(session.request("GET", session.query)))
    waiting.start()
    session.post("41", "1")
    waiting.join(10)
    assert not waiting.is_alive() and answered[0][0] in (200, 400)


@pytest.mark.parametrize("method, query, code", [
    ("GET", "EIO=4&transport=carrier-pigeon", 0),
    ("GET", "EIO=4", 0),
    ("GET", "EIO=4&transport=constructor", 0),
    ("GET", "EIO=4&transport=__proto__", 0),
    ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 1),
    ("POST", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 1),
    ("POST", "EIO=4&transport=polling", 2),
    ("PUT", "EIO=4&transport=polling", 2),
    ("GET", "EIO=4&transport=websocket", 3),
    ("GET", "EIO=3&transport=polling", 5),
    ("GET", "EIO=5&transport=polling", 5),
    ("GET", "transport=polling", 5),
])
def test_engine_error_codes(relay, method, query, code):
    """Engine.IO's own JSON, with its own codes: 0 transport, 1 session, 2 method, 3 request, 5 version."""
    raw = RawSocket(relay)
    body = b"40" if method != "GET" else b""
    raw.send(
        f"{method} {ENGINE_PATH}?{query} HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    )
    status, headers, answer = raw.response()
    assert status == 400, (status, answer)
    told = json.loads(answer)
    sentences = {
        0: "Transport unknown", 1: "Session ID unknown", 2: "Bad handshake method", 3: "Bad request",
        5: "Unsupported protocol version",
    }
    assert told == {"code": code, "message": sentences[code]}
    assert headers["content-type"].startswith("application/json")
    raw.close()


def test_forbidden_is_code_four(relay):
    raw = RawSocket(relay)
    raw.send(
        f"GET {ENGINE_PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n"
        "Origin: https://evil.example\r\n\r\n".encode()
    )
    status, _, answer = raw.response()
    assert status == 403 and json.loads(answer)["code"] == 4
    raw.close()


def test_polling_and_websocket_are_not_mixed(relay):
    """A WebSocket's session cannot be polled, and a poll cannot come with a transport that its session does not have."""
    socket = EngineSocket(relay)
    session = PollingSession(relay)
    status, _, body = session.request("GET", f"EIO=4&transport=polling&sid={socket.opening['sid']}")
    assert status == 400 and json.loads(body)["code"] in (1, 3)
    socket.text("40")
    assert socket.packet().startswith(b"40")
    socket.close()


def test_double_iam_and_join_again(relay):
    """`iam`, `join`, `iam`, `join`: one member, one presence, two acknowledgements."""
    _, key = relay.pair_self("double")
    session = PollingSession(relay)
    me = '42["iam",{"type":"client"}]'
    session.post("40", me, f'420["join","{key}"]', me, f'421["join","{key}"]')
    taken = session.upto(b"431[")
    session.post('42["frobnicate"]')
    taken += session.upto(b'42["error"')
    assert [one[:3] for one in taken if one.startswith(b"43")] == [b"430", b"431"]
    presence = [one for one in taken if one.startswith(b'42["roomPresence"')]
    assert presence == [b'42["roomPresence",{"client":1,"sd":0}]'], taken


def test_kicked_carries_nothing(relay):
    number, key = relay.pair_self("kicked")
    session = PollingSession(relay)
    session.enter("client", key)
    relay.api("DELETE", f"/api/link?id={number}")
    assert session.upto(b'42["kicked"')[-1] == b'42["kicked"]'
    session.post('427["join","a1b2c3"]')
    assert session.upto(b"437[")[-1].startswith(b'437[{"success":false,"msg":"')


def test_heartbeat_when_polling(make_relay):
    """The ping comes as a poll's answer; who answers it lives, who neither answers nor polls is ended."""
    relay = make_relay(heartbeat_interval="1s", heartbeat_timeout="2s")
    _, key = relay.pair_self("heartbeat")
    session = PollingSession(relay)
    assert session.opening["pingInterval"] == 1000 and session.opening["pingTimeout"] == 2000
    session.enter("client", key)
    pings = 0
    while pings < 4:
        if b"2" in session.get(seconds=5):
            pings += 1
            assert session.post("3")[0] == 200
    while b"2" not in session.get(seconds=5):
        pass
    watcher = EngineSocket(relay)
    watcher.enter("client", key)
    watcher.upto(b'42["roomPresence",{"client":2,"sd":0}]')
    watcher.upto(b'42["roomPresence",{"client":1,"sd":0}]')
    assert session.request("GET", session.query)[0] == 400
    watcher.close()


def test_base64_binary_is_refused_without_a_crash(relay):
    session = PollingSession(relay)
    session.post("40")
    session.get()
    session.post('42["iam",{"type":"client"}]', '451-["command",{"_placeholder":true,"num":0}]', "bAQIDBA==")
    assert session.upto(b'42["error"')[-1].startswith(b'42["error",{"msg":"')


def test_both_ends_of_a_separator(relay):
    """A payload with an empty packet is no payload."""
    session = PollingSession(relay)
    assert session.post_raw(b"40" + SEPARATOR + SEPARATOR + b"3")[0] == 400
    assert session.request("GET", session.query)[0] == 400


def test_two_requests_in_one_segment(relay):
    """Pipelined requests are answered in order."""
    raw = RawSocket(relay)
    request = f"GET {ENGINE_PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n\r\n".encode()
    raw.send(request * 3)
    sids = {json.loads(raw.response()[2][1:])["sid"] for _ in range(3)}
    assert len(sids) == 3
    raw.close()


def test_abandoned_poll_ends_the_session(relay):
    """A poll that is hung up on may have taken packets along: the session cannot go on."""
    _, key = relay.pair_self("abandoned")
    session = PollingSession(relay)
    session.enter("client", key)
    raw = RawSocket(relay)
    raw.send(f"GET {ENGINE_PATH}?{session.query} HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n\r\n".encode())
    watcher = EngineSocket(relay)
    watcher.enter("client", key)
    try:
        while b'{"client":2,"sd":0}' not in raw.response()[2]:
            raw.send(f"GET {ENGINE_PATH}?{session.query} HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n\r\n".encode())
    except Ended:
        raise AssertionError("the poll was not answered")
    raw.send(f"GET {ENGINE_PATH}?{session.query} HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n\r\n".encode())
    raw.reset()
    watcher.upto(b'42["roomPresence",{"client":1,"sd":0}]')
    watcher.close()


def test_requests_find_a_session_that_moves(make_relay):
    """A `join` takes the session to its room's loop; polls that come in that moment are for a session of neither loop."""
    relay = make_relay(loops=2)
    keys = [relay.pair_self(f"moving-{n}")[1] for n in range(6)]
    polls = [RawSocket(relay) for _ in range(8)]
    head = f"HTTP/1.1\r\nHost: {relay.host}:{relay.port}\r\n"
    for number in range(150):
        session = PollingSession(relay)
        assert session.post("40", '42["iam",{"type":"client"}]')[0] == 200
        body = "420" + json.dumps(["join", keys[number % len(keys)]])
        poster, poll = RawSocket(relay), polls[number % len(polls)]
        poster.send(f"POST {ENGINE_PATH}?{session.query} {head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        poll.send(f"GET {ENGINE_PATH}?{session.query} {head}\r\n".encode())
        assert poster.response()[0] == 200
        status, _, answer = poll.response()
        assert status == 200, (number, answer)
        poster.close()
        session.post("41")
    for poll in polls:
        poll.close()

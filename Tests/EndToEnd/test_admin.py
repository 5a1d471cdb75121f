"""The operator's surface: what it shows, what its actions do, who may call it, and that it keeps to its own document.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import stat
import subprocess
import time

import pytest

from admin_client import call, get, limit, logged, room_id, tcp_address
from wire import RawWebSocket

SCHEMATHESIS = pathlib.Path(__file__).parent / "setup-venvs"
PATIENCE = 20


def until(condition, what):
    """The first true value of `condition()`."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(what)


def events(relay, room):
    return [(one["event"], one["role"], one["reason"]) for one in get(relay, f"/rooms/{room}")["timeline"]]


# What it shows


def test_room_and_members(relay, paired):
    install, client = paired(relay, "comfy")
    room = get(relay, f"/rooms/{room_id(relay)}")
    assert room["presence"] == {"client": 1, "sd": 1} and room["user"] == 1
    roles = {one["role"]: one for one in room["members"]}
    assert set(roles) == {"sd", "client"}
    assert roles["sd"]["dialect"] == "socketio" and roles["sd"]["transport"] == "websocket"
    assert roles["sd"]["traffic"]["messagesOut"] > 0 and roles["client"]["traffic"]["bytesOut"] > 0
    assert roles["client"]["address"] == "127.0.0.0/24"
    whole = call(relay, "GET", f"/rooms/{room['id']}?addresses=full").json
    assert all(one["address"].startswith("127.0.0.1:") for one in whole["members"])
    assert [event for event, *_ in events(relay, room["id"])] == ["connect", "join", "connect", "join"]


def test_no_secret_is_shown(relay, paired):
    """Neither a link key nor an access token, whatever is asked."""
    install, client = paired(relay, "comfy")
    key = relay.links()[room_id(relay)]["key"]
    token = relay.token()
    for path in ("/rooms", f"/rooms/{room_id(relay)}", "/recent", "/instances", "/users", "/tokens", "/status", "/metrics"):
        body = call(relay, "GET", path).body.decode()
        assert key not in body and token not in body, path


def test_timeline_says_why(make_relay, paired):
    """A killed extension vanishes with the engine's reason, comes back, leaves for good when its grace is over."""
    relay = make_relay(presence_grace="1s")
    _, key = relay.pair_self("rig")
    client = RawWebSocket(relay, "/link")
    enter(client, "client", key)
    sd = RawWebSocket(relay, "/link")
    enter(sd, "sd", key)
    room = room_id(relay)
    sd.reset()
    until(lambda: ("vanish", "sd", "peer_reset") in events(relay, room), events(relay, room))
    again = RawWebSocket(relay, "/link")
    enter(again, "sd", key)
    assert [one for one, *_ in events(relay, room)][-2:] == ["join", "return"]
    again.reset()
    until(lambda: ("expire", "sd", "grace_expired") in events(relay, room), events(relay, room))
    assert get(relay, "/rooms")["items"][0]["lastClosings"][0]["event"] == "expire"
    assert limit(relay, "presence-grace")["bites"] == 1


def test_empty_room_is_remembered(make_relay):
    relay = make_relay(presence_grace="0s")
    room, key = relay.pair_self("rig")
    sd = RawWebSocket(relay, "/link")
    enter(sd, "sd", key)
    sd.reset()
    until(lambda: get(relay, "/rooms")["total"] == 0, "the room stays")
    kept = get(relay, f"/rooms/{room}")
    assert kept["members"] == [] and kept["user"] is None
    assert [one["event"] for one in kept["timeline"]] == ["connect", "join", "vanish", "expire"]
    again = RawWebSocket(relay, "/link")
    enter(again, "sd", key)
    assert len(events(relay, room)) == 6
    assert call(relay, "GET", "/rooms/999").json["code"] == "no_such_room"


def enter(socket, role, key):
    """Joins a native room and waits for the answer."""
    socket.text('{"event":"iam","data":{"type":"%s","name":"test %s"}}' % (role, role))
    socket.text('{"event":"join","data":"%s","ack":1}' % key)
    while b'"ack":1' not in (answer := socket.take()):
        pass
    return answer


def test_paging_and_filters(relay):
    rooms = []
    for number in range(5):
        room, key = relay.pair_self(f"rig-{number}")
        rooms.append((room, RawWebSocket(relay, "/link")))
        enter(rooms[-1][1], "client" if number % 2 else "sd", key)
    ids = sorted(room for room, _ in rooms)
    first = get(relay, "/rooms?limit=2")
    assert [one["id"] for one in first["items"]] == ids[:2] and first["total"] == 5
    second = get(relay, f"/rooms?limit=2&cursor={first['next']}")
    assert [one["id"] for one in second["items"]] == ids[2:4]
    third = get(relay, f"/rooms?limit=2&cursor={second['next']}")
    assert [one["id"] for one in third["items"]] == ids[4:] and third["next"] is None
    assert get(relay, "/rooms?install=absent")["total"] == 2 and get(relay, "/rooms?install=present")["total"] == 3
    assert get(relay, "/rooms?user=77")["total"] == 0 and get(relay, "/rooms?busy=true")["total"] == 0
    assert get(relay, "/instances?limit=3")["total"] == 5


def test_figures_agree(relay, paired, site):
    paired(relay, "comfy")
    paired(relay, "a1111-polling", transports=["polling"])
    paired(relay, "native", dialect="native")
    status = get(relay, "/status")
    assert status["rooms"] == 3 and status["members"] == {"sd": 3, "client": 3} and status["links"] == 3
    states = get(relay, "/connections")
    assert states["sessions"]["seated"] == 6
    assert states["transports"] == {"native": 2, "socketioWebsocket": 2, "socketioPolling": 2}
    check = get(relay, "/consistency")
    assert check["isConsistent"], check
    pairings = get(relay, "/recent?kind=pairing")
    assert pairings["totals"]["pairing"] == 3 and {one["name"] for one in pairings["items"]} == {"code_exchanged"}


def test_refusals_and_limits_are_counted(relay):
    socket = RawWebSocket(relay, "/link")
    assert b'"unknown_code"' in enter(socket, "client", "abcdef")
    assert get(relay, "/recent?kind=refusal")["items"][0]["name"] == "unknown_code"
    for _ in range(9):
        answer = enter(RawWebSocket(relay, "/link"), "client", "abcdef")
    assert b'"too_many_tries"' in answer
    assert limit(relay, "wrong-code-burst")["bites"] > 0
    assert limit(relay, "head-bytes")["bites"] == 0


# What its actions do


def test_kick(relay, paired):
    install, client = paired(relay, "comfy")
    room = room_id(relay)
    assert call(relay, "POST", f"/rooms/{room}/kick").status == 200
    install.wait("kicked")
    client.wait("kicked")
    assert get(relay, "/rooms")["total"] == 0
    assert [one for one, *_ in events(relay, room)][-2:] == ["kick", "kick"]
    assert room in relay.links(), "the link itself stays"
    assert logged(relay, "event=admin_action action=kickRoom target=room-%d actor=socket" % room)
    assert call(relay, "POST", f"/rooms/{room}/kick").status == 404


def test_disconnected_member_comes_back(relay, paired):
    install, client = paired(relay, "comfy")
    room = room_id(relay)
    sd = next(one for one in get(relay, f"/rooms/{room}")["members"] if one["role"] == "sd")
    assert call(relay, "POST", f"/sessions/{sd['session']}/disconnect").status == 200
    until(lambda: any(one["role"] == "sd" and one["session"] != sd["session"]
                      for one in get(relay, f"/rooms/{room}")["members"]), "the extension did not come back")
    assert ("vanish", "sd", "by_operator") in events(relay, room)
    assert call(relay, "POST", f"/sessions/{sd['session']}/disconnect").json["code"] == "no_such_session"


def test_native_member_is_told_why(relay):
    _, key = relay.pair_self("rig")
    socket = RawWebSocket(relay, "/link")
    enter(socket, "client", key)
    session = get(relay, "/rooms")["items"][0]["members"][0]["session"]
    call(relay, "POST", f"/sessions/{session}/disconnect")
    assert ended(socket) == 4006


def ended(socket):
    """The close code that the relay ends with."""
    from wire import Ended

    with pytest.raises(Ended) as found:
        while True:
            socket.take()
    return found.value.code


def test_blocked_network(make_relay):
    """Ends who is there, refuses who comes, and lasts over a restart; the operator's own surface stays open."""
    relay = make_relay(admin_listen="127.0.0.1:0")
    bearer = {"Authorization": "Bearer " + relay.token()}
    _, key = relay.pair_self("rig")
    socket = RawWebSocket(relay, "/link")
    enter(socket, "client", key)
    answer = call(relay, "POST", "/blocks", {"network": "127.0.0.0/8", "note": "noise"}, bearer, tcp_address(relay))
    assert answer.status == 201 and answer.json["disconnected"] == 1, answer
    assert ended(socket) == 4103
    for path in ("/link", "/api/socketio/?EIO=4&transport=polling", "/api/link"):
        refused = relay.api("GET", path, headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                                                  "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} if path == "/link" else None)
        assert refused.status == 403 and refused.json["code"] == "blocked", (path, refused)
    again = call(relay, "POST", "/blocks", {"network": "127.0.0.0/8"}, bearer, tcp_address(relay))
    assert again.status == 409 and again.json["code"] == "block_exists"
    relay.stop()
    relay.restart()
    assert relay.api("GET", "/api/link").status == 403
    block = call(relay, "GET", "/blocks", headers=bearer, address=tcp_address(relay)).json["items"][0]
    assert call(relay, "DELETE", f"/blocks/{block['id']}", headers=bearer, address=tcp_address(relay)).status == 200
    assert relay.api("GET", "/api/link").status == 200


def test_blocked_user(relay):
    _, key = relay.pair_self("rig")
    socket = RawWebSocket(relay, "/link")
    enter(socket, "client", key)
    assert call(relay, "POST", "/blocks", {"user": 1}).json["disconnected"] == 1
    assert ended(socket) == 4103
    assert b'"blocked"' in enter(RawWebSocket(relay, "/link"), "client", key)
    assert get(relay, "/users")["items"][0]["blocked"] is True
    assert get(relay, "/recent?kind=refusal")["items"][0]["name"] == "blocked"


@pytest.mark.parametrize("body", [
    {}, {"network": "10.1.2.3/8"}, {"network": "unix"}, {"network": 7}, {"user": 0}, {"user": "1"}, {"user": 1, "network": "::1"},
    {"network": "::1", "note": 3}, {"network": "::1", "more": 1}, {"network": "::1", "note": "x" * 201}, b"[]", b"{", b"",
])
def test_bad_blocks(relay, body):
    answer = call(relay, "POST", "/blocks", body, {"Content-Type": "application/json"})
    assert answer.status == 400 and answer.json["code"] == "bad_body", answer
    assert get(relay, "/blocks")["items"] == []


def test_links_are_expired_and_rekeyed(relay):
    room, key = relay.pair_self("rig")
    socket = RawWebSocket(relay, "/link")
    enter(socket, "sd", key)
    code = call(relay, "POST", f"/instances/{room}/rekey").json["code"]
    assert relay.links()[room]["key"] == code and code not in relay.log
    assert call(relay, "POST", f"/instances/{room}/expire").status == 200
    while b'"kicked"' not in socket.take():
        pass
    assert relay.links() == {}
    assert call(relay, "POST", f"/instances/{room}/expire").json["code"] == "no_such_instance"


def test_tokens_are_revoked(relay):
    token = relay.token()
    item = get(relay, "/tokens")["items"][0]
    assert set(item["scopes"]) == {"link", "admin"}
    assert call(relay, "POST", f"/tokens/{item['id']}/revoke").status == 200
    assert relay.api("GET", "/api/link", token=token).status == 401
    assert get(relay, "/tokens")["items"] == []


def test_log_level(relay):
    assert call(relay, "POST", "/log-level", {"level": "error"}).json == {"level": "error"}
    assert get(relay, "/status")["logLevel"] == "error"
    assert call(relay, "POST", "/log-level", {"level": "loud"}).status == 400
    assert logged(relay, "action=setLogLevel"), "an action is logged at any level"


def test_drain(relay, paired):
    paired(relay, "comfy")
    assert call(relay, "POST", "/drain").status == 202
    assert relay.process.wait(PATIENCE) == 0
    assert logged(relay, "action=drain")
    assert not (relay.data / "admin.sock").exists()


# Who may call it


def test_socket_is_for_the_own_user(relay):
    path = relay.data / "admin.sock"
    mode = os.stat(path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_nothing_of_it_on_the_public_port(relay):
    """Nor the console; and nothing public by the admin's listener."""
    for path in ("/admin/v1/status", "/admin/v1/openapi.json", "/console", "/console/", "/console/index.html", "/console/js/main.js"):
        assert relay.api("GET", path).status == 404, path
    assert call(relay, "GET", "/console/").status == 200
    for path in ("/admin/../api/link", "/link", "/api/link", "/api/socketio/", "/healthz"):
        assert call(relay, "GET", path if path.startswith("/admin") else "/admin/.." + path).status in (400, 404)
    from admin_client import SocketConnection

    connection = SocketConnection(relay)
    for path in ("/link", "/api/link", "/api/socketio/?EIO=4&transport=polling"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404, path


def test_tcp_needs_a_token(make_relay):
    relay = make_relay(admin_listen="127.0.0.1:0")
    address = tcp_address(relay)
    assert not (relay.data / "admin.sock").exists()
    for headers, status in [({}, 401), ({"Authorization": "Bearer lr_wrong"}, 401), ({"Authorization": "Bearer"}, 401)]:
        assert call(relay, "GET", "/status", headers=headers, address=address).status == status
    relay.run("user", "add", "ada")
    token = relay.run("token", "new", "ada").strip()
    weak = call(relay, "GET", "/status", headers={"Authorization": "Bearer " + token}, address=address)
    assert weak.status == 403 and weak.json["code"] == "missing_scope"
    good = {"Authorization": "Bearer " + relay.token()}
    assert call(relay, "GET", "/status", headers=good, address=address).status == 200
    call(relay, "POST", "/log-level", {"level": "info"}, good, address)
    assert logged(relay, 'actor="token') and relay.token() not in relay.log


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
])
def test_other_sites_are_refused(relay, headers):
    """A forwarded socket is in reach of every page that the operator has open."""
    answer = call(relay, "POST", "/log-level", {"level": "debug"}, headers)
    assert answer.status == 403 and answer.json["code"] == "cross_site"


def test_rebound_names_are_refused(relay):
    assert call(relay, "GET", "/status", headers={"Host": "evil.example"}).status == 421
    assert call(relay, "POST", "/log-level", {"level": "info"}, {"Host": "localhost:9", "Origin": "http://localhost:9"}).status == 200


def test_off(make_relay):
    relay = make_relay(admin_listen="off")
    assert not (relay.data / "admin.sock").exists() and "admin at" not in relay.log


def test_only_loopback(make_relay):
    with pytest.raises(RuntimeError, match="ended with 78"):
        make_relay(admin_listen="0.0.0.0:8788")


def test_strict_requests(relay):
    for path in ("/rooms?limit=0", "/rooms?limit=201", "/rooms?limit=05", "/rooms?limit=1&limit=1", "/rooms?more=1", "/rooms?busy=1",
                 "/rooms?limit", "/status?x=1"):
        assert call(relay, "GET", path).json["code"] == "bad_parameter", path
    for path in ("/rooms/0", "/rooms/-1", "/rooms/x", "/rooms/01", "/rooms/9223372036854775808", "/nothing", "/rooms/", "/rooms/1/"):
        assert call(relay, "GET", path).status == 404, path
    wrong = call(relay, "PUT", "/blocks")
    assert wrong.status == 405 and wrong.headers["Allow"] == "GET, POST"
    assert call(relay, "POST", "/log-level", b'{"level":"info"}', {"Content-Type": "text/plain"}).status == 415


# Its document


@pytest.mark.long
def test_keeps_to_its_document(make_relay, tmp_path):
    """Schemathesis makes requests from the OpenAPI document and compares every answer with it."""
    relay = make_relay(admin_listen="127.0.0.1:0", log_level="warning")
    relay.pair_self("rig")
    host, port = tcp_address(relay)
    venvs = subprocess.run([str(SCHEMATHESIS)], capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run([
        f"{venvs}/.venv-schemathesis/bin/schemathesis", "run", f"http://{host}:{port}/admin/v1/openapi.json",
        "--header", "Authorization: Bearer " + relay.token(), "--phases", "examples,coverage,fuzzing", "--max-examples", "20",
        "--exclude-operation-id", "drain", "--exclude-operation-id", "revokeToken", "--generation-deterministic", "--no-color",
        # What the schema cannot say: a network has no bits after its prefix, a user exists.
        "--exclude-checks", "positive_data_acceptance", "--request-timeout", "10",
    ], capture_output=True, text=True, timeout=150, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert relay.is_running

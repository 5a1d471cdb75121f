"""relayd's commands that ask a running relay: what they print, as JSON and for people, and what they say when there is none.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pty
import select
import subprocess

import pytest

from admin_client import room_id, tcp_address
from relay_process import BINARY, ENVIRONMENT
from test_admin import enter
from wire import RawWebSocket

PATIENCE = 20


def ask(relay, *words, **variables):
    return subprocess.run(
        [BINARY, *words, "--data-dir", str(relay.data)], env={**ENVIRONMENT, **variables}, capture_output=True, text=True, timeout=PATIENCE)


def test_the_welcome_can_be_followed(relay):
    """The command as it was typed, and what a loopback address is good for; a sign-in elsewhere is refused and makes nothing."""
    assert f"again with `{BINARY} sign-in --data-dir {relay.data}`" in relay.wait_log("Sign in (once")
    assert "Only this machine reaches that address" in relay.wait_log("For others")
    assert ask(relay, "sign-in").stderr == ""
    elsewhere = subprocess.run(
        [BINARY, "sign-in", "--data-dir", str(relay.directory / "other")], env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert elsewhere.returncode == 74 and "start a relay there first" in elsewhere.stderr
    assert not (relay.directory / "other").exists()
    relay.stop()
    assert "no relay runs on" in ask(relay, "sign-in").stderr


def test_they_print(relay, paired):
    paired(relay, "comfy")
    room = room_id(relay)
    assert json.loads(relay.run("status", "--json"))["members"] == {"sd": 1, "client": 1}
    assert "1 extensions, 1 clients" in relay.run("status")
    assert [one["id"] for one in json.loads(relay.run("rooms", "--json"))["items"]] == [room]
    assert relay.run("rooms").splitlines()[1].split()[0] == str(room)
    shown = relay.run("room", str(room))
    assert "join" in shown and "socketio" in shown
    assert json.loads(relay.run("room", str(room), "--json"))["timeline"]
    top = relay.run("top")
    assert "1 rooms" in top and "\x1b" not in top
    assert json.loads(relay.run("top", "--json"))["rooms"][0]["id"] == room


def test_names_cannot_move_the_cursor(relay):
    """What a peer calls itself reaches the operator's terminal as harmless text."""
    room, key = relay.pair_self("rig")
    socket = RawWebSocket(relay, "/link")
    socket.text(json.dumps({"event": "iam", "data": {"type": "sd", "name": "\x1b[2Jx\u202ey\n" + "z" * 99}}))
    enter_as_is(socket, key)
    for words in (["rooms"], ["room", str(room)], ["top"]):
        text = relay.run(*words)
        assert "\x1b" not in text and "\u202e" not in text and "\\u001b[2Jx" in text, words


def enter_as_is(socket, key):
    socket.text(json.dumps({"event": "join", "data": key, "ack": 1}))
    while b'"ack":1' not in socket.take():
        pass


def test_kick_and_drain(relay, paired):
    install, client = paired(relay, "comfy")
    room = str(room_id(relay))
    assert room in relay.run("kick", room)
    install.wait("kicked")
    gone = ask(relay, "kick", room)
    assert gone.returncode == 64 and "Nobody is in such a room" in gone.stderr
    relay.run("drain")
    assert relay.process.wait(PATIENCE) == 0
    nobody = ask(relay, "status")
    assert nobody.returncode == 69 and "no relay listens" in nobody.stderr and nobody.stdout == ""


def test_over_tcp_with_a_token(make_relay):
    relay = make_relay(admin_listen="127.0.0.1:0")
    place = "%s:%d" % tcp_address(relay)
    without = ask(relay, "status", "--admin-listen", place)
    assert without.returncode == 69 and "scope admin" in without.stderr
    assert ask(relay, "status", "--admin-listen", place, RELAYD_ADMIN_TOKEN=relay.token()).returncode == 0


@pytest.mark.parametrize("words", [["room"], ["room", "x"], ["kick", "0"], ["status", "more"], ["status", "--user", "ada"]])
def test_misuse(relay, words):
    assert ask(relay, *words).returncode == 64


def test_top_lives_until_q(relay):
    """On a terminal it draws anew, and puts the terminal back."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [BINARY, "top", "--data-dir", str(relay.data)], env=ENVIRONMENT, stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        seen = read_until(parent, b"0 rooms")
        assert seen.startswith(b"\x1b[?1049h")
        seen = read_until(parent, b"messages/s 0")
        os.write(parent, b"q")
        assert process.wait(PATIENCE) == 0
        read_until(parent, b"\x1b[?1049l")
    os.close(parent)


def read_until(terminal, mark):
    seen = b""
    while mark not in seen:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        assert ready, seen
        seen += os.read(terminal, 65536)
    return seen

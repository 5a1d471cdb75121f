"""Pairing: the first connection's sequence, the following connections, refusals, deletion, pairing by account.

SPDX-License-Identifier: Apache-2.0
"""
import re
import secrets
import time

import pytest

LONG_KEY = re.compile(r"[0-9a-f]{128}")
EXTENSIONS = ["a1111", "a1111-polling", "comfy", "native"]
BOTH = {"client": 1, "sd": 1}


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_first_connection(relay, extension, site, kind):
    """Create, wait with the code, enter the code: both learn the same long key, then see each other."""
    number, code = relay.new_link()
    client = site(relay, code)
    assert client.all("ack") == [{"success": True, **{k: v for k, v in client.all("ack")[0].items() if k != "success"}}]
    client.wait_presence(client=1, sd=0)

    install = extension(kind, relay, code)
    key = client.wait("upgradeKey")
    assert LONG_KEY.fullmatch(key)
    assert install.wait("upgradeKey") == key
    client.wait_presence(client=1, sd=1)
    install.wait("presence", lambda one: one == BOTH)

    listed = relay.links()[number]
    assert listed["activated"] is True and listed["key"] == key
    # A1111 has joined again with the new key by now or does so at any moment: nobody is counted twice, nothing flickers.
    assert client.ask("activities:list")["status"] == "success"
    assert {"client": 1, "sd": 0} not in client.all("presence")[1:]
    assert all(one["sd"] <= 1 and one["client"] == 1 for one in client.all("presence"))
    assert install.all("failed") == [] and client.all("error") == []


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_following_connections_of_the_install(make_relay, extension, site, kind):
    """A restart of the install: it joins with the stored key, gets no new one, and the browser sees it return."""
    # Killed between two polls, an install is only missed by the heartbeat.
    relay = make_relay(heartbeat_interval="2s", heartbeat_timeout="4s", presence_grace="1s")
    _, code = relay.new_link()
    client = site(relay, code)
    install = extension(kind, relay, code)
    key = install.wait("upgradeKey")
    client.wait_presence(sd=1)

    mark = client.mark()
    # The old library's goodbye on long polling may stay in its queue; there the process ends without one.
    install.kill() if kind == "a1111-polling" else install.tell("disconnect")
    client.wait_presence(sd=0, since=mark, seconds=40)
    again = extension(kind, relay, key)
    client.wait_presence(sd=1, since=mark)
    assert client.ask("resources:list")["resources"] == []
    assert again.all("upgradeKey") == [] and len(client.all("upgradeKey")) == 1


@pytest.mark.parametrize("transports", [None, ["polling"], ["websocket"], "native"])
def test_following_connections_of_the_browser(relay, extension, site, transports):
    """A browser that comes later joins with the long key, over any transport, and everybody sees it."""
    _, code = relay.new_link()
    install = extension("comfy", relay, code)
    key = install.wait("upgradeKey")
    web = {"dialect": "native"} if transports == "native" else {"transports": transports}
    first = site(relay, key, **web)
    first.wait_presence(client=1, sd=1)
    assert first.ask("resources:list")["status"] == "success"

    second = site(relay, key, **web)
    second.wait_presence(client=2, sd=1)
    first.wait_presence(client=2, sd=1)
    mark = install.mark()
    first.close()
    second.wait_presence(client=1, sd=1)
    install.wait("presence", lambda one: one == BOTH, since=mark)


def test_extension_first(relay, extension, site):
    """The install may come before any browser: the code is exchanged, and the list then shows the long key."""
    number, code = relay.new_link()
    install = extension("a1111", relay, code)
    key = install.wait("upgradeKey")
    assert relay.links()[number]["key"] == key
    assert site(relay, key).wait_presence(client=1, sd=1)


def test_code_in_any_form(relay, extension):
    """Typed by a person: upper case, blanks and dashes."""
    _, code = relay.new_link()
    typed = f" {code[:3].upper()}-{code[3:].upper()} "
    install = extension("a1111", relay, typed)
    assert install.all("ack")[0]["success"] is True
    install.wait("upgradeKey", lambda key: LONG_KEY.fullmatch(key))


def test_spent_code_is_refused_with_a_message(relay, extension, site):
    _, code = relay.new_link()
    extension("comfy", relay, code).wait("upgradeKey")
    late = site(relay, code)
    answer = late.all("ack")[0]
    assert answer["success"] is False and answer["msg"].strip()
    assert late.all("presence") == []


@pytest.mark.parametrize("role", ["site", "comfy", "a1111", "native"])
def test_unknown_key_is_refused_with_a_message_and_no_kick(relay, extension, site, role):
    """Never seen is not the same as deleted: nobody's key file may be emptied by it."""
    key = secrets.token_hex(64)
    member = site(relay, key) if role == "site" else extension(role, relay, key)
    answer = member.all("ack")[0]
    assert answer["success"] is False and answer["msg"].strip()
    assert member.all("presence") == [] and member.all("kicked") == [] and member.all("disconnected") == []
    if role != "site":
        assert member.tell("stored_key") == key


def test_join_before_iam(relay):
    from wire import EngineSocket

    socket = EngineSocket(relay)
    socket.text("40")
    socket.packet()
    socket.text('421["join","a1b2c3"]')
    answer = socket.packet()
    assert answer.startswith(b'431[{"success":false,"msg":"You must identify yourself first"'), answer
    socket.close()


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_delete_kicks_everybody_and_keeps_the_sockets(relay, extension, site, kind):
    """The kicked forget their key on an open connection, on which the next key is joined."""
    number, code = relay.new_link()
    client = site(relay, code)
    native = site(relay, code, dialect="native")
    install = extension(kind, relay, code)
    install.wait("upgradeKey")
    # These join again with the key they were given; had it been deleted by then, they would be told `kicked` twice, the second time perhaps
    # when they have the next code.
    while kind.startswith("a1111") and len(install.all("ack")) < 2:
        time.sleep(0.01)
    client.wait_presence(client=2, sd=1)

    assert relay.api("DELETE", f"/api/link?id={number}").json == {"success": True}
    install.wait("kicked")
    assert client.wait("kicked") == () and native.wait("kicked") == ()
    assert install.tell("stored_key") is None
    assert number not in relay.links()

    _, next_code = relay.new_link()
    mark = client.mark()
    client.join(next_code)
    client.wait("ack", since=mark)
    install.tell("enter", key=next_code)
    client.wait_presence(client=1, sd=1)
    assert client.ask("resources:list")["status"] == "success"
    assert len(install.all("connected")) == 1 and install.all("disconnected") == []
    assert len(client.all("connected")) == 1 and client.all("disconnected") == []
    assert native.all("status") == [], "the kicked are in no room"


def test_deleted_key_offline_is_refused_and_kicked(relay, extension):
    """An install that slept through the deletion: two of the deployed clients would never notice the refusal alone."""
    number, code = relay.new_link()
    install = extension("a1111", relay, code)
    key = install.wait("upgradeKey")
    install.tell("disconnect")
    relay.api("DELETE", f"/api/link?id={number}")
    late = extension("a1111", relay, key)
    assert late.all("ack")[0]["success"] is False and late.all("ack")[0]["msg"].strip()
    late.wait("kicked")
    assert late.tell("stored_key") is None


def test_rekey_gives_the_same_instance_a_new_code(relay, extension, site):
    number, code = relay.new_link(name="Old")
    old = extension("comfy", relay, code).wait("upgradeKey")
    answer = relay.api("POST", "/api/link", {"id": number})
    assert answer.status == 200 and answer.json["id"] == number and len(answer.json["key"]) == 6
    assert relay.links()[number]["activated"] is False
    assert site(relay, old).all("ack")[0]["success"] is False
    client = site(relay, answer.json["key"])
    install = extension("a1111", relay, answer.json["key"])
    assert install.wait("upgradeKey") != old
    client.wait_presence(client=1, sd=1)


def test_switching_instances_leaves_the_first(relay, extension, site):
    """The site switches without `leave`."""
    _, first_code = relay.new_link()
    _, second_code = relay.new_link()
    first = extension("comfy", relay, first_code)
    second = extension("comfy", relay, second_code)
    client = site(relay, first.wait("upgradeKey"))
    first.wait("presence", lambda one: one == BOTH)
    mark = first.mark()
    client.join(second.wait("upgradeKey"))
    second.wait("presence", lambda one: one == BOTH)
    first.wait("presence", lambda one: one == {"client": 0, "sd": 1}, since=mark)


def test_leave_is_silent_outside_a_room_and_counts_at_once_inside(relay, extension, site):
    _, code = relay.new_link()
    idle = site(relay)
    idle.leave()
    client = site(relay, code)
    install = extension("comfy", relay, code)
    client.wait_presence(sd=1)
    mark = client.mark()
    install.tell("leave")
    client.wait_presence(sd=0, since=mark, seconds=5)
    idle.join(client.wait("upgradeKey"))
    idle.wait_presence(client=2)
    assert idle.all("error") == []


def test_account_pairing(relay, extension, site):
    """`POST /api/link/self`: a full key at once, the same instance again for the same install, no `upgradeKey` to it."""
    install = extension("comfy", relay, connect=False)
    told = install.tell("pair_by_account", token=relay.token(), install_id="studio-1")
    assert told["status"] == 200 and LONG_KEY.fullmatch(told["body"]["key"])
    number, key = told["body"]["id"], told["body"]["key"]
    assert install.wait("ack")["success"] is True
    listed = relay.links()[number]
    assert listed["activated"] is True and listed["oauthPaired"] is True and listed["name"] == "ComfyUI"
    client = site(relay, key)
    client.wait_presence(client=1, sd=1)

    mark, web_mark = install.mark(), client.mark()
    again = install.tell("pair_by_account", token=relay.token(), install_id="studio-1")
    assert again["body"]["id"] == number and again["body"]["key"] != key
    assert install.wait("ack", since=mark)["success"] is True
    assert client.wait("upgradeKey", since=web_mark) == again["body"]["key"]
    assert client.ask("resources:list")["status"] == "success"
    assert install.all("upgradeKey") == [] and install.all("kicked") == []
    assert install.tell("stored_key") == again["body"]["key"]
    assert len(relay.links()) == 1


def test_account_pairing_adopts_a_legacy_key(relay, extension):
    number, code = relay.new_link(name="Attic")
    install = extension("comfy", relay, code)
    install.wait("upgradeKey")
    told = install.tell("pair_by_account", token=relay.token(), install_id="attic-1")
    assert told["status"] == 200 and told["body"]["id"] == number
    assert len(relay.links()) == 1


def test_account_pairing_with_a_bad_token(relay, extension):
    install = extension("comfy", relay, connect=False)
    told = install.tell("pair_by_account", token="lr_" + "0" * 64, install_id="studio-1")
    assert told["status"] == 401 and told["body"]["error"]


def test_instance_limit(relay):
    """The eleventh instance: the text that the desktop app compares."""
    for _ in range(10):
        relay.new_link()
    for answer in (relay.api("POST", "/api/link"), relay.api("POST", "/api/link/self", {"installId": "x", "name": "y"})):
        assert answer.status == 400 and answer.json["error"] == "Instance limit reached"


def test_code_repeated_within_grace_gets_the_same_key(relay):
    """The answer was lost on the way: the same install repeats its code and gets the same key; another install does not."""
    from wire import EngineSocket

    def attempt(install_id):
        socket = EngineSocket(relay)
        answer = socket.enter("sd", code, installId=install_id)[-1]
        key = socket.upto(b'42["upgradeKey"')[-1] if b'"success":true' in answer else None
        socket.reset()
        return key

    _, code = relay.new_link()
    first = attempt("install-1")
    assert first is not None and attempt("install-1") == first
    assert attempt("install-2") is None


def test_whoever_waits_learns_the_key_that_a_code_was_exchanged_for(make_relay):
    """Also where the extension sits in the room already, finds it full, or is gone before it has its answer."""
    from wire import EngineSocket

    relay = make_relay(members_per_room=2)

    def joined(role, code, **more):
        socket = EngineSocket(relay)
        return socket, socket.enter(role, code, **more)[-1]

    def key_of(session):
        return session.upto(b'42["upgradeKey"')[-1]

    # Seated by its old key, it enters the new code on the same connection.
    number, code = relay.new_link()
    install, _ = joined("sd", code, installId="one")
    key_of(install)
    second = relay.api("POST", "/api/link", {"id": number}).json["key"]
    client, _ = joined("client", second)
    install.text('427["join","%s"]' % second)
    assert b'"success":true' in install.upto(b"437[")[-1]
    assert key_of(install) == key_of(client)
    # The room is full.
    _, code = relay.new_link()
    clients = [joined("client", code)[0] for _ in range(2)]
    install, answer = joined("sd", code, installId="two")
    assert b'"code":"room_full"' in answer
    assert key_of(clients[0]) == key_of(clients[1])
    # Its connection breaks while the code is exchanged; it comes back and repeats it.
    for attempt in range(8):
        _, code = relay.new_link()
        client, _ = joined("client", code)
        install = EngineSocket(relay)
        install.enter("sd", installId="three")
        install.text('427["join","%s"]' % code)
        install.reset()
        back, answer = joined("sd", code, installId="three")
        assert b'"success":true' in answer and key_of(back) == key_of(client), attempt


def test_store_failure_never_kicks_and_never_refuses(make_relay, tmp_path, extension):
    """A store that cannot answer says nothing about a key: the transport closes, the client comes back with its key."""
    relay = make_relay(fault_store=tmp_path / "store-is-down")
    _, code = relay.new_link()
    key = secrets.token_hex(64)
    install = extension("comfy", relay)
    relay.break_store()
    mark = install.mark()
    install.order("enter", key=key)
    install.wait("disconnected", since=mark)
    assert install.all("kicked") == [] and install.all("ack") == []
    # Mended before the library's first new attempt: closed again within milliseconds of it, the library gives up for good.
    relay.mend_store()
    install.wait("connected", since=mark)
    assert install.wait("ack", since=mark)["success"] is False, "now it is known to be unknown"
    assert install.tell("stored_key") == key
    install.tell("enter", key=code)
    install.wait("upgradeKey")


def test_store_failure_does_not_disturb_who_is_linked(make_relay, tmp_path, paired, extension):
    relay = make_relay(fault_store=tmp_path / "store-is-down")
    install, client = paired(relay)
    relay.break_store()
    assert relay.api("GET", "/api/link", token=relay.token()).status == 503
    assert client.ask("resources:list")["status"] == "success"
    install.tell("disconnect")
    again = extension("a1111", relay, install.tell("stored_key"))
    assert again.all("ack")[0]["success"] is True
    assert client.ask("resources:list")["status"] == "success"
    assert install.all("kicked") == [] and client.all("kicked") == [] and again.all("kicked") == []

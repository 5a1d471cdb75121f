"""The six commands and the activities, carried by real clients: downloads with progress and cancellation, pictures, lists.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json

import pytest

import pictures
from install import shortened
from wire import RawWebSocket

WEBS = [
    pytest.param({}, id="site"),
    pytest.param({"transports": ["polling"]}, id="polling"),
    pytest.param({"dialect": "native"}, id="native"),
]
EXTENSIONS = ["a1111", "comfy", "native"]
MEGABYTE = 1_000_000


@pytest.mark.parametrize("web", WEBS)
@pytest.mark.parametrize("kind", EXTENSIONS)
def test_seed_commands(relay, paired, file_server, kind, web):
    """Add, list, remove, and the activities that this left, through every pair of dialects."""
    install, client = paired(relay, kind, **web)
    model = file_server.add("model.safetensors", 2 * MEGABYTE)

    assert client.ask("resources:list")["resources"] == []
    added = client.command("resources:add", resource=model)
    assert client.wait_status(added)["status"] == "success"
    progress = [one["progress"] for one in client.statuses(added) if one["status"] == "processing"]
    assert progress == sorted(progress) and len(progress) >= 2
    # The list that the install pushes unasked has neither an id nor a status.
    pushed = client.wait("status", lambda one: one["type"] == "resources:list" and "id" not in one)
    assert "status" not in pushed

    listed = client.ask("resources:list", types=["LORA"])["resources"]
    assert [one["hash"] for one in listed] == [model["hash"].lower()]
    activities = client.ask("activities:list")["activities"]
    assert [(one["id"], one["status"]) for one in activities] == [(added, "success")]
    assert client.ask("activities:clear")["activities"] == []

    assert client.ask("resources:remove", resource=model)["status"] == "success"
    assert client.ask("resources:list")["resources"] == [] and install.tell("models") == []
    assert [one["type"] for one in install.sync().all("command")].count("resources:list") == 3
    assert install.all("failed") == [] and client.all("error") == []


@pytest.mark.parametrize("kind", EXTENSIONS)
@pytest.mark.parametrize("form", ["resources:add:cancel", "activities:cancel"])
def test_download_cancelled_on_the_way(relay, paired, file_server, kind, form):
    """Progress arrives while the file is on its way, then the cancellation ends it and leaves nothing behind."""
    install, client = paired(relay, kind)
    model = file_server.add("large.safetensors", 4 * MEGABYTE, is_held=True)
    added = client.command("resources:add", resource=model)
    client.wait("status", lambda one: one.get("id") == added and one.get("progress", 0) >= 40)
    if form == "activities:cancel":
        assert client.ask("activities:cancel", activityId=added)["status"] == "success"
    else:
        # The desktop app's form of it: the id is that of the download, and there is no answer of its own.
        client.emit("command", {"id": added, "type": form, "resources": [model]})
        install.wait("handled", lambda one: one == form)
    file_server.release("large.safetensors")
    assert client.wait_status(added, "canceled", "success")["status"] == "canceled"
    assert install.tell("models") == []


def test_wrong_file_is_an_error(relay, paired, file_server):
    _, client = paired(relay, "comfy")
    model = {**file_server.add("other.safetensors", MEGABYTE), "hash": "AB" * 32}
    ended = client.ask("resources:add", resource=model)
    assert ended["status"] == "error" and "hash" in ended["error"]


def test_several_resources_in_one_command(relay, paired, file_server):
    """The seed's plural form."""
    install, client = paired(relay)
    models = [file_server.add(f"part-{number}.safetensors", MEGABYTE // 2) for number in range(3)]
    assert client.ask("resources:add", resources=models)["status"] == "success"
    assert len(install.tell("models")) == 3


@pytest.mark.parametrize("web", WEBS)
@pytest.mark.parametrize("kind", EXTENSIONS)
def test_txt2img_with_a_large_picture(relay, paired, kind, web):
    """The result, 8 MB of base64 in one status, arrives whole: more than a browser may send, less than an install may."""
    install, client = paired(relay, kind, **web)
    install.tell("pictures_of", byte_count=6 * MEGABYTE)
    ended = client.ask("image:txt2img", params={"prompt": "ein Möbel, 家具", "seed": 7})
    assert ended["status"] == "success" and ended["params"]["prompt"] == "ein Möbel, 家具"
    expected = pictures.base64_png(6 * MEGABYTE, "7")
    assert len(expected) > 7 * MEGABYTE and ended["images"] == [expected]


@pytest.mark.parametrize("web", WEBS)
def test_img2img_both_ways(make_relay, paired, web):
    """A picture of several MB up, another one down; the ceiling for browsers is raised for it."""
    relay = make_relay(client_message_bytes=16 * 1024 * 1024)
    install, client = paired(relay, **web)
    install.tell("pictures_of", byte_count=3 * MEGABYTE)
    sent = pictures.base64_png(3 * MEGABYTE, "init")
    ended = client.ask("image:img2img", init_images=[sent], params={"seed": 8})
    assert ended["status"] == "success" and ended["images"] == [pictures.base64_png(3 * MEGABYTE, "8")]
    received = install.wait("command", lambda one: one["type"] == "image:img2img")
    assert received["init_images"] == [shortened(sent)]


@pytest.mark.parametrize("web", WEBS)
@pytest.mark.parametrize("kind", EXTENSIONS)
def test_list_of_twenty_thousand(relay, paired, kind, web):
    """A large library's list crosses whole, asked for and pushed."""
    install, client = paired(relay, kind, **web)
    assert install.tell("add_resources", count=20_000) > 8 * MEGABYTE
    listed = client.ask("resources:list")["resources"]
    assert len(listed) == 20_000
    names = {one["name"] for one in listed}
    assert len(names) == 20_000 and "möbel-00000-übergröße.safetensors" in names
    assert listed[19_999]["hash"] == hashlib.sha256(b"19999").hexdigest()
    install.tell("push")
    pushed = client.wait("status", lambda one: "id" not in one)
    assert pushed["resources"] == listed
    assert client.all("disconnected") == [] and client.all("error") == []


def test_command_that_the_install_did_not_declare(relay, extension, site):
    """An install that listed its capabilities is not asked for others: the relay ends the command itself."""
    _, code = relay.new_link()
    client = site(relay, code)
    install = extension("native-lister", relay, code)
    client.wait_presence(client=1, sd=1)
    ended = client.ask("image:txt2img")
    assert ended["status"] == "error" and ended["reason"] == "unsupported" and ended["error"].strip()
    assert client.ask("resources:list")["status"] == "success"
    assert [one["type"] for one in install.sync().all("command")] == ["resources:list"]


# One id, as different JSON writers spell it.
SPELLINGS = [(r"caf\u00e9", "café"), (r"a\/b", "a/b"), (r"\ud83d\ude00", "😀"), (r"\u0061\u0022", r"a\""), (r"\ud83d", r"\uD83D")]


@pytest.mark.parametrize("one, other", SPELLINGS + [pair[::-1] for pair in SPELLINGS])
def test_an_id_in_two_spellings(relay, closing, one, other):
    """The status is recognised as the command's, and a repetition as one, though their bytes differ; all of them pass as they are."""
    _, key = relay.pair_self("speller")

    def enter(role):
        socket = closing(RawWebSocket(relay, "/link"))
        for event, data in ("iam", {"type": role}), ("join", key):
            socket.text(json.dumps({"event": event, "data": data, "ack": event}))
        while b'"ack":"join"' not in socket.take():
            pass
        return socket

    def next_of(socket, event):
        while True:
            text = socket.take().decode()
            if text.startswith('{"event":"%s"' % event):
                return text

    def in_flight():
        return next(line for line in relay.api("GET", "/metrics", token=False).body.decode().splitlines()
                    if line.startswith("linkrelay_commands_in_flight "))

    sd, client = enter("sd"), enter("client")
    client.text('{"event":"command","data":{"id":"%s","type":"t"}}' % one)
    assert '"id":"%s"' % one in next_of(sd, "command")
    sd.text('{"event":"commandStatus","data":{"id":"%s","status":"processing"}}' % other)
    assert '"id":"%s"' % other in next_of(client, "commandStatus")
    client.text('{"event":"command","data":{"id":"%s","type":"t"}}' % other)
    assert '"status":"processing"' in next_of(client, "commandStatus"), "its last status, and the install is not asked again"
    client.text('{"event":"command","data":{"id":"last","type":"t"}}')
    assert '"id":"last"' in next_of(sd, "command")
    assert in_flight().endswith(" 2")
    sd.text('{"event":"commandStatus","data":{"id":"%s","status":"success"}}' % other)
    assert '"status":"success"' in next_of(client, "commandStatus")
    assert in_flight().endswith(" 1"), "it would end a second time, as timed out"


def test_the_relay_ends_an_id_with_escapes(make_relay, closing):
    """What it writes itself is JSON, and the same id."""
    relay = make_relay()
    _, key = relay.pair_self("away")
    client = closing(RawWebSocket(relay, "/link"))
    client.text('{"event":"iam","data":{"type":"client"}}')
    client.text(json.dumps({"event": "join", "data": key}))
    spelt = r"\u0022\u005c\u0000\/\u00e9"
    client.text('{"event":"command","data":{"id":"%s","type":"t"}}' % spelt)
    while (said := json.loads(client.take()))["event"] != "commandStatus":
        pass
    assert said["data"]["id"] == json.loads(f'"{spelt}"') and said["data"]["reason"] == "instance_offline"

"""The download policy between a real client and a real install: refused commands end, the rest arrives byte for byte.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

import pytest

from wire import EngineSocket, RawWebSocket

MEGABYTE = 1_000_000
DIALECTS = [pytest.param({}, id="site"), pytest.param({"dialect": "native"}, id="native")]
GOOD = {"type": "LORA", "name": "a.safetensors", "hash": "AB" * 32, "url": "https://civitai.com/a"}


def refused_counts(relay):
    text = relay.api("GET", "/metrics", token=False).body.decode()
    return {name: int(n) for name, n in re.findall(r'linkrelay_commands_refused_by_policy_total\{reason="(\w+)"\} (\d+)', text)}


@pytest.fixture
def strict(make_relay):
    return make_relay(download_lan_hosts="")


@pytest.mark.parametrize("web", DIALECTS)
@pytest.mark.parametrize("rule, change", [
    ("scheme", {"url": "http://civitai.com/a"}),
    ("private_target", {"url": "https://169.254.169.254/latest"}),
    ("odd_host", {"url": "https://0x7f000001/a"}),
    ("local_name", {"url": "https://localhost/a"}),
    ("userinfo", {"url": "https://civitai.com@10.0.0.1/a"}),
    ("name_is_path", {"name": "../../startup.safetensors"}),
    ("name_reserved", {"name": "nul.safetensors"}),
    ("suffix_not_allowed", {"name": "run.bat"}),
])
def test_refused_with_a_terminal_status(strict, paired, web, rule, change):
    """The sender alone is told; the install sees nothing; the rule is counted under its name."""
    install, client = paired(strict, **web)
    for fields in ({"resource": {**GOOD, **change}}, {"resources": [GOOD, {**GOOD, **change}]}):
        ended = client.ask("resources:add", **fields)
        assert (ended["status"], ended["reason"], ended["type"]) == ("error", "refused", "resources:add")
        assert f"({rule})" in ended["error"] and "169.254" not in ended["error"]
    assert client.ask("resources:list")["status"] == "success"
    install.wait("command", lambda one: one["type"] == "resources:list")
    assert [one["type"] for one in install.all("command")] == ["resources:list"]
    assert refused_counts(strict)[rule] == 2 and sum(refused_counts(strict).values()) == 2


def test_only_the_sender_is_told(strict, paired, site):
    install, client = paired(strict)
    (identifier, link), = strict.links().items()
    other = site(strict, link["key"])
    ended = client.ask("resources:remove", resource={"hash": "AB", "type": "LORA", "name": "..\\a"})
    assert ended["reason"] == "refused"
    assert client.ask("resources:list")["status"] == "success"
    other.wait("status", lambda one: one["type"] == "resources:list")
    assert [one["type"] for one in other.all("status")] == ["resources:list"]


def test_accepted_commands_pass_byte_for_byte(strict, closing):
    """Odd but harmless JSON arrives as it was sent, blanks, order and escapes included."""
    _, code = strict.new_link()
    install = closing(EngineSocket(strict))
    key = json.loads([one for one in install.enter("sd", code) + [install.packet()] if b"upgradeKey" in one][0][2:])[1]["key"]
    client = closing(EngineSocket(strict))
    client.enter("client", key)
    sent = ('{ "n":9007199254740993 ,"type":"resources:add","\\u0069d2":"x", "id":"1","resource":{"url" : '
            '"https:\\/\\/civitai.com/a?b=\\u00fc","name":"m\\u00f6bel.SAFETENSORS","modelName":"../<x>","hash":"AB"} }')
    client.text(f'42["command",{sent}]')
    arrived = install.upto(b'42["command"')[-1]
    assert arrived.decode() == f'42["command",{sent}]'


@pytest.mark.parametrize("text", [
    '{"id":"1","ty\\u0070e":"resources:add","resource":BAD}',
    '{"id":"1","type":"resources\\u003aadd","resource":BAD}',
    '{"id":"1","type":"image:txt2img","ty\\u0070e":"resources:add","resource":BAD}',
    '{"id":"1","type":"resources:add","resource":GOOD,"res\\u006furce":BAD}',
    '{"id":"1","type":"resources:add","resource":BAD,"resource":GOOD}',
])
def test_no_spelling_gets_around_it(strict, closing, text):
    """What Python's json or a browser would read as a forbidden command does not arrive in any spelling."""
    _, code = strict.new_link()
    install = closing(RawWebSocket(strict, "/link"))
    for message in ({"event": "iam", "data": {"type": "sd"}}, {"event": "join", "data": code, "ack": 1}):
        install.text(json.dumps(message))
    key = None
    while key is None:
        message = json.loads(install.take())
        key = message["data"]["key"] if message["event"] == "upgradeKey" else None
    client = closing(RawWebSocket(strict, "/link"))
    for message in ({"event": "iam", "data": {"type": "client"}}, {"event": "join", "data": key, "ack": 1}):
        client.text(json.dumps(message))
    bad = json.dumps({**GOOD, "url": "https://10.0.0.1/"})
    payload = text.replace("BAD", bad).replace("GOOD", json.dumps(GOOD))
    assert json.loads(payload)["type"] == "resources:add"
    client.text('{"event":"command","data":%s}' % payload)
    client.text('{"event":"command","data":{"id":"2","type":"resources:list"}}')
    seen = []
    while not seen or seen[-1]["event"] != "commandStatus":
        seen.append(json.loads(client.take()))
    assert seen[-1]["data"]["reason"] == "refused" and seen[-1]["data"]["id"] == "1"
    while True:
        message = json.loads(install.take())
        if message["event"] == "command":
            assert message["data"]["id"] == "2"
            break


def test_the_lan_exception_and_its_end(strict, paired, file_server):
    """The owner allows one host of their network, the running room obeys at once; a restart changes nothing."""
    install, client = paired(strict)
    model = file_server.add("model.safetensors", MEGABYTE // 4)
    assert client.ask("resources:add", resource=model)["reason"] == "refused"
    (identifier, _), = strict.links().items()
    path = f"/api/link/policy?id={identifier}"
    host = file_server.url.removeprefix("http://")
    assert strict.api("PUT", path, {"lanHosts": [host]}).json["lanHosts"] == [host]
    assert client.ask("resources:add", resource=model)["status"] == "success"
    assert install.tell("models") == ["model.safetensors"]
    other = {**model, "url": model["url"].replace("127.0.0.1", "127.0.0.2"), "hash": "CD" * 32}
    assert client.ask("resources:add", resource=other)["reason"] == "refused"

    marks = install.mark(), client.mark()
    strict.stop()
    strict.restart()
    assert install.wait("ack", since=marks[0], seconds=60)["success"] is True
    client.wait_presence(client=1, sd=1, since=marks[1], seconds=60)
    second = file_server.add("second.safetensors", MEGABYTE // 4)
    assert client.ask("resources:add", resource=second)["status"] == "success"
    assert strict.api("PUT", path, {}).json["mode"] == "default"
    third = file_server.add("third.safetensors", MEGABYTE // 4)
    assert client.ask("resources:add", resource=third)["reason"] == "refused"


def test_open_for_one_link_only(strict, paired, file_server):
    _, first = paired(strict)
    (identifier, _), = strict.links().items()
    _, second = paired(strict)
    assert strict.api("PUT", f"/api/link/policy?id={identifier}", {"mode": "open"}).status == 200
    model = file_server.add("model.safetensors", MEGABYTE // 4)
    assert first.ask("resources:add", resource=model)["status"] == "success"
    assert second.ask("resources:add", resource=model)["reason"] == "refused"


def test_the_operators_lists(make_relay, paired):
    relay = make_relay(download_hosts="civitai.com,*.r2.example.org", download_suffixes=".zip", download_lan_hosts="")
    install, client = paired(relay)
    install.tell("silent")
    zipped = {**GOOD, "name": "a.zip"}
    assert "(suffix_not_allowed)" in client.ask("resources:add", resource=GOOD)["error"]
    assert "(host_not_listed)" in client.ask("resources:add", resource={**zipped, "url": "https://example.org/a"})["error"]
    sent = client.command("resources:add", resource={**zipped, "url": "https://x.r2.example.org/a"})
    install.wait("command", lambda one: one["id"] == sent)


def test_without_an_id_an_error_says_it(strict, paired):
    _, client = paired(strict)
    client.emit("command", {"type": "resources:add", "resource": {**GOOD, "name": "/etc/passwd"}})
    assert "(name_is_path)" in client.wait("error")


def test_the_owner_sees_who_paired(strict, extension):
    identifier, code = strict.new_link()
    install = extension("native", strict, "000000" if code != "000000" else "000001")
    assert strict.api("GET", f"/api/link/events?id={identifier}").json["wrongTriesSince"] == 1
    install.tell("enter", key=code)
    install.wait("upgradeKey")
    seen = strict.api("GET", f"/api/link/events?id={identifier}").json
    assert [one["what"] for one in seen["events"]] == ["code_made", "paired"]
    assert seen["events"][1]["from"] == "127.0.0.0/24" and seen["events"][1]["wrongTries"] == 1
    entry = strict.links()[identifier]
    assert entry["pairedFrom"] == "127.0.0.0/24" and entry["pairedAt"]

"""The relay behind nginx, Caddy and HAProxy, each started for real with the recipe from deploy/, TLS at the proxy.

Proxies that are not installed are left out. PROXY_IDLE_SECONDS sets how long links idle (default 70, with the proxies'
time-outs and the heartbeat at a tenth; from 300 on they are as shipped). SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import threading

import pytest

from proxies import PROXIES, certificate, free_port, program
from wire import EngineSocket, PollingSession, RawWebSocket

IDLE_SECONDS = int(os.environ.get("PROXY_IDLE_SECONDS", "70"))
IS_SCALED = IDLE_SECONDS < 300
# What each recipe has for idle links, and the same at a tenth, which the heartbeat below fits as the shipped one fits that.
SCALED = {
    "nginx": [("_read_timeout 100s", "_read_timeout 10s"), ("_send_timeout 100s", "_send_timeout 10s")],
    "haproxy": [(f"timeout {what} 100s", f"timeout {what} 10s") for what in ("client", "server", "tunnel")],
    "caddy": [],
}
LIST_ENTRIES = 20_000
COMMAND_BYTES = 1_000_000
MILLION = 1_000_000


@pytest.fixture
def behind(make_relay, closing, monkeypatch, tmp_path):
    """`behind("nginx")` starts a relay and that proxy in front of it; every client trusts the test's one certificate."""
    files = certificate(tmp_path)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(files[0]))

    def start(kind, replace=(), **settings):
        if program(kind) is None:
            pytest.skip(f"{kind} is not installed")
        port = free_port()
        site = f"https://localhost:{port}"
        relay = make_relay(public_url=site, trusted_proxies="127.0.0.1", **settings)
        return closing(PROXIES[kind](relay, files, port, replace))

    return start


@pytest.fixture(params=sorted(PROXIES))
def kind(request):
    return request.param


def test_rest_and_page(behind, kind):
    """REST with a token, the relay's own page and its origin, foreign origins, the way from HTTP to HTTPS."""
    proxy = behind(kind)
    assert proxy.api("GET", "/readyz", token=False).status == 200
    assert proxy.api("GET", "/metrics", token=False).status == 403
    page = proxy.api("GET", "/", token=False)
    assert page.status == 200 and b"<html" in page.body.lower()
    number, code = proxy.new_link(name="Behind a proxy")
    assert {one["id"]: one["key"] for one in proxy.api("GET", "/api/link").json} == {number: code}
    assert proxy.api("PUT", "/api/link", {"id": number, "name": "Renamed"}, headers={"Origin": proxy.url}).status == 200
    assert proxy.api("GET", "/api/link", headers={"Origin": "https://elsewhere.example"}).status == 403
    assert proxy.api("DELETE", f"/api/link?id={number}").json == {"success": True}
    moved = proxy.plain("/api/link?x=1")
    assert moved.status == 308 and re.fullmatch(r"https://localhost(:\d+)?/api/link\?x=1", moved.headers["Location"])


LINKS = [
    ("a1111", {}, "websocket"),
    ("a1111-polling", {"transports": ["polling"]}, "polling"),
    ("comfy", {"transports": ["websocket"]}, "websocket"),
    ("native", {"dialect": "native"}, "native"),
]


@pytest.mark.parametrize("install_kind, web, transport", LINKS, ids=[one[0] for one in LINKS])
def test_links_carry_large_messages(behind, kind, paired, install_kind, web, transport):
    """Upgrade, polling, WebSocket, native: an 8 MB list one way, a 1 MB command and its echo the other."""
    install, client = paired(behind(kind), install_kind, **web)
    assert install.tell("transport") == transport
    # The polling library gives a request five seconds, which a debug build on a busy machine may need for 8 MB.
    count = LIST_ENTRIES if transport != "polling" else LIST_ENTRIES // 10
    install.tell("add_resources", count=count)
    ended = client.ask("resources:list", seconds=60)
    assert ended["status"] == "success" and len(ended["resources"]) == count
    install.tell("add_resources", count=1)
    identifier = client.command("resources:list", pad="x" * COMMAND_BYTES)
    arrived = install.wait("command", lambda one: one["id"] == identifier, seconds=60)
    assert arrived["pad"]["length"] == COMMAND_BYTES
    assert client.wait_status(identifier, seconds=60)["pad"] == "x" * COMMAND_BYTES
    assert install.all("disconnected") == [] and client.all("disconnected") == []


def test_large_message_in_one_polling_request(behind, kind):
    """8 MB in one POST and in one poll's answer."""
    proxy = behind(kind)
    _, key = proxy.relay.pair_self("polling")
    sd, client = PollingSession(proxy), PollingSession(proxy)
    sd.enter("sd", key)
    client.enter("client", key)
    sent = b'42["commandStatus",{"type":"resources:list","pad":"%s"}]' % (b"x" * 8 * MILLION)
    assert sd.post(sent)[0] == 200
    assert client.upto(b'42["commandStatus"')[-1] == sent


@pytest.mark.long
@pytest.mark.timeout(150 + IDLE_SECONDS)
def test_idle_links_outlive_the_time_outs(behind, paired):
    """Nobody says anything for long, behind all three proxies at once: no link ends, all work afterwards."""
    settings = {"heartbeat_interval": "2500ms", "heartbeat_timeout": "6s"} if IS_SCALED else {}
    links = []
    for kind in sorted(PROXIES):
        if program(kind) is None:
            continue
        proxy = behind(kind, SCALED[kind] if IS_SCALED else (), **settings)
        links += [paired(proxy, extension, **web) for extension, web, _ in LINKS]
    quiet = [threading.Thread(target=watch, args=(client, IDLE_SECONDS)) for _, client in links]
    for one in quiet:
        one.start()
    for one in quiet:
        one.join()
    for install, client in links:
        assert install.all("disconnected") == [] and client.all("disconnected") == [], (install.name, client.name)
        assert client.ask("resources:list")["status"] == "success"
        assert len(client.all("ack")) == 1, "the client had to join anew"


def watch(client, seconds):
    client.watch("disconnected", lambda reason: True, seconds)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_without_heartbeats_idle_links_end(behind, kind):
    """What the test above would see if the relay were silent for longer than the proxy's patience."""
    proxy = behind(
        kind, [(old, new.replace("10s", "2s")) for old, new in SCALED[kind]], heartbeat_interval="60s", first_message_timeout="60s")
    sockets = [EngineSocket(proxy.seen_from("127.0.0.1")), RawWebSocket(proxy.seen_from("127.0.0.1"), "/link")]
    for one in sockets:
        assert one.refused is None
        assert one.end().code is None


def wrong_code(proxy, source, forged):
    """The refusal of a join with a wrong code from that address."""
    one = EngineSocket(proxy.seen_from(source), headers=[f"X-Forwarded-For: {forged}"])
    try:
        return json.loads(one.enter("client", "00000%d" % (hash(forged) % 10))[-1][3:])[0]["code"]
    finally:
        one.close()


def test_addresses_are_the_clients_own(behind, kind):
    """The wrong codes of one address lock out that address and not its neighbour, whatever they claim."""
    proxy = behind(kind, log_level="info")
    refusals = [wrong_code(proxy, "127.0.0.2", f"198.51.100.{number}") for number in range(7)]
    assert refusals[0] == "unknown_code" and refusals[-1] == "too_many_tries", refusals
    assert wrong_code(proxy, "127.0.0.3", "127.0.0.2") == "unknown_code"
    assert proxy.api("GET", "/api/link", token="lr_wrong").status == 401
    assert "198.51.100." not in proxy.relay.log


def test_restart_behind_the_proxy(behind, kind, paired):
    """The relay drains and comes back on its port: every link returns and works, and nobody loses a key."""
    proxy = behind(kind, drain_window="1s")
    links = [paired(proxy, extension, **web) for extension, web, _ in LINKS]
    marks = [(install.mark(), client.mark()) for install, client in links]
    keys = [client.key for _, client in links]
    assert proxy.relay.stop() == 0
    proxy.relay.restart()
    for (install, client), (install_mark, client_mark), key in zip(links, marks, keys):
        assert install.wait("ack", since=install_mark, seconds=60)["success"] is True
        if client.name == "native web":
            # Says when and why it ended, and leaves coming back to whoever uses it.
            assert client.wait("disconnected", since=client_mark) == 4000
        else:
            assert client.wait("ack", since=client_mark, seconds=60)["success"] is True
            client.wait_presence(client=1, sd=1, since=client_mark, seconds=60)
            assert client.ask("resources:list")["status"] == "success"
        assert install.all("kicked") == [] and client.all("kicked") == []
        assert install.tell("stored_key") == key

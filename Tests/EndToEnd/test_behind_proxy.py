"""Behind a proxy: the PROXY protocol, X-Forwarded-For and X-Forwarded-Proto, and the Unix socket that a proxy talks to.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import subprocess

import pytest

from admin_client import call
from wire import ENGINE_PATH, Ended, RawSocket, RawWebSocket

CLIENT, OTHER = "203.0.113.9", "203.0.113.10"
POLLING = f"{ENGINE_PATH}?EIO=4&transport=polling"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def status(relay, headers, path=POLLING):
    return relay.api("GET", path, token=False, headers=headers).status


# X-Forwarded-*


def test_forwarded_address_is_what_counts(make_relay):
    relay = make_relay(trusted_proxies="127.0.0.1", connections_per_address=2)
    for _ in range(2):
        assert status(relay, {"X-Forwarded-For": f"10.0.0.1, {CLIENT}"}) == 200
    assert status(relay, {"X-Forwarded-For": CLIENT}) == 429
    assert status(relay, {"X-Forwarded-For": f"{OTHER}, {CLIENT}"}) == 429, "what a client writes itself"
    assert status(relay, {"X-Forwarded-For": OTHER}) == 200
    assert RawWebSocket(relay, "/link", [f"X-Forwarded-For: {CLIENT}"]).refused == 429
    assert RawWebSocket(relay, "/link", [f"X-Forwarded-For: {OTHER}"]).refused is None


def test_blocks_are_of_the_forwarded_address(make_relay):
    relay = make_relay(trusted_proxies="127.0.0.1")
    assert call(relay, "POST", "/blocks", {"network": f"{CLIENT}/32"}).status < 300
    for path in (POLLING, "/api/link"):
        assert status(relay, {"X-Forwarded-For": CLIENT}, path) == 403
        assert status(relay, {"X-Forwarded-For": f"{CLIENT}, {OTHER}"}, path) != 403
    assert RawWebSocket(relay, "/link", [f"X-Forwarded-For: {CLIENT}"]).refused == 403


def test_nobody_else_is_believed(make_relay):
    relay = make_relay(trusted_proxies="10.0.0.0/8", connections_per_address=1)
    for _ in range(3):
        assert status(relay, {"X-Forwarded-For": CLIENT}) == 200, "loopback is not counted, whatever it claims"
    ticket = relay.sign_in_url().partition("#ticket=")[2]
    answer = relay.api(
        "POST", "/api/session", {"ticket": ticket}, token=False, headers={"Origin": relay.url, "X-Forwarded-Proto": "https"})
    assert answer.status == 200 and "Secure" not in answer.headers["Set-Cookie"]


def test_forwarded_scheme(make_relay):
    relay = make_relay(trusted_proxies="127.0.0.1", hsts_max_age="1h")
    secure, own = {"X-Forwarded-Proto": "https"}, relay.url.replace("http:", "https:")
    ticket = relay.sign_in_url().partition("#ticket=")[2]
    answer = relay.api("POST", "/api/session", {"ticket": ticket}, token=False, headers={"Origin": own, **secure})
    assert answer.status == 200 and "; Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=3600"
    for path in ("/link", f"{ENGINE_PATH}?EIO=4&transport=websocket"):
        assert RawWebSocket(relay, path, [f"Origin: {own}", "X-Forwarded-Proto: https"]).refused is None
        assert RawWebSocket(relay, path, [f"Origin: {own}"]).refused == 403
        assert RawWebSocket(relay, path, [f"Origin: {relay.url}", "X-Forwarded-Proto: https"]).refused == 403
    assert status(relay, {"Origin": own, **secure}) == 200 and status(relay, {"Origin": own}) == 403


# PROXY protocol


def through(relay, head, rest=HEALTH):
    """One connection that begins with those bytes; the status of its answer, None when it was just ended."""
    one = RawSocket(relay)
    try:
        one.send(head)
        one.send(rest)
        return one.response()[0]
    except (Ended, ConnectionError):
        return None
    finally:
        one.close()


def proxied(client):
    return b"PROXY TCP4 %s 127.0.0.1 5555 80\r\n" % client.encode()


@pytest.fixture
def fronted(make_relay, closing):
    """A relay that wants a header, and beside it the means to call it."""
    return make_relay(proxy_protocol="on", trusted_proxies="127.0.0.1", connections_per_address=1, head_timeout="1s")


def test_proxy_header_names_the_client(fronted):
    opening = b"GET " + POLLING.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert through(fronted, proxied(CLIENT), opening) == 200
    assert through(fronted, proxied(CLIENT), opening) == 429
    second = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton(OTHER) + bytes([127, 0, 0, 1, 1, 2, 3, 4])
    assert through(fronted, second, opening) == 200
    assert through(fronted, second, opening) == 429
    # The client's own claims count for nothing: its address is no proxy's.
    assert through(fronted, proxied(CLIENT), opening.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")) == 429


def test_proxy_header_is_required(fronted):
    assert through(fronted, b"") is None
    assert through(fronted, b"PROXY TCP4 nonsense\r\n") is None
    assert through(fronted, b"PROXY UNKNOWN\r\n") == 200
    silent = RawSocket(fronted)
    with pytest.raises(Ended):
        silent.more()


def test_proxy_header_from_a_stranger(make_relay):
    relay = make_relay(proxy_protocol="on", trusted_proxies="10.0.0.0/8")
    assert through(relay, proxied(CLIENT)) is None


def test_proxy_header_where_none_belongs(relay):
    assert through(relay, proxied(CLIENT)) == 400


def test_proxy_header_before_tls(make_relay):
    relay = make_relay(proxy_protocol="on", trusted_proxies="127.0.0.1", tls_self_signed="on")
    with socket.create_connection((relay.host, relay.port), timeout=20) as plain:
        plain.sendall(proxied(CLIENT))
        with relay.trust.wrap_socket(plain, server_hostname="localhost") as inside:
            inside.sendall(HEALTH)
            assert inside.recv(4096).startswith(b"HTTP/1.1 200 ")


# Unix socket


def curl_unix(path):
    done = subprocess.run(
        ["curl", "--silent", "--max-time", "20", "--unix-socket", str(path), "http://localhost/healthz"], capture_output=True, timeout=30)
    return done.stdout


def test_unix_socket(make_relay, tmp_path):
    path = tmp_path / "relayd.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    assert path.is_socket(), "a process that was killed leaves this behind"
    relay = make_relay(listen=f"unix:{path}", tls_self_signed="on", trusted_proxies="unix")
    assert path.stat().st_mode & 0o777 == 0o660
    assert curl_unix(path) == b'{"status":"ok"}', "TLS is for the network"
    assert relay.stop() == 0
    assert not path.exists()


def test_unix_socket_of_a_living_relay_is_left_alone(make_relay, tmp_path):
    path = tmp_path / "relayd.sock"
    make_relay(listen=f"unix:{path}")
    with pytest.raises(RuntimeError, match="cannot listen on .*in use"):
        make_relay(listen=f"unix:{path}")
    assert curl_unix(path) == b'{"status":"ok"}'


def test_unix_socket_after_a_kill(make_relay, tmp_path):
    path = tmp_path / "relayd.sock"
    relay = make_relay(listen=f"unix:{path}")
    relay.kill()
    assert path.is_socket()
    relay.restart()
    assert curl_unix(path) == b'{"status":"ok"}'

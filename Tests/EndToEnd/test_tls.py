"""TLS with the clients that people have: openssl, curl, python clients, a browser; new certificates while connections stay open.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import re
import shutil
import signal
import socket
import ssl
import subprocess

import pytest
import websockets.sync.client

from page_browser import Page
from relay_process import BINARY, ENVIRONMENT

SECONDS = 20


@pytest.fixture
def secure(make_relay):
    return make_relay(tls_self_signed="on")


@pytest.fixture
def life():
    """Leaves at the end of the test what it enters."""
    with contextlib.ExitStack() as stack:
        yield stack


def s_client(relay, *words, send=b""):
    """What `openssl s_client` says of one connection."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{relay.host}:{relay.port}", "-CAfile", relay.certificate, *words],
        input=send, capture_output=True, timeout=SECONDS,
    )
    return (done.stdout + done.stderr).decode("latin-1")


def curl(*words):
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "20", *words], capture_output=True, timeout=2 * SECONDS)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def open_native(relay):
    return websockets.sync.client.connect(relay.ws_url + "/link", ssl=relay.trust, proxy=None)


def fingerprint(relay):
    """Of the certificate that a new connection meets."""
    with socket.create_connection((relay.host, relay.port), timeout=SECONDS) as plain:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(plain) as inside:
            return inside.getpeercert(binary_form=True)


def metric(relay, name):
    found = re.search(rf"^linkrelay_{name}(?:{{[^}}]*}})? (\d+)$", relay.api("GET", "/metrics").body.decode(), re.M)
    assert found, name
    return int(found.group(1))


def ended(relay, reason):
    text = relay.api("GET", "/metrics").body.decode()
    return sum(int(n) for n in re.findall(rf'^linkrelay_\S*reason="{reason}"\S* (\d+)$', text, re.M))


# openssl and curl


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_versions_and_alpn(secure, version):
    said = s_client(secure, f"-tls{version.replace('.', '_')}", "-alpn", "h2,http/1.1")
    assert "ALPN protocol: http/1.1" in said and f"TLSv{version}" in said
    assert "Verify return code: 0 (ok)" in said
    assert re.search(r"Cipher is (ECDHE|TLS_)", said)


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_tickets_resume(secure, tmp_path, version):
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    words = (f"-tls{version}", "-ign_eof")
    assert "New, TLSv1" in s_client(secure, *words, "-sess_out", str(tmp_path / "ticket"), send=request)
    said = s_client(secure, *words, "-sess_in", str(tmp_path / "ticket"), send=request)
    assert "Reused, TLSv1" in said and '{"status":"ok"}' in said


@pytest.mark.parametrize(
    "words", [("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), ("-tls1_2", "-cipher", "AES128-SHA256"), ("-alpn", "h2")]
)
def test_refused_handshakes(secure, words):
    said = s_client(secure, *words)
    assert "alert" in said and "Cipher is (NONE)" in said
    assert ended(secure, "tls_failed") == 1


def test_no_renegotiation(secure):
    """`R` on a line of its own makes s_client ask for it."""
    said = s_client(secure, "-tls1_2", send=b"R\n")
    assert "RENEGOTIATING" in said and "no renegotiation" in said
    assert secure.api("GET", "/healthz").status == 200


def test_curl_and_what_https_changes(secure, make_relay):
    assert curl("--cacert", secure.certificate, f"{secure.url}/healthz")[:2] == (0, '{"status":"ok"}')
    assert curl(f"{secure.url}/healthz")[0] == 60, "believed without being told to"
    ticket = secure.sign_in_url().partition("#ticket=")[2]
    answer = secure.api("POST", "/api/session", {"ticket": ticket}, token=False, headers={"Origin": secure.url})
    assert answer.status == 200, answer
    assert answer.headers["Set-Cookie"].startswith("__Host-") and "; Secure" in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in answer.headers
    strict = make_relay(tls_self_signed="on", hsts_max_age="1h")
    assert strict.api("GET", "/").headers["Strict-Transport-Security"] == "max-age=3600"
    # Over plain HTTP a browser would have to ignore it.
    assert "Strict-Transport-Security" not in make_relay(hsts_max_age="1h").api("GET", "/").headers


# Relaying


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
def test_socketio(secure, site, extension, monkeypatch, transports):
    for name in ("REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, secure.certificate)
    _, code = secure.new_link()
    client = site(secure, code, transports=transports)
    install = extension("a1111", secure, code)
    install.wait("upgradeKey")
    client.wait_presence(client=1, sd=1)
    assert client.ask("activities:list")["status"] == "success"
    # A picture of some megabytes: hundreds of records each way.
    answer = client.ask("image:txt2img", params={"seed": 5})
    assert answer["status"] == "success" and len(answer["images"][0]) > 1_000_000
    assert metric(secure, "tls_connections_open") >= 2


def test_native(secure, site, extension, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", secure.certificate)
    _, code = secure.new_link()
    client = site(secure, code, dialect="native")
    extension("native", secure, code).wait("upgradeKey")
    client.wait_presence(client=1, sd=1)
    assert client.ask("activities:list")["status"] == "success"


def test_page(secure, closing, extension, monkeypatch):
    """The page over https connects back over wss under its own content policy."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", secure.certificate)
    _, code = secure.new_link(name="Studio")
    install = extension("comfy", secure, code)
    install.wait("upgradeKey")
    page = closing(Page(words=["--ignore-certificate-errors"])).open(secure.sign_in_url())
    page.see(".row", "Studio").click()
    page.see_condition("Live")
    install.wait("presence", lambda seen: seen["client"] == 1)
    assert page.address.startswith("https://") and page.complaints() == []
    cookie, = page.driver.get_cookies()
    assert cookie["secure"] and cookie["httpOnly"] and cookie["name"].startswith("__Host-")


# Certificates


def make_certificate(path, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", path.with_suffix(".key"), "-out", path],
        check=True, capture_output=True,
    )
    return path


def test_new_certificate_on_hangup(make_relay, tmp_path, life):
    first = make_certificate(tmp_path / "first.pem", "first")
    second = make_certificate(tmp_path / "second.pem", "second")
    used, key = tmp_path / "used.pem", tmp_path / "used.key"
    shutil.copy(first, used)
    shutil.copy(first.with_suffix(".key"), key)
    relay = make_relay(tls_cert=str(used), tls_key=str(key))
    before = fingerprint(relay)
    client = life.enter_context(open_native(relay))
    client.send('{"event":"iam","data":{"type":"client"},"ack":1}')
    client.recv(timeout=SECONDS)

    shutil.copy(second, used)
    shutil.copy(second.with_suffix(".key"), key)
    assert "key_readable_by_others" not in relay.log
    key.chmod(0o644)
    relay.process.send_signal(signal.SIGHUP)
    relay.wait_log("certificate_read")
    relay.wait_log("key_readable_by_others")
    after = fingerprint(relay)
    assert after == ssl.PEM_cert_to_DER_cert(second.read_text()) != before

    # A file that is no certificate leaves the present one in use.
    used.write_text("no certificate")
    relay.process.send_signal(signal.SIGHUP)
    relay.wait_log("certificate_refused")
    assert fingerprint(relay) == after
    client.send('{"event":"iam","data":{"type":"client"},"ack":2}')
    assert '"ack":2' in client.recv(timeout=SECONDS)


def test_self_signed_is_kept_and_made_anew(make_relay, tmp_path):
    relay = make_relay(tls_self_signed="on")
    file = relay.data / "tls-self-signed.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    first = fingerprint(relay)
    said = re.search(r"certificate fingerprint \(SHA-256\): ([0-9A-F:]{95})", relay.wait_log("certificate fingerprint"))
    shown = subprocess.run(["openssl", "x509", "-in", file, "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True)
    assert said.group(1) in shown.stdout
    relay.stop()
    relay.restart()
    assert fingerprint(relay) == first
    relay.stop()
    relay.settings["hosts"] = "studio.lan"
    relay.restart()
    assert fingerprint(relay) != first
    assert "PRIVATE KEY" not in relay.log


def test_bad_files_do_not_start(tmp_path):
    key = make_certificate(tmp_path / "a.pem", "a").with_suffix(".key")
    other = make_certificate(tmp_path / "b.pem", "b")
    for cert, problem in [(tmp_path / "none.pem", "No such file"), (other, "key values mismatch"), (key, "no start line")]:
        done = subprocess.run(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data", "--tls-cert", cert, "--tls-key", key],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 78 and problem in done.stderr, done


# Peers that do it wrong


def test_plain_http_ends_only_itself(secure, life):
    client = life.enter_context(open_native(secure))
    code, body, _ = curl("--include", f"http://{secure.host}:{secure.port}/healthz")
    assert code == 0 and body.startswith("HTTP/1.1 400 ") and "https" in body
    client.send('{"event":"iam","data":{"type":"client"},"ack":1}')
    assert '"ack":1' in client.recv(timeout=SECONDS)
    assert ended(secure, "tls_failed") == 1


def test_half_handshakes_time_out(make_relay, closing):
    relay = make_relay(tls_self_signed="on", head_timeout="1s")
    peers = [closing(socket.create_connection((relay.host, relay.port), timeout=SECONDS)) for _ in range(3)]
    hello = ssl.MemoryBIO()
    half = relay.trust.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    first = hello.read()
    peers[1].sendall(first[:50])
    peers[2].sendall(first)
    assert peers[0].recv(1) == b"" and peers[1].recv(1) == b""
    while peers[2].recv(65536):
        pass
    assert ended(relay, "tls_failed") == 3

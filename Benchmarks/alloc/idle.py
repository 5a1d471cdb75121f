"""Anonymous memory per idle linked connection: the slope between two numbers of connections, so that what a process needs anyway is left out.

Usage: idle.py RELAYD [CASE...]. Each case has a relay of its own: `native`, `socketio` (over WebSocket) and `tls` (native over TLS), each
`-alone` (an extension alone in its room) and `-pair` (an extension and a client; figures are per connection, not per room). Everything that
grows with a link counts: key, room, timeline, session, connection. A case over its threshold is measured again, up to twice, and the
least counts: on a busy machine more threads and their heaps come in between the two numbers. Standard library only. SPDX-License-Identifier: Apache-2.0
"""

import base64
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
FIRST, LAST = 1000, 6000
# A TLS connection costs far more than the rest, on both sides: fewer of them tell as much.
FIRST_TLS, LAST_TLS = 250, 1250
SETTLE_S = 2
TRIES = 3
CASES = [f"{way}-{company}" for way in ("native", "socketio", "tls") for company in ("alone", "pair")]


def anonymous_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) * 1024


class Peer:
    """A WebSocket client that says what it must and then nothing: small masked text frames out, unmasked ones in."""

    def __init__(self, port, path, tls):
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain) if tls else plain
        self.buffer = b""
        nonce = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {nonce}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            sys.exit(f"not upgraded: {head!r}")

    def fill(self):
        got = self.socket.recv(65536)
        if not got:
            sys.exit("the relay closed a connection")
        self.buffer += got

    def send(self, text):
        payload = text.encode()
        head = bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big")
        self.socket.sendall(head + bytes(4) + payload)

    def until(self, text):
        """Reads frames until one begins with this."""
        while True:
            while len(self.buffer) < 2 or len(self.buffer) < 2 + self.buffer[1]:
                self.fill()
            length = self.buffer[1]
            if length > 125:
                sys.exit("a longer frame than expected")
            frame, self.buffer = self.buffer[2:2 + length], self.buffer[2 + length:]
            if frame.startswith(text):
                return


def linked_native(port, role, key, tls):
    peer = Peer(port, "/link", tls)
    peer.send(json.dumps({"event": "iam", "data": {"type": role}}))
    peer.send(json.dumps({"event": "join", "data": key, "ack": 1}))
    peer.until(b'{"event":"roomPresence"')
    return peer


def linked_socketio(port, role, key, tls):
    peer = Peer(port, "/api/socketio/?EIO=4&transport=websocket", tls)
    peer.until(b"0{")
    peer.send("40")
    peer.until(b"40{")
    peer.send('42["iam",' + json.dumps({"type": role}) + "]")
    peer.send('420["join",' + json.dumps(key) + "]")
    peer.until(b'42["roomPresence"')
    return peer


class Owner:
    """Makes link keys."""

    def __init__(self, port, token, tls):
        self.headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        self.http = http.client.HTTPSConnection("127.0.0.1", port, context=tls) if tls else http.client.HTTPConnection("127.0.0.1", port)

    def key(self, n):
        self.http.request("POST", "/api/link/self", json.dumps({"installId": f"idle-{n}", "name": "idle"}), self.headers)
        return json.load(self.http.getresponse())["key"]


def measure(relayd, case):
    """Bytes per connection."""
    way, company = case.split("-")
    roles = ["sd"] if company == "alone" else ["sd", "client"]
    link = linked_socketio if way == "socketio" else linked_native
    first, last = (FIRST_TLS, LAST_TLS) if way == "tls" else (FIRST, LAST)
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        # Heartbeats so far apart that nobody need answer one; else the defaults.
        arguments = [
            "--listen", "127.0.0.1:0", "--data-dir", str(data), "--instance-limit", "0", "--loops", "1", "--heartbeat-interval", "10m",
            "--heartbeat-timeout", "1h"]
        if way == "tls":
            arguments += ["--tls-self-signed", "on"]
        log = open(pathlib.Path(folder) / "log", "w")
        with subprocess.Popen([relayd, "serve", *arguments], stdout=subprocess.PIPE, stderr=log, text=True) as process:
            try:
                port = next(int(found.group(1)) for line in process.stdout if (found := re.search(r"https?://\S+:(\d+)", line)))
                tls = ssl._create_unverified_context() if way == "tls" else None
                token = subprocess.check_output([relayd, "token", "new", "owner", "--data-dir", str(data)], text=True).strip()
                owner = Owner(port, token, tls)
                peers, found = [], []
                for count in (first, last):
                    while len(peers) < count:
                        key = owner.key(len(peers))
                        peers += [link(port, role, key, tls) for role in roles]
                    time.sleep(SETTLE_S)
                    found.append(anonymous_bytes(process.pid))
            finally:
                process.terminate()
    return (found[1] - found[0]) / (last - first)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    relayd, cases = sys.argv[1], sys.argv[2:] or CASES
    limits = json.loads((HERE.parent / "thresholds.json").read_text())["bytes_per_idle_linked_connection"]
    found = {}
    for case in cases:
        for _ in range(TRIES):
            found[case] = min(found.get(case, sys.maxsize), round(measure(relayd, case)))
            if found[case] <= limits[case]:
                break
    print(json.dumps({"bytes_per_idle_linked_connection": found}))
    # Thresholds only ever tighten.
    over = {case: value for case, value in found.items() if value > limits[case]}
    sys.exit(f"over its threshold: {over}" if over else 0)


if __name__ == "__main__":
    main()

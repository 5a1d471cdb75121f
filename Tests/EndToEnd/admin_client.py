"""The operator's surface over its Unix socket, or over TCP with a token.

Runs in the test's own process and thread. SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import re
import socket

from relay_process import Answer

SECONDS = 20


class SocketConnection(http.client.HTTPConnection):
    """HTTP over the socket in a relay's data directory, however long the directory's name is."""

    def __init__(self, relay):
        super().__init__("localhost", timeout=SECONDS)
        self.directory = relay.data

    def connect(self):
        directory = os.open(self.directory, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(SECONDS)
            self.sock.connect(f"/proc/self/fd/{directory}/admin.sock")
        finally:
            os.close(directory)


def tcp_address(relay):
    """`(host, port)` of a relay with `admin_listen="127.0.0.1:0"`."""
    found = re.findall(r"admin at http://([^\s:]+):(\d+)", relay.log)
    assert found, relay.log
    # The newest: a restarted relay has another port.
    return found[-1][0], int(found[-1][1])


def call(relay, method, path, body=None, headers=None, address=None):
    """One request to `/admin/v1` + path, or to `path` as it is if it starts with another word."""
    if path.startswith("/") and not path.startswith(("/admin", "/console", "/metrics", "/css", "/js")):
        path = "/admin/v1" + path
    connection = http.client.HTTPConnection(*address, timeout=SECONDS) if address else SocketConnection(relay)
    sent = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def get(relay, path):
    answer = call(relay, "GET", path)
    assert answer.status == 200, answer
    return answer.json


def room_id(relay):
    """The id of the only room."""
    rooms = get(relay, "/rooms")
    assert rooms["total"] == 1, rooms
    return rooms["items"][0]["id"]


def logged(relay, text):
    """Waits until the log has that text: what the relay wrote before it answered may arrive after the answer."""
    relay.wait_log(text)
    return True


def limit(relay, name):
    return next(one for one in get(relay, "/limits")["items"] if one["name"] == name)

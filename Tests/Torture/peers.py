"""Peers by hand for well-behaved and ill-behaved processes alike: the upgrade, joining, frames in and out, floods.

Standard library only; any thread, one per socket. Loopback or a network of the case's own. SPDX-License-Identifier: Apache-2.0
"""
import selectors
import socket
import struct
import time

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SECONDS = 20
NATIVE_PATH, ENGINE_PATH = "/link", "/api/socketio/?EIO=4&transport=websocket"
NO_MASK = b"\0\0\0\0"


def frame(opcode, payload=b"", fin=True, rsv=0):
    """One masked frame; the mask is zero, so that making it costs next to nothing."""
    return header(opcode, len(payload), fin, rsv) + payload


def header(opcode, size, fin=True, rsv=0):
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        return first + bytes([0x80 | size]) + NO_MASK
    if size < 65536:
        return first + b"\xfe" + struct.pack(">H", size) + NO_MASK
    return first + b"\xff" + struct.pack(">Q", size) + NO_MASK


class Frames:
    """Cuts what a server sends into `(opcode, payload)`; a server that fragments is not met here."""

    def __init__(self):
        self.unread = bytearray()

    def feed(self, data):
        self.unread += data
        while len(self.unread) >= 2:
            size, start = self.unread[1] & 127, 2
            if size == 126:
                size, start = int.from_bytes(self.unread[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(self.unread[2:10], "big"), 10
            if len(self.unread) < start + size:
                return
            whole = self.unread[0] & 15, bytes(self.unread[start:start + size])
            del self.unread[:start + size]
            yield whole


def dial(address, seconds=SECONDS, receive_bytes=None, source=None):
    """A TCP connection; `receive_bytes` limits what the kernel takes for somebody who does not read."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    if source:
        made.bind((source, 0))
    made.settimeout(seconds)
    made.connect(address)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def upgrade(address, path, extra="", **more):
    """A WebSocket; what came behind the answer's head is returned as well."""
    made = dial(address, **more)
    made.sendall((
        f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = made.recv(4096)
        if not data:
            raise ConnectionError(f"no answer to the upgrade: {head[:60]!r}")
        head += data
    if not head.startswith(b"HTTP/1.1 101"):
        made.close()
        raise ConnectionError(f"refused: {head[:60]!r}")
    return made, head.split(b"\r\n\r\n", 1)[1]


def greet(address, key, role, is_native, extra="", **more):
    """A member that has joined its room, its join acknowledged."""
    made, rest = upgrade(address, NATIVE_PATH if is_native else ENGINE_PATH, extra, **more)
    if is_native:
        made.sendall(frame(TEXT, b'{"event":"iam","data":{"type":"%s"}}' % role.encode()))
        made.sendall(frame(TEXT, b'{"event":"join","data":"%s","ack":1}' % key.encode()))
    else:
        made.sendall(frame(TEXT, b"40") + frame(TEXT, b'42["iam",{"type":"%s"}]' % role.encode()))
        made.sendall(frame(TEXT, b'420["join","%s"]' % key.encode()))
    while b'"Joined"' not in rest:
        data = made.recv(4096)
        if not data:
            raise ConnectionError(f"no answer to the join: {rest[-120:]!r}")
        rest += data
    return made


def flood(sockets, data, seconds, is_once=False):
    """Writes `data` over and over, or once, to whoever takes it, reading nothing: `(bytes written, sockets ended by the relay)`."""
    ready, total, ended = selectors.DefaultSelector(), 0, 0
    for one in sockets:
        one.setblocking(False)
        ready.register(one, selectors.EVENT_WRITE, [0])
    view, deadline = memoryview(data), time.monotonic() + seconds
    while time.monotonic() < deadline and ready.get_map():
        for key, _ in ready.select(0.1):
            try:
                sent = key.fileobj.send(view[key.data[0]:])
            except BlockingIOError:
                continue
            except OSError:
                ready.unregister(key.fileobj)
                ended += 1
                continue
            total += sent
            key.data[0] = (key.data[0] + sent) % len(data)
            if is_once and key.data[0] == 0:
                ready.unregister(key.fileobj)
    ready.close()
    return total, ended


def has_ended(one):
    """Whether the relay has ended this connection; reads away what is there."""
    one.setblocking(False)
    try:
        while True:
            if not one.recv(1 << 20):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True

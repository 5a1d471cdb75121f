"""Hand-made wire: raw sockets, a WebSocket that sends any frame, an Engine.IO polling session of single requests.

For transcripts and abuse, where a library would be too well-behaved. Bytes in, bytes out; deadlines everywhere.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import http.client
import json
import os
import socket
import struct

SECONDS = 20
ENGINE_PATH = "/api/socketio/"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SEPARATOR = b"\x1e"


class Ended(Exception):
    """The peer ended the connection; `code` and `reason` of its close frame, `code` None without one."""

    def __init__(self, code=None, reason=b""):
        super().__init__(f"ended with {code} {reason!r}")
        self.code, self.reason = code, reason


class RawSocket:
    """One TCP connection, or whatever `relay.dial` makes."""

    def __init__(self, relay, seconds=SECONDS, port=None):
        dial = getattr(relay, "dial", None)
        self.socket = dial(seconds) if dial else socket.create_connection((relay.host, port or relay.port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""

    def send(self, data):
        """Sends; a peer that has ended already is found out by the next read, with its reason."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass

    def more(self):
        """Reads once more; `Ended` at the end or on a reset."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            raise Ended()
        self.unread += data

    def exactly(self, count):
        if len(self.unread) < count:
            parts, have = [self.unread], len(self.unread)
            while have < count:
                self.unread = b""
                self.more()
                parts.append(self.unread)
                have += len(self.unread)
            self.unread = b"".join(parts)
        data, self.unread = self.unread[:count], self.unread[count:]
        return data

    def until(self, mark):
        while mark not in self.unread:
            self.more()
        data, self.unread = self.unread.split(mark, 1)
        return data + mark

    def rest(self):
        """Everything until the peer ends."""
        try:
            while True:
                self.more()
        except Ended:
            return self.unread

    def response(self):
        """One HTTP answer: `(status, headers, body)`; names lower-cased."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = self.exactly(int(headers["content-length"])) if status >= 200 and "content-length" in headers else b""
        return status, headers, body

    def reset(self):
        """Ends with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def masked(payload, mask):
    repeated = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(len(payload), "little")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x01\x02\x03\x04"):
    """One WebSocket frame; `mask=None` leaves it unmasked."""
    size = len(payload)
    bit = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    return head + (mask + masked(payload, mask) if mask else payload)


class RawWebSocket(RawSocket):
    """A WebSocket after its handshake. `refused` is the HTTP status when there is none."""

    def __init__(self, relay, path, headers=(), seconds=SECONDS, key=None, port=None):
        super().__init__(relay, seconds, port)
        key = key or base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {relay.host}:{relay.port}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *headers,
        ]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        self.status, self.headers, self.body = self.response()
        self.refused = None if self.status == 101 else self.status

    def text(self, payload):
        self.send(frame(TEXT, payload if isinstance(payload, bytes) else payload.encode()))

    def take_frame(self):
        """One frame: `(fin, opcode, payload)`."""
        first, second = self.exactly(2)
        size = second & 0x7F
        if size == 126:
            size, = struct.unpack(">H", self.exactly(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.exactly(8))
        assert not second & 0x80, "a server's frame must not be masked"
        return bool(first & 0x80), first & 0x0F, self.exactly(size)

    def take(self):
        """The next text or binary message's bytes; answers pings on the way; `Ended` at the end."""
        parts = []
        while True:
            fin, opcode, payload = self.take_frame()
            if opcode == PING:
                self.send(frame(PONG, payload))
            elif opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
                raise Ended(code, payload[2:])
            elif opcode != PONG:
                parts.append(payload)
                if fin:
                    return b"".join(parts)

    def end(self):
        """Reads on until the peer ends the connection; how it did."""
        try:
            while True:
                self.take()
        except Ended as ended:
            return ended


class EngineSocket(RawWebSocket):
    """Engine.IO over WebSocket from the start: packets by hand, pings answered."""

    def __init__(self, relay, query="EIO=4&transport=websocket", headers=(), is_opening=True, port=None):
        super().__init__(relay, f"{ENGINE_PATH}?{query}", headers, port=port)
        self.seen = []
        if is_opening and self.refused is None:
            opening = self.take()
            assert opening[:1] == b"0", opening
            self.opening = json.loads(opening[1:])

    def packet(self):
        """The next packet that is neither ping nor noop; pings are answered."""
        while True:
            packet = self.take()
            if packet == b"2":
                self.text("3")
            if packet in (b"2", b"6"):
                continue
            self.seen.append(packet)
            return packet

    def enter(self, role, key=None, ack=0, **more):
        """CONNECT, `iam` and, with a key, `join`; returns the packets up to and with the join's acknowledgement."""
        self.text("40")
        connected = self.packet()
        assert connected.startswith(b'40{"sid":"'), connected
        self.text("42" + json.dumps(["iam", {"type": role, **more}]))
        if key is None:
            return []
        self.text(f"42{ack}" + json.dumps(["join", key]))
        return self.upto(b"43%d[" % ack)

    def upto(self, start):
        """The packets up to and with the first that begins so."""
        taken = []
        while True:
            taken.append(self.packet())
            if taken[-1].startswith(start):
                return taken


class NativeSocket(RawWebSocket):
    """The native dialect, one JSON object a message."""

    def __init__(self, relay):
        super().__init__(relay, "/link")

    def enter(self, role, key):
        """`iam` and `join`; the messages up to and with the join's acknowledgement."""
        self.text(json.dumps({"event": "iam", "data": {"type": role}}))
        self.text(json.dumps({"event": "join", "data": key, "ack": 0}))
        taken = []
        while not taken or json.loads(taken[-1]).get("ack") != 0:
            taken.append(self.take())
        return taken


class PollingSession:
    """Engine.IO long polling, one request at a time, on one kept connection each for GET and POST."""

    def __init__(self, relay, headers=None, query="EIO=4&transport=polling"):
        self.relay, self.headers = relay, headers or {}
        self.answers = []
        status, _, body = self.request("GET", query)
        assert status == 200, (status, body)
        packets = body.split(SEPARATOR)
        assert packets[0][:1] == b"0", body
        self.opening = json.loads(packets[0][1:])
        self.sid = self.opening["sid"]
        self.early = packets[1:]

    def request(self, method, query, body=None, seconds=SECONDS, headers=None):
        dial = getattr(self.relay, "http", None)
        connection = dial(seconds) if dial else http.client.HTTPConnection(self.relay.host, self.relay.port, timeout=seconds)
        try:
            sent = {**self.headers, **(headers or {})}
            if body is not None:
                sent.setdefault("Content-Type", "text/plain;charset=UTF-8")
            connection.request(method, f"{ENGINE_PATH}?{query}", body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    @property
    def query(self):
        return f"EIO=4&transport=polling&sid={self.sid}"

    def get(self, seconds=SECONDS):
        """One poll: its packets."""
        status, _, body = self.request("GET", self.query, seconds=seconds)
        assert status == 200, (status, body)
        packets = body.split(SEPARATOR)
        self.answers.append(packets)
        return packets

    def post(self, *packets):
        return self.post_raw(SEPARATOR.join(one if isinstance(one, bytes) else one.encode() for one in packets))

    def post_raw(self, body):
        status, _, answer = self.request("POST", self.query, body=body)
        return status, answer

    def upto(self, start):
        """Polls until a packet begins so; all packets on the way, pings answered."""
        taken, self.early = [one for one in self.early], []
        while not any(one.startswith(start) for one in taken):
            for packet in self.get(seconds=60):
                if packet == b"2":
                    self.post("3")
                else:
                    taken.append(packet)
        return taken

    def enter(self, role, key, ack=0):
        assert self.post("40", "42" + json.dumps(["iam", {"type": role}]), f"42{ack}" + json.dumps(["join", key]))[0] == 200
        return self.upto(b"43%d[" % ack)

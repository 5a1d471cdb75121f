"""Rooms of well-behaved people, in a process of its own: commands at a steady rate, each answered, timed and booked.

Half of the pairs speak native on either side, so that all four combinations of dialects occur. Open loop: a command is timed from when
it was due, so a relay that stalls is charged for what had to wait. Nothing reconnects: a connection that ends is a session lost.
Usage: healthy.py HOST PORT KEYS-FILE COMMANDS-PER-SECOND; orders and answers are JSON lines. SPDX-License-Identifier: Apache-2.0
"""
import gc
import json
import re
import selectors
import socket
import sys
import time

from peers import PING, PONG, CLOSE, Frames, frame, greet

IDENTIFIER = re.compile(rb'"id":"h(\d+)-(\d+)"')
ACK = re.compile(rb'^(?:\{"event":"ack","ack":(\d+),"data":|43(\d+)\[)\{"success":(true|false)')
PAD = b"x" * 120


class Member:
    """One connection of a pair."""

    def __init__(self, address, key, role, is_native):
        self.is_native, self.role = is_native, role
        self.socket = greet(address, key, role, is_native)
        self.socket.setblocking(False)
        self.frames = Frames()
        self.unsent = b""
        self.is_lost = False

    def send(self, payload):
        self.write(frame(1, payload))

    def event(self, name, payload, ack=None):
        if self.is_native:
            number = b"" if ack is None else b',"ack":%d' % ack
            self.send(b'{"event":"%s","data":%s%s}' % (name, payload, number))
        else:
            self.send(b'42%s["%s",%s]' % (b"" if ack is None else b"%d" % ack, name, payload))

    def write(self, data):
        self.unsent += data
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):]
        except BlockingIOError:
            pass

    def messages(self):
        """The text messages that have come; pings of both kinds are answered."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the relay ended the connection")
        for opcode, payload in self.frames.feed(data):
            if opcode == PING:
                self.write(frame(PONG, payload))
            elif opcode == CLOSE:
                raise ConnectionError(f"closed with {int.from_bytes(payload[:2], 'big')}")
            elif payload == b"2" and not self.is_native:
                self.send(b"3")
            else:
                yield payload


class Pair:
    """A client and an extension; books what was sent, acknowledged, carried out and answered."""

    def __init__(self, number, address, key):
        self.number = number
        self.sd = Member(address, key, "sd", is_native=number % 2 == 0)
        self.client = Member(address, key, "client", is_native=number % 4 < 2)
        self.due = []
        self.acked, self.refused = set(), 0
        self.carried_out = self.answered = 0
        self.disordered = 0
        self.relay_said = []

    def command(self, due):
        self.due.append(due)
        number = len(self.due) - 1
        self.client.event(b"command", b'{"id":"h%d-%d","type":"activities:list","pad":"%s"}' % (self.number, number, PAD), ack=number + 10)

    def take_at_sd(self, message):
        found = IDENTIFIER.search(message)
        if found and b'"command"' in message:
            self.disordered += int(found.group(2)) != self.carried_out
            self.carried_out += 1
            self.sd.event(b"commandStatus", b'{"id":"h%s-%s","type":"activities:list","status":"success"}' % found.groups())

    def take_at_client(self, message, now):
        """The latency of the command that this message answers, or None."""
        acknowledged = ACK.match(message)
        if acknowledged:
            number = int(acknowledged.group(1) or acknowledged.group(2)) - 10
            if acknowledged.group(3) == b"true":
                self.acked.add(number)
            else:
                self.refused += 1
            return None
        found = IDENTIFIER.search(message)
        if not found or b'"commandStatus"' not in message:
            return None
        if b'"success"' not in message:
            self.relay_said.append(message.decode("utf-8", "replace")[:200])
        number = int(found.group(2))
        self.disordered += number != self.answered
        self.answered += 1
        return self.due[number], now - self.due[number]


class Crowd:
    def __init__(self, address, keys, rate):
        self.pairs = [Pair(number, address, key) for number, key in enumerate(keys)]
        self.gap, self.next_due, self.turn = 1 / rate, 0.0, 0
        self.is_sending = True
        self.windows = [["start", time.monotonic(), []]]
        self.lost_sessions = []
        self.watched = selectors.DefaultSelector()
        for pair in self.pairs:
            for member in (pair.sd, pair.client):
                self.watched.register(member.socket, selectors.EVENT_READ, (pair, member))
        self.watched.register(sys.stdin, selectors.EVENT_READ, None)

    def run(self):
        self.next_due = time.monotonic()
        while True:
            now = time.monotonic()
            while self.is_sending and self.next_due <= now:
                self._send(self.next_due)
                self.next_due += self.gap
            wait = max(0.0, self.next_due - time.monotonic()) if self.is_sending else 0.05
            for key, _ in self.watched.select(min(wait, 0.05)):
                if key.data is None:
                    if not self._order(sys.stdin.readline()):
                        return
                else:
                    self._read(*key.data)
            for pair in self.pairs:
                for member in (pair.sd, pair.client):
                    if member.unsent:
                        self._guarded(pair, member, lambda: member.write(b""))

    def _send(self, due):
        pair = self.pairs[self.turn % len(self.pairs)]
        self.turn += 1
        self._guarded(pair, pair.client, lambda: pair.command(due))

    def _read(self, pair, member):
        def take():
            for message in member.messages():
                if member is pair.sd:
                    pair.take_at_sd(message)
                else:
                    self._book(pair.take_at_client(message, time.monotonic()))
        self._guarded(pair, member, take)

    def _book(self, timed):
        if timed:
            due, latency = timed
            next(window for window in reversed(self.windows) if window[1] <= due or window is self.windows[0])[2].append(latency)

    def _guarded(self, pair, member, work):
        if member.is_lost:
            return
        try:
            work()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.lost_sessions.append(f"room {pair.number} {member.role}: {error}")
            self.watched.unregister(member.socket)
            member.is_lost, member.unsent = True, b""

    def _order(self, line):
        order = json.loads(line) if line else {"order": "stop"}
        if order["order"] == "window":
            self.windows.append([order["name"], time.monotonic(), []])
        elif order["order"] == "rest":
            self.is_sending = False
        answer = {
            "sent": sum(len(pair.due) for pair in self.pairs), "acked": sum(len(pair.acked) for pair in self.pairs),
            "refused": sum(pair.refused for pair in self.pairs), "answered": sum(pair.answered for pair in self.pairs),
            "disordered": sum(pair.disordered for pair in self.pairs), "lost_sessions": self.lost_sessions,
            "relay_said": [one for pair in self.pairs for one in pair.relay_said][:5],
            "windows": {name: summary(values) for name, _, values in self.windows},
        }
        print(json.dumps(answer), flush=True)
        return order["order"] != "stop"


def summary(values):
    """In milliseconds."""
    if not values:
        return {"n": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    ranked = sorted(values)
    at = lambda share: round(ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1000, 2)
    return {"n": len(ranked), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}


def main():
    host, port, path, rate = sys.argv[1:]
    with open(path, encoding="ascii") as file:
        keys = file.read().split()
    crowd = Crowd((host, int(port)), keys, float(rate))
    gc.disable()
    print(json.dumps({"ready": len(keys)}), flush=True)
    crowd.run()


if __name__ == "__main__":
    main()

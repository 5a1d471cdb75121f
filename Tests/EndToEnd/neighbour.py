"""A healthy pair that keeps exchanging and measuring while somebody else misbehaves.

A thread of its own; raw packets, so that nothing but the relay is measured.
SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

from wire import Ended, EngineSocket, RawWebSocket


class Neighbours:
    """`with Neighbours(relay) as pair:`; at the end every exchange was answered, each within `worst_seconds`."""

    def __init__(self, relay, worst_seconds=3.0):
        self.relay, self.worst_seconds = relay, worst_seconds
        self.exchanges, self.slowest, self.failure = 0, 0.0, None
        self._stop = threading.Event()
        self._moved = threading.Condition()

    def __enter__(self):
        _, key = self.relay.pair_self("healthy-neighbours")
        self.install = RawWebSocket(self.relay, "/link")
        self.install.text('{"event":"iam","data":{"type":"sd"}}')
        self.install.text('{"event":"join","data":"%s","ack":1}' % key)
        self.client = EngineSocket(self.relay)
        self.client.enter("client", key)
        self.client.upto(b'42["roomPresence",{"client":1,"sd":1}]')
        self.process = self.relay.process.pid
        threading.Thread(target=self._exchange, daemon=True).start()
        self.wait_exchanges(3)
        return self

    def _exchange(self):
        try:
            while not self._stop.is_set():
                self._one()
        except (Ended, OSError, AssertionError) as error:
            self.failure = error
        with self._moved:
            self._moved.notify_all()

    def _one(self):
        number = self.exchanges
        begun = time.monotonic()
        self.client.text('42["command",{"id":"h%d","type":"activities:list"}]' % number)
        wanted = b'"id":"h%d"' % number
        while wanted not in (message := self.install.take()):
            assert b'"command"' not in message, f"another command: {message!r}"
        self.install.text('{"event":"commandStatus","data":{"id":"h%d","status":"success"}}' % number)
        packet = self.client.packet()
        assert packet == b'42["commandStatus",{"id":"h%d","status":"success"}]' % number, packet
        self.slowest = max(self.slowest, time.monotonic() - begun)
        with self._moved:
            self.exchanges += 1
            self._moved.notify_all()
            # A steady exchange, not a load test: the machine's cores are for the abuse.
            self._moved.wait_for(self._stop.is_set, 0.01)

    def wait_exchanges(self, count):
        """Waits for so many more."""
        with self._moved:
            wanted = self.exchanges + count
            done = self._moved.wait_for(lambda: self.exchanges >= wanted or self.failure, 20)
        assert done and self.failure is None, f"the neighbours stopped after {self.exchanges}: {self.failure!r}"

    def __exit__(self, kind, *ignored):
        try:
            if kind is None:
                self.wait_exchanges(5)
                assert self.relay.is_running and self.relay.process.pid == self.process
                assert self.slowest < self.worst_seconds, f"an exchange took {self.slowest:.2f} s"
        finally:
            self._stop.set()
            with self._moved:
                self._moved.notify_all()
            self.install.close()
            self.client.close()

"""A TCP proxy whose connections can be cut with RST, or go silent, as networks do.

Threads of its own, loopback only.
SPDX-License-Identifier: Apache-2.0
"""
import socket
import struct
import threading
import time


class TCPProxy:
    """`port` forwards to the relay until told otherwise."""

    def __init__(self, relay):
        self.relay, self.host = relay, "127.0.0.1"
        self.listener = socket.create_server((self.host, 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"
        self.ws_url = f"ws://{self.host}:{self.port}"
        self.certificate = self.trust = None
        self.is_refusing = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._pairs = []
        self._moved = time.monotonic()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.is_refusing:
                self._reset(near)
                continue
            try:
                far = socket.create_connection((self.relay.host, self.relay.port), timeout=10)
            except OSError:
                self._reset(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._pairs.append((near, far))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source, target):
        try:
            while data := source.recv(1 << 16):
                self._flowing.wait()
                self._moved = time.monotonic()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for one in (source, target):
                one.close()

    @staticmethod
    def _reset(one):
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.shutdown(socket.SHUT_RD)
        except OSError:
            pass
        one.close()

    def settle(self, seconds=0.3, patience=15):
        """Waits until nothing has passed for so long."""
        deadline = time.monotonic() + patience
        while (left := self._moved + seconds - time.monotonic()) > 0:
            assert time.monotonic() < deadline, "something passes all the time"
            time.sleep(left)

    def cut(self):
        """Ends every connection with RST, on both sides; new ones are taken at once."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for near, far in pairs:
            self._reset(near)
            self._reset(far)
        return len(pairs)

    def blackhole(self, on=True):
        """Nothing passes and nobody is told."""
        self._flowing.clear() if on else self._flowing.set()

    def refuse(self, on=True):
        self.is_refusing = on

    def close(self):
        self.listener.close()
        self._flowing.set()
        self.cut()

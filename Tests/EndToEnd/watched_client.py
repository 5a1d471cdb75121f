"""The Socket.IO client library, with commands reported in the order in which they come over the wire.

The library hands each packet, and then each event, to a thread of its own, so that its callbacks may run in any order:
that is the library's doing and no matter of the relay's. Nothing of its behaviour is changed here. For both generations.
SPDX-License-Identifier: Apache-2.0
"""
import json

import engineio
import socketio

from script_loop import saw

COMMAND = '2["command",'


class WatchedEngine(engineio.Client):
    def _receive_packet(self, pkt):
        if isinstance(pkt.data, str) and pkt.data.startswith(COMMAND):
            saw("arrived", json.loads(pkt.data[1:])[1].get("id"))
        super()._receive_packet(pkt)


class WatchedClient(socketio.Client):
    def _engineio_client_class(self):
        return WatchedEngine


def reporting(function):
    """An exception in a callback of the library only reaches a log there; here it reaches the test."""

    def wrapped(*arguments):
        try:
            return function(*arguments)
        except Exception as error:
            saw("failed", f"{function.__name__}{arguments!r:.200}: {type(error).__name__}: {error}")
            raise

    return wrapped

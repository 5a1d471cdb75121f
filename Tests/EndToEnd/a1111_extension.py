"""A scripted extension that behaves, seen from the relay, like the A1111 web UI extension under the client library it pins.

A threaded socketio.Client; long polling first, then the upgrade. `kicked` takes no argument, `roomPresence` indexes both
counts, `error` indexes `msg`, the acknowledgement takes exactly one argument: a relay that sends anything else shows up
as a `failed` entry. The join answer's content is ignored, as the original does.
Usage: a1111_extension.py DIRECTORY URL [TRANSPORT...]
SPDX-License-Identifier: Apache-2.0
"""
import sys

from extension_orders import ExtensionOrders
from script_loop import saw, serve
from watched_client import WatchedClient, reporting


class A1111Extension(ExtensionOrders):
    def __init__(self, directory, url, transports):
        super().__init__(directory)
        self.url, self.transports = url, transports or None
        self.is_linked = False
        self.socket = WatchedClient()
        on = self.socket.on
        on("connect", reporting(self.on_connect))
        on("disconnect", reporting(self.on_disconnect))
        on("command", reporting(self.on_command))
        on("kicked", reporting(self.on_kicked))
        on("upgradeKey", reporting(self.on_upgrade_key))
        on("roomPresence", reporting(self.on_room_presence))
        on("error", reporting(self.on_error))

    def emit(self, event, payload):
        self.socket.emit(event, payload)

    def on_connect(self):
        self.socket.emit("iam", {"type": "sd"})
        has_key = self.key_file.read()
        saw("connected", self.socket.transport())  # what the test orders from here on comes after `iam`
        if has_key:
            self.join()

    def on_disconnect(self):
        saw("disconnected")
        self.is_linked = False

    def join(self):
        self.socket.emit("join", self.key_file.read(), callback=reporting(self.on_join))

    def on_join(self, payload):
        saw("ack", payload)

    def on_command(self, payload):
        self.on_command_payload(payload)

    def on_kicked(self):
        self.key_file.write(None)
        self.is_linked = False
        saw("kicked")

    def on_upgrade_key(self, payload):
        self.key_file.write(payload["key"])
        saw("upgradeKey", payload["key"])
        # The settings' change callback joins again, on the same socket.
        self.join()

    def on_room_presence(self, payload):
        self.is_linked = payload["client"] > 0 and payload["sd"] > 0
        self.on_presence_payload(payload)

    def on_error(self, payload):
        saw("error", payload["msg"])

    # Orders

    def connect(self):
        self.socket.connect(self.url, socketio_path="/api/socketio", transports=self.transports)

    def disconnect(self):
        self.socket.disconnect()

    def transport(self):
        return self.socket.transport()

    def linked(self):
        return self.is_linked

    def leave(self):
        self.socket.emit("leave")


if __name__ == "__main__":
    serve(A1111Extension(sys.argv[1], sys.argv[2], sys.argv[3:]))

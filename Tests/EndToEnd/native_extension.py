"""A scripted extension in the native dialect: plain WebSocket at /link, one JSON object a message.

Says who it is with an install id and capabilities, joins, reconnects when the connection ends without a close code that
forbids it. Usage: native_extension.py DIRECTORY URL [CAPABILITY...]
SPDX-License-Identifier: Apache-2.0
"""
import itertools
import json
import sys
import threading

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from extension_orders import ExtensionOrders
from script_loop import saw, serve

MESSAGE_BYTES = 64 * 1024 * 1024
CAPABILITIES = [
    "activities:list", "activities:clear", "activities:cancel", "resources:list", "resources:add", "resources:add:cancel",
    "resources:remove", "image:txt2img", "image:img2img",
]


class NativeExtension(ExtensionOrders):
    def __init__(self, directory, url, capabilities):
        super().__init__(directory)
        self.identity = {"type": "sd", "name": "Native", "installId": "native-1", "capabilities": capabilities or CAPABILITIES}
        self.url = url.replace("http", "ws", 1) + "/link"
        self.numbers = itertools.count(1)
        self.socket = None
        self.is_wanted = False
        self.again = threading.Event()

    def emit(self, event, payload=None, ack=None):
        message = {"event": event}
        if payload is not None:
            message["data"] = payload
        if ack is not None:
            message["ack"] = ack
        self.socket.send(json.dumps(message, ensure_ascii=False))

    def join(self):
        self.emit("join", self.key_file.read(), ack=next(self.numbers))

    def _live(self):
        while self.is_wanted:
            try:
                self._one_connection()
            except (OSError, InvalidHandshake) as error:  # a proxy whose relay is away answers 502
                saw("unreachable", str(error))
            self.again.wait(0.5)

    def _one_connection(self):
        with connect(self.url, subprotocols=["linkrelay.v1"], max_size=MESSAGE_BYTES) as self.socket:
            self.emit("iam", self.identity)
            has_key = self.key_file.read()
            saw("connected", self.socket.subprotocol)  # what the test orders from here on comes after `iam`
            if has_key:
                self.join()
            try:
                for text in self.socket:
                    self._take(json.loads(text))
            except ConnectionClosed:
                pass
            code = self.socket.close_code
            saw("disconnected", code)
            if code is not None and 4100 <= code <= 4199:
                self.is_wanted = False

    def _take(self, message):
        event, payload = message["event"], message.get("data")
        if event == "ack":
            saw("ack", payload)
        elif event == "command":
            saw("arrived", payload.get("id"))
            self.on_command_payload(payload)
        elif event == "roomPresence":
            self.on_presence_payload(payload)
        elif event == "upgradeKey":
            self.key_file.write(payload["key"])
            saw("upgradeKey", payload["key"])
        elif event == "kicked":
            self.key_file.write(None)
            saw("kicked", sorted(message))
        elif event == "error":
            saw("error", payload["msg"])
        else:
            saw("failed", f"unknown event {event}")

    # Orders

    def connect(self):
        self.is_wanted = True
        threading.Thread(target=self._live, daemon=True).start()

    def disconnect(self):
        self.is_wanted = False
        self.socket.close()

    def transport(self):
        return "native"


if __name__ == "__main__":
    serve(NativeExtension(sys.argv[1], sys.argv[2], sys.argv[3:]))

"""Web front-ends: one like the site's (socket.io), over any transport, and one in the native dialect.

They live in the test's process on the newest library, on its threads; what they see is in their journal.
SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import itertools
import json
import threading
import uuid

import engineio
import requests
import socketio
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from install import now
from journal import Journal

MESSAGE_BYTES = 64 * 1024 * 1024
GOODBYE_SECONDS = 10
ENDED = ("success", "error", "canceled")


class ArrivalJSON:
    """JSON as JavaScript writes it (no blanks, nothing outside ASCII escaped), and a record of what is read."""

    def __init__(self, take):
        self.take = take

    def loads(self, text, **options):
        value = json.loads(text, **options)
        if isinstance(value, list) and value and isinstance(value[0], str):
            self.take(value[0], *value[1:])
        return value

    @staticmethod
    def dumps(value, **ignored):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class OrderedEngine(engineio.Client):
    """Packets are handled one after the other, as in a browser; the library would give each a thread of its own."""

    def _trigger_event(self, event, *arguments, **options):
        return super()._trigger_event(event, *arguments, **{**options, "run_async": False})


class OrderedClient(socketio.Client):
    def _engineio_client_class(self):
        return OrderedEngine


class WebClient(Journal):
    """What every front-end does; subclasses carry `emit`."""

    def command(self, kind, **fields):
        """Sends a command and returns its id."""
        identifier = str(uuid.uuid4())
        stamp = now()
        self.emit("command", {"id": identifier, "type": kind, "version": "1.0.0", "createdAt": stamp, "updatedAt": stamp, **fields})
        return identifier

    def wait_status(self, identifier, *statuses, seconds=30):
        """The first status of that command that is one of `statuses` (default: any that ends it)."""
        wanted = statuses or ENDED
        return self.wait(
            "status", lambda one: one.get("id") == identifier and one.get("status") in wanted, seconds=seconds
        )

    def ask(self, kind, seconds=30, **fields):
        """A command and the status that ends it."""
        return self.wait_status(self.command(kind, **fields), seconds=seconds)

    def statuses(self, identifier):
        return [one for one in self.all("status") if one.get("id") == identifier]

    def wait_presence(self, client=None, sd=None, since=0, seconds=20):
        return self.wait(
            "presence",
            lambda one: client in (None, one["client"]) and sd in (None, one["sd"]), since=since, seconds=seconds,
        )

    def take(self, event, *payload):
        """Records one event of the relay's."""
        if event == "kicked":
            self.key = None
            self.record("kicked", payload)
        elif event == "upgradeKey":
            self.key = payload[0]["key"]
            self.record("upgradeKey", self.key)
        elif event == "error":
            self.record("error", payload[0]["msg"])
        else:
            kinds = {"commandStatus": "status", "roomPresence": "presence"}
            self.record(kinds.get(event, event), *payload)


class SiteClient(WebClient):
    """The site: on every connection `iam`, `join`, `iam`; replaces its key on `upgradeKey`, forgets it on `kicked`."""

    def __init__(self, relay, key, transports=None, name="site"):
        super().__init__(name)
        self.key = key
        self.relay, self.transports = relay, transports
        # A packet class of its own, because the library keeps the JSON module with the class.
        packet = type("ArrivalPacket", (socketio.packet.Packet,), {})
        session = requests.Session()
        session.trust_env = False
        session.verify = relay.certificate or True
        self.socket = OrderedClient(
            http_session=session, serializer=packet, json=ArrivalJSON(self.take), reconnection_delay=0.2, reconnection_delay_max=1,
            # In pure Python it takes ten seconds for a large library's list, which no browser does.
            websocket_extra_options={"skip_utf8_validation": True},
        )
        self.socket.on("connect", self._on_connect)
        self.socket.on("disconnect", lambda reason=None: self.record("disconnected", reason))

    def connect(self):
        self.socket.connect(self.relay.url, transports=self.transports, socketio_path="/api/socketio/")
        return self

    def _on_connect(self):
        self.record("connected", self.socket.transport())
        self.emit("iam", {"type": "client"})
        if self.key:
            self.join(self.key)
        self.emit("iam", {"type": "client"})

    def emit(self, event, payload=None):
        self.socket.emit(event, payload)

    def join(self, key):
        self.key = key
        self.socket.emit("join", key, callback=lambda *answer: self.record("ack", answer[0] if len(answer) == 1 else answer))

    def leave(self):
        self.key = None
        self.socket.emit("leave")

    def transport(self):
        return self.socket.transport()

    def close(self):
        """Says goodbye; bounded, because the library waits for a poll that is still out."""
        goodbye = threading.Thread(target=self._say_goodbye, daemon=True)
        goodbye.start()
        goodbye.join(GOODBYE_SECONDS)

    def _say_goodbye(self):
        self.socket.disconnect()
        self.socket.shutdown()


class NativeClient(WebClient):
    """A front-end at /link. One connection; says when and with which code it ended."""

    def __init__(self, relay, key, name="native web", role="client", headers=None):
        super().__init__(name)
        self.key, self.relay, self.role, self.headers = key, relay, role, headers
        self.numbers = itertools.count(1)
        self.life = contextlib.ExitStack()

    def connect(self):
        self.socket = self.life.enter_context(connect(
            self.relay.ws_url + "/link", subprotocols=["linkrelay.v1"], max_size=MESSAGE_BYTES,
            additional_headers=self.headers, proxy=None, ssl=self.relay.trust,
        ))
        self.record("connected", self.socket.subprotocol)
        threading.Thread(target=self._read, daemon=True).start()
        self.emit("iam", {"type": self.role})
        if self.key:
            self.join(self.key)
        return self

    def _read(self):
        try:
            for raw in iter(lambda: self.socket.recv(decode=False), None):
                self.record("raw", raw)
                message = json.loads(raw)
                self.take(message["event"], *([message["data"]] if "data" in message else []))
        except (ConnectionClosed, OSError):
            pass
        self.record("disconnected", self.socket.close_code)

    def emit(self, event, payload=None, ack=None):
        message = {"event": event}
        if payload is not None:
            message["data"] = payload
        if ack is not None:
            message["ack"] = ack
        self.socket.send(json.dumps(message, ensure_ascii=False))

    def join(self, key):
        self.key = key
        self.emit("join", key, ack=next(self.numbers))

    def leave(self):
        self.emit("leave")

    def close(self):
        self.life.close()

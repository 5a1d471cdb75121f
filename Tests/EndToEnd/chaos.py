"""People on bad networks: clients and an install that come, work, and go in every way there is, in threads on raw sockets.

`Rooms(relay, keys, seed)` runs until `calm()`, after which everybody comes back and stays. What each heard is then looked at with
`faults()`: promises of the protocol that were not kept. SPDX-License-Identifier: Apache-2.0
"""
import json
import random
import threading
import time
from collections import deque

from wire import CLOSE, ENGINE_PATH, SEPARATOR, TEXT, Ended, RawSocket, RawWebSocket, frame

JOIN_SECONDS = 15
ENDS = ("success", "error", "canceled")
MOST_UNENDED = 6
# By so much a thread of ours may be late to read what has long arrived.
READ_SECONDS = 3


class Native:
    """What a member says and hears over a native WebSocket."""

    path = "/link"

    def __init__(self, relay):
        self.ws = Locked(relay, self.path)
        if self.ws.refused is not None:
            raise Ended(self.ws.refused)

    def say(self, event, data, ack):
        self.ws.text(json.dumps({"event": event, "data": data, **({} if ack is None else {"ack": ack})}))

    def take(self):
        """`(event, data, ack)`; `Ended` at the end."""
        message = json.loads(self.ws.take())
        return message["event"], message.get("data"), message.get("ack")

    def reset(self):
        try:
            self.ws.reset()
        except OSError:
            pass  # has ended

    def farewell(self):
        self.ws.send(frame(CLOSE, b"\x03\xe8"))

    def half(self):
        self.ws.send(frame(TEXT, b'{"event":"command"' + b" " * 3000)[:1700])


class Locked(RawWebSocket):
    """Several threads may send, and nobody minds when the other has gone."""

    def __init__(self, *arguments):
        self.lock = threading.Lock()
        super().__init__(*arguments)

    def send(self, data):
        with self.lock:
            try:
                super().send(data)
            except OSError:
                pass  # ended meanwhile, or dropped by ourselves


def packet_of(event, data, ack):
    return "42" + ("" if ack is None else str(ack)) + json.dumps([event, data])


def event_of(packet):
    """`(event, data, ack)` of a packet of events; None for others."""
    if packet.startswith(b"43"):
        number, _, rest = packet[2:].partition(b"[")
        return "ack", json.loads(b"[" + rest)[0], int(number)
    if packet.startswith(b"42"):
        event, data = (json.loads(packet[2:]) + [None])[:2]
        return event, data, None
    return None


class SocketIO(Native):
    path = ENGINE_PATH + "?EIO=4&transport=websocket"

    def __init__(self, relay):
        super().__init__(relay)
        self.ws.text("40")

    def say(self, event, data, ack):
        self.ws.text(packet_of(event, data, ack))

    def take(self):
        while True:
            packet = self.ws.take()
            if packet == b"2":
                self.ws.text("3")
            heard = event_of(packet)
            if heard:
                return heard


class Polling:
    """Engine.IO without a WebSocket: a connection for each request."""

    def __init__(self, relay):
        self.relay, self.heard, self.gone, self.socket = relay, deque(), False, None
        self.lock = threading.Lock()
        self.query = "EIO=4&transport=polling"
        opening = self._request("GET").split(SEPARATOR)[0]
        self.query += "&sid=" + json.loads(opening[1:])["sid"]
        self._post("40")

    def _request(self, method, body=b"", cut=None):
        ours = RawSocket(self.relay)
        if method == "GET":
            self.socket = ours
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {ENGINE_PATH}?{self.query} HTTP/1.1\r\nHost: {self.relay.host}:{self.relay.port}\r\n{length}\r\n"
        ours.send((head.encode() + body)[:cut])
        try:
            if cut is not None:
                return ours.reset()
            status, _, answer = ours.response()
            if status != 200 or self.gone:
                raise Ended(None, answer)
            return answer
        finally:
            ours.close()

    def _post(self, text):
        try:
            with self.lock:
                self._request("POST", text.encode())
        except (Ended, OSError):
            pass  # the next poll says so too

    def say(self, event, data, ack):
        self._post(packet_of(event, data, ack))

    def take(self):
        while True:
            while self.heard:
                packet = self.heard.popleft()
                if packet == b"2":
                    self._post("3")
                elif packet == b"1":
                    raise Ended()
                heard = event_of(packet)
                if heard:
                    return heard
            self.heard.extend(self._request("GET").split(SEPARATOR))

    def reset(self):
        self.gone = True
        try:
            self.socket.reset()
        except OSError:
            pass  # between two polls

    def farewell(self):
        self._post("1")

    def half(self):
        try:
            self._request("POST", b'42["command",{"id":"half"' + b" " * 3000, cut=600)
        except (Ended, OSError):
            pass


KINDS = (Native, SocketIO, Polling)


class Connection:
    """A joined member. Reads in a thread of its own and hands on events; anybody may send."""

    def __init__(self, kind, relay, role, key, install, take):
        self.take = take
        self.answers, self.answered = {}, threading.Condition()
        self.is_reading, self.has_ended = threading.Event(), threading.Event()
        self.is_reading.set()
        self.number = 0
        self.wire = kind(relay)
        threading.Thread(target=self._read, daemon=True).start()
        self.wire.say("iam", {"type": role, **({"installId": install} if install else {})}, None)
        if self.ask("join", key) is not True:
            self.wire.reset()
            raise Ended(None, b"no answer to the join")

    def say(self, event, data):
        self.wire.say(event, data, None)

    def tell(self, event, data):
        """Says it and does not wait; the number under which `answers` has the acknowledgement, once it came."""
        self.number += 1
        self.wire.say(event, data, self.number)
        return self.number

    def ask(self, event, data):
        number = self.tell(event, data)
        with self.answered:
            self.answered.wait_for(lambda: number in self.answers or self.has_ended.is_set(), JOIN_SECONDS)
            return self.answers.get(number)

    def _read(self):
        try:
            while True:
                self.is_reading.wait()
                self._hand_on(*self.wire.take())
        except Ended as ended:
            if ended.code is not None:
                self.wire.farewell()  # a close frame is answered, and that is the last it says
        except OSError:
            pass
        finally:
            self.has_ended.set()
            self.wire.reset()
            with self.answered:
                self.answered.notify_all()

    def _hand_on(self, event, data, ack):
        if event != "ack":
            return self.take(event, data)
        with self.answered:
            self.answers[ack] = bool(data.get("success"))
            self.answered.notify_all()

    def leave(self, how, dice):
        """Goes; what is on its way is lost, but for a farewell."""
        if how == "farewell":
            self.wire.farewell()
            self.has_ended.wait(JOIN_SECONDS)
        elif how == "silence":
            self.is_reading.clear()
            time.sleep(dice.uniform(0.2, 2))
            self.wire.reset()
            self.is_reading.set()
        else:
            if how == "half a message":
                self.wire.half()
            self.wire.reset()


WAYS = ("farewell", "reset", "silence", "half a message")


class Member:
    """Comes and goes until `calm` is set, then stays."""

    def __init__(self, rooms, key, role, name, install=None):
        self.rooms, self.key, self.role, self.name, self.install = rooms, key, role, name, install
        self.dice = random.Random(f"{rooms.seed} {name}")
        self.connection = None
        self.refusals = []
        self.history = []
        self.thread = threading.Thread(target=self._live, daemon=True)

    def note(self, *words):
        self.history.append((time.monotonic(), self.name, *words))

    def _come(self):
        try:
            return Connection(self.dice.choice(KINDS), self.rooms.relay, self.role, self.key, self.install, self.take)
        except (Ended, OSError):
            return None

    def _live(self):
        while not self.rooms.is_over.is_set():
            self.connection = self._come()
            if self.connection is None:
                time.sleep(self.dice.uniform(0.1, 0.5))
                continue
            self.note("is in by", type(self.connection.wire).__name__)
            until = time.monotonic() + self.dice.uniform(0.2, 4)
            while not self.connection.has_ended.is_set() and not self.rooms.is_over.is_set():
                if time.monotonic() > until and not self.rooms.is_calm.is_set():
                    how = self.dice.choice(WAYS)
                    self.note("leaves with", how)
                    self.connection.leave(how, self.dice)
                    self.note("has left")
                    time.sleep(self.away())
                    break
                self.work()
        if self.connection:
            self.connection.leave("farewell", self.dice)

    def take(self, event, data):
        if event == "error":
            self.refusals.append(data)


class Client(Member):
    """Sends commands. Of each by its id: `sent`, the connection and the number of its acknowledgement; `ends`, when and how it ended first."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent, self.ends, self.count = {}, {}, 0

    def away(self):
        return self.dice.uniform(0, 1)

    def work(self):
        time.sleep(self.dice.uniform(0.05, 0.4))
        if self.rooms.is_calm.is_set() or len([one for one in self.sent if one not in self.ends]) >= MOST_UNENDED:
            return
        self.count += 1
        name = f"{self.name}-{self.count}"
        connection = self.connection
        self.note("sends", name)
        self.sent[name] = (connection, connection.tell("command", {"id": name, "type": "activities:list", "pad": "x" * 40}))

    def acknowledged(self):
        return [name for name, (connection, number) in self.sent.items() if connection.answers.get(number)]

    def take(self, event, data):
        super().take(event, data)
        if event == "commandStatus" and data.get("status") in ENDS:
            self.note("hears", data["id"], data.get("reason") or data["status"])
            self.ends.setdefault(data["id"], (time.monotonic(), data["status"], data.get("reason")))


class Install(Member):
    """Answers most commands, some late, some never."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen, self.answers, self.verdicts = [], deque(), {}

    def away(self):
        return self.dice.choice((0, 0.5, 1, self.rooms.grace_seconds + 1))

    def take(self, event, data):
        super().take(event, data)
        if event == "command":
            name = data["id"]
            self.seen.append((time.monotonic(), name))
            self.note("gets", name)
            if name not in self.verdicts:
                self.verdicts[name] = self.dice.random() < 0.9
            if self.verdicts[name]:
                self.answers.append((time.monotonic() + self.dice.uniform(0, 0.15), name))

    def work(self):
        time.sleep(0.01)
        for _ in range(len(self.answers)):
            due, name = self.answers.popleft()
            if due > time.monotonic():
                self.answers.append((due, name))
            else:
                self.note("answers", name)
                self.connection.say("commandStatus", {"id": name, "type": "activities:list", "status": "success"})


class Rooms:
    def __init__(self, relay, keys, seed, grace_seconds):
        self.relay, self.seed, self.grace_seconds = relay, seed, grace_seconds
        self.history = []
        self.is_calm, self.is_over = threading.Event(), threading.Event()
        self.rooms = [
            (Install(self, key, "sd", f"install-{number}", f"install-{number}"),
             [Client(self, key, "client", f"client-{number}-{letter}") for letter in "ab"])
            for number, key in enumerate(keys)
        ]
        for member in self.members:
            member.thread.start()

    @property
    def members(self):
        return [member for install, clients in self.rooms for member in (install, *clients)]

    @property
    def clients(self):
        return [client for _, clients in self.rooms for client in clients]

    def calm(self, seconds):
        """Everybody comes back and stays; returns as soon as every acknowledged command has ended, or after so long."""
        self.note("everybody", "comes back")
        self.is_calm.set()
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(self.unended(client) for client in self.clients):
            time.sleep(0.1)

    def note(self, who, *words):
        self.history.append((time.monotonic(), who, *words))

    def end(self):
        self.is_over.set()
        for member in self.members:
            member.thread.join(20)

    @staticmethod
    def unended(client):
        return [name for name in client.acknowledged() if name not in client.ends]

    def faults(self):
        """What was promised and not kept, in words."""
        found = []
        for install, clients in self.rooms:
            for client in clients:
                found += [f"{name}: acknowledged, and never ended\n{self.story(name)}" for name in self.unended(client)]
                found += [f"{client.name} was refused: {refusal}" for refusal in client.refusals]
                found += self._disorder(install, client)
                found += self._again(install, client)
        return found

    @staticmethod
    def _disorder(install, client):
        """Of one connection the commands arrive in order, each for the first time."""
        first, last = set(), {}
        for _, name in install.seen:
            if name not in client.sent or name in first:
                continue
            first.add(name)
            connection, number = client.sent[name]
            if number < last.get(connection, (0, ""))[0]:
                yield f"{name} came after {last[connection][1]}"
            last[connection] = (number, name)

    @staticmethod
    def _again(install, client):
        """What ended is not delivered again."""
        for at, name in install.seen:
            end = client.ends.get(name)
            if end and at > end[0] + READ_SECONDS:
                yield f"{name} was delivered {at - end[0]:.1f} s after its end: {end[1]} {end[2]}"

    def story(self, name):
        """What happened in the room of command `name` from 3 s before it was sent to 20 s after, but for other commands."""
        install, clients = next(room for room in self.rooms if any(name in client.sent for client in room[1]))
        history = sorted(self.history + [one for member in (install, *clients) for one in member.history])
        sent = next(at for at, _, *words in history if words == ["sends", name])
        return "\n".join(
            f"{at - sent:8.3f} {who} {' '.join(words)}" for at, who, *words in history
            if sent - 3 < at < sent + 20 and (name in words or not set(words) & {"sends", "gets", "answers", "hears"}))

    def acknowledged_count(self):
        return sum(len(client.acknowledged()) for client in self.clients)

    def summary(self):
        ends = [end for client in self.clients for end in client.ends.values()]
        reasons = {}
        for _, status, reason in ends:
            reasons[reason or status] = reasons.get(reason or status, 0) + 1
        sent = sum(len(client.sent) for client in self.clients)
        return f"{sent} commands, {self.acknowledged_count()} acknowledged, ends: {reasons}"

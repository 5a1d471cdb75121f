"""Many links in one process: for each room a client and an extension, real Socket.IO clients on one asyncio loop.

Clients send commands with ids now and then, extensions answer; everything that a restart might break is counted and reported
as JSON lines (see script_loop). Usage: crowd.py URL FILE-WITH-KEYS. SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import collections
import functools
import json
import random
import sys
import threading

import socketio

from script_loop import saw

FINISHED = ("success", "error", "canceled")
DIALS_AT_ONCE = 25
COMMAND_EVERY_SECONDS = 2.0
ENGINE_PATH = "/api/socketio/"


def where(task):
    """Where a task waits, from the outside in, or how it ended."""
    if task is None or task.done():
        return "not at all" if task is None else f"no more: {task.cancelled() or repr(task.exception())}"
    places, inner = [], task.get_coro()
    while getattr(inner, "cr_frame", None) is not None:
        places.append(f"{inner.cr_code.co_name}:{inner.cr_frame.f_lineno}")
        inner = inner.cr_await
    return " > ".join(places)


class WatchedPacket(socketio.packet.Packet):
    """Counts what no relay may send: a namespace DISCONNECT or CONNECT_ERROR (`41`, `44` on the wire)."""

    forbidden = 0

    def decode(self, encoded_packet):
        if str(encoded_packet)[:1] in "14":
            WatchedPacket.forbidden += 1
        return super().decode(encoded_packet)


class Member:
    """One client or extension; joins on every connection."""

    def __init__(self, url, key, role, transports):
        self.url, self.key, self.role, self.transports = url, key, role, transports
        self.joins, self.refusals, self.connections, self.kicks, self.errors = 0, [], 0, 0, []
        self.is_in = False
        self.socket = socketio.AsyncClient(serializer=WatchedPacket, reconnection_delay=1, reconnection_delay_max=5)
        self.socket.on("connect", self.on_connect)
        self.socket.on("disconnect", self.on_disconnect)
        self.socket.on("kicked", self.on_kicked)
        self.socket.on("error", self.on_error)

    async def dial(self):
        await self.socket.connect(self.url, socketio_path=ENGINE_PATH, transports=self.transports, wait_timeout=30)

    async def on_connect(self):
        self.connections += 1
        await self.socket.emit("iam", {"type": self.role})
        await self.socket.emit("join", self.key, callback=self.on_join)

    async def on_join(self, answer):
        if answer.get("success"):
            self.joins += 1
            self.is_in = True
        else:
            self.refusals.append(answer)

    async def on_disconnect(self, reason=None):
        self.is_in = False

    def state(self):
        """What its library believes, for a failure's message."""
        engine = self.socket.eio
        return (
            f"{self.role}: {engine.state} by {engine.transport()}, {self.connections} connections, in the room: {self.is_in}, "
            f"reads {where(engine.read_loop_task)}, writes {where(engine.write_loop_task)}")

    async def on_kicked(self, *nothing):
        self.kicks += 1

    async def on_error(self, payload):
        self.errors.append(payload)


class Extension(Member):
    """Answers each command after a moment with progress and success; remembers which ids it was given."""

    def __init__(self, url, key, transports):
        super().__init__(url, key, "sd", transports)
        self.arrived = collections.Counter()
        self.socket.on("command", self.on_command)

    async def on_command(self, command):
        self.arrived[command["id"]] += 1
        await self.report({**command, "status": "processing", "progress": 10})
        await asyncio.sleep(random.uniform(0.1, 1.5))
        await self.report({**command, "status": "success"})

    async def report(self, status):
        """Once it is in the room again, as the deployed extensions do."""
        while True:
            while not self.is_in:
                await asyncio.sleep(0.1)
            try:
                return await self.socket.emit("commandStatus", status)
            except socketio.exceptions.BadNamespaceError:
                self.is_in = False


class Client(Member):
    """Sends commands while `is_working` and it is in the room.

    `sent` are those that the relay has acknowledged: what a library still had in its buffer when the connection ended is lost
    before any relay sees it, and counted as `unacknowledged`.
    """

    def __init__(self, url, key, transports):
        super().__init__(url, key, "client", transports)
        self.sent, self.refused, self.ended, self.number = set(), [], collections.Counter(), 0
        self.reasons = collections.Counter()
        self.socket.on("commandStatus", self.on_status)

    async def work(self, name, is_working):
        await asyncio.sleep(random.uniform(0, COMMAND_EVERY_SECONDS))
        while is_working():
            if self.is_in:
                self.number += 1
                identifier = f"{name}-{self.number}"
                try:
                    await self.socket.emit(
                        "command", {"id": identifier, "type": "activities:list"}, callback=functools.partial(self.on_answer, identifier))
                except socketio.exceptions.BadNamespaceError:
                    self.is_in = False
            await asyncio.sleep(random.uniform(0.5, 1.5) * COMMAND_EVERY_SECONDS)

    def on_answer(self, identifier, answer):
        if answer.get("success"):
            self.sent.add(identifier)
        else:
            self.refused.append(answer)

    async def on_status(self, status):
        if status.get("status") in FINISHED:
            self.ended[status["id"]] += 1
            if status["status"] == "error":
                self.reasons[status.get("reason")] += 1


class Crowd:
    def __init__(self, url, keys):
        self.links = []
        for number, key in enumerate(keys):
            # Every other link polls on both sides; the others are what the upgrade leads to.
            transports = ["polling"] if number % 2 == 0 else ["websocket"]
            self.links.append((Client(url, key, transports), Extension(url, key, transports)))
        self.is_working = False

    @property
    def members(self):
        return [one for link in self.links for one in link]

    async def dial(self):
        gate = asyncio.Semaphore(DIALS_AT_ONCE)

        async def one(member):
            async with gate:
                await member.dial()

        await asyncio.gather(*(one(member) for member in self.members))

    def report(self):
        """What there is to know, as sums and samples."""
        clients = [client for client, _ in self.links]
        unended = [one for client in clients for one in client.sent - set(client.ended)]
        twice = [one for _, extension in self.links for one, count in extension.arrived.items() if count > 1]
        reasons = sum((client.reasons for client in clients), collections.Counter())
        return {
            "in": sum(member.is_in for member in self.members),
            "not_restarted": [member.state() for member in self.members if member.connections < 2],
            "refusals": [one for member in self.members for one in member.refusals][:5],
            "kicks": sum(member.kicks for member in self.members),
            "errors": [one for member in self.members for one in member.errors][:5],
            "forbidden": WatchedPacket.forbidden,
            "sent": sum(len(client.sent) for client in clients),
            "unacknowledged": sum(client.number - len(client.sent) - len(client.refused) for client in clients),
            "refused": [one for client in clients for one in client.refused][:5],
            "unended": [len(unended), unended[:5]],
            "delivered_twice": [len(twice), twice[:5]],
            "ended_by_relay": {str(reason): count for reason, count in reasons.items()},
        }


async def main(url, path):
    with open(path) as file:
        crowd = Crowd(url, [line.strip() for line in file])
    orders, loop = asyncio.Queue(), asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(orders.put_nowait, json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    saw("ready")
    tasks = []
    while True:
        order = await orders.get()
        result = None
        if order["order"] == "dial":
            await crowd.dial()
        elif order["order"] == "work":
            crowd.is_working = True
            tasks = [
                asyncio.create_task(client.work(f"{client.key[:8]}", lambda: crowd.is_working)) for client, _ in crowd.links]
        elif order["order"] == "rest":
            crowd.is_working = False
            await asyncio.gather(*tasks)
        elif order["order"] == "report":
            result = crowd.report()
        saw("done", {"number": order["number"], "result": result})


if __name__ == "__main__":
    # The library opens a signal handler of its own; the test ends this process.
    asyncio.run(main(sys.argv[1], sys.argv[2]))

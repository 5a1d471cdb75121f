"""Those who do not read, and those who hardly write. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pathlib
import selectors
import subprocess
import time

from peers import PING, dial, flood, frame, has_ended
from rig import Rig, until
from torture import case

STATUS = "message {\"event\":\"commandStatus\",\"data\":%m}"
SD_SENDS = ("path /link", "sender none", "receiver none",
            'sender send {"event":"iam","data":{"type":"sd"}}', 'sender send {"event":"join","data":"%k","ack":1}', 'sender expect "Joined"',
            'receiver send {"event":"iam","data":{"type":"client"}}', 'receiver send {"event":"join","data":"%k","ack":1}',
            'receiver expect "Joined"', STATUS)


def stream(rig, key, seconds, members, size, rate):
    """Starts a process in which an extension sends statuses to members that read; its result is one JSON line."""
    path = rig.folder / "stream-key"
    path.write_text(key + "\n")
    words = ["rate", "--port", rig.relay.port, "--rooms", 1, "--members", members, "--size", size, "--rate", rate, "--duration", seconds,
             "--warmup", 0.5, "--no-spin", "--keys", path]
    for line in SD_SENDS:
        words += ["--set", line]
    return subprocess.Popen(
        [os.environ["TORTURE_BUILD"] + "/relayload", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@case("one of three members does not read while 32 KB statuses flow 400 times a second", 90)
def slow_member(folder):
    with Rig(folder) as rig:
        key = rig.room("slow")
        slow = rig.member("client", key)
        with rig.attack(memory_mb=16):
            begin = time.monotonic()
            process = stream(rig, key, 10, members=3, size=32768, rate=400)
            cut = until(lambda: rig.relay.metric('messages_dropped_total{reason="slow_member"}') > 0, 12, every=0.1)
            out, told = process.communicate(timeout=40)
            sent_for = time.monotonic() - begin
        result = json.loads(out)
        rig.bound("the others' p99", result["latency_us"]["p99"] / 1000, rig.latency_bound_ms, " ms")
        rig.expect(result["undelivered"] == 0 and result["out_of_order"] == 0 and result["closed"] == 0, f"the others: {result} {told}")
        rig.expect(cut is not None and cut < sent_for, "the slow member was not cut off, or it was not counted")
        if cut is not None:
            rig.figure(f"cut after {cut:.1f} s")
        rig.expect(until(lambda: has_ended(slow), 15) is not None, "the slow member's connection is still there")
        rig.expect(rig.relay.metric('sessions_closed_total{reason="slow_member"}') == 1, "sessions_closed_total does not say so")
    return rig


class Drip:
    """Many connections that each send a byte now and then."""

    def __init__(self, address, starts, drop):
        """`starts`: for each connection what it sends at once; `drop`: what it repeats, empty for silence."""
        self.drop = drop
        self.watched = selectors.DefaultSelector()
        self.ended = []
        self.begin = time.monotonic()
        for start in starts:
            one = dial(address)
            one.sendall(start)
            one.setblocking(False)
            self.watched.register(one, selectors.EVENT_READ)

    @property
    def open_count(self):
        return len(self.watched.get_map())

    def turn(self):
        """Notes who was cut off, and drips on the others."""
        while ready := self.watched.select(0):
            for key, _ in ready:
                try:
                    if key.fileobj.recv(4096):
                        continue
                except OSError:
                    pass
                self._cut(key.fileobj)
        for key in list(self.watched.get_map().values()) if self.drop else []:
            try:
                key.fileobj.send(self.drop)
            except OSError:
                self._cut(key.fileobj)

    def _cut(self, one):
        self.ended.append(time.monotonic() - self.begin)
        self.watched.unregister(one)
        one.close()


@case("250 request heads byte by byte, 250 bodies that stop, 100 that drip, 100 upgraded connections that say nothing", 90)
def slowloris(folder):
    head, body = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", b"POST /api/link HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n{"
    silent = (b"GET /link HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    with Rig(folder, head_timeout="5s", body_timeout="6s", first_message_timeout="7s") as rig:
        with rig.attack(memory_mb=16):
            groups = [Drip(rig.relay.address, [head] * 250, b"a"), Drip(rig.relay.address, [body] * 250, b""),
                      Drip(rig.relay.address, [body] * 100, b"a"), Drip(rig.relay.address, [silent] * 100, b"")]
            begin = time.monotonic()
            while any(group.open_count for group in groups) and time.monotonic() - begin < 20:
                for group in groups:
                    group.turn()
                time.sleep(0.25)
        for name, group, limit in zip(("heads", "bodies", "dripping bodies", "silent"), groups, (5, 6, 6, 7)):
            rig.expect(group.open_count == 0, f"{group.open_count} {name} were never cut off")
            # The timer wheel, a close that is not answered (3 s), and a turn of this loop.
            rig.bound(f"{name} cut by", max(group.ended, default=0), limit + 4, " s")
    return rig


@case("four members flood pings and read nothing", 60)
def ping_flood(folder):
    with Rig(folder) as rig:
        flooders = [rig.member("client", rig.room(f"flood-{number}"), number % 2 == 0, receive_bytes=8192) for number in range(4)]
        with rig.attack(memory_mb=16):
            written, ended = flood(flooders, frame(PING, b"p" * 125) * 2000, 8)
        rig.figure(f"{written / 1e6:.0f} MB of pings taken, {ended} of 4 cut")
    return rig


@case("sixty members connect for each second and leave with a reset, half of them in the middle of the upgrade", 60)
def churn(folder):
    import socket
    import struct
    with Rig(folder, connections_per_address=100_000) as rig:
        keys = [rig.room(f"churn-{number}") for number in range(10)]
        descriptors = lambda: len(list(pathlib.Path(f"/proc/{rig.relay.process.pid}/fd").iterdir()))
        before, count = descriptors(), 0
        with rig.attack(memory_mb=16):
            begin = time.monotonic()
            while time.monotonic() - begin < 8:
                if count % 2:
                    one = rig.member("client", keys[count % 10], count % 4 == 1)
                else:
                    one = dial(rig.relay.address)
                    one.sendall(b"GET /link HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
                count += 1
                time.sleep(max(0.0, begin + count / 60 - time.monotonic()))
        rig.figure(f"{count} came and went")
        rig.expect(until(lambda: descriptors() <= before + 2, 15) is not None, f"descriptors: {before} before, {descriptors()} after")
    return rig

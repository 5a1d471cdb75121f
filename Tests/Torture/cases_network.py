"""Peers whose network goes dark without a word. SPDX-License-Identifier: Apache-2.0"""
import contextlib
import os
import pathlib
import subprocess
import sys
import time

from peers import PING, PONG, Frames, frame
from rig import HERE, Rig
from torture import case

NEAR, FAR, NOBODY = "192.0.2.1", "192.0.2.2", "02:00:00:00:00:99"
VICTIMS = 40
INTERVAL, TIMEOUT, GRACE = 1, 3, 1


class DarkNetwork:
    """Two network namespaces and a wire between them, whose frames can be made to reach nobody. The far one holds the peers."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "-n", sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.holder.stdout.readline()
        for words in (f"link set lo up", f"link add near type veth peer name far netns {self.holder.pid}",
                      f"addr add {NEAR}/24 dev near", "link set near up"):
            self._ip(*words.split())
        for words in (f"addr add {FAR}/24 dev far", "link set far up"):
            self._ip(*words.split(), is_far=True)

    def _ip(self, *words, is_far=False):
        enter = ["nsenter", "-t", str(self.holder.pid), "-n"] if is_far else []
        subprocess.run([*enter, "ip", *words], check=True, capture_output=True)

    def start(self, *command):
        """A process in the far namespace."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self.holder.pid), "-n", *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go_dark(self):
        self._ip("neigh", "replace", FAR, "lladdr", NOBODY, "dev", "near", "nud", "permanent")
        self._ip("neigh", "replace", NEAR, "lladdr", NOBODY, "dev", "far", "nud", "permanent", is_far=True)

    def close(self):
        self.holder.kill()
        self.holder.wait()


class FrozenPeers:
    """Where namespaces are not to be had: the peers' process is stopped, so that their kernel acknowledges and nobody answers."""

    def start(self, *command):
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.process

    def go_dark(self):
        self.process.send_signal(19)

    def close(self):
        pass


def watch(watchers, seconds):
    """When each watcher was told that its extension is gone, in seconds from now."""
    begin, told, frames = time.monotonic(), {}, {one: Frames() for one in watchers}
    while len(told) < len(watchers) and time.monotonic() - begin < seconds:
        for one in watchers:
            with contextlib.suppress(BlockingIOError):
                for opcode, payload in frames[one].feed(one.recv(65536)):
                    if opcode == PING:
                        one.send(frame(PONG, payload))
                    elif b'"sd":0' in payload:
                        told.setdefault(one, time.monotonic() - begin)
        time.sleep(0.02)
    return list(told.values())


@case("40 extensions vanish without a packet: their rooms are told within the heartbeat's bounds", 60, namespaces=["-n"])
def half_open(folder):
    is_dark = bool(os.environ.get("TORTURE_NAMESPACES"))
    network = DarkNetwork() if is_dark else FrozenPeers()
    host = NEAR if is_dark else "127.0.0.1"
    listen = {"listen": f"{NEAR}:8787"} if is_dark else {}
    with contextlib.closing(network), Rig(
            folder, heartbeat_interval=f"{INTERVAL}s", heartbeat_timeout=f"{TIMEOUT}s", presence_grace=f"{GRACE}s", **listen) as rig:
        keys = [rig.room(f"victim-{number}") for number in range(VICTIMS)]
        path = pathlib.Path(folder) / "victims"
        path.write_text("\n".join(keys))
        victims = network.start(sys.executable, HERE / "victims.py", host, 8787 if is_dark else rig.relay.port, path)
        victims.stdout.readline()
        watchers = [rig.member("client", key) for key in keys]
        for one in watchers:
            one.setblocking(False)
        with rig.attack(memory_mb=16):
            network.go_dark()
            told = watch(watchers, 20)
        rig.figure("dark wire between namespaces" if is_dark else "stopped process (no namespaces here)")
        rig.expect(len(told) == VICTIMS, f"only {len(told)} of {VICTIMS} rooms were told")
        rig.bound("told by", max(told, default=0), INTERVAL + TIMEOUT + GRACE + 1.5, " s")
        rig.bound("not counted", VICTIMS - rig.relay.metric('connections_ended_total{reason="heartbeat_timeout"}'), 0)
        victims.kill()
        victims.wait()
    return rig

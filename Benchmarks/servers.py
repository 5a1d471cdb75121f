"""Starts what is measured: relayd and its peers, each on the first processor, each with what a generator needs to talk to it.

Ends only what it started; standard error goes to files. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
SERVER_CORE, LOAD_CORE = "0", "1"
# An extension sends and clients receive.
SWAP = (("\"client\"", "\"TMP\""), ("\"sd\"", "\"client\""), ("\"TMP\"", "\"sd\""), ("\"command\"", "\"commandStatus\""))
START_SECONDS = 20


def compile_into(folder, *sources):
    for source in sources:
        subprocess.run(["cc", "-O3", "-o", folder / source, HERE / f"{source}.c", "-lssl", "-lcrypto", "-lz"], check=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def wait_port(port, process, name):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not listen on {port}")


class Server:
    """A process under measurement. `words(scenario)` are the generator's words for it."""

    name = None

    def __init__(self, folder, core=SERVER_CORE):
        self.folder, self.core, self.process, self.port = pathlib.Path(folder), core, None, None

    def spawn(self, *command, **more):
        errors = open(self.folder / f"{self.name}.log", "ab")
        pin = ["taskset", "-c", self.core] if self.core else []
        self.process = subprocess.Popen([*pin, *map(str, command)], stderr=errors, stdin=subprocess.DEVNULL, **more)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process and self.process.stdout:
            self.process.stdout.close()

    def words(self, scenario, rooms):
        return ["--port", self.port, "--pid", self.process.pid]


class Relayd(Server):
    """The relay itself, with fresh link keys for each run, so that no room is used twice."""

    def __init__(self, binary, folder, name="relayd", loops=1, core=SERVER_CORE, **settings):
        super().__init__(folder, core)
        self.binary, self.name, self.loops, self.settings, self.count = binary, name, loops, settings, 0
        self.is_tls = settings.get("tls_self_signed") == "on"

    def start(self):
        # Its own: a room of an earlier start would be sent what was left for it there.
        self.data = data = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-data-", dir=self.folder))
        flags = [word for name, value in self.settings.items() for word in ("--" + name.replace("_", "-"), str(value))]
        self.spawn(
            self.binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--instance-limit", 0, "--loops", self.loops,
            "--connections-per-address", 100_000, "--members-per-room", 100, *flags, stdout=subprocess.PIPE, text=True)
        said = next(found for line in self.process.stdout if (found := re.search(r"https?://127\.0\.0\.1:(\d+)", line)))
        self.port = int(said.group(1))
        self.base = said.group(0)
        self.token = subprocess.check_output([self.binary, "token", "new", "owner", "--data-dir", data], text=True).strip()
        return self

    def keys(self, count):
        """A file of so many fresh link keys."""
        import ssl
        trust = ssl.create_default_context(cafile=str(self.data / "tls-self-signed.pem")) if self.is_tls else None
        path = self.folder / f"{self.name}-keys"
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"}
        with path.open("w") as out:
            for _ in range(count):
                self.count += 1
                body = json.dumps({"installId": f"bench-{self.count}", "name": "bench"}).encode()
                request = urllib.request.Request(self.base + "/api/link/self", body, headers)
                out.write(json.load(urllib.request.urlopen(request, context=trust))["key"] + "\n")
        return path

    def words(self, scenario, rooms):
        words = [*super().words(scenario, rooms), "--keys", self.keys(rooms), "--dialect-file", dialect(scenario, self.folder)]
        return words + (["--set", scenario.message] if scenario.message else []) + (["--tls"] if self.is_tls else [])


class RawRelay(Server):
    """The yardstick: unmasks and forwards, in C. With `pings` it also asks its receivers as often as relayd for proof of arrival."""

    def __init__(self, folder, pings=False):
        super().__init__(folder)
        self.name, self.mode = ("raw-pings", ["pings"]) if pings else ("raw", [])

    def start(self):
        self.port = free_port()
        self.spawn(self.folder / "minrelay", self.port, *self.mode)
        wait_port(self.port, self.process, self.name)
        return self


class PythonSocketIO(Server):
    """The reference implementation for Python."""

    name = "python-socketio"

    def __init__(self, python, folder):
        super().__init__(folder)
        self.python = python

    def start(self):
        self.port = free_port()
        self.spawn(self.python, HERE / "peers" / "socketio_relay.py", self.port)
        wait_port(self.port, self.process, self.name)
        return self

    def words(self, scenario, rooms):
        return [*super().words(scenario, rooms), "--dialect-file", dialect(scenario, self.folder)]


class NATS(Server):
    """A compiled message broker with a WebSocket listener: one subject for each room, the sender not subscribed."""

    name = "nats"

    def start(self):
        self.port, plain = free_port(), free_port()
        settings = self.folder / "nats.conf"
        settings.write_text(
            f"listen: 127.0.0.1:{plain}\nmax_payload: 8MB\nmax_pending: 512MB\nmax_connections: 100000\n"
            f"websocket {{ listen: \"127.0.0.1:{self.port}\", no_tls: true }}\n")
        self.spawn(nats_program(), "-c", settings, stdout=subprocess.DEVNULL)
        wait_port(self.port, self.process, self.name)
        return self

    def words(self, scenario, rooms):
        return [*super().words(scenario, rooms), "--dialect", "nats"]


def nats_program():
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")


def dialect(scenario, folder):
    """The dialect's file, roles swapped where the extension sends."""
    text = (HERE / f"{scenario.dialect}.dialect").read_text()
    for old, new in SWAP if scenario.is_swapped else ():
        text = text.replace(old, new)
    path = folder / f"{scenario.dialect}-{scenario.is_swapped}.dialect"
    path.write_text(text)
    return path

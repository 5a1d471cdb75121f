"""What every case stands on: a relay, healthy rooms in their own process, memory and processor time watched, bounds kept.

The case's process lowers its own priority once the others run, so that an attack does not win by starving the machine of processors.
Ends only what it started. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "EndToEnd"))

from relay_process import ENVIRONMENT, Relay  # noqa: E402

PAIRS = int(os.environ.get("TORTURE_PAIRS", "20"))
COMMANDS_PER_SECOND = float(os.environ.get("TORTURE_COMMANDS", "100"))
BOUND_MS = 100.0
# Shared machines: `TORTURE_FACTOR=3` allows three times the latency; nothing else gives way.
FACTOR = float(os.environ.get("TORTURE_FACTOR", "1"))
BASELINE_SECONDS = 3.0
MEGABYTE = 1_000_000


class RoughRelay(Relay):
    """A relay with a limit of open files, or with `faults.c` under it."""

    def __init__(self, directory, open_files=None, faults=None, **settings):
        super().__init__(directory, **{"connections_per_address": 100_000, "instance_limit": 0, **settings})
        self.open_files, self.faults = open_files, faults

    def _spawn(self, command):
        environment = dict(ENVIRONMENT)
        if self.faults:
            environment.update(self.faults.environment)
        limit = ["prlimit", f"--nofile={self.open_files}:{self.open_files}"] if self.open_files else []
        return subprocess.Popen(
            [*limit, *command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @property
    def address(self):
        return self.host, self.port

    def metric(self, name):
        text = self.api("GET", "/metrics", token=False).body.decode()
        found = re.search(rf"^linkrelay_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def peak_bytes(self):
        """The most that was resident since `forget_peak`."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) * 1024

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class HealthyRooms:
    """The process of `healthy.py`."""

    def __init__(self, relay, folder):
        keys = folder / "healthy-keys"
        keys.write_text("\n".join(relay.pair_self(f"healthy-{number}")[1] for number in range(PAIRS)))
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "healthy.py"), relay.host, str(relay.port), str(keys), str(COMMANDS_PER_SECOND)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if "ready" not in (first := self.process.stdout.readline()):
            raise RuntimeError(f"the healthy rooms did not start: {first!r}")

    def tell(self, order, **details):
        self.process.stdin.write(json.dumps({"order": order, **details}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def settle(self, seconds=10):
        """Stops sending and waits until all is answered, or for so long."""
        deadline = time.monotonic() + seconds
        report = self.tell("rest")
        while report["answered"] < report["sent"] and time.monotonic() < deadline:
            time.sleep(0.1)
            report = self.tell("rest")
        return report

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Rig:
    """One case's surroundings. `bound` keeps a figure and fails the case if it is over; `expect` does so for a claim."""

    def __init__(self, folder, healthy=True, **settings):
        self.folder = pathlib.Path(folder)
        self.settings, self.wants_healthy = settings, healthy
        self.figures, self.failures = [], []
        self.latency_bound_ms = BOUND_MS * FACTOR
        self.healthy = self.relay = None

    def __enter__(self):
        self.relay = RoughRelay(self.folder, **self.settings)
        if data := self.settings.get("data_at"):
            self.relay.data = pathlib.Path(data)
        self.relay.settings.pop("data_at", None)
        self.relay.start()
        if self.wants_healthy:
            self.healthy = HealthyRooms(self.relay, self.folder)
        os.nice(10)
        return self

    def __exit__(self, *ignored):
        if self.healthy:
            self.healthy.close()
        # How it ends in good order is for the end-to-end tests; here that would only take its time.
        if self.relay.is_running:
            self.relay.kill()

    def figure(self, text):
        self.figures.append(text)

    def bound(self, name, value, limit, unit=""):
        text = f"{name} {value:.4g}{unit} (<= {limit:.4g})"
        self.figures.append(text)
        if value > limit:
            self.failures.append(text)

    def expect(self, is_so, text):
        if not is_so:
            self.failures.append(text)

    @contextlib.contextmanager
    def attack(self, memory_mb, is_timed=True, seconds_to_settle=10):
        """The attack is what happens inside: its memory growth is bounded, and the healthy rooms are judged at its end."""
        if self.healthy:
            self.healthy.tell("window", name="before")
            time.sleep(BASELINE_SECONDS)
        self.longest_turn_ms()
        begin, pid = self.relay.resident_bytes(), self.relay.process.pid
        self.relay.forget_peak()
        if self.healthy:
            self.healthy.tell("window", name="during")
        yield
        if self.healthy:
            self.healthy.tell("window", name="after")
        is_alive = self.relay.is_running and self.relay.process.pid == pid
        self.expect(is_alive, f"the relay is gone:\n{self.relay.log[-2000:]}")
        if is_alive:
            self.figure(f"longest turn {self.longest_turn_ms():.1f} ms")
            self.bound("memory", max(0.0, (self.relay.peak_bytes() - begin) / MEGABYTE), memory_mb, " MB")
        if self.healthy:
            self.judge(self.healthy.settle(seconds_to_settle), is_timed)

    def longest_turn_ms(self):
        """The loops' longest turn since this was asked last: what the relay itself held up, if it had its processor."""
        return self.relay.metric("loop_longest_turn_seconds") * 1000

    def judge(self, report, is_timed):
        before, during = report["windows"]["before"], report["windows"]["during"]
        self.figure(f"p99 before {before['p99']:.1f} ms")
        if is_timed:
            self.bound("during", during["p99"], self.latency_bound_ms, " ms")
        else:
            self.figure(f"during {during['p99']:.0f} ms")
        counts = {name: report[name] for name in ("sent", "acked", "refused", "answered")}
        lost = report["sent"] - report["answered"]
        self.figure(f"{report['answered']} commands, {lost} lost")
        self.expect(during["n"] > 0, "the healthy rooms exchanged nothing")
        self.expect(report["acked"] == report["sent"] and lost == 0, f"commands lost or not acknowledged: {counts}")
        self.expect(report["refused"] == 0 and not report["relay_said"], f"healthy commands refused: {counts} {report['relay_said']}")
        self.expect(report["disordered"] == 0, f"{report['disordered']} commands out of order or doubled")
        self.expect(not report["lost_sessions"], f"healthy sessions lost: {report['lost_sessions'][:3]}")

    def member(self, role, key, is_native=True, **more):
        from peers import greet
        return greet(self.relay.address, key, role, is_native, **more)

    def room(self, name):
        return self.relay.pair_self(name)[1]


def until(claim, seconds, every=0.02):
    """Seconds until the claim held; None if it never did."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if claim():
            return time.monotonic() - begin
        time.sleep(every)
    return None

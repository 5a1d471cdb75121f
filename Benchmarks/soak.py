#!/usr/bin/env python3
"""Many idle links beside commands at a steady rate, each answered, for as long as asked: nothing lost, doubled or out of order, memory flat.

Usage: soak.py RELAYD. SOAK_SECONDS (600), SOAK_IDLE (10000 connections), SOAK_RATE (2000 commands a second), SOAK_DIALECT (native or socketio),
SOAK_SLOPE (1 MB an hour allowed over runs of ten minutes or more). Exit 1 when something did not hold. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from scenarios import Scenario
from servers import Relayd, compile_into

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
IDLE = int(os.environ.get("SOAK_IDLE", "10000"))
RATE = int(os.environ.get("SOAK_RATE", "2000"))
DIALECT = os.environ.get("SOAK_DIALECT", "native")
SLOPE_BYTES_PER_HOUR = float(os.environ.get("SOAK_SLOPE", "1")) * 1e6
ROOMS = 100
SAMPLE_SECONDS = 1.0
REPLY = {"native": 'reply {"event":"commandStatus","data":%m}', "socketio": 'reply 42["commandStatus",%m]'}


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def slope_per_hour(samples):
    """Least squares over `(seconds, bytes)`."""
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_b = sum(b for _, b in samples) / len(samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return 3600 * sum((t - mean_t) * (b - mean_b) for t, b in samples) / spread if spread else 0.0


def load(folder, server, scenario, name, *words):
    """Starts a generator on the second processor; its result is a line of JSON in a file."""
    command = ["taskset", "-c", "1", folder / "relayload", scenario.words[0], *server.words(scenario, scenario.rooms), "--rooms", scenario.rooms,
               *scenario.words[1:], *words]
    # Generators live at once, so their keys must not share a file.
    keys = folder / f"{name}-keys"
    (folder / f"{server.name}-keys").rename(keys)
    command[command.index("--keys") + 1] = keys
    with open(folder / f"{name}.json", "w") as out, open(folder / f"{name}.log", "w") as told:
        return subprocess.Popen([str(word) for word in command], stdout=out, stderr=told)


def wait_connections(pid, count, process):
    while descriptors(pid) < count:
        if process.poll() is not None:
            sys.exit("the idle connections could not be opened")
        time.sleep(0.1)


def soak(folder, server):
    pid = server.process.pid
    fds_before = descriptors(pid)
    idle = Scenario("idle", "idle", ("idle", "--members", 2, "--hold", SECONDS + 3600, "--concurrency", 256), DIALECT, rooms=IDLE // 2)
    busy = Scenario("commands", "latency", ("rate", "--size", 200, "--rate", RATE, "--no-spin"), DIALECT, rooms=ROOMS)
    print(f"{IDLE} idle connections in {IDLE // 2} rooms, {RATE} {DIALECT} commands a second with answers, {SECONDS:.0f} s", flush=True)
    with contextlib.ExitStack() as stack:
        holding = load(folder, server, idle, "idle")
        stack.callback(end, holding)
        wait_connections(pid, fds_before + IDLE, holding)
        working = load(folder, server, busy, "busy", "--duration", SECONDS, "--warmup", 2, "--drain", 20, "--set", REPLY[DIALECT])
        stack.callback(end, working)
        samples, begin = [], time.monotonic()
        while working.poll() is None:
            time.sleep(SAMPLE_SECONDS)
            samples.append((time.monotonic() - begin, resident_bytes(pid)))
        idle_alive = descriptors(pid) >= fds_before + IDLE and holding.poll() is None
    result = json.loads((folder / "busy.json").read_text() or "{}")
    deadline = time.monotonic() + 30
    while descriptors(pid) > fds_before + 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    return result, samples, idle_alive, fds_before, descriptors(pid)


def end(process):
    if process.poll() is None:
        process.terminate()
    process.wait()


def judge(result, samples, idle_alive, fds_before, fds_after):
    """Prints the figures; the sentences about what did not hold."""
    # The first fifth fills what is made on demand.
    settled = samples[len(samples) // 5:]
    slope, growth = slope_per_hour(settled), settled[-1][1] - settled[0][1]
    latency = result["latency_us"]
    print(f"{latency['n']} commands answered: {result['undelivered']} lost, {result['repeated']} doubled, {result['out_of_order']} out of order, "
          f"{result['closed']} connections lost")
    print(f"round trip p50 {latency['p50'] / 1000:.2f} ms, p99 {latency['p99'] / 1000:.2f} ms, max {latency['max'] / 1000:.1f} ms; "
          f"server {result['server_cpu_pct']:.0f} % of a processor, {result['server_cpu_us_per_delivery']:.1f} µs a command")
    print(f"RSS {settled[0][1] / 1e6:.1f} MB -> {settled[-1][1] / 1e6:.1f} MB, slope {slope / 1e6:+.2f} MB/h; descriptors {fds_before} -> {fds_after}")
    faults = [f"{name}: {result[name]}" for name in ("undelivered", "repeated", "out_of_order", "closed") if result[name]]
    if not idle_alive:
        faults.append("idle connections were lost")
    if fds_after > fds_before + 2:
        faults.append("descriptors did not come back")
    if slope > SLOPE_BYTES_PER_HOUR and growth > 256 * 1024 and SECONDS >= 600:
        faults.append("memory grows")
    return faults


def main():
    relayd = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = pathlib.Path(name)
        compile_into(folder, "relayload")
        with contextlib.closing(Relayd(relayd, folder).start()) as server:
            faults = judge(*soak(folder, server))
    print("held" if not faults else "did not hold: " + "; ".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()

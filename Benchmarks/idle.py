#!/usr/bin/env python3
"""What an idle connection costs: resident memory at 1,000 to 19,000 linked connections, the slope, and what 100,000 would take.

Usage: idle.py RELAYD. IDLE_COUNTS ("1000 5000 10000 19000"), IDLE_DIALECTS ("native socketio"). A fresh relay for each step; the keys of
the rooms are made before and do not count. Needs that many open files in each process. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from scenarios import Scenario
from servers import LOAD_CORE, Relayd, compile_into

COUNTS = [int(word) for word in os.environ.get("IDLE_COUNTS", "1000 5000 10000 19000").split()]
DIALECTS = os.environ.get("IDLE_DIALECTS", "native socketio").split()
GOAL = 100_000


def step(folder, relayd, dialect, count):
    """Resident bytes before and with so many connections."""
    scenario = Scenario("idle", "idle", ("idle",), dialect, rooms=count // 2)
    with contextlib.closing(Relayd(relayd, folder, f"relayd-{dialect}-{count}", connection_count=20_000).start()) as server:
        words = ["idle", *server.words(scenario, scenario.rooms), "--rooms", scenario.rooms, "--members", 2, "--settle", 2, "--hold", 2,
                 "--concurrency", 256]
        done = subprocess.run(
            ["taskset", "-c", LOAD_CORE, str(folder / "relayload"), *map(str, words)], capture_output=True, text=True, timeout=300)
        result = json.loads(done.stdout)
    if result["alive_after_hold"] != scenario.rooms * 2:
        sys.exit(f"{result['alive_after_hold']} of {count} connections are alive: {done.stderr.strip()}")
    return result


def main():
    relayd = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="idle-") as name:
        folder = pathlib.Path(name)
        compile_into(folder, "relayload")
        print(f"{'dialect':10}{'connections':>12}{'RSS before MB':>15}{'with MB':>10}{'bytes each':>12}{'idle CPU %':>12}")
        for dialect in DIALECTS:
            grown = []
            for count in COUNTS:
                one = step(folder, relayd, dialect, count)
                grown.append((one["connections"], (one["server_rss_after_kb"] - one["server_rss_before_kb"]) * 1024))
                print(f"{dialect:10}{one['connections']:>12,}{one['server_rss_before_kb'] / 1000:>15.1f}{one['server_rss_after_kb'] / 1000:>10.1f}"
                      f"{one['bytes_per_connection']:>12.0f}{one['server_idle_cpu_pct']:>12.2f}", flush=True)
            (few, least), (many, most) = grown[0], grown[-1]
            slope = (most - least) / (many - few) if many > few else most / many
            print(f"{dialect:10}{slope:,.0f} bytes a connection; {GOAL:,} would take {slope * GOAL / 1e6:,.0f} MB of resident memory beside the kernel's")


if __name__ == "__main__":
    main()

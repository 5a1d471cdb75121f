#!/usr/bin/env python3
"""relayd beside a raw relay, python-socketio and NATS, alternating in one run: rates, latencies, joins, memory, and processor time for each.

Usage: compare.py RELAYD [--rounds N] [--duration S] [--only WORD...] [--json FILE] [--python PYTHON]. Needs a C compiler and two processors:
servers run on the first, the generator on the second. Machines are shared and noisy: figures are medians, ratios are what counts.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

from report import Report, figures
from scenarios import chosen
from servers import LOAD_CORE, NATS, PythonSocketIO, RawRelay, Relayd, compile_into, nats_program


def arguments():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("relayd", type=pathlib.Path)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--duration", type=float, default=2)
    words.add_argument("--only", nargs="*", default=[], help="scenarios whose name has one of these words in it")
    words.add_argument("--json", type=pathlib.Path, default=pathlib.Path("build/bench.json"))
    words.add_argument("--python", help="an interpreter that has python-socketio and aiohttp; without it that peer is left out")
    return words.parse_args()


def run_once(folder, server, scenario, duration):
    """One run of the generator; its figures, or the sentence why there are none."""
    mode, *more = scenario.words
    timing = [] if mode == "idle" else ["--duration", duration, "--warmup", 0.5]
    words = [mode, *server.words(scenario, scenario.rooms), "--rooms", scenario.rooms, *timing, *more]
    # Deflating is asked for by the generator; the plain server beside it is asked for nothing.
    if server.name == "relayd" and scenario.server == "relayd-deflate":
        words.remove("--deflate")
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, str(folder / "relayload"), *map(str, words)], capture_output=True, text=True, timeout=240)
    if done.returncode not in (0, 2) or not done.stdout:
        return done.stderr.strip() or f"relayload ended with {done.returncode}"
    result = json.loads(done.stdout)
    if result.get("delivered_per_s") == 0:
        return f"nothing delivered: {result['undelivered']} due, {result['closed']} closed {result['first_error']}"
    return figures(scenario.kind, result)


def makers(options, folder):
    made = {
        "relayd": lambda: Relayd(options.relayd, folder),
        "relayd-tls": lambda: Relayd(options.relayd, folder, "relayd-tls", tls_self_signed="on"),
        "relayd-deflate": lambda: Relayd(options.relayd, folder, "relayd-deflate", compression="on"),
        "relayd-two-loops": lambda: Relayd(options.relayd, folder, "relayd-two-loops", loops=2, core=None),
        "raw": lambda: RawRelay(folder),
        "raw-pings": lambda: RawRelay(folder, pings=True),
    }
    if nats_program():
        made["nats"] = lambda: NATS(folder)
    if options.python:
        made["python-socketio"] = lambda: PythonSocketIO(options.python, folder)
    return made


def measure(options, folder, scenario, report):
    """All servers of a scenario, alternating; a server that fails once is not asked again."""
    made = makers(options, folder)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(contextlib.closing(made[name]().start())) for name in (scenario.server, *scenario.beside) if name in made]
        runs = {server.name: [] for server in servers}
        for _ in range(options.rounds):
            for server in servers:
                if isinstance(runs[server.name], list):
                    result = run_once(folder, server, scenario, options.duration)
                    runs[server.name] = runs[server.name] + [result] if isinstance(result, dict) else result
    report.add(scenario, runs)


def main():
    options = arguments()
    scenarios = chosen(options.only)
    if not scenarios:
        sys.exit("no scenario has that in its name")
    report = Report(rounds=options.rounds, duration_s=options.duration, relayd=str(options.relayd))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = pathlib.Path(name)
        compile_into(folder, "relayload", "minrelay")
        try:
            for scenario in scenarios:
                measure(options, folder, scenario, report)
        finally:
            report.write(options.json)
    print(f"\nratio: the first line's processor time (latency: p99; idle: bytes) to this line's. All figures: {options.json}")


if __name__ == "__main__":
    main()

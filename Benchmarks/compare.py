#!/usr/bin/env python3
"""relayd beside the least a relay can do (minrelay), alternating in one run: server CPU per delivered message, and the ratio.

Usage: compare.py RELAYD [ROUNDS]. Needs a C compiler and two processors: the server is pinned to the first, the generator to the second.
Machines are shared and noisy: the figures are medians, the ratios are what counts. SPDX-License-Identifier: Apache-2.0
"""

import contextlib
import itertools
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
ROOMS = 64
SWAP = (("\"client\"", "\"TMP\""), ("\"sd\"", "\"client\""), ("\"TMP\"", "\"sd\""), ("\"command\"", "\"commandStatus\""))
# Name, dialect file, roles swapped (the extension sends), generator arguments, replacement of the message line.
SCENARIOS = [
    ("native command 200 B", "native", False, ["pair", "--size", "200"], 'message {"event":"command","data":{"x":%m}}'),
    ("socketio command 200 B", "socketio", False, ["pair", "--size", "200"], 'message 42["command",{"x":%m}]'),
    ("native status 200 B", "native", True, ["pair", "--size", "200"], None),
    ("native status 4 KB", "native", True, ["pair", "--size", "4096"], None),
    ("native status 256 KB", "native", True, ["pair", "--size", "262144", "--rooms", "8", "--window", "2"], None),
    ("native status 1:50", "native", True, ["fanout", "--size", "200", "--rooms", "4", "--members", "51", "--window", "4"], None),
]


def pinned(core, *words, **more):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, words)], text=True, **more)


def load(port, pid, arguments):
    words = [arguments[0], "--port", port, "--pid", pid, "--duration", 2, "--warmup", 0.5, "--rooms", ROOMS, "--window", 8, *arguments[1:]]
    out = subprocess.run(["taskset", "-c", "1", str(BUILD / "relayload"), *map(str, words)], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def keys(base, token, count, folder):
    """Files of `ROOMS` fresh link keys each, for as long as asked: a room is used once, so that nothing is left in it."""
    for n in itertools.count():
        path = folder / f"keys-{n}"
        with path.open("w") as out:
            for i in range(count):
                body = json.dumps({"installId": f"{n}-{i}", "name": "bench"}).encode()
                headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
                request = urllib.request.Request(base + "/api/link/self", body, headers)
                out.write(json.load(urllib.request.urlopen(request))["key"] + "\n")
        yield path


def dialect(name, is_swapped, folder):
    text = (HERE / f"{name}.dialect").read_text()
    for old, new in SWAP if is_swapped else ():
        text = text.replace(old, new)
    path = folder / f"{name}-{is_swapped}.dialect"
    path.write_text(text)
    return path


def main():
    global BUILD
    relayd, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        BUILD = folder = pathlib.Path(folder)
        for name in ("relayload", "minrelay"):
            subprocess.run(["cc", "-O3", "-o", folder / name, HERE / f"{name}.c"], check=True)
        data = folder / "data"
        server = pinned(
            0, relayd, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--instance-limit", 0, "--loops", 1, "--members-per-room", 100,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        stack.callback(server.terminate)
        base = next(found.group(0) for line in server.stdout if (found := re.search(r"http://\S+", line)))
        port = int(base.rsplit(":", 1)[1])
        token = subprocess.check_output([relayd, "token", "new", "owner", "--data-dir", data], text=True).strip()
        yardstick_port = port + 1 if port < 65000 else port - 1
        yardstick = pinned(0, folder / "minrelay", yardstick_port)
        stack.callback(yardstick.terminate)
        time.sleep(0.3)  # it says nothing when it listens
        fresh = keys(base, token, ROOMS, folder)
        print(f"{'scenario':26} {'relayd µs':>10} {'raw µs':>8} {'ratio':>6} {'relayd MB/s':>12}")
        for name, kind, is_swapped, arguments, message in SCENARIOS:
            ours, raw, rate = [], [], []
            for _ in range(rounds):
                raw.append(load(yardstick_port, yardstick.pid, arguments)["server_cpu_us_per_delivery"])
                more = ["--keys", next(fresh), "--dialect-file", dialect(kind, is_swapped, folder)]
                result = load(port, server.pid, arguments + more + (["--set", message] if message else []))
                ours.append(result["server_cpu_us_per_delivery"])
                rate.append(result["mb_per_s"])
            mine, theirs = statistics.median(ours), statistics.median(raw)
            print(f"{name:26} {mine:10.2f} {theirs:8.2f} {mine / theirs:6.2f} {statistics.median(rate):12.1f}")


if __name__ == "__main__":
    main()

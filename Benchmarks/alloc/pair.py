"""Allocations per relayed command in steady state. Memory per idle connection is idle.py's.

Usage: pair.py RELAYD. Starts it under count_malloc.so, pairs a native client and extension, lets commands of 200 bytes go out and
successes come back, and divides. Needs the PyPI package `websockets`. SPDX-License-Identifier: Apache-2.0
"""

import asyncio
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import urllib.request

import websockets

WARM, MEASURED = 3000, 5000
HERE = pathlib.Path(__file__).parent


def counters(path):
    return struct.unpack("QQ", path.read_bytes()[:16])


async def member(url, role, key):
    socket = await websockets.connect(url, max_size=None, ping_interval=None, compression=None)
    await socket.send(json.dumps({"event": "iam", "data": {"type": role}}))
    await socket.send(json.dumps({"event": "join", "data": key, "ack": 1}))
    while json.loads(await socket.recv()).get("event") != "ack":
        pass
    return socket


async def until(socket, event):
    while True:
        message = json.loads(await socket.recv())
        if message["event"] == event:
            return message.get("data")


async def exchange(client, sd, first, count):
    pad = "x" * 110
    for n in range(first, first + count):
        command = {"id": f"{n:036d}", "type": "activities:list", "pad": pad}
        await client.send(json.dumps({"event": "command", "data": command}))
        received = await until(sd, "command")
        await sd.send(json.dumps({"event": "commandStatus", "data": {**received, "status": "success"}}))
        await until(client, "commandStatus")


async def measure(base, call, count_file):
    url = base.replace("http", "ws") + "/link"
    key = call("POST", "/api/link/self", {"installId": "bench", "name": "bench"})["key"]
    client, sd = await member(url, "client", key), await member(url, "sd", key)
    await exchange(client, sd, 0, WARM)
    before = counters(count_file)
    await exchange(client, sd, WARM, MEASURED)
    after = counters(count_file)
    return (after[0] - before[0]) / MEASURED


def main():
    relayd = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        library = folder / "count_malloc.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "count_malloc.c"], check=True)
        count_file = folder / "counters"
        count_file.write_bytes(bytes(16))
        data = folder / "data"
        env = {**os.environ, "LD_PRELOAD": str(library), "ALLOC_COUNT_FILE": str(count_file)}
        arguments = ["--listen", "127.0.0.1:0", "--data-dir", str(data), "--instance-limit", "0", "--loops", "1"]
        with subprocess.Popen([relayd, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env) as process:
            try:
                base = next(found.group(0) for line in process.stdout if (found := re.search(r"http://\S+", line)))
                token = subprocess.check_output([relayd, "token", "new", "owner", "--data-dir", str(data)], text=True).strip()

                def call(method, path, body):
                    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
                    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers, method=method)
                    return json.load(urllib.request.urlopen(request))

                made = asyncio.run(measure(base, call, count_file))
            finally:
                process.terminate()
    found = {"allocations_per_command_and_answer": round(made, 4)}
    print(json.dumps(found))
    # Thresholds only ever tighten.
    limits = json.loads((HERE.parent / "thresholds.json").read_text())
    over = {name: value for name, value in found.items() if value > limits[name]}
    sys.exit(f"over its threshold: {over}" if over else 0)


if __name__ == "__main__":
    main()

"""What is measured, and beside whom. Each scenario is a mode of relayload with its words. SPDX-License-Identifier: Apache-2.0"""
import dataclasses

NATIVE_COMMAND = 'message {"event":"command","data":{"x":%m}}'
SOCKETIO_COMMAND = 'message 42["command",{"x":%m}]'


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`kind` picks the report's columns; `beside` are the peers that can carry the same payload to the same receivers."""

    name: str
    kind: str
    words: tuple
    dialect: str = "native"
    is_swapped: bool = False
    message: str | None = None
    rooms: int = 64
    beside: tuple = ("raw",)
    server: str = "relayd"


def pair(name, dialect, size, is_swapped, rooms=64, window=8):
    # Commands are followed by pings, since an extension may never answer them; statuses are not.
    raw = ("raw",) if is_swapped else ("raw", "raw-pings")
    peers = (*raw, "nats" if dialect == "native" else "python-socketio")
    message = None if is_swapped else NATIVE_COMMAND if dialect == "native" else SOCKETIO_COMMAND
    return Scenario(
        name, "throughput", ("pair", "--size", size, "--window", window), dialect, is_swapped, message, rooms, peers)


def fanout(name, dialect):
    peers = ("raw", "nats") if dialect == "native" else ("raw", "python-socketio")
    return Scenario(
        name, "throughput", ("fanout", "--size", 200, "--members", 51, "--window", 4), dialect, True, None, 4, peers)


def latency(name, dialect, rate, beside):
    return Scenario(name, "latency", ("rate", "--size", 200, "--rate", rate), dialect, True, None, 64, beside)


def variant(name, server, dialect, size, words=(), **more):
    """relayd beside relayd: what TLS, compression and a second loop cost."""
    return Scenario(name, "throughput", ("pair", "--size", size, "--window", 8, *words), dialect, True, beside=("relayd",), server=server, **more)


SCENARIOS = [
    pair("pair native command 200 B", "native", 200, False),
    pair("pair socketio command 200 B", "socketio", 200, False),
    pair("pair native status 200 B", "native", 200, True),
    pair("pair socketio status 200 B", "socketio", 200, True),
    pair("pair native status 4 KB", "native", 4096, True),
    pair("pair socketio status 4 KB", "socketio", 4096, True),
    pair("pair native status 256 KB", "native", 262144, True, rooms=8, window=2),
    pair("pair socketio status 256 KB", "socketio", 262144, True, rooms=8, window=2),
    fanout("fanout native 1:50", "native"),
    fanout("fanout socketio 1:50", "socketio"),
    latency("latency native 5,000/s", "native", 5000, ("raw", "nats")),
    latency("latency socketio 5,000/s", "socketio", 5000, ("raw", "python-socketio")),
    latency("latency native 20,000/s", "native", 20000, ("raw", "nats")),
    latency("latency socketio 20,000/s", "socketio", 20000, ("raw",)),
    Scenario("storm native", "storm", ("idle", "--members", 2, "--hold", 0.2, "--concurrency", 256), "native", rooms=4000,
             beside=("raw", "nats")),
    Scenario("storm socketio", "storm", ("idle", "--members", 2, "--hold", 0.2, "--concurrency", 256, "--time-expect", "40{"), "socketio",
             rooms=1000, beside=("python-socketio",)),
    Scenario("storm socketio 15,000 at once", "storm",
             ("idle", "--members", 2, "--hold", 0.2, "--concurrency", 15000, "--time-expect", "40{"), "socketio", rooms=7500, beside=()),
    Scenario("idle native", "idle", ("idle", "--members", 2, "--hold", 1, "--settle", 1), "native", rooms=1000, beside=("raw", "nats")),
    Scenario("idle socketio", "idle", ("idle", "--members", 2, "--hold", 1, "--settle", 1), "socketio", rooms=1000,
             beside=("python-socketio",)),
    variant("tls native status 200 B", "relayd-tls", "native", 200),
    variant("tls native status 4 KB", "relayd-tls", "native", 4096),
    Scenario("storm tls native", "storm", ("idle", "--members", 2, "--hold", 0.2), "native", rooms=300, beside=("relayd",), server="relayd-tls"),
    variant("deflate native status 4 KB", "relayd-deflate", "native", 4096, ("--deflate", "--prose")),
    variant("deflate native status 64 KB", "relayd-deflate", "native", 65536, ("--deflate", "--prose"), rooms=16),
    variant("two loops native status 200 B", "relayd-two-loops", "native", 200),
    variant("two loops socketio status 4 KB", "relayd-two-loops", "socketio", 4096),
]


def chosen(words):
    """Those whose name has one of the words in it; all of them for none."""
    return [one for one in SCENARIOS if not words or any(word in one.name for word in words)]

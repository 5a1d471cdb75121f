"""Signals that must cost nobody a session: SIGHUP again and again, SIGPIPE, SIGXFSZ, and three seconds of SIGSTOP.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import signal
import threading

from test_disk import Pair

FREEZE_SECONDS = 3
HANGUPS = 10


def test_signals_lose_no_session(relay, closing):
    _, key = relay.pair_self("one")
    pair = closing(Pair(relay, key))
    for one in [signal.SIGHUP] * HANGUPS + [signal.SIGPIPE, signal.SIGXFSZ]:
        relay.process.send_signal(one)
        pair.exchange()
    assert relay.process.poll() is None


def freeze(process):
    """Until every thread stands still: the one that is asked to stop may run on for a moment."""
    process.send_signal(signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{process.pid}/task")
    while {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()} != {"T"}:
        pass


def test_three_seconds_frozen(relay, closing):
    """Both sides send into the freeze; the same connections go on after it."""
    _, key = relay.pair_self("one")
    pair = closing(Pair(relay, key))
    pair.exchange()
    freeze(relay.process)
    thaw = threading.Timer(FREEZE_SECONDS, relay.process.send_signal, [signal.SIGCONT])
    thaw.start()
    try:
        assert pair.exchange() > FREEZE_SECONDS / 2
    finally:
        thaw.join()
    pair.exchange()
    assert relay.api("GET", "/readyz", token=False).status == 200

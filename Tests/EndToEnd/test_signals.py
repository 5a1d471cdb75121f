"""Signals that must cost nobody a session: SIGHUP again and again, SIGPIPE, SIGXFSZ, and three seconds of SIGSTOP.

SPDX-License-Identifier: Apache-2.0
"""
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


def test_three_seconds_frozen(relay, closing):
    """Both sides send into the freeze; the same connections go on after it."""
    _, key = relay.pair_self("one")
    pair = closing(Pair(relay, key))
    pair.exchange()
    relay.process.send_signal(signal.SIGSTOP)
    thaw = threading.Timer(FREEZE_SECONDS, relay.process.send_signal, [signal.SIGCONT])
    thaw.start()
    try:
        assert pair.exchange() > FREEZE_SECONDS / 2
    finally:
        thaw.join()
    pair.exchange()
    assert relay.api("GET", "/readyz", token=False).status == 200

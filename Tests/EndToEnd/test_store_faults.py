"""The n-th system call on the data directory fails: nothing acknowledged is lost, nothing is said that is not so, nobody crashes.

A handful of n by default; STORE_FAULTS=500 (`make faults`) tries every n up to that. SPDX-License-Identifier: Apache-2.0
"""
import errno
import os
import shutil

import pytest

from disk_faults import FOR_EVER, FaultyRelay, is_sound
from store_script import Round
from test_crash import can_join

LAST = int(os.environ.get("STORE_FAULTS", "0"))
CHUNK = 10
SAMPLE = [[9, 61], [112, 150], [31, 203]]
NUMBERS = [list(range(first, min(first + CHUNK, LAST + 1))) for first in range(1, LAST + 1, CHUNK)] or SAMPLE
# From the first start on an empty directory to the end of so many rounds there are more than 500 calls.
ROUNDS = 6
SETTINGS = {
    "connections_per_address": 5000, "instance_limit": 0, "wrong_code_burst": 1000, "wrong_codes_per_minute": 100_000,
    "code_repeat_grace": "600s",
}
# What a start that cannot use its directory may end with: never a signal, never 0.
START_FAILURES = (69, 71, 74)


@pytest.fixture
def faulty(tmp_path, closing):
    """Makes relays on a faulty disk; the test starts them."""
    numbers = iter(range(1 << 30))
    return lambda **settings: closing(FaultyRelay(tmp_path / f"relay-{next(numbers)}", **{**SETTINGS, **settings}))


@pytest.fixture
def old(faulty):
    """A directory that was in use and closed: its relay, and one key in it."""
    relay = faulty().start()
    relay.token()
    _, key = relay.pair_self("from before")
    assert relay.stop() == 0
    return relay, key


def begin(relay):
    """Starts on the failing disk. False when that failed: with a sentence and the right exit code, and it works once the disk does."""
    try:
        relay.start()
        return True
    except RuntimeError:
        relay.heal()
        assert relay.process.returncode in START_FAILURES, (relay.process.returncode, relay.log)
        relay.wait_log("relayd: ")
        relay.start()
        return False


def one_fault(relay, number, is_lasting, error, key=None):
    """The n-th call fails, and with `is_lasting` all after it; rounds of changes until it has, then the truth, then again after a restart."""
    relay.fail(number, FOR_EVER if is_lasting else number, error=error)
    has_begun = begin(relay)
    token, rounds = relay.token(), []
    while has_begun and len(rounds) < ROUNDS:
        had_failed = relay.faults.failed > 0
        rounds.append(Round(relay, token).run())
        if had_failed:
            break
    assert relay.is_running, relay.log
    if is_lasting and relay.faults.failed and has_begun:
        ready = relay.api("GET", "/readyz", token=False)
        assert ready.status == 503 and ready.json["store"] in ("full", "io", "busy"), ready
    relay.heal()
    check(relay, rounds, key)
    if number % 2:
        assert relay.stop() == 0
    else:
        relay.kill()
    relay.restart()
    assert is_sound(relay)
    check(relay, rounds, key)
    relay.kill()
    return relay.faults.failed


def check(relay, rounds, key):
    for one in rounds:
        one.check()
    if key:
        assert can_join(relay, key), "a key from before was lost"
    assert Round(relay, relay.token()).run().refusals == 0, "refused on a sound disk"


def described(numbers):
    return f"{numbers[0]}-{numbers[-1]}"


@pytest.mark.timeout(120 + 60 * CHUNK)
@pytest.mark.parametrize("numbers", NUMBERS, ids=described)
def test_one_call_fails(faulty, old, numbers):
    """EIO once; on a new directory (the first start and its migration included) for even n, on one in use for odd n."""
    former, key = old
    for number in numbers:
        relay = faulty()
        if number % 2:
            inherit(relay, former)
        failed = one_fault(relay, number, False, errno.EIO, key if number % 2 else None)
        assert failed == 1, f"there was no call {number}"


@pytest.mark.timeout(120 + 60 * CHUNK)
@pytest.mark.parametrize("numbers", NUMBERS, ids=described)
def test_all_calls_fail_from_then_on(faulty, old, numbers):
    """ENOSPC for ever; on a new directory for odd n, on one in use for even n."""
    former, key = old
    for number in numbers:
        relay = faulty()
        if number % 2 == 0:
            inherit(relay, former)
        assert one_fault(relay, number, True, errno.ENOSPC, None if number % 2 else key) > 0, f"there was no call {number}"


def inherit(relay, former):
    shutil.copytree(former.data, relay.data)
    relay.data.chmod(0o700)
    relay._tokens = dict(former._tokens)

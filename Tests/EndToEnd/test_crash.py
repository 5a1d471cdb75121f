"""kill -9 of the relay in the middle of pairings, again and again: what was acknowledged holds, what was spent stays spent.

E2E_KILL_ROUNDS sets how often (default 10).
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import threading

import pytest

from wire import Ended, EngineSocket

ROUNDS = int(os.environ.get("E2E_KILL_ROUNDS", "10"))
PAIRING_THREADS = 4


def user(thread):
    return f"user-{thread}"


class Ledger:
    """What the relay promised: keys it has told, codes it has given out and by whom they were presented."""

    def __init__(self):
        self.lock = threading.Lock()
        self.keys = {}
        self.open_codes, self.presented, self.spent = set(), {}, {}
        self.told = threading.Semaphore(0)

    def leave(self, former, code):
        """A code is left unused, in the place of a former one."""
        with self.lock:
            self.open_codes.discard(former)
            self.open_codes.add(code)

    def present(self, code, install):
        with self.lock:
            self.open_codes.discard(code)
            self.presented[code] = install

    def exchanged(self, code, key):
        with self.lock:
            self.spent[code] = self.presented.pop(code)
            self.keys[key] = code
        self.told.release()


def exchange(relay, code, install):
    """Presents a code as an extension; the key told, or None after a refusal."""
    socket = EngineSocket(relay)
    try:
        answer = socket.enter("sd", code, installId=install)
        if b'"success":true' not in answer[-1]:
            return None
        told = [one for one in answer if one.startswith(b'42["upgradeKey"')] or socket.upto(b'42["upgradeKey"')[-1:]
        return json.loads(told[0][2:])[1]["key"]
    finally:
        socket.reset()


def can_join(relay, key, role="sd", **more):
    socket = EngineSocket(relay)
    try:
        return b'"success":true' in socket.enter(role, key, **more)[-1]
    finally:
        socket.close()


def pair_until_dead(relay, ledger, thread, round_number):
    """Creates links and exchanges their codes until the relay is gone; each thread for a user of its own.

    Only a few codes of one user are usable at a time, so each leaves at most one behind.
    """
    token = relay.token(user(thread))
    number, left = 0, None
    while True:
        number += 1
        install = f"install-{round_number}-{thread}-{number}"
        try:
            _, code = relay.new_link(token)
            if number % 4 == 0:
                ledger.leave(left, code)
                left = code
                continue
            ledger.present(code, install)
            key = exchange(relay, code, install)
            assert key is not None, "a fresh code was refused"
            ledger.exchanged(code, key)
        except (OSError, Ended, ValueError, json.JSONDecodeError):
            return
        except Exception as error:
            # http.client raises its own kinds when a connection dies halfway.
            if type(error).__module__ == "http.client":
                return
            raise


@pytest.mark.long
@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_kill_in_the_middle_of_pairings(make_relay):
    relay = make_relay(
        instance_limit=0, wrong_code_burst=1000, wrong_code_interval="1s", wrong_codes_per_minute=100_000,
        code_repeat_grace="600s",
    )
    for thread in range(PAIRING_THREADS):
        relay.token(user(thread))
    random_moments = random.Random(20)
    ledger = Ledger()
    for round_number in range(ROUNDS):
        errors = []

        def work(thread):
            try:
                pair_until_dead(relay, ledger, thread, round_number)
            except BaseException as error:
                errors.append(error)

        workers = [threading.Thread(target=work, args=(thread,)) for thread in range(PAIRING_THREADS)]
        for worker in workers:
            worker.start()
        for _ in range(random_moments.randint(1, 25)):
            assert ledger.told.acquire(timeout=30) or errors, "no pairing in 30 s"
        relay.kill()
        for worker in workers:
            worker.join(60)
        assert errors == []
        relay.restart()
        check(relay, ledger, random_moments)
    assert len(ledger.keys) >= ROUNDS


def check(relay, ledger, moments):
    """Every acknowledged key opens its room, no spent code does, and nobody is stuck in between."""
    for key in ledger.keys:
        assert can_join(relay, key), "an acknowledged key was lost"
    listed = {
        one["key"] for thread in range(PAIRING_THREADS) for one in relay.links(relay.token(user(thread))).values()
    }
    assert set(ledger.keys) <= listed
    for code in moments.sample(sorted(ledger.spent), min(10, len(ledger.spent))):
        assert not can_join(relay, code, installId="somebody-else"), "a spent code opened a room"
        assert not can_join(relay, code, role="client"), "a spent code opened a room for a browser"
        repeated = exchange(relay, code, ledger.spent[code])
        assert ledger.keys.get(repeated) == code, "the same install repeating its code got another key, or none"
    # Presented but never answered: the same install tries again and gets its key, whether the code was spent or not.
    for code, install in list(ledger.presented.items()):
        key = exchange(relay, code, install)
        assert key is not None, "a code was spent and its key never told"
        ledger.exchanged(code, key)
        ledger.told.acquire()
    # Never presented: still good.
    for code in sorted(ledger.open_codes):
        ledger.present(code, "late")
        key = exchange(relay, code, "late")
        assert key is not None, "a code given out before the crash was lost"
        ledger.exchanged(code, key)
        ledger.told.acquire()

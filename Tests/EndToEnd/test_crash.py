"""kill -9 of the relay in the middle of pairings, again and again: what was acknowledged holds, what was spent stays spent.

E2E_KILL_ROUNDS sets how often (default 10).
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import itertools
import json
import os
import random
import threading
import time

import pytest

from admin_client import get
from wire import Ended, EngineSocket

ROUNDS = int(os.environ.get("E2E_KILL_ROUNDS", "10"))
PAIRING_THREADS = 4
# Of what earlier rounds left, so many are looked at again in each; and so many links each user keeps.
SAMPLE, KEPT = 6, 8


def user(thread):
    return f"user-{thread}"


class Ledger:
    """What the relay promised: keys it has told, codes it has given out and by whom they were presented."""

    def __init__(self):
        self.lock = threading.Lock()
        self.keys = {}
        self.open_codes, self.presented, self.spent = set(), {}, {}
        # Keys that were replaced or deleted; by thread the policy and the token that hold; a token that was revoked.
        self.dead, self.policies, self.tokens, self.revoked, self.users = [], {}, {}, None, set()
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

    def give_up(self, key):
        """Its end was asked for: until that is answered it may live or not."""
        with self.lock:
            self.spent.pop(self.keys.pop(key), None)

    def bury(self, key):
        with self.lock:
            self.dead.append(key)

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


class Owner:
    """One user's changes until the relay is gone: every kind in turn, each noted in the ledger before and after.

    Only a few codes of one user are usable at a time, so each leaves at most one behind.
    """

    def __init__(self, relay, ledger, thread, round_number):
        self.relay, self.ledger, self.thread, self.round = relay, ledger, thread, round_number
        self.token, self.left = relay.token(user(thread)), None

    def work(self):
        steps = itertools.cycle([self.pair, self.leave, self.pair, self.rekey, self.pair, self.delete, self.pair, self.decide, self.tokens])
        try:
            if self.thread == 0:
                name = f"added-{self.round}"
                self.relay.run("user", "add", name)
                self.ledger.users.add(name)
            for number in itertools.count():
                next(steps)(f"install-{self.round}-{self.thread}-{number}")
        except (OSError, Ended, ValueError, http.client.HTTPException):
            pass  # The relay is gone.

    def api(self, method, path, body=None, **more):
        answer = self.relay.api(method, path, body, **{"token": self.token, **more})
        assert answer.status == 200, answer
        return answer

    def pair(self, install):
        identifier, code = self.relay.new_link(self.token)
        self.ledger.present(code, install)
        key = exchange(self.relay, code, install)
        assert key is not None, "a fresh code was refused"
        self.ledger.exchanged(code, key)
        self.last = (identifier, key)

    def leave(self, _):
        self.forsake(self.relay.new_link(self.token)[1])

    def forsake(self, code):
        self.ledger.leave(self.left, code)
        self.left = code

    def rekey(self, _):
        identifier, key = self.last
        self.ledger.give_up(key)
        code = self.relay.new_link(self.token, id=identifier)[1]
        self.ledger.bury(key)
        self.forsake(code)

    def delete(self, _):
        identifier, key = self.last
        self.ledger.give_up(key)
        self.api("DELETE", f"/api/link?id={identifier}")
        self.ledger.bury(key)

    def decide(self, install):
        identifier, _ = self.last
        hosts = [install + ".example.org"]
        self.ledger.policies.pop(self.thread, None)
        self.api("PUT", f"/api/link/policy?id={identifier}", {"hosts": hosts})
        self.ledger.policies[self.thread] = identifier, hosts

    def tokens(self, install):
        page = {"Origin": self.relay.url}
        opened = self.api("POST", "/api/session", {"token": self.token}, token=None, headers=page)
        page["Cookie"] = opened.headers["Set-Cookie"].split(";")[0]
        made = self.api("POST", "/api/tokens", {"label": install[-60:]}, token=None, headers=page).json
        former, self.ledger.tokens[self.thread] = self.ledger.tokens.get(self.thread), (made["id"], made["token"])
        if former:
            self.api("DELETE", f"/api/tokens?id={former[0]}", token=None, headers=page)
            self.ledger.revoked = former[1]


@pytest.mark.long
@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_kill_in_the_middle_of_changes(make_relay):
    relay = make_relay(
        instance_limit=0, wrong_code_burst=1000, wrong_code_interval="1s", wrong_codes_per_minute=100_000,
        code_repeat_grace="600s",
    )
    for thread in range(PAIRING_THREADS):
        relay.token(user(thread))
    random_moments = random.Random(20)
    ledger, slowest, total = Ledger(), 0, 0
    for round_number in range(ROUNDS):
        errors = []

        def work(thread):
            try:
                Owner(relay, ledger, thread, round_number).work()
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
        began = time.monotonic()
        relay.restart()
        assert relay.api("GET", "/readyz", token=False).status == 200
        slowest = max(slowest, time.monotonic() - began)
        check(relay, ledger, random_moments)
        total += prune(relay, ledger)
    print(f"{ROUNDS} kills, {total} keys pruned, {len(ledger.dead)} buried, healthy again after at most {slowest:.2f} s")
    assert total + len(ledger.keys) >= ROUNDS


def check(relay, ledger, moments):
    """Every acknowledged key opens its room, no spent code does, and nobody is stuck in between."""
    for key in sample(moments, ledger.keys, 4 * SAMPLE):
        assert can_join(relay, key), "an acknowledged key was lost"
    for key in sample(moments, ledger.dead[:-SAMPLE]) + ledger.dead[-SAMPLE:]:
        assert not can_join(relay, key), "a dead key lives"
    for thread, (identifier, hosts) in ledger.policies.items():
        kept = relay.api("GET", f"/api/link/policy?id={identifier}", token=relay.token(user(thread)))
        assert kept.status == 404 or kept.json["hosts"] == hosts, kept
    for _, token in ledger.tokens.values():
        assert relay.api("GET", "/api/link", token=token).status == 200, "an acknowledged token was lost"
    if ledger.revoked:
        assert relay.api("GET", "/api/link", token=ledger.revoked).status == 401, "a revoked token lives"
    assert ledger.users <= {one["name"] for one in everything(relay, "/users")}
    listed = {
        one["key"] for thread in range(PAIRING_THREADS) for one in relay.links(relay.token(user(thread))).values()
    }
    assert set(ledger.keys) <= listed
    for code in sample(moments, ledger.spent):
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


def sample(moments, things, count=SAMPLE):
    return moments.sample(sorted(things), min(count, len(things)))


def everything(relay, path):
    """All pages of one of the operator's lists."""
    found, cursor = [], 0
    while True:
        page = get(relay, f"{path}?limit=200&cursor={cursor}")
        found += page["items"]
        if not page.get("next"):
            return found
        cursor = page["next"]


def prune(relay, ledger):
    """Deletes all but a few links of each user, so that the thousandth round is as quick as the first; how many keys went."""
    count = 0
    for thread in range(PAIRING_THREADS):
        token = relay.token(user(thread))
        for identifier, one in list(relay.links(token).items())[:-KEPT]:
            assert relay.api("DELETE", f"/api/link?id={identifier}", token=token).status == 200
            if one["key"] in ledger.keys:
                ledger.give_up(one["key"])
                ledger.bury(one["key"])
                count += 1
    return count

"""The wall clock jumps while the relay runs: no session is lost, no key dies, codes run out sooner but never later, the log goes on.

SPDX-License-Identifier: Apache-2.0
"""
import re
import time

import pytest

from test_crash import can_join, exchange
from test_disk import Pair
from test_store_faults import faulty  # noqa: F401 (a fixture)

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
JUMPS = {"ten years on": 3652 * DAY, "a day back": -DAY, "to 1970": None}


def move(relay, jump):
    relay.faults.clock = JUMPS[jump] if JUMPS[jump] is not None else -int(time.time()) * SECOND


@pytest.mark.long
@pytest.mark.parametrize("jump", JUMPS)
def test_clock_jumps(faulty, closing, jump):  # noqa: F811
    """Without a restart, over more than one round of maintenance, and back again; idle keys are set to run out meanwhile."""
    relay = faulty(key_idle_lifetime="1d", heartbeat_interval="5s").start()
    _, key = relay.pair_self("present")
    _, absent = relay.pair_self("absent")
    identifier, code = relay.new_link()
    token = relay.token()
    pair = closing(Pair(relay, key))
    pair.exchange()
    year = relay.links()[identifier]["createdAt"][:4]
    move(relay, jump)
    # Whatever time it is: a code made before the jump is dead, one made after it lives, and tokens and keys do not care.
    assert not can_join(relay, code, installId="late"), "a code outlived a jump of the clock"
    fresh_id, fresh = relay.new_link(token)
    assert exchange(relay, fresh, "fresh")
    deadline = time.monotonic() + 17
    while time.monotonic() < deadline:
        pair.exchange()
        time.sleep(0.2)
    assert can_join(relay, key, role="client") and can_join(relay, absent)
    assert relay.links()[fresh_id]["createdAt"][:4] == {"ten years on": str(int(year) + 10), "to 1970": "1970"}.get(jump, year)
    assert re.search(r"ts=%s-" % relay.links()[fresh_id]["createdAt"][:4], relay.log), "the log stands still"
    relay.faults.clock = 0
    pair.exchange()
    deadline = time.monotonic() + 16
    while time.monotonic() < deadline:
        pair.exchange()
        time.sleep(0.2)
    if jump == "ten years on":
        # Its link ran out with it. After a jump back it is within its life again, which no jump makes longer.
        assert not can_join(relay, code, installId="later"), "a code that ran out came back to life"
    assert exchange(relay, relay.new_link()[1], "at last")
    assert can_join(relay, absent)
    relay.kill()
    relay.restart()
    assert can_join(relay, key) and can_join(relay, absent)

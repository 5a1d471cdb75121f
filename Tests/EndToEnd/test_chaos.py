"""Bad networks and restarts at once, by seeded dice: no command that was acknowledged stays without an end, none comes out of order.

CHAOS_SEED picks the dice (default 1), CHAOS_SECONDS for how long (default 10), CHAOS_ROOMS in how many rooms (default 8).
SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import time

import pytest

from chaos import Rooms
from socket_holder import ActivatedRelay

SEED = os.environ.get("CHAOS_SEED", "1")
SECONDS = float(os.environ.get("CHAOS_SECONDS", "10"))
ROOMS = int(os.environ.get("CHAOS_ROOMS", "8"))
GRACE_SECONDS = 2
COMMAND_TIMEOUT_SECONDS = 5
CALM_SECONDS = 40


@pytest.mark.long
@pytest.mark.timeout(int(SECONDS) + 180)
@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "restarts"])
def test_no_command_is_lost(tmp_path, closing, restarts):
    relay = closing(ActivatedRelay(
        tmp_path / "relay", connections_per_address=5000, instance_limit=0, presence_grace=f"{GRACE_SECONDS}s",
        command_timeout=f"{COMMAND_TIMEOUT_SECONDS}s", drain_window="1s", loops=2,
        heartbeat_interval="2s", heartbeat_timeout="2s"))
    relay.directory.mkdir()
    relay.start()
    keys = [relay.pair_self(f"room-{number}")[1] for number in range(ROOMS)]
    rooms = Rooms(relay, keys, SEED, GRACE_SECONDS)
    dice = random.Random(SEED)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(dice.uniform(2, 5))
        if restarts:
            rooms.note("the relay", "goes")
            assert relay.restart() == 0
            rooms.note("the relay", "is back")
    rooms.calm(CALM_SECONDS)
    rooms.end()
    print(rooms.summary())
    assert rooms.acknowledged_count() > ROOMS * SECONDS / 2
    faults = rooms.faults()
    assert not faults, "\n".join(faults)

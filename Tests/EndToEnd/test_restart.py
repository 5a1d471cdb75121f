"""A restart that nobody notices: 250 links under load, relayd restarted on a socket that outlives it.

RESTART_ROOMS sets how many links there are (default 250, which is 500 clients). SPDX-License-Identifier: Apache-2.0
"""
import os
import time

import pytest

from child import NEWEST, Child
from socket_holder import ActivatedRelay

ROOMS = int(os.environ.get("RESTART_ROOMS", "250"))
PROCESSES = 2
DRAIN_SECONDS = 3
# After the new one started: the library waits 1 to 5 s between tries, half as much more by its jitter, and the machine is busy.
BACK_SECONDS = 30
# A status that a library still had in its own buffer when the connection ended is lost; then the time-out ends the command.
COMMAND_TIMEOUT_SECONDS = 20
ENDED_SECONDS = COMMAND_TIMEOUT_SECONDS + 15
SETTLE_COMMANDS = ROOMS // 2


@pytest.fixture
def activated(tmp_path, closing):
    relay = closing(ActivatedRelay(
        tmp_path / "relay", connections_per_address=5000, instance_limit=0, drain_window=f"{DRAIN_SECONDS}s", presence_grace="15s",
        command_timeout=f"{COMMAND_TIMEOUT_SECONDS}s"))
    relay.directory.mkdir()
    return relay.start()


def reports(crowds, is_enough, seconds):
    """Everybody's report, as soon as it will do or after so long."""
    deadline = time.monotonic() + seconds
    while True:
        numbers = [crowd.order("report") for crowd in crowds]
        found = [
            crowd.wait("done", lambda value, number=number: value["number"] == number, seconds=60)["result"]
            for crowd, number in zip(crowds, numbers)
        ]
        if is_enough(found) or time.monotonic() > deadline:
            return found


def total(found, name):
    return sum(one[name] if isinstance(one[name], int) else one[name][0] for one in found)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_restart_that_nobody_notices(activated, tmp_path, closing):
    relay = activated
    keys = [relay.pair_self(f"room-{number}")[1] for number in range(ROOMS)]
    crowds = []
    for number in range(PROCESSES):
        file = tmp_path / f"keys-{number}"
        file.write_text("\n".join(keys[number::PROCESSES]))
        crowds.append(closing(Child(f"crowd {number}", NEWEST, "crowd.py", relay.url, file)))
    orders = [(crowd, crowd.order("dial")) for crowd in crowds]
    for crowd, number in orders:
        crowd.wait("done", lambda value, number=number: value["number"] == number, seconds=120)
    everybody = 2 * ROOMS
    assert total(reports(crowds, lambda found: total(found, "in") == everybody, 60), "in") == everybody
    for crowd in crowds:
        crowd.tell("work")
    assert total(reports(crowds, lambda found: total(found, "sent") >= SETTLE_COMMANDS, 60), "sent") >= SETTLE_COMMANDS

    assert relay.restart() == 0
    started = time.monotonic()
    found = reports(
        crowds, lambda found: total(found, "in") == everybody and all(min(one["connections"]) >= 2 for one in found), BACK_SECONDS)
    back = time.monotonic() - started
    assert total(found, "in") == everybody, (back, found)
    assert all(min(one["connections"]) >= 2 for one in found), "somebody was not restarted at all"

    for crowd in crowds:
        crowd.tell("rest", seconds=60)
    found = reports(crowds, lambda found: total(found, "unended") == 0, ENDED_SECONDS)
    for one in found:
        del one["connections"]
    print(f"back within {back:.1f} s of the start; {found}")
    assert total(found, "forbidden") == 0, "a 41 or 44 packet was sent"
    assert total(found, "kicks") == 0 and [one["refusals"] for one in found] == [[]] * PROCESSES, found
    assert [one["errors"] + one["refused"] for one in found] == [[]] * PROCESSES, found
    assert total(found, "unended") == 0, f"commands without an end: {found}"
    assert total(found, "delivered_twice") == 0, f"commands delivered twice: {found}"
    by_relay = sum(sum(one["ended_by_relay"].values()) for one in found)
    assert by_relay <= total(found, "sent") // 10, f"too many were ended by the relay: {found}"

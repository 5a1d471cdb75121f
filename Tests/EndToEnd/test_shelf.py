"""What a drained room leaves for the next process, when the store fails or hangs, or the room changes meanwhile. Raw sessions.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import sqlite3
import threading
import time

import pytest

from test_crash import can_join
from test_disk import ANSWER_SECONDS, Pair
from test_drain import told_to_leave
from test_ends import answered, command, heard, held, missed, room, say, status, unheard_full  # noqa: F401 (room is a fixture)
from test_metrics import metrics, samples
from test_store_faults import faulty  # noqa: F401 (a fixture)
from wire import CLOSE, EngineSocket, frame

# A room opens without what it is owed when the store has not said it within 3 s; and this machine may be busy.
OPEN_SECONDS = 7


def stopping(relay, *members):
    """A thread in which the relay is told to stop; these members know that they are to leave, and have not answered."""
    stopped = threading.Thread(target=relay.stop)
    stopped.start()
    for member in members:
        told_to_leave(member)
    return stopped


def leave(member):
    """With a closing handshake: it has heard everything."""
    member.send(frame(CLOSE, b"\x0f\xa0"))
    member.end()


def restart_without(relay, *members):
    """The next process, when these have left."""
    for member in members:
        leave(member)
    assert relay.stop() == 0
    return relay.restart()


def told(session, kind):
    """The ids of the events of that kind that it is sent, in order, until the answer to a last question."""
    say(session, '429["iam",{"type":"%s"}]' % ("sd" if kind == "command" else "client"))
    start = b'42["%s",{"id":"' % kind.encode()
    return [one[len(start):].split(b'"')[0].decode() for one in [*session.early, *session.upto(b"439[")] if one.startswith(start)]


def test_what_is_on_the_shelf_still_stays_before_what_is_put_there(room, tmp_path):  # noqa: F811
    """The store fails at the takeover and until the next drain: what that one puts aside comes behind what the one before it did."""
    relay, enter = room(fault_store=tmp_path / "store-is-down", presence_grace="1m")
    for first, second in (("one", "two"), ("three", "four")):
        install, client = enter("sd"), enter("client")
        missed(client, install, first)
        client = held(relay, enter, install, second)
        stopped = stopping(relay, client)
        if first == "three":
            relay.wait_log("room_not_taken_over")
            relay.mend_store()
        leave(client)
        stopped.join(20)
        assert relay.process.poll() == 0
        relay.restart()
        if first == "one":
            relay.break_store()
    install = enter("sd")
    assert told(install, "command") == ["two", "four"]
    assert told(enter("client"), "commandStatus") == ["one", "three"]


def test_a_late_answer_comes_before_what_waits_already(room, tmp_path):  # noqa: F811
    """The store works again while the room waits for its extension once more: commands are delivered in order, and it is missed once."""
    relay, enter = room(fault_store=tmp_path / "store-is-down", presence_grace="1m")
    restart_without(relay, held(relay, enter, enter("sd"), "one"))
    relay.break_store()
    client = held(relay, enter, enter("sd"), "two")
    relay.wait_log("room_not_taken_over")
    relay.mend_store()
    relay.wait_log("room_taken_over")
    other = enter("client")
    assert other.upto(b'42["roomPresence"')[-1] == b'42["roomPresence",{"client":2,"sd":1}]'
    assert told(enter("sd"), "command") == ["one", "two"]
    for session in (client, other):
        session.close()


@pytest.fixture
def owing(faulty):  # noqa: F811
    """A relay on a disk that the test steers, started anew: it owes one room the end of `one` and the command `two`. And what enters that room."""
    relay = faulty(presence_grace="1m").start()
    _, key = relay.pair_self("owed")

    def enter(role):
        session = EngineSocket(relay)
        session.role, session.early = role, session.enter(role, key)
        return session

    install, client = enter("sd"), enter("client")
    missed(client, install, "one")
    held(relay, enter, install, "two").close()
    return restart_without(relay), enter


@pytest.mark.parametrize("hangs", ["with the question", "before the question"])
def test_a_disk_that_hangs_at_the_takeover(owing, closing, hangs):
    """The room opens all the same, others do not notice, and what it is owed comes as soon as the disk goes on."""
    relay, enter = owing
    _, other = relay.pair_self("other")
    pair = closing(Pair(relay, other))
    token = relay.token()
    with relay.stalled():
        began = time.monotonic()
        if hangs == "before the question":
            threading.Thread(target=relay.api, args=("POST", "/api/link", {}), kwargs={"token": token}, daemon=True).start()
            while not relay.faults.waiting:
                pass
        entered = []
        members = [threading.Thread(target=lambda role=role: entered.append(enter(role))) for role in ("sd", "client")]
        for one in members:
            one.start()
        slowest = 0
        while len(entered) < 2 and time.monotonic() - began < ANSWER_SECONDS:
            slowest = max(slowest, pair.exchange())
            assert can_join(relay, other, role="client")
        for one in members:
            one.join(20)
        assert len(entered) == 2 and time.monotonic() - began < OPEN_SECONDS and slowest < 2
        install, client = sorted(entered, key=lambda one: one.role != "sd")
        say(client, command("three"))
        install.upto(b'42["command",{"id":"three"')
        answered(client, install, "three")
        # Then the question is withdrawn, and put again later.
        while hangs == "before the question" and samples(metrics(relay))['linkrelay_store_failures_total{kind="busy"}'] == 0:
            pass
        assert relay.faults.waiting
    assert heard(client, "one") == status("one")
    install.upto(b'42["command",{"id":"two"')
    answered(client, install, "two")
    restart_without(relay, client, install)
    # Who asked for "two" is not known since the first restart.
    assert told(enter("client"), "commandStatus") == ["one", "two"]


def test_a_drain_while_the_disk_hangs(owing):
    """What is owed is on its way from the shelf when the room is put aside again: both are there for the next process."""
    relay, enter = owing
    with relay.stalled():
        install, client = enter("sd"), enter("client")
        missed(client, install, "three")
        stopped = stopping(relay, install)
        leave(install)
        assert relay.faults.waiting
    stopped.join(20)
    assert relay.process.poll() == 0
    relay.restart()
    assert told(enter("sd"), "command") == ["two"]
    assert sorted(told(enter("client"), "commandStatus")) == ["one", "three"]


def test_a_disk_that_hangs_longer_than_the_drain(owing):
    """The operator is told what may be lost, and the end is an orderly one as soon as the disk goes on."""
    relay, enter = owing
    with relay.stalled():
        install = enter("sd")
        stopped = stopping(relay, install)
        leave(install)
        assert "rooms=1" in relay.wait_log("drain_incomplete")
    stopped.join(20)
    assert relay.process.poll() == 0
    relay.wait_log("room_not_shelved")


@pytest.mark.parametrize("why", ["answered", "timeout"])
def test_what_ended_after_the_start_is_not_delivered_again(room, why):  # noqa: F811
    """A command taken over from the process before: an answer proves that it arrived, and one whose time is up waits no longer."""
    relay, enter = room(presence_grace="1m", command_timeout="1m" if why == "answered" else "2s")
    restart_without(relay, held(relay, enter, enter("sd"), "one"))
    if why == "answered":
        install = enter("sd")
        client = enter("client")
        install.upto(b'42["command",{"id":"one"')
        # Before it has answered the ping that would prove it as well.
        answered(client, install, "one")
        restart_without(relay, client, install)
    else:
        assert '"timeout"' in heard(enter("client"), "one")
    assert told(enter("sd"), "command") == []


def shelved_count(relay):
    """How many rooms are on the shelf."""
    database = sqlite3.connect(f"file:{relay.data / 'linkrelay.sqlite'}?mode=ro", uri=True, timeout=10)
    try:
        return database.execute("SELECT count(*) FROM shelved_room").fetchone()[0]
    finally:
        database.close()


@pytest.mark.parametrize("first", ["written", "under way"])
@pytest.mark.parametrize("second", ["an end nobody heard", "nothing"])
def test_a_room_that_is_put_aside_twice(faulty, closing, first, second):  # noqa: F811
    """Nobody is there when the relay is told to stop, but somebody comes in the drain: what the room owes afterwards counts."""
    retention = "0s" if second == "nothing" else "2m"
    relay = faulty(loops=1, presence_grace="1m", drain_window="5s", result_retention=retention).start()
    _, key = relay.pair_self("twice")

    def enter(role):
        session = EngineSocket(relay)
        session.early = session.enter(role, key)
        return session

    leave(held(relay, enter, enter("sd"), "one"))
    # In no room yet, and among the last to be sent away.
    install = EngineSocket(relay)
    others = [closing(EngineSocket(relay)) for _ in range(100)]
    with relay.stalled() if first == "under way" else contextlib.nullcontext():
        stopped = stopping(relay)
        while not (relay.faults.waiting if first == "under way" else shelved_count(relay)):
            pass
        install.enter("sd", key)
        install.upto(b'42["command",{"id":"one"')
        install.text(status("one", ack=1))
        install.upto(b"431[")
        # By its own word, so that nobody waits for its return.
        install.text('42["leave"]')
        install.text('422["iam",{"type":"sd"}]')
        install.upto(b"432[")
    for session in (install, *others):
        session.close()
    stopped.join(20)
    assert relay.process.poll() == 0
    relay.restart()
    assert told(enter("sd"), "command") == []
    assert told(enter("client"), "commandStatus") == ([] if second == "nothing" else ["one"])


def test_what_was_put_aside_under_another_retention(room):  # noqa: F811
    """`result-retention` 0 from the next start on: ends that nobody heard are dropped and counted, commands are delivered all the same."""
    relay, enter = room(presence_grace="1m")
    install = enter("sd")
    for name in ("one", "two"):
        missed(enter("client"), install, name)
    leave(held(relay, enter, install, "three"))
    assert relay.stop() == 0
    relay.settings["result_retention"] = "0s"
    relay.restart()
    install = enter("sd")
    assert unheard_full(relay) == 2
    assert told(install, "command") == ["three"]
    client = enter("client")
    assert told(client, "commandStatus") == []
    answered(client, install, "three")
    leave(client)
    # And so are those whose client is away from then on.
    missed(enter("client"), install, "four")
    assert unheard_full(relay) == 3
    assert told(enter("client"), "commandStatus") == []

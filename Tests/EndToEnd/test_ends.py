"""Every command ends for the one that asked, also when its connection was dead when the end was sent. Raw sessions.

SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

import pytest

from test_limits import metric
from test_metrics import metrics, samples
from wire import CLOSE, EngineSocket, NativeSocket, PollingSession, frame

ROOMS = 60
KINDS = {"websocket": EngineSocket, "polling": PollingSession}


def command(name):
    return '42["command",{"id":"%s","type":"activities:list"}]' % name


def status(name, ack=""):
    return '42%s["commandStatus",{"id":"%s","type":"activities:list","status":"success"}]' % (ack, name)


def say(session, text):
    session.post(text) if isinstance(session, PollingSession) else session.text(text)


@pytest.fixture
def room(make_relay, closing):
    """A relay with one room, and what enters it."""

    def make(**settings):
        relay = make_relay(**settings)
        _, key = relay.pair_self("ends")

        def enter(role, kind="websocket"):
            session = {**KINDS, "native": NativeSocket}[kind](relay)
            session.early = session.enter(role, key)
            return session

        return relay, enter

    return make


def answer(client, install):
    """Command `one` of the client, and its end, which the relay has taken and sent on."""
    say(client, command("one"))
    install.upto(b'42["command"')
    install.text(status("one", ack=1))
    install.upto(b"431[")


def heard(client, name):
    """The end of that command."""
    start = b'42["commandStatus",{"id":"%s"' % name.encode()
    # A poll brings the answer to the join and what follows it at once.
    early = [one for one in client.early if one.startswith(start)]
    return (early or client.upto(start))[-1].decode()


def hears_only_the_end_of(name, client, install, *earlier):
    """A later command's end, and nothing of the earlier ones."""
    say(client, command(name))
    install.upto(b'42["command",{"id":"%s"' % name.encode())
    install.text(status(name))
    told = b"".join([*client.early, *client.upto(b'42["commandStatus",{"id":"%s"' % name.encode())])
    assert [one for one in earlier if b'"%s"' % one.encode() in told] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_sent_into_a_dead_connection_is_told_again(room, kind):
    """The client never reads it: its network is gone, and then the connection breaks."""
    relay, enter = room(heartbeat_interval="1s", heartbeat_timeout="1s")
    install, client = enter("sd"), enter("client", kind)
    answer(client, install)
    install.close()
    if kind == "websocket":
        client.reset()
    else:
        # Nobody comes for it any more: given up by its heartbeat.
        relay.wait_log("reason=heartbeat_timeout")
    back = enter("client", kind)
    assert heard(back, "one") == status("one")


def test_who_is_back_before_the_old_connection_is_known_to_be_dead(room):
    """A telephone that changed networks: its new connection is there while the old one still takes what it is sent."""
    _, enter = room()
    install, client = enter("sd"), enter("client")
    answer(client, install)
    back = enter("client")
    client.reset()
    assert heard(back, "one") == status("one")


def test_who_has_said_goodbye_is_told_nothing_twice(room):
    _, enter = room()
    install, client = enter("sd"), enter("client")
    client.text(command("one"))
    install.upto(b'42["command"')
    install.text(status("one"))
    assert heard(client, "one") == status("one")
    client.send(frame(CLOSE, b"\x03\xe8"))
    client.end()
    hears_only_the_end_of("two", enter("client"), install, "one")


@pytest.mark.parametrize("kind", ["websocket", "native"])
def test_who_answers_the_relays_goodbye_is_told_nothing_twice(room, kind):
    """An orderly restart: the client has read everything that came before the close frame that it answers."""
    relay, enter = room()
    install, client = enter("sd"), enter("client", kind)
    client.text(command("one") if kind == "websocket" else '{"event":"command","data":{"id":"one","type":"activities:list"}}')
    install.upto(b'42["command"')
    install.text(status("one", ack=1))
    install.upto(b"431[")
    ending = threading.Thread(target=relay.stop)
    ending.start()
    client.send(frame(CLOSE, client.end().code.to_bytes(2, "big")))
    client.rest()
    install.close()
    ending.join()
    relay.start()
    install, back = enter("sd"), enter("client")
    hears_only_the_end_of("two", back, install, "one")


def test_an_end_waits_for_each_client(room):
    """Two clients were in the room when the relay went down; only one of them had asked."""
    relay, enter = room()
    install, asking, other = enter("sd"), enter("client"), enter("client")
    asking.text(command("one"))
    install.upto(b'42["command"')
    asking.reset()
    other.reset()
    install.text(status("one"))
    assert relay.stop() == 0
    relay.restart()
    assert heard(enter("client"), "one") == status("one")
    assert heard(enter("client"), "one") == status("one")


@pytest.mark.parametrize("why", ["timeout", "instance_offline"])
def test_the_relays_own_end_waits_for_who_is_away(room, why):
    _, enter = room(command_timeout="2s", presence_grace="1s")
    install, client = enter("sd"), enter("client")
    client.text(command("one"))
    install.upto(b'42["command"')
    client.reset()
    if why == "instance_offline":
        install.reset()
    watcher = enter("client")
    assert f'"{why}"' in heard(watcher, "one")
    assert f'"{why}"' in heard(enter("client"), "one")


def test_nobody_sits_down_before_the_room_has_its_debts(make_relay):
    """After a restart both come back at once, in every room; whoever is first, the client is told what it missed."""
    relay = make_relay(instance_limit=0, connections_per_address=1000)
    keys = [relay.pair_self(f"room-{number}")[1] for number in range(ROOMS)]
    for number, key in enumerate(keys):
        install, client = EngineSocket(relay), EngineSocket(relay)
        install.enter("sd", key)
        client.enter("client", key)
        client.text(command(f"c{number}"))
        install.upto(b'42["command"')
        client.reset()
        install.upto(b'42["roomPresence",{"client":0')
        install.text(status(f"c{number}", ack=1))
        install.upto(b"431[")
        install.close()
    assert relay.stop() == 0
    relay.restart()
    pairs = []
    for key in keys:
        sessions = [EngineSocket(relay), EngineSocket(relay)]
        for role, session in zip(("sd", "client"), sessions):
            session.text("40")
            session.text('42["iam",{"type":"%s"}]' % role)
            session.upto(b"40")
        pairs.append(sessions)
    for key, sessions in zip(keys, pairs):
        for session in sessions:
            session.text('420["join","%s"]' % key)
    for number, (_, client) in enumerate(pairs):
        assert client.upto(b'42["commandStatus"')[-1].decode() == status(f"c{number}")


def test_after_a_restart_an_end_waits_for_who_is_not_back_yet(room):
    """Nobody knows any more which client asked: that another one hears it says nothing."""
    relay, enter = room()
    install = enter("sd")
    say(enter("client"), command("one"))
    install.upto(b'42["command"')
    assert relay.stop() == 0
    relay.restart()
    install = enter("sd")
    answered(enter("client"), install, "one")
    assert heard(enter("client"), "one") == status("one")


def missed(client, install, name, pad=""):
    """Command `name`, which the client does not hear the end of: it is away by then."""
    say(client, command(name))
    install.upto(b'42["command",{"id":"%s"' % name.encode())
    client.reset()
    install.upto(b'42["roomPresence",{"client":0')
    install.text(status(name, ack=1).replace("}]", ',"pad":"%s"}]' % pad) if pad else status(name, ack=1))
    install.upto(b"431[")


def held(relay, enter, install, name):
    """Its extension vanishes; a command waits for it, whose sender is still there."""
    before = metric(relay, "vanished_total")
    install.reset()
    while metric(relay, "vanished_total") == before:
        pass
    client = enter("client")
    say(client, command(name))
    say(client, '422["iam",{"type":"client"}]')
    client.upto(b"432[")
    return client


def answered(client, install, name):
    """The end of a command that the extension has: its client hears it."""
    install.text(status(name))
    assert heard(client, name) == status(name)


def unheard_full(relay):
    return samples(metrics(relay))['linkrelay_messages_dropped_total{reason="unheard_full"}']


@pytest.mark.parametrize("waits_for", ["the client", "the command"])
def test_the_shelf_is_asked_again_after_a_failure(room, tmp_path, waits_for):
    """The store fails while the first member returns: the room opens without what it is owed, and is told as soon as the store can say it."""
    relay, enter = room(fault_store=tmp_path / "store-is-down")
    install = enter("sd")
    if waits_for == "the client":
        missed(enter("client"), install, "one")
        install.close()
    else:
        held(relay, enter, install, "one").reset()
    assert relay.stop() == 0
    relay.restart()
    relay.break_store()
    install, client = enter("sd"), enter("client")
    relay.wait_log("room_not_taken_over")
    # Work goes on meanwhile.
    say(client, command("two"))
    install.upto(b'42["command",{"id":"two"')
    answered(client, install, "two")
    relay.mend_store()
    if waits_for == "the client":
        assert heard(client, "one") == status("one")
    else:
        install.upto(b'42["command",{"id":"one"')
    relay.wait_log("room_taken_over")


def test_an_end_is_forgotten_in_time(room):
    """What nobody came for, and what was heard, is gone from memory when its time is up; who comes later hears nothing of it."""
    relay, enter = room(result_retention="2s", heartbeat_interval="1s", heartbeat_timeout="1s")
    install, client = enter("sd"), enter("client")
    empty = metric(relay, "message_bytes")
    answer(client, install)
    assert heard(client, "one") == status("one")
    assert metric(relay, "message_bytes") > empty
    missed(client, install, "two")
    deadline = time.monotonic() + 20
    while metric(relay, "message_bytes") > empty and time.monotonic() < deadline:
        install.text("3")
        time.sleep(0.2)
    assert metric(relay, "message_bytes") == empty
    hears_only_the_end_of("three", enter("client"), install, "one", "two")


def test_so_many_ends_wait_and_no_more(room):
    relay, enter = room(held_command_count=2)
    install = enter("sd")
    for name in ("one", "two", "three"):
        early = enter("client")
        missed(early, install, name)
    assert unheard_full(relay) == 1
    back = enter("client")
    assert heard(back, "two") == status("two")
    assert heard(back, "three")
    hears_only_the_end_of("four", back, install, "one")


def test_all_that_waits_stays_within_a_quarter_of_the_memory(make_relay):
    """Ends for clients that are away, in many rooms: the first ones wait, the others are dropped and counted."""
    relay = make_relay(
        loops=1, process_memory_bytes="4MiB", room_memory_bytes="2MiB", sd_message_bytes="512KiB", client_message_bytes="64KiB", instance_limit=0)
    keys = [relay.pair_self(f"room-{number}")[1] for number in range(16)]
    installs = []
    for number, key in enumerate(keys):
        install, client = EngineSocket(relay), EngineSocket(relay)
        install.enter("sd", key)
        client.enter("client", key)
        missed(client, install, f"c{number}", "x" * 100_000)
        installs.append(install)
    dropped = unheard_full(relay)
    assert 5 <= dropped <= 11
    # 100,000 bytes take 128 KiB.
    assert metric(relay, "message_bytes") <= 1536 * 1024
    told = 0
    for number, key in enumerate(keys):
        client = EngineSocket(relay)
        client.enter("client", key)
        client.text('422["iam",{"type":"client"}]')
        told += sum(one.startswith(b'42["commandStatus"') for one in client.upto(b"432["))
        client.close()
    assert told == len(keys) - dropped
    for install in installs:
        install.close()

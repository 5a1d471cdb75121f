"""An extension that freezes, loses its connection, or is gone: presence does not flap, no command is lost or doubled.

SPDX-License-Identifier: Apache-2.0
"""
import signal
import time

import pytest

from wire import EngineSocket, PollingSession

BOTH = {"client": 1, "sd": 1}
FREEZE_SECONDS = 40
COMMANDS = 40


def absent(one):
    return one["sd"] == 0


def arrivals(install, sent, since=0):
    """The ids of the commands that came to the install, in order."""
    for identifier in sent:
        install.wait("arrived", lambda one: one == identifier)
    return install.sync().all("arrived", since=since)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["a1111", "a1111-polling", "comfy", "native"])
def test_frozen_interpreter_keeps_its_room(relay, paired, kind):
    """A GPU job blocks the interpreter for 40 s: nobody sees it leave, and what was sent meanwhile arrives once, in order."""
    install, client = paired(relay, kind)
    assert client.ask("activities:list")["status"] == "success"
    mark = client.mark()
    install.freeze()
    sent = []
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < FREEZE_SECONDS:
        if len(sent) < COMMANDS and elapsed * COMMANDS / FREEZE_SECONDS >= len(sent):
            sent.append(client.command("activities:list", number=len(sent)))
        client.watch("presence", absent, seconds=0.2, since=mark)
    install.thaw()
    for identifier in sent:
        assert client.wait_status(identifier, seconds=60)["status"] == "success"
    assert arrivals(install, sent)[1:] == sent
    assert sorted(one["id"] for one in client.all("status", since=mark)) == sorted(sent), "each answered once"
    assert not any(absent(one) for one in client.all("presence", since=mark))
    assert install.all("disconnected") == [] and client.all("disconnected") == []


@pytest.mark.parametrize("kind", ["a1111", "a1111-polling", "comfy", "native"])
def test_cut_connection_comes_back_within_grace(relay, proxy, extension, site, kind):
    """RST in both directions, again and again, while commands go out: no `sd: 0`, nothing lost, nothing doubled, in order."""
    wire = proxy(relay)
    _, code = relay.new_link()
    client = site(relay, code)
    install = extension(kind, wire, code)
    install.wait("upgradeKey")
    client.wait_presence(client=1, sd=1)
    assert client.ask("activities:list")["status"] == "success"
    mark = client.mark()
    sent = []
    for _ in range(3):
        place = install.mark()
        if kind == "a1111-polling":  # whose library gives up sending, but not asking, when a POST is cut: then only its own heartbeat helps
            wire.settle()
        assert wire.cut() > 0
        for _ in range(5):
            sent.append(client.command("activities:list", number=len(sent)))
        install.wait("ack", lambda answer: answer["success"], since=place, seconds=30)
        sent.append(client.command("activities:list", number=len(sent)))
        for identifier in sent:
            assert client.wait_status(identifier, seconds=30)["status"] == "success"
    assert arrivals(install, sent)[1:] == sent
    assert not any(absent(one) for one in client.all("presence", since=mark))
    assert install.all("failed") == []


def test_silent_network_then_return(make_relay, proxy, extension, site):
    """The network swallows everything; the install's new connection displaces the ghost without an intermediate `sd: 0`."""
    relay = make_relay(heartbeat_interval="2s", heartbeat_timeout="20s")
    wire = proxy(relay)
    _, code = relay.new_link()
    client = site(relay, code)
    first = extension("native", wire, code)
    key = first.wait("upgradeKey")
    client.wait_presence(client=1, sd=1)
    mark = client.mark()
    wire.blackhole()
    second = extension("native", relay, key)
    assert client.ask("activities:list")["status"] == "success"
    assert len(second.sync().all("command")) == 1 and first.all("command") == []
    counts = client.all("presence", since=mark)
    assert all(one["sd"] == 1 for one in counts), counts
    wire.blackhole(False)


def test_relay_that_stood_still_loses_nobody(make_relay):
    """Stopped for longer than anybody may be silent (a suspended machine, a debugger): it was the relay, not its peers."""
    relay = make_relay(heartbeat_interval="1s", heartbeat_timeout="1s")
    _, key = relay.pair_self("still")
    sd, client = EngineSocket(relay), EngineSocket(relay)
    sd.enter("sd", key)
    client.enter("client", key)
    client.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    relay.process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    relay.process.send_signal(signal.SIGCONT)
    client.text('42["command",{"id":"after","type":"activities:list"}]')
    assert sd.upto(b'42["command"')[-1] == b'42["command",{"id":"after","type":"activities:list"}]'
    sd.text('42["commandStatus",{"id":"after","status":"success"}]')
    taken = client.upto(b'42["commandStatus",{"id":"after","status":"success"}]')
    assert not any(b'"sd":0' in one for one in taken)


def test_polling_ghost_gives_way(relay):
    """Cut between two polls, so that nothing tells the relay: what was queued for the ghost reaches the install's next session.

    The A1111 extension gives no install id.
    """
    _, key = relay.pair_self("ghost")
    client, ghost = EngineSocket(relay), PollingSession(relay)
    client.enter("client", key)
    ghost.enter("sd", key)
    client.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    client.text('42["command",{"id":"queued","type":"activities:list"}]')
    back = EngineSocket(relay)
    back.enter("sd", key)
    assert back.upto(b'42["command"')[-1] == b'42["command",{"id":"queued","type":"activities:list"}]'
    back.text('42["commandStatus",{"id":"queued","status":"success"}]')
    taken = client.upto(b'42["commandStatus",{"id":"queued","status":"success"}]')
    assert not any(b'"sd":0' in one for one in taken)
    back.close()


def test_answered_command_is_not_sent_again(relay):
    """An answer proves that the command arrived, however soon after it the connection is cut."""
    _, key = relay.pair_self("answered")
    client, first = EngineSocket(relay), EngineSocket(relay)
    client.enter("client", key)
    first.enter("sd", key)
    client.upto(b'42["roomPresence",{"client":1,"sd":1}]')
    for number in range(6):
        client.text('42["command",{"id":"a%d","type":"activities:list"}]' % number)
    for number in range(6):
        # Packets are read without answering the relay's pings: the answers alone are the proof.
        while b'"command"' not in first.take():
            pass
        first.text('42["commandStatus",{"id":"a%d","type":"activities:list","status":"success"}]' % number)
    client.upto(b'42["commandStatus",{"id":"a5"')
    first.reset()
    second = EngineSocket(relay)
    second.enter("sd", key)
    client.text('42["command",{"id":"next","type":"activities:list"}]')
    assert second.upto(b'42["command"')[-1] == b'42["command",{"id":"next","type":"activities:list"}]'
    second.close()


def test_killed_for_good(make_relay, paired):
    """After the grace the room says `sd: 0`, and what was in flight ends with an error and its reason."""
    relay = make_relay(presence_grace="2s")
    install, client = paired(relay, "comfy")
    install.tell("silent")
    unfinished = client.command("image:txt2img", params={})
    install.wait("command", lambda one: one["id"] == unfinished)
    mark = client.mark()
    install.kill()
    held = client.command("resources:list")
    client.wait_presence(sd=0, since=mark, seconds=30)
    for identifier in (unfinished, held):
        ended = client.wait_status(identifier, seconds=30)
        assert ended["status"] == "error" and ended["error"].strip() and ended["reason"] == "instance_offline"
    assert len(client.statuses(unfinished)) == 1


def test_command_to_an_absent_install(relay, extension, site):
    """Nobody there and nobody expected: the answer comes at once."""
    _, code = relay.new_link()
    client = site(relay, code)
    client.wait_presence(client=1, sd=0)
    ended = client.ask("resources:list", seconds=5)
    assert ended["status"] == "error" and ended["reason"] == "instance_offline" and ended["error"].strip()
    assert ended["type"] == "resources:list"
    assert client.all("error") == []


def test_command_after_a_clean_goodbye(relay, paired):
    """Who says goodbye has no grace."""
    install, client = paired(relay, "a1111")
    mark = client.mark()
    install.tell("disconnect")
    client.wait_presence(sd=0, since=mark, seconds=5)
    assert client.ask("resources:list", seconds=5)["reason"] == "instance_offline"


@pytest.mark.parametrize("web", [{}, {"dialect": "native"}], ids=["site", "native"])
def test_command_that_is_never_answered(make_relay, paired, web):
    relay = make_relay(command_timeout="2s")
    install, client = paired(relay, "a1111", **web)
    install.tell("silent")
    ended = client.ask("image:txt2img", params={})
    assert ended["status"] == "error" and ended["reason"] == "timeout" and ended["error"].strip()
    # Progress gives no second ending, and a late answer is still told: it is the install's word.
    assert len(client.statuses(ended["id"])) == 1


def test_held_commands_are_delivered_in_order(make_relay, proxy, extension, site):
    """Sent while the install is away inside its grace, delivered on its return; more than fit are refused at once."""
    relay = make_relay(presence_grace="30s", held_command_count=20)
    wire = proxy(relay)
    _, code = relay.new_link()
    client = site(relay, code)
    install = extension("comfy", wire, code)
    install.wait("upgradeKey")
    client.wait_presence(client=1, sd=1)
    wire.refuse()
    wire.cut()
    install.wait("disconnected")
    sent = [client.command("activities:list", number=number) for number in range(25)]
    refused = [client.wait_status(identifier, seconds=10) for identifier in sent[20:]]
    assert {one["status"] for one in refused} == {"error"} and all(one["reason"] for one in refused)
    mark = install.mark()
    wire.refuse(False)
    for identifier in sent[:20]:
        assert client.wait_status(identifier, seconds=40)["status"] == "success"
    assert arrivals(install, sent[:20], since=mark) == sent[:20]


@pytest.mark.parametrize("web", [{}, {"dialect": "native"}], ids=["site", "native"])
def test_returning_client_gets_the_last_status(relay, extension, site, web):
    """The browser was reloaded during a long job: it hears at once how far that is, and then how it ends."""
    _, code = relay.new_link()
    first = site(relay, code, **web)
    install = extension("comfy", relay, code)
    key = install.wait("upgradeKey")
    first.wait_presence(client=1, sd=1)
    install.tell("silent")
    running = first.command("image:txt2img", params={})
    done = first.command("resources:list")
    for identifier in (running, done):
        install.wait("command", lambda one: one["id"] == identifier)
    for progress in (10, 40, 70):
        install.tell("status", payload={"id": running, "type": "image:txt2img", "status": "processing", "progress": progress})
    install.tell("status", payload={"id": done, "type": "resources:list", "status": "success", "resources": []})
    first.wait_status(done)
    first.close()

    second = site(relay, key, **web)
    last = second.wait("status", lambda one: one.get("id") == running)
    assert last["progress"] == 70
    install.tell("status", payload={"id": running, "type": "image:txt2img", "status": "success", "progress": 100})
    assert second.wait_status(running)["status"] == "success"
    assert len(second.statuses(running)) == 2


def test_browser_reconnects_by_itself(relay, proxy, extension, site):
    """The browser's connection is cut: it identifies and joins again, and the install is told."""
    wire = proxy(relay)
    _, code = relay.new_link()
    install = extension("a1111", relay, code)
    key = install.wait("upgradeKey")
    client = site(wire, key)
    client.wait_presence(client=1, sd=1)
    mark, place = client.mark(), install.mark()
    wire.cut()
    client.wait("ack", since=mark)
    client.wait_presence(client=1, sd=1, since=mark)
    install.wait("presence", lambda one: one == BOTH, since=place)
    assert client.ask("resources:list")["status"] == "success"

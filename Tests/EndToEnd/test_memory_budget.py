"""What members have half sent counts towards the memory budget: it holds, others do not notice, and what never ends goes.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import select
import socket
import ssl
import struct
import time

import pytest

from neighbour import Neighbours
from test_admin import enter
from test_limits import metric
from test_metrics import metrics, samples
from wire import ENGINE_PATH, TEXT, EngineSocket, PollingSession, RawSocket, RawWebSocket, frame

MIB = 1 << 20
KINDS = ("native", "socketio")


def member(relay, key, kind, role="sd"):
    if kind == "socketio":
        made = EngineSocket(relay)
        made.enter(role, key)
    else:
        made = RawWebSocket(relay, "/link")
        enter(made, role, key)
    return made


def opening(kind):
    """How a large status begins."""
    start = b'42["commandStatus",{"pad":"' if kind == "socketio" else b'{"event":"commandStatus","data":{"pad":"'
    return b"\x81\xff" + struct.pack(">Q", 30 * MIB) + b"\0\0\0\0" + start


def push(to, data):
    """As much of it as the relay takes just now."""
    to.setblocking(False)
    try:
        return to.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError, ConnectionError):
        return 0
    finally:
        to.settimeout(20)


def peak_bytes(relay):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) * 1024


@pytest.mark.parametrize("tls, loops", [("off", 1), ("on", 1), ("off", 2)])
def test_half_sent_messages_stay_within_the_budget(make_relay, tls, loops):
    """Twenty extensions with 30 MiB each on its way, of which the last bytes never come. One message a loop may go past the budget."""
    budget, ceiling = 64 * MIB, loops * 32 * MIB
    relay = make_relay(loops=loops, process_memory_bytes="64MiB", heartbeat_timeout="3s", instance_limit=0, tls_self_signed=tls)
    if tls == "on":
        relay.dial = lambda seconds: relay.trust.wrap_socket(
            socket.create_connection((relay.host, relay.port), timeout=seconds), server_hostname=relay.host)
    senders = [member(relay, relay.pair_self(f"half-{number}")[1], KINDS[number % 2]) for number in range(20)]
    block = memoryview(b"x" * MIB)
    with Neighbours(relay) as pair:
        before = peak_bytes(relay)
        for number, sender in enumerate(senders):
            sender.send(opening(KINDS[number % 2]))
        sent, moved = [0] * len(senders), 1
        # Until those who wait for memory are many, and then as much as the kernel's buffers take.
        while metric(relay, "process_budget_pauses_total") < 15 or moved > 0:
            moved = 0
            for number, sender in enumerate(senders):
                took = push(sender.socket, block[:28 * MIB - sent[number]])
                sent[number] += took
                moved += took
        assert metric(relay, "buffered_bytes") <= budget + ceiling + 20 * 256 * 1024
        pair.wait_exchanges(pair.exchanges + 10)
        assert {sender.end().code for sender in senders} == {4004}
        assert peak_bytes(relay) - before <= budget + ceiling + 24 * MIB
        now = samples(metrics(relay))
        assert now['linkrelay_sessions_closed_total{reason="overloaded"}'] == 20
        for sender in senders:
            sender.close()
        pair.wait_exchanges(pair.exchanges + 10)
        while metric(relay, "buffered_bytes") > MIB:
            pass


def test_large_messages_get_through_one_after_the_other(make_relay):
    """A budget that has room for one: both arrive whole."""
    relay = make_relay(loops=1, process_memory_bytes="64MiB", room_memory_bytes="64MiB")
    pairs = []
    for number, kind in enumerate(KINDS):
        key = relay.pair_self(f"whole-{number}")[1]
        client = EngineSocket(relay)
        client.enter("client", key)
        pairs.append((member(relay, key, kind), client, kind))
    wires = []
    for sender, _, kind in pairs:
        head = opening(kind)
        end = b'"}]' if kind == "socketio" else b'"}}'
        body = head[14:]
        wires.append(memoryview(head + b"x" * (30 * MIB - len(body) - len(end)) + end))
    sent = [0, 0]
    while any(done < len(wire) for done, wire in zip(sent, wires)):
        for index, (sender, client, _) in enumerate(pairs):
            sent[index] += push(sender.socket, wires[index][sent[index]:sent[index] + MIB])
            client.socket.setblocking(False)
            try:
                client.more()
            except BlockingIOError:
                pass
            client.socket.settimeout(20)
    for sender, client, _ in pairs:
        status = json.loads(client.upto(b'42["commandStatus"')[-1][2:])[1]
        assert set(status["pad"]) == {"x"}
        sender.close()
        client.close()


@pytest.mark.parametrize("kind, loops", [(kind, loops) for kind in (*KINDS, "polling") for loops in (1, 2)])
def test_what_nobody_proves_to_have_stays_within_the_budget(make_relay, kind, loops):
    """Extensions that read their commands and answer no ping, or are not seen to poll: what is kept to be sent again is bounded for all of them together."""
    relay = make_relay(
        loops=loops, process_memory_bytes="8MiB", room_memory_bytes="8MiB", sd_message_bytes="1MiB", client_message_bytes="256KiB", instance_limit=0)
    command = frame(TEXT, b'42["command",{"type":"resources:list","pad":"%s"}]' % (b"x" * 100_000))
    extensions, clients = [], []
    for number in range(10):
        key = relay.pair_self(f"silent-{number}")[1]
        if kind == "polling":
            PollingSession(relay).enter("sd", key)
        else:
            made = member(relay, key, kind)
            extensions.append(made.socket)
        clients.append(member(relay, key, "socketio", "client"))
    with Neighbours(relay) as pair:
        before = peak_bytes(relay)
        sent = [0] * len(clients)
        quiet = 0
        while quiet < 50:
            moved = 0
            for number, client in enumerate(clients):
                took = push(client.socket, command[sent[number] % len(command):])
                sent[number] += took
                moved += took
            for extension in select.select(extensions, [], [], 0)[0]:
                moved += len(extension.recv(1 << 20))
            quiet = 0 if moved else quiet + 1
            time.sleep(0.01)
        assert metric(relay, "message_bytes") <= (8 + loops) * MIB and metric(relay, "sessions_held_back") == len(clients)
        assert metric(relay, "process_budget_pauses_total") >= len(clients)
        pair.wait_exchanges(pair.exchanges + 10)
        assert peak_bytes(relay) - before <= 24 * MIB
    for client in clients:
        client.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["leave", "deleted"])
def test_who_lost_its_seat_is_a_stranger_again(relay, kind, how):
    """Half a large message is given up, and there is no memory for another."""
    number, key = relay.pair_self("lost")
    sender = member(relay, key, kind)
    if how == "deleted":
        sender.send(opening(kind) + b"x" * (8 * MIB))
        while metric(relay, "buffered_bytes") < 8 * MIB:
            pass
        relay.api("DELETE", f"/api/link?id={number}")
        while metric(relay, "buffered_bytes") > 256 * 1024:
            pass
    else:
        sender.text('42["leave"]' if kind == "socketio" else '{"event":"leave"}')
        sender.send(opening(kind) + b"x" * (8 * MIB))
        while metric(relay, "bytes_in_total") < 8 * MIB:
            pass
        assert metric(relay, "buffered_bytes") < 256 * 1024
    sender.close()


def test_who_left_posts_no_large_body(relay):
    _, key = relay.pair_self("left")
    session = PollingSession(relay)
    assert session.post("40", '42["iam",{"type":"sd"}]', '420["join",%s]' % json.dumps(key))[0] == 200
    while not any(b"Joined" in packet for packet in session.get()):
        pass
    assert session.post('42["leave"]')[0] == 200
    raw = RawSocket(relay)
    raw.send(f"POST {ENGINE_PATH}?{session.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {16 << 20}\r\n\r\n4".encode())
    raw.send(b"x" * (8 * MIB))
    while metric(relay, "bytes_in_total") < 7 * MIB:
        pass
    assert metric(relay, "buffered_bytes") < 4 * MIB
    raw.close()


def test_a_dripping_body_is_cut_off(make_relay):
    relay = make_relay(body_timeout="2s")
    raw = RawSocket(relay)
    raw.send(b"POST /api/link HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
    raw.socket.settimeout(0.1)
    for _ in range(900):
        raw.send(b" ")
        try:
            raw.more()
            break
        except TimeoutError:
            continue
    raw.socket.settimeout(20)
    assert raw.response()[0] == 408
    raw.close()
    while samples(metrics(relay))['linkrelay_connections_ended_total{reason="body_timeout"}'] != 1:
        pass

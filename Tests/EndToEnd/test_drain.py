"""SIGTERM: the relay drains, exits 0, sends nothing that stops clients from coming back, and they do.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import threading

import pytest

from wire import CLOSE, ENGINE_PATH, Ended, EngineSocket, PollingSession, RawWebSocket, frame


def test_clients_come_back_after_a_restart(make_relay, paired):
    """Real clients of every dialect, a stop, a start on the same port: all return to their rooms and work."""
    relay = make_relay(drain_window="1s")
    pairs = [paired(relay, "a1111"), paired(relay, "comfy", transports=["websocket"]), paired(relay, "a1111-polling", transports=["polling"])]
    native, _ = extra = paired(relay, "native")
    marks = [(install.mark(), client.mark()) for install, client in pairs + [extra]]
    assert relay.stop() == 0
    relay.restart()
    for (install, client), (install_mark, client_mark) in zip(pairs + [extra], marks):
        assert install.wait("ack", since=install_mark, seconds=60)["success"] is True
        assert client.wait("ack", since=client_mark, seconds=60)["success"] is True
        client.wait_presence(client=1, sd=1, since=client_mark, seconds=60)
        assert client.ask("resources:list")["status"] == "success"
        assert install.all("kicked") == [] and client.all("kicked") == [] and install.all("failed") == []
        assert install.tell("stored_key") == client.key


def test_clients_come_back_after_a_crash(make_relay, paired):
    relay = make_relay()
    install, client = paired(relay)
    marks = install.mark(), client.mark()
    relay.kill()
    relay.restart()
    assert install.wait("ack", since=marks[0], seconds=60)["success"] is True
    client.wait_presence(client=1, sd=1, since=marks[1], seconds=60)
    assert client.ask("resources:list")["status"] == "success"


def test_no_namespace_packets_in_a_drain(make_relay):
    """Raw sessions watch every packet until the end: no `41`, no `44`; close codes say `come back`."""
    relay = make_relay(drain_window="1s")
    _, key = relay.pair_self("drain")
    engine, install, native = EngineSocket(relay), EngineSocket(relay), RawWebSocket(relay, "/link")
    engine.enter("client", key)
    install.enter("sd", key)
    native.text('{"event":"iam","data":{"type":"client"}}')
    native.text('{"event":"join","data":"%s","ack":1}' % key)
    native.take()
    polling = PollingSession(relay)
    polling.enter("client", key)
    seen = {"engine": [], "install": [], "native": [], "polling": []}

    def watch(name, take):
        try:
            while True:
                seen[name].append(take())
        except Ended as ended:
            seen[name].append(ended)
        except (OSError, AssertionError) as error:
            seen[name].append(error)

    def poll():
        packets = polling.get(seconds=30)
        return b"\x1e".join(packets)

    takers = {"engine": engine.packet, "install": install.packet, "native": native.take, "polling": poll}
    watchers = [threading.Thread(target=watch, args=item) for item in takers.items()]
    for watcher in watchers:
        watcher.start()
    assert relay.stop() == 0
    for watcher in watchers:
        watcher.join(30)
        assert not watcher.is_alive()
    for name, packets in seen.items():
        texts = [one for one in packets if isinstance(one, bytes)]
        assert not any(part.startswith((b"41", b"44")) for text in texts for part in text.split(b"\x1e")), (name, texts)
        assert not any(b"kicked" in text for text in texts), name
    for name in ("engine", "install", "native"):
        ended = seen[name][-1]
        assert isinstance(ended, Ended), (name, ended)
        assert ended.code is None or ended.code in (1001, 1012) or 4000 <= ended.code <= 4099, (name, ended)


COMMAND = '{"id":"late","type":"activities:list"}'
SUCCESS = '{"id":"late","type":"activities:list","status":"success"}'


def told_to_leave(socket):
    """Reads until the relay's close frame, which is not answered yet."""
    with pytest.raises(Ended):
        while True:
            socket.take()


def asked(connection, method, session, body=None):
    connection.request(method, f"{ENGINE_PATH}?{session.query}", body=body)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("kind", ["engine", "native", "polling"])
def test_a_result_said_before_the_close_was_seen_counts(make_relay, kind):
    """It crosses the relay's close frame on the wire; the client that asked is told after the restart."""
    relay = make_relay(drain_window="1s")
    _, key = relay.pair_self("crossing")
    client = EngineSocket(relay)
    client.enter("client", key)
    if kind == "native":
        install = RawWebSocket(relay, "/link")
        install.text('{"event":"iam","data":{"type":"sd"}}')
        install.text('{"event":"join","data":"%s","ack":1}' % key)
        while b'"ack"' not in install.take():
            pass
    else:
        install = {"engine": EngineSocket, "polling": PollingSession}[kind](relay)
        install.enter("sd", key)
    client.text('42["command",%s]' % COMMAND)
    if kind == "native":
        while b'"late"' not in install.take():
            pass
    else:
        install.upto(b'42["command"')
    # While it drains the relay takes no new connections; a browser and the python client keep theirs.
    kept = http.client.HTTPConnection(relay.host, relay.port, timeout=20)
    if kind == "polling":
        assert asked(kept, "POST", install, "3")[0] == 200
    stopped = threading.Thread(target=relay.stop)
    stopped.start()
    told_to_leave(client)
    client.send(frame(CLOSE, b"\x0f\xa0"))
    if kind == "polling":
        while asked(kept, "GET", install)[0] == 200:
            pass
        # It counts all the same; were it accepted, the python client would not notice that its poll was refused.
        assert asked(kept, "POST", install, '42["commandStatus",%s]' % SUCCESS)[0] == 400
    else:
        told_to_leave(install)
        install.text('{"event":"commandStatus","data":%s}' % SUCCESS if kind == "native" else '42["commandStatus",%s]' % SUCCESS)
        install.send(frame(CLOSE, b"\x0f\xa0"))
    stopped.join(20)
    assert relay.process.poll() == 0
    relay.restart()
    client = EngineSocket(relay)
    client.enter("client", key)
    assert client.upto(b'42["commandStatus"')[-1] == b'42["commandStatus",%s]' % SUCCESS.encode()


def test_a_command_said_before_the_close_was_seen_counts(make_relay):
    relay = make_relay(drain_window="1s", presence_grace="30s")
    _, key = relay.pair_self("crossing")
    client, install = EngineSocket(relay), EngineSocket(relay)
    client.enter("client", key)
    install.enter("sd", key)
    stopped = threading.Thread(target=relay.stop)
    stopped.start()
    told_to_leave(client)
    client.text('42["command",%s]' % COMMAND)
    client.send(frame(CLOSE, b"\x0f\xa0"))
    told_to_leave(install)
    install.send(frame(CLOSE, b"\x0f\xa0"))
    stopped.join(20)
    assert relay.process.poll() == 0
    relay.restart()
    install = EngineSocket(relay)
    install.enter("sd", key)
    # Perhaps once more: nobody proved that it had arrived.
    assert install.upto(b'42["command"')[-1] == b'42["command",%s]' % COMMAND.encode()


def test_readiness_while_draining(make_relay):
    """Ready before; while draining 503 or no longer reachable; gone within the window."""
    relay = make_relay(drain_window="3s")
    assert relay.api("GET", "/healthz", token=False).status == 200
    assert relay.api("GET", "/readyz", token=False).status == 200
    sockets = [EngineSocket(relay) for _ in range(20)]
    stopped = threading.Thread(target=relay.stop)
    stopped.start()
    while stopped.is_alive():
        try:
            status = relay.api("GET", "/readyz", token=False, timeout=5).status
        except OSError:
            break
        assert status in (200, 503)
        if status == 503:
            break
    stopped.join(20)
    assert relay.process.poll() == 0
    for socket in sockets:
        socket.end()


def test_sigterm_with_nobody_there(relay):
    assert relay.stop(10) == 0


def test_no_secrets_in_the_log(make_relay, paired):
    """Neither keys nor codes nor tokens, at any level."""
    relay = make_relay(log_level="debug")
    install, client = paired(relay)
    key, token = install.tell("stored_key"), relay.token()
    client.ask("resources:list")
    relay.api("GET", "/api/link")
    relay.stop()
    assert relay.log.strip()
    assert key not in relay.log and key[:16] not in relay.log and token not in relay.log and token[3:20] not in relay.log

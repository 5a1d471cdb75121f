"""What a drained room leaves for the next process, when the store fails or hangs, or the room changes meanwhile. Raw sessions.

SPDX-License-Identifier: Apache-2.0
"""
import threading

from test_drain import told_to_leave
from test_ends import command, heard, missed, room, say  # noqa: F401 (room is a fixture)
from test_limits import metric
from wire import CLOSE, frame


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


def stopping(relay, *members):
    """A thread in which the relay is told to stop; these members know that they are to leave, and have not answered."""
    stopped = threading.Thread(target=relay.stop)
    stopped.start()
    for member in members:
        told_to_leave(member)
    return stopped


def leave(member):
    """Answers the relay's close frame: it has heard everything."""
    member.send(frame(CLOSE, b"\x0f\xa0"))
    member.end()


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

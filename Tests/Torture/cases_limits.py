"""The machine's and the operator's limits reached: descriptors, memory, connections. SPDX-License-Identifier: Apache-2.0"""
import time

from peers import TEXT, dial, flood, frame, has_ended, header, upgrade
from rig import Rig, until
from torture import case

OPEN_FILES = 256


def greets_in(rig, key, seconds):
    """Seconds until somebody new is in the room; None if nobody was let in."""
    def enters():
        try:
            rig.member("client", key, seconds=1).close()
            return True
        except OSError:
            return False
    return until(enters, seconds)


@case("more connections than the process may open files", 60)
def descriptors(folder):
    with Rig(folder, open_files=OPEN_FILES, connection_count=20_000) as rig:
        key = rig.room("later")
        with rig.attack(memory_mb=16):
            healthy_cpu = rig.relay.cpu_seconds()
            time.sleep(4)
            usual = (rig.relay.cpu_seconds() - healthy_cpu) / 4
            crowd = []
            for _ in range(OPEN_FILES * 2):
                try:
                    crowd.append(upgrade(rig.relay.address, "/link", seconds=0.1)[0])
                except OSError:
                    # Left in the backlog or refused: these keep knocking.
                    crowd.append(dial(rig.relay.address))
                if len(crowd) > OPEN_FILES + 60:
                    break
            before = rig.relay.cpu_seconds()
            time.sleep(5)
            rig.bound("processor while full", ((rig.relay.cpu_seconds() - before) / 5 - usual) * 100, 10, " %")
            for one in crowd:
                one.close()
            again = greets_in(rig, key, 10)
            rig.bound("accepts again after", 99 if again is None else again, 1, " s")
        rig.expect(rig.relay.metric("accept_paused_total") > 0, "the limit was never reached")
    return rig


@case("connections past connection-count are refused with 503, and let in as soon as there is room", 60)
def connection_count(folder):
    with Rig(folder, connection_count=200) as rig:
        key = rig.room("later")
        with rig.attack(memory_mb=16):
            crowd, refused = [], 0
            for _ in range(400):
                try:
                    crowd.append(upgrade(rig.relay.address, "/link", seconds=2)[0])
                except ConnectionError as error:
                    refused += "503" in str(error)
            time.sleep(2)
            for one in crowd:
                one.close()
            again = greets_in(rig, key, 10)
            rig.bound("accepts again after", 99 if again is None else again, 1, " s")
        rig.figure(f"{len(crowd)} let in, {refused} answered 503")
        rig.expect(refused > 100, "few were refused with 503")
    return rig


@case("ten rooms queue for members that do not read, over the process's memory budget", 60)
def memory_budget(folder):
    budget = 64 << 20
    with Rig(folder, process_memory_bytes=budget, room_memory_bytes=budget, member_queue_bytes=1 << 30, member_queue_count=100_000) as rig:
        senders = []
        for number in range(10):
            key = rig.room(f"budget-{number}")
            senders.append(rig.member("sd", key))
            # Kept open, never read.
            setattr(rig, f"idle_{number}", rig.member("client", key, receive_bytes=8192))
        status = frame(TEXT, b'{"event":"commandStatus","data":{"type":"resources:list","pad":"%s"}}' % (b"x" * 60_000))
        with rig.attack(memory_mb=budget / 1e6 * 1.4 + 8):
            written, ended = flood(senders, status * 8, 8)
            queued = rig.relay.metric("queued_bytes")
            rig.bound("queued", queued / 1e6, budget / 1e6 * 1.1, " MB")
        rig.figure(f"{written / 1e6:.0f} MB taken in 8 s, {ended} senders cut")
        rig.expect(queued > budget * 0.5, "the budget was never reached")
        late = rig.relay.metric('messages_dropped_total{reason="no_memory"}')
        rig.figure(f"{late:.0f} dropped for memory")
    return rig


@case("twenty members with 28 of 30 MiB of a message each sent, over the process's memory budget", 90)
def half_budget(folder):
    budget, ceiling, loops = 64 << 20, 32 << 20, 2
    with Rig(folder, process_memory_bytes=budget, heartbeat_timeout="6s", loops=loops) as rig:
        senders = [rig.member("sd", rig.room(f"half-{number}"), number % 2 == 0) for number in range(20)]
        wire = header(TEXT, 30 << 20) + b'{"event":"commandStatus","data":{"pad":"' + b"x" * (28 << 20)
        # Three messages a loop, and what one read may bring for each.
        with rig.attack(memory_mb=(budget + loops * 3 * ceiling + len(senders) * (256 << 10)) / 1e6):
            written, _ = flood(senders, wire, 4, is_once=True)
            kept = rig.relay.metric("buffered_bytes")
            rig.bound("half-read", kept / 1e6, (budget + loops * ceiling + len(senders) * (256 << 10)) / 1e6, " MB")
            rig.expect(kept > budget * 0.5, "the budget was never reached")
            # Whoever is left when half the budget is free again may go on.
            relieved = until(lambda: rig.relay.metric("buffered_bytes") <= budget / 2, 25, every=0.1)
            rig.bound("relieved after", 99 if relieved is None else relieved, 18, " s")
            gone = until(lambda: sum(map(has_ended, senders)) >= 15, 25, every=0.1)
            rig.bound("most gone after", 99 if gone is None else gone, 18, " s")
        rig.figure(f"{written / 1e6:.0f} MB taken")
    return rig

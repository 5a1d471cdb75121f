"""Frames that are legal one by one and meant to hurt. SPDX-License-Identifier: Apache-2.0"""
import struct
import time
import zlib

from peers import NATIVE_PATH, NO_MASK, TEXT, dial, flood, frame, has_ended, header, upgrade
from rig import Rig
from torture import case

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
RSV1 = 4


@case("messages of empty and of one-byte fragments without end, again and again", 60)
def fragment_flood(folder):
    floods = [frame(0, b"", fin=False) * 20_000, frame(0, b" ", fin=False) * 20_000]
    with Rig(folder) as rig:
        keys = [rig.room(f"attacker-{number}") for number in range(4)]
        begun, taken, ended = 0, 0, 0
        with rig.attack(memory_mb=16):
            begin = time.monotonic()
            while time.monotonic() - begin < 6:
                for pieces in floods:
                    crowd = [rig.member("sd", key) for key in keys]
                    for one in crowd:
                        one.sendall(frame(TEXT, b"{", fin=False))
                    written, cut = flood(crowd, pieces, 5)
                    begun, taken, ended = begun + len(crowd), taken + written, ended + cut
        rig.figure(f"{taken / 1e6:.0f} MB in {taken // 6_500_000} million fragments taken")
        rig.bound(f"of {begun} not cut", begun - ended, 0)
        rig.bound("not counted", begun - rig.relay.metric('connections_ended_total{reason="frame_fragments"}'), 0)
    return rig


@case("eight extensions send compressed messages of a thousand times their size", 60)
def deflate_bomb(folder):
    with Rig(folder, compression="on", sd_message_bytes=1 << 20) as rig:
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = squeeze.compress(b'{"event":"commandStatus","data":{"x":"' + b"0" * (64 << 20) + b'"}}') + squeeze.flush(zlib.Z_SYNC_FLUSH)
        keys = [rig.room(f"bomber-{number}") for number in range(8)]
        with rig.attack(memory_mb=24):
            begin = time.monotonic()
            while (left := begin + 8 - time.monotonic()) > 0:
                # After 200 refusals each is closed, and comes back.
                flood([rig.member("sd", key, extra=OFFER) for key in keys], frame(TEXT, bomb[:-4], rsv=RSV1), left)
        refused = rig.relay.metric("inflations_refused_total")
        rig.expect(refused > 0, "no bomb was refused")
        rig.figure(f"{refused:.0f} bombs of 64 MB refused, {rig.relay.metric('inflation_out_bytes_total') / 1e6:.0f} MB inflated")
    return rig


@case("200 frames and 100 request bodies announce more than they send, up to 2^63-1 bytes", 60)
def huge_lengths(folder):
    with Rig(folder) as rig:
        ceiling = 32 << 20
        with rig.attack(memory_mb=32):
            held = []
            for number in range(200):
                one = rig.member("sd", rig.room(f"huge-{number % 20}"), number % 2 == 0)
                size = (ceiling - 1, (1 << 63) - 1, 1 << 62, (1 << 32) + 5)[number % 4]
                one.sendall(b"\x81\xff" + struct.pack(">Q", size) + NO_MASK + b'{"event":"commandStatus","data":"')
                held.append(one)
            for number in range(100):
                one = dial(rig.relay.address)
                one.sendall(b"POST /api/socketio/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n4" % (
                    (ceiling - 1, 10 ** 18 - 1)[number % 2]))
                held.append(one)
            time.sleep(4)
        rig.figure(f"{len(held)} held, {sum(map(has_ended, held))} of them cut")
    return rig


@case("40 strangers, who have said `iam` and have no key, each leave a message of 28 MB half sent", 60)
def half_messages(folder):
    budget = 64 << 20
    with Rig(folder, process_memory_bytes=budget, room_memory_bytes=budget) as rig:
        start, piece = header(TEXT, 30 << 20) + b'{"event":"commandStatus","data":"', b"x" * (28 << 20)
        strangers = [upgrade(rig.relay.address, NATIVE_PATH)[0] for _ in range(40)]
        with rig.attack(memory_mb=16):
            for one in strangers:
                one.sendall(frame(TEXT, b'{"event":"iam","data":{"type":"sd"}}') + start)
            taken, _ = flood(strangers, piece, 4, is_once=True)
            rig.figure(f"{taken / 1e6:.0f} MB taken from strangers")
            rig.bound("kept", rig.relay.metric("buffered_bytes") / 1e6, 8, " MB")
    return rig

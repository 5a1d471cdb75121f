"""A disk that is full, that hangs, and a clock that jumps. SPDX-License-Identifier: Apache-2.0"""
import os
import pathlib
import subprocess
import threading
import time

from faults import Faults
from peers import TEXT, frame, upgrade, ENGINE_PATH
from rig import Rig, until
from torture import case

RECOVERY_SECONDS = 5
STALL_SECONDS = 30
DAY, TEN_YEARS = 86_400, 10 * 365 * 86_400


def makes_link(rig, timeout=20):
    """A new link: status, `Retry-After`, and how long the answer took."""
    begin = time.monotonic()
    answer = rig.relay.api("POST", "/api/link", {}, timeout=timeout)
    return answer.status, answer.headers.get("Retry-After"), time.monotonic() - begin, answer


@case("the data directory's disk is full, then free again", 60, namespaces=["-m"])
def disk_full(folder):
    disk = pathlib.Path(folder) / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(disk)]
    if not os.environ.get("TORTURE_NAMESPACES") or subprocess.run(mount, capture_output=True).returncode != 0:
        return store_fails(folder)
    with Rig(folder, data_at=disk / "data") as rig:
        key = rig.room("known")
        with rig.attack(memory_mb=16):
            fill(disk / "ballast")
            full = until(lambda: makes_link(rig)[0] in (503, 507), 10)
            status, retry, _, _ = makes_link(rig)
            rig.expect(full is not None and status in (503, 507) and retry, f"a write on a full disk got {status}, Retry-After {retry}")
            rig.member("client", key).close()
            time.sleep(3)
            (disk / "ballast").unlink()
            again = until(lambda: makes_link(rig)[0] == 200, 20)
            rig.bound("writes again after", 99 if again is None else again, RECOVERY_SECONDS, " s")
        rig.figure("on a tmpfs of its own")
    return rig


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def store_fails(folder):
    """Without mounts: the store's own fault switch."""
    fault = pathlib.Path(folder) / "fault"
    with Rig(folder, fault_store=fault) as rig:
        key = rig.room("known")
        with rig.attack(memory_mb=16):
            fault.touch()
            status, retry, _, _ = makes_link(rig)
            rig.expect(status in (503, 507) and retry, f"a write on a failing store got {status}, Retry-After {retry}")
            rig.member("client", key).close()
            fault.unlink()
            again = until(lambda: makes_link(rig)[0] == 200, 20)
            rig.bound("writes again after", 99 if again is None else again, RECOVERY_SECONDS, " s")
        rig.figure("by the store's fault switch (no mounts here)")
    return rig


@case("every write to disk hangs for 30 s, then goes on", 90)
def store_stalled(folder):
    faults = Faults(folder)
    with Rig(folder, faults=faults) as rig:
        keys = [rig.room(f"known-{number}") for number in range(20)]
        # In the first two minutes a room's first member waits for what the former process may have left; these are not first.
        installs = [rig.member("sd", key) for key in keys]
        with rig.attack(memory_mb=16):
            faults.stall()
            begin, answers = time.monotonic(), []
            writers = [threading.Thread(target=lambda: answers.append(patient_link(rig))) for _ in range(20)]
            for one in writers:
                one.start()
            slowest = 0.0
            while time.monotonic() - begin < STALL_SECONDS:
                for number, key in enumerate(keys):
                    at = time.monotonic()
                    rig.member("client", key, number % 2 == 0).close()
                    slowest = max(slowest, time.monotonic() - at)
                time.sleep(0.5)
            early = len(answers)
            faults.stall(False)
            again = until(lambda: makes_link(rig)[0] == 200, 20)
            for one in writers:
                one.join(10)
        for one in installs:
            one.close()
        rig.bound("joins by known keys", slowest, 1 * max(1.0, rig.latency_bound_ms / 100), " s")
        rig.bound("writes again after", 99 if again is None else again, RECOVERY_SECONDS, " s")
        rig.figure(f"20 writes: {early} answered during the stall, {sorted(set(answers))}")
        rig.expect(len(answers) == 20 and set(answers) <= {200, 503, 507}, f"writes during the stall got {answers}")
    return rig


def patient_link(rig):
    try:
        return makes_link(rig, timeout=STALL_SECONDS + 15)[0]
    except OSError as error:
        return repr(error)


def code_answer(rig, code):
    """What an extension gets for this code: the text of the acknowledgement."""
    made, rest = upgrade(rig.relay.address, ENGINE_PATH)
    made.sendall(frame(TEXT, b"40") + frame(TEXT, b'42["iam",{"type":"sd"}]') + frame(TEXT, b'427["join","%s"]' % code.encode()))
    while b"437[" not in rest or b"]" not in rest.split(b"437[", 1)[1]:
        rest += made.recv(4096)
    made.close()
    return rest.split(b"437[", 1)[1].split(b"]", 1)[0].decode()


@case("the wall clock jumps by ten years and back by a day: nobody is lost, codes end sooner, never later", 120)
def clock_jump(folder):
    faults = Faults(folder)
    with Rig(folder, faults=faults, code_lifetime="30s", wrong_code_burst=1000) as rig:
        _, kept = rig.relay.new_link()
        _, ahead = rig.relay.new_link()
        made_at = time.monotonic()
        key = rig.room("known")
        with rig.attack(memory_mb=16):
            for seconds in (TEN_YEARS, -DAY, 0, -20_000 * DAY, -DAY):
                faults.jump(seconds)
                time.sleep(2)
                rig.member("client", key).close()
                if seconds == TEN_YEARS:
                    early = code_answer(rig, ahead)
                    rig.expect('"Joined"' in early or "expired_code" in early, f"ten years on a code got {early}")
            _, behind = rig.relay.new_link()
            rig.expect('"Joined"' in code_answer(rig, behind), "a code made after the jump does not work")
            time.sleep(max(0.0, made_at + 31 - time.monotonic()))
            late = code_answer(rig, kept)
            rig.expect("expired_code" in late, f"a day back, past its life, a code got {late}")
        _, code = rig.relay.new_link()
        rig.relay.stop()
        faults.jump(-3 * DAY)
        rig.relay.restart()
        restarted = code_answer(rig, code)
        rig.expect("expired_code" in restarted, f"after a restart two days earlier a code got {restarted}")
        rig.member("client", key).close()
        rig.figure(f"+10 y: code {'still good' if 'Joined' in early else 'expired'}; -1 d past its life: expired; restart earlier: expired")
    return rig

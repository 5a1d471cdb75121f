"""What is done to the process itself. SPDX-License-Identifier: Apache-2.0"""
import signal
import time

from rig import Rig
from torture import case


@case("SIGHUP ten times, SIGPIPE ten times", 60)
def signals(folder):
    with Rig(folder) as rig:
        with rig.attack(memory_mb=16):
            for _ in range(10):
                rig.relay.process.send_signal(signal.SIGHUP)
                rig.relay.process.send_signal(signal.SIGPIPE)
                time.sleep(0.3)
        rig.expect(rig.relay.log.count("settings_reloaded") >= 1 or "reload" in rig.relay.log, "no reload is in the log")
    return rig


@case("the whole process stands still for 3 s", 60)
def freeze(folder):
    with Rig(folder, heartbeat_interval="1s", heartbeat_timeout="1s") as rig:
        with rig.attack(memory_mb=24, is_timed=False):
            rig.relay.process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            rig.relay.process.send_signal(signal.SIGCONT)
            time.sleep(1)
    return rig

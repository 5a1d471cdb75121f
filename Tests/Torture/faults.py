"""The case's side of `faults.c`: what a relay is started with, and the orders to it. SPDX-License-Identifier: Apache-2.0"""
import mmap
import os
import struct


class Faults:
    """`jump` moves the relay's wall clock, `stall` makes its writes to disk hang."""

    def __init__(self, folder):
        path = os.path.join(folder, "faults")
        with open(path, "wb") as file:
            file.write(b"\0" * 16)
        with open(path, "r+b") as file:
            self.orders = mmap.mmap(file.fileno(), 16)
        library = os.path.join(os.environ["TORTURE_BUILD"], "faults.so")
        self.environment = {"LD_PRELOAD": library, "TORTURE_FAULTS": path}

    def jump(self, seconds):
        """From the real time, not from the last jump."""
        self.orders[0:8] = struct.pack("<q", int(seconds * 1_000_000_000))

    def stall(self, is_stalled=True):
        self.orders[8:16] = struct.pack("<q", int(is_stalled))

"""A relay on a disk that fails, stalls or forgets as the test says, and under a wall clock that the test moves.

disk_faults.c is compiled once (cc) and preloaded; its numbers are a file shared with the process. Runs in the test's process.
SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import pathlib
import random
import shutil
import subprocess

from relay_process import ENVIRONMENT, ROOT, Relay

WRITE, SYNC, OPEN, NAMING, TRUNCATE = 1, 2, 4, 8, 16
EVERY = WRITE | SYNC | OPEN | NAMING | TRUNCATE
FOR_EVER = 1 << 60
SECTOR = 512
FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-U_FORTIFY_SOURCE", "-fPIC", "-shared"]


class Numbers(ctypes.Structure):
    """`struct control` of disk_faults.c."""
    _fields_ = [(name, ctypes.c_int64) for name in (
        "kinds", "first", "last", "error", "counted", "failed", "synced", "stalls", "waiting", "clock", "shadows")]


def library():
    """The compiled library; made anew when its source is newer."""
    source, made = pathlib.Path(__file__).with_name("disk_faults.c"), ROOT / "build" / "disk_faults.so"
    made.parent.mkdir(exist_ok=True)
    with open(made.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", *FLAGS, "-o", made, source, "-ldl"], check=True)
    return made


class FaultyRelay(Relay):
    """A relay whose system calls on its data directory are steered through `faults`."""

    def __init__(self, directory, **settings):
        super().__init__(directory, **settings)
        self.directory.mkdir(exist_ok=True)
        self.shadow = self.directory / "shadow"
        self.shadow.mkdir(exist_ok=True)
        self.control = self.directory / "control"
        self.control.write_bytes(bytes(ctypes.sizeof(Numbers)))
        with open(self.control, "r+b") as file:
            self.faults = Numbers.from_buffer(mmap.mmap(file.fileno(), 0))
        self.preload = {
            **ENVIRONMENT, "LD_PRELOAD": str(library()), "FAULTS_CONTROL": str(self.control), "FAULTS_DIR": str(self.data),
            "FAULTS_SHADOW": str(self.shadow),
        }

    def start(self):
        # A new port each time: between a kill and the next start somebody else's relay may have been given the former one.
        self.port, self.url = 0, None
        return super().start()

    def _spawn(self, command, **more):
        return subprocess.Popen(
            command, env=self.preload, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more)

    def fail(self, first=1, last=FOR_EVER, kinds=EVERY, error=errno.EIO):
        """From now on, the calls of these kinds numbered `first` to `last` fail."""
        self.heal()
        self.faults.kinds, self.faults.error, self.faults.counted, self.faults.failed = kinds, error, 0, 0
        self.faults.last, self.faults.first = last, first

    def heal(self):
        self.faults.first = self.faults.last = 0

    @contextlib.contextmanager
    def stalled(self):
        """The disk takes no sync for so long."""
        self.faults.stalls = 1
        try:
            yield
        finally:
            self.faults.stalls = 0

    def cut_power(self, random_survivors=None):
        """kill -9, and the files are as they were last synced; with a random.Random some unsynced sectors survive."""
        self.kill()
        for path in list(self.data.iterdir()):
            if path.is_file() and not path.name.endswith("-shm") and random_survivors and (self.shadow / path.name).exists():
                mixture(self.shadow / path.name, path, random_survivors)
            if path.is_file() or path.is_socket():
                path.unlink()
        for path in self.shadow.iterdir():
            if not path.name.endswith(".draft"):
                shutil.copy(path, self.data / path.name)
                (self.data / path.name).chmod(0o600)


def mixture(durable, written, choose):
    """Into `durable`, some sectors of what was `written` but not synced."""
    old, new = durable.read_bytes(), written.read_bytes()
    size = choose.choice([len(old), len(new)])
    parts = [choose.choice([old, new])[at:at + SECTOR].ljust(SECTOR, b"\0") for at in range(0, size, SECTOR)]
    durable.write_bytes(b"".join(parts)[:size])


def is_sound(relay):
    """SQLite's own verdict on the database, of a relay that may be running."""
    import sqlite3
    database = sqlite3.connect(f"file:{relay.data / 'linkrelay.sqlite'}?mode=ro", uri=True, timeout=10)
    try:
        return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not database.execute(
            "PRAGMA foreign_key_check").fetchall()
    finally:
        database.close()

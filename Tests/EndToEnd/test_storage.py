"""The data directory: backup while the relay writes, restore, and what a damaged, locked or full one does to a relay.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import threading
import time

import pytest

from relay_process import BINARY, ENVIRONMENT, flags
from test_crash import can_join, exchange

DATABASE, KEY = "linkrelay.sqlite", "linkrelay.key"


def run(*words, environment=(), **settings):
    """relayd with these words: exit code, standard output, standard error."""
    done = subprocess.run(
        [BINARY, *map(str, words), *flags(settings)], env={**ENVIRONMENT, **dict(environment)}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def serve(data, code, sentence):
    """A start that must fail: with that exit code and one line that says so."""
    ended, _, told = run("serve", listen="127.0.0.1:0", data_dir=data)
    complaints = [line for line in told.splitlines() if line.startswith("relayd: ")]
    assert ended == code, (ended, told)
    assert len(complaints) == 1 and sentence in complaints[0], told


# Backup and restore


def pair_until(relay, stop, keys, errors):
    """Pairs by code again and again; the keys that were acknowledged, in order."""
    number = 0
    try:
        while not stop.is_set():
            number += 1
            keys.append(exchange(relay, relay.new_link()[1], f"backup-{number}"))
    except Exception as error:
        errors.append(error)


def test_backup_while_pairing_and_restore(make_relay, tmp_path):
    """What was acknowledged before the backup began is in it, for a relay that starts from it; the copy is one closed file."""
    relay = make_relay(instance_limit=0)
    stop, keys, errors = threading.Event(), [], []
    worker = threading.Thread(target=pair_until, args=(relay, stop, keys, errors))
    worker.start()
    copies = []
    try:
        for number in range(5):
            while len(keys) < 5 * (number + 1) and not errors:
                stop.wait(0.01)
            before = list(keys)
            copy = tmp_path / f"backup-{number}.sqlite"
            relay.run("backup", str(copy), "--with-key")
            copies.append((copy, before))
    finally:
        stop.set()
        worker.join()
    assert errors == []
    for copy, _ in copies:
        for one in (copy, copy.with_name(copy.name + ".key")):
            assert stat.S_IMODE(one.stat().st_mode) == 0o600
        assert not copy.with_name(copy.name + "-wal").exists()
        assert sqlite3.connect(f"file:{copy}?mode=ro", uri=True).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert not list(tmp_path.glob("*.part"))
    assert relay.stop() == 0

    copy, before = copies[-1]
    restored = make_relay.prepare()
    restored.data.mkdir(mode=0o700)
    shutil.copy(copy, restored.data / DATABASE)
    shutil.copy(copy.with_name(copy.name + ".key"), restored.data / KEY)
    restored.start()
    assert len(before) >= 25
    for key in before:
        assert can_join(restored, key), "an acknowledged key is not in the backup"


def test_backup_overwrites_nothing_and_needs_its_key(make_relay, tmp_path):
    relay = make_relay()
    relay.pair_self("one")
    copy = tmp_path / "copy.sqlite"
    assert "keep that file" in relay.run("backup", str(copy))
    assert not (tmp_path / "copy.sqlite.key").exists()
    saved = copy.read_bytes()
    code, out, told = run("backup", copy, data_dir=relay.data)
    assert code == 74 and "File exists" in told and copy.read_bytes() == saved
    # A name that is taken for the key: neither file is left.
    (tmp_path / "other.sqlite.key").write_bytes(b"mine")
    assert run("backup", tmp_path / "other.sqlite", "--with-key", data_dir=relay.data)[0] == 74
    assert not (tmp_path / "other.sqlite").exists() and (tmp_path / "other.sqlite.key").read_bytes() == b"mine"
    assert run("backup", tmp_path / "none.sqlite", data_dir=tmp_path / "nowhere")[0] == 74
    assert not (tmp_path / "nowhere").exists()
    # Without its key, or with another, a relay does not start on the copy, nor does a command make one; the copy is left alone.
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copy(copy, other / DATABASE)
    serve(other, 74, "not its master key")
    code, _, told = run("token", "new", data_dir=other)
    assert code == 74 and "CREDENTIALS_DIRECTORY" in told and not (other / KEY).exists()
    # The key may be a credential, for commands too.
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    shutil.copy(relay.data / KEY, credentials / KEY)
    assert run("token", "new", environment={"CREDENTIALS_DIRECTORY": str(credentials)}, data_dir=other)[0] == 0
    (other / KEY).write_bytes(bytes(32))
    (other / KEY).chmod(0o600)
    serve(other, 74, "another master key")
    code, _, told = run("backup", tmp_path / "wrong.sqlite", "--with-key", data_dir=other)
    assert code == 74 and "not this database's" in told
    assert not (tmp_path / "wrong.sqlite").exists() and not (tmp_path / "wrong.sqlite.key").exists()
    assert sqlite3.connect(other / DATABASE).execute("SELECT count(*) FROM instance").fetchone() == (1,)


# Health


def test_health_says_what_readyz_says(make_relay, tmp_path):
    fault = tmp_path / "fault"
    relay = make_relay(fault_store=fault)
    assert run("health", data_dir=relay.data) == (0, "ready\n", "")
    assert run("health", "--url", relay.url) == (0, "ready\n", "")
    fault.touch()
    code, _, told = until(lambda: run("health", data_dir=relay.data), lambda answer: answer[0] != 0)
    assert code == 69 and "unavailable" in told
    assert relay.api("GET", "/healthz", token=False).status == 200
    fault.unlink()
    until(lambda: run("health", data_dir=relay.data), lambda answer: answer[0] == 0)
    assert relay.stop() == 0
    assert run("health", "--url", relay.url)[0] == 69
    for url in "ftp://x", "http://", "http://:80", "http://[]", "http://a:b:c", "http://a:65536":
        assert run("health", "--url", url)[0] == 64, url


@pytest.mark.parametrize("settings", [
    pytest.param({"tls_self_signed": "on"}, id="TLS"),
    pytest.param({"proxy_protocol": "on", "trusted_proxies": "127.0.0.1"}, id="PROXY header"),
    pytest.param({"listen": "unix:SOCKET"}, id="Unix socket"),
])
def test_health_whatever_the_relay_listens_on(tmp_path, settings):
    settings = {name: value.replace("SOCKET", str(tmp_path / "s")) for name, value in settings.items()}
    data = tmp_path / "data"
    process = subprocess.Popen(
        [BINARY, "serve", *flags({"listen": "127.0.0.1:0", "data_dir": data, **settings})], env=ENVIRONMENT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: run("health", data_dir=data), lambda answer: answer[0] == 0)[1] == "ready\n"
    finally:
        process.terminate()
        process.wait(30)
    assert run("health", data_dir=data)[0] == 69


def until(ask, is_enough, seconds=15):
    """Asks again until the answer will do."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if is_enough(answer):
            return answer
    raise AssertionError(f"still {answer}")


# Damage


def damaged(path):
    """Overwrites every page but the first."""
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


@pytest.mark.parametrize("damage", ["pages", "no database", "cut short"])
def test_corrupt_database(make_relay, damage):
    """Exit 74 with one clear line; nothing is repaired, emptied or made anew, and the old file put back works."""
    relay = make_relay()
    _, key = relay.pair_self("one")
    assert relay.stop() == 0
    file = relay.data / DATABASE
    good, master = file.read_bytes(), (relay.data / KEY).read_bytes()
    if damage == "pages":
        damaged(file)
    elif damage == "no database":
        file.write_bytes(b"This is no database.\n" * 500)
    else:
        file.write_bytes(good[:len(good) // 2])
    bad = file.read_bytes()
    serve(relay.data, 74, "corrupt")
    assert file.read_bytes() == bad and (relay.data / KEY).read_bytes() == master
    file.write_bytes(good)
    relay.restart()
    assert can_join(relay, key)


def test_unreadable_key_is_never_replaced(make_relay):
    relay = make_relay()
    _, key = relay.pair_self("one")
    assert relay.stop() == 0
    master = (relay.data / KEY).read_bytes()
    (relay.data / KEY).write_bytes(master[:10])
    serve(relay.data, 74, KEY)
    assert (relay.data / KEY).read_bytes() == master[:10]
    (relay.data / KEY).write_bytes(master)
    (relay.data / KEY).chmod(0o644)
    serve(relay.data, 74, KEY)
    (relay.data / KEY).chmod(0o600)
    relay.restart()
    assert can_join(relay, key)


# File systems of their own: only root may mount, in a mount namespace that ends with the test.


class Mount:
    """A tmpfs at `path`, or a read-only view of it."""

    def __init__(self, path, size):
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", path], check=True, capture_output=True)

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True, capture_output=True)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True, capture_output=True)


@pytest.fixture
def mount(tmp_path, closing):
    def make(size):
        if os.getuid() != 0:
            pytest.skip("only root may mount")
        try:
            return closing(Mount(tmp_path / "disk", size))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no mounting here: {error.stderr.decode().strip()}")

    return make


def test_read_only_directory(make_relay, mount):
    """A relay does not start on a directory that it cannot write, says so, and starts when it can."""
    disk = mount("8m")
    relay = make_relay.prepare()
    relay.data = disk.path / "data"
    relay.start()
    _, key = relay.pair_self("one")
    assert relay.stop() == 0
    disk.remount("ro")
    serve(relay.data, 74, "")
    disk.remount("rw")
    relay.restart()
    assert can_join(relay, key)


def test_disk_full(make_relay, mount):
    """Full: links that are there go on, new ones are refused as `later`, readiness says why; room again: all by itself."""
    disk = mount("2m")
    relay = make_relay.prepare()
    relay.data = disk.path / "data"
    relay.start()
    _, key = relay.pair_self("one")
    ballast = disk.path / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    ready = until(lambda: relay.api("GET", "/readyz", token=False), lambda answer: answer.status == 503)
    assert ready.json["store"] == "full", ready
    refused = relay.api("POST", "/api/link", {})
    assert refused.status == 503 and refused.headers["Retry-After"], refused
    assert can_join(relay, key), "a link that is there needs no disk"
    assert run("backup", disk.path / "copy.sqlite", data_dir=relay.data)[0] == 74
    assert not (disk.path / "copy.sqlite").exists()
    ballast.unlink()
    until(lambda: relay.api("GET", "/readyz", token=False), lambda answer: answer.status == 200)
    assert relay.api("POST", "/api/link", {}).status == 200
    assert relay.stop() == 0
    relay.restart()
    assert can_join(relay, key)

"""Fixtures: relays, scripted extensions, web clients, a file server, a TCP proxy; everything ends with its test.

SPDX-License-Identifier: Apache-2.0
"""
import itertools

import pytest

import child
import serialised_tls  # noqa: F401 (importing is its effect)
from child import Child
from file_server import FileServer
from relay_process import Relay
from tcp_proxy import TCPProxy
from web_client import NativeClient, SiteClient

# The suite's relays are all addressed from 127.0.0.1, which per-address limits would take for one busy attacker.
# And its files come from an http server on this machine, which no relay lets through unasked.
RELAY_DEFAULTS = {"connections_per_address": 5000, "download_lan_hosts": "127.0.0.1"}


def pytest_collection_modifyitems(items):
    """The long ones first, so that the workers end together."""
    items.sort(key=lambda item: 0 if item.get_closest_marker("long") else 1)


@pytest.fixture
def make_relay(tmp_path):
    """Starts relays with given settings: `make_relay(presence_grace="2s")`; `make_relay.prepare()` leaves the start to the test."""
    relays = []

    def prepare(**settings):
        relay = Relay(tmp_path / f"relay-{len(relays)}", **{**RELAY_DEFAULTS, **settings})
        relays.append(relay)
        relay.directory.mkdir()
        return relay

    def make(**settings):
        return prepare(**settings).start()

    make.prepare = prepare
    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def relay(make_relay):
    return make_relay()


@pytest.fixture
def closing():
    """Closes whatever a test hands it, last first."""
    things = []

    def keep(thing):
        things.append(thing)
        return thing

    yield keep
    for thing in reversed(things):
        thing.close()


@pytest.fixture
def extension(tmp_path, closing):
    """Starts a scripted extension: `extension("a1111", relay)`; `connect` false leaves it unconnected."""
    numbers = itertools.count()
    kinds = {
        "a1111": (child.A1111, "a1111_extension.py", []),
        "a1111-polling": (child.A1111, "a1111_extension.py", ["polling"]),
        "comfy": (child.NEWEST, "comfy_extension.py", []),
        "native": (child.NEWEST, "native_extension.py", []),
        "native-lister": (child.NEWEST, "native_extension.py", ["resources:list", "activities:list"]),
    }

    def start(kind, server, key=None, connect=True):
        python, script, words = kinds[kind]
        one = closing(Child(kind, python, script, tmp_path / f"{kind}-{next(numbers)}", server.url, *words))
        if connect:
            one.tell("connect")
            one.wait("connected")
        if key:
            one.tell("enter", key=key)
            one.wait("ack")
        return one

    return start


@pytest.fixture
def site(closing):
    """Starts a web client: `site(relay, key, transports=["polling"])`, or `dialect="native"`."""

    def start(relay, key=None, transports=None, dialect="socketio", **more):
        if dialect == "native":
            client = NativeClient(relay, key, **more)
        else:
            client = SiteClient(relay, key, transports, **more)
        client.connect()
        closing(client)
        if key:
            client.wait("ack")
        return client

    return start


@pytest.fixture
def paired(extension, site):
    """A linked pair in its own room: `(extension, web client)`, each seeing the other."""

    def make(relay, kind="a1111", **web):
        _, code = relay.new_link()
        client = site(relay, code, **web)
        install = extension(kind, relay, code)
        install.wait("upgradeKey")
        client.wait("upgradeKey")
        client.wait_presence(client=1, sd=1)
        install.wait("presence", lambda one: one == {"client": 1, "sd": 1})
        return install, client

    return make


@pytest.fixture
def file_server(closing):
    return closing(FileServer())


@pytest.fixture
def proxy(closing):
    """`proxy(relay)` is a TCP proxy in front of it."""
    return lambda relay: closing(TCPProxy(relay))

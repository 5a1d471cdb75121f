"""The operator's console in a real browser: the token at its gate, rooms with rates, one room's timeline, limits, blocks.

SPDX-License-Identifier: Apache-2.0
"""
import pytest

from admin_client import call, logged, tcp_address
from page_browser import NARROW, WIDE, Page
from test_admin import enter
from wire import RawWebSocket


@pytest.fixture
def console(make_relay, closing):
    """`(relay, page)`: a console that has been opened with a token. At the end nothing may have complained or been kept."""
    pages = []

    def start(size=WIDE, **settings):
        relay = make_relay(admin_listen="127.0.0.1:0", **settings)
        page = closing(Page(size))
        pages.append(page)
        page.open("http://%s:%d/console/" % tcp_address(relay))
        page.type("Access token", relay.token())
        page.press("Open the console")
        page.see(".tile", "Rooms")
        return relay, page

    yield start
    for page in pages:
        assert page.complaints() == []
        assert page.script("return Object.keys(localStorage)") == []
        assert page.script("return document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"


def join(relay, room, key, role, name):
    socket = RawWebSocket(relay, "/link")
    socket.text('{"event":"iam","data":{"type":"%s","name":"%s"}}' % (role, name))
    socket.text('{"event":"join","data":"%s","ack":1}' % key)
    while b'"ack":1' not in socket.take():
        pass
    return socket


def test_gate(make_relay, closing):
    """A wrong token is refused and forgotten, a right one lasts for this tab only."""
    relay = make_relay(admin_listen="127.0.0.1:0")
    page = closing(Page())
    page.open("http://%s:%d/" % tcp_address(relay))
    page.type("Access token", "lr_wrong")
    page.press("Open the console")
    page.see(".field-error", "not valid")
    assert page.script("return sessionStorage.length") == 0
    page.type("Access token", relay.token())
    page.press("Open the console")
    page.see(".tile", "Rooms")
    assert page.script("return [Object.keys(sessionStorage), localStorage.length]") == [["linkrelay.console-token"], 0]
    assert relay.token() not in page.address
    page.script("location.reload()")
    page.see(".tile", "Rooms")


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_room_appears_and_tells_its_story(console, size):
    relay, page = console(size, presence_grace="60s")
    page.see(".empty", "No rooms")
    room, key = relay.pair_self("rig", "Attic rig")
    sd = join(relay, room, key, "sd", "<b>sd</b>")
    client = join(relay, room, key, "client", "Civitai")
    page.see(".room-link", "#%d" % room)
    page.see(".room-link", "#%d" % room).click()
    page.see("td strong", "Extension · <b>sd</b>")
    sd.reset()
    page.see(".event", "Vanished")
    page.see(".why", "the connection broke")
    page.see(".facts", "away, within its grace")
    page.press("All rooms")
    page.see("td", "1 away")
    client.close()


def test_actions(console):
    relay, page = console()
    room, key = relay.pair_self("rig", "Attic rig")
    sd = join(relay, room, key, "sd", "sd")
    page.see(".room-link", "#%d" % room).click()
    page.press("Disconnect")
    page.see(".event", "Vanished")
    page.see(".why", "an operator ended it")
    again = join(relay, room, key, "sd", "sd")
    page.press("Whole addresses")
    page.see("td .mono", "127.0.0.1:")
    page.press("Kick everybody")
    page.press("Keep it", "dialog[open]")
    assert get_room_count(relay) == 1
    page.press("Kick everybody")
    page.press("Kick everybody", "dialog[open]")
    page.see(".event", "Kicked")
    while b'"kicked"' not in again.take():
        pass
    assert get_room_count(relay) == 0
    assert logged(relay, "action=kickRoom") and logged(relay, "action=disconnectSession")


def get_room_count(relay):
    headers = {"Authorization": "Bearer " + relay.token()}
    return call(relay, "GET", "/rooms", headers=headers, address=tcp_address(relay)).json["total"]


def test_limits_and_lately(console):
    relay, page = console(wrong_code_burst=1)
    for _ in range(3):
        enter(RawWebSocket(relay, "/link"), "client", "abcdef")
    page.tab("Limits")
    page.see(".bites", "2")
    assert page.shown(".limit-name")[0].text == "wrong-code-burst"
    page.tab("Lately")
    page.see("td", "too many tries")
    page.see("td", "unknown code")


def test_blocks(console):
    relay, page = console()
    page.tab("Blocks")
    page.see("p", "Nobody is blocked.")
    page.type("Network or user", "10.1.2.3/8")
    page.press("Block", "form")
    page.press("Block", "dialog[open]")
    page.see(".field-error", "network such as 10.0.0.0/8")
    page.type("Network or user", "203.0.113.0/24")
    page.type("Note", "noise")
    page.press("Block", "form")
    page.press("Block", "dialog[open]")
    page.see("td", "203.0.113.0/24")
    page.press("Let in again")
    page.see("p", "Nobody is blocked.")
    assert logged(relay, "action=addBlock") and logged(relay, "action=removeBlock")


def test_says_when_nobody_answers(console):
    relay, page = console()
    relay.kill()
    page.see(".banner.bad", "does not answer")
    page.see(".freshness", "No answer")

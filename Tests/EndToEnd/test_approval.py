"""The owner approves each new extension: unmodified clients wait, get in or stay out, and the page asks.

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest

from page_browser import NARROW, WIDE, Page
from wire import EngineSocket


@pytest.fixture
def asking(make_relay):
    return make_relay(approve_extensions="on", log_level="debug")


def waiting(relay, count=1):
    """Asks until so many wait."""
    while True:
        found = relay.api("GET", "/api/link/approvals").json
        if len(found) == count:
            return found


def decide(relay, one, approve):
    return relay.api("POST", "/api/link/approvals", {"id": one["id"], "number": one["number"], "approve": approve})


@pytest.mark.parametrize("kind", ["a1111", "a1111-polling", "comfy", "native"])
def test_an_approved_extension_is_linked(asking, extension, site, kind):
    number, code = asking.new_link()
    client = site(asking, code)
    install = extension(kind, asking, connect=False)
    install.tell("connect")
    install.wait("connected")
    mark = install.mark()
    install.tell("enter", key=code)
    applicant = waiting(asking)[0]
    assert applicant["id"] == number and applicant["from"] == "127.0.0.0/24"
    assert install.all("upgradeKey") == [] and client.all("upgradeKey") == []
    assert not any(one["sd"] for one in client.all("presence")), "in the room before the owner's word"
    assert decide(asking, applicant, True).json == {"success": True}
    assert install.wait("ack", since=mark)["success"] is True
    install.wait("upgradeKey")
    client.wait_presence(client=1, sd=1)
    assert client.ask("activities:list")["status"] == "success"
    assert asking.api("GET", "/api/link/approvals").json == []
    # From now on the key is enough.
    mark = client.mark()
    assert asking.stop() == 0
    asking.restart()
    client.wait("ack", since=mark, seconds=60)
    client.wait_presence(client=1, sd=1, since=mark, seconds=60)


def test_a_refused_one_stays_out(asking):
    _, code = asking.new_link()
    stranger = EngineSocket(asking)
    stranger.text("40")
    stranger.packet()
    stranger.text('42["iam",{"type":"sd","installId":"stranger","name":"Stranger"}]')
    stranger.text('420["join","%s"]' % code)
    applicant = waiting(asking)[0]
    assert applicant["name"] == "Stranger"
    assert decide(asking, applicant, False).status == 200
    refusal = json.loads(stranger.packet()[3:])[0]
    assert refusal["success"] is False and refusal["code"] == "not_approved" and "did not approve" in refusal["msg"]
    assert stranger.packet() == b'42["kicked"]'
    stranger.text('421["join","%s"]' % code)
    assert json.loads(stranger.packet()[3:])[0]["code"] == "not_approved"
    assert decide(asking, applicant, True).status == 404
    mine = EngineSocket(asking)
    mine.text("40")
    mine.packet()
    mine.text('42["iam",{"type":"sd","installId":"mine"}]')
    mine.text('420["join","%s"]' % code)
    assert decide(asking, waiting(asking)[0], True).status == 200
    assert json.loads(mine.upto(b"430[")[-1][3:])[0]["success"] is True


def test_who_hangs_up_waits_no_more(asking):
    _, code = asking.new_link()
    for _ in range(3):
        one = EngineSocket(asking)
        one.text("40")
        one.packet()
        one.text('42["iam",{"type":"sd"}]')
        one.text('420["join","%s"]' % code)
        waiting(asking)
        one.text('42["command",{}]')  # its input is not held up
        assert b"not_in_room" in one.upto(b'42["error"')[-1] or b"wrong_role" in one.seen[-1]
        one.close()
        waiting(asking, 0)


def test_the_surface_is_the_owners_alone(asking):
    number, code = asking.new_link()
    body = {"id": number, "number": "1", "approve": True}
    assert asking.api("GET", "/api/link/approvals", token=False).status == 401
    assert asking.api("POST", "/api/link/approvals", body, token=False).status == 401
    assert asking.api("POST", "/api/link/approvals", body).json["code"] == "no_such_applicant"
    for wrong in ({}, {"id": number}, {"id": number, "number": 1, "approve": True}, {"id": number, "number": "1", "approve": "yes"},
                  {"id": number, "number": "-1", "approve": True}, {"id": number, "number": "1" * 40, "approve": True}):
        assert asking.api("POST", "/api/link/approvals", wrong).status == 400, wrong
    assert asking.api("GET", "/api/session", token=asking.token()).json["approvesExtensions"] is True


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_page_asks(asking, extension, closing, size):
    page = closing(Page(size)).open(asking.sign_in_url())
    page.press("New link")
    code = page.see(".pairing .big-code").text.replace(" ", "")
    install = extension("native", asking, connect=False)
    install.tell("connect")
    install.wait("connected")
    install.tell("enter", key=code)
    page.see(".approval", "Is this your install?")
    page.see(".approval li", "Native has entered this code. It connects from 127.0.0.0/24.")
    page.press("Refuse", ".approval")
    page.see_no(".approval")
    assert install.wait("ack", lambda answer: not answer["success"])["code"] == "not_approved"
    # Another install, at the same code, which is still good.
    other = extension("comfy", asking, connect=False)
    other.tell("connect")
    other.wait("connected")
    other.tell("enter", key=code)
    page.see(".approval li")
    page.press("Approve", ".approval")
    page.see_condition("Live")
    assert page.complaints() == []

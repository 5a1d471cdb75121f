"""What the relay's own page must not get wrong: other links' dialogs, signed-out accounts, wrong clocks, the keyboard's place.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest

from page_browser import Page
from test_limits import metric
from test_page import linked, page, shown_code, signed_in  # noqa: F401  (fixtures)

HOUR_MS = 3_600_000
LONGEST_RETRY_SECONDS = 6


def focused(one):
    return one.driver.switch_to.active_element.accessible_name


def fresh_token(one):
    """The token that an open dialog shows."""
    one.press("Settings")
    one.press("Access tokens", ".menu")
    one.type("Label", "Rig", "dialog[open]")
    one.press("Make token", "dialog[open]")
    return one.see(".fresh-token code").text


def test_a_dialog_is_about_the_link_it_was_opened_for(linked, relay):
    """The link is deleted elsewhere while its file is about to be removed, and while a fresh token is shown, which stays."""
    one, install, number = linked()
    install.tell("add_resources", count=1)
    install.tell("push")
    token = fresh_token(one)
    one.script("document.querySelector('.item-row [aria-label^=Remove]').click()")
    one.see("dialog[open] h2", "Remove")
    relay.api("DELETE", f"/api/link?id={number}")
    one.see_no("dialog[open] h2", "Remove")
    assert one.see(".fresh-token code").text == token


def test_nothing_of_an_account_stays_when_it_is_signed_out(linked, relay):
    one, _, _ = linked()
    token = fresh_token(one)
    one.script("return fetch('/api/session', {method: 'DELETE'}).then(() => document.dispatchEvent(new Event('visibilitychange')))")
    one.see(".banner", "Your session has ended")
    assert one.script("return document.querySelectorAll('dialog, .home').length") == 0
    html = one.script("return document.documentElement.outerHTML")
    assert token not in html and "Studio" not in html


@pytest.mark.parametrize("ahead_ms", [26 * HOUR_MS, -26 * HOUR_MS])
def test_a_clock_that_is_wrong(page, relay, ahead_ms):
    """A code's time is the relay's: neither a fresh one looks expired nor does it last a day."""
    one = page()
    one.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
        "source": f"const now = Date.now; Date.now = () => now() + {ahead_ms};"})
    one.open(relay.sign_in_url())
    one.press("New link", ".first-steps")
    assert len(shown_code(one)) == 6
    minutes = int(one.see(".countdown").text.removeprefix("Expires in ").split(":")[0])
    assert minutes < 60


def test_a_store_that_fails_does_not_spend_a_sign_in_link(make_relay, page, tmp_path):
    relay = make_relay(fault_store=tmp_path / "fault")
    url = relay.sign_in_url()
    relay.break_store()
    one = page().open(url)
    one.see("button", "Try again")
    assert "has been used" not in one.text()
    relay.mend_store()
    one.press("Try again")
    one.see("#new-link")
    # This one has been used, and there is nothing to try again.
    other = page().open(url)
    other.see(".banner", "This sign-in link has been used")
    other.see_no("button", "Try again")


def test_a_late_retry_leaves_the_new_connection_alone(linked, relay, proxy):
    """The page waits to connect again when another link is chosen: it connects at once, and once."""
    front = proxy(relay)
    other, _ = relay.new_link(name="Other")
    one, _, _ = linked(front=front)
    front.refuse()
    front.cut()
    one.see(".pill", "Reconnecting")
    front.refuse(False)
    one.see(".row", "Other").click()
    one.see(".pill", "Connected")
    before = metric(relay, "sessions_opened_total")
    deadline = time.monotonic() + LONGEST_RETRY_SECONDS
    while time.monotonic() < deadline:
        assert metric(relay, "sessions_opened_total") == before


def test_rows_are_read_in_order_and_keep_the_focus(linked):
    one, install, _ = linked()
    install.tell("add_resources", count=500)
    install.tell("push")
    one.see("[role=tab]", "500")
    one.script("scrollTo(0, document.documentElement.scrollHeight)")
    one.until(lambda: any("499" in name for name in one.resources()), "the last one is not at the end")
    places = "return [...document.querySelectorAll('.virtual > *')].map(row => new DOMMatrix(getComputedStyle(row).transform).m42)"
    top = min(one.script(places))
    # A little up: the rows above are made now, others stay.
    one.script("scrollBy(0, -400)")
    one.until(lambda: min(one.script(places)) < top, "no rows above")
    tops = one.script(places)
    assert tops == sorted(tops)
    one.script("document.querySelectorAll('.item-row [aria-label^=Remove]')[5].focus()")
    held = focused(one)
    assert held.startswith("Remove ")
    install.tell("add_resources", count=501)
    install.tell("push")
    one.see("[role=tab]", "501")
    assert focused(one) == held


def test_the_keyboard_goes_on_in_the_new_code(signed_in):
    one = signed_in()
    one.press("New link", ".first-steps")
    shown_code(one)
    one.until(lambda: focused(one) == "Enter this code on your install", "the focus is lost")
    one.press("New link", ".side")
    one.until(lambda: focused(one) == "Enter this code on your install", "the focus is lost")


def test_copied_is_said(signed_in):
    one = signed_in()
    one.press("New link", ".first-steps")
    one.press("Copy flag")
    one.until(lambda: one.script("return [...document.querySelectorAll('[role=status]')].some(one => /^(Copied|Select and copy by hand)$/.test(one.textContent))"), "nothing is said")

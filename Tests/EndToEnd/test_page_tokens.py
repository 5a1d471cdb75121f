"""Access tokens on the relay's own page: made, shown once, used, revoked.

SPDX-License-Identifier: Apache-2.0
"""
import pytest

from page_browser import NARROW, WIDE, Page


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_tokens(relay, closing, size):
    page = closing(Page(size)).open(relay.sign_in_url())
    page.see(".top")
    page.press("Settings")
    page.press("Access tokens", ".menu")
    page.see("dialog[open] p", "No tokens yet.")
    page.press("Make token", "dialog[open]")
    page.see(".field-error", "The label must be")
    page.type("Label", "My rig", "dialog[open]")
    page.press("Make token", "dialog[open]")
    token = page.see(".fresh-token code").text
    assert relay.api("GET", "/api/link", token=token).status == 200
    page.see(".token strong", "My rig")
    page.press("Close", "dialog[open]")
    page.press("Settings")
    page.press("Access tokens", ".menu")
    page.see(".token strong", "My rig")
    assert token not in page.text() and token not in relay.log
    page.press("Revoke My rig", "dialog[open]")
    page.press("Revoke", "dialog.small[open]")
    page.see("dialog[open] p", "No tokens yet.")
    assert relay.api("GET", "/api/link", token=token).status == 401
    assert page.complaints() == []

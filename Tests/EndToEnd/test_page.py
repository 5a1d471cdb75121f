"""The relay's own page in a real browser: signing in, pairing without a reload, resources, activities, coming back.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import urllib.parse

import pytest

from page_browser import NARROW, WIDE, Page


@pytest.fixture
def page(closing):
    """Opens browsers: `page()`, `page(size=NARROW)`. At the end none may have complained, of its policy for one."""
    pages = []

    def start(size=WIDE):
        pages.append(closing(Page(size)))
        return pages[-1]

    yield start
    for one in pages:
        assert one.complaints() == []
        if one.address.startswith("http"):
            assert set(one.script("return Object.keys(localStorage)")) <= {"linkrelay.selected", "linkrelay.theme"}


@pytest.fixture
def signed_in(page, relay):
    """A page signed in as the owner, on the relay itself or on what stands in front of it."""

    def start(front=None, size=WIDE):
        url = relay.sign_in_url()
        if front is not None:
            url = url.replace(relay.url, front.url)
        one = page(size).open(url)
        one.see("#new-link")
        return one

    return start


@pytest.fixture
def linked(signed_in, relay, extension):
    """A page looking at a live link, and its install: `(page, extension, instance id)`."""

    def start(kind="comfy", front=None, size=WIDE):
        number, code = relay.new_link(name="Studio")
        install = extension(kind, relay, code)
        install.wait("upgradeKey")
        one = signed_in(front, size)
        one.see(".row", "Studio").click()
        one.see_condition("Live")
        install.wait("presence", lambda seen: seen["client"] == 1)
        return one, install, number

    return start


def shown_code(page):
    return page.see(".pairing .big-code").text.replace(" ", "")


# Signing in


def test_sign_in_link_works_once_and_leaves_the_address(page, relay):
    url = relay.sign_in_url()
    first = page().open(url)
    first.see("#new-link")
    assert "ticket" not in first.address and "#" not in first.address
    assert first.script("return document.cookie") == "", "scripts can read the session cookie"

    # Again in the same browser: it is signed in, so nobody has to be told anything.
    first.open(url).see("#new-link")

    second = page().open(url)
    assert "expired" in second.see("[role=alert]").text
    assert "relayd sign-in" in second.text()


def test_token_signs_in_and_sign_out_ends_it(page, relay):
    one = page().open(relay.url)
    one.see("h1", "Sign in")
    one.press("I have a token")
    one.type("Token", "lr_" + "0" * 43)
    one.press("Sign in", "form")
    one.see("[role=alert]", "not known here")
    assert one.value("Token") != "", "a failed attempt must not lose what was typed"
    one.type("Token", relay.token())
    one.press("Sign in", "form")
    one.see("#new-link")
    one.press("Settings")
    one.press("Sign out", ".menu")
    one.see("h1", "Sign in")
    one.open(relay.url).see("h1", "Sign in")


def test_code_from_the_qr_needs_no_session(page, relay):
    phone = page(NARROW).open(relay.url + "/#code=A1B2C3")
    assert phone.see(".big-code").text == "a1b 2c3"
    phone.see("button", "Copy code")
    assert "a1b2c3" not in phone.address.lower() and "#" not in phone.address
    phone.open(relay.url + "/#code=" + urllib.parse.quote("<b>no</b>")).see("h1", "not a pairing code")


# Pairing


@pytest.mark.parametrize("kind", ["native", "a1111", "comfy"])
def test_new_link_turns_live_without_a_reload(signed_in, relay, extension, kind):
    one = signed_in()
    one.script("window.isStillTheSamePage = true")
    one.press("New link", "nav")
    code = shown_code(one)
    assert re.fullmatch(r"[0-9a-f]{6}", code)
    number = next(iter(relay.links()))
    assert relay.links()[number]["key"] == code
    assert re.fullmatch(r"Expires in (9|10):\d\d", one.see(".countdown").text)
    one.until(lambda: one.see(".qr img").get_property("naturalWidth") > 0, "no QR code")
    assert relay.url in one.see(".guides").text
    one.see(".waiting", "Waiting for your install")

    install = extension(kind, relay, code)
    install.wait("upgradeKey")
    one.see_condition("Live")
    one.see("[role=tab]", "Resources")
    assert one.script("return window.isStillTheSamePage") is True
    assert one.shown(".big-code") == [] and code not in one.script("return document.body.textContent")
    assert relay.links()[number]["activated"] is True
    install.wait("command", lambda seen: seen["type"] == "resources:list")


def test_pairing_while_the_page_is_cut_off(signed_in, relay, extension, proxy):
    """The code is spent while nobody looks: the page finds the new key by itself."""
    front = proxy(relay)
    one = signed_in(front)
    one.press("New link", "nav")
    code = shown_code(one)
    one.see(".waiting", "Waiting for your install")
    front.refuse()
    front.cut()
    one.see(".pill", "Reconnecting")
    extension("native", relay, code).wait("upgradeKey")
    front.refuse(False)
    one.see_condition("Live", seconds=60)


def test_new_code_replaces_the_key(linked, relay, extension):
    one, install, number = linked()
    old = relay.links()[number]["key"]
    one.menu("New code")
    one.press("Get new code", "dialog[open]")
    code = shown_code(one)
    assert relay.links()[number]["key"] == code != old
    install.tell("disconnect")
    again = extension("native", relay, code)
    assert again.wait("upgradeKey") != old
    one.see_condition("Live")


# The list


def test_rename_and_delete(linked, relay):
    one, install, number = linked()
    one.menu("Rename")
    one.type("Name", "Küche <b>PC</b>", "dialog[open]")
    one.press("Save", "dialog[open]")
    one.see("h1", "Küche <b>PC</b>")
    one.see(".row-name", "Küche <b>PC</b>")
    assert relay.links()[number]["name"] == "Küche <b>PC</b>"

    one.menu("Delete")
    one.press("Keep it", "dialog[open]")
    assert number in relay.links()
    one.menu("Delete")
    one.press("Delete link", "dialog[open]")
    install.wait("kicked")
    one.see_no(".row")
    one.see("h1", "Link your Stable Diffusion")
    assert relay.links() == {}


def test_deleted_elsewhere_tells_and_deselects(linked, relay):
    one, install, number = linked()
    relay.api("DELETE", f"/api/link?id={number}")
    one.see(".toast", "“Studio” was removed")
    one.see_no(".detail")
    one.see_no(".row")
    assert "#" not in one.address


def test_presence_of_install_and_other_pages(linked, page, relay):
    one, install, number = linked()
    second = page().open(relay.sign_in_url())
    second.see(".row", "Studio").click()
    one.see(".facts", "open in one other page")
    second.driver.get("about:blank")
    one.see_no(".facts", "open in one other page")
    install.tell("disconnect")
    one.see_condition("Offline")
    one.see(".row-detail", "Offline")
    install.tell("connect")
    one.see_condition("Live")


# Resources and activities


def test_add_with_progress_then_remove(linked, file_server):
    one, install, _ = linked()
    one.see("h2", "No resources yet")
    resource = file_server.add("tiny-lora.safetensors", 3_000_000, is_held=True)
    one.add_resource(resource)
    sent = install.wait("command", lambda seen: seen["type"] == "resources:add")
    assert sent["resource"]["hash"] == resource["hash"] and sent["resource"]["url"] == resource["url"]
    assert re.fullmatch(r"[0-9a-f-]{36}", sent["id"]) and sent["createdAt"]
    bar = one.see(".running [role=progressbar]")
    one.until(lambda: 30 <= int(bar.get_attribute("aria-valuenow") or 0) <= 60, "no progress")
    file_server.release("tiny-lora.safetensors")
    one.until(lambda: one.resources() == ["tiny-lora.safetensors"], "it is not in the list")
    one.see_no(".running")
    assert install.tell("models") == ["tiny-lora.safetensors"]

    one.press("Remove tiny-lora.safetensors")
    one.press("Remove file", "dialog[open]")
    one.see("h2", "No resources yet")
    assert install.tell("models") == []


def test_cancel_a_download(linked, file_server):
    one, install, _ = linked()
    one.add_resource(file_server.add("big.safetensors", 6_000_000, is_held=True))
    added = install.wait("command", lambda seen: seen["type"] == "resources:add")
    one.until(lambda: int(one.see(".running [role=progressbar]").get_attribute("aria-valuenow") or 0) > 0, "no progress")
    one.press("Cancel", ".running")
    cancel = install.wait("command", lambda seen: seen["type"] == "activities:cancel")
    assert cancel["activityId"] == added["id"]
    file_server.release("big.safetensors")
    one.tab("Activity")
    one.see(".activity .chip", "Canceled")
    one.press("Clear finished")
    install.wait("command", lambda seen: seen["type"] == "activities:clear")
    one.see_no(".activity")
    assert install.tell("models") == []


def test_failures_are_said_in_plain_words(linked, file_server):
    one, install, _ = linked()
    wrong = {**file_server.add("wrong.safetensors", 1000), "hash": "AB" * 32}
    one.add_resource(wrong)
    one.see(".running .activity-detail", "hash is not the one announced")

    install.tell("disconnect")
    one.see_condition("Offline")
    one.press("Try again", ".running")
    assert one.value("Download URL") == wrong["url"], "a failed attempt can be corrected, not retyped"
    one.press("Add resource", "dialog[open]")
    one.see(".running .activity-detail", "The install is offline, so nothing was done")


def test_what_the_install_does_not_know_is_said(linked, file_server):
    """The native extension declares what it can do, and downloads are not among it: the relay answers for it."""
    one, install, _ = linked("native-lister")
    one.see("h2", "No resources yet")
    one.add_resource(file_server.add("unknown.safetensors", 1000))
    one.see(".running .activity-detail", "This install does not know this command")
    assert "resources:add" not in [seen["type"] for seen in install.sync().all("command")]


def test_form_refuses_nonsense_and_keeps_it(linked):
    one, install, _ = linked()
    one.press("Add", ".tools")
    one.type("Download URL", "ftp://example.invalid/a.safetensors")
    one.type("SHA-256", "xyz")
    one.press("Add resource", "dialog[open]")
    one.see(".field-error", "Only https:// and http://")
    one.see(".field-error", "64 digits")
    one.press("Close", "dialog[open]")
    one.press("Add", ".tools")
    assert one.value("Download URL") == "ftp://example.invalid/a.safetensors" and one.value("SHA-256") == "xyz"
    assert "resources:add" not in [seen["type"] for seen in install.sync().all("command")]
    one.press("Close", "dialog[open]")


def test_twenty_thousand_resources_stay_light(linked):
    one, install, _ = linked()
    one.see("h2", "No resources yet")
    install.tell("add_resources", count=20_000)
    install.tell("push")
    one.see("[role=tab]", "20,000")
    assert one.script("return document.querySelectorAll('.item-row').length") < 100
    one.script("scrollTo(0, document.documentElement.scrollHeight)")
    one.until(lambda: any("19999" in name for name in one.resources()), "the last one is not at the end")
    assert one.script("return document.querySelectorAll('.item-row').length") < 100
    one.script("scrollTo(0, 0)")
    one.type("Filter resources", "möbel-12345")
    one.until(lambda: len(one.resources()) == 1 and "möbel-12345" in one.resources()[0], "the filter does not find it")
    one.see(".summary", "1 of 20,000")


def test_picture_comes_back(linked):
    one, install, _ = linked()
    install.tell("pictures_of", byte_count=2_000_000)
    one.tab("Create")
    one.type("Prompt", "a lighthouse in fog")
    one.type("Seed", "7")
    one.press("Create", "form")
    sent = install.wait("command", lambda seen: seen["type"] == "image:txt2img")
    assert sent["params"]["prompt"] == "a lighthouse in fog" and sent["params"]["seed"] == 7
    image = one.see(".picture img")
    one.until(lambda: image.get_property("naturalWidth") > 0, "the picture does not load")
    assert image.get_attribute("src").startswith("blob:")
    assert one.value("Prompt") == "a lighthouse in fog"


# Coming back


def test_comes_back_and_keeps_what_was_typed(linked, relay, proxy):
    front = proxy(relay)
    one, install, _ = linked(front=front)
    one.type("Filter resources", "half a wo")
    one.press("Add", ".tools")
    one.type("Download URL", "https://example.invalid/half-typed")
    one.press("Close", "dialog[open]")
    front.refuse()
    front.cut()
    one.see(".pill", "Reconnecting")
    front.refuse(False)
    one.see(".pill", "Connected", seconds=60)
    assert one.value("Filter resources") == "half a wo"
    one.press("Add", ".tools")
    assert one.value("Download URL") == "https://example.invalid/half-typed"
    one.press("Close", "dialog[open]")
    one.press("Connected")
    assert "1006" in one.see("dialog[open] .closes li").text
    one.press("Close", "dialog[open]")


def test_relay_restart_is_survived(linked, relay):
    one, install, number = linked()
    relay.stop()
    one.see(".pill", "Reconnecting")
    one.see(".notice", "The server cannot be reached", seconds=60)
    relay.restart()
    one.press("Connect now", ".notice")
    one.see(".pill", "Connected", seconds=60)
    one.see_no(".notice")
    one.see_condition("Live", seconds=60)
    one.press("Connected")
    assert one.see("dialog[open] .closes li").text
    one.press("Close", "dialog[open]")


# How it is served and how it fits


def test_fits_a_phone(linked, relay):
    one, install, _ = linked(size=NARROW)
    install.tell("add_resources", count=50)
    install.tell("push")
    one.until(lambda: len(one.resources()) > 3, "no resources")

    def overflows():
        return one.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert overflows() == 0
    for name in ("Activity", "Create"):
        one.tab(name)
        assert overflows() == 0, name
    one.press("All links")
    one.see(".row")
    assert one.script("return document.activeElement.className") == "row", "the keyboard is lost with the part that went"
    one.script("document.activeElement.click()")
    assert one.script("return document.activeElement.id") == "stage"
    one.press("All links")
    assert overflows() == 0
    one.press("New link", "nav")
    shown_code(one)
    assert overflows() == 0
    assert one.shown(".row") == [], "the list and the detail share a narrow screen"
    one.driver.back()
    one.see(".row")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_too_faint(linked, relay, scheme):
    one, install, _ = linked()
    one.prefer(scheme)
    install.tell("add_resources", count=5)
    install.tell("push")
    one.until(lambda: one.resources(), "no resources")
    assert one.faint() == []
    one.press("Add", ".tools")
    one.press("Add resource", "dialog[open]")
    one.see(".field-error")
    assert one.faint() == []
    one.press("Close", "dialog[open]")
    one.tab("Create")
    assert one.faint() == []
    one.press("New link", "nav")
    shown_code(one)
    assert one.faint() == []
    one.press("Settings")
    one.press("Sign out", ".menu")
    one.press("I have a token")
    one.type("Token", "lr_wrong")
    one.press("Sign in")
    one.see("[role=alert]")
    assert one.faint() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_follows_the_system_theme_and_the_choice(page, relay, scheme):
    one = page()
    one.prefer(scheme)
    one.open(relay.sign_in_url()).see("#new-link")

    def brightness():
        color = one.script("return getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", color)[:3])

    assert (brightness() > 600) == (scheme == "light")
    other = "Dark" if scheme == "light" else "Light"
    one.press("Settings")
    one.see(".segment", other).click()
    one.until(lambda: (brightness() > 600) == (scheme == "dark"), "the choice does nothing")
    one.driver.refresh()
    one.see("#new-link")
    assert (brightness() > 600) == (scheme == "dark"), "the choice is forgotten"


def test_page_asks_only_its_own_server(linked, relay):
    one, install, _ = linked()
    asked = set()
    for entry in one.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            asked.add(message["params"]["url"])
    hosts = {urllib.parse.urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))}
    assert hosts == {urllib.parse.urlsplit(relay.url).netloc}
    key = relay.links()[next(iter(relay.links()))]["key"]
    assert not any(key in url for url in asked)
    headers = relay.api("GET", "/", token=False).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


def test_downloads_and_pairing_history(linked, relay):
    """The owner's rules for a link's downloads are saved, refused with a reason, and shown again; the history tells of the pairing."""
    one, _, number = linked()
    one.see(".facts", "paired")
    one.menu("Downloads")
    one.type("Checks", "Check every", "dialog[open]")
    one.type("Only from these hosts", "civitai.com, 10.0.0.1", "dialog[open]")
    one.press("Save", "dialog[open]")
    one.see("dialog[open] .field-error", "civitai.com or *.civitai.com")
    one.type("Only from these hosts", "civitai.com *.example.org", "dialog[open]")
    one.type("Hosts of your own network", "NAS.local:8080", "dialog[open]")
    one.press("Save", "dialog[open]")
    one.see_no("dialog[open]")
    saved = relay.api("GET", f"/api/link/policy?id={number}").json
    assert (saved["mode"], saved["hosts"], saved["lanHosts"]) == ("strict", ["civitai.com", "*.example.org"], ["nas.local:8080"])
    one.menu("Downloads")
    one.see("dialog[open]", "Downloads")
    assert one.value("Hosts of your own network") == "nas.local:8080"
    one.press("Cancel", "dialog[open]")
    one.menu("Pairing history")
    one.see("dialog[open] li", "An install was paired from 127.0.0.0/24")

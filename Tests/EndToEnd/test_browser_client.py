"""The browser build of socket.io-client 4, unmodified, in headless Chromium and from another origin.

The library is the copy that the PyPI package `nicegui` ships. SPDX-License-Identifier: Apache-2.0
"""
import functools
import http.server
import pathlib
import subprocess
import sys
import threading
import zipfile

import pytest

from page_browser import Page

HERE = pathlib.Path(__file__).parent
NICEGUI = "nicegui==3.18.0"


@pytest.fixture(scope="session")
def site_files(tmp_path_factory):
    """A folder with the page and the library."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-d", folder, NICEGUI],
        check=True, timeout=300,
    )
    with zipfile.ZipFile(next(folder.glob("nicegui-*.whl"))) as wheel:
        (folder / "socket.io.min.js").write_bytes(wheel.read("nicegui/static/socket.io.min.js"))
    (folder / "index.html").write_text((HERE / "browser_client.html").read_text())
    return folder


@pytest.fixture
def origin(site_files):
    """The site's own server: another origin than the relay's."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site_files))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Browser(Page):
    def seen(self):
        return self.script("return seen")

    def wait(self, entry, since=0, seconds=30):
        self.until(lambda: entry in self.seen()[since:], f"no {entry}; seen: {self.seen()}", seconds)

    def wait_status(self, identifier, status, since=0):
        def look():
            return next((one[1] for one in self.seen()[since:] if one[0] == "commandStatus" and one[1].get("id") == identifier
                         and one[1].get("status") == status), None)
        return self.until(look, f"no {status} for {identifier}; seen: {self.seen()}")

    def command(self, identifier, kind="activities:list", **more):
        self.script("socket.emit('command', arguments[0])", {"id": identifier, "type": kind, **more})


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["websocket"], ["polling"]], ids="+".join)
def test_a_site_links_works_and_comes_back(make_relay, extension, origin, closing, transports):
    relay = make_relay(origins=origin, drain_window="1s")
    _, code = relay.new_link()
    browser = closing(Browser())
    browser.open(origin)
    browser.script("start(arguments[0], arguments[1], arguments[2])", relay.url, transports, code)
    browser.wait(["ack", {"success": True, "msg": "Joined"}])
    browser.wait(["roomPresence", {"client": 1, "sd": 0}])
    if len(transports) == 2:
        browser.until(lambda: browser.script("return socket.io.engine.transport.name") == "websocket", "it never upgraded")

    install = extension("native", relay, code)
    install.wait("upgradeKey")
    browser.wait(["upgradeKey", 128])
    browser.wait(["roomPresence", {"client": 1, "sd": 1}])
    browser.command("one", text="ü\u2028 \U0001f600")
    browser.wait_status("one", "success")

    # A restart of the relay: the client reconnects by itself, identifies and joins with the upgraded key.
    mark = len(browser.seen())
    relay.stop()
    relay.restart()
    browser.wait(["roomPresence", {"client": 1, "sd": 1}], since=mark)
    browser.command("two")
    browser.wait_status("two", "success", since=mark)
    events = [one[0] for one in browser.seen()]
    assert "error" not in events and "kicked" not in events
    assert not any(one == ["roomPresence", {"client": 1, "sd": 0}] for one in browser.seen()[mark:])


def test_an_origin_that_is_not_listed_gets_nothing(relay, origin, closing):
    _, code = relay.new_link()
    browser = closing(Browser())
    browser.open(origin)
    browser.script(
        "start(arguments[0], ['polling', 'websocket'], arguments[1]);"
        "socket.on('connect_error', (error) => seen.push(['refused', error.message]))",
        relay.url, code,
    )
    browser.until(lambda: any(one[0] == "refused" for one in browser.seen()), "it was not refused")
    assert not any(one[0] in ("connect", "ack") for one in browser.seen())

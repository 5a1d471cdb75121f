"""Who may connect from a web page: one allow-list for REST, polling and WebSockets; never reflected, `null` refused.

SPDX-License-Identifier: Apache-2.0
"""
import signal

import pytest

from wire import ENGINE_PATH, EngineSocket, RawWebSocket

ALLOWED = "https://civitai.example"
LOOK_ALIKES = [
    "https://evil.example", "null", "https://civitai.example.evil.example", "https://civitai.example:8443",
    "http://civitai.example", "https://sub.civitai.example", "https://civitaiXexample", "https://civitai.example/",
    "https://evil.example/https://civitai.example", "https://civitai.example@evil.example", "https://CIVITAI.example.",
    "file://", "", "*",
]
POLLING = f"{ENGINE_PATH}?EIO=4&transport=polling"
WEBSOCKETS = ["/link", f"{ENGINE_PATH}?EIO=4&transport=websocket"]


@pytest.fixture
def fenced(make_relay):
    return make_relay(origins=ALLOWED)


def cors(answer):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


def test_allowed_origin_over_polling(fenced):
    """Without credentials: an ordinary allow header, and `Vary`."""
    answer = fenced.api("GET", POLLING, token=False, headers={"Origin": ALLOWED})
    assert answer.status == 200
    assert cors(answer)["access-control-allow-origin"] == ALLOWED
    assert "origin" in answer.headers["Vary"].lower()


def test_allowed_origin_over_polling_post(fenced):
    """Every answer of the session carries it, the POST's and the errors' too."""
    from wire import PollingSession

    session = PollingSession(fenced, headers={"Origin": ALLOWED})
    for method, body in (("POST", b"40"), ("GET", None)):
        status, headers, _ = session.request(method, session.query, body)
        assert status == 200 and headers["Access-Control-Allow-Origin"] == ALLOWED
    status, headers, _ = session.request("GET", "EIO=4&transport=polling&sid=unknown")
    assert status == 400 and headers["Access-Control-Allow-Origin"] == ALLOWED


@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_other_origins_over_polling(fenced, origin):
    answer = fenced.api("GET", POLLING, token=False, headers={"Origin": origin})
    assert answer.status == 403, answer
    assert "access-control-allow-origin" not in cors(answer)


@pytest.mark.parametrize("path", WEBSOCKETS)
def test_websockets(fenced, path):
    assert RawWebSocket(fenced, path, [f"Origin: {ALLOWED}"]).refused is None
    own = f"http://{fenced.host}:{fenced.port}"
    assert RawWebSocket(fenced, path, [f"Origin: {own}"]).refused is None, "the relay's own page"
    assert RawWebSocket(fenced, path).refused is None, "extensions send none"
    for origin in LOOK_ALIKES:
        assert RawWebSocket(fenced, path, [f"Origin: {origin}"]).refused == 403, origin
    assert RawWebSocket(fenced, path, [f"Origin: {ALLOWED}", "Origin: https://evil.example"]).refused in (400, 403)


def test_upgrade_is_checked_too(fenced):
    """A session opened without an Origin is not upgraded by a foreign page."""
    from wire import PollingSession

    session = PollingSession(fenced)
    query = f"EIO=4&transport=websocket&sid={session.sid}"
    assert EngineSocket(fenced, query, ["Origin: https://evil.example"], is_opening=False).refused == 403
    assert session.post("40")[0] == 200


def test_rest_with_credentials(fenced):
    """The exact origin and `Allow-Credentials`, on answers and errors alike."""
    for method, path, token in (("GET", "/api/link", True), ("GET", "/api/link", False), ("POST", "/api/link", True)):
        answer = fenced.api(method, path, token=token, headers={"Origin": ALLOWED})
        told = cors(answer)
        assert told["access-control-allow-origin"] == ALLOWED, (method, answer)
        assert told["access-control-allow-credentials"] == "true"
        assert "origin" in answer.headers["Vary"].lower()
    assert fenced.api("GET", "/api/link", token=False).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_preflight(fenced, method):
    asked = {"Origin": ALLOWED, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type,authorization"}
    answer = fenced.api("OPTIONS", "/api/link", token=False, headers=asked)
    told = cors(answer)
    assert answer.status in (200, 204) and told["access-control-allow-origin"] == ALLOWED
    assert method in told["access-control-allow-methods"]
    allowed = told["access-control-allow-headers"].lower()
    assert "content-type" in allowed and "authorization" in allowed
    assert told["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_rest_tells_other_origins_nothing(fenced, origin):
    for method in ("GET", "OPTIONS"):
        answer = fenced.api(method, "/api/link", token=method == "GET", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert "access-control-allow-origin" not in cors(answer), (method, answer)
        assert origin in ("", "*") or origin not in str(answer.headers)


PREFLIGHTED = ["/api/link", POLLING]
ASKS_PRIVATE = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true"}


@pytest.mark.parametrize("path", PREFLIGHTED)
def test_private_network(fenced, path):
    """A page of the open internet reaches a relay at home only if the preflight says so: to an allowed origin that asked."""
    def granted(origin, asked=ASKS_PRIVATE):
        answer = fenced.api("OPTIONS", path, token=False, headers={**asked, **({"Origin": origin} if origin else {})})
        return answer.status, cors(answer).get("access-control-allow-private-network")

    assert granted(ALLOWED) == (204, "true")
    assert granted(ALLOWED, {"Access-Control-Request-Method": "GET"}) == (204, None)
    assert granted(ALLOWED, {**ASKS_PRIVATE, "Access-Control-Request-Private-Network": "1"}) == (204, None)
    assert granted("https://evil.example") == (403, None)
    assert granted(None) == (204, None)


def test_private_network_is_not_for_the_owners_calls(fenced):
    """What other origins may not call at all is not opened to them by this."""
    answer = fenced.api("OPTIONS", "/api/link/policy?id=1", token=False, headers={"Origin": ALLOWED, **ASKS_PRIVATE})
    assert cors(answer) == {}, answer


@pytest.mark.parametrize("path", PREFLIGHTED)
def test_options_without_a_preflight(fenced, path):
    """No origin, or the relay's own: the methods, and nothing about other origins."""
    for headers in ({}, {"Origin": f"http://{fenced.host}:{fenced.port}"}):
        answer = fenced.api("OPTIONS", path, token=False, headers=headers)
        assert answer.status == 204 and {"GET", "POST"} <= set(answer.headers["Allow"].split(", ")), answer
        assert cors(answer) == {}, answer


REFUSED_BY_THE_ENGINE = [
    ("POST", "/api/link", {"Content-Length": "70000"}, 413), ("GET", "/a%2fb", {}, 400), ("TRACE", "/api/link", {}, 405),
    ("GET", "/api/link", {"X-Long": "x" * 40_000}, 431),
]


@pytest.mark.parametrize("method, path, headers, status", REFUSED_BY_THE_ENGINE)
def test_refusals_before_anybody_was_asked(make_relay, fenced, method, path, headers, status):
    """Readable for pages of other origins, but only where the operator has let any in."""
    answer = fenced.api(method, path, token=False, headers={"Origin": ALLOWED, **headers})
    assert answer.status == status and cors(answer) == {"access-control-allow-origin": "*"}, answer
    answer = make_relay().api(method, path, token=False, headers=headers)
    assert answer.status == status and cors(answer) == {}, answer


def test_refusals_follow_a_reload(make_relay, tmp_path):
    settings = tmp_path / "relayd.conf"
    settings.write_text("")
    relay = make_relay(config=settings)
    assert cors(relay.api("GET", "/a%2fb", token=False)) == {}
    settings.write_text(f"origins = {ALLOWED}\n")
    relay.process.send_signal(signal.SIGHUP)
    relay.wait_log("reloaded")
    assert cors(relay.api("GET", "/a%2fb", token=False)) == {"access-control-allow-origin": "*"}


@pytest.mark.parametrize("headers", [{}, {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "12"}])
def test_upgrade_required(fenced, headers):
    """RFC 9110 7.8: whoever sends Upgrade names it in Connection."""
    answer = fenced.api("GET", "/link", token=False, headers=headers)
    assert answer.status == 426 and answer.headers["Upgrade"] == "websocket", answer
    assert "upgrade" in answer.headers["Connection"].lower().replace(" ", "").split(","), answer


def test_refusals_of_the_ways_in(fenced):
    """What a loop refuses by itself, without asking the REST surface, an allowed origin can read as well."""
    for origin, told in (ALLOWED, ALLOWED), ("https://evil.example", None):
        answer = fenced.api("GET", "/link", token=False, headers={"Origin": origin})
        assert answer.status == 426 and cors(answer).get("access-control-allow-origin") == told, answer
        assert "origin" in answer.headers["Vary"].lower()
        answer = fenced.api("GET", POLLING, token=False, headers={"Origin": origin, "Host": "evil.example"})
        assert answer.status in (403, 421) and cors(answer).get("access-control-allow-origin") == told, answer


def test_no_origin_no_cors(fenced):
    assert cors(fenced.api("GET", "/api/link")) == {}


def test_foreign_host_is_refused(fenced):
    """DNS rebinding: a page of evil.example whose name points here."""
    answer = fenced.api("GET", "/api/link", headers={"Host": "evil.example"})
    assert answer.status in (400, 403, 421), answer

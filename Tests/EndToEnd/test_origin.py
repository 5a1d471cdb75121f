"""Who may connect from a web page: one allow-list for REST, polling and WebSockets; never reflected, `null` refused.

SPDX-License-Identifier: Apache-2.0
"""
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


def test_no_origin_no_cors(fenced):
    assert cors(fenced.api("GET", "/api/link")) == {}


def test_foreign_host_is_refused(fenced):
    """DNS rebinding: a page of evil.example whose name points here."""
    answer = fenced.api("GET", "/api/link", headers={"Host": "evil.example"})
    assert answer.status in (400, 403, 421), answer

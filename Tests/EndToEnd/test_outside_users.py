"""Users from elsewhere: named by a trusted proxy's header, or by an identity provider: signed or asked.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import http.server
import json
import signal
import threading
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE = "https://login.example", "linkrelay"
MAKERS = {
    "RS256": (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), jwt.algorithms.RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, jwt.algorithms.OKPAlgorithm),
}


class Provider:
    """An identity provider: one key of each kind, and the file with their public halves."""

    def __init__(self, path):
        self.path = path
        self.keys = {name: make() for name, (make, _) in MAKERS.items()}
        self.publish(*self.keys)

    def publish(self, *names):
        keys = []
        for name in names:
            key = json.loads(MAKERS[name][1].to_jwk(self.keys[name].public_key()))
            keys.append({**key, "kid": name, "use": "sig"})
        self.path.write_text(json.dumps({"keys": keys}))

    def token(self, algorithm="RS256", headers=None, key=None, **claims):
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 300, "scope": "openid link", **claims}
        return jwt.encode(
            {name: value for name, value in whole.items() if value is not None}, key or self.keys[algorithm], algorithm,
            headers={"kid": algorithm, **(headers or {})},
        )


@pytest.fixture
def provider(tmp_path):
    return Provider(tmp_path / "keys.json")


@pytest.fixture
def relay(make_relay, provider):
    return make_relay(jwt_keys=provider.path, jwt_issuer=ISSUER, jwt_audience=AUDIENCE)


def whoami(relay, token):
    return relay.api("GET", "/api/session", token=token)


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_signed_token_pairs_an_install(relay, provider, algorithm, extension, site):
    """The whole way: pair by token, join by the key, and the user sees only what is theirs."""
    token = provider.token(algorithm)
    answer = relay.api("POST", "/api/link/self", {"installId": "rig", "name": "Rig"}, token=token)
    assert answer.status == 200, answer
    assert whoami(relay, token).json == {"user": {"name": "ada", "role": "user"}, "scopes": ["link"], "approvesExtensions": False}
    assert [one["id"] for one in relay.api("GET", "/api/link", token=token).json] == [answer.json["id"]]
    assert relay.links() == {}
    extension("native", relay, answer.json["key"]).wait("presence")
    # Another token of the same user is the same user.
    again = relay.api("POST", "/api/link/self", {"installId": "rig"}, token=provider.token("ES256"))
    assert again.json["id"] == answer.json["id"] and again.json["key"] != answer.json["key"]


def forged_with_public_key(provider):
    """The classic: HMAC with the public key as its secret."""
    pem = provider.keys["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 300, "scope": "link"}
    signed = part({"alg": "HS256", "typ": "JWT", "kid": "RS256"}) + b"." + part(claims)
    return (signed + b"." + base64.urlsafe_b64encode(hmac.new(pem, signed, hashlib.sha256).digest()).rstrip(b"=")).decode()


def unsigned(provider, algorithm="none"):
    head, body, _ = provider.token().split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "RS256"}).encode()).rstrip(b"=").decode()
    return f"{header}.{body}."


BAD = {
    "expired": lambda p: p.token(exp=int(time.time()) - 120),
    "no expiry": lambda p: p.token(exp=None),
    "not yet": lambda p: p.token(nbf=int(time.time()) + 300),
    "made in the future": lambda p: p.token(iat=int(time.time()) + 300),
    "another issuer": lambda p: p.token(iss="https://login.example.evil"),
    "no issuer": lambda p: p.token(iss=None),
    "another audience": lambda p: p.token(aud="somebody"),
    "no audience": lambda p: p.token(aud=None),
    "no user": lambda p: p.token(sub=None),
    "unsigned": unsigned,
    "unsigned, oddly spelt": lambda p: unsigned(p, "nOnE"),
    "hmac with the public key": forged_with_public_key,
    "another key": lambda p: p.token(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "a kid of another kind": lambda p: p.token("RS256", headers={"kid": "ES256"}),
    "an unknown kid": lambda p: p.token(headers={"kid": "../../etc/passwd"}),
    "another algorithm of the key": lambda p: jwt.encode({"sub": "ada"}, p.keys["RS256"], "PS256", headers={"kid": "RS256"}),
    "a key of its own": lambda p: p.token(
        key=(own := rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        headers={"jwk": json.loads(MAKERS["RS256"][1].to_jwk(own.public_key())), "jku": "http://127.0.0.1:1/keys"}),
    "critical extension": lambda p: p.token(headers={"crit": ["b64"], "b64": True}),
    "another type": lambda p: p.token(headers={"typ": "logout+jwt"}),
    "cut": lambda p: p.token()[:-4],
}


@pytest.mark.parametrize("name", BAD)
def test_tokens_that_are_not_taken(relay, provider, name):
    answer = whoami(relay, BAD[name](provider))
    assert (answer.status, answer.json["code"]) == (401, "bad_token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("claims, code", [
    ({"scope": "openid"}, "missing_scope"), ({"scope": None}, "missing_scope"), ({"scope": "linkage"}, "missing_scope"),
    ({"sub": "owner"}, "unusable_user"), ({"sub": "ada lovelace"}, "unusable_user"), ({"sub": "-x"}, "unusable_user"),
])
def test_tokens_that_do_not_reach(relay, provider, claims, code):
    """A good token without the scope, or naming an owner here, is nobody's way in; nobody is made on the way."""
    answer = whoami(relay, provider.token(**claims))
    assert (answer.status, answer.json["code"]) == (401, code)
    assert relay.run("user", "list").split() == ["owner", "owner"]


def test_no_session_from_a_foreign_token(relay, provider):
    """The page's sessions live long; a token that ends soon opens none."""
    answer = relay.api("POST", "/api/session", {"token": provider.token("ES256")}, token=False, headers={"Origin": relay.url})
    assert (answer.status, answer.json["code"]) == (401, "bad_token")


def test_keys_are_read_again_on_a_reload(relay, provider):
    provider.publish("ES256")
    token = provider.token("RS256")
    assert whoami(relay, token).status == 200
    relay.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while whoami(relay, token).status == 200 and time.monotonic() < deadline:
        pass
    assert whoami(relay, token).status == 401 and whoami(relay, provider.token("ES256")).status == 200
    provider.path.write_text("{")
    relay.process.send_signal(signal.SIGHUP)
    while "provider_not_reloaded" not in relay.log and time.monotonic() < deadline:
        pass
    assert whoami(relay, provider.token("ES256")).status == 200


# The proxy's header


@pytest.fixture
def behind(make_relay):
    return make_relay(trusted_proxies="127.0.0.1", user_header="X-Forwarded-User", origins="https://front.example")


def test_the_proxy_names_the_user(behind):
    ada, bob = {"X-Forwarded-User": "ada"}, {"X-Forwarded-User": "bob"}
    assert behind.api("GET", "/api/session", token=False, headers=ada).json["user"] == {"name": "ada", "role": "user"}
    made = behind.api("POST", "/api/link/self", {"installId": "rig"}, token=False, headers=ada)
    assert made.status == 200, made
    assert [one["id"] for one in behind.api("GET", "/api/link", token=False, headers=ada).json] == [made.json["id"]]
    assert behind.api("GET", "/api/link", token=False, headers=bob).json == []
    assert behind.run("user", "list").split() == ["owner", "owner", "ada", "user", "bob", "user"]
    # A token says more than the proxy.
    assert behind.api("GET", "/api/session", headers=ada).json["user"]["name"] == "owner"


@pytest.mark.parametrize("name", ["owner", "ada lovelace", "-x", "a" * 65])
def test_names_that_the_proxy_cannot_give(behind, name):
    answer = behind.api("GET", "/api/session", token=False, headers={"X-Forwarded-User": name})
    assert (answer.status, answer.json["code"]) == (401, "unusable_user")


@pytest.mark.parametrize("headers, status", [
    ({"Origin": "OWN"}, 200), ({"Origin": "https://front.example"}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200), ({}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "none"}, 403),
    ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
])
def test_other_sites_cannot_use_the_proxys_word(behind, headers, status):
    sent = {name: behind.url if value == "OWN" else value for name, value in headers.items()}
    answer = behind.api("POST", "/api/link", {}, token=False, headers={"X-Forwarded-User": "ada", **sent})
    assert answer.status == status, answer


def test_nobody_else_names_users(make_relay):
    relay = make_relay(trusted_proxies="10.0.0.0/8", user_header="X-Forwarded-User")
    answer = relay.api("GET", "/api/session", token=False, headers={"X-Forwarded-User": "ada"})
    assert (answer.status, answer.json["code"]) == (401, "sign_in_required")
    assert relay.run("user", "list").split() == ["owner", "owner"]


# Asking the provider


class Introspection:
    """The provider's end of RFC 7662; `tokens` maps what is active to its claims, `fault` spoils the answers."""

    def __init__(self):
        self.tokens, self.asked, self.fault = {}, [], None
        provider = self

        class Requests(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                credentials = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
                provider.asked.append((form["token"][0], credentials))
                if provider.fault == "hang":
                    return time.sleep(5)
                status, body = provider.fault or (200, json.dumps(provider.tokens.get(form["token"][0], {"active": False})).encode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/introspect"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def asked(closing):
    return closing(Introspection())


@pytest.fixture
def asking(make_relay, asked, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s&cret: %\n")
    return make_relay(
        introspection_url=asked.url, introspection_client_id="the/relay", introspection_secret=secret, jwt_user_claim="username")


def test_the_provider_vouches(asking, asked):
    """Once a minute it is asked, as a client with credentials; relays' own tokens it never sees."""
    asked.tokens["tok/en~1+2="] = {"active": True, "username": "ada", "scope": "link", "exp": int(time.time()) + 300}
    for _ in range(3):
        assert whoami(asking, "tok/en~1+2=").json["user"] == {"name": "ada", "role": "user"}
    assert asked.asked == [("tok/en~1+2=", "the%2Frelay:s%26cret%3A%20%25")]
    assert asking.api("POST", "/api/link/self", {"installId": "rig"}, token="tok/en~1+2=").status == 200
    assert asking.links() == {} and len(asked.asked) == 1
    assert whoami(asking, "lr_" + "0" * 64).json["code"] == "bad_token" and len(asked.asked) == 1


@pytest.mark.parametrize("claims, code", [
    ({"active": False}, "bad_token"), ({"active": True, "scope": "link"}, "bad_token"),
    ({"active": True, "username": "ada"}, "missing_scope"), ({"active": True, "username": "owner", "scope": "link"}, "unusable_user"),
    ({"active": True, "username": "ada", "scope": "link", "exp": 1}, "bad_token"),
])
def test_what_the_provider_does_not_vouch_for(asking, asked, claims, code):
    asked.tokens["abc"] = claims
    for _ in range(2):
        answer = whoami(asking, "abc")
        assert (answer.status, answer.json["code"]) == (401, code)
    assert len(asked.asked) == 1


@pytest.mark.parametrize("fault", [
    (500, b"{}"), (302, b""), (401, b'{"active":true}'), (200, b""), (200, b"<html>"), (200, b'{"active":"true"}'), (200, b"[true]"),
    (200, b" " * 100_000), "hang",
])
def test_nobody_is_turned_away_while_the_provider_is(asking, asked, fault):
    """503, so that the install keeps its token and comes back; then all is well again."""
    asked.tokens["abc"] = {"active": True, "username": "ada", "scope": "link"}
    asked.fault = fault
    answer = asking.api("POST", "/api/link/self", {"installId": "rig"}, token="abc")
    assert (answer.status, answer.json["code"]) == (503, "provider_unavailable") and answer.headers["Retry-After"]
    assert asking.api("GET", "/api/link").status == 200
    asked.fault = None
    deadline = time.monotonic() + 20
    while (answer := whoami(asking, "abc")).status == 503 and time.monotonic() < deadline:
        pass
    assert answer.status == 200


def test_a_provider_that_is_not_there(make_relay, tmp_path):
    (tmp_path / "secret").write_text("x")
    relay = make_relay(introspection_url="http://127.0.0.1:1/", introspection_client_id="x", introspection_secret=tmp_path / "secret")
    assert whoami(relay, "abc").status == 503
    assert relay.api("GET", "/api/link").status == 200

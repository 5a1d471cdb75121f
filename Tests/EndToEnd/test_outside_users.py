"""Users from elsewhere: named by a trusted proxy's header, or by an identity provider's signed token.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import json
import signal
import time

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
    assert whoami(relay, token).json == {"user": {"name": "ada", "role": "user"}, "scopes": ["link"]}
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
    while "keys_not_reloaded" not in relay.log and time.monotonic() < deadline:
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

"""One round of every kind of durable change, on a disk that may fail at any moment, and afterwards: what must be there, what must not.

A change that was refused (503, or a closed join) may have happened or not, but never by half, and can be asked for again.
Runs in the test's thread. SPDX-License-Identifier: Apache-2.0
"""
import itertools
import json

from admin_client import call
from test_crash import can_join
from wire import Ended, EngineSocket

EITHER = (True, False)
NUMBERS = itertools.count(1)


class Round:
    """`run` on the failing disk, `check` on a sound one, as often as one likes and after restarts too."""

    def __init__(self, relay, token):
        self.relay, self.token, self.number = relay, token, next(NUMBERS)
        self.refusals = 0
        # What is asked afterwards: (sentence, question, acceptable answers).
        self.facts = []
        self.codes, self.cookie = {}, None

    def expect(self, sentence, question, *acceptable):
        self.facts.append((sentence, question, acceptable))

    # Asking

    def refused(self, answer):
        """Whether this answer says that the store failed, and says it as it must."""
        if answer.status not in (503, 507):
            assert answer.status == 200, answer
            return False
        assert answer.json["code"] == "store_unavailable" and int(answer.headers["Retry-After"]) > 0, answer
        self.refusals += 1
        return True

    def rest(self, method, path, body=None, page=False):
        """The JSON answered, or None after a refusal."""
        headers = {"Cookie": self.cookie, "Origin": self.relay.url} if page else None
        answer = self.relay.api(method, path, body, token=None if page else self.token, headers=headers)
        return None if self.refused(answer) else answer.json

    def admin(self, method, path, body=None):
        answer = call(self.relay, method, path, body)
        if answer.status == 201:
            return answer.json
        return None if self.refused(answer) else answer.json

    def exchange(self, code, install):
        """The key told, or None when the connection was closed instead: no word about the code."""
        socket = EngineSocket(self.relay)
        try:
            answer = socket.enter("sd", code, installId=install)
            assert b'"success":true' in answer[-1], f"a fault was told as a wrong code: {answer}"
            told = [one for one in answer if one.startswith(b'42["upgradeKey"')] or socket.upto(b'42["upgradeKey"')[-1:]
            return json.loads(told[0][2:])[1]["key"]
        except Ended:
            self.refusals += 1
            return None
        finally:
            socket.reset()

    def links(self):
        return self.relay.links(self.token)

    def field(self, identifier, name):
        return self.links().get(identifier, {}).get(name)

    # The changes

    def run(self):
        self.pair_by_code()
        self.pair_and_rekey()
        self.delete()
        self.tokens_and_sessions()
        self.block()
        return self

    def pair_by_code(self):
        made = self.rest("POST", "/api/link", {"name": "before"})
        if not made:
            return
        identifier, install = made["id"], f"by-code-{self.number}"
        key = self.exchange(made["key"], install)
        if key is None:
            self.codes[made["key"]] = install
        else:
            self.paired(identifier, made["key"], key)
        renamed = self.rest("PUT", "/api/link", {"id": identifier, "name": "after"})
        self.expect(
            "a name", lambda: self.field(identifier, "name"), "after", *([] if renamed else ["before"]))
        decided = self.rest("PUT", f"/api/link/policy?id={identifier}", {"hosts": ["one.example.org"]})
        self.expect(
            "a policy", lambda: self.rest("GET", f"/api/link/policy?id={identifier}")["hosts"], ["one.example.org"],
            *([] if decided else [[]]))

    def paired(self, identifier, code, key):
        self.expect("an acknowledged key", lambda: can_join(self.relay, key), True)
        self.expect("its link", lambda: self.field(identifier, "key"), key)
        self.expect("a spent code", lambda: can_join(self.relay, code, installId="somebody-else"), False)

    def pair_and_rekey(self):
        made = self.rest("POST", "/api/link/self", {"installId": f"self-{self.number}", "name": "self"})
        if not made:
            return
        identifier, key = made["id"], made["key"]
        again = self.rest("POST", "/api/link", {"id": identifier})
        self.expect("a replaced key", lambda: can_join(self.relay, key), *([False] if again else EITHER))
        if again:
            self.expect("its new code", lambda: self.field(identifier, "key"), again["key"])

    def delete(self):
        made = self.rest("POST", "/api/link/self", {"installId": f"deleted-{self.number}", "name": "deleted"})
        if not made:
            return
        gone = self.rest("DELETE", f"/api/link?id={made['id']}")
        self.expect("a deleted link", lambda: made["id"] in self.links(), *([False] if gone else EITHER))
        self.expect("its key", lambda: can_join(self.relay, made["key"]), *([False] if gone else EITHER))

    def tokens_and_sessions(self):
        signed_in = self.relay.api("POST", "/api/session", {"token": self.token}, token=None, headers={"Origin": self.relay.url})
        if self.refused(signed_in):
            return
        self.cookie = signed_in.headers["Set-Cookie"].split(";")[0]
        kept = self.rest("POST", "/api/tokens", {"label": f"kept-{self.number}"}, page=True)
        if kept:
            self.expect("a token", lambda: self.relay.api("GET", "/api/link", token=kept["token"]).status, 200)
            revoked = self.rest("DELETE", f"/api/tokens?id={kept['id']}", page=True) if self.number % 2 else None
            if self.number % 2:
                self.facts.pop()
                self.expect(
                    "a revoked token", lambda: self.relay.api("GET", "/api/link", token=kept["token"]).status, 401,
                    *([] if revoked else [200]))
        out = self.rest("DELETE", "/api/session", page=True)
        cookie = self.cookie
        self.expect(
            "an ended session",
            lambda: self.relay.api("GET", "/api/session", token=None, headers={"Cookie": cookie}).status, 401,
            *([] if out else [200]))

    def block(self):
        network = f"198.18.{self.number // 256}.{self.number % 256}/32"
        kept = self.admin("POST", "/blocks", {"network": network})
        self.expect(
            "a block", lambda: network in [one.get("network") for one in self.admin("GET", "/blocks")["items"]],
            *([True] if kept else EITHER))

    # Afterwards

    def check(self):
        """On a sound disk: everything acknowledged holds, and a code whose exchange failed gives its install a key."""
        for code, install in list(self.codes.items()):
            key = self.exchange(code, install)
            assert key is not None, "a code cannot be used after its exchange failed"
            del self.codes[code]
            self.expect("a key told at the second try", lambda key=key: can_join(self.relay, key), True)
        before = self.refusals
        for sentence, question, acceptable in self.facts:
            found = question()
            assert found in acceptable, f"{sentence}: {found!r} is none of {acceptable!r}; {self.relay.log[-3000:]}"
        assert self.refusals == before, "refused on a sound disk"

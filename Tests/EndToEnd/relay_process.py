"""A real relayd process on 127.0.0.1, port 0: start, stop, kill, restart on the same port, and its REST interface.

Runs in the test's own process and thread. Must never signal a process that it did not start.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("RELAYD_BIN", str(ROOT / ".build" / "debug" / "relayd"))
# RELAYD_ variables are settings to relayd, and this machine's are none of the suite's.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RELAYD_")}
LISTENING = re.compile(r"listening on (https?://([^\s/:]+):(\d+))")
START_SECONDS = 30
STOP_SECONDS = 30


def flags(settings):
    """`presence_grace="2s"` becomes `--presence-grace 2s`; True a bare flag; a list the same flag several times."""
    words = []
    for name, value in settings.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words.append("--" + name.replace("_", "-"))
            if one is not True:
                words.append(str(one))
    return words


class Answer:
    """What a REST call got back. `json` is None for a body that is no JSON."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Relay:
    """One relay with its data directory; `stop` and `kill` end the process, `restart` brings it back on the same port."""

    def __init__(self, directory, **settings):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.settings = settings
        self.host, self.port, self.url = "127.0.0.1", 0, None
        self._tokens = {}
        self._log, self._log_grown = [], threading.Condition(threading.RLock())
        self.process = None

    # Life

    def start(self):
        self.process = self._spawn(
            [BINARY, "serve", "--listen", f"{self.host}:{self.port}", "--data-dir", str(self.data), *flags(self.settings)])
        started = threading.Event()
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self._read, args=(stream, started), daemon=True).start()
        if not started.wait(START_SECONDS):
            self.kill()
            raise RuntimeError(f"relayd did not say where it listens; it said:\n{self.log}")
        if self.url is None:
            raise RuntimeError(f"relayd ended with {self.process.wait()} before it listened; it said:\n{self.log}")
        return self

    @staticmethod
    def _spawn(command, **more):
        return subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more)

    def _read(self, stream, started):
        for line in stream:
            text = line.decode("utf-8", "replace")
            with self._log_grown:
                self._log.append(text)
                self._log_grown.notify_all()
            if not started.is_set() and self._has_started(text):
                started.set()
        if stream is self.process.stdout:
            started.set()

    def _has_started(self, text):
        """Whether this line of its output says so; takes the address from it."""
        found = LISTENING.search(text)
        if found:
            self.url, self.port = found.group(1), int(found.group(3))
        return found is not None

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """SIGKILL: what a power cut or the kernel's memory killer does."""
        self.process.kill()
        return self.process.wait(STOP_SECONDS)

    def restart(self):
        """After `stop` or `kill`."""
        assert not self.is_running, "it runs still"
        return self.start()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        if self.is_running:
            try:
                self.stop(10)
            except subprocess.TimeoutExpired:
                self.kill()

    @property
    def log(self):
        with self._log_grown:
            return "".join(self._log)

    def break_store(self):
        """Makes every call of the store fail until `mend_store`; only once the first start has made its sign-in link."""
        self.wait_log("CIVITAI_LINK_URL=")
        pathlib.Path(self.settings["fault_store"]).touch()

    def mend_store(self):
        pathlib.Path(self.settings["fault_store"]).unlink()

    @property
    def ws_url(self):
        return self.url.replace("http", "ws", 1)

    @property
    def certificate(self):
        """The file of what this relay's certificate is signed with, here itself; None without TLS."""
        if not self.url.startswith("https:"):
            return None
        return self.settings.get("tls_cert") or str(self.data / "tls-self-signed.pem")

    @property
    def trust(self):
        """What a client needs to believe in that certificate; None without TLS."""
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None

    def wait_log(self, text, seconds=START_SECONDS):
        """The first line that has `text` in it, waiting for it."""
        with self._log_grown:
            def found():
                return next((line for line in self._log if text in line), None)
            assert self._log_grown.wait_for(found, seconds), f"no {text!r} in the log:\n{''.join(self._log)}"
            return found()

    # Subcommands

    def run(self, *words):
        """One of relayd's own subcommands on this relay's data directory; its standard output."""
        done = subprocess.run(
            [BINARY, *words, "--data-dir", str(self.data)], env=ENVIRONMENT,
            capture_output=True, text=True, timeout=START_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(f"relayd {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def token(self, user=None):
        """A bearer token of that user (default: the owner), made once per relay; the user is added."""
        if user not in self._tokens:
            if user is not None:
                self.run("user", "add", user)
            found = re.search(r"\blr_[0-9A-Za-z]+", self.run("token", "new", *([user] if user else [])))
            assert found, "no token in the output of `relayd token new`"
            self._tokens[user] = found.group(0)
        return self._tokens[user]

    def sign_in_url(self):
        """A single-use link to the relay's own page, signed in as the owner."""
        found = re.search(r"https?://\S+", self.run("sign-in", "--public-url", self.url))
        assert found, "no URL in the output of `relayd sign-in`"
        return found.group(0)

    # REST

    def api(self, method, path, body=None, token=True, headers=None, timeout=20):
        """One request on a connection of its own. `body`: None for none, bytes as they are, anything else as JSON."""
        if self.trust:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.trust)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        return self.exchange(connection, method, path, *self.request(body, token, headers))

    def request(self, body, token, headers):
        """Body and headers as they are sent."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = "Bearer " + (self.token() if token is True else token)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        return body, sent

    @staticmethod
    def exchange(connection, method, path, body, headers):
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def new_link(self, token=True, **fields):
        """A new instance: `(id, code)`."""
        answer = self.api("POST", "/api/link", fields, token=token)
        assert answer.status == 200, answer
        assert re.fullmatch(r"[0-9a-f]{6}", answer.json["key"]), answer
        return answer.json["id"], answer.json["key"]

    def links(self, token=True):
        """The instances by id."""
        answer = self.api("GET", "/api/link", token=token)
        assert answer.status == 200 and isinstance(answer.json, list), answer
        return {one["id"]: one for one in answer.json}

    def pair_self(self, install_id, name="Studio", **more):
        """`POST /api/link/self`: `(id, key)`."""
        answer = self.api("POST", "/api/link/self", {"installId": install_id, "name": name, **more})
        assert answer.status == 200, answer
        assert re.fullmatch(r"[0-9a-f]{128}", answer.json["key"]), answer
        return answer.json["id"], answer.json["key"]

"""nginx, Caddy and HAProxy with the recipes of deploy/ as they are shipped: only names, ports and files are put in.

Each runs unprivileged in a directory of its own and ends with its test. The substitutions must all be found, so that a recipe
and its test cannot drift apart. Loopback only. SPDX-License-Identifier: Apache-2.0
"""
import http.client
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import types

from relay_process import ROOT, Answer, Relay

START_SECONDS = 20
NOBODY = 65534
NAME = "relay.example.org"


def program(name):
    """Where it is: Debian keeps some where only root looks, and scripts/install-deps unpacks those that are not installed."""
    unpacked = ROOT / "build" / "proxies" / "usr"
    return shutil.which(name, path=":".join([os.environ.get("PATH", ""), "/usr/sbin", str(unpacked / "sbin"), str(unpacked / "bin")]))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def certificate(folder):
    """A self-signed certificate for localhost: its files, `(chain, key)`."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", chain],
        check=True, capture_output=True,
    )
    return chain, key


class Proxy:
    """A reverse proxy in front of a relay; for clients it looks like the relay itself."""

    kind, recipe, host = None, None, "localhost"

    def __init__(self, relay, files, port, replace=()):
        """`files`: certificate and key; `port`: where to listen; `replace`: further pairs of recipe text."""
        self.relay = relay
        self.port, self.plain_port = port, free_port()
        self.url, self.ws_url = f"https://localhost:{self.port}", f"wss://localhost:{self.port}"
        # Not below the test's own directory, which nobody else may enter.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"linkrelay-{self.kind}-"))
        self.chain, self.key = (pathlib.Path(shutil.copy(one, self.folder)) for one in files)
        text = (ROOT / "deploy" / self.recipe).read_text()
        for old, new in [*self.substitutions(), ("127.0.0.1:8787", f"127.0.0.1:{relay.port}"), *replace]:
            assert old in text, f"{self.recipe} has no `{old}`"
            text = text.replace(old, new)
        (self.folder / "recipe").write_text(text)
        command = self.command()
        user = {}
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            )
        self._wait_until_listening()

    def binary(self):
        """A copy that nobody may start, wherever the checkout is."""
        return shutil.copy(program(self.kind), self.folder)

    def _wait_until_listening(self):
        for _ in range(START_SECONDS * 20):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                pass
            try:
                # Also the pause between two tries.
                code = self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"{self.kind} ended with {code}: {self.log}")
        self.close()
        raise RuntimeError(f"{self.kind} does not listen: {self.log}")

    @property
    def log(self):
        return (self.folder / "log").read_text("utf-8", "replace")

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        shutil.rmtree(self.folder, ignore_errors=True)

    # What tests and clients ask of a relay.

    def api(self, method, path, body=None, token=True, headers=None, timeout=20):
        return Relay.exchange(self.http(timeout), method, path, *self.relay.request(body, token, headers))

    @property
    def certificate(self):
        return str(self.chain)

    @property
    def trust(self):
        return ssl.create_default_context(cafile=self.chain)

    def http(self, seconds):
        return http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=self.trust)

    def plain(self, path):
        """One request without TLS."""
        connection = http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=20)
        return Relay.exchange(connection, "GET", path, None, {"Host": "localhost"})

    def seen_from(self, source):
        """This proxy for `wire`, dialled from the loopback address `source`."""

        def dial(seconds):
            plain = socket.create_connection(("127.0.0.1", self.port), timeout=seconds, source_address=(source, 0))
            return self.trust.wrap_socket(plain, server_hostname=self.host)

        return types.SimpleNamespace(host=self.host, port=self.port, dial=dial)

    new_link = Relay.new_link


class Nginx(Proxy):
    kind, recipe = "nginx", "nginx/linkrelay.conf"

    def substitutions(self):
        yield f"server_name {NAME};", "server_name localhost;"
        yield "listen 80;", f"listen 127.0.0.1:{self.plain_port};"
        yield "listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"
        yield "/etc/ssl/linkrelay/fullchain.pem", str(self.chain)
        yield "/etc/ssl/linkrelay/privkey.pem", str(self.key)

    def command(self):
        temporary = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "main").write_text(
            f"daemon off; worker_processes 1; pid {self.folder}/pid; error_log stderr warn;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{ access_log off;\n{temporary}include {self.folder}/recipe; }}\n")
        return [self.binary(), "-p", self.folder, "-e", "stderr", "-c", self.folder / "main"]


class Caddy(Proxy):
    kind, recipe = "caddy", "caddy/Caddyfile"

    def substitutions(self):
        yield f"{NAME} {{", "localhost {"
        yield "/etc/ssl/linkrelay/fullchain.pem", str(self.chain)
        yield "/etc/ssl/linkrelay/privkey.pem", str(self.key)

    def command(self):
        (self.folder / "main").write_text(
            f"{{\nadmin off\nskip_install_trust\ndefault_bind 127.0.0.1\n"
            f"http_port {self.plain_port}\nhttps_port {self.port}\n}}\nimport {self.folder}/recipe\n")
        return [self.binary(), "run", "--adapter", "caddyfile", "--config", self.folder / "main"]


class HAProxy(Proxy):
    kind, recipe = "haproxy", "haproxy/linkrelay.cfg"

    def substitutions(self):
        yield "bind :80", f"bind 127.0.0.1:{self.plain_port}"
        yield "bind :443", f"bind 127.0.0.1:{self.port}"
        yield "/etc/ssl/linkrelay/both.pem", f"{self.folder}/both.pem"

    def command(self):
        (self.folder / "both.pem").write_bytes(self.chain.read_bytes() + self.key.read_bytes())
        (self.folder / "main").write_text("global\n    maxconn 1000\n")
        return [self.binary(), "-db", "-f", self.folder / "main", "-f", self.folder / "recipe"]


PROXIES = {one.kind: one for one in (Nginx, Caddy, HAProxy)}

"""The shipped systemd units: how exposed the service is, and that it needs no network of its own on a socket handed over.

SPDX-License-Identifier: Apache-2.0
"""
import re
import shutil
import subprocess

import pytest

from relay_process import BINARY, ENVIRONMENT, ROOT
from socket_holder import ActivatedRelay

UNITS = ROOT / "deploy" / "systemd"
# 10 is a service without any restriction; see systemd-analyze(1).
MOST_EXPOSED = {"alone": 1.2, "socket-only": 0.5}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("kind", sorted(MOST_EXPOSED))
def test_exposure(tmp_path, kind):
    units = tmp_path / "etc/systemd/system"
    (units / "relayd.service.d").mkdir(parents=True)
    for name in ("relayd.service", "relayd.socket"):
        shutil.copy(UNITS / name, units)
    if kind == "socket-only":
        shutil.copy(UNITS / "socket-only.conf", units / "relayd.service.d")
    program = tmp_path / "usr/bin/relayd"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--root={tmp_path}", "--no-pager", "relayd.service"],
        capture_output=True, text=True)
    found = re.search(r"Overall exposure level for relayd.service: ([\d.]+)", said.stdout)
    assert found, said.stdout + said.stderr
    print(f"{kind}: {found.group(1)}")
    assert float(found.group(1)) <= MOST_EXPOSED[kind], said.stdout


class NetworklessRelay(ActivatedRelay):
    """In a network namespace where not even the loopback interface is up."""

    def _spawn(self, command):
        return super()._spawn(["unshare", "--net", "--", *command])


def test_on_a_socket_handed_over_no_network_is_needed(tmp_path, closing, paired):
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespaces here")
    relay = closing(NetworklessRelay(tmp_path / "relay", connections_per_address=5000))
    relay.directory.mkdir()
    relay.start()
    install, client = paired(relay)
    assert client.ask("resources:list")["status"] == "success"
    mark = client.mark()
    assert relay.restart() == 0
    client.wait("ack", since=mark, seconds=60)
    client.wait_presence(client=1, sd=1, since=mark, seconds=60)
    assert client.ask("resources:list")["status"] == "success"


def test_every_line_of_the_shipped_settings_is_one(tmp_path):
    """Commented out it changes nothing; with the examples taken at their word it is still accepted."""
    text = (UNITS.parent / "relayd.conf").read_text()
    file = tmp_path / "relayd.conf"
    # check-config reads what is named.
    pem = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-keyout", pem,
         "-out", pem.with_suffix(".crt")], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + pem.with_suffix(".crt").read_bytes())
    for written, count in (text, 0), (re.sub(r"(?m)^#(?=[a-z-]+ = )", "", text), 10):
        file.write_text(re.sub(r"(?m)^(tls-\w+) = .*", rf"\1 = {pem}", written))
        said = subprocess.run([BINARY, "check-config", "--config", str(file)], env=ENVIRONMENT, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        assert len(re.findall(r"(?m)^[a-z-]+ = ", written)) >= count

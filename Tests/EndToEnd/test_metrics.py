"""What Prometheus sees: text that promtool accepts, every reason from the start, and rules and a dashboard that ask for what there is.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import subprocess

import pytest

from admin_client import call, get
from page_browser import program
from relay_process import ROOT
from test_admin import enter
from wire import RawWebSocket

PLACE = ROOT / "deploy" / "prometheus"
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
NAME = re.compile(r"\b(linkrelay_[a-z_]+|process_[a-z_]+)\b")


def samples(text):
    """Values by name and labels as they stand."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            key = name + ("{%s}" % labels if labels else "")
            assert key not in found, key
            found[key] = float(value)
    return found


def metrics(relay):
    answer = relay.api("GET", "/metrics", token=False)
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.body.decode()


def promtool(*words, text=None):
    return subprocess.run([program("PROMTOOL", "promtool"), *words], input=text, capture_output=True, text=True, timeout=60)


def test_promtool_accepts_them(relay):
    done = promtool("check", "metrics", text=metrics(relay))
    assert done.returncode == 0, done.stdout + done.stderr
    assert call(relay, "GET", "/metrics").body.decode().count("# HELP") == metrics(relay).count("# HELP")


def test_every_limit_has_its_counter(relay):
    """The operator's list of limits and the metrics tell the same numbers."""
    for _ in range(3):
        enter(RawWebSocket(relay, "/link"), "client", "abcdef")
    now = samples(metrics(relay))
    for one in get(relay, "/limits")["items"]:
        if one["counter"]:
            assert now["linkrelay_" + one["counter"]] == one["bites"], one
    assert now['linkrelay_refusals_total{reason="unknown_code"}'] == 3 and now['linkrelay_codes_total{outcome="wrong"}'] == 3


def test_they_count(relay, paired):
    paired(relay, "comfy")
    paired(relay, "native", dialect="native")
    now = samples(metrics(relay))
    assert now['linkrelay_codes_total{outcome="issued"}'] == 2 and now['linkrelay_codes_total{outcome="exchanged"}'] == 2
    assert now['linkrelay_sessions{dialect="native",transport="websocket"}'] == 2
    assert now['linkrelay_members{role="sd"}'] == 2 and now["linkrelay_link_keys"] == 2
    assert now['linkrelay_store_seconds_count{access="write"}'] > 0
    assert now['linkrelay_store_seconds_bucket{access="write",le="+Inf"}'] == now['linkrelay_store_seconds_count{access="write"}']
    relayed = [now['linkrelay_relay_seconds_bucket{le="%s"}' % bound] for bound in ("0.00005", "0.01", "0.25", "+Inf")]
    assert relayed == sorted(relayed) and relayed[-1] == now["linkrelay_relay_seconds_count"] == now["linkrelay_messages_in_total"] > 0
    assert 0 < now["linkrelay_relay_seconds_sum"] < 3600
    assert now["process_open_fds"] > 5 and now["process_resident_memory_bytes"] > 1 << 20
    assert now["linkrelay_loop_lag_seconds"] >= 0 and now["linkrelay_draining"] == 0


def test_store_failures_are_counted(make_relay, tmp_path):
    fault = tmp_path / "fault"
    relay = make_relay(fault_store=str(fault))
    token = relay.token()
    assert samples(metrics(relay))['linkrelay_store_failures_total{kind="io"}'] == 0
    fault.touch()
    assert relay.api("GET", "/api/link", token=token).status == 503
    assert call(relay, "GET", "/users").json["code"] == "store_unavailable"
    assert samples(metrics(relay))['linkrelay_store_failures_total{kind="io"}'] >= 2


def test_rules(tmp_path):
    done = promtool("check", "rules", str(PLACE / "linkrelay.rules.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    cases = tmp_path / "rules_test.yml"
    cases.write_text(pathlib.Path(__file__).with_name("rules_test.yml").read_text().replace("RULES", str(PLACE / "linkrelay.rules.yml")))
    done = promtool("test", "rules", str(cases))
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("check", "config", str(PLACE / "scrape.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["linkrelay.rules.yml", "grafana-dashboard.json"])
def test_they_ask_for_what_there_is(relay, name):
    text = (PLACE / name).read_text()
    if name.endswith("json"):
        json.loads(text)
    known = {key.split("{")[0] for key in samples(metrics(relay))}
    asked = set(NAME.findall(text))
    assert len(asked) > 8 and asked <= known, asked - known
    for metric, label, value in re.findall(r'(linkrelay_[a-z_]+)\{(reason|outcome|role|access)=\\?"([a-z_]+)\\?"', text):
        assert any(key.startswith(metric + "{") and f'{label}="{value}"' in key for key in samples(metrics(relay))), (metric, value)

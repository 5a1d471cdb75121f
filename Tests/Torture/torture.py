"""Runs the cases: each in a process of its own, with a time limit, one line for each with what was measured.

Usage: torture.py [--list] [CASE...]. Exit 1 if a bound was broken. Ends only processes that it started. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import dataclasses
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ("cases_slow", "cases_frames", "cases_limits", "cases_network", "cases_store", "cases_process")
FACTOR = float(os.environ.get("TORTURE_FACTOR", "1"))


@dataclasses.dataclass
class Case:
    """`namespaces`: words for unshare(1) that the case needs; without them it is told so and takes its other way, if it has one."""

    name: str
    what: str
    run: object
    seconds: int
    namespaces: tuple = ()


CASES = {}


def case(what, seconds, namespaces=()):
    """Declares a function as a case; it gets a folder of its own and returns its rig."""
    def keep(function):
        CASES[function.__name__] = Case(function.__name__, what, function, seconds, tuple(namespaces))
        return function
    return keep


def load():
    sys.modules["torture"] = sys.modules[__name__]
    for name in MODULES:
        importlib.import_module(name)


def with_namespaces(words):
    """The command prefix that gives a process these namespaces; empty where the machine does not let us."""
    if not words or not shutil.which("unshare"):
        return []
    for prefix in (["unshare", *words], ["unshare", "-r", *words]):
        if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    return []


def inside(name):
    """In the case's own process: runs it and prints one line of JSON."""
    figures, failures = [], []
    with tempfile.TemporaryDirectory(prefix=f"torture-{name}-", ignore_cleanup_errors=True) as folder:
        try:
            rig = CASES[name].run(folder)
            figures, failures = rig.figures, rig.failures
        except Exception:
            failures.append(traceback.format_exc())
    print(json.dumps({"figures": figures, "failures": failures}), flush=True)


def outside(one):
    """Runs one case in its process; whether it held."""
    prefix = with_namespaces(one.namespaces)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TORTURE_NAMESPACES": "yes" if prefix else ""}
    begin = time.monotonic()
    process = subprocess.Popen(
        [*prefix, sys.executable, str(HERE / "torture.py"), "--inside", one.name],
        stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=one.seconds * max(1.0, FACTOR))
        result = json.loads(out.splitlines()[-1])
    except subprocess.TimeoutExpired:
        result = {"figures": [], "failures": [f"did not end within {one.seconds} s"]}
    except (IndexError, ValueError):
        result = {"figures": [], "failures": [f"its process ended with {process.returncode}"]}
    finally:
        # The session is the case's own: its relay, its healthy rooms, nothing else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    took = time.monotonic() - begin
    word = "FAIL" if result["failures"] else "ok"
    print(f"{word:4} {one.name:18} {took:5.1f} s  {'; '.join(result['figures'])}", flush=True)
    for failure in result["failures"]:
        print("       " + failure.strip().replace("\n", "\n       "), flush=True)
    return not result["failures"]


def main(words):
    load()
    if words[:1] == ["--inside"]:
        inside(words[1])
        return 0
    if words[:1] == ["--list"]:
        for one in CASES.values():
            print(f"{one.name:18} {one.what}")
        return 0
    unknown = [word for word in words if word not in CASES]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are: {', '.join(CASES)}", file=sys.stderr)
        return 64
    begin = time.monotonic()
    held = [outside(CASES[name]) for name in words or CASES]
    print(f"{sum(held)} held, {len(held) - sum(held)} failed, {time.monotonic() - begin:.0f} s")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

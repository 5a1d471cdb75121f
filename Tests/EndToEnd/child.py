"""A scripted client in a process of its own, driven and observed over JSON lines.

The child reads orders from standard input and writes what it sees to standard output; its journal lives in the test.
Must never signal a process that it did not start.
SPDX-License-Identifier: Apache-2.0
"""
import itertools
import json
import os
import pathlib
import signal
import subprocess
import threading

from journal import Journal
from relay_process import ROOT

HERE = pathlib.Path(__file__).resolve().parent
VENVS = pathlib.Path(os.environ.get("E2E_VENVS", ROOT / "build" / "venvs"))
NEWEST = VENVS / ".venv" / "bin" / "python"
A1111 = VENVS / ".venv-a1111" / "bin" / "python"


class Child(Journal):
    """One such process. `tell` gives an order and waits until the child has carried it out."""

    def __init__(self, name, python, script, *words):
        super().__init__(name)
        self._numbers = itertools.count(1)
        self.process = subprocess.Popen(
            [str(python), "-u", str(HERE / script), *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.errors = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()
        self.wait("ready")

    def _read(self):
        for line in self.process.stdout:
            entry = json.loads(line)
            self.record(entry["saw"], entry.get("value"))
        self.record("exited", self.process.wait())

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace"))

    def tell(self, order, seconds=30, **details):
        """Orders and waits; what the child answered."""
        number = self.order(order, **details)
        answer = self.wait("done", lambda value: value["number"] == number, seconds=seconds)
        assert "failure" not in answer, f"{self.name}: {order}: {answer['failure']}"
        return answer.get("result")

    def order(self, order, **details):
        """Orders without waiting."""
        number = next(self._numbers)
        self.process.stdin.write(json.dumps({"order": order, "number": number, **details}).encode() + b"\n")
        self.process.stdin.flush()
        return number

    def sync(self):
        """After this, everything that the child had reported is in the journal, which else may lag behind the wire."""
        self.tell("stored_key")
        return self

    def freeze(self):
        """SIGSTOP: an interpreter blocked by a long GPU job, seen from outside."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass

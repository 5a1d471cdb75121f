"""What a client has seen, in order, and waiting for the next thing: the suite's only way to wait.

Any thread may record; the test's thread waits. Every wait has a deadline and none is a bare pause.
SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

PATIENCE = 20.0


class NotSeen(AssertionError):
    pass


class Journal:
    """An append-only list of `(kind, value)` with waiting."""

    def __init__(self, name):
        self.name = name
        self._entries = []
        self._changed = threading.Condition()

    def record(self, kind, value=None):
        with self._changed:
            self._entries.append((kind, value))
            self._changed.notify_all()

    def mark(self):
        """A place in the journal, for `since=`."""
        with self._changed:
            return len(self._entries)

    def all(self, kind, since=0):
        with self._changed:
            return [value for seen, value in self._entries[since:] if seen == kind]

    def kinds(self, since=0):
        with self._changed:
            return [seen for seen, _ in self._entries[since:]]

    def wait(self, kind, where=lambda value: True, since=0, seconds=PATIENCE):
        """The first entry of that kind for which `where` holds, from `since` on."""
        deadline = time.monotonic() + seconds
        with self._changed:
            looked = since
            while True:
                for seen, value in self._entries[looked:]:
                    if seen == kind and where(value):
                        return value
                looked = len(self._entries)
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    if time.monotonic() >= deadline:
                        raise NotSeen(f"{self.name}: no such '{kind}' in {seconds} s; seen: {self._tail()}")

    def watch(self, kind, where, seconds, since=0):
        """Asserts that nothing of that kind for which `where` holds is there or arrives for so long: the wait is the test."""
        try:
            value = self.wait(kind, where, since=since, seconds=seconds)
        except NotSeen:
            return
        raise AssertionError(f"{self.name}: unexpected '{kind}': {str(value)[:300]}")

    def _tail(self):
        return [(kind, str(value)[:160]) for kind, value in self._entries[-12:]]

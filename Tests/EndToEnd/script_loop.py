"""The child's end of the JSON lines: reads orders, calls the method of that name, reports what the client saw.

Runs in the scripted clients' processes, under the old client library too; needs nothing but the standard library.
SPDX-License-Identifier: Apache-2.0
"""
import json
import sys
import threading
import traceback

import serialised_tls  # noqa: F401 (importing is its effect)

_lock = threading.Lock()


def saw(kind, value=None):
    """Reports one thing to the test. Any thread."""
    line = json.dumps({"saw": kind, "value": value}, default=str)
    with _lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def serve(orders):
    """Carries out orders until standard input ends; each is a public method of `orders`."""
    saw("ready")
    for line in sys.stdin:
        order = json.loads(line)
        name, number = order.pop("order"), order.pop("number")
        try:
            saw("done", {"number": number, "result": getattr(orders, name)(**order)})
        except Exception as error:
            traceback.print_exc()
            saw("done", {"number": number, "failure": f"{type(error).__name__}: {error}"})

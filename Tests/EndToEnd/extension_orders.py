"""The orders common to all scripted extensions, whichever library carries them. Standard library only.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import pathlib

from install import Install, shortened
from script_loop import saw


class KeyFile:
    """Where an extension keeps its key between runs."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def read(self):
        return self.path.read_text() if self.path.exists() else None

    def write(self, key):
        if key is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_text(key)


class ExtensionOrders:
    """Subclasses provide `emit(event, payload)`, `join()` and their connection."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.key_file = KeyFile(self.directory / "link_key")
        self.install = Install(self.directory / "models", lambda status: self.emit("commandStatus", status))
        self.sd_was = None

    # What arrives

    def on_command_payload(self, payload):
        saw("command", shortened(payload))
        self.install.handle(payload)
        saw("handled", payload.get("type"))

    def on_presence_payload(self, payload):
        saw("presence", {"client": payload["client"], "sd": payload["sd"]})

    # Orders

    def enter(self, key):
        """The user typed a key or code into the settings."""
        self.key_file.write(key)
        self.join()

    def stored_key(self):
        return self.key_file.read()

    def silent(self, on=True):
        """Commands arrive and are not answered."""
        self.install.is_silent = on

    def add_resources(self, count):
        """A large library: entries like the deployed extensions list them, about 400 bytes each."""
        self.install.extra = [
            {
                "type": "Checkpoint", "hash": hashlib.sha256(str(number).encode()).hexdigest(), "downloading": False,
                "name": f"möbel-{number:05d}-\u00fcbergröße.safetensors", "size": 2**31 + number,
                "path": f"/models/Stable-diffusion/collection-{number % 40:02d}/" + "p" * 120,
                "previewImage": f"https://example.invalid/{number}.jpeg",
            }
            for number in range(count)
        ]
        return len(json.dumps(self.install.extra))

    def push(self):
        self.install.push_resources()

    def pictures_of(self, byte_count):
        self.install.picture_bytes = byte_count

    def status(self, payload):
        """Sends any status."""
        self.emit("commandStatus", payload)

    def models(self):
        return sorted(path.name for path in self.install.folder.iterdir())

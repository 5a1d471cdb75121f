"""What a Stable Diffusion install does with commands: downloads, hashes and deletes models, keeps activities, makes pictures.

Shared by the scripted extensions. Statuses are the command itself with `status` and its results added, as the deployed
extensions send them. Downloads run on threads of their own. Standard library only.
SPDX-License-Identifier: Apache-2.0
"""
import datetime
import hashlib
import pathlib
import threading
import urllib.request

import pictures

BLOCK = 64 * 1024
FINISHED = ("success", "error", "canceled")


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def shortened(value):
    """The same JSON with long strings and lists replaced by their digests, fit for a line of the journal."""
    if isinstance(value, str) and len(value) > 2000:
        return {"sha256": hashlib.sha256(value.encode()).hexdigest(), "length": len(value)}
    if isinstance(value, list):
        return {"count": len(value)} if len(value) > 100 else [shortened(one) for one in value]
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    return value


class Install:
    """One install. `send(status)` is how it answers; `folder` holds its models."""

    def __init__(self, folder, send):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.send = send
        self.activities = []
        self.extra = []
        self.picture_bytes = 3_000_000
        self.is_silent = False
        self._cancelled = set()
        self._lock = threading.Lock()

    # Commands

    def handle(self, command):
        """Answers one command, or leaves it unanswered while `is_silent`."""
        if self.is_silent:
            return
        actions = {
            "activities:list": self._list_activities,
            "activities:clear": self._clear_activities,
            "activities:cancel": self._cancel,
            "resources:list": self._list_resources,
            "resources:add": self._start_download,
            "resources:add:cancel": self._cancel,
            "resources:remove": self._remove,
            "image:txt2img": self._draw,
            "image:img2img": self._draw,
        }
        action = actions.get(command.get("type"))
        if action is None:
            self.report(command, status="error", error="This command is not known here")
        else:
            action(command)

    def report(self, command, **fields):
        status = {**command, **fields, "updatedAt": now()}
        if command.get("type", "").startswith(("resources:add", "image:")):
            with self._lock:
                self.activities = [one for one in self.activities if one.get("id") != command.get("id")]
                self.activities.insert(0, {key: status.get(key) for key in ("id", "type", "status", "progress")})
        self.send(status)

    def _list_activities(self, command):
        with self._lock:
            activities = list(self.activities)
        self.report(command, status="success", activities=activities)

    def _clear_activities(self, command):
        with self._lock:
            self.activities = [one for one in self.activities if one["status"] not in FINISHED]
            activities = list(self.activities)
        self.report(command, status="success", activities=activities)

    def _cancel(self, command):
        target = command.get("activityId") or command.get("id")
        with self._lock:
            self._cancelled.add(target)
        if command["type"] == "activities:cancel":
            self.report(command, status="success")

    # Models

    def resources(self, types=None):
        listed = [
            {"type": "LORA", "hash": self.hash_of(path), "name": path.name, "path": str(path)}
            for path in sorted(self.folder.glob("*.safetensors"))
        ]
        return [one for one in listed + self.extra if not types or one["type"] in types]

    def hash_of(self, path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def push_resources(self):
        """The list that the extension sends unasked: neither an id nor a status."""
        self.send({"type": "resources:list", "resources": self.resources()})

    def _list_resources(self, command):
        self.report(command, status="success", resources=self.resources(command.get("types")))

    def _start_download(self, command):
        wanted = command.get("resources") or [command["resource"]]
        threading.Thread(target=self._download_all, args=(command, wanted), daemon=True).start()

    def _download_all(self, command, wanted):
        try:
            for resource in wanted:
                if not self._download(command, resource):
                    return self.report(command, status="canceled")
            self.report(command, status="success", progress=100)
            self.push_resources()
        except Exception as error:
            self.report(command, status="error", error=f"{type(error).__name__}: {error}")

    def _download(self, command, resource):
        """One file, verified by its hash; false when cancelled on the way."""
        path = self.folder / resource["name"]
        part = path.with_suffix(".part")
        done, told = 0, -1
        with urllib.request.urlopen(resource["url"], timeout=60) as source, open(part, "wb") as target:
            total = int(source.headers["Content-Length"])
            while block := source.read(BLOCK):
                if command["id"] in self._cancelled:
                    part.unlink()
                    return False
                target.write(block)
                done += len(block)
                if done * 10 // total > told:
                    told = done * 10 // total
                    self.report(command, status="processing", progress=done * 100 / total)
        if self.hash_of(part) != resource["hash"].lower():
            part.unlink()
            raise ValueError("the file's hash is not the one announced")
        part.rename(path)
        return True

    def _remove(self, command):
        resource = command["resource"]
        for path in self.folder.glob("*.safetensors"):
            if self.hash_of(path) == resource["hash"].lower():
                path.unlink()
                self.report(command, status="success")
                return self.push_resources()
        self.report(command, status="error", error="There is no such model here")

    # Pictures

    def _draw(self, command):
        self.report(command, status="processing", progress=50)
        seed = str(command.get("params", {}).get("seed", 0))
        self.report(command, status="success", progress=100, images=[pictures.base64_png(self.picture_bytes, seed)])

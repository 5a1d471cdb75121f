"""What systemd does with a socket unit: holds the listening socket, and starts relayd on it again and again.

Runs in the test's process. The socket outlives every relayd, so that a connection made between two of them waits for the
next. Must never signal a process that it did not start. SPDX-License-Identifier: Apache-2.0
"""
import socket

from relay_process import Relay

BACKLOG = 4096


class ActivatedRelay(Relay):
    """A relay on an inherited socket; `restart` is `systemctl restart`: the old one drains to its end, then the next starts."""

    def __init__(self, directory, **settings):
        super().__init__(directory, **settings)
        self.socket = socket.create_server((self.host, 0), backlog=BACKLOG)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"

    def _spawn(self, command):
        # The shell puts its own number into LISTEN_PID and becomes relayd, which keeps the number; the socket is number 3.
        # Not sh: Debian's knows no descriptor of two digits.
        adopt = f'exec 3<&{self.socket.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        return super()._spawn(["/bin/bash", "-c", adopt, "bash", *command], pass_fds=[self.socket.fileno()])

    def _has_started(self, text):
        return "event=started" in text

    def restart(self, seconds=60):
        """The exit code of the old one."""
        code = self.stop(seconds)
        self.start()
        return code

    def close(self):
        super().close()
        self.socket.close()

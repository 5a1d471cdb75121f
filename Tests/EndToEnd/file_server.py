"""A local HTTP server with model files, slow on demand, for the scripted extensions' downloads.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import http.server
import random
import threading

BLOCK = 64 * 1024


class FileServer:
    """Serves files made by `add`; a held file stops in the middle until it is released."""

    def __init__(self):
        self.files, self.holds = {}, {}
        server = self

        class Requests(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = server.files.get(self.path)
                if body is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                half = len(body) // 2
                try:
                    self.wfile.write(body[:half])
                    server.holds[self.path].wait(60)
                    for start in range(half, len(body), BLOCK):
                        self.wfile.write(body[start:start + BLOCK])
                except OSError:
                    self.close_connection = True

            def log_message(self, *arguments):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def add(self, name, byte_count, is_held=False):
        """A file; the resource that a web client would put into `resources:add`."""
        body = random.Random(name).randbytes(byte_count)
        path = "/" + name
        self.files[path], self.holds[path] = body, threading.Event()
        if not is_held:
            self.holds[path].set()
        # The site announces hashes in upper case, installs list them in lower case.
        return {"type": "LORA", "name": name, "hash": hashlib.sha256(body).hexdigest().upper(), "url": self.url + path}

    def release(self, name):
        self.holds["/" + name].set()

    def close(self):
        for hold in self.holds.values():
            hold.set()
        self.http.shutdown()
        self.http.server_close()

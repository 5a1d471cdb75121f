"""Extensions that join, answer pings and otherwise wait, in a process of their own. Usage: victims.py HOST PORT KEYS-FILE.

Says `ready` once all are in; ends when standard input does. SPDX-License-Identifier: Apache-2.0
"""
import selectors
import sys

from peers import PING, PONG, Frames, frame, greet


def main():
    host, port, path = sys.argv[1:]
    watched = selectors.DefaultSelector()
    with open(path, encoding="ascii") as file:
        for number, key in enumerate(file.read().split()):
            one = greet((host, int(port)), key, "sd", number % 2 == 0)
            watched.register(one, selectors.EVENT_READ, (Frames(), number % 2 == 0))
    watched.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in watched.select():
            if key.data is None:
                return
            frames, is_native = key.data
            for opcode, payload in frames.feed(key.fileobj.recv(65536)):
                if opcode == PING:
                    key.fileobj.sendall(frame(PONG, payload))
                elif payload == b"2" and not is_native:
                    key.fileobj.sendall(frame(1, b"3"))


if __name__ == "__main__":
    main()

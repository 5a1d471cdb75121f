"""PNG pictures of a wanted size, made on the spot and the same for the same seed. Standard library only.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import random
import struct
import zlib

WIDTH = 1024


def png(byte_count, seed=""):
    """A valid greyscale picture of about `byte_count` bytes: noise, so that it does not shrink on the way."""
    height = max(1, byte_count // (WIDTH + 1))
    noise = random.Random(seed).randbytes(WIDTH * height)
    rows = b"".join(b"\0" + noise[y * WIDTH:(y + 1) * WIDTH] for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", WIDTH, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def base64_png(byte_count, seed=""):
    return "data:image/png;base64," + base64.b64encode(png(byte_count, seed)).decode()

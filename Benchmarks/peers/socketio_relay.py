"""The same rooms on python-socketio and aiohttp, as a peer for `make bench`: identify, join, pass commands and statuses on.

What relayd does beyond that (keys on disk, a ledger of commands, presence without flapping) is left out, in the peer's favour.
Usage: socketio_relay.py PORT; loopback only. SPDX-License-Identifier: Apache-2.0
"""
import sys

import socketio
from aiohttp import web

sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=[], logger=False, engineio_logger=False, max_http_buffer_size=64 << 20)
seats = {}
roles = {}


@sio.event
async def iam(sid, identity):
    roles[sid] = identity.get("type")


@sio.event
async def join(sid, key):
    role = roles.get(sid)
    seats[sid] = (key, role)
    await sio.enter_room(sid, f"{key}/{role}")
    return {"success": True, "msg": "Joined"}


@sio.event
async def command(sid, payload):
    key, role = seats.get(sid, (None, None))
    if role == "client":
        await sio.emit("command", payload, room=f"{key}/sd")


@sio.event
async def commandStatus(sid, payload):
    key, role = seats.get(sid, (None, None))
    if role == "sd":
        await sio.emit("commandStatus", payload, room=f"{key}/client")


@sio.event
async def disconnect(sid, reason=None):
    seats.pop(sid, None)
    roles.pop(sid, None)


if __name__ == "__main__":
    application = web.Application()
    sio.attach(application, socketio_path="/api/socketio")
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)

"""
A chat on python-socketio, as its documentation and Socket.IO's tutorial have one write it.

Several processes share their events through ``AsyncRedisManager``, by Sentinel. Socket.IO delivers at most once, and
its documentation says how to make up for it (https://socket.io/docs/v4/delivery-guarantees): keep messages in a store,
let clients say up to where they have seen, acknowledge what is stored, know again what is sent twice. It is all here.
"""

from __future__ import annotations

import os

import socketio
import uvicorn
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

ADDRESSES, _, MASTER = os.environ["DATCHAT_STORE"].removeprefix("redis+sentinel://").partition("/")

# The example in redis-py's documentation has 0.1 s; here is room for a machine that is busy.
sentinel = Sentinel([tuple(address.split(":")) for address in ADDRESSES.split(",")], socket_timeout=1)
store = sentinel.master_for(MASTER, socket_timeout=1, decode_responses=True)

server = socketio.AsyncServer(
    async_mode="asgi", client_manager=socketio.AsyncRedisManager(f"redis+sentinel://{ADDRESSES}/0/{MASTER}")
)

# In one step, so that a message that is sent again is either there with its place or not there at all.
keep = store.register_script(
    """
    local place = redis.call('HGET', KEYS[2], ARGV[1])
    if not place then
        place = redis.call('XADD', KEYS[1], '*', 'text', ARGV[2])
        redis.call('HSET', KEYS[2], ARGV[1], place)
    end
    return place
    """
)


@server.event
async def join(sid: str, places: dict[str, str]) -> dict[str, object]:
    """Enter rooms; the answer is what was said in each after the last place that this client has."""
    lines: list[dict[str, str]] = []
    try:
        for room, place in places.items():
            # First in, then look: what is said in between comes twice, and clients know it by its place.
            await server.enter_room(sid, room)
            lines += await history(room, place)
    except RedisError as error:
        return {"error": str(error)}
    return {"lines": lines}


@server.event
async def post(sid: str, message: dict[str, str]) -> dict[str, object]:
    """Keep a message, tell the room, and acknowledge it."""
    room = message["room"]
    try:
        place = await keep(keys=[f"room:{room}", f"ids:{room}"], args=[message["id"], message["text"]])
    except RedisError as error:
        return {"error": str(error)}
    # Also what was known already: whoever stored it may have died before telling.
    await server.emit("message", {"room": room, "text": message["text"], "place": place}, room=room)
    return {"place": place}


async def history(room: str, after: str) -> list[dict[str, str]]:
    found = await store.xrange(f"room:{room}", f"({after}" if after else "-", "+")
    return [{"room": room, "text": fields["text"], "place": place} for place, fields in found]


async def read(request: Request) -> Response:
    try:
        return JSONResponse(await history(request.path_params["room"], ""))
    except RedisError as error:
        return PlainTextResponse(str(error), 503)


async def lives(request: Request) -> Response:
    return PlainTextResponse("lives")


pages = Starlette(routes=[Route("/rooms/{room}", read), Route("/readyz", lives), Route("/healthz", lives)])
app = socketio.ASGIApp(server, other_asgi_app=pages)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host=os.environ["DATCHAT_HOST"],
        port=int(os.environ["DATCHAT_PORT"]),
        ws="websockets-sansio",
        access_log=False,
    )

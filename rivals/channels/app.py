"""
A chat on Django Channels, as its tutorial has one write it, with what a chat needs beyond a tutorial.

One consumer, groups as rooms, the Redis channel layer by Sentinel with its own defaults, served by daphne. History,
acknowledgements and catching up after a place are ours: the tutorial has none. A project would keep its history in its
SQL database; what is compared here runs on Redis and nothing else, so it is kept there, in a stream.
"""

from __future__ import annotations

import os

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

ADDRESSES, _, MASTER = os.environ["DATCHAT_STORE"].removeprefix("redis+sentinel://").partition("/")
SENTINELS = [tuple(address.split(":")) for address in ADDRESSES.split(",")]

settings.configure(
    SECRET_KEY=os.environ["DATCHAT_SECRET"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [{"sentinels": SENTINELS, "master_name": MASTER}]},
        }
    },
)
django.setup()

# The example in redis-py's documentation has 0.1 s; here is room for a machine that is busy.
store = Sentinel(SENTINELS, socket_timeout=1).master_for(MASTER, socket_timeout=1, decode_responses=True)

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


class Chat(AsyncJsonWebsocketConsumer):
    """One socket. An error ends it, as the framework has it; the page comes back and goes on from its places."""

    async def connect(self) -> None:
        self.rooms: list[str] = []
        await self.accept()

    async def disconnect(self, code: int) -> None:
        for room in self.rooms:
            await self.channel_layer.group_discard(room, self.channel_name)

    async def receive_json(self, content: dict[str, dict[str, str]]) -> None:
        if "join" in content:
            await self.join(content["join"])
        else:
            await self.post(**content["post"])

    async def join(self, places: dict[str, str]) -> None:
        lines: list[dict[str, str]] = []
        for room, place in places.items():
            # First in, then look: what is said in between comes twice, and clients know it by its place.
            await self.channel_layer.group_add(room, self.channel_name)
            self.rooms.append(room)
            lines += await history(room, place)
        await self.send_json({"joined": lines})

    async def post(self, room: str, id: str, text: str) -> None:
        place = await keep(keys=[f"room:{room}", f"ids:{room}"], args=[id, text])
        # Also what was known already: whoever stored it may have died before telling.
        line = {"room": room, "text": text, "place": place}
        await self.channel_layer.group_send(room, {"type": "chat.message", "line": line})
        await self.send_json({"stored": id})

    async def chat_message(self, event: dict[str, dict[str, str]]) -> None:
        await self.send_json(event["line"])


async def history(room: str, after: str) -> list[dict[str, str]]:
    found = await store.xrange(f"room:{room}", f"({after}" if after else "-", "+")
    return [{"room": room, "text": fields["text"], "place": place} for place, fields in found]


async def read(request: HttpRequest, room: str) -> HttpResponse:
    try:
        return JsonResponse(await history(room, ""), safe=False)
    except RedisError as error:
        return HttpResponse(str(error), status=503)


async def lives(request: HttpRequest) -> HttpResponse:
    return HttpResponse("lives")


urlpatterns = [path("rooms/<str:room>", read), path("readyz", lives), path("healthz", lives)]
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([path("ws", Chat.as_asgi())])})

if __name__ == "__main__":
    host, port = os.environ["DATCHAT_HOST"], int(os.environ["DATCHAT_PORT"])
    Server(application, endpoints=build_endpoint_description_strings(host=host, port=port)).run()

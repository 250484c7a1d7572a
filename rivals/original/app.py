"""
dat_chat as it was in 2015, told again in Python: what it says on the wire, and what it does with Redis.

The original is Ruby (Sinatra, faye-websocket on JRuby); nothing of it is copied here. What it does, this does: a
message is pushed to a list and then published, in two commands; the author is told nothing; one task of the process
listens and hands on, and starts over without a pause when it loses its master; commands wait for 5 s and are tried once
more, the subscription waits for ever. Milder than the original: an error closes the socket it came from, and no other.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import os
import secrets
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import uvicorn
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

CHANNEL = "chat-demo"
KEEPALIVE_S = 15
TIMEOUT_S = 5
"""What redis-rb waits for an answer by default."""

reactor = asyncio.Lock()
"""One thread of a process takes what its sockets say, one message after the other; while Redis hangs, all wait."""
sockets: dict[WebSocket, asyncio.Queue[str]] = {}


def redis_client(timeout_s: float | None = TIMEOUT_S):
    addresses, _, name = os.environ["DATCHAT_STORE"].removeprefix("redis+sentinel://").partition("/")
    sentinels = [(host, int(port)) for host, port in (address.split(":") for address in addresses.split(","))]
    sentinel = Sentinel(sentinels, sentinel_kwargs={"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S})
    return sentinel.master_for(
        name,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )


async def listen() -> None:
    while True:
        try:
            async with redis_client(timeout_s=None).pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.subscribe(CHANNEL)
                async for message in subscription.listen():
                    for outgoing in list(sockets.values()):
                        outgoing.put_nowait(message["data"])
        except (RedisError, OSError):
            print("reconnecting to new redis master", flush=True)
            await asyncio.sleep(0)


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    email = socket.session.get("email")
    # What is sent is queued without bound, as faye-websocket does.
    outgoing: asyncio.Queue[str] = asyncio.Queue()
    if email:
        sockets[socket] = outgoing
    sending = asyncio.create_task(send(socket, outgoing))
    try:
        while True:
            said = {key: html.escape(value) for key, value in json.loads(await socket.receive_text()).items()}
            if email and said["text"].strip():
                message = json.dumps({"handle": email, "text": said["text"]})
                async with reactor:
                    await redis.lpush(CHANNEL, message)
                    await redis.publish(CHANNEL, message)
    except WebSocketDisconnect:
        pass
    finally:
        sockets.pop(socket, None)
        sending.cancel()


async def send(socket: WebSocket, outgoing: asyncio.Queue[str]) -> None:
    while True:
        await socket.send_text(await outgoing.get())


async def page(request: Request) -> Response:
    if "email" not in request.session:
        return RedirectResponse("/auth/sign_in", 303)
    said = [json.loads(message) for message in reversed(await redis.lrange(CHANNEL, 0, -1))]
    panels = "\n".join(
        f"<div class='panel-heading'>{message['handle']}</div><div class='panel-body'>{message['text']}</div>"
        for message in said
    )
    return HTMLResponse(f"<!doctype html><title>DatChat</title><main>{panels}</main>{SCRIPT}")


SCRIPT = """
<form id="say"><input id="text" autocomplete="off"><button>Send</button></form>
<script>
const socket = new WebSocket(`ws://${location.host}/`);
socket.onmessage = ({data}) => {
  const {handle, text} = JSON.parse(data);
  document.querySelector("main").insertAdjacentHTML("beforeend",
    `<div class='panel-heading'>${handle}</div><div class='panel-body'>${text}</div>`);
};
say.onsubmit = (event) => { event.preventDefault(); socket.send(JSON.stringify({text: text.value})); text.value = ""; };
</script>
"""
"""Handles and texts are escaped when they are stored, as in the original."""


async def sign_up(request: Request) -> Response:
    email, password = await credentials(request)
    salt = secrets.token_hex(8)
    await redis.set(email, f"{salt}${digest(salt, password)}")
    return RedirectResponse("/auth/sign_in", 303)


async def sign_in(request: Request) -> Response:
    email, password = await credentials(request)
    salt, _, known = (await redis.get(email) or "").partition("$")
    if not known or digest(salt, password) != known:
        return PlainTextResponse("The email and password combination is wrong.", 401)
    request.session["email"] = email
    return RedirectResponse("/", 303)


async def sign_in_form(request: Request) -> Response:
    fields = "<input name='user[email]'><input name='user[password]' type='password'><button>Login</button>"
    return HTMLResponse(f"<!doctype html><title>DatChat</title><form method='post'>{fields}</form>")


async def credentials(request: Request) -> tuple[str, str]:
    form = parse_qs((await request.body()).decode())
    return form["user[email]"][0], form["user[password]"][0]


def digest(salt: str, password: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**10, r=8, p=1).hex()


async def lives(request: Request) -> Response:
    """The original's load balancer asks only whether somebody takes connections."""
    return PlainTextResponse("lives")


@asynccontextmanager
async def lifespan(app: Starlette):
    listening = asyncio.create_task(listen())
    yield
    listening.cancel()


redis = redis_client()
app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/", chat),
        Route("/auth/sign_up", sign_up, methods=["POST"]),
        Route("/auth/sign_in", sign_in, methods=["POST"]),
        Route("/auth/sign_in", sign_in_form),
        Route("/readyz", lives),
        Route("/healthz", lives),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=os.environ["DATCHAT_SECRET"])],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host=os.environ["DATCHAT_HOST"],
        port=int(os.environ["DATCHAT_PORT"]),
        ws="websockets-sansio",
        ws_ping_interval=KEEPALIVE_S,
        ws_ping_timeout=None,
        access_log=False,
    )

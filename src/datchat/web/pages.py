"""The pages: the chat, the cluster, the API's description. The forms of signing in and up are in ``forms``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from datchat import __version__
from datchat.chat import wire
from datchat.chat.model import LOBBY, RoomId
from datchat.errors import BackendError, NoSuchRoom, NotAMember
from datchat.node.lifecycle import Node
from datchat.ports import Session
from datchat.web import cookies, schema
from datchat.web.callers import reply
from datchat.web.context import Site, site_of
from datchat.web.cookies import Flash
from datchat.web.problems import problem_of
from datchat.web.return_to import local_path
from datchat.web.templating import embedded_json

MESSAGES = 50
"""Messages that a page arrives with."""
AGAIN_S = 3
"""Seconds after which a page that the store has no answer for loads itself again."""
FLASH_S = 60
"""Seconds that a flash message waits for its page."""
_ROOM = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_TITLES = {
    400: "This request can't be read",
    403: "Not for you",
    404: "Nothing here",
    405: "Not this way",
    413: "Too large",
    415: "Not in this form",
    429: "Too fast",
    503: "Back in a moment",
}


async def home(request: Request) -> Response:
    """The room that was open last, or the lobby."""
    last = cookies.cookie(request.headers.get("cookie", ""), cookies.LAST_ROOM)
    if last is None or _ROOM.fullmatch(last) is None:
        return await _chat(request, LOBBY, fall_back=False)
    return await _chat(request, RoomId(last), fall_back=True)


async def room(request: Request) -> Response:
    """One room."""
    wanted = request.path_params["room"]
    if _ROOM.fullmatch(wanted) is None:
        raise NoSuchRoom("there is no such room")
    return await _chat(request, RoomId(wanted), fall_back=False)


async def cluster(request: Request) -> Response:
    """Where one is: the node and how the store is."""
    site = site_of(request)
    session = await _session(request)
    if session is None:
        return to_sign_in(request)
    return page(request, "cluster.html", {**_signed_in(site, session), "store": site.node.store_state()})


async def api_docs(request: Request) -> Response:
    """The OpenAPI document, readable. Rendered once: it is long, and the same for everybody."""
    state = request.app.state
    if not hasattr(state, "api_docs"):
        state.api_docs = site_of(request).templates.render("api_docs.html", {"api": request.app.openapi()})
    return Response(state.api_docs, media_type="text/html")


async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return reply(request.app.openapi())


async def upgrade_required(request: Request) -> Response:
    """Somebody asked for the socket without asking for a socket (RFC 9110, section 15.5.22)."""
    response = reply({"code": "upgrade_required", "message": "this is a WebSocket: ask for an upgrade"}, 426)
    response.headers.update({"upgrade": "websocket", "connection": "upgrade"})
    return response


ROUTES = [
    Route("/", home),
    Route("/rooms/{room}", room),
    Route("/cluster", cluster),
    Route("/api/docs", api_docs),
    Route("/api/openapi.json", openapi),
    Route("/ws", upgrade_required),
]


# Rendering


def page(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    """A page, with the flash messages that waited for one."""
    site = site_of(request)
    waiting = cookies.cookie(request.headers.get("cookie", ""), cookies.FLASH)
    flashes = [*cookies.open_flashes(site.options.secret, waiting), *context.get("flashes", ())]
    node = {"name": site.node.name, "addresses": list(site.node.addresses)}
    shared = {"node": node, "version": __version__, "user": None, "csrf": ""}
    text = site.templates.render(template, {**shared, **context, "flashes": [flash._asdict() for flash in flashes]})
    response = Response(text, status, media_type="text/html")
    if waiting is not None:
        site.set_cookie(request, response, cookies.FLASH, "", 0)
    return response


def error_page(request: Request, error: Exception) -> Response:
    """An error as a page tells it."""
    status, problem, headers = problem_of(error)
    sentence = problem["message"]
    context = {
        "status": status,
        "title": _TITLES.get(status, "This went wrong"),
        "message": f"{sentence[:1].upper()}{sentence[1:]}.",
        # A form that was sent is not sent again by itself.
        "again_s": AGAIN_S if isinstance(error, BackendError) and request.method == "GET" else None,
    }
    response = page(request, "error.html", context, status)
    response.headers.update(headers)
    return response


def redirect(request: Request, path: str, flashes: Sequence[Flash] = ()) -> Response:
    """Send the browser on to a local path, where the messages are shown."""
    site = site_of(request)
    response = RedirectResponse(path, 303)
    if flashes:
        sealed = cookies.seal_flashes(site.options.secret, flashes)
        site.set_cookie(request, response, cookies.FLASH, sealed, FLASH_S)
    return response


def to_sign_in(request: Request) -> Response:
    """Ask to sign in, and come back here afterwards."""
    back = local_path(request.scope["path"])
    query = f"?{urlencode({'return_to': back})}" if back and back != "/" else ""
    return redirect(request, f"/auth/sign_in{query}", [Flash("info", "Sign in to go on.")])


async def _chat(request: Request, wanted: RoomId, *, fall_back: bool) -> Response:
    site = site_of(request)
    session = await _session(request)
    if session is None:
        return to_sign_in(request)
    try:
        await site.node.enter(session.user, wanted)
    except (NoSuchRoom, NotAMember):
        if not fall_back:
            raise
        wanted = LOBBY
    content = embedded_json(await _content(site, session, wanted))
    response = page(request, "chat.html", {**_signed_in(site, session), "page": content})
    site.set_cookie(request, response, cookies.LAST_ROOM, wanted, cookies.LAST_ROOM_S)
    return response


async def _content(site: Site, session: Session, opened: RoomId) -> dict[str, Any]:
    """What the page's script starts from: the newest messages, and the cursor to join with."""
    node: Node = site.node
    user = session.user
    standings = await node.rooms.standings(user.id)
    members = await node.presence.roster(opened)
    view = await node.broker.view(opened, None, MESSAGES)
    return {
        "me": {"id": user.id, "name": user.name},
        "node": {"name": node.name, "addresses": list(node.addresses)},
        "csrf": site.csrf_token(session),
        "room": opened,
        "rooms": [schema.standing(each, user.id, session.admin) for each in standings],
        "view": {
            "messages": [wire.message_fields(message, user.id) for message in view.messages],
            "cursor": str(view.cursor),
            "more": view.more,
        },
        "members": list(members[: wire.MAX_NAMED]),
        "count": len(members),
        "limits": {"text": wire.MAX_TEXT},
        "nonce_window_ms": int(node.limits.nonce_window_s * 1000),
        "store": node.store_state(),
    }


def _signed_in(site: Site, session: Session) -> dict[str, Any]:
    user = session.user
    return {"user": {"id": user.id, "name": user.name}, "csrf": site.csrf_token(session)}


async def _session(request: Request) -> Session | None:
    visit = await site_of(request).doorkeeper.visit(request.headers)
    return None if visit is None else visit.session

"""The API of what was said: pages of a room's log, views of its messages, posting."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from datchat.chat import wire
from datchat.chat.model import Cursor, Kind, RoomId
from datchat.errors import CursorLost, Invalid
from datchat.web import cookies, schema
from datchat.web.bodies import read_json
from datchat.web.callers import SIGNED, Actor, AfterQuery, OffsetQuery, Reader, RoomPath, reply
from datchat.web.context import site_of
from datchat.web.openapi import answers, takes

MAX_ENTRIES = 500
MAX_MESSAGES = 200

router = APIRouter()


@router.get(
    "/rooms/{room}/entries",
    summary="A page of the log",
    tags=["Log"],
    response_class=Response,
    responses=answers({200: schema.EntriesPage}, 401, 403, 404, 422, 503),
    openapi_extra=SIGNED,
)
async def entries(
    request: Request,
    visit: Reader,
    room: RoomPath,
    after: AfterQuery = None,
    before: OffsetQuery = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 50,
) -> Response:
    """After a cursor, before an offset, or the newest; oldest first. Each entry is as the socket pushes it."""
    if after is not None and before is not None:
        raise Invalid("before", "give after or before, not both")
    node = site_of(request).node
    await node.enter(visit.session.user, RoomId(room))
    reset = False
    try:
        if after is None:
            page = await node.broker.before(RoomId(room), before, limit)
        else:
            page = await node.broker.read(RoomId(room), Cursor.parse(after), limit)
    except CursorLost:
        page = await node.broker.before(RoomId(room), None, limit)
        reset = True
    shown = [msgspec.Raw(wire.entry_json(entry)) for entry in page.entries]
    return reply({"entries": shown, "cursor": str(page.cursor), "more": page.more, "reset": reset})


@router.post(
    "/rooms/{room}/entries",
    status_code=201,
    summary="Post a message",
    tags=["Log"],
    response_class=Response,
    responses=answers(
        {200: schema.ReceiptFields, 201: schema.ReceiptFields}, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503
    ),
    openapi_extra=takes(schema.NewMessage, **SIGNED),
)
async def post(request: Request, visit: Actor, room: RoomPath) -> Response:
    """
    Answers once the message is safe: 201, or 200 when this nonce had been stored before. After a 503 it may or may not
    be stored: send it again with the same nonce and with `age_ms`, the time since it was first sent.
    """
    new = await read_json(request, schema.NewMessage)
    wire.check_text(new.text)
    session = visit.session
    found = await site_of(request).node.post(
        session.user,
        room=RoomId(room),
        kind=Kind.MESSAGE,
        nonce=new.nonce,
        text=new.text,
        reply_to=new.reply_to,
        age_ms=new.age_ms,
        admin=session.admin,
    )
    return reply(schema.receipt(room, new.nonce, found), 200 if found.duplicate else 201)


@router.get(
    "/rooms/{room}/messages",
    summary="A view: messages with edits, reactions and deletions folded in",
    tags=["Log"],
    response_class=Response,
    responses=answers({200: schema.ViewFields}, 401, 403, 404, 422, 503),
    openapi_extra=SIGNED,
)
async def messages(
    request: Request,
    visit: Reader,
    room: RoomPath,
    before: OffsetQuery = None,
    limit: Annotated[int, Query(ge=1, le=MAX_MESSAGES)] = 50,
) -> Response:
    """The newest, or those before an offset; oldest first, as they look at the cursor."""
    site = site_of(request)
    user_id = visit.session.user.id
    await site.node.enter(visit.session.user, RoomId(room))
    view = await site.node.broker.view(RoomId(room), before, limit)
    shown = [wire.message_fields(message, user_id) for message in view.messages]
    response = reply({"messages": shown, "cursor": str(view.cursor), "more": view.more})
    if visit.by_cookie and before is None:
        # The page switches rooms by this call: "/" opens the one used last.
        site.set_cookie(request, response, cookies.LAST_ROOM, room, cookies.LAST_ROOM_S)
    return response

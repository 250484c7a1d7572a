"""The API of rooms: which there are, who belongs to them, how far one has read."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from datchat.chat.model import RoomId, RoomStanding
from datchat.errors import BadCommand, NoSuchRoom, NoSuchUser
from datchat.web import schema
from datchat.web.auth import Visit
from datchat.web.bodies import read_json
from datchat.web.callers import SIGNED, Actor, Reader, RoomPath, UserPath, reply
from datchat.web.context import site_of
from datchat.web.openapi import answers, takes
from datchat.web.people import clean_name

router = APIRouter()


@router.get(
    "/rooms",
    summary="The rooms one may see",
    tags=["Rooms"],
    response_class=Response,
    responses=answers({200: list[schema.RoomFields]}, 401, 503),
    openapi_extra=SIGNED,
)
async def rooms(request: Request, visit: Reader) -> Response:
    """The lobby first, then by title."""
    session = visit.session
    found = await site_of(request).node.rooms.standings(session.user.id)
    return reply([schema.standing(each, session.user.id, session.admin) for each in found])


@router.post(
    "/rooms",
    status_code=201,
    summary="Create a room",
    tags=["Rooms"],
    response_class=Response,
    responses=answers({201: schema.RoomFields}, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=takes(schema.NewRoom, **SIGNED),
)
async def create_room(request: Request, visit: Actor) -> Response:
    """Who creates it is its moderator, and the first member of a private one."""
    new = await read_json(request, schema.NewRoom)
    title = clean_name(new.title, field="title", limit=schema.MAX_TITLE)
    await site_of(request).node.create_room(visit.session.user, new.id, title, new.private)
    return reply(await _standing(request, visit, new.id), 201)


@router.patch(
    "/rooms/{room}",
    summary="Rename or archive a room",
    tags=["Rooms"],
    response_class=Response,
    responses=answers({200: schema.RoomFields}, 401, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=takes(schema.RoomChange, **SIGNED),
)
async def update_room(request: Request, visit: Actor, room: RoomPath) -> Response:
    """For its moderator. Nothing can be posted to an archived room."""
    change = await read_json(request, schema.RoomChange)
    title = None if change.title is None else clean_name(change.title, field="title", limit=schema.MAX_TITLE)
    session = visit.session
    await site_of(request).node.update_room(
        session.user, RoomId(room), title=title, archived=change.archived, admin=session.admin
    )
    return reply(await _standing(request, visit, room))


@router.post(
    "/rooms/{room}/members",
    status_code=204,
    summary="Let somebody into a private room",
    tags=["Rooms"],
    response_class=Response,
    responses=answers({204: None}, 401, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=takes(schema.NewMember, **SIGNED),
)
async def add_member(request: Request, visit: Actor, room: RoomPath) -> Response:
    """By id or by e-mail; any member may."""
    new = await read_json(request, schema.NewMember)
    if (new.user is None) == (new.email is None):
        raise BadCommand("give either user or email")
    node = site_of(request).node
    facts = await node.enter(visit.session.user, RoomId(room))
    if not facts.private:
        raise BadCommand("everybody may enter this room")
    accounts = node.accounts
    account = await (accounts.by_email(new.email) if new.email is not None else accounts.by_id(new.user or ""))
    if account is None:
        raise NoSuchUser("there is no such account")
    await node.add_member(visit.session.user, RoomId(room), account.id)
    return Response(status_code=204)


@router.delete(
    "/rooms/{room}/members/{user}",
    status_code=204,
    summary="Take somebody out of a private room",
    tags=["Rooms"],
    response_class=Response,
    responses=answers({204: None}, 401, 403, 404, 422, 503),
    openapi_extra=SIGNED,
)
async def remove_member(request: Request, visit: Actor, room: RoomPath, user: UserPath) -> Response:
    """Oneself, or anybody as its moderator. Their sockets leave the room at once."""
    session = visit.session
    await site_of(request).node.remove_member(session.user, RoomId(room), user, admin=session.admin)
    return Response(status_code=204)


@router.put(
    "/rooms/{room}/read",
    summary="Say how far one has read",
    tags=["Rooms"],
    response_class=Response,
    responses=answers({200: schema.ReadMark}, 401, 403, 404, 408, 413, 415, 422, 503),
    openapi_extra=takes(schema.Seen, **SIGNED),
)
async def mark_read(request: Request, visit: Actor, room: RoomPath) -> Response:
    """Moves the marker forward, never back and never past the top; answers where it stands then."""
    seen = await read_json(request, schema.Seen)
    offset = await site_of(request).node.mark_read(visit.session.user, RoomId(room), seen.offset)
    return reply(schema.ReadMark(room=room, offset=offset))


async def _standing(request: Request, visit: Visit, room: str) -> schema.RoomFields:
    session = visit.session
    found: RoomStanding
    for found in await site_of(request).node.rooms.standings(session.user.id):
        if found.room.id == room:
            return schema.standing(found, session.user.id, session.admin)
    raise NoSuchRoom(f"there is no room {room}")

"""Who calls, and what calls have in common: the session behind a request, paths, and answers in JSON."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from datchat.chat import wire
from datchat.errors import Unauthenticated
from datchat.web import csrf
from datchat.web.auth import Visit
from datchat.web.context import site_of
from datchat.web.openapi import SIGNED_IN
from datchat.web.problems import JSON, BadToken


def reply(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


async def signed_in(request: Request) -> Visit:
    """
    Raises:
        Unauthenticated: Nobody is signed in.
    """
    visit = await site_of(request).doorkeeper.visit(request.headers)
    if visit is None:
        raise Unauthenticated("sign in first")
    return visit


async def acting(request: Request, visit: Annotated[Visit, Depends(signed_in)]) -> Visit:
    """
    Somebody who is signed in and means it.

    Raises:
        Unauthenticated: Nobody is signed in.
        BadToken: The session came by cookie, which other sites' pages can make a browser send, without its token.
    """
    if visit.by_cookie:
        wanted = site_of(request).csrf_token(visit.session)
        if not csrf.matches(request.headers.get(csrf.HEADER), wanted):
            raise BadToken("send the session's CSRF token as X-CSRF-Token")
    return visit


Reader = Annotated[Visit, Depends(signed_in)]
Actor = Annotated[Visit, Depends(acting)]
RoomPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="A room's id.")]
UserPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="A user's id.")]
OffsetQuery = Annotated[int | None, Query(ge=1, le=wire.MAX_OFFSET, description="Only what is before this offset.")]
AfterQuery = Annotated[
    str | None,
    Query(pattern=r"^(0|[1-9][0-9]{0,15}):[0-9a-f]{16}$", description="Only what is after this cursor."),
]
SIGNED: dict[str, Any] = {"security": SIGNED_IN}
"""What ``openapi_extra`` says of a call that needs a session."""

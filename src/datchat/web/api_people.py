"""The API of accounts and sessions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from datchat.web import schema
from datchat.web.bodies import read_json
from datchat.web.callers import SIGNED, Actor, Reader, reply
from datchat.web.context import site_of
from datchat.web.openapi import answers, takes

router = APIRouter()


@router.post(
    "/accounts",
    status_code=201,
    summary="Sign up",
    tags=["People"],
    response_class=Response,
    responses=answers({201: schema.UserFields}, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=takes(schema.NewAccount),
)
async def create_account(request: Request) -> Response:
    """Without a name it is the part of the e-mail before the @. Signs nobody in."""
    new = await read_json(request, schema.NewAccount)
    account = await site_of(request).entrance.sign_up(new.email, new.password, new.name)
    return reply(schema.user(account.user), 201)


@router.post(
    "/sessions",
    status_code=201,
    summary="Sign in",
    tags=["People"],
    response_class=Response,
    responses=answers({201: schema.SessionFields}, 401, 408, 413, 415, 422, 429, 503),
    openapi_extra=takes(schema.Credentials),
)
async def create_session(request: Request) -> Response:
    """Answers the token and sets it as a cookie. Other sessions live on."""
    site = site_of(request)
    given = await read_json(request, schema.Credentials)
    opened = await site.entrance.sign_in(request, given.email, given.password)
    session = opened.session
    response = reply(
        schema.SessionFields(
            token=opened.token,
            user=schema.user(session.user),
            expires_at=session.expires_at,
            csrf_token=site.csrf_token(session),
        ),
        201,
    )
    site.seat(request, response, opened)
    return response


@router.delete(
    "/sessions/current",
    status_code=204,
    summary="Sign out",
    tags=["People"],
    response_class=Response,
    responses=answers({204: None}, 401, 403, 503),
    openapi_extra=SIGNED,
)
async def end_session(request: Request, visit: Actor) -> Response:
    """The session is dead on every node, and its sockets are closed with 4500."""
    site = site_of(request)
    await site.node.end_session(visit.session.id)
    response = Response(status_code=204)
    site.unseat(request, response)
    return response


@router.get(
    "/me",
    summary="Who am I",
    tags=["People"],
    response_class=Response,
    responses=answers({200: schema.Me}, 401, 503),
    openapi_extra=SIGNED,
)
async def me(request: Request, visit: Reader) -> Response:
    user = visit.session.user
    token = site_of(request).csrf_token(visit.session)
    return reply(schema.Me(id=user.id, name=user.name, admin=visit.session.admin, csrf_token=token))

"""The forms: sign in, sign up, sign out. What was typed comes back with what is wrong with it, but for the password."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from datchat.errors import BackendError, BadCommand, ClientError, Invalid, RateLimited, Taken, WrongCredentials
from datchat.web import cookies, csrf
from datchat.web.bodies import read_form
from datchat.web.context import site_of
from datchat.web.cookies import Flash
from datchat.web.pages import page, redirect
from datchat.web.problems import BadToken, problem_of
from datchat.web.return_to import local_path
from datchat.web.tokens import Opened

VISITOR_S = 86_400
"""Seconds for which a form stays good."""
_STALE = "This form had waited too long. Please send it again."


async def sign_in_form(request: Request) -> Response:
    """The form, or the chat for who is signed in already."""
    return await _empty_form(request, "sign_in.html")


async def sign_up_form(request: Request) -> Response:
    """The form, or the chat for who is signed in already."""
    return await _empty_form(request, "sign_up.html")


async def sign_in(request: Request) -> Response:
    """Sign in and go on to where one wanted to."""
    fields = await read_form(request)
    email, password = fields.get("user[email]", "").strip(), fields.get("user[password]", "")
    entrance = site_of(request).entrance
    try:
        _check_visitor(request, fields)
        opened = await entrance.sign_in(request, email, password)
        await entrance.replace(request)
    except (ClientError, BackendError) as error:
        return _again(request, "sign_in.html", fields, error)
    return _in(request, fields, opened, f"Welcome back, {opened.session.user.name}.")


async def sign_up(request: Request) -> Response:
    """Make an account, sign in and go on to where one wanted to."""
    fields = await read_form(request)
    email, password = fields.get("user[email]", "").strip(), fields.get("user[password]", "")
    entrance = site_of(request).entrance
    try:
        _check_visitor(request, fields)
        account = await entrance.sign_up(email, password, fields.get("user[name]"))
        opened = await entrance.begin(account)
        await entrance.replace(request)
    except (ClientError, BackendError) as error:
        return _again(request, "sign_up.html", fields, error)
    return _in(request, fields, opened, f"Welcome, {account.name}.")


async def sign_out(request: Request) -> Response:
    """End the session: DELETE, or POST with ``_method=delete`` from a form."""
    site = site_of(request)
    fields = await read_form(request) if request.method == "POST" else {}
    if request.method == "POST" and fields.get("_method", "").lower() != "delete":
        raise BadCommand("signing out takes _method=delete")
    visit = await site.doorkeeper.visit(request.headers)
    if visit is not None:
        given = fields.get(csrf.FIELD) or request.headers.get(csrf.HEADER)
        if visit.by_cookie and not csrf.matches(given, site.csrf_token(visit.session)):
            raise BadToken("this form is not of your session: go back and load the page again")
        await site.node.end_session(visit.session.id)
    response = redirect(request, "/auth/sign_in", [Flash("info", "You are signed out.")])
    site.unseat(request, response)
    return response


ROUTES = [
    Route("/auth/sign_in", sign_in_form, methods=["GET"]),
    Route("/auth/sign_in", sign_in, methods=["POST"]),
    Route("/auth/sign_up", sign_up_form, methods=["GET"]),
    Route("/auth/sign_up", sign_up, methods=["POST"]),
    Route("/auth/sign_out", sign_out, methods=["DELETE", "POST"]),
]


async def _empty_form(request: Request, template: str) -> Response:
    back = local_path(request.query_params.get("return_to"))
    if await site_of(request).doorkeeper.visit(request.headers) is not None:
        return redirect(request, back or "/")
    return _form(request, template, {"return_to": back or ""})


def _form(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    """A form with a token that its sender's browser can vouch for."""
    site = site_of(request)
    held = _visitor(request)
    visitor = held or csrf.new_visitor()
    shared = {"email": "", "name": "", "errors": {}, "return_to": ""}
    token = csrf.visitor_token(site.options.secret, visitor)
    response = page(request, template, {**shared, **context, "csrf": token}, status)
    if held is None:
        site.set_cookie(request, response, cookies.VISITOR, visitor, VISITOR_S)
    return response


def _again(request: Request, template: str, fields: dict[str, str], error: ClientError | BackendError) -> Response:
    """The form once more, with the sentence where it belongs."""
    status, problem, headers = problem_of(error)
    sentence = f"{problem['message'][:1].upper()}{problem['message'][1:]}."
    errors: dict[str, str] = {}
    flashes: list[Flash] = []
    match error:
        case Invalid():
            errors[error.field] = sentence
        case Taken():
            status, errors["email"] = 422, sentence
        case WrongCredentials():
            status, errors["password"] = 422, sentence
            headers.pop("www-authenticate", None)
        case BadToken():
            flashes.append(Flash("error", _STALE))
        case RateLimited() | _:
            flashes.append(Flash("error", sentence))
    context = {
        "email": fields.get("user[email]", ""),
        "name": fields.get("user[name]", ""),
        "errors": errors,
        "return_to": local_path(fields.get("return_to")) or "",
        "flashes": flashes,
    }
    response = _form(request, template, context, status)
    response.headers.update(headers)
    return response


def _in(request: Request, fields: dict[str, str], opened: Opened, welcome: str) -> Response:
    site = site_of(request)
    response = redirect(request, local_path(fields.get("return_to")) or "/", [Flash("info", welcome)])
    site.seat(request, response, opened)
    site.set_cookie(request, response, cookies.VISITOR, "", 0)
    return response


def _check_visitor(request: Request, fields: dict[str, str]) -> None:
    """
    Raises:
        BadToken: The form was not sent by the browser that got it, or too late.
    """
    visitor = _visitor(request)
    secret = site_of(request).options.secret
    if visitor is None or not csrf.matches(fields.get(csrf.FIELD), csrf.visitor_token(secret, visitor)):
        raise BadToken("this form is too old")


def _visitor(request: Request) -> str | None:
    value = cookies.cookie(request.headers.get("cookie", ""), cookies.VISITOR)
    return value if csrf.well_formed_visitor(value) else None

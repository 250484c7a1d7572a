"""The site: everything that speaks HTTP on one node, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from datchat import __version__
from datchat.node.lifecycle import Node
from datchat.web import api, forms, health, openapi, pages
from datchat.web.auth import Doorkeeper
from datchat.web.bodies import BodyLimit
from datchat.web.context import Site
from datchat.web.entrance import Entrance
from datchat.web.headers import SecurityHeaders
from datchat.web.journal import Journal
from datchat.web.metrics import SiteMetrics
from datchat.web.options import SiteOptions
from datchat.web.passwords import Passwords
from datchat.web.people import People
from datchat.web.problems import HANDLED, json_problem, wants_page
from datchat.web.statics import Statics
from datchat.web.templating import Templates

__all__ = ["SiteOptions", "create_site"]

STATIC = Path(__file__).parent / "static"


def create_site(chat: Node, options: SiteOptions) -> FastAPI:
    """
    The ASGI application of a node. ``state.doorkeeper`` of it is for the socket's handshake.
    """
    metrics = SiteMetrics(chat.registry)
    passwords = Passwords(options.password_hash, threads=options.hash_threads, waiting=options.hash_waiting)
    doorkeeper = Doorkeeper(chat.accounts, chat.wall, options.origins, secret=options.secret, grace=chat.grace)
    people = People(chat.accounts, passwords, chat.wall)
    statics = Statics(STATIC)
    site = FastAPI(
        title="Dat Chat",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        middleware=[
            # The first is the outermost: what the net catches still gets its headers and its line in the log.
            Middleware(SecurityHeaders),
            Middleware(Journal, node=chat.name, metrics=metrics),
            Middleware(BodyLimit, max_bytes=options.max_body_bytes, limit_s=options.body_s),
        ],
    )
    site.state.doorkeeper = doorkeeper
    site.state.site = Site(
        node=chat,
        options=options,
        doorkeeper=doorkeeper,
        people=people,
        entrance=Entrance(chat, people, doorkeeper, options, metrics),
        statics=statics,
        templates=Templates(statics),
    )
    # What balancers ask all the time is looked for first.
    site.router.routes.extend(health.ROUTES)
    site.include_router(api.router)
    site.router.routes.extend([*pages.ROUTES, *forms.ROUTES, Route("/static/{name:path}", statics.serve)])
    for kind in HANDLED:
        site.add_exception_handler(kind, _tell)
    described: dict[str, Any] = {}

    def describe() -> dict[str, Any]:
        if not described:
            described.update(openapi.document(site))
        return described

    site.openapi = describe  # type: ignore[method-assign]
    return site


async def _tell(request: Request, error: Exception) -> Response:
    """Every error that is somebody's fault, told the way the path talks."""
    return pages.error_page(request, error) if wants_page(request) else json_problem(error)

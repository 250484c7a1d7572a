"""What the handlers of a site share, made once by ``create_site``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from datchat.node.lifecycle import Node
from datchat.ports import Session
from datchat.web import cookies
from datchat.web.auth import Doorkeeper
from datchat.web.csrf import session_token
from datchat.web.entrance import Entrance
from datchat.web.options import SiteOptions
from datchat.web.people import People
from datchat.web.statics import Statics
from datchat.web.templating import Templates
from datchat.web.tokens import Opened


@dataclass(frozen=True, kw_only=True)
class Site:
    """The parts behind the paths."""

    node: Node
    options: SiteOptions
    doorkeeper: Doorkeeper
    people: People
    entrance: Entrance
    statics: Statics
    templates: Templates

    def csrf_token(self, session: Session) -> str:
        """The token that acts of this session bring along."""
        return session_token(self.options.secret, session.id)

    def secure(self, request: Request) -> bool:
        """Whether cookies of the answer get the Secure attribute."""
        chosen = self.options.secure_cookies
        return request.scope["scheme"] == "https" if chosen == "auto" else chosen == "always"

    def set_cookie(self, request: Request, response: Response, name: str, value: str, max_age_s: int) -> None:
        """Give the browser a cookie; a ``max_age_s`` of 0 takes it away."""
        response.headers.append(
            "set-cookie", cookies.set_cookie(name, value, secure=self.secure(request), max_age_s=max_age_s)
        )

    def seat(self, request: Request, response: Response, opened: Opened) -> None:
        """Give the browser a session's cookie."""
        self.set_cookie(request, response, cookies.SESSION, opened.token, self.options.session_ms // 1000)

    def unseat(self, request: Request, response: Response) -> None:
        """Take the session's cookie away."""
        self.set_cookie(request, response, cookies.SESSION, "", 0)


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    return cast(Site, request.app.state.site)

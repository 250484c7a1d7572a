"""
Middleware: one line of log and a few counts for each request, and the last net under whatever goes wrong.

Neither query nor headers nor bodies are logged: they hold what is nobody's business.
"""

from __future__ import annotations

import time

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datchat.web.metrics import SiteMetrics
from datchat.web.problems import json_problem

log = structlog.get_logger("datchat.web")

QUIET = frozenset({"health", "static"})
"""Areas whose requests come by the second or the dozen: logged at debug."""
_HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def area_of(path: str) -> str:
    """Which part of the site a path belongs to: ``api``, ``static``, ``health`` or ``pages``."""
    if path in _HEALTH:
        return "health"
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("api", "static") else "pages"


class Journal:
    """Logs and counts requests; answers 500 to an exception that nobody foresaw, and logs that with its traceback."""

    def __init__(self, app: ASGIApp, node: str, metrics: SiteMetrics) -> None:
        self._app = app
        self._node = node
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        area = area_of(scope["path"])
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._metrics.request_s.labels(area).observe(time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            status = status or 499  # nobody is there to answer; the number is nginx's for it
        except Exception as error:
            log.exception("a request failed", path=_shown(scope))
            if status:
                raise
            await json_problem(error)(scope, receive, watch)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(area, method, status).inc()
            (log.debug if area in QUIET else log.info)(
                "request",
                node=self._node,
                method=method,
                path=_shown(scope),
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 2),
            )


def _shown(scope: Scope) -> str:
    """The path as it was sent, percent signs and all: decoded it could break the line."""
    return bytes(scope.get("raw_path") or scope["path"].encode()).split(b"?", 1)[0].decode("ascii", "replace")[:200]

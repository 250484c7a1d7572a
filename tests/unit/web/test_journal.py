"""The log of requests."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from datchat.web.journal import Journal, area_of
from datchat.web.metrics import SiteMetrics


async def run(path: bytes, status: int = 200, error: Exception | None = None) -> tuple[list[Any], list[Message]]:
    """One request through the journal: what it logged and what it sent."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if error is not None:
            raise error
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    journal = Journal(answer, "web7", SiteMetrics(CollectorRegistry()))
    scope = {
        "type": "http",
        "method": "GET",
        "path": path.decode("latin-1").split("?")[0],
        "raw_path": path,
        "headers": [],
    }
    with structlog.testing.capture_logs() as lines:
        await journal(scope, receive, send)
    return lines, sent


async def test_one_line_a_request_without_secrets() -> None:
    """Node, method, path, status and time; no query."""
    (line,), _ = await run(b"/rooms/lobby?token=secret", 303)
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "node": "web7",
        "method": "GET",
        "path": "/rooms/lobby",
        "status": 303,
    }


@pytest.mark.parametrize("path", [b"/healthz", b"/readyz", b"/metrics", b"/static/app.js"])
async def test_what_comes_by_the_second_is_logged_at_debug(path: bytes) -> None:
    """Else it would be all that one sees."""
    (line,), _ = await run(path)
    assert line["log_level"] == "debug"


async def test_a_path_can_not_break_the_line() -> None:
    """It is logged as it was sent, percent signs and all, and cut."""
    (line,), _ = await run(b"/a%0Ab" + b"x" * 500)
    assert line["path"].startswith("/a%0Abxxx")
    assert len(line["path"]) == 200


async def test_what_nobody_foresaw_is_logged_and_answered() -> None:
    """500 to the client, the traceback to the log."""
    (failure, line), sent = await run(b"/", error=RuntimeError("boom"))
    assert (failure["log_level"], failure["exc_info"]) == ("error", True)
    assert line["status"] == 500
    assert sent[0]["status"] == 500
    assert b"boom" not in sent[1]["body"]


async def test_a_client_that_goes_is_no_error() -> None:
    """There is nobody to answer."""
    (line,), sent = await run(b"/", error=ClientDisconnect())
    assert (line["status"], line["log_level"], sent) == (499, "info", [])


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/", "pages"),
        ("/api/v1/me", "api"),
        ("/static/x", "static"),
        ("/readyz", "health"),
        ("/apix", "pages"),
        ("*", "pages"),
        ("", "pages"),
    ],
)
def test_every_path_belongs_to_an_area(path: str, area: str) -> None:
    """So that the meters have few labels, whatever is asked for."""
    assert area_of(path) == area

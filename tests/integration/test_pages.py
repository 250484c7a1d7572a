"""The pages: what they arrive with, the headers on everything, static files, and errors that people see."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from datchat.backends.memory import MemoryBackend
from datchat.errors import Unavailable
from datchat.node.limits import Limits
from support.serving import Served, serving


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def block(page: httpx.Response) -> dict[str, Any]:
    """What the page's script starts from."""
    found = re.search(r'<script type="application/json" id="datchat-page">(.*?)</script>', page.text, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


async def test_the_chat_arrives_with_the_newest_messages(served: Served) -> None:
    """And the cursor to join with, the rooms, and who one is: all that the first paint needs."""
    alice = await served.browser("alice")
    for number in range(52):
        sent = {"nonce": f"n{number}", "text": f"text {number}"}
        assert (await alice.post("/api/v1/rooms/lobby/entries", json=sent)).status_code == 201
    page = await alice.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    content = block(page)
    me = (await alice.get("/api/v1/me")).json()
    view = (await alice.get("/api/v1/rooms/lobby/messages")).json()
    assert content == {
        "me": {"id": me["id"], "name": "alice"},
        "node": {"name": "web7", "addresses": ["10.0.0.7"]},
        "csrf": me["csrf_token"],
        "room": "lobby",
        "rooms": (await alice.get("/api/v1/rooms")).json(),
        "view": view,
        "members": [],
        "count": 0,
        "limits": {"text": 4000},
        "nonce_window_ms": 600_000,
        "store": {"state": "ok", "master": None, "copies": 1, "since_ms": 0},
    }
    assert [message["text"] for message in view["messages"]] == [f"text {number}" for number in range(2, 52)]
    assert view["more"] is True


async def test_nothing_typed_becomes_markup(served: Served) -> None:
    """Neither a message nor a name nor a title can leave the block or the text it stands in."""
    evil = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>\u2028&amp;{{ 7*7 }}"
    alice = await served.browser("<b>alice")
    await alice.post("/api/v1/rooms/lobby/entries", json={"nonce": "n", "text": evil})
    await alice.post("/api/v1/rooms", json={"id": "x", "title": "<svg onload=alert(1)>"})
    page = await alice.get("/")
    assert block(page)["view"]["messages"][0]["text"] == evil
    for markup in ("<script>alert", "<img src=x", "<svg onload", "<b>alice", "<!--<"):
        assert markup not in page.text
    assert "{{ 7*7 }}" in page.text


async def test_a_room_has_a_page_and_is_opened_again(served: Served) -> None:
    """``/`` opens the room that was open last, by its page or by the script's call; the lobby where that is gone."""
    alice = await served.browser("alice")
    for name in ("garden", "orchard"):
        await alice.post("/api/v1/rooms", json={"id": name, "title": name})
    assert block(await alice.get("/"))["room"] == "lobby"
    assert block(await alice.get("/rooms/garden"))["room"] == "garden"
    assert block(await alice.get("/"))["room"] == "garden"
    await alice.get("/api/v1/rooms/orchard/messages")
    assert block(await alice.get("/"))["room"] == "orchard"
    for gone in ("nowhere", "no room", "..", ""):
        headers = {"cookie": f"datchat_session={alice.cookies['datchat_session']}; datchat_room={gone}"}
        assert block(await alice.get("/", headers=headers))["room"] == "lobby"


async def test_rooms_that_have_no_page(served: Served) -> None:
    """404 for one that is not, 403 for one that does not let in: told on a page."""
    alice, bob = await served.browser("alice"), await served.browser("bob")
    await bob.post("/api/v1/rooms", json={"id": "den", "title": "Den", "private": True})
    for room, status in (("nowhere", 404), ("No", 404), ("den", 403), ("%00", 404), ("%ED%A0%80", 404)):
        answer = await alice.get(f"/rooms/{room}")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f">{status}<" in answer.text


async def test_the_cluster_has_a_page(served: Served) -> None:
    """It names the node and the store's state, to who is signed in."""
    alice = await served.browser("alice")
    page = await alice.get("/cluster")
    assert page.status_code == 200
    assert "web7" in page.text
    assert "10.0.0.7" in page.text
    asked = await served.client().get("/cluster")
    assert asked.headers["location"] == "/auth/sign_in?return_to=%2Fcluster"


async def test_an_unavailable_store_is_told_on_a_page() -> None:
    """503 with Retry-After, and the reason as a sentence."""
    backend = MemoryBackend()
    async with serving(backend, Limits(drain_s=0, session_grace_s=0)) as served:
        alice = await served.browser("alice")
        backend.accounts.session = _away  # type: ignore[method-assign]
        answer = await alice.get("/")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "The store is away." in answer.text


async def _away(session_id: str, now: int) -> Any:
    raise Unavailable("the store is away")


# Headers


async def test_every_answer_has_the_headers_that_protect_it(served: Served) -> None:
    """Pages, API, errors, static files and health alike; and only static files may be kept."""
    alice = await served.browser("alice")
    paths = ["/", "/auth/sign_in", "/nothing", "/api/v1/me", "/api/v1/nothing", "/api/docs", "/static/favicon.svg"]
    for path in [*paths, "/static/nothing", "/healthz", "/readyz", "/metrics", "/ws"]:
        headers = (await alice.get(path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers
        assert headers["cache-control"] == ("no-cache" if path == "/static/favicon.svg" else "no-store"), path


async def test_the_net_gives_headers_too(served: Served) -> None:
    """What nobody foresaw is a 500 without a word of what it was, with the same headers."""
    alice = await served.browser("alice")
    served.node.rooms.standings = _bug  # type: ignore[method-assign, assignment]
    answer = await alice.get("/api/v1/rooms")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def _bug(user_id: str) -> Any:
    raise RuntimeError("a secret detail")


async def test_pages_have_nothing_inline(served: Served) -> None:
    """The policy forbids inline scripts and styles: no page has one."""
    alice = await served.browser("alice")
    for path in ("/", "/cluster", "/nothing", "/api/docs"):
        page = (await alice.get(path)).text
        scripts = re.findall(r"<script\b[^>]*>", page)
        assert all("src=" in tag or 'type="application/json"' in tag for tag in scripts)
        assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:", page)


# Static files


async def test_a_page_s_files_may_be_kept_for_good(served: Served) -> None:
    """They are named by a hash over all of them; every one that a page names is there."""
    page = (await (await served.browser("alice")).get("/api/docs")).text
    urls = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert urls
    client = served.client()
    for url in urls:
        answer = await client.get(url)
        assert answer.status_code == 200, url
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        bare = await client.get(re.sub(r"/static/[0-9a-f]{12}/", "/static/", url))
        old = await client.get(re.sub(r"/static/[0-9a-f]{12}/", "/static/000000000000/", url))
        for other in (bare, old):
            assert (other.content, other.headers["cache-control"]) == (answer.content, "no-cache")


async def test_static_files_are_asked_for_again_by_etag(served: Served) -> None:
    """304 while unchanged; and gzip where it is taken and saves something."""
    client = served.client()
    path = "/static/css/reference.css"
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    async with client.stream("GET", path, headers={"accept-encoding": "br, gzip;q=0.5"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["etag"] != plain.headers["etag"]
    refused = await client.get(path, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers
    for tag in (plain.headers["etag"], f'"x", W/{plain.headers["etag"]}', "*"):
        same = await client.get(path, headers={"accept-encoding": "identity", "if-none-match": tag})
        assert (same.status_code, same.content) == (304, b"")
    other = await client.get(path, headers={"accept-encoding": "identity", "if-none-match": '"x"'})
    assert other.status_code == 200
    assert plain.headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("name", ["", "/", "../pages.py", "%2e%2e/pages.py", "css", "css/", "\\x", "a" * 3000])
async def test_only_static_files_are_served(served: Served, name: str) -> None:
    """No folder, nothing outside."""
    answer = await served.client().get(httpx.URL(f"{served.url}/static/{name}"))
    assert answer.status_code == 404


# Paths and methods


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/auth", 404),
        ("GET", "//evil.example", 404),
        ("POST", "/", 405),
        ("PUT", "/auth/sign_in", 405),
        ("GET", "/auth/sign_out", 405),
        ("DELETE", "/api/v1/me", 405),
        ("OPTIONS", "/api/v1/rooms", 405),
        ("TRACE", "/api/v1/rooms", 405),
        ("BREW", "/api/v1/rooms", 405),
        ("GET", "/api", 404),
        ("GET", "/api/v1/rooms/", 404),
        ("POST", "/readyz", 405),
        ("POST", "/static/favicon.svg", 405),
        ("GET", "/ws", 426),
    ],
)
async def test_what_is_not_there(served: Served, method: str, path: str, status: int) -> None:
    """404 and 405, as a page or as JSON, and 405 says what can be done."""
    answer = await served.client().request(method, f"{served.url}{path}")
    if method == "BREW":
        assert answer.status_code in (400, 405)  # httptools knows only the methods that are
        return
    assert answer.status_code == status
    if status == 405:
        assert answer.headers["allow"]
    if path.startswith(("/api", "/static", "/ws", "/readyz")):
        assert set(answer.json()) == {"code", "message"}
    else:
        assert answer.headers["content-type"].startswith("text/html")


async def test_pages_answer_head(served: Served) -> None:
    """With the headers of GET and no body."""
    answer = await served.client().head("/auth/sign_in")
    assert (answer.status_code, answer.content) == (200, b"")

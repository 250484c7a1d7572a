"""Who asks: credentials, sessions, and whose page may open the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datchat.backends.memory import MemoryBackend
from datchat.chat.model import StoreState
from datchat.errors import Unavailable
from datchat.node.grace import Grace
from datchat.ports import Account
from datchat.web.auth import Credential, Doorkeeper, credential, origin_allowed
from datchat.web.tokens import Opened, open_session, session_id
from support.outage import Outage

SECRET = b"a secret of thirty-two bytes, all"
TOKEN = "A" * 42 + "_"
OTHER = "B" * 43
SIGNED = f"{TOKEN}.{'C' * 80}.{OTHER}"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"cookie": f"datchat_session={TOKEN}"}, Credential(TOKEN, True)),
        ({"authorization": f"Bearer {TOKEN}"}, Credential(TOKEN, False)),
        ({"authorization": f"bearer  {TOKEN} "}, Credential(TOKEN, False)),
        ({"authorization": f"Bearer {TOKEN}", "cookie": f"datchat_session={OTHER}"}, Credential(TOKEN, False)),
        ({"authorization": "Basic eDp5", "cookie": f"datchat_session={TOKEN}"}, Credential(TOKEN, True)),
        ({"authorization": "Bearer nonsense", "cookie": f"datchat_session={TOKEN}"}, None),
        ({"authorization": f"Bearer {TOKEN} {TOKEN}"}, None),
        ({"authorization": TOKEN}, None),
        ({"authorization": f"Bearer {SIGNED}"}, Credential(SIGNED, False)),
        ({"cookie": f"datchat_session={SIGNED}"}, Credential(SIGNED, True)),
        ({"cookie": f"datchat_session={TOKEN}.{OTHER}"}, None),
        ({"cookie": f"datchat_session={TOKEN}x"}, None),
        ({"cookie": f"datchat_session={TOKEN[:-1]}"}, None),
        ({"cookie": f"datchat_session={TOKEN[:-1]}é"}, None),
        ({}, None),
    ],
)
def test_a_token_is_read_from_bearer_or_cookie(headers: dict[str, str], found: Credential | None) -> None:
    """The bearer first; one that is not of the form of a token is none."""
    assert credential(headers) == found


@given(st.dictionaries(st.sampled_from(["authorization", "cookie"]), st.text()))
def test_no_header_is_an_error(headers: dict[str, str]) -> None:
    """Whatever is in them."""
    credential(headers)


@given(st.none() | st.text(), st.none() | st.text())
def test_no_origin_is_an_error(origin: str | None, host: str | None) -> None:
    """Whatever it is, and never allowed by chance."""
    allowed = origin_allowed(origin, host)
    assert not allowed or (origin is not None and host is not None and "://" in origin)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://chat.example", "chat.example", True),
        ("https://chat.example", "chat.example", True),
        ("https://Chat.Example", "chat.example", True),
        ("http://chat.example:8081", "chat.example:8081", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8081", True),
        ("http://[::1]:8081", "[::1]:8081", True),
        ("https://chat.example", "chat.example:443", True),
        ("http://chat.example:80", "chat.example", True),
        ("http://chat.example:8082", "chat.example:8081", False),
        ("https://chat.example", "chat.example:80", False),
        ("https://evil.example", "chat.example", False),
        ("https://chat.example.evil", "chat.example", False),
        ("https://evil@chat.example", "chat.example", False),
        ("https://chat.example/", "chat.example", False),
        ("https://chat.example?x", "chat.example", False),
        ("ftp://chat.example", "chat.example", False),
        ("chat.example", "chat.example", False),
        ("https://", "", False),
        ("https://[", "[", False),
        ("null", "null", False),
        ("", "chat.example", False),
        (None, "chat.example", False),
        ("https://chat.example", None, False),
        ("https://friend.example", "chat.example", True),
        ("http://friend.example", "chat.example", False),
    ],
)
def test_a_page_of_the_same_host_or_a_trusted_one_may(origin: str | None, host: str | None, allowed: bool) -> None:
    """With its port, whatever the scheme: a node behind TLS sees http."""
    assert origin_allowed(origin, host, ["https://friend.example/"]) is allowed


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend()
    yield backend
    await backend.close()


async def sign_in(backend: MemoryBackend, *, lifetime_ms: int = 1000) -> Opened:
    account = Account(id="u_1", email="a@b.c", name="a", password_hash="", created_at=0, admin=True)
    await backend.accounts.create(account)
    opened = open_session(SECRET, account, 100, lifetime_ms)
    await backend.accounts.open_session(opened.session)
    return opened


class Times:
    """Clocks that a test moves."""

    def __init__(self) -> None:
        self.now_ms = 100
        self.state = StoreState()

    def wall(self) -> int:
        return self.now_ms

    def door(self, backend: Any, *origins: str, grace_s: float = 60, secret: bytes = SECRET) -> Doorkeeper:
        self.grace = Grace(grace_s, lambda: self.state, lambda: self.now_ms / 1000, self.wall)
        return Doorkeeper(backend.accounts, self.wall, origins, secret=secret, grace=self.grace)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_session_is_found_until_it_ends(backend: MemoryBackend) -> None:
    """By bearer or cookie; not once its time is over, nor once it was ended."""
    session, token = await sign_in(backend)
    times = Times()
    doorkeeper = times.door(backend)
    visit = await doorkeeper.visit(bearer(token))
    assert visit is not None
    assert (visit.session, visit.by_cookie, visit.session.admin) == (session, False, True)
    visit = await doorkeeper.visit({"cookie": f"datchat_session={token}"})
    assert visit is not None
    assert visit.by_cookie
    times.now_ms = 1100
    assert await doorkeeper.visit(bearer(token)) is None
    times.now_ms = 100
    await backend.accounts.end_session(session.id)
    assert await doorkeeper.visit(bearer(token)) is None


async def test_a_token_from_before_they_were_signed_opens_too(backend: MemoryBackend) -> None:
    """It is found through the store, like any other; without the store it says nothing."""
    session, _ = await sign_in(backend)
    await backend.accounts.open_session(replace(session, id=session_id(TOKEN)))
    outage = Outage(backend)
    doorkeeper = Times().door(outage)
    visit = await doorkeeper.visit(bearer(TOKEN))
    assert visit is not None
    assert visit.session.user == session.user
    outage.begin()
    with pytest.raises(Unavailable):
        await doorkeeper.visit(bearer(TOKEN))


async def test_the_socket_opens_to_a_session_and_its_own_pages(backend: MemoryBackend) -> None:
    """401 without a session; by cookie 403 for another host's page or none; a bearer token needs no origin."""
    session, token = await sign_in(backend)
    doorkeeper = Times().door(backend, "https://friend.example")
    cookie, host = f"datchat_session={token}", "chat.example"
    assert await doorkeeper.admit({}) == 401
    assert await doorkeeper.admit({"authorization": f"Bearer {token}"}) == session
    assert await doorkeeper.admit({"authorization": f"Bearer {OTHER}"}) == 401
    assert await doorkeeper.admit({"cookie": cookie, "host": host, "origin": "https://chat.example"}) == session
    assert await doorkeeper.admit({"cookie": cookie, "host": host, "origin": "https://friend.example"}) == session
    assert await doorkeeper.admit({"cookie": cookie, "host": host, "origin": "https://evil.example"}) == 403
    assert await doorkeeper.admit({"cookie": cookie, "host": host, "origin": "null"}) == 403
    assert await doorkeeper.admit({"cookie": cookie, "host": host}) == 403
    dead = f"datchat_session={OTHER}"
    assert await doorkeeper.admit({"cookie": dead, "host": host, "origin": "https://chat.example"}) == 401


# While the store is away


async def test_a_signed_session_is_honoured_while_the_store_is_away(backend: MemoryBackend) -> None:
    """For as long as the setting allows from the first question that was left unanswered; an answer begins it anew."""
    session, token = await sign_in(backend, lifetime_ms=10**6)
    outage, times = Outage(backend), Times()
    doorkeeper = times.door(outage, grace_s=60)
    outage.begin()
    assert await doorkeeper.admit(bearer(token)) == session
    times.now_ms += 59_999
    assert await doorkeeper.admit(bearer(token)) == session
    times.now_ms += 1
    with pytest.raises(Unavailable):
        await doorkeeper.admit(bearer(token))
    outage.end()
    assert await doorkeeper.admit(bearer(token)) == session
    outage.begin()
    assert await doorkeeper.admit(bearer(token)) == session


async def test_the_stores_own_word_on_when_it_went_away_counts(backend: MemoryBackend) -> None:
    """A node that nobody visited for a while does not begin to count at the first visit."""
    _, token = await sign_in(backend, lifetime_ms=10**6)
    outage, times = Outage(backend), Times()
    doorkeeper = times.door(outage, grace_s=60)
    outage.begin()
    times.state = StoreState(state="failing_over", since_ms=times.now_ms)
    times.now_ms += 60_000
    with pytest.raises(Unavailable):
        await doorkeeper.admit(bearer(token))


async def test_a_grace_of_nothing_honours_nobody(backend: MemoryBackend) -> None:
    """0 turns it off."""
    _, token = await sign_in(backend)
    outage = Outage(backend)
    doorkeeper = Times().door(outage, grace_s=0)
    outage.begin()
    with pytest.raises(Unavailable):
        await doorkeeper.admit(bearer(token))


async def test_a_store_that_hangs_is_not_waited_for(backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would be honoured without it gets in after a moment; who would not waits for its word."""
    session, token = await sign_in(backend)
    outage = Outage(backend)
    outage.hang()
    monkeypatch.setattr("datchat.web.auth.ASK_S", 0.02)
    assert await Times().door(outage).admit(bearer(token)) == session
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Times().door(outage, grace_s=0).admit(bearer(token))


async def test_only_this_sites_signature_counts(backend: MemoryBackend) -> None:
    """Another secret's token, or one whose claims were changed, is not honoured."""
    _, token = await sign_in(backend)
    outage = Outage(backend)
    outage.begin()
    with pytest.raises(Unavailable):
        await Times().door(outage, secret=b"another secret of thirty-two bytes").admit(bearer(token))
    with pytest.raises(Unavailable):
        await Times().door(outage).admit(bearer(f"{OTHER}{token[43:]}"))


async def test_a_session_past_its_time_is_not_honoured(backend: MemoryBackend) -> None:
    """The token says when it ends."""
    _, token = await sign_in(backend, lifetime_ms=1000)
    outage, times = Outage(backend), Times()
    outage.begin()
    times.now_ms = 1100
    with pytest.raises(Unavailable):
        await times.door(outage).admit(bearer(token))


async def test_a_session_that_was_heard_to_end_is_not_honoured(backend: MemoryBackend) -> None:
    """Whether by a signal, or because the store did not know it."""
    opened = await sign_in(backend)
    outage, times = Outage(backend), Times()
    doorkeeper = times.door(outage)
    times.grace.ended(opened.session.id)
    outage.begin()
    with pytest.raises(Unavailable):
        await doorkeeper.admit(bearer(opened.token))

    outage.end()
    await backend.accounts.end_session(opened.session.id)
    doorkeeper = times.door(outage)
    assert await doorkeeper.admit(bearer(opened.token)) == 401
    outage.begin()
    with pytest.raises(Unavailable):
        await doorkeeper.admit(bearer(opened.token))

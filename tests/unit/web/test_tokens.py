"""Sessions' tokens: opaque, signed, short enough for a cookie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.ports import Account
from datchat.web.people import MAX_NAME
from datchat.web.tokens import MAX_TOKEN, SKEW_MS, open_session, session_id, signed_session, well_formed

SECRET = b"a secret of thirty-two bytes, all"
YEARS_MS = 10 * 365 * 86_400_000


def account(name: str = "alice", *, admin: bool = False) -> Account:
    return Account(id="u_0123456789abcdef", email="a@b.c", name=name, password_hash="", created_at=0, admin=admin)


def test_the_store_never_holds_a_token() -> None:
    """Its SHA-256 in hex, and no two tokens are alike."""
    first, second = open_session(SECRET, account(), 1, 1), open_session(SECRET, account(), 1, 1)
    assert first.token != second.token
    assert first.session.id == session_id(first.token)
    assert session_id("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("admin", [False, True])
def test_a_token_tells_its_session(admin: bool) -> None:
    """User, name, admin, and both times."""
    session, token = open_session(SECRET, account("Ålice \N{ROBOT FACE}", admin=admin), 1000, 500)
    assert signed_session(SECRET, token, 1200) == session
    assert (session.created_at, session.expires_at, session.admin) == (1000, 1500, admin)


def test_a_token_counts_in_its_time_only() -> None:
    """Not from its end on; before its beginning as far as two nodes' clocks may be apart."""
    session, token = open_session(SECRET, account(), SKEW_MS + 1000, 500)
    assert signed_session(SECRET, token, session.expires_at - 1) is not None
    assert signed_session(SECRET, token, session.expires_at) is None
    assert signed_session(SECRET, token, 1000) is not None
    assert signed_session(SECRET, token, 999) is None


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=MAX_NAME))
def test_every_name_fits(name: str) -> None:
    """A token is a cookie's value as it stands, and shorter than 400 characters, also where -123 was appended."""
    for shown in (name, "\N{ROBOT FACE}" * MAX_NAME):
        token = open_session(SECRET, account(f"{shown}-12345", admin=False), YEARS_MS * 5, YEARS_MS).token
        assert len(token) < MAX_TOKEN
        assert well_formed(token)


@given(st.integers(0, 10_000), st.characters(codec="utf-8"))
def test_a_changed_token_is_nobodys(place: int, instead: str) -> None:
    """Whichever character was changed, and to what."""
    token = open_session(SECRET, account(), 1000, 500).token
    at = place % len(token)
    if token[at] != instead:
        assert signed_session(SECRET, token[:at] + instead + token[at + 1 :], 1200) is None


@given(st.text())
def test_no_token_is_an_error(token: str) -> None:
    """Whatever it is."""
    assert signed_session(SECRET, token, 1200) is None
    well_formed(token)

"""Cookies, in and out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.web.cookies import MAX_HEADER, Flash, cookie, open_flashes, seal_flashes, set_cookie

SECRET = b"s" * 32
flashes = st.lists(
    st.builds(Flash, st.sampled_from(["info", "error"]), st.text(st.characters(exclude_categories=["Cs"])))
)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("a=1", "1"),
        ("b=2; a=1", "1"),
        ("b=2;a=1;", "1"),
        ("a=1; a=2", "1"),
        ('a="1"', "1"),
        ('a="', '"'),
        ("a=", ""),
        ("a=x=y", "x=y"),
        (" a = 1 ", "1"),
        ("", None),
        ("a", None),
        ("A=1", None),
        ("aa=1; ba=1", None),
        (";;=;=a", None),
        ("b=" + "x" * MAX_HEADER + "; a=1", None),
    ],
)
def test_a_cookie_is_found_by_its_name(header: str, value: str | None) -> None:
    """The first of it; what is odd is none."""
    assert cookie(header, "a") == value


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    """Whatever a browser sends."""
    assert cookie(header, "a") is None or "a" in header
    assert open_flashes(SECRET, header) == []


@given(flashes)
def test_flashes_come_back_as_they_went(sent: list[Flash]) -> None:
    """Through the browser, in characters that a cookie may have."""
    value = seal_flashes(SECRET, sent)
    assert value.isascii()
    assert not set(value) & set(' ",;\\')
    assert open_flashes(SECRET, value) == sent
    assert cookie(f"datchat_flash={value}", "datchat_flash") == value


def test_flashes_of_another_hand_are_none() -> None:
    """Changed, unsigned or signed with another secret."""
    value = seal_flashes(SECRET, [Flash("info", "hello")])
    other = seal_flashes(b"o" * 32, [Flash("info", "hello")])
    body, _, signature = value.partition(".")
    for forged in (None, "", body, f"{body}.", f"{body}.{signature[:-1]}", f".{signature}", f"x{value}", other):
        assert open_flashes(SECRET, forged) == []


def test_cookies_are_out_of_reach_of_scripts_and_other_sites() -> None:
    """HttpOnly and SameSite always, Secure behind TLS."""
    assert set_cookie("a", "1", secure=False, max_age_s=60) == "a=1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    assert set_cookie("a", "", secure=True, max_age_s=0) == "a=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"

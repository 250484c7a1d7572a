"""CSRF tokens."""

from __future__ import annotations

from datchat.web import csrf

SECRET, OTHER = b"s" * 32, b"o" * 32


def test_a_token_is_of_its_secret_purpose_and_value() -> None:
    """The same again for the same; another when anything differs."""
    token = csrf.session_token(SECRET, "id")
    assert token == csrf.session_token(SECRET, "id")
    others = {
        csrf.session_token(SECRET, "ie"),
        csrf.session_token(OTHER, "id"),
        csrf.visitor_token(SECRET, "id"),
        csrf.visitor_token(OTHER, "id"),
    }
    assert len(others) == 4
    assert token not in others


def test_only_the_whole_token_matches() -> None:
    """Neither a part nor nothing nor odd characters."""
    token = csrf.session_token(SECRET, "id")
    assert csrf.matches(token, token)
    for given in (None, "", token[:-1], token + "x", token.upper(), "é", "\ud800"):
        assert not csrf.matches(given, token)


def test_a_visitor_is_random_and_of_a_fixed_form() -> None:
    """Anything else that stands in the cookie is not taken up."""
    first, second = csrf.new_visitor(), csrf.new_visitor()
    assert first != second
    assert csrf.well_formed_visitor(first)
    for value in (None, "", "x", first + "x", first[:-1] + "é", first[:-1] + "\n"):
        assert not csrf.well_formed_visitor(value)

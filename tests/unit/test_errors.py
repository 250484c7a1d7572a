"""The tree of errors and the table of codes: what clients, tools and operators rely on."""

from __future__ import annotations

import inspect
import re

import pytest

from datchat import errors
from datchat.errors import BackendError, ClientError, CloseCode, DatChatError, RateLimited

CODES = {
    "BadCommand": ("bad_command", 422),
    "Invalid": ("bad_command", 422),
    "TooLarge": ("too_large", 422),
    "Empty": ("empty", 422),
    "StaleNonce": ("stale_nonce", 409),
    "NoSuchRoom": ("no_such_room", 404),
    "NoSuchEntry": ("no_such_entry", 404),
    "NoSuchUser": ("no_such_user", 404),
    "NotAMember": ("not_a_member", 403),
    "Forbidden": ("forbidden", 403),
    "Taken": ("taken", 409),
    "Unauthenticated": ("unauthenticated", 401),
    "WrongCredentials": ("wrong_credentials", 401),
    "RateLimited": ("rate_limited", 429),
    "Unavailable": ("unavailable", 503),
    "Indeterminate": ("unavailable", 503),
}


def classes() -> dict[str, type[Exception]]:
    """Every error of the module, by name."""
    return {
        name: member
        for name, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, Exception) and member.__module__ == errors.__name__
    }


def test_codes_and_statuses() -> None:
    """Each error that a client may see has its code and its HTTP status."""
    told = {
        name: (cls.code, cls.status) for name, cls in classes().items() if issubclass(cls, ClientError | BackendError)
    }
    told = {name: pair for name, pair in told.items() if name not in ("ClientError", "BackendError")}

    assert told == CODES


def test_only_waiting_helps_where_retry_is_set() -> None:
    """Too many and a store that can't are worth another try; nothing else is."""
    retried = {name for name, cls in classes().items() if issubclass(cls, ClientError | BackendError) and cls.retry} - {
        "BackendError"
    }

    assert retried == {"RateLimited", "Unavailable", "Indeterminate"}
    assert RateLimited("slow down", 1500).retry_after_ms == 1500


def test_the_docstring_shows_every_error() -> None:
    """The tree at the top of the module names every class, so nobody has to search for one."""
    tree = set(re.findall(r"\b[A-Z]\w+", (errors.__doc__ or "").split("::", 1)[1].split("The codes", 1)[0]))

    assert set(classes()) <= tree


def test_everything_descends_from_one_error() -> None:
    """Whoever catches DatChatError catches everything of this package."""
    assert all(issubclass(cls, DatChatError) for cls in classes().values())


@pytest.mark.parametrize("code", CloseCode)
def test_close_codes_below_4500_invite_back(code: CloseCode) -> None:
    """4000 to 4499 mean: come again; 4500 to 4999: don't."""
    assert code.reconnect == (code < 4500)
    assert code < 4000 or 4000 <= code <= 4999

"""What Redis' errors come out as: definite, indefinite, or the operator's."""

from __future__ import annotations

import socket

import pytest

from datchat.backends.redis.faults import ReplyFault, passing, refused, translate
from datchat.backends.redis.url import Address
from datchat.errors import ConfigurationError, Indeterminate, Unavailable

AT = Address("h", 1)


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("WRONGPASS invalid username-password pair or user is disabled.", ConfigurationError, "is wrong for h:1"),
        ("NOAUTH Authentication required.", ConfigurationError, "wants a password"),
        ("DENIED Redis is running in protected mode", ConfigurationError, "protected mode"),
        ("ERR unknown command `HELLO`, with args", ConfigurationError, "6.2 or later"),
        ("ERR DB index is out of range", ConfigurationError, "no database"),
        ("ERR max number of clients reached", Unavailable, "no further connections"),
        ("LOADING Redis is loading the dataset in memory", Unavailable, "LOADING"),
        ("READONLY You can't write against a read only replica.", Unavailable, "READONLY"),
        ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable, "out of memory"),
        ("MISCONF Redis is configured to save RDB snapshots", Unavailable, "disk"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", Unavailable, "ACL"),
        ("ERR The user executing the script can't run this command or subcommand", Unavailable, "ACL"),
        (
            "ERR Error running script (call to f_ab): @user_script:7: @user_script: 7: -OOM command not allowed",
            Unavailable,
            "out of memory",
        ),
        ("ERR something else", Indeterminate, "something else"),
    ],
)
def test_an_error_reply_has_a_meaning(text: str, kind: type[Exception], sentence: str) -> None:
    """An error reply did nothing, but for a script that failed for a reason of its own."""
    error = translate(ReplyFault(text), AT, sent=True)
    assert type(error) is kind
    assert sentence in str(error)


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError("lost"), ConnectionRefusedError(111, "refused")])
def test_a_broken_connection_is_definite_only_before_anything_was_sent(error: Exception) -> None:
    """Afterwards nobody knows what arrived."""
    assert type(translate(error, AT, sent=False)) is Unavailable
    assert type(translate(error, AT, sent=True)) is Indeterminate
    assert "h:1" in str(translate(error, AT, sent=False))


def test_an_unknown_name_is_said_in_words() -> None:
    """The resolver has numbers of its own, of which the system knows no names."""
    error = socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
    assert "can't be reached (No address associated with hostname)" in str(translate(error, AT, sent=False))


def test_our_own_errors_stay_what_they_are() -> None:
    """A translation of a translation changes nothing."""
    for error in (Unavailable("x"), Indeterminate("x"), ConfigurationError("x")):
        assert translate(error, AT, sent=True) is error


@pytest.mark.parametrize("code", ["READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED", "BUSY"])
def test_what_passes_is_tried_again(code: str) -> None:
    """These say that the same may well be done in a moment; a full memory does not pass in time."""
    assert passing(ReplyFault(f"{code} for now"))
    assert not passing(ReplyFault("OOM for longer"))
    assert not passing([b"no error"])


def test_a_wrapped_code_of_an_old_redis_is_found() -> None:
    """Before version 7 what a script ran into stood within its own error."""
    wrapped = "ERR Error running script (call to f_ab): @user_script:1: @user_script: 1: -READONLY You can't write"
    assert passing(ReplyFault(wrapped))
    assert type(refused(ReplyFault("ERR Error running script (call to f_ab): nil"))) is Indeterminate

"""Errors as HTTP tells them."""

from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException

from datchat import errors
from datchat.errors import BackendError, ClientError, Indeterminate, Invalid, RateLimited, Unavailable, WrongCredentials
from datchat.web.problems import BodyTooLarge, json_problem, problem_of


def every(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(deeper for inner in kind.__subclasses__() for deeper in every(inner))]


@pytest.mark.parametrize("kind", [*every(ClientError), *every(BackendError)], ids=lambda kind: kind.__name__)
def test_every_error_has_code_status_and_sentence(kind: type[Exception]) -> None:
    """4xx for the caller's fault, 503 with Retry-After for the store's."""
    arguments = {RateLimited: ("slower", 1500), Invalid: ("name", "a name is needed")}.get(kind, ("a sentence",))
    status, problem, headers = problem_of(kind(*arguments))
    assert status == 503 if issubclass(kind, BackendError) else 400 <= status < 500
    assert problem["code"].isidentifier()
    assert problem["message"] == arguments[-1] if kind is not RateLimited else arguments[0]
    assert ("retry-after" in headers) is (status in (429, 503))
    assert ("www-authenticate" in headers) is (status == 401)


def test_the_protocol_s_codes_have_their_statuses() -> None:
    """As the table of the protocol gives them."""
    assert problem_of(errors.Taken("x"))[0] == 409
    assert problem_of(WrongCredentials("x"))[0] == 401
    assert problem_of(errors.NotAMember("x"))[0] == 403
    assert problem_of(errors.BadCommand("x"))[0] == 422
    assert problem_of(BodyTooLarge("x"))[0] == 413
    for doubt in (Unavailable("x"), Indeterminate("x")):
        assert problem_of(doubt)[1] == {"code": "unavailable", "message": "x"}


def test_an_unforeseen_error_tells_nothing_of_itself() -> None:
    """Its text may be anybody's secret."""
    response = json_problem(ValueError("secret"))
    assert response.status_code == 500
    assert json.loads(response.body)["code"] == "internal"
    assert b"secret" not in response.body


def test_what_a_library_says_is_told_in_our_form() -> None:
    """404 and 405 with their own codes and headers."""
    status, problem, headers = problem_of(HTTPException(405, headers={"Allow": "GET"}))
    assert (status, problem["code"], headers) == (405, "method_not_allowed", {"Allow": "GET"})


def test_no_sentence_breaks_the_json() -> None:
    """Half characters and controls, which a caller's own words may hold, are shown as replaced."""
    response = json_problem(errors.BadCommand("a\ud800\x00b"))
    assert json.loads(response.body)["message"] == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"

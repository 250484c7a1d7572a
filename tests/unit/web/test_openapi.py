"""The API's description as a document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from datchat.web import api, openapi


def described() -> dict[str, Any]:
    site = FastAPI(generate_unique_id_function=lambda route: route.name)
    site.include_router(api.router)
    return openapi.document(site)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def test_every_reference_leads_somewhere() -> None:
    """And every value that is described is used."""
    document = described()
    names = {node["$ref"].removeprefix("#/components/schemas/") for node in nodes(document) if "$ref" in node}
    assert names == set(document["components"]["schemas"])


def test_patterns_are_javascript_s() -> None:
    """Python's ``\\Z`` is unknown there."""
    patterns = [node["pattern"] for node in nodes(described()) if isinstance(node.get("pattern"), str)]
    assert len(patterns) > 5
    for pattern in patterns:
        assert r"\Z" not in pattern
        assert re.compile(pattern)


def test_every_call_says_how_it_is_called_and_how_it_fails() -> None:
    """A name, a summary, who may, and errors in the one form that errors have."""
    calls = [(path, call) for path, methods in described()["paths"].items() for call in methods.values()]
    assert len({call["operationId"] for _, call in calls}) == len(calls) == 14
    for path, call in calls:
        assert call["summary"]
        assert ("security" in call) is (path not in ("/api/v1/accounts", "/api/v1/sessions"))
        for status, answer in call["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        if call.get("security"):
            assert "401" in call["responses"]
        if "requestBody" in call:
            assert {"408", "413", "415", "422"} <= set(call["responses"])

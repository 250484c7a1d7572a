"""Schemathesis drives the API from its own description: no 5xx, and every answer as the description says."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from datchat.web import api, openapi
from support.serving import Served, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
EXAMPLES = 40
Operation = APIOperation[Any, Any, Any, Any]


def document() -> dict[str, Any]:
    site = FastAPI(generate_unique_id_function=lambda route: route.name)
    site.include_router(api.router)
    return openapi.document(site)


def operations(described: dict[str, Any]) -> list[Operation]:
    return [found.ok() for found in schemathesis.openapi.from_dict(described).get_all_operations()]


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "signed out"])
@pytest.mark.parametrize("operation", operations(document()), ids=lambda operation: operation.label)
async def test_the_api_does_what_it_says(operation: Operation, signed_in: bool) -> None:
    """With what the description allows and with what it forbids, each call answers as described."""
    async with serving() as served:
        alice = await resident(served)
        await drive(served, operation, {"authorization": alice.headers["authorization"]} if signed_in else {})
        assert 'status="5' not in (await alice.get("/metrics")).text


async def test_an_answer_that_is_not_as_described_is_found() -> None:
    """A description with a field that no answer has: the drive fails."""
    described = document()
    described["components"]["schemas"]["Me"]["required"].append("shoe_size")
    operation = next(found for found in operations(described) if found.path == "/api/v1/me")
    async with serving() as served:
        alice = await resident(served)
        with pytest.raises(FailureGroup, match="shoe_size"):
            await drive(served, operation, {"authorization": alice.headers["authorization"]})


async def resident(served: Served) -> httpx.AsyncClient:
    """Somebody with a private room of their own, in which something was said."""
    alice = await served.person()
    await alice.post("/api/v1/rooms", json={"id": "den", "title": "Den", "private": True})
    for number in range(3):
        await alice.post("/api/v1/rooms/den/entries", json={"nonce": f"n{number}", "text": "hello"})
    return alice


async def drive(served: Served, operation: Operation, headers: dict[str, str]) -> None:
    """Send what the description allows, what it forbids, and what it allows in a room that is there."""
    cases = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)
    if "{room}" in operation.path:
        home = {"room": "den", "user": "u_1"} if "{user}" in operation.path else {"room": "den"}
        cases |= operation.as_strategy(GenerationMode.POSITIVE, path_parameters=home)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def send(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=served.url, headers=headers, checks=CHECKS, timeout=20)

    await asyncio.to_thread(send)

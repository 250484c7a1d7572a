"""The OpenAPI document, made from the routes and the structs of ``schema``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from datchat import __version__
from datchat.web import schema
from datchat.web.problems import JSON

DESCRIPTION = """\
Everything that the chat's page does over HTTP. Sign in with `POST /api/v1/sessions` and send the token as
`Authorization: Bearer …`; with the cookie instead, calls that change something also need the `X-CSRF-Token` header,
whose value `GET /api/v1/me` tells. Errors are `{"code","message"}`. Entries also come live through the socket at `/ws`,
which speaks `datchat.1`.
"""
SIGNED_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
_REF = "#/components/schemas/{name}"


def answers(ok: dict[int, Any], *problems: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's ``responses``: what a call answers when it goes well (status to type), and how it can fail."""
    told: dict[int | str, dict[str, Any]] = {}
    for status, form in ok.items():
        told[status] = {"description": HTTPStatus(status).phrase}
        if form is not None:
            told[status]["content"] = {JSON: {"schema": _schema(form)}}
    for status in problems:
        told[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: {"schema": _schema(schema.Problem)}},
        }
    return told


def takes(form: type[Any], **more: Any) -> dict[str, Any]:
    """FastAPI's ``openapi_extra`` for a call with a JSON body."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": _schema(form)}}}, **more}


def document(site: FastAPI) -> dict[str, Any]:
    """The whole document."""
    made = get_openapi(title="Dat Chat", version=__version__, description=DESCRIPTION, routes=site.routes)
    _, components = msgspec.json.schema_components((*schema.IN, *schema.OUT), ref_template=_REF)
    made["components"] = {
        "schemas": _ecmascript(components),
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "datchat_session"},
        },
    }
    return made


def _schema(form: Any) -> dict[str, Any]:
    (told,), _ = msgspec.json.schema_components((form,), ref_template=_REF)
    return told


def _ecmascript(value: Any) -> Any:
    """Patterns as JSON Schema has them (ECMA-262): there ``$`` is what Python writes as ``\\Z``."""
    if isinstance(value, dict):
        return {
            key: inner.replace(r"\Z", "$") if key == "pattern" else _ecmascript(inner) for key, inner in value.items()
        }
    return [_ecmascript(inner) for inner in value] if isinstance(value, list) else value

"""docs/protocol.md says what the code does: commands, pushes, refusals, close codes, paths, limits, the chain."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, get_args

import msgspec
import pytest

from datchat.backends.memory import MemoryBackend
from datchat.chat import wire
from datchat.chat.chain import extend
from datchat.chat.model import GENESIS, Kind
from datchat.errors import BackendError, ClientError, CloseCode
from datchat.node.lifecycle import Node
from datchat.web import api_log, problems
from datchat.web.site import SiteOptions, create_site
from docs.documents import block, code, rows, section, text

PROTOCOL = text("docs/protocol.md")
HTTP_ONLY = {"no_such_user", "taken", "unauthenticated", "wrong_credentials"}
"""Codes of errors.py that no command can bring about."""


def subclasses(base: type[Any]) -> set[type[Any]]:
    """All classes below one."""
    return {base} | {cls for child in base.__subclasses__() for cls in subclasses(child)}


def optional(cls: type[Any], field: str) -> bool:
    """Whether a command may do without a field."""
    (info,) = (info for info in msgspec.structs.fields(cls) if info.name == field)
    return not info.required


def test_commands() -> None:
    """Each command with its fields, those marked with ``?`` that may be missing, and no other."""
    documented = {}
    for kind, fields, _ in rows(section(PROTOCOL, "Commands")):
        bare = re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", fields)
        documented[code(kind)[0]] = {name: bool(mark) for name, mark in re.findall(r"`(\w+)`(\?)?", bare)}
    known = {
        cls.__struct_config__.tag: {name: optional(cls, name) for name in cls.__struct_fields__ if name != "id"}
        for cls in wire.Command.__subclasses__()
    }

    assert documented == known


def test_refusals() -> None:
    """Each code that a refusal can have, with whether a retry helps."""
    documented = {code(kind)[0]: retry.startswith("yes") for kind, retry, _ in rows(section(PROTOCOL, "Refusals"))}
    known = {
        cls.code: cls.retry
        for cls in subclasses(ClientError) | subclasses(BackendError)
        if cls.__module__ == "datchat.errors"
    }

    assert documented == {name: retry for name, retry in known.items() if name not in HTTP_ONLY}


def test_codes_of_http() -> None:
    """Each further code of the API with its status."""
    documented = {
        code(cells[0])[0]: int(cells[1]) for cells in rows(section(PROTOCOL, "HTTP")) if re.fullmatch(r"\d+", cells[1])
    }
    known = {cls.code: cls.status for cls in subclasses(ClientError) if cls.code in HTTP_ONLY}
    known |= {
        cls.code: cls.status
        for cls in subclasses(ClientError)
        if cls.__module__ == problems.__name__ and cls.code not in ("bad_command", "too_large", "forbidden")
    }
    known |= {name: status for status, name in problems._CODES.items() if name != "too_large"}
    known["internal"] = problems.problem_of(RuntimeError())[0]

    assert documented == known


def test_close_codes() -> None:
    """Each close code with its name."""
    documented = {int(number): name for number, name, _ in rows(section(PROTOCOL, "Closing"))}

    assert documented == {int(code): code.name.lower().replace("_", " ") for code in CloseCode}


def test_pushes() -> None:
    """Each type of push that the wire can make is described."""
    made = set(re.findall(r'"type": "(\w+)"', inspect.getsource(wire))) | {"entry"}
    described = section(PROTOCOL, "Replies and pushes") + section(PROTOCOL, "Refusals")

    assert {push for push in made if f"`{push}`" not in described} == set()


def test_kinds_of_entries() -> None:
    """Each kind of entry is in the table of entries."""
    documented = {code(kind)[0] for kind, _ in rows(section(PROTOCOL, "Entries and the chain"))}

    assert documented == {kind.value for kind in Kind}


@pytest.mark.parametrize(
    "sentence",
    [
        "at most 64 characters",
        f"1 to {wire.MAX_TEXT} characters",
        f"1 to {wire.MAX_EMOJI} bytes",
        f"{wire.MAX_JOIN} at most",
        f"1 to {wire.MAX_JOIN}, 50 unless said",
        f"at most {wire.MAX_NAMED} of those present",
        f"deeper than {wire.MAX_NESTING} levels",
        f"{wire.MAX_FRAME // 1024} KiB",
        f"limit 1 to {api_log.MAX_MESSAGES}, 50 unless said",
        "256 commands under way",
        "1000 rooms",
    ],
)
def test_limits(sentence: str) -> None:
    """Each limit of the code is named with its number."""
    assert sentence in re.sub(r"\s+", " ", PROTOCOL)


def test_limits_of_a_connection() -> None:
    """The numbers in the sentences above are those of the code."""
    from datchat.node import connection

    assert (connection.MAX_UNDER_WAY, connection.MAX_ROOMS, connection.BAD_COMMANDS) == (256, 1000, 20)


def test_the_chain_of_the_example() -> None:
    """The worked example of the chain is right, and each line is an entry as the log keeps it."""
    link = GENESIS
    lines = block(PROTOCOL, "chain-example").splitlines()
    for number, line in enumerate(lines, 1):
        offset, chain, body = line.split(" ", 2)
        link = extend(link, body.encode())
        assert (int(offset), chain) == (number, link)
        assert wire.encode(wire._contents.decode(body.encode())) == body.encode()

    assert len(lines) >= 3
    assert f"printf '%s' '{lines[0].split(' ')[1]}{lines[1].split(' ', 2)[2]}' | sha1sum" in PROTOCOL


def test_json_examples_are_json() -> None:
    """Every example in a JSON block can be parsed."""
    for example in re.findall(r"^```json\n(.*?)^```$", PROTOCOL, re.MULTILINE | re.DOTALL):
        json.loads(example)


async def test_paths() -> None:
    """Every operation of the API's OpenAPI description is in the table of calls, and the table has no other."""
    backend = MemoryBackend()
    node = Node(backend, name="web0")
    site = create_site(node, SiteOptions(secret=b"x" * 32, password_hash="cheap"))
    described = site.openapi()["paths"]
    operations = {
        (method.upper(), path) for path, methods in described.items() for method in methods if method != "parameters"
    }
    documented = {
        (method, path.split("?")[0])
        for cells in rows(section(PROTOCOL, "HTTP"))
        for method, path in re.findall(r"`([A-Z]+) (/api/[^\s`]*)", cells[0])
    }

    assert documented == operations
    await backend.close()


def test_types_of_commands_are_all_served() -> None:
    """The union that the decoder takes has every command."""
    assert set(get_args(wire.AnyCommand)) == set(wire.Command.__subclasses__())

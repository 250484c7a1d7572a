"""Reading bodies strictly."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.errors import BadCommand, Invalid
from datchat.web.bodies import decode_json
from datchat.web.schema import IN, NewMessage, Seen

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    """Never another error."""
    for form in IN:
        with contextlib.suppress(BadCommand):
            assert isinstance(decode_json(body, form), form)


@given(st.sampled_from(["nonce", "text", "reply_to", "age_ms"]), values)
def test_any_value_in_a_field_is_right_or_named(field: str, value: Any) -> None:
    """The refusal names the field, unless the JSON itself is none."""
    body = json.dumps({"nonce": "n", "text": "x", field: value}).encode()
    try:
        decode_json(body, NewMessage)
    except BadCommand as error:
        refusal = error
    else:
        return
    if isinstance(refusal, Invalid):
        assert refusal.field == field
    else:
        assert re.fullmatch(r"not valid JSON|nested deeper than 32 levels|-?\w+ is no JSON", str(refusal))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), max_size=4))
def test_what_is_right_is_read(more: dict[str, int]) -> None:
    """With whatever else stands beside it."""
    assert decode_json(msgspec.json.encode({**more, "offset": 7}), Seen) == Seen(offset=7)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"offset":1,"offset":2}', "a key stands twice in an object"),
        (b'{"offset":1,"x":[{"a":1,"a":1}]}', "a key stands twice in an object"),
        (b'{"offset":NaN}', "NaN is no JSON"),
        (b'{"offset":1,"x":-Infinity}', "-Infinity is no JSON"),
        (b'{"offset":1,"x":' + b"[" * 32 + b"]" * 32 + b"}", "nested deeper than 32 levels"),
        (b"[" * 100_000, "nested deeper than 32 levels"),
        (b'{"offset":1,"x":"\xff"}', "not valid JSON"),
        (b'{"offset":1,"x":"\\ud800"}', "not valid JSON"),
        (b'{"offset":1,"x":"\\udc00x"}', "not valid JSON"),
        (b'{"offset":1', "not valid JSON"),
        (b"", "not valid JSON"),
        (b'{"offset":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"{}", "offset is missing"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, message: str) -> None:
    """In a sentence that is safe to show."""
    with pytest.raises(BadCommand, match="^" + message.replace("[", r"\[") + "$"):
        decode_json(body, Seen)


def test_brackets_in_strings_do_not_nest() -> None:
    """Text is text."""
    body = msgspec.json.encode({"nonce": "n", "text": "[" * 100 + '"' + "{" * 100})
    assert decode_json(body, NewMessage).text.startswith("[[[")

"""JSON within a page."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from datchat.web.templating import embedded_json


@given(
    st.recursive(
        st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("<>&'\"/!-"), inner),
    )
)
def test_embedded_json_reads_the_same_and_holds_no_markup(value: object) -> None:
    """No text can end its block or begin a tag; and the template does not escape it again."""
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")
    assert Environment(autoescape=True).from_string("{{ page }}").render(page=text) == text

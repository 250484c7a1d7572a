"""Jinja2, with everything escaped that a template doesn't say is markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from datchat import __version__
from datchat.web.statics import Statics

FOLDER = Path(__file__).parent / "templates"


class Templates:
    """Renders the pages of one node. ``static("app.css")`` in a template is that file's URL."""

    def __init__(self, statics: Statics, folder: Path = FOLDER) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder), autoescape=True, auto_reload=False, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.globals.update(static=statics.url, version=__version__)

    def render(self, name: str, context: dict[str, Any]) -> str:
        """A page as text."""
        return self._environment.get_template(name).render(context)


def embedded_json(value: Any) -> Markup:
    """
    JSON for a ``<script type="application/json">`` block.

    Whatever could end the block or begin a tag is written as an escape, which JSON reads as the same text
    (OWASP XSS prevention, rule 3.1).
    """
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)

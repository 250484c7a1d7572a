"""The report of a drill: one HTML page that needs nothing else, to keep and to send around."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jinja2
import msgspec
from markupsafe import Markup

from datchat.drills.result import Result
from datchat.drills.series import Series
from datchat.drills.words import sentence

HERE: Final = Path(__file__).parent


def page(result: Result, series: Series, scenario: str) -> str:
    """The page of one drill; ``scenario`` is the paragraph that says what was broken."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        result=result,
        scenario=scenario,
        sentence=sentence(result),
        data=_json({"series": series, "faults": result.faults, "happenings": _marks(result)}),
        style=_file("vendor/uPlot.min.css") + _file("page.css"),
        script=_file("vendor/uPlot.iife.min.js") + "\n" + _file("page.js"),
        plots=_file("vendor/uplot.VERSION").strip(),
    )


def _marks(result: Result) -> list[object]:
    """The happenings that are drawn: a vertical line for each change of the master that a sentinel told."""
    seen: set[tuple[str, int]] = set()
    marks: list[object] = []
    for happening in result.happenings:
        event = happening.what.partition(" ")[0]
        # Every sentinel says it; one line a second is enough.
        if event in _DRAWN and (event, int(happening.at_s)) not in seen:
            seen.add((event, int(happening.at_s)))
            marks.append({"at_s": happening.at_s, "what": _DRAWN[event]})
    return marks


_DRAWN: Final = {"+odown": "down", "+elected-leader": "elected", "+switch-master": "promoted"}


def _json(value: object) -> Markup:
    # Within <script> nothing but "</" and "<!--" could end or change it.
    text = msgspec.json.encode(value).decode().replace("<", "\\u003c")
    return Markup(text)


def _file(name: str) -> Markup:
    return Markup((HERE / name).read_text())

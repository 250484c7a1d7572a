"""
Draws the pictures of the architecture: ``script/pictures`` makes an SVG of every ``*.toml`` beside this file.

The source says what there is and where: boxes, groups around them, lines between them, labels, in pixels. The drawing
brings its own background and colours for light and dark, those of the chat's page, so that it can be read wherever it
is shown. The same source always gives the same bytes.
"""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
STYLE = (HERE / "picture.css").read_text()


class Box(NamedTuple):
    """A rectangle on the picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def draw(source: str) -> str:
    """
    The SVG of a picture.

    Raises:
        KeyError: A line begins or ends at a box that there is not.
    """
    picture = tomllib.loads(source)
    width, height = picture["size"]
    boxes = {box["name"]: Box(*box["at"], *box["size"]) for box in picture["box"]}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="title description">',
        f'<title id="title">{escape(picture["title"])}</title>',
        f'<desc id="description">{escape(picture["description"])}</desc>',
        f"<style>\n{STYLE}</style>",
        _markers(),
        f'<rect class="paper" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="14"/>',
        *(_group(group) for group in picture.get("group", [])),
        *(_line(line, boxes) for line in picture["line"]),
        *(_box(box, boxes[box["name"]]) for box in picture["box"]),
        *(_text(label["at"], label["text"], "label", "middle") for label in picture.get("label", [])),
        *(_legend(legend) for legend in picture["legend"]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _markers() -> str:
    kinds = ("talk", "copy", "watch")
    return "\n".join(
        f'<marker id="{kind}" class="{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M1 1 9 5 1 9z"/></marker>'
        for kind in kinds
    )


def _rectangle(kind: str, place: Box, radius: int) -> str:
    x, y, width, height = place
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}"/>'


def _group(group: dict[str, Any]) -> str:
    place = Box(*group["at"], *group["size"])
    anchor = group.get("anchor", "start")
    x = place.x + 14 if anchor == "start" else place.x + place.width - 14
    rectangle = _rectangle(f"group {group.get('kind', '')}".strip(), place, 12)
    return rectangle + "\n" + _text((x, place.y + 22), group["text"], "caption", anchor)


def _legend(legend: dict[str, Any]) -> str:
    """What a kind of line means, behind a piece of one."""
    x, y = legend["at"]
    kind = legend["kind"]
    sample = f'<path class="line {kind}" d="M{x} {y - 4}h34" marker-end="url(#{kind})"/>'
    return sample + "\n" + _text((x + 46, y), legend["text"], "note", "start")


def _box(box: dict[str, Any], place: Box) -> str:
    name, *notes = box["text"]
    x, y = place.middle
    top = y + 5 - 9 * len(notes)
    lines = [_text((x, top), name, f"name {box['kind'].split()[0]}", "middle")]
    lines += [_text((x, top + 18 * number), note, "note", "middle") for number, note in enumerate(notes, 1)]
    return "\n".join([_rectangle(f"box {box['kind']}", place, 9), *lines])


def _text(at: tuple[float, float], text: str, kind: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{at[0]:g}" y="{at[1]:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(line: dict[str, Any], boxes: dict[str, Box]) -> str:
    """A curve from one box to another: downwards where the other lies below, sideways where it lies beside."""
    start, end = boxes[line["from"]], boxes[line["to"]]
    leave, arrive = line.get("leave", 0.5), line.get("arrive", 0.5)
    if end.y >= start.y + start.height:
        x1, y1 = start.x + start.width * leave, start.y + start.height
        x2, y2 = end.x + end.width * arrive, end.y
        bend = (y2 - y1) / 2
        path = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    else:
        ahead = end.x > start.x
        x1, y1 = (start.x + start.width if ahead else start.x), start.y + start.height * leave
        x2, y2 = (end.x if ahead else end.x + end.width), end.y + end.height * arrive
        bend = (x2 - x1) / 2
        path = f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    kind = line["kind"]
    both = f' marker-start="url(#{kind})"' if line.get("both") else ""
    state = " idle" if line.get("idle") else ""
    return f'<path class="line {kind}{state}" d="{path}" marker-end="url(#{kind})"{both}/>'


def main() -> None:
    for source in sorted(HERE.glob("*.toml")):
        source.with_suffix(".svg").write_text(draw(source.read_text()))


if __name__ == "__main__":
    main()

"""How parts and their output look in a terminal: coloured names in front, as Compose prints them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_HEADS: Final = ("NAME", "STATE", "ROLE", "PID", "ADDRESS")


class Printer:
    """Prints lines of parts with their names in front; in colour on a terminal, unless NO_COLOR is set."""

    def __init__(self, names: Sequence[str], out: TextIO) -> None:
        width = max(map(len, names), default=0)
        coloured = out.isatty() and not os.environ.get("NO_COLOR")
        self._out = out
        self._heads = {}
        for number, name in enumerate(names):
            head = f"{name:<{width}} |"
            self._heads[name] = f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{head}\x1b[0m" if coloured else head

    def print(self, lines: Iterable[tuple[str, str]]) -> None:
        for name, line in lines:
            self._out.write(f"{self._heads[name]} {line}\n")
        self._out.flush()


def table(parts: Sequence[dict[str, Any]], cuts: Sequence[Sequence[str]]) -> str:
    """The parts as a table, and what is cut off."""
    rows = [_HEADS]
    for part in parts:
        address = f"{part['host']}:{part['port']}"
        rows.append((part["name"], part["state"], part["role"] or "", str(part["pid"] or ""), address))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"cut off from the rest: {', '.join(group)}" for group in cuts]
    return "\n".join(lines)

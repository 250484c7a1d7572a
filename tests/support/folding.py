"""What a view has to show, by the definition: every entry of the log applied, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from datchat.chat import timeline, wire
from datchat.chat.model import Entry, Kind, Message


def folded(entries: Iterable[Entry]) -> list[Message]:
    """The messages of a whole log."""
    messages: dict[int, Message] = {}
    for entry in entries:
        content = wire.content(entry)
        named = content.reply_to if content.kind is Kind.MESSAGE else content.target
        if named is not None:
            messages[named] = timeline.apply(messages[named], entry.offset, content)
        if content.kind is Kind.MESSAGE:
            messages[entry.offset] = timeline.begin(entry.offset, content)
    return list(messages.values())

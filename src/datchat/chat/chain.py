"""
The hash chain of a room's log.

Each entry's chain is the first 16 hex digits of SHA-1 over the previous chain followed by the entry's stored bytes.
It is no defence against someone who can write to the store; it finds loss and divergence, as two servers that each
took writes after a split have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha1

from datchat.chat.model import START, Cursor, Entry


def extend(chain: str, body: bytes) -> str:
    """The chain of an entry with these stored bytes that follows an entry with ``chain``."""
    return sha1(chain.encode() + body, usedforsecurity=False).hexdigest()[:16]


def faults(entries: Iterable[Entry], after: Cursor = START) -> Iterator[str]:
    """
    What is wrong with a stretch of a log that should follow ``after``: a sentence for each hole, repeat and wrong
    chain. After a fault it goes on from what the log says, so that one fault is told once.
    """
    offset, chain = after
    for entry in entries:
        if entry.offset != offset + 1:
            yield f"offset {entry.offset} follows {offset}"
        elif entry.chain != extend(chain, entry.body):
            yield f"the chain of offset {entry.offset} is {entry.chain}, its content gives {extend(chain, entry.body)}"
        offset, chain = entry.cursor

"""
Drafts on their way: sent again with the same nonce, in order, until the server has answered for good. Pure.

What is known of a draft that fails is kept exactly: it is *not stored* only if every time it went out was answered
with a refusal. A draft whose answer was lost with a connection, or that was ``unavailable``, may be stored.
"""

from __future__ import annotations

import heapq
from typing import Final

import msgspec

from datchat.chat import wire
from datchat.client.backoff import Backoff
from datchat.client.errors import ClientFailure, NotStored, OutboxFull, Refused, Unconfirmed
from datchat.errors import TooLarge

CAPACITY: Final = 10_000
"""Drafts that an outbox holds; a further one is not taken (``OutboxFull``)."""
WINDOW: Final = 64
"""Drafts under way at a time. The server takes 256 commands of a connection before it stops reading."""
NONCE_WINDOW_S: Final = 600.0
"""How long the server remembers a nonce (docs/guarantees.md)."""

_OF_CONTENT: Final = frozenset({"bad_command", "too_large", "empty"})
"""Refusals that every try of the same draft would have met: they are definite whatever happened before."""


class Draft:
    """One command on its way. ``sequence`` is its place in the order of submission."""

    __slots__ = ("command", "first_sent_at", "sent_at", "sequence", "tries", "uncertain")

    def __init__(self, command: wire.Posting, sequence: int) -> None:
        self.command = command
        self.sequence = sequence
        self.first_sent_at: float | None = None
        self.sent_at = 0.0
        self.tries = 0
        self.uncertain = False
        """Some time that it went out was not answered: it may be stored."""

    @property
    def nonce(self) -> str:
        return self.command.nonce

    def __lt__(self, other: Draft) -> bool:
        return self.sequence < other.sequence


class Outbox:
    """
    Drafts of one connection after another, in the order of submission.

    Within a connection they leave in order and the server stores them so. One that is refused for a while holds back
    everything not yet sent; those under way already may overtake it (with ``window=1`` nothing ever does).
    """

    def __init__(
        self,
        backoff: Backoff,
        *,
        window: int = WINDOW,
        capacity: int = CAPACITY,
        nonce_window_s: float = NONCE_WINDOW_S,
    ) -> None:
        self._backoff = backoff
        self._window = window
        self._capacity = capacity
        self._nonce_window_s = nonce_window_s
        self._waiting: list[Draft] = []
        self._under_way: dict[str, Draft] = {}
        self._held_until = 0.0
        self._sequence = 0
        self._nonces: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def add(self, command: wire.Posting) -> Draft:
        """
        Take a command in.

        Raises:
            OutboxFull: Too many wait already.
            ValueError: Its nonce is in use here.
            TooLarge: Its frame would be larger than the server takes.
        """
        if len(self) >= self._capacity:
            raise OutboxFull(f"{self._capacity} drafts wait already")
        if command.nonce in self._nonces:
            raise ValueError(f"the nonce {command.nonce} is on its way already")
        if len(wire.encode(command)) + _ROOM_FOR_ID_AND_AGE > wire.MAX_FRAME:
            raise TooLarge(f"a frame has at most {wire.MAX_FRAME} bytes")
        draft = Draft(command, self._sequence)
        self._sequence += 1
        self._nonces.add(command.nonce)
        heapq.heappush(self._waiting, draft)
        return draft

    def take(self, now: float) -> list[bytes]:
        """The frames to send now, in order: call it only while connected, and send them all."""
        frames = []
        while self._waiting and len(self._under_way) < self._window and now >= self._held_until:
            draft = self._waiting[0]
            if self._too_old(draft, now):
                break  # for ``expire`` to give up
            heapq.heappop(self._waiting)
            frames.append(_frame(draft, now))
            draft.sent_at = now
            draft.tries += 1
            if draft.first_sent_at is None:
                draft.first_sent_at = now
            self._under_way[draft.nonce] = draft
        return frames

    def interrupted(self) -> None:
        """The connection is lost, and every answer that was due with it: all go out again."""
        for draft in self._under_way.values():
            draft.uncertain = True
            heapq.heappush(self._waiting, draft)
        self._under_way.clear()
        # What the server asked for holds for the account, but a new connection may be to a node that can.
        self._held_until = 0.0

    def stored(self, nonce: str) -> Draft | None:
        """A draft is stored: it leaves. None for one that isn't here (any more)."""
        draft = self._under_way.pop(nonce, None)
        if draft is None:
            return None
        self._backoff.reset()
        self._nonces.remove(nonce)
        return draft

    def refused(
        self, nonce: str, code: str, message: str, retry: bool, retry_after_s: float | None, now: float
    ) -> tuple[Draft, ClientFailure] | None:
        """A draft was refused: for good, then it leaves with its error; or for now, then it will go out again."""
        draft = self._under_way.pop(nonce, None)
        if draft is None:
            return None
        if retry:
            draft.uncertain = draft.uncertain or code == "unavailable"
            pause_s = retry_after_s if retry_after_s is not None else self._backoff.next()
            self._held_until = max(self._held_until, now + pause_s)
            heapq.heappush(self._waiting, draft)
            return None
        self._nonces.remove(nonce)
        if draft.uncertain and code not in _OF_CONTENT:
            return draft, Unconfirmed(f"{code}: {message}, but an earlier try may have been stored")
        return draft, Refused(code, message)

    def expire(self, now: float) -> list[tuple[Draft, ClientFailure]]:
        """Give up what can't be sent again, because the server may have forgotten its nonce."""
        given_up = []
        # The first is also the one that was sent first: drafts go out in order.
        while self._waiting and self._too_old(self._waiting[0], now):
            draft = heapq.heappop(self._waiting)
            given_up.append((draft, self._give_up(draft, "too old to be sent again")))
        return given_up

    def abandon(self, why: str) -> list[tuple[Draft, ClientFailure]]:
        """Give up everything; what is under way may be stored all the same."""
        self.interrupted()
        drafts, self._waiting = sorted(self._waiting), []
        return [(draft, self._give_up(draft, why)) for draft in drafts]

    def oldest_sent_at(self) -> float | None:
        """Since when the longest wait for an answer has lasted; None when nothing is under way."""
        return min((draft.sent_at for draft in self._under_way.values()), default=None)

    def due_at(self, connected: bool) -> float | None:
        """When ``expire``, or ``take`` while connected, has something next; None: not before something happens."""
        if not self._waiting:
            return None
        first_sent_at = self._waiting[0].first_sent_at
        expires_at = None if first_sent_at is None else first_sent_at + self._nonce_window_s
        if not connected or len(self._under_way) >= self._window:
            return expires_at
        return self._held_until if expires_at is None else min(self._held_until, expires_at)

    def _too_old(self, draft: Draft, now: float) -> bool:
        return draft.first_sent_at is not None and now - draft.first_sent_at >= self._nonce_window_s

    def _give_up(self, draft: Draft, why: str) -> ClientFailure:
        self._nonces.remove(draft.nonce)
        return Unconfirmed(f"{why}; it may or may not be stored") if draft.uncertain else NotStored(why)


_ROOM_FOR_ID_AND_AGE = 128


def _frame(draft: Draft, now: float) -> bytes:
    """The command, with its nonce as id, so that a refusal finds its way back, and its age from the second try on."""
    age_ms = None if draft.first_sent_at is None else int((now - draft.first_sent_at) * 1000)
    command = msgspec.structs.replace(draft.command, id=draft.nonce, age_ms=age_ms)
    return encode_command(command)


def encode_command(command: wire.AnyCommand) -> bytes:
    """A command as it goes out: fields without a value are left out."""
    fields = msgspec.to_builtins(command)
    return wire.encode({name: value for name, value in fields.items() if value is not None})

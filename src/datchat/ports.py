"""
The seams of the house. A backend serves Broker, Accounts, Rooms and Presence; the web side serves Transport.

These docstrings are the contract; ``tests/contract`` holds every backend to it. Every method that touches the store
raises ``Unavailable`` when nothing happened and ``Indeterminate`` when it may have.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from datchat.chat.model import (
    Cursor,
    Draft,
    Entry,
    Event,
    Page,
    Receipt,
    Room,
    RoomId,
    RoomStanding,
    Signal,
    StoreState,
    User,
    View,
)

MOST_UNREAD: Final = 100
"""Unread messages are counted up to here: 100 means 100 or more."""


class Broker(Protocol):
    """
    Every room's log, and its fan-out between nodes: one seam, because an entry that is stored and never told, or
    told and never stored, is the bug that this project exists to rule out.
    """

    async def append(self, draft: Draft) -> Receipt:
        """
        Store ``draft`` at the next offset of its room and tell every subscribed node, this one included.

        Returns when the entry is safe, and not before. Appending the same ``(room, author.id, nonce)`` again within
        the window stores nothing and returns the first receipt with ``duplicate`` set, whatever else the draft says
        and whatever has become of the room since: the nonce is looked at before the rules (``chat/rules.py``).
        Appends of one caller that were begun in an order are stored in that order.

        Raises:
            NoSuchRoom: There is no such room, or it is archived.
            NoSuchEntry: ``target`` or ``reply_to`` is no message of this room, or a deleted one.
            Forbidden: An edit of someone else's message, or a deletion of one without ``moderator``.
            Unavailable: Nothing was stored.
            Indeterminate: It may have been stored; try again with the same nonce.
        """
        ...

    async def read(self, room: RoomId, after: Cursor, limit: int) -> Page:
        """
        The first ``limit`` entries after the cursor.

        None is left out: a log with a hole is not served.

        Raises:
            NoSuchRoom: There is no such room.
            CursorLost: The log has no entry with that offset and chain.
            Unavailable: Also of a log that is damaged there.
        """
        ...

    async def scan(self, room: RoomId, after: int, limit: int) -> Sequence[Entry]:
        """
        The first ``limit`` entries that the store holds beyond the offset ``after``, whole or not: holes are passed
        over, bodies and chains are as they are. For whoever looks for damage.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def before(self, room: RoomId, offset: int | None, limit: int) -> Page:
        """
        The last ``limit`` entries before ``offset`` (of all, when None), oldest first; ``more`` means older ones.

        ``cursor`` is the last entry's; of an empty log or page it is ``START``.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def view(self, room: RoomId, before: int | None, limit: int) -> View:
        """
        The last ``limit`` messages before ``offset`` (of all, when None) as they look at the top of the log.

        Costs what its page costs: neither the length of the history nor edits and reactions elsewhere count.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def top(self, room: RoomId) -> Cursor:
        """
        The cursor of the last entry, ``START`` for an empty log.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def signal(self, topic: str, signal: Signal) -> None:
        """Tell every node that has subscribed to the topic, this one included. Kept nowhere; may be lost."""
        ...

    async def subscribe(self, topic: str) -> None:
        """Begin to hear a room or ``CONTROL``: once this returns, ``events`` misses nothing of it without a word."""
        ...

    async def unsubscribe(self, topic: str) -> None:
        """Stop hearing a topic. Unknown topics are ignored."""
        ...

    def events(self) -> AsyncIterator[Sequence[Event]]:
        """
        What happens in the subscribed topics, in batches as they come. One consumer.

        Entries of a room come in order, but may repeat or have gaps: the hub's gap rule settles both. When the feed
        can't vouch for completeness it yields ``Interrupted``; it never falls silent instead. Ends after ``close``.
        """
        ...

    def state(self) -> StoreState:
        """How the store is, as far as this node knows. Changes also come through ``events``."""
        ...

    async def check(self) -> None:
        """
        Prove that the store takes a write, without a trace in any log.

        Raises:
            BackendError: It does not; the text is the reason that ``/readyz`` shows.
        """
        ...


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person's account. ``email`` is as it was typed; accounts are told apart by its folded form."""

    id: str
    email: str
    name: str
    password_hash: str
    created_at: int
    admin: bool = False
    disabled: bool = False

    @property
    def user(self) -> User:
        return User(self.id, self.name)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in. ``id`` is the SHA-256 of the token in hex: the store never holds what opens the door."""

    id: str
    user: User
    created_at: int
    expires_at: int
    admin: bool = False


class Accounts(Protocol):
    """People and their sessions. E-mails are compared casefolded and NFKC-normalised."""

    async def create(self, account: Account) -> Account:
        """
        Store a new account.

        When its name is in use (compared as e-mails are) it gets ``-2``, ``-3``… appended, so that nobody can pass
        for somebody else; the account returned has the name that it got.

        Raises:
            Taken: The e-mail has an account, however it is cased. Nothing is changed.
        """
        ...

    async def by_email(self, email: str) -> Account | None:
        """The account with this e-mail, however it is cased."""
        ...

    async def by_id(self, user_id: str) -> Account | None: ...

    async def list(self) -> Sequence[Account]:
        """All accounts, oldest first."""
        ...

    async def disable(self, user_id: str, disabled: bool) -> None:
        """Disable an account and end its sessions, or enable it again. An unknown one is ignored, here and below."""
        ...

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace the password's hash and end every session of the account."""
        ...

    async def rehash(self, user_id: str, password_hash: str) -> None:
        """Replace the hash of the same password by one of newer parameters. Sessions live on."""
        ...

    async def open_session(self, session: Session) -> None:
        """
        Begin a session of an account; its ``admin`` and the user's name are not kept but follow the account.

        Sessions of the account that have expired by ``created_at`` are forgotten.
        """
        ...

    async def session(self, session_id: str, now: int) -> Session | None:
        """The session, unless it was ended, has expired at ``now``, or its account is disabled or unknown."""
        ...

    async def end_session(self, session_id: str) -> None:
        """End a session: once this returns, ``session`` never finds it again. Ending an ended one is no error."""
        ...

    async def living(self, session_ids: Collection[str], now: int) -> set[str]:
        """Those of the ids that ``session`` would find."""
        ...


class Rooms(Protocol):
    """
    The rooms that exist, who belongs to the private ones, and how far everyone has read. ``lobby`` always is.

    A user's marker in a room begins at 0: all that others write is unread. But what was there before somebody came is
    no news: a new account begins at the top of every public room, a new member at the top of the private one.
    """

    async def create(self, room: Room) -> None:
        """
        Create a room; the creator of a private one is its first member.

        Raises:
            Taken: A room has this id.
        """
        ...

    async def get(self, room: RoomId) -> Room:
        """
        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def all(self) -> Sequence[Room]:
        """Every room, private and archived ones too, oldest first."""
        ...

    async def update(self, room: Room) -> None:
        """
        Replace the title and the archived flag.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def standings(self, user_id: str) -> Sequence[RoomStanding]:
        """
        The rooms that a user may see (public ones, and private ones they belong to): lobby first, then by title.

        ``unread`` counts message entries, deleted ones too. The cost grows with the rooms, not with their logs.
        """
        ...

    async def add_member(self, room: RoomId, user_id: str) -> None:
        """
        Let a user into a private room. Adding one who is in is no error.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def remove_member(self, room: RoomId, user_id: str) -> None:
        """
        Let a user in no more. Removing one who is not in is no error.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def members(self, room: RoomId, among: Collection[str]) -> set[str]:
        """
        Those of these users (by id) whom a private room lets in. A public room has no members: nobody.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...

    async def mark_read(self, user_id: str, room: RoomId, offset: int) -> int:
        """
        Move the user's marker forward, never back and never past the top; returns where it stands then.

        Raises:
            NoSuchRoom: There is no such room.
        """
        ...


class Presence(Protocol):
    """
    Who is in which room: leases of users, held by nodes. A node that dies takes its leases with it after ``ttl_s``.
    """

    async def touch(self, room: RoomId, node: str, users: Iterable[User], ttl_s: float) -> None:
        """Begin or renew the leases of these users on this node."""
        ...

    async def drop(self, room: RoomId, node: str, user_ids: Iterable[str]) -> None:
        """End leases of this node. Unknown ones are ignored."""
        ...

    async def roster(self, room: RoomId) -> Sequence[User]:
        """Who holds a living lease on any node, each once, by name."""
        ...


class Backend(Protocol):
    """A technology that serves every port, opened by ``backends.open_backend``."""

    @property
    def broker(self) -> Broker: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def rooms(self) -> Rooms: ...

    @property
    def presence(self) -> Presence: ...

    async def inspect(self) -> Sequence[str]:
        """
        What is wrong with the store besides its logs (``backends/verify.py`` walks those): a sentence each.

        May read everything that there is.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """What the backend counts of its own since it was opened, for ``/metrics``. Names end in ``_total``."""
        ...

    async def close(self) -> None:
        """Finish what is under way, then let go of everything. ``events`` ends."""
        ...


class Transport(Protocol):
    """A client's socket. Nothing here waits."""

    def send(self, frames: bytes) -> None:
        """Hand over whole WebSocket frames, one or many, in order. Ignored once closing."""
        ...

    def ping(self) -> None:
        """Send a WebSocket ping."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after what was sent before, and cut the connection if the peer doesn't follow."""
        ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

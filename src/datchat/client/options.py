"""What a client can be told about times and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from datchat.client.outbox import CAPACITY, NONCE_WINDOW_S, WINDOW


@dataclass(frozen=True, kw_only=True)
class Options:
    """Times in seconds, sizes in items."""

    connect_s: float = 10.0
    """The longest time for connecting with its handshake, and for the server's hello."""
    first_connect_s: float = 2.5
    """
    The same for the first try, doubled with each further one: a packet that goes to a node that is just leaving is lost
    without a word, and TCP alone would send it again only after 1 and 3 seconds more.
    """
    answer_s: float = 30.0
    """A command unanswered for so long means that the connection is no good: it is made anew."""
    silence_pings: float = 2.0
    """A server silent for so many of its own ping intervals is taken for dead."""
    backoff_s: float = 0.1
    """The longest pause after the first failure; it doubles with each further one."""
    backoff_cap_s: float = 5.0
    """The longest pause ever."""
    stable_s: float = 5.0
    """A connection that lived so long was a good one: pauses start short again."""
    flush_s: float = 5.0
    """How long leaving ``async with`` waits for what is in the outbox."""
    buffer: int = 1000
    """Events of a room that wait for its reader; see ``Room`` for what happens past it."""
    window: int = WINDOW
    """Posts under way at a time; 1 keeps their order whatever is refused."""
    outbox: int = CAPACITY
    """Posts that may wait; a further one is not taken."""
    nonce_window_s: float = NONCE_WINDOW_S
    """How long a post is sent again with its nonce; the server's setting of the same name."""

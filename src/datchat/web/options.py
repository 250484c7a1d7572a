"""What the site is told at its start. Filled from the settings by ``app``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """``secret`` signs tokens and flash messages: every node of a cluster needs the same."""

    secret: bytes
    session_days: float = 30.0
    secure_cookies: Literal["auto", "always", "never"] = "auto"
    origins: tuple[str, ...] = ()
    """Further origins whose pages may open the socket, as ``https://chat.example.org``."""
    password_hash: Literal["standard", "cheap"] = "standard"
    hash_threads: int = 2
    hash_waiting: int = 64
    """Passwords that may wait for a hashing thread. Overflow policy: refuse with ``rate_limited``."""
    sign_in_rate: float = 0.2
    """Failed sign-ins a second and account, with a burst of fifty times as many; an address has ten times that."""
    max_body_bytes: int = 131_072
    body_s: float = 20.0
    """Seconds that a request's body may take to arrive."""

    @property
    def session_ms(self) -> int:
        """How long a session lives, in milliseconds."""
        return int(self.session_days * 86_400_000)

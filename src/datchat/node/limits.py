"""What a node allows and how long it waits. Filled from the settings by ``app``; every field is documented there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Times in seconds, rates per second; a rate of 0 lifts the limit."""

    ping_s: float = 15.0
    slow_s: float = 60.0
    post_rate: float = 20.0
    command_rate: float = 50.0
    post_deadline_s: float = 10.0
    nonce_window_s: float = 600.0
    roster_s: float = 1.0
    lease_s: float = 30.0
    session_check_s: float = 5.0
    session_grace_s: float = 60.0
    hold_s: float = 2.0
    linger_s: float = 30.0
    ready_s: float = 2.0
    drain_s: float = 3.0
    connections: int = 10_000

"""Presence leases: who is in a room, on which node, until when. Pure; time is passed in, in seconds."""

from __future__ import annotations

from collections.abc import Iterable

from datchat.chat.model import User


class Roster:
    """
    The leases of one room. A user is present while any node holds a living lease of theirs.
    """

    def __init__(self) -> None:
        self._leases: dict[tuple[str, str], tuple[User, float]] = {}

    def touch(self, node: str, users: Iterable[User], until: float) -> None:
        """Begin or renew leases."""
        for user in users:
            self._leases[node, user.id] = (user, until)

    def drop(self, node: str, user_ids: Iterable[str]) -> None:
        """End leases; unknown ones are ignored."""
        for user_id in user_ids:
            self._leases.pop((node, user_id), None)

    def expire(self, now: float) -> None:
        """Forget the leases that have ended by ``now``."""
        for key in [key for key, (_, until) in self._leases.items() if until <= now]:
            del self._leases[key]

    def present(self, now: float) -> list[User]:
        """Who is here, each once, by name."""
        living = {user.id: user for user, until in self._leases.values() if until > now}
        return sorted(living.values(), key=lambda user: (user.name.casefold(), user.id))

    def __len__(self) -> int:
        return len(self._leases)


def difference(before: Iterable[User], after: Iterable[User]) -> tuple[list[User], list[User]]:
    """Who joined and who left between two rosters."""
    old, new = {user.id: user for user in before}, {user.id: user for user in after}
    return (
        [user for user_id, user in new.items() if user_id not in old],
        [user for user_id, user in old.items() if user_id not in new],
    )

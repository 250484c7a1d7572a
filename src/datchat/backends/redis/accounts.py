"""The Accounts port on Redis. Every answer is as safe as an entry of a log (``Store``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from datchat.backends.names import folded
from datchat.backends.redis import keys, scripts
from datchat.backends.redis.store import Store
from datchat.chat.model import RoomId, User
from datchat.errors import Taken
from datchat.ports import Account, Session

_KEPT_MS = 86_400_000
"""How long the store keeps a session beyond its life: servers' clocks may differ from the nodes'."""
_AT_ONCE = 500


class RedisAccounts:
    """Serves the Accounts port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, account: Account) -> Account:
        rooms = await self._store.read([("ZRANGE", keys.ROOMS, 0, -1)], _first)
        words = (keys.ACCOUNT, self._store.attempt(), folded(account.email), folded(account.name))
        fields = (account.id, account.email, account.name, account.password_hash, account.created_at)
        flags = (int(account.admin), int(account.disabled))
        create = scripts.CREATE_ACCOUNT([keys.EMAILS, keys.NAMES, keys.ORDER], *words, *fields, *flags)

        def read(replies: list[Any]) -> str:
            if replies[0] is None:
                raise Taken("this e-mail has an account already")
            name: str = replies[0].decode()
            return name

        name = await self._store.act([create], read)
        await self._begin_reading(account.id, [RoomId(room.decode()) for room in rooms])
        return Account(
            id=account.id,
            email=account.email,
            name=name,
            password_hash=account.password_hash,
            created_at=account.created_at,
            admin=account.admin,
            disabled=account.disabled,
        )

    async def _begin_reading(self, user_id: str, rooms: Sequence[RoomId]) -> None:
        """What stands in the public rooms is no news to a new account."""
        for first in range(0, len(rooms), _AT_ONCE):
            part = rooms[first : first + _AT_ONCE]
            marks = [scripts.MARK([keys.room(room), keys.markers(room)], user_id, "", "1") for room in part]
            await self._store.act(marks, _nothing)

    async def by_email(self, email: str) -> Account | None:
        ask = scripts.ACCOUNT_BY_EMAIL([keys.EMAILS], keys.ACCOUNT, folded(email))
        return await self._store.read([ask], lambda replies: _account(replies[0]))

    async def by_id(self, user_id: str) -> Account | None:
        ask = ("HGETALL", keys.ACCOUNT + user_id)
        return await self._store.read([ask], lambda replies: _account(replies[0]))

    async def list(self) -> Sequence[Account]:
        found: list[Account] = []
        ids: list[bytes] = await self._store.read([("LRANGE", keys.ORDER, 0, -1)], _first)
        for first in range(0, len(ids), _AT_ONCE):
            asked = [("HGETALL", keys.ACCOUNT + user.decode()) for user in ids[first : first + _AT_ONCE]]
            part = await self._store.read(asked, lambda replies: [*map(_account, replies)])
            found += [account for account in part if account is not None]
        return found

    async def disable(self, user_id: str, disabled: bool) -> None:
        await self._change(user_id, "disabled", str(int(disabled)), end_sessions=disabled)

    async def set_password(self, user_id: str, password_hash: str) -> None:
        await self._change(user_id, "password_hash", password_hash, end_sessions=True)

    async def rehash(self, user_id: str, password_hash: str) -> None:
        await self._change(user_id, "password_hash", password_hash, end_sessions=False)

    async def _change(self, user_id: str, field: str, value: str, *, end_sessions: bool) -> None:
        places = [keys.ACCOUNT + user_id, keys.SESSIONS + user_id]
        change = scripts.CHANGE_ACCOUNT(places, field, value, keys.SESSION if end_sessions else "")
        await self._store.act([change], _nothing)

    async def open_session(self, session: Session) -> None:
        kept_ms = max(0, session.expires_at - session.created_at) + _KEPT_MS
        times = (session.created_at, session.expires_at, kept_ms)
        places = [keys.SESSIONS + session.user.id]
        begin = scripts.OPEN_SESSION(places, keys.SESSION, session.id, session.user.id, *times)
        await self._store.act([begin], _nothing)

    async def session(self, session_id: str, now: int) -> Session | None:
        found = await self._sessions([session_id], now)
        return found[0] if found else None

    async def end_session(self, session_id: str) -> None:
        end = scripts.END_SESSION([keys.SESSION + session_id], session_id, keys.SESSIONS)
        await self._store.act([end], _nothing)

    async def living(self, session_ids: Collection[str], now: int) -> set[str]:
        ids, living = [*session_ids], set[str]()
        for first in range(0, len(ids), _AT_ONCE):
            living |= {session.id for session in await self._sessions(ids[first : first + _AT_ONCE], now)}
        return living

    async def _sessions(self, ids: Sequence[str], now: int) -> Sequence[Session]:
        ask = scripts.SESSIONS([keys.SESSION + session_id for session_id in ids], now, keys.ACCOUNT)

        def read(replies: list[Any]) -> Sequence[Session]:
            pairs = zip(ids, replies[0], strict=True)
            return [_session(session_id, fields) for session_id, fields in pairs if fields is not None]

        return await self._store.read([ask], read)


def _first(replies: list[Any]) -> Any:
    return replies[0]


def _nothing(replies: list[Any]) -> None:
    pass


def _account(reply: Sequence[bytes]) -> Account | None:
    fields = {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}
    if not fields:
        return None
    return Account(
        id=fields["id"],
        email=fields["email"],
        name=fields["name"],
        password_hash=fields["password_hash"],
        created_at=int(fields["created_at"]),
        admin=fields["admin"] == "1",
        disabled=fields["disabled"] == "1",
    )


def _session(session_id: str, fields: Sequence[bytes]) -> Session:
    created_at, expires_at, user_id, name, admin = fields
    return Session(
        id=session_id,
        user=User(user_id.decode(), name.decode()),
        created_at=int(created_at),
        expires_at=int(expires_at),
        admin=admin == b"1",
    )

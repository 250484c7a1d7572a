"""The Accounts port on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from sqlite3 import Connection

import msgspec
from msgspec.structs import replace

from datchat.backends.names import folded, free_name
from datchat.backends.sqlite.readers import Readers
from datchat.backends.sqlite.writer import Writer
from datchat.chat.model import User
from datchat.errors import Taken
from datchat.ports import Account, Session

_COLUMNS = "id, email, name, password_hash, created_at, admin, disabled"


class SqliteAccounts:
    """Serves the Accounts port."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._act = writer.act
        self._read = readers.read

    async def create(self, account: Account) -> Account:
        return await self._act(lambda connection: _create(connection, account))

    async def by_email(self, email: str) -> Account | None:
        return await self._read(_one("email_folded", folded(email)))

    async def by_id(self, user_id: str) -> Account | None:
        return await self._read(_one("id", user_id))

    async def list(self) -> Sequence[Account]:
        return await self._read(
            lambda connection: [
                _account(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM accounts ORDER BY number")
            ]
        )

    async def disable(self, user_id: str, disabled: bool) -> None:
        def act(connection: Connection) -> None:
            connection.execute("UPDATE accounts SET disabled = ? WHERE id = ?", (disabled, user_id))
            if disabled:
                connection.execute("DELETE FROM sessions WHERE user = ?", (user_id,))

        await self._act(act)

    async def set_password(self, user_id: str, password_hash: str) -> None:
        def act(connection: Connection) -> None:
            connection.execute("UPDATE accounts SET password_hash = ? WHERE id = ?", (password_hash, user_id))
            connection.execute("DELETE FROM sessions WHERE user = ?", (user_id,))

        await self._act(act)

    async def rehash(self, user_id: str, password_hash: str) -> None:
        def act(connection: Connection) -> None:
            connection.execute("UPDATE accounts SET password_hash = ? WHERE id = ?", (password_hash, user_id))

        await self._act(act)

    async def open_session(self, session: Session) -> None:
        def act(connection: Connection) -> None:
            past = "DELETE FROM sessions WHERE user = ? AND expires_at <= ?"
            connection.execute(past, (session.user.id, session.created_at))
            row = (session.id, session.user.id, session.created_at, session.expires_at)
            connection.execute("REPLACE INTO sessions (id, user, created_at, expires_at) VALUES (?, ?, ?, ?)", row)

        await self._act(act)

    async def session(self, session_id: str, now: int) -> Session | None:
        return await self._read(lambda connection: _session(connection, session_id, now))

    async def end_session(self, session_id: str) -> None:
        def act(connection: Connection) -> None:
            connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))

        await self._act(act)

    async def living(self, session_ids: Collection[str], now: int) -> set[str]:
        ids = msgspec.json.encode(list(session_ids)).decode()
        query = """
            SELECT s.id FROM json_each(?) asked CROSS JOIN sessions s ON s.id = asked.value
            JOIN accounts a ON a.id = s.user WHERE s.expires_at > ? AND NOT a.disabled
        """
        return await self._read(lambda connection: {row[0] for row in connection.execute(query, (ids, now)).fetchall()})


def _create(connection: Connection, account: Account) -> Account:
    def used(column: str, value: str) -> bool:
        return connection.execute(f"SELECT 1 FROM accounts WHERE {column} = ?", (value,)).fetchone() is not None

    if used("email_folded", folded(account.email)):
        raise Taken("this e-mail has an account already")
    created = replace(account, name=free_name(account.name, lambda name: used("name_folded", name)))
    connection.execute(
        f"INSERT INTO accounts ({_COLUMNS}, email_folded, name_folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*msgspec.structs.astuple(created), folded(created.email), folded(created.name)),
    )
    # What stands in the public rooms is no news to a new account.
    connection.execute(
        "INSERT OR IGNORE INTO markers (user, room, offset) "
        "SELECT ?, number, top FROM rooms WHERE NOT private AND top > 0",
        (created.id,),
    )
    return created


def _one(column: str, value: str) -> Callable[[Connection], Account | None]:
    def query(connection: Connection) -> Account | None:
        found = connection.execute(f"SELECT {_COLUMNS} FROM accounts WHERE {column} = ?", (value,)).fetchone()
        return None if found is None else _account(found)

    return query


def _account(row: tuple[str, str, str, str, int, int, int]) -> Account:
    user_id, email, name, password_hash, created_at, admin, disabled = row
    return Account(
        id=user_id,
        email=email,
        name=name,
        password_hash=password_hash,
        created_at=created_at,
        admin=bool(admin),
        disabled=bool(disabled),
    )


def _session(connection: Connection, session_id: str, now: int) -> Session | None:
    query = """
        SELECT s.created_at, s.expires_at, a.id, a.name, a.admin FROM sessions s JOIN accounts a ON a.id = s.user
        WHERE s.id = ? AND s.expires_at > ? AND NOT a.disabled
    """
    found = connection.execute(query, (session_id, now)).fetchone()
    if found is None:
        return None
    created_at, expires_at, user_id, name, admin = found
    user = User(user_id, name)
    return Session(id=session_id, user=user, created_at=created_at, expires_at=expires_at, admin=bool(admin))

"""
What the database holds.

The log is ``entries``. Everything else about messages is an index of it, changed in the same transaction: ``rooms.top``
and ``rooms.chain`` (the last entry), ``messages`` and ``reactions`` (the sum of what names a message,
``timeline.Sum``), ``nonces`` (what was appended of late).
"""

from __future__ import annotations

from sqlite3 import Connection

from datchat.chat.model import GENESIS, LOBBY

APPLICATION_ID = 0x44615443
"""``DaTC`` in the header of the file: see https://sqlite.org/pragma.html#pragma_application_id."""

VERSION = 1

_TABLES = f"""
CREATE TABLE rooms (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    private INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    created_by TEXT,
    created_at INTEGER NOT NULL,
    top INTEGER NOT NULL DEFAULT 0,
    chain TEXT NOT NULL DEFAULT '{GENESIS}',
    messages INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entries (
    room INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    chain TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (room, offset)
) WITHOUT ROWID;
CREATE TABLE messages (
    room INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    author TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    own INTEGER NOT NULL,
    edit INTEGER,
    deleted INTEGER NOT NULL,
    replies INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (room, offset)
) WITHOUT ROWID;
CREATE INDEX messages_by_author ON messages (room, author, offset, own);
CREATE TABLE reactions (
    room INTEGER NOT NULL,
    target INTEGER NOT NULL,
    emoji TEXT NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (room, target, emoji, user)
) WITHOUT ROWID;
CREATE TABLE nonces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room INTEGER NOT NULL,
    author TEXT NOT NULL,
    nonce TEXT NOT NULL,
    offset INTEGER NOT NULL,
    UNIQUE (room, author, nonce)
);
CREATE TABLE accounts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_folded TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    admin INTEGER NOT NULL,
    disabled INTEGER NOT NULL
);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user);
CREATE TABLE members (
    room INTEGER NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (room, user)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user);
CREATE TABLE markers (
    user TEXT NOT NULL,
    room INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (user, room)
) WITHOUT ROWID;
CREATE TABLE heartbeat (beats INTEGER NOT NULL);
"""
# messages.ordinal: which message of the room it is; messages.own: which of its author's in the room. They make unread
# messages of others a subtraction. edit: the offset of the last edit.


def create(connection: Connection) -> None:
    """Make an empty database ours, or leave it as it is when it has become ours in the meantime."""
    connection.execute("BEGIN EXCLUSIVE")
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO rooms (id, title, private, archived, created_at) VALUES (?, 'Lobby', 0, 0, 0)", (LOBBY,)
            )
            connection.execute("INSERT INTO heartbeat VALUES (0)")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def tables() -> frozenset[str]:
    """The names of all tables and indexes that have to be there."""
    words = [line.split() for line in _TABLES.splitlines() if line.startswith("CREATE")]
    return frozenset(line[2] for line in words)


def sound(connection: Connection) -> bool:
    """
    A quick look that costs the same however much there is: the schema, and the first and last row of each table, whose
    pages lie on the edges of its tree.

    Raises:
        sqlite3.DatabaseError: A page is damaged.
    """
    found = {name: kind for name, kind in connection.execute("SELECT name, type FROM sqlite_schema")}
    if not tables() <= found.keys():
        return False
    for name in tables():
        if found[name] == "table":
            key = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({name})") if row[5]) or "rowid"
            last = ", ".join(f"{column} DESC" for column in key.split(", "))
            connection.execute(f"SELECT * FROM {name} ORDER BY {key} LIMIT 1").fetchone()
            connection.execute(f"SELECT * FROM {name} ORDER BY {last} LIMIT 1").fetchone()
    return True

"""
Opening a database file: whether it is ours, whole and of a version that we know, before anything is written.

Each refusal is one sentence that names the file and says what to do.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from pathlib import Path
from sqlite3 import Connection
from urllib.parse import quote

from datchat.backends.sqlite import faults, schema
from datchat.errors import ConfigurationError

_OLDEST = (3, 35)
"""The first SQLite with RETURNING."""
_HEADER = 100
"""Bytes of the file's header: https://sqlite.org/fileformat.html#the_database_header."""
BUSY_S = 5.0
"""How long to wait for another process (as ``datchat user``) that writes."""


def connect(path: Path, mode: str = "rw", *, immutable: bool = False) -> Connection:
    """A bare connection: statements commit by themselves unless there is a BEGIN."""
    address = f"file:{quote(str(path.absolute()))}?mode={mode}{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(
        address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def connect_writer(path: Path) -> Connection:
    """The connection of the writer: a commit is on the disk when it returns."""
    connection = connect(path)
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "fullfsync = ON",
            "journal_size_limit = 67108864",
            "cache_size = -16000",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> Connection:
    """A connection that can't write."""
    return connect(path, "ro")


def examine(path: Path) -> bool:
    """
    Look at a file's header, without a trace. True when there is a database, False when there is none yet.

    Raises:
        ConfigurationError: It can't be used.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old: install 3.35 or later")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise _unwritable(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise ConfigurationError(
                f"the directory {path.parent} does not exist: make it, or choose another"
            ) from None
        return False
    except NotADirectoryError:
        raise ConfigurationError(f"{path.parent} is no directory: choose another path for the database") from None
    except IsADirectoryError:
        raise ConfigurationError(f"{path} is a directory: name a file in it") from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be read ({error.strerror}): mend its rights, or choose another"
        ) from None
    if not header:
        return False
    if len(header) < _HEADER or not header.startswith(b"SQLite format 3\0"):
        raise ConfigurationError(f"{path} is no SQLite database, or a damaged one: restore it, or choose another path")
    (version,) = struct.unpack_from(">I", header, 60)
    (application,) = struct.unpack_from(">I", header, 68)
    _check_identity(path, application, version)
    return True


def prepare(path: Path, *, exists: bool, alone: bool) -> None:
    """
    Make the database when there is none, else look whether it is whole. ``alone``: no other process has it open.

    Raises:
        ConfigurationError: It can't be made or used; nothing was changed.
    """
    try:
        if exists:
            _probe(path, alone=alone)
        else:
            _create(path)
        # Rights, and whether the file system can do it, are only known by trying.
        connection = connect_writer(path)
        try:
            if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                raise ConfigurationError(f"{path} lies where SQLite can keep no write-ahead log: use a local disk")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE heartbeat SET beats = beats")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _refusal(path, error) from error


def _check_identity(path: Path, application: int, version: int) -> None:
    if application != schema.APPLICATION_ID:
        raise ConfigurationError(f"{path} is a database of another application: choose another path")
    if version > schema.VERSION:
        raise ConfigurationError(
            f"{path} was written by a newer Dat Chat (schema {version}, this one knows {schema.VERSION}): "
            "install that version or a later one"
        )


def _probe(path: Path, *, alone: bool) -> None:
    log = Path(f"{path.resolve()}-wal")
    # Without a log to replay the file alone is the database: then SQLite need not make any file beside it.
    immutable = alone and (not log.exists() or log.stat().st_size == 0)
    connection = connect(path, "ro", immutable=immutable)
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check_identity(path, application, version)
        if not schema.sound(connection):
            raise ConfigurationError(f"{path} lacks tables: restore it from a backup, or choose another path")
    finally:
        connection.close()


def _create(path: Path) -> None:
    created = not path.exists()
    try:
        # It holds the hashes of passwords: nobody else's business. SQLite gives its other files the same rights.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be made ({error.strerror}): give this user the right to write to its directory"
        ) from None
    connection = connect(path)
    try:
        schema.create(connection)
    except BaseException:
        connection.close()
        if created:
            path.unlink(missing_ok=True)
        raise
    connection.close()


def _refusal(path: Path, error: sqlite3.Error) -> ConfigurationError:
    if faults.damaged(error):
        return ConfigurationError(f"{path} is damaged: restore it from a backup, or choose another path")
    if faults.code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _unwritable(path)
    return ConfigurationError(f"{path} can't be used: {faults.sentence(error)}")


def _unwritable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} may not be written to: give this user the right to write to it and to its directory"
    )

"""The one place that names SQLite's exceptions: they come out definite or indefinite, with a sentence."""

from __future__ import annotations

import contextlib
import sqlite3

import msgspec
import structlog

from datchat.errors import BackendError, Indeterminate, Unavailable

log = structlog.get_logger("datchat.sqlite")

_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk does not take or give data",
    sqlite3.SQLITE_READONLY: "the database may not be written to",
    sqlite3.SQLITE_BUSY: "another process holds the database",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: stop the server and restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the database is damaged: stop the server and restore it from a backup",
    sqlite3.SQLITE_CANTOPEN: "the database can't be opened",
}


def code(error: BaseException) -> int:
    """SQLite's primary result code; -1 of an error that has none."""
    return (getattr(error, "sqlite_errorcode", None) or -1) & 0xFF


def damaged(error: BaseException) -> bool:
    """Whether the file is at fault, not the moment."""
    return code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def sentence(error: BaseException) -> str:
    """What is the matter, for people."""
    if isinstance(error, msgspec.DecodeError):
        return "an entry is damaged: stop the server and restore the database from a backup"
    return _SENTENCES.get(code(error), f"the database failed ({error})")


def translate(error: BaseException, *, rolled_back: bool = True) -> BackendError:
    """What the port raises. ``rolled_back`` says that nothing of the transaction can have stayed."""
    return Unavailable(sentence(error)) if rolled_back else Indeterminate(sentence(error))


def tell(event: str, error: BaseException, **facts: object) -> None:
    """
    Log what went wrong: a sentence of what SQLite said, a traceback of what nobody foresaw.

    A log that can't be written, as on the same full disk, must not take the thread with it.
    """
    unforeseen = None if isinstance(error, sqlite3.Error | msgspec.DecodeError) else error
    with contextlib.suppress(Exception):
        log.error(event, reason=sentence(error), error=str(error), exc_info=unforeseen, **facts)

"""One serving process for a database: a lock on a file beside it, which the kernel frees however the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from datchat.errors import ConfigurationError


class Lock:
    """
    The lock of a database, taken at once.

    Raises:
        ConfigurationError: Another process has it, or the file can't be made.
    """

    def __init__(self, database: Path) -> None:
        # Whatever links lead to it, it is one database.
        self._path = Path(f"{database.resolve()}.lock")
        while True:
            try:
                self._created = not self._path.exists()
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ConfigurationError(
                    f"{self._path} can't be made ({error.strerror}): give this user the right to write to its directory"
                ) from None
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
                os.close(self._file)
                raise ConfigurationError(
                    f"{database} is in use by process {holder}: stop that, or use another database"
                ) from None
            except OSError as error:
                os.close(self._file)
                raise ConfigurationError(
                    f"{self._path} can't be locked ({error.strerror}): put the database on a local disk"
                ) from None
            if self._in_place():
                break
            os.close(self._file)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def _in_place(self) -> bool:
        """Whether the file that is locked is still the one that others find (see ``withdraw``)."""
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        os.close(self._file)

    def withdraw(self) -> None:
        """Release, and leave nothing behind that was not there before."""
        if self._created:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

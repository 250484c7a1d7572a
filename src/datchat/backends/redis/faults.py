"""
What Redis' errors mean, as the errors of this package: the only place that knows their codes.

An error reply is definite: the command did nothing (a script that was refused at its first write, too). A connection
that broke or stayed silent is definite only when nothing had been sent.
"""

from __future__ import annotations

import os
import re
import socket
import ssl

from datchat.backends.redis.url import Address
from datchat.errors import BackendError, ConfigurationError, Indeterminate, Unavailable

_INNER = re.compile(r"^ERR Error running script .*: -([A-Z]+) ")
"""Before Redis 7 an error within a script is wrapped: ``ERR Error running script (…): @user_script:7: -OOM …``."""


class ReplyFault(Exception):
    """An error reply. ``code`` is its first word, as in ``READONLY You can't write against a read only replica.``"""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]
        if self.code == "ERR" and (inner := _INNER.search(text)) is not None:
            self.code = inner[1]
        elif "can't run this command" in text:
            self.code = "NOPERM"


_PASSING = frozenset(
    {"READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS", "BUSY", "TRYAGAIN", "CLUSTERDOWN"}
)

_REFUSALS = {
    "OOM": "the store is out of memory: raise Redis' maxmemory or remove what is not needed",
    "MISCONF": "the store can't save to its disk: see Redis' log",
    "NOPERM": "Redis lets this user not do what the chat needs: see its ACL",
}


def passing(error: object) -> bool:
    """Whether a reply says that the same may well be done in a moment, here or by another server."""
    return isinstance(error, ReplyFault) and error.code in _PASSING


def refused(error: ReplyFault) -> BackendError:
    """What an error reply that won't pass means."""
    if error.code in _REFUSALS:
        return Unavailable(_REFUSALS[error.code])
    # A script that failed half-way has no code of its own.
    return Indeterminate(f"the store failed: {error}")


def translate(error: BaseException, address: Address, *, sent: bool) -> BackendError | ConfigurationError:
    """What an exception of a connection means; ``sent`` says whether a command that writes may have arrived."""
    if isinstance(error, BackendError | ConfigurationError):
        return error
    if isinstance(error, ReplyFault):
        return _of_reply(error, address)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigurationError(f"the certificate of {address} does not hold ({error.verify_message}): see ca")
    kind = Indeterminate if sent else Unavailable
    if isinstance(error, TimeoutError):
        return kind(f"the store at {address} does not answer")
    if isinstance(error, OSError) and error.errno:
        # Of the resolver's numbers the system's table knows none.
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno)
        return kind(f"the store at {address} can't be reached ({reason})")
    return kind(f"the connection to the store at {address} broke")


def _of_reply(error: ReplyFault, address: Address) -> BackendError | ConfigurationError:
    text = str(error)
    if error.code == "WRONGPASS":
        return ConfigurationError(f"user or password is wrong for {address}: mend the store's URL")
    if error.code == "NOAUTH":
        return ConfigurationError(f"{address} wants a password: put user:password@ into the store's URL")
    if error.code == "DENIED":
        return ConfigurationError(f"{address} is in protected mode: give it a password, or bind it to a safe network")
    if "unknown command" in text and "HELLO" in text.upper():
        return too_old(address, "older than 6.2")
    if "DB index" in text:
        return ConfigurationError(f"{address} has no database of that number: mend the store's URL")
    if "max number of clients" in text:
        return Unavailable(f"{address} takes no further connections")
    if passing(error):
        return Unavailable(f"{address} takes no writes now ({error.code})")
    return refused(error)


def too_old(address: Address, version: str) -> ConfigurationError:
    """The same sentence everywhere."""
    return ConfigurationError(f"Redis at {address} is {version}: version 6.2 or later is needed")

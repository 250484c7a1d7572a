"""
Everything that can go wrong, by whose fault it is.

::

    DatChatError                 never raised itself
    ├─ ClientError               the caller's fault: safe to show, never logged as an error
    │  ├─ BadCommand · Invalid · TooLarge · Empty · StaleNonce
    │  ├─ NoSuchRoom · NoSuchEntry · NoSuchUser · NotAMember · Forbidden
    │  ├─ Taken · Unauthenticated · WrongCredentials
    │  └─ RateLimited            carries when to try again
    ├─ CursorLost                a cursor that this log can't serve: start over from a fresh page
    ├─ BackendError              the store's fault
    │  ├─ Unavailable            definite: nothing happened
    │  └─ Indeterminate          it may have happened: try again with the same nonce only
    └─ ConfigurationError        the operator's: one sentence that says what to do, exit code 2
       └─ WrongUsage             the command line's: exit code 64

The codes are those of the protocol's table of refusals; the page's ``wire.js`` knows the same close codes, held
equal by a test.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class DatChatError(Exception):
    """Base of all errors of this package. Never raised itself."""


class ClientError(DatChatError):
    """The caller's fault. ``str(error)`` is a sentence that is safe to show."""

    code: ClassVar[str] = "bad_command"
    status: ClassVar[int] = 422
    """The HTTP status that carries this error."""
    retry: ClassVar[bool] = False


class BadCommand(ClientError):
    """Not of the form that the protocol gives."""


class Invalid(BadCommand):
    """A field of a request is not as it should be; ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(ClientError):
    code = "too_large"


class Empty(ClientError):
    code = "empty"


class StaleNonce(ClientError):
    """The draft is older than the store remembers nonces: a double could not be ruled out."""

    code = "stale_nonce"
    status = 409


class NoSuchRoom(ClientError):
    code = "no_such_room"
    status = 404


class NoSuchEntry(ClientError):
    """The target is no message, is deleted, or is not in this room."""

    code = "no_such_entry"
    status = 404


class NoSuchUser(ClientError):
    """There is no such account."""

    code = "no_such_user"
    status = 404


class NotAMember(ClientError):
    code = "not_a_member"
    status = 403


class Forbidden(ClientError):
    code = "forbidden"
    status = 403


class Taken(ClientError):
    """The e-mail or the room's id is in use."""

    code = "taken"
    status = 409


class Unauthenticated(ClientError):
    code = "unauthenticated"
    status = 401


class WrongCredentials(ClientError):
    code = "wrong_credentials"
    status = 401


class RateLimited(ClientError):
    """Too many in too short a time; ``retry_after_ms`` says when it will go."""

    code = "rate_limited"
    status = 429
    retry = True

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class CursorLost(DatChatError):
    """The cursor's entries were trimmed, or the log has diverged from what the client saw."""


class BackendError(DatChatError):
    """The store's fault. Shown to clients as ``unavailable``."""

    code: ClassVar[str] = "unavailable"
    status: ClassVar[int] = 503
    retry: ClassVar[bool] = True


class Unavailable(BackendError):
    """Definite: nothing happened."""


class Indeterminate(BackendError):
    """It may have happened. Only a retry with the same nonce is safe."""


class ConfigurationError(DatChatError):
    """The operator's mistake; ``str(error)`` is one sentence that says what to do."""


class WrongUsage(ConfigurationError):
    """A flag has a value that it can't have."""


class CloseCode(IntEnum):
    """
    Why the server closes a socket. 4000 to 4499: reconnect; 4500 to 4999: don't.

    Those below 4000 are RFC 6455's own (section 7.4.1).
    """

    PROTOCOL = 1002
    TOO_BIG = 1009
    INTERNAL = 1011
    DRAINING = 4000
    SLOW = 4001
    SILENT = 4002
    SESSION_ENDED = 4500
    VERSION = 4501
    BAD_COMMANDS = 4502
    REPLACED = 4503

    @property
    def reconnect(self) -> bool:
        """Whether a client may come back with the same session."""
        return self < 4500

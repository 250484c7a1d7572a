"""
Accounts: making them, proving who one is, and what an operator does to them. The web and ``datchat user`` call this.
"""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress

from datchat.errors import Invalid, NoSuchUser, RateLimited, Taken, WrongCredentials
from datchat.ports import Account, Accounts
from datchat.web.passwords import Passwords

MAX_EMAIL = 254
"""Characters of an e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""
MIN_PASSWORD = 8
MAX_PASSWORD = 200
MAX_NAME = 40

EMAIL_PATTERN = r"^[^@\s\x00-\x20\x7f-\x9f]+@[^@\s\x00-\x20\x7f-\x9f]+$"
_EMAIL = re.compile(EMAIL_PATTERN[:-1] + r"\Z")


class People:
    """
    Signs people up and proves who they are. ``wall`` gives milliseconds since 1970.
    """

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._wall = wall

    # For everybody

    async def register(self, email: str, password: str, name: str | None = None, *, admin: bool = False) -> Account:
        """
        Make an account. Without a name it is the part of the e-mail before the @.

        Raises:
            Invalid: A field is out of its limits.
            Taken: The e-mail has an account; it is left as it is.
            RateLimited: Too many passwords are being hashed.
        """
        check_email(email)
        check_password(password)
        shown = default_name(email) if name is None or not name.strip() else clean_name(name)
        if await self._accounts.by_email(email) is not None:
            raise Taken("there is an account with this e-mail already")
        account = Account(
            id=f"u_{secrets.token_hex(8)}",
            email=email,
            name=shown,
            password_hash=await self._passwords.hash(password),
            created_at=self._wall(),
            admin=admin,
        )
        return await self._accounts.create(account)

    async def prove(self, email: str, password: str) -> Account:
        """
        The account that e-mail and password belong to. An unknown e-mail takes as long as a wrong password.

        Raises:
            WrongCredentials: There is no such account, it is disabled, or the password is another.
            RateLimited: Too many passwords are being hashed.
        """
        account = await self._accounts.by_email(email) if is_email(email) else None
        stored = None if account is None else account.password_hash
        # Longer ones were never accepted: hashing megabytes would only be work.
        matches = await self._passwords.verify(password[: MAX_PASSWORD + 1], stored)
        if account is None or not matches or account.disabled:
            raise WrongCredentials("the e-mail or the password is wrong")
        if self._passwords.outdated(account.password_hash):
            with suppress(RateLimited):  # the next sign-in will do
                await self._accounts.rehash(account.id, await self._passwords.hash(password))
        return account

    # For the operator

    async def add(self, email: str, *, name: str | None, password: str | None, admin: bool) -> tuple[Account, str]:
        """
        Make an account; without a password one is made. Returns both.

        Raises:
            Invalid, Taken: As for ``register``.
        """
        chosen = new_password() if password is None else password
        return await self.register(email, chosen, name, admin=admin), chosen

    async def listing(self) -> Sequence[Account]:
        """All accounts, oldest first."""
        return await self._accounts.list()

    async def disable(self, email: str) -> Account:
        """
        End an account's sessions and let it in no more.

        Raises:
            NoSuchUser: There is no such account.
        """
        return await self._set_disabled(email, True)

    async def enable(self, email: str) -> Account:
        """
        Let a disabled account in again.

        Raises:
            NoSuchUser: There is no such account.
        """
        return await self._set_disabled(email, False)

    async def reset_password(self, email: str, password: str | None) -> tuple[Account, str]:
        """
        Give an account a new password (made when None) and end its sessions. Returns both.

        Raises:
            Invalid: The password is out of its limits.
            NoSuchUser: There is no such account.
        """
        chosen = new_password() if password is None else password
        check_password(chosen)
        account = await self.by_email(email)
        await self._accounts.set_password(account.id, await self._passwords.hash(chosen))
        return account, chosen

    async def by_email(self, email: str) -> Account:
        """
        Raises:
            NoSuchUser: There is no such account.
        """
        account = await self._accounts.by_email(email)
        if account is None:
            raise NoSuchUser(f"there is no account with the e-mail {email}")
        return account

    async def _set_disabled(self, email: str, disabled: bool) -> Account:
        account = await self.by_email(email)
        await self._accounts.disable(account.id, disabled)
        return account


def check_email(email: str) -> None:
    """
    Pragmatic: one @ with something on both sides, no white space, no control characters. Only a mail could tell more.

    Raises:
        Invalid: It is no such address.
    """
    if len(email) > MAX_EMAIL:
        raise Invalid("email", f"an e-mail address has at most {MAX_EMAIL} characters")
    if not is_email(email):
        raise Invalid("email", "this is no e-mail address")


def is_email(email: str) -> bool:
    """Whether ``check_email`` lets it pass."""
    return len(email) <= MAX_EMAIL and _EMAIL.fullmatch(email) is not None


def check_password(password: str) -> None:
    """
    Raises:
        Invalid: Too short or too long. What it is made of is the person's affair.
    """
    if len(password) < MIN_PASSWORD:
        raise Invalid("password", f"a password has at least {MIN_PASSWORD} characters")
    if len(password) > MAX_PASSWORD:
        raise Invalid("password", f"a password has at most {MAX_PASSWORD} characters")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise Invalid("password", "a password is made of whole characters")


def clean_name(name: str, *, field: str = "name", limit: int = MAX_NAME) -> str:
    """
    A name or title as it is shown: trimmed, every space a plain one.

    Raises:
        Invalid: It is empty, too long, or holds characters that are not seen (controls, changes of the writing
            direction, zero-width ones): with them a name could look like another's or disturb the page around it.
    """
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in name)
    shown = " ".join(part for part in spaced.split(" ") if part)
    if not shown:
        raise Invalid(field, f"a {field} has at least one character")
    if len(shown) > limit:
        raise Invalid(field, f"a {field} has at most {limit} characters")
    if not shown.isprintable():
        raise Invalid(field, f"a {field} has visible characters only")
    return shown


def default_name(email: str) -> str:
    """The part of an e-mail before the @, as far as it makes a name."""
    local = "".join(character for character in email.partition("@")[0] if character.isprintable())
    return local[:MAX_NAME].strip() or "someone"


def new_password() -> str:
    """A password that nobody guesses: 96 random bits."""
    return secrets.token_urlsafe(12)

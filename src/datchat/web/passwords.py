"""
Passwords: Argon2id (RFC 9106) in a few threads of their own, so that hashing never stops the loop.

Only so many may wait: a flood of sign-ins is refused rather than queued without end.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from datchat.errors import RateLimited

Profile = Literal["standard", "cheap"]
T = TypeVar("T")

_PROFILES: dict[Profile, PasswordHasher] = {
    # RFC 9106, section 4, second recommended option: 64 MiB.
    "standard": PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4, hash_len=32, salt_len=16, type=Type.ID),
    "cheap": PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16, salt_len=16, type=Type.ID),
}


class Passwords:
    """Hashes and verifies passwords. ``waiting`` is how many may wait for a thread."""

    def __init__(self, profile: Profile = "standard", *, threads: int = 2, waiting: int = 64) -> None:
        self._hasher = _PROFILES[profile]
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = threads + waiting
        self._under_way = 0
        self._nobody = _nobody(self._hasher)

    async def hash(self, password: str) -> str:
        """
        The password's hash, with salt and parameters in it.

        Raises:
            RateLimited: Too many wait already.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """
        Whether the password is the one that was hashed. Without a hash the same work is done, and the answer is no.

        Raises:
            RateLimited: Too many wait already.
        """
        matches = await self._run(lambda: self._verify(password, password_hash or self._nobody))
        return matches and password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash is of other parameters than this profile's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Let the threads end when they are through with what they have."""
        self._threads.shutdown(wait=False)

    def _verify(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._room:
            raise RateLimited("too many people sign in at once, try again in a moment", 1000)
        self._under_way += 1
        job = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Counted until the thread is through with it, also when the caller has gone away meanwhile.
        job.add_done_callback(self._done)
        return await asyncio.shield(job)

    def _done(self, job: asyncio.Future[T]) -> None:
        self._under_way -= 1
        if not job.cancelled():
            job.exception()  # looked at, so that nobody's gone caller makes asyncio complain


def _nobody(hasher: PasswordHasher) -> str:
    """
    What looks like a hash and is no password's. An unknown e-mail is checked against it, so that it takes as long as a
    wrong password. It is made up: to hash something for it would be an eighth of a node's start.
    """
    salt, tag = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${tag}"

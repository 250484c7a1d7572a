"""Hashing passwords: with what, and how much at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2.exceptions import VerifyMismatchError

from datchat.errors import RateLimited
from datchat.web.passwords import Passwords, Profile


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords("cheap")
    yield passwords
    passwords.close()


async def test_only_the_same_password_matches(passwords: Passwords) -> None:
    """Whatever characters it is of; no two hashes are alike."""
    for password in ("correct horse", "pässwörd", "\x00\x00\x00\x00", "密码密码密码密码", "e\u0301"):
        hashed = await passwords.hash(password)
        assert hashed != await passwords.hash(password)
        assert await passwords.verify(password, hashed)
        assert not await passwords.verify(password + " ", hashed)
    assert not await passwords.verify("\u00e9", await passwords.hash("e\u0301"))


async def test_the_standard_is_argon2id_of_rfc_9106() -> None:
    """Its second recommended option: 64 MiB, 3 passes, 4 lanes."""
    passwords = Passwords("standard")
    assert (await passwords.hash("x")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    passwords.close()


@pytest.mark.parametrize("profile", ["standard", "cheap"])
async def test_without_a_hash_the_same_work_ends_in_no(profile: Profile) -> None:
    """Verifying against nobody hashes with the same parameters as against somebody, to the end."""
    passwords = Passwords(profile)
    seen: list[str] = []
    verify = passwords._verify
    passwords._verify = lambda password, hashed: bool(seen.append(hashed)) or verify(password, hashed)  # type: ignore[method-assign]
    assert not await passwords.verify("x", None)
    assert not passwords.outdated(seen[0])
    with pytest.raises(VerifyMismatchError):
        passwords._hasher.verify(seen[0], "x")
    assert len(seen[0]) == len(await passwords.hash("x"))
    passwords.close()


async def test_what_is_no_hash_is_nobodys(passwords: Passwords) -> None:
    """The answer is no, whatever is stored."""
    assert not await passwords.verify("x", "no hash at all")


async def test_a_hash_of_other_parameters_is_outdated(passwords: Passwords) -> None:
    """So that it can be replaced at the next sign-in."""
    hashed = await passwords.hash("x")
    assert not passwords.outdated(hashed)
    assert passwords.outdated(hashed.replace("m=8", "m=16"))


async def test_more_than_may_wait_are_refused() -> None:
    """Two at work and two waiting: the fifth is told when to try again; then there is room anew."""
    passwords = Passwords("cheap", threads=2, waiting=2)
    gate = threading.Event()
    passwords._verify = lambda password, hashed: gate.wait(10)  # type: ignore[method-assign]
    under_way = [asyncio.create_task(passwords.verify("x", "y")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited) as refused:
        await passwords.verify("x", "y")
    assert refused.value.retry_after_ms == 1000
    # A caller that goes away does not make room: its work is still in the queue.
    under_way[3].cancel()
    await asyncio.wait([under_way[3]])
    with pytest.raises(RateLimited):
        await passwords.verify("x", "y")
    gate.set()
    assert await asyncio.gather(*under_way[:3]) == [True] * 3
    assert await passwords.verify("x", "y")
    passwords.close()


async def test_the_loop_runs_while_passwords_are_hashed() -> None:
    """Hashing happens in threads of its own."""
    passwords = Passwords("cheap")
    gate = threading.Event()
    passwords._verify = lambda password, hashed: gate.wait(10)  # type: ignore[method-assign]
    job = asyncio.create_task(passwords.verify("x", "y"))
    await asyncio.sleep(0)
    gate.set()
    assert await job
    passwords.close()

"""Accounts: what they may look like, who proves to be whom, and what the operator can do."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.backends.memory import MemoryBackend
from datchat.errors import Invalid, NoSuchUser, RateLimited, Taken, WrongCredentials
from datchat.web.passwords import Passwords
from datchat.web.people import People, check_email, check_password, clean_name, default_name, is_email

PASSWORD = "correct horse"
WRONG = r"^the e-mail or the password is wrong$"


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend()
    yield backend
    await backend.close()


@pytest.fixture
def people(backend: MemoryBackend) -> People:
    return People(backend.accounts, Passwords("cheap"), lambda: 1234)


@pytest.mark.parametrize("email", ["a@b", "a.b+c@d.example", "'@'", "ü@ö.example", "a" * 248 + "@b.com"])
def test_addresses(email: str) -> None:
    """One @ with something on both sides."""
    check_email(email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "@",
        "a@",
        "@b",
        "a",
        "a@b@c",
        "a b@c",
        "a@b\n",
        "\na@b",
        "a@b\x00",
        "a\x1f@b",
        "a\x85@b",
        "a\u2028@b",
        "a" * 251 + "@b.c",
    ],
)
def test_no_addresses(email: str) -> None:
    """White space, control characters, nothing on a side, or too long."""
    with pytest.raises(Invalid) as refused:
        check_email(email)
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    ("password", "fine"), [("x" * 7, False), ("x" * 8, True), ("\n" * 200, True), ("x" * 201, False)]
)
def test_passwords_are_of_8_to_200_characters(password: str, fine: bool) -> None:
    """Of any characters."""
    if fine:
        check_password(password)
    else:
        with pytest.raises(Invalid) as refused:
            check_password(password)
        assert refused.value.field == "password"


def test_half_characters_are_no_password() -> None:
    """They come from a terminal in another encoding and could not be hashed."""
    with pytest.raises(Invalid):
        check_password("x" * 8 + "\udcff")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("愛\u3000子", "愛 子"),
        ("x" * 40, "x" * 40),
        ("🦉", "🦉"),
        ("O'Neil <3", "O'Neil <3"),
    ],
)
def test_names_are_trimmed(name: str, shown: str) -> None:
    """And every space is a plain one."""
    assert clean_name(name) == shown


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u3000",
        "x" * 41,
        "a\x00",
        "a\nb",
        "a\tb",
        "a\u202eb",
        "a\u2066b",
        "a\u200bb",
        "\ufeff",
        "a\ud800",
        "a\u2028b",
    ],
)
def test_names_that_could_pass_for_others_are_refused(name: str) -> None:
    """Control characters, changes of the writing direction, zero-width ones; nothing, and too much."""
    with pytest.raises(Invalid) as refused:
        clean_name(name)
    assert refused.value.field == "name"


@given(st.text(max_size=60))
def test_a_clean_name_has_visible_characters_only(name: str) -> None:
    """Whatever was typed: a name of at most 40 characters, or a refusal."""
    try:
        shown = clean_name(name)
    except Invalid:
        return
    assert 1 <= len(shown) <= 40
    assert shown == clean_name(shown)
    assert all(unicodedata.category(character)[0] != "C" for character in shown)


@given(st.text(max_size=300))
def test_every_address_makes_a_name(email: str) -> None:
    """The part before the @, as far as it is visible."""
    name = default_name(email)
    assert clean_name(name) == " ".join(name.split(" "))
    assert default_name("\u200b@b.c") == "someone"
    if is_email(email):
        assert default_name(email)


async def test_registering_stores_a_hash(people: People, backend: MemoryBackend) -> None:
    """Never the password; the account says when it began."""
    account = await people.register("a@b.c", PASSWORD, "Ada")
    assert await backend.accounts.by_email("A@B.C") == account
    assert (account.name, account.created_at, account.admin) == ("Ada", 1234, False)
    assert account.password_hash.startswith("$argon2id$")


async def test_a_taken_address_costs_no_hashing(people: People) -> None:
    """And the account stays as it is."""
    first = await people.register("a@b.c", PASSWORD, "Ada")
    with pytest.raises(Taken):
        await people.register("A@b.c", "another one", "Eve")
    assert await people.prove("a@b.c", PASSWORD) == first


async def test_proving_takes_the_password(people: People, backend: MemoryBackend) -> None:
    """Another one, another address, nonsense or a disabled account: the same answer."""
    account = await people.register("a@b.c", PASSWORD, None)
    assert await people.prove("A@B.c", PASSWORD) == account
    attempts = [("a@b.c", "wrong one"), ("x@b.c", PASSWORD), ("", ""), ("\x00" * 9999, "x"), ("a@b.c", PASSWORD * 99)]
    for email, password in attempts:
        with pytest.raises(WrongCredentials, match=WRONG):
            await people.prove(email, password)
    await backend.accounts.disable(account.id, True)
    with pytest.raises(WrongCredentials, match=WRONG):
        await people.prove("a@b.c", PASSWORD)


async def test_an_outdated_hash_is_replaced_at_the_next_sign_in(people: People, backend: MemoryBackend) -> None:
    """The password stays the same; where hashing is busy the sign-in goes on with the old one."""
    account = await people.register("a@b.c", PASSWORD, None)
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    await backend.accounts.rehash(account.id, old)
    hash_password = people._passwords.hash

    async def busy(password: str) -> str:
        raise RateLimited("busy", 1)

    people._passwords.hash = busy  # type: ignore[method-assign]
    assert (await people.prove("a@b.c", PASSWORD)).id == account.id
    people._passwords.hash = hash_password  # type: ignore[method-assign]
    await people.prove("a@b.c", PASSWORD)
    renewed = await backend.accounts.by_email("a@b.c")
    assert renewed is not None
    assert renewed.password_hash not in (old, account.password_hash)
    assert "m=8,t=1" in renewed.password_hash
    assert (await people.prove("a@b.c", PASSWORD)).id == account.id


async def test_the_operator_adds_and_lists(people: People) -> None:
    """With a password of their own or one that is made."""
    ada, given_one = await people.add("ada@b.c", name="Ada", password=PASSWORD, admin=True)
    bob, made = await people.add("bob@b.c", name=None, password=None, admin=False)
    assert (ada.admin, ada.name, given_one) == (True, "Ada", PASSWORD)
    assert (bob.admin, bob.name, len(made)) == (False, "bob", 16)
    assert [account.email for account in await people.listing()] == ["ada@b.c", "bob@b.c"]
    assert (await people.prove("bob@b.c", made)).id == bob.id


async def test_the_operator_disables_and_enables(people: People) -> None:
    """By address; an unknown one is said."""
    await people.register("a@b.c", PASSWORD, None)
    await people.disable("A@b.c")
    with pytest.raises(WrongCredentials):
        await people.prove("a@b.c", PASSWORD)
    await people.enable("a@b.c")
    await people.prove("a@b.c", PASSWORD)
    for act in (people.disable, people.enable, people.by_email):
        with pytest.raises(NoSuchUser, match=r"^there is no account with the e-mail x@y\.z$"):
            await act("x@y.z")


async def test_the_operator_resets_passwords(people: People) -> None:
    """To one given or made; the old one is none any more."""
    await people.register("a@b.c", PASSWORD, None)
    _, made = await people.reset_password("a@b.c", None)
    await people.prove("a@b.c", made)
    await people.reset_password("a@b.c", "another one")
    await people.prove("a@b.c", "another one")
    for old in (PASSWORD, made):
        with pytest.raises(WrongCredentials):
            await people.prove("a@b.c", old)
    with pytest.raises(Invalid):
        await people.reset_password("a@b.c", "short")
    with pytest.raises(NoSuchUser):
        await people.reset_password("x@y.z", None)

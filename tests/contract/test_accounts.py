"""The Accounts port, sentence by sentence."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from datchat.chat.model import User
from datchat.errors import Taken
from datchat.ports import Account, Accounts, Backend, Session

NOW = 1_795_503_600_000


def account(user_id: str = "u_1", email: str = "alice@example.org", name: str = "alice") -> Account:
    return Account(id=user_id, email=email, name=name, password_hash="hash", created_at=NOW)


def session(session_id: str = "s1", user: User = User("u_1", "alice"), expires_at: int = NOW + 1000) -> Session:  # noqa: B008
    return Session(id=session_id, user=user, created_at=NOW, expires_at=expires_at)


# People


async def test_an_account_is_found_by_email_and_id(accounts: Accounts) -> None:
    """What was created is found, field by field."""
    sent = replace(account(email="Alice@Example.org"), admin=True)
    assert await accounts.create(sent) == sent
    assert await accounts.by_id("u_1") == sent
    assert await accounts.by_email("Alice@Example.org") == sent


async def test_an_unknown_account_is_none(accounts: Accounts) -> None:
    """Looking for nobody finds nobody."""
    assert await accounts.by_id("u_1") is None
    assert await accounts.by_email("alice@example.org") is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("alice@example.org", "ALICE@example.ORG"),
        ("straße@example.org", "STRASSE@example.org"),
        ("jose\u0301@example.org", "JOS\u00c9@example.org"),
        ("\uff41lice@example.org", "alice@example.org"),
        (
            "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2@example.org",
            "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3@example.org",
        ),
    ],
    ids=["case", "sharp s", "composed", "full width", "final sigma"],
)
async def test_an_email_has_one_account_however_it_is_written(accounts: Accounts, first: str, second: str) -> None:
    """E-mails are compared folded; a second account is refused and takes nothing over."""
    before = await accounts.create(account("u_1", first, "first"))
    with pytest.raises(Taken):
        await accounts.create(replace(account("u_2", second, "second"), password_hash="another"))
    assert await accounts.by_email(second) == before
    assert await accounts.by_id("u_2") is None
    assert await accounts.list() == [before]


async def test_of_concurrent_sign_ups_one_gets_the_email(accounts: Accounts) -> None:
    """The check and the creation are one step."""
    outcomes = await asyncio.gather(
        *(accounts.create(account(f"u_{n}", "alice@example.org", f"name {n}")) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Account) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Taken) for outcome in outcomes) == 9


async def test_a_name_in_use_gets_a_number(accounts: Accounts) -> None:
    """Nobody can pass for somebody else: names are compared as e-mails are."""
    given = [
        (await accounts.create(account(f"u_{n}", f"{n}@example.org", name))).name
        for n, name in enumerate(["Alice", "alice", "ALICE", "alice-2", "bob", "\uff22ob"])
    ]
    assert given == ["Alice", "alice-2", "ALICE-3", "alice-2-2", "bob", "\uff22ob-2"]


async def test_the_account_that_was_created_is_the_one_that_is_kept(accounts: Accounts) -> None:
    """``create`` returns the account with the name that it got."""
    await accounts.create(account())
    created = await accounts.create(account("u_2", "other@example.org"))
    assert created.name == "alice-2"
    assert await accounts.by_id("u_2") == created
    assert created.user == User("u_2", "alice-2")


async def test_accounts_are_listed_oldest_first(accounts: Accounts) -> None:
    """In the order in which they were created, whatever their ids."""
    ids = ["u_9", "u_1", "u_5"]
    for user_id in ids:
        await accounts.create(account(user_id, f"{user_id}@example.org", user_id))
    assert [found.id for found in await accounts.list()] == ids


async def test_what_is_done_to_an_unknown_account_is_ignored(accounts: Accounts) -> None:
    """No account, no error, and nothing that comes to be."""
    await accounts.disable("u_1", True)
    await accounts.set_password("u_1", "new")
    await accounts.rehash("u_1", "new")
    assert await accounts.list() == []


# Sessions


async def test_a_session_is_found_until_it_expires(accounts: Accounts) -> None:
    """A session lives while ``now`` is before ``expires_at``."""
    await accounts.create(account())
    await accounts.open_session(session())
    assert await accounts.session("s1", NOW + 999) == session()
    assert await accounts.session("s1", NOW + 1000) is None
    assert await accounts.session("another", NOW) is None


async def test_a_session_follows_its_account(accounts: Accounts) -> None:
    """Name and rights are the account's, not those of the moment of signing in."""
    await accounts.create(account("u_0", "other@example.org", "alice"))
    await accounts.create(replace(account(), admin=True))
    await accounts.open_session(session(user=User("u_1", "whatever")))
    found = await accounts.session("s1", NOW)
    assert found is not None
    assert (found.user, found.admin) == (User("u_1", "alice-2"), True)


async def test_a_session_of_nobody_is_none(accounts: Accounts) -> None:
    """Without an account there is no session."""
    await accounts.open_session(session())
    assert await accounts.session("s1", NOW) is None
    assert await accounts.living(["s1"], NOW) == set()


async def test_an_ended_session_is_dead_at_once(accounts: Accounts) -> None:
    """Once ``end_session`` returns the session is never found again; ending it twice is no error."""
    await accounts.create(account())
    await accounts.open_session(session("s1"))
    await accounts.open_session(session("s2"))
    await accounts.end_session("s1")
    await accounts.end_session("s1")
    assert await accounts.session("s1", NOW) is None
    assert await accounts.session("s2", NOW) is not None


async def test_disabling_ends_the_sessions(accounts: Accounts) -> None:
    """A disabled account has no sessions, old or new; enabling it brings no old one back."""
    await accounts.create(account())
    await accounts.open_session(session("s1"))
    await accounts.disable("u_1", True)
    assert await accounts.session("s1", NOW) is None
    await accounts.open_session(session("s2"))
    assert await accounts.session("s2", NOW) is None
    assert await accounts.living(["s1", "s2"], NOW) == set()
    found = await accounts.by_id("u_1")
    assert found is not None
    assert found.disabled
    await accounts.disable("u_1", False)
    assert await accounts.session("s1", NOW) is None
    await accounts.open_session(session("s3"))
    assert await accounts.session("s3", NOW) is not None
    assert await accounts.by_id("u_1") == account()


async def test_enabling_leaves_sessions_alone(accounts: Accounts) -> None:
    """Enabling an account that is enabled changes nothing."""
    await accounts.create(account())
    await accounts.open_session(session())
    await accounts.disable("u_1", False)
    assert await accounts.session("s1", NOW) is not None


async def test_a_new_password_ends_the_sessions(accounts: Accounts) -> None:
    """Whoever signed in with the old password is out."""
    await accounts.create(account())
    await accounts.open_session(session())
    await accounts.set_password("u_1", "new")
    assert await accounts.session("s1", NOW) is None
    found = await accounts.by_id("u_1")
    assert found is not None
    assert found.password_hash == "new"


async def test_a_new_hash_of_the_same_password_ends_nothing(accounts: Accounts) -> None:
    """Sessions live on through a rehash."""
    await accounts.create(account())
    await accounts.open_session(session())
    await accounts.rehash("u_1", "newer")
    assert await accounts.session("s1", NOW) is not None
    found = await accounts.by_id("u_1")
    assert found is not None
    assert found.password_hash == "newer"


async def test_other_peoples_sessions_live_on(accounts: Accounts) -> None:
    """What ends the sessions of one account touches no other."""
    await accounts.create(account())
    await accounts.create(account("u_2", "bob@example.org", "bob"))
    await accounts.open_session(session("s1"))
    await accounts.open_session(session("s2", User("u_2", "bob")))
    await accounts.set_password("u_1", "new")
    await accounts.disable("u_1", True)
    assert await accounts.living(["s1", "s2"], NOW) == {"s2"}


async def test_living_are_those_that_would_be_found(accounts: Accounts) -> None:
    """``living`` says of many what ``session`` says of one."""
    await accounts.create(account())
    for number in range(1200):
        await accounts.open_session(session(f"s{number}", expires_at=NOW + number))
    ids = [f"s{number}" for number in range(1300)]
    assert await accounts.living(ids, NOW + 600) == {f"s{number}" for number in range(601, 1200)}
    assert await accounts.living([], NOW) == set()


async def test_signing_in_clears_what_has_expired(accounts: Accounts) -> None:
    """Old sessions do not pile up: a new one takes the account's expired ones away, and no living one."""
    await accounts.create(account())
    await accounts.open_session(session("old", expires_at=NOW))
    await accounts.open_session(session("living", expires_at=NOW + 5))
    await accounts.open_session(session("new"))
    assert await accounts.session("old", NOW - 1) is None
    assert await accounts.session("living", NOW) is not None


async def test_people_of_a_closed_store_are_not_asked_for(backend: Backend) -> None:
    """A closed store answers nothing by chance."""
    await backend.accounts.create(account())
    await backend.close()

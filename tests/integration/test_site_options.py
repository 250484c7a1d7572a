"""Every option of the site does something: each of these fails when its option is ignored."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import fields

from datchat.backends.memory import MemoryBackend
from datchat.web.options import SiteOptions
from support.serving import PASSWORD, csrf_token, serving

TESTED_ELSEWHERE = {
    "session_days": "test_api",
    "sign_in_rate": "test_api, test_auth",
    "secure_cookies": "test_auth",
    "max_body_bytes": "test_api_input",
    "body_s": "test_api_input",
}
TESTED_HERE = {"secret", "origins", "password_hash", "hash_threads", "hash_waiting"}


def test_no_option_is_forgotten() -> None:
    """Each is tested here or there."""
    assert {option.name for option in fields(SiteOptions)} == TESTED_HERE | set(TESTED_ELSEWHERE)


async def test_nodes_of_one_secret_know_each_other_s_tokens() -> None:
    """A form from one node can be sent to another, with its flash message; with another secret it can't."""
    another = b"another secret of 32 bytes at least"
    async with serving() as first, serving() as other, serving(secret=another) as odd:
        client = first.client()
        token = csrf_token((await client.get("/auth/sign_up")).text)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        flash = (await first.client().get("/")).cookies["datchat_flash"]
        data = {"user[email]": "alice@example.org", "user[password]": PASSWORD, "csrf_token": token}
        refused = await odd.client().post("/auth/sign_up", data=data, headers={"cookie": cookie})
        assert refused.status_code == 403
        taken = await other.client().post("/auth/sign_up", data=data, headers={"cookie": cookie})
        assert taken.status_code == 303
        for node, shown in ((other, True), (odd, False)):
            page = await node.client().get("/auth/sign_in", headers={"cookie": f"datchat_flash={flash}"})
            assert ("Sign in to go on." in page.text) is shown


async def test_further_origins_may_open_the_socket() -> None:
    """With the cookie; others may not."""
    async with serving(origins=("https://friend.example",)) as served:
        alice = await served.browser()
        for origin, status in ((served.url, 101), ("https://friend.example", 101), ("https://evil.example", 403)):
            headers = {
                "connection": "upgrade",
                "upgrade": "websocket",
                "sec-websocket-version": "13",
                "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
                "origin": origin,
            }
            async with alice.stream("GET", "/ws", headers=headers) as answer:
                assert answer.status_code == status, origin


async def test_passwords_are_hashed_by_the_chosen_profile() -> None:
    """The standard one takes 64 MiB, the cheap one is for tests."""
    for profile, parameters in (("standard", "$m=65536,t=3,p=4$"), ("cheap", "$m=8,t=1,p=1$")):
        backend = MemoryBackend()
        async with serving(backend, password_hash=profile) as served:
            await served.person("alice")
            account = await served.node.accounts.by_email("alice@example.org")
            assert account is not None
            assert parameters in account.password_hash


async def test_only_so_many_hash_and_wait_at_once() -> None:
    """One thread and one who waits: the third is told to come back, and sign-ups as much as sign-ins."""
    async with serving(hash_threads=1, hash_waiting=1) as served:
        passwords = served.site.state.site.people._passwords
        gate, at_work = threading.Event(), threading.Semaphore(0)

        def verify(password: str, hashed: str) -> bool:
            at_work.release()
            return gate.wait(10)

        passwords._verify = verify
        client = served.client()
        guess = {"email": "x@example.org", "password": "password"}
        waiting = [asyncio.create_task(client.post("/api/v1/sessions", json=guess)) for _ in range(3)]
        done, under_way = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        (limited,) = [task.result() for task in done]
        assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
        assert limited.headers["retry-after"] == "1"
        account = {"email": "y@example.org", "password": PASSWORD}
        assert (await client.post("/api/v1/accounts", json=account)).status_code == 429
        assert at_work.acquire(timeout=5)
        assert not at_work.acquire(blocking=False), "one thread does one at a time"
        gate.set()
        assert [(await task).status_code for task in under_way] == [401, 401]

"""The JSON API, call by call, through the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from datchat.backends.memory import MemoryBackend
from datchat.chat.model import Kind, User
from datchat.errors import Indeterminate
from datchat.node.limits import Limits
from support.serving import PASSWORD, Served, serving

ACCOUNT = {"email": "alice@example.org", "password": PASSWORD}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def post(client: httpx.AsyncClient, nonce: str, text: str = "hello", **more: Any) -> httpx.Response:
    return await client.post("/api/v1/rooms/lobby/entries", json={"nonce": nonce, "text": text, **more})


# People and sessions


async def test_signing_up_answers_the_user(served: Served) -> None:
    """Without a name it is the part of the e-mail before the @."""
    answer = await served.client().post("/api/v1/accounts", json=ACCOUNT)
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "name": "alice"}
    assert answer.json()["id"].startswith("u_")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("email", ["alice@example.org", "ALICE@Example.ORG", "\uff41lice@example.org"])
async def test_a_second_sign_up_takes_nothing_over(served: Served, email: str) -> None:
    """However it is cased or composed, the e-mail is taken and the first password stays the one."""
    client = served.client()
    await client.post("/api/v1/accounts", json=ACCOUNT)
    answer = await client.post("/api/v1/accounts", json={"email": email, "password": "another one"})
    assert (answer.status_code, answer.json()["code"]) == (409, "taken")
    stolen = await client.post("/api/v1/sessions", json={"email": email, "password": "another one"})
    assert stolen.status_code == 401
    assert (await client.post("/api/v1/sessions", json=ACCOUNT)).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", "a@b@c"),
        ("email", "@example.org"),
        ("email", "a\n@example.org"),
        ("email", f"{'a' * 251}@b.c"),
        ("email", 7),
        ("email", None),
        ("password", "1234567"),
        ("password", "x" * 201),
        ("password", ["x" * 10]),
        ("name", "x" * 41),
        ("name", "a\u202eb"),
        ("name", "a\x00b"),
        ("name", {"first": "a"}),
    ],
)
async def test_a_wrong_field_is_named(served: Served, field: str, value: Any) -> None:
    """422 with the field, and no account."""
    client = served.client()
    answer = await client.post("/api/v1/accounts", json={**ACCOUNT, field: value})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "bad_command", field)
    assert (await client.post("/api/v1/sessions", json=ACCOUNT)).status_code == 401


async def test_a_missing_field_is_named(served: Served) -> None:
    """What is not there is as wrong as what is wrong."""
    answer = await served.client().post("/api/v1/accounts", json={"email": "a@b.c"})
    assert answer.status_code == 422
    assert answer.json() == {"code": "bad_command", "message": "password is missing", "field": "password"}


async def test_signing_in_gives_token_and_cookie(served: Served) -> None:
    """Both open the same session; the cookie is out of scripts' reach and not sent along by other sites' forms."""
    client = served.client()
    await client.post("/api/v1/accounts", json=ACCOUNT)
    answer = await client.post("/api/v1/sessions", json=ACCOUNT)
    assert answer.status_code == 201
    session = answer.json()
    assert session["user"]["name"] == "alice"
    assert 43 < len(session["token"]) <= 400
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"datchat_session={session['token']}; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    mine = (await client.get("/api/v1/me")).json()
    assert mine == {**session["user"], "admin": False, "csrf_token": session["csrf_token"]}
    bearer = served.client(headers={"authorization": f"Bearer {session['token']}"})
    assert (await bearer.get("/api/v1/me")).json() == mine


async def test_unknown_email_and_wrong_password_answer_alike(served: Served) -> None:
    """Nobody learns from a sign-in who has an account."""
    client = served.client()
    await client.post("/api/v1/accounts", json=ACCOUNT)
    wrong = await client.post("/api/v1/sessions", json={**ACCOUNT, "password": "wrong password"})
    unknown = await client.post("/api/v1/sessions", json={**ACCOUNT, "email": "bob@example.org"})
    nonsense = await client.post("/api/v1/sessions", json={"email": "\x00", "password": ""})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    for answer in (unknown, nonsense):
        assert (answer.status_code, answer.content) == (wrong.status_code, wrong.content)
        assert {*answer.headers} == {*wrong.headers}


async def test_an_ended_session_is_dead_at_once(served: Served) -> None:
    """By bearer or by cookie, 204 takes the session and its cookie away."""
    alice = await served.person()
    answer = await alice.delete("/api/v1/sessions/current")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    again = await alice.get("/api/v1/me")
    assert (again.status_code, again.json()["code"]) == (401, "unauthenticated")
    assert again.headers["www-authenticate"].startswith("Bearer")


async def test_one_session_ends_and_the_others_live(served: Served) -> None:
    """Signing in over the API or out elsewhere leaves the other sessions of an account alone."""
    alice = await served.person()
    client = served.client()
    await client.post("/api/v1/sessions", json=ACCOUNT)
    token = (await client.get("/api/v1/me")).json()["csrf_token"]
    ended = await client.delete("/api/v1/sessions/current", headers={"x-csrf-token": token})
    assert ended.status_code == 204
    assert (await alice.get("/api/v1/me")).status_code == 200


async def test_sessions_end_by_themselves() -> None:
    """After ``session_days``."""
    async with serving(session_days=1) as served:
        alice = await served.person()
        assert (await alice.get("/api/v1/me")).status_code == 200
        began = served.node.wall()
        served.site.state.doorkeeper._wall = lambda: began + 86_400_001
        assert (await alice.get("/api/v1/me")).status_code == 401


async def test_a_disabled_account_can_do_nothing(served: Served) -> None:
    """Its sessions are dead, and signing in answers as to a wrong password."""
    alice = await served.person()
    account = await served.node.accounts.by_email("alice@example.org")
    assert account is not None
    await served.node.accounts.disable(account.id, True)
    assert (await alice.get("/api/v1/me")).status_code == 401
    answer = await alice.post("/api/v1/sessions", json=ACCOUNT)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")


async def test_failed_sign_ins_are_limited_by_account() -> None:
    """After a burst of fifty times the rate; another account still signs in, and a success costs nothing."""
    async with serving(sign_in_rate=0.04) as served:
        alice, bob = await served.person("alice"), await served.person("bob")
        wrong = {**ACCOUNT, "password": "wrong password"}
        assert [(await alice.post("/api/v1/sessions", json=ACCOUNT)).status_code for _ in range(4)] == [201] * 4
        assert [(await alice.post("/api/v1/sessions", json=wrong)).status_code for _ in range(3)] == [401, 401, 429]
        limited = await alice.post("/api/v1/sessions", json=ACCOUNT)
        assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
        assert 0 < int(limited.headers["retry-after"]) <= 25
        assert limited.json()["retry_after_ms"] <= 25_000
        other = {"email": "bob@example.org", "password": PASSWORD}
        assert (await bob.post("/api/v1/sessions", json=other)).status_code == 201


async def test_failed_sign_ins_are_limited_by_address() -> None:
    """Trying many accounts from one address ends too, ten times as late."""
    async with serving(sign_in_rate=0.02) as served:
        client = served.client()

        async def attempt(number: int) -> int:
            guess = {"email": f"{number}@example.org", "password": "password1"}
            return (await client.post("/api/v1/sessions", json=guess)).status_code

        answers = [await attempt(number) for number in range(11)]
        assert answers == [401] * 10 + [429]


# The CSRF token


async def test_acts_by_cookie_need_the_token(served: Served) -> None:
    """Missing or another session's: 403, and nothing happens."""
    alice, bob = await served.browser("alice"), await served.browser("bob")
    right = alice.headers.pop("x-csrf-token")
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/rooms", {"id": "den", "title": "Den"}),
        ("PATCH", "/api/v1/rooms/lobby", {"title": "x"}),
        ("POST", "/api/v1/rooms/lobby/members", {"email": "bob@example.org"}),
        ("DELETE", "/api/v1/rooms/lobby/members/u_1", None),
        ("PUT", "/api/v1/rooms/lobby/read", {"offset": 1}),
        ("POST", "/api/v1/rooms/lobby/entries", {"nonce": "n", "text": "x"}),
        ("DELETE", "/api/v1/sessions/current", None),
    ]
    for wrong in (
        {},
        {"x-csrf-token": bob.headers["x-csrf-token"]},
        {"x-csrf-token": right[:-1]},
        {"x-csrf-token": "é"},
    ):
        for method, path, body in calls:
            headers = {name: value.encode("latin-1") for name, value in wrong.items()}
            answer = await alice.request(method, path, json=body, headers=headers)  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    assert len((await alice.get("/api/v1/rooms")).json()) == 1
    accepted = await alice.post("/api/v1/rooms", json={"id": "den", "title": "Den"}, headers={"x-csrf-token": right})
    assert accepted.status_code == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
@pytest.mark.parametrize("path", ["/api/v1/accounts", "/api/v1/sessions"])
async def test_signing_up_and_in_take_json_only(served: Served, path: str, content_type: str) -> None:
    """Another site's form can't send it, so it can't sign somebody in as somebody else."""
    body = b'{"email":"alice@example.org","password":"correct horse"}'
    answer = await served.client().post(path, content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_every_call_but_two_needs_a_session(served: Served) -> None:
    """401 for whoever is not signed in, told before anything else is looked at."""
    client = served.client()
    for path, calls in served.site.openapi()["paths"].items():
        for method, call in calls.items():
            if path in ("/api/v1/accounts", "/api/v1/sessions"):
                continue
            url = path.replace("{room}", "no room").replace("{user}", "!")
            answer = await client.request(method, url, headers={"authorization": f"Bearer {'A' * 43}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
            assert call["security"]


# Rooms


async def test_the_lobby_is_there_from_the_start(served: Served) -> None:
    """With all that is told of a room."""
    alice = await served.person()
    assert (await alice.get("/api/v1/rooms")).json() == [
        {
            "id": "lobby",
            "title": "Lobby",
            "private": False,
            "archived": False,
            "created_by": None,
            "created_at": 0,
            "cursor": "0:0000000000000000",
            "read": 0,
            "unread": 0,
            "moderator": False,
        }
    ]


async def test_rooms_are_created_renamed_and_archived(served: Served) -> None:
    """By their moderator; everybody sees it, and nobody else may."""
    alice, bob = await served.person("alice"), await served.person("bob")
    made = await alice.post("/api/v1/rooms", json={"id": "garden", "title": "  The \u3000garden "})
    assert made.status_code == 201
    assert (made.json()["title"], made.json()["moderator"], made.json()["private"]) == ("The garden", True, False)
    assert made.json()["created_by"] == (await alice.get("/api/v1/me")).json()["id"]
    twice = await bob.post("/api/v1/rooms", json={"id": "garden", "title": "Mine"})
    assert (twice.status_code, twice.json()["code"]) == (409, "taken")
    seen = {room["id"]: room for room in (await bob.get("/api/v1/rooms")).json()}
    assert seen["garden"]["moderator"] is False
    refused = await bob.patch("/api/v1/rooms/garden", json={"title": "Bob's"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    renamed = await alice.patch("/api/v1/rooms/garden", json={"title": "Orchard"})
    assert (renamed.status_code, renamed.json()["title"], renamed.json()["archived"]) == (200, "Orchard", False)
    archived = await alice.patch("/api/v1/rooms/garden", json={"archived": True})
    assert (archived.json()["title"], archived.json()["archived"]) == ("Orchard", True)
    late = await alice.post("/api/v1/rooms/garden/entries", json={"nonce": "n", "text": "still here?"})
    assert late.status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "Garden"),
        ("id", ""),
        ("id", "-a"),
        ("id", "a" * 65),
        ("id", "garden\n"),
        ("id", "gärten"),
        ("title", ""),
        ("title", " \u3000 "),
        ("title", "x" * 81),
        ("title", "a\u200fb"),
        ("private", "yes"),
        ("private", 1),
    ],
)
async def test_a_room_of_the_wrong_form_is_refused(served: Served, field: str, value: Any) -> None:
    """422 with the field named."""
    alice = await served.person()
    answer = await alice.post("/api/v1/rooms", json={"id": "garden", "title": "Garden", field: value})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_private_room_lets_in_whom_its_members_add(served: Served) -> None:
    """By e-mail or id; nobody else sees it, reads it or writes to it."""
    alice, bob, carol = [await served.person(name) for name in ("alice", "bob", "carol")]
    await alice.post("/api/v1/rooms", json={"id": "den", "title": "Den", "private": True})
    for path in ("entries", "messages"):
        shut = await bob.get(f"/api/v1/rooms/den/{path}")
        assert (shut.status_code, shut.json()["code"]) == (403, "not_a_member")
    assert (await bob.post("/api/v1/rooms/den/entries", json={"nonce": "n", "text": "x"})).status_code == 403
    assert (await bob.put("/api/v1/rooms/den/read", json={"offset": 1})).status_code == 403
    assert (await bob.post("/api/v1/rooms/den/members", json={"email": "bob@example.org"})).status_code == 403
    assert "den" not in [room["id"] for room in (await bob.get("/api/v1/rooms")).json()]
    assert (await alice.post("/api/v1/rooms/den/members", json={"email": "BOB@example.org"})).status_code == 204
    carol_id = (await carol.get("/api/v1/me")).json()["id"]
    assert (await bob.post("/api/v1/rooms/den/members", json={"user": carol_id})).status_code == 204
    assert (await carol.post("/api/v1/rooms/den/entries", json={"nonce": "n", "text": "hi"})).status_code == 201
    assert (await carol.delete(f"/api/v1/rooms/den/members/{carol_id}")).status_code == 204
    assert (await carol.get("/api/v1/rooms/den/entries")).status_code == 403
    bob_id = (await bob.get("/api/v1/me")).json()["id"]
    alice_id = (await alice.get("/api/v1/me")).json()["id"]
    assert (await bob.delete(f"/api/v1/rooms/den/members/{alice_id}")).status_code == 403
    assert (await alice.delete(f"/api/v1/rooms/den/members/{bob_id}")).status_code == 204


@pytest.mark.parametrize(
    ("room", "body", "status", "code"),
    [
        ("den", {"email": "nobody@example.org"}, 404, "no_such_user"),
        ("den", {"user": "u_nobody"}, 404, "no_such_user"),
        ("den", {"user": ""}, 404, "no_such_user"),
        ("den", {"user": "u_1", "email": "a@b.c"}, 422, "bad_command"),
        ("den", {}, 422, "bad_command"),
        ("lobby", {"email": "alice@example.org"}, 422, "bad_command"),
        ("nowhere", {"email": "alice@example.org"}, 404, "no_such_room"),
    ],
)
async def test_who_can_not_be_added(served: Served, room: str, body: Any, status: int, code: str) -> None:
    """Unknown people, nobody, two at once; and a public room needs no members."""
    alice = await served.person()
    await alice.post("/api/v1/rooms", json={"id": "den", "title": "Den", "private": True})
    answer = await alice.post(f"/api/v1/rooms/{room}/members", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_markers_move_forward_and_clear_what_is_unread(served: Served) -> None:
    """Never back, never past the top."""
    alice, bob = await served.person("alice"), await served.person("bob")
    for number in range(3):
        await post(alice, f"n{number}")

    async def unread() -> int:
        return int((await bob.get("/api/v1/rooms")).json()[0]["unread"])

    assert await unread() == 3
    assert (await bob.put("/api/v1/rooms/lobby/read", json={"offset": 2})).json() == {"room": "lobby", "offset": 2}
    assert await unread() == 1
    assert (await bob.put("/api/v1/rooms/lobby/read", json={"offset": 1})).json()["offset"] == 2
    assert (await bob.put("/api/v1/rooms/lobby/read", json={"offset": 99})).json()["offset"] == 3
    assert await unread() == 0


# What was said


async def test_a_post_is_answered_with_the_fields_of_stored(served: Served) -> None:
    """201 the first time; the same nonce again is 200 with the first answer."""
    alice = await served.person()
    answer = await post(alice, "n1")
    assert answer.status_code == 201
    stored = answer.json()
    assert stored == {
        "room": "lobby",
        "nonce": "n1",
        "offset": 1,
        "cursor": stored["cursor"],
        "copies": 1,
        "duplicate": False,
    }
    again = await post(alice, "n1", "something else", age_ms=1200)
    assert (again.status_code, again.json()) == (200, {**stored, "duplicate": True})
    assert len((await alice.get("/api/v1/rooms/lobby/entries")).json()["entries"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"nonce": "n", "text": ""}, 422, "empty"),
        ({"nonce": "n", "text": " \n\u2003"}, 422, "empty"),
        ({"nonce": "n", "text": "x" * 4001}, 422, "too_large"),
        ({"nonce": "", "text": "x"}, 422, "bad_command"),
        ({"nonce": "n" * 65, "text": "x"}, 422, "bad_command"),
        ({"nonce": "a b", "text": "x"}, 422, "bad_command"),
        ({"nonce": "n\n", "text": "x"}, 422, "bad_command"),
        ({"nonce": 7, "text": "x"}, 422, "bad_command"),
        ({"nonce": "n", "text": None}, 422, "bad_command"),
        ({"nonce": "n"}, 422, "bad_command"),
        ({"nonce": "n", "text": "x", "reply_to": 0}, 422, "bad_command"),
        ({"nonce": "n", "text": "x", "reply_to": 2**60}, 422, "bad_command"),
        ({"nonce": "n", "text": "x", "reply_to": 1.0}, 422, "bad_command"),
        ({"nonce": "n", "text": "x", "reply_to": 7}, 404, "no_such_entry"),
        ({"nonce": "n", "text": "x", "age_ms": -1}, 422, "bad_command"),
        ({"nonce": "n", "text": "x", "age_ms": 600_001}, 409, "stale_nonce"),
        ([], 422, "bad_command"),
        ("x", 422, "bad_command"),
    ],
)
async def test_what_can_not_be_posted(served: Served, body: Any, status: int, code: str) -> None:
    """Each with its code; nothing is stored."""
    alice = await served.person()
    answer = await alice.post("/api/v1/rooms/lobby/entries", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await alice.get("/api/v1/rooms/lobby/entries")).json()["entries"] == []


async def test_posts_are_limited() -> None:
    """429 says when it will go."""
    async with serving(limits=Limits(post_rate=0.1, drain_s=0)) as served:
        alice = await served.person()
        assert (await post(alice, "n1")).status_code == 201
        answer = await post(alice, "n2")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 10


async def test_a_store_that_does_not_confirm_is_unavailable() -> None:
    """503 with Retry-After; the same nonce afterwards is the safe way on."""
    backend = MemoryBackend()
    async with serving(backend) as served:
        alice = await served.person()
        append, backend.broker.append = backend.broker.append, _doubt  # type: ignore[method-assign]
        answer = await post(alice, "n1")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        backend.broker.append = append  # type: ignore[method-assign]
        assert (await post(alice, "n1", age_ms=900)).status_code == 201


async def _doubt(draft: Any) -> Any:
    raise Indeterminate("the store did not confirm in time")


async def test_entries_are_read_forwards_backwards_and_newest(served: Served) -> None:
    """Every entry as the socket pushes it; ``more`` in the direction that was read."""
    alice = await served.person()
    cursors = [(await post(alice, f"n{number}", f"text {number}")).json()["cursor"] for number in range(1, 8)]

    async def page(**query: Any) -> tuple[list[int], str, bool, bool]:
        found = (await alice.get("/api/v1/rooms/lobby/entries", params=query)).json()
        return [entry["offset"] for entry in found["entries"]], found["cursor"], found["more"], found["reset"]

    assert await page() == ([1, 2, 3, 4, 5, 6, 7], cursors[6], False, False)
    assert await page(limit=3) == ([5, 6, 7], cursors[6], True, False)
    assert await page(before=5, limit=3) == ([2, 3, 4], cursors[3], True, False)
    assert await page(before=2, limit=3) == ([1], cursors[0], False, False)
    assert await page(after=cursors[2], limit=3) == ([4, 5, 6], cursors[5], True, False)
    assert await page(after=cursors[5], limit=3) == ([7], cursors[6], False, False)
    assert await page(after=cursors[6]) == ([], cursors[6], False, False)
    assert await page(after="0:0000000000000000", limit=2) == ([1, 2], cursors[1], True, False)
    assert await page(after="3:0123456789abcdef", limit=2) == ([6, 7], cursors[6], True, True)
    assert await page(after="99:0123456789abcdef") == ([1, 2, 3, 4, 5, 6, 7], cursors[6], False, True)
    entry = (await alice.get("/api/v1/rooms/lobby/entries", params={"limit": 1})).json()["entries"][0]
    user = (await alice.get("/api/v1/me")).json()
    assert entry == {
        "type": "entry",
        "room": "lobby",
        "offset": 7,
        "chain": cursors[6].partition(":")[2],
        "kind": "message",
        "author": {"id": user["id"], "name": "alice"},
        "at": entry["at"],
        "nonce": "n7",
        "via": "web7",
        "text": "text 7",
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"before": "0"}, "before"),
        ({"before": "-1"}, "before"),
        ({"before": "9" * 400}, "before"),
        ({"before": "1e3"}, "before"),
        ({"after": "7"}, "after"),
        ({"after": "7:xyz"}, "after"),
        ({"after": "1:0123456789abcdef\n"}, "after"),
        ({"after": "\u0661:0123456789abcdef"}, "after"),
        ({"after": ""}, "after"),
        ({"after": "0:0000000000000000", "before": "3"}, "before"),
    ],
)
async def test_a_wrong_parameter_is_named(served: Served, query: dict[str, str], field: str) -> None:
    """422 with the field."""
    alice = await served.person()
    answer = await alice.get("/api/v1/rooms/lobby/entries", params=query)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "bad_command", field)


@pytest.mark.parametrize("room", ["Lobby", "%00", "lobby%0A", "%ED%A0%80", "l%C3%B6bby", "a" * 65, "..%2flobby", "."])
async def test_a_room_that_can_not_be(served: Served, room: str) -> None:
    """422, or 404 where the path leads elsewhere; never more than that."""
    alice = await served.person()
    for method, path in [("GET", "entries"), ("GET", "messages"), ("POST", "entries"), ("PUT", "read")]:
        answer = await alice.request(method, httpx.URL(f"{served.url}/api/v1/rooms/{room}/{path}"), json={})
        assert answer.status_code in (404, 405, 422)
        assert answer.json()["code"] in ("bad_command", "not_found", "method_not_allowed")


@pytest.mark.parametrize("path", ["entries", "messages"])
async def test_a_room_that_is_not(served: Served, path: str) -> None:
    """404."""
    alice = await served.person()
    answer = await alice.get(f"/api/v1/rooms/nowhere/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_room")


async def test_a_view_shows_messages_as_they_are_now(served: Served) -> None:
    """Edits, reactions and deletions folded in; what is ``mine`` depends on who looks."""
    alice, bob = await served.person("alice"), await served.person("bob")
    await post(alice, "n1", "helo")
    await post(bob, "n2", "hi", reply_to=1)
    await post(bob, "n3", "oops")
    users = {name: await _user(client) for name, client in (("alice", alice), ("bob", bob))}
    act = served.node.post
    lobby = (await served.node.enter(users["alice"], served_room("lobby"))).id
    await act(users["alice"], room=lobby, kind=Kind.EDIT, nonce="n4", target=1, text="hello")
    await act(users["alice"], room=lobby, kind=Kind.REACTION, nonce="n5", target=2, emoji="👍", on=True)
    await act(users["bob"], room=lobby, kind=Kind.DELETION, nonce="n6", target=3)
    view = (await alice.get("/api/v1/rooms/lobby/messages")).json()
    first, second, third = view["messages"]
    assert (view["cursor"].partition(":")[0], view["more"]) == ("6", False)
    assert (first["text"], first["replies"], first["revision"], first["deleted"]) == ("hello", 1, 4, False)
    assert first["edited_at"] >= first["at"]
    assert second["reply_to"] == 1
    assert second["reactions"] == [{"emoji": "👍", "count": 1, "mine": True, "users": [users["alice"].id]}]
    assert (third["text"], third["deleted"]) == ("", True)
    theirs = (await bob.get("/api/v1/rooms/lobby/messages")).json()["messages"]
    assert theirs[1]["reactions"][0]["mine"] is False
    older = (await bob.get("/api/v1/rooms/lobby/messages", params={"before": 3, "limit": 1})).json()
    assert ([message["offset"] for message in older["messages"]], older["more"]) == ([2], True)
    assert (await bob.get("/api/v1/rooms/lobby/messages", params={"limit": 201})).status_code == 422


def served_room(name: str) -> Any:
    return name


async def _user(client: httpx.AsyncClient) -> User:
    mine = (await client.get("/api/v1/me")).json()
    return User(mine["id"], mine["name"])


# The cluster and the document


async def test_the_cluster_is_told_as_it_is(served: Served) -> None:
    """One node on the embedded store: no servers, no sentinels, no failover."""
    alice = await served.person()
    assert (await alice.get("/api/v1/cluster")).json() == {
        "nodes": [{"name": "web7", "addresses": ["10.0.0.7"], "state": "running"}],
        "servers": [],
        "sentinels": [],
        "last_failover": None,
        "store": {"state": "ok", "master": None, "copies": 1, "since_ms": 0},
    }
    await served.node.drain(0)
    assert (await alice.get("/api/v1/cluster")).json()["nodes"][0]["state"] == "draining"


async def test_the_api_describes_itself(served: Served) -> None:
    """A page for people that names every call, and the document for machines; both without signing in."""
    client = served.client()
    document = (await client.get("/api/openapi.json")).json()
    page = await client.get("/api/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in page.text
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert f"{method.upper()} {path}" in page.text
            assert call["summary"] in page.text

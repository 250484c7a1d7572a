"""Signing up, in and out through the forms: cookies, tokens, where one ends up, and who can't get in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from datchat.backends.memory import MemoryBackend
from datchat.errors import Unavailable
from support.serving import PASSWORD, Served, csrf_token, serving

FIELDS = {"user[email]": "alice@example.org", "user[password]": PASSWORD}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Fetch a form and send it, as a browser does."""
    token = csrf_token((await client.get(path)).text)
    return await client.post(path.partition("?")[0], data={"csrf_token": token, **FIELDS, **fields})


def cookies_set(answer: httpx.Response) -> dict[str, str]:
    return {header.partition("=")[0]: header for header in answer.headers.get_list("set-cookie")}


async def test_signed_out_the_chat_asks_to_sign_in_and_says_so_once(served: Served) -> None:
    """303 to the form, with a flash message that is gone on the next page."""
    client = served.client()
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign_in")
    flash = cookies_set(answer)["datchat_flash"]
    assert {"HttpOnly", "SameSite=Lax"} <= set(flash.split("; "))
    assert "Sign in to go on." in (await client.get("/auth/sign_in")).text
    assert "Sign in to go on." not in (await client.get("/auth/sign_in")).text


async def test_signing_up_ends_in_the_chat(served: Served) -> None:
    """Signed in, with a welcome; the session's cookie is out of scripts' reach."""
    client = served.client()
    answer = await send(client, "/auth/sign_up", **{"user[name]": "Alice <b>"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = cookies_set(answer)["datchat_session"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie)
    assert "Secure" not in cookie
    page = await client.get("/")
    assert page.status_code == 200
    assert "Welcome, Alice &lt;b&gt;." in page.text
    assert (await client.get("/api/v1/me")).json()["name"] == "Alice <b>"


async def test_the_name_is_optional(served: Served) -> None:
    """Left out or left empty it is the part of the e-mail before the @."""
    client = served.client()
    await send(client, "/auth/sign_up", **{"user[name]": " "})
    assert (await client.get("/api/v1/me")).json()["name"] == "alice"


async def test_signing_in_ends_where_one_wanted_to_go(served: Served) -> None:
    """The room that was asked for while signed out."""
    await served.person("alice")
    client = served.client()
    asked = await client.get("/rooms/lobby")
    assert asked.headers["location"] == "/auth/sign_in?return_to=%2Frooms%2Flobby"
    form = (await client.get(asked.headers["location"])).text
    assert 'name="return_to" value="/rooms/lobby"' in form
    answer = await send(client, asked.headers["location"], return_to="/rooms/lobby")
    assert (answer.status_code, answer.headers["location"]) == (303, "/rooms/lobby")


@pytest.mark.parametrize(
    "evil", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "evil"]
)
async def test_signing_in_leads_nowhere_else(served: Served, evil: str) -> None:
    """No open redirect, neither by the query nor by the form's field."""
    await served.person("alice")
    client = served.client()
    form = await client.get("/auth/sign_in", params={"return_to": evil})
    assert "evil" not in form.text
    answer = await send(client, "/auth/sign_in", return_to=evil)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_what_is_wrong_is_said_at_the_field_and_nothing_typed_is_lost(served: Served) -> None:
    """All but the password comes back with the form."""
    client = served.client()
    for fields, sentence in [
        ({"user[email]": "no address"}, "This is no e-mail address."),
        ({"user[password]": "short"}, "A password has at least 8 characters."),
        ({"user[name]": "a\u202eb"}, "A name has visible characters only."),
    ]:
        answer = await send(client, "/auth/sign_up", return_to="/rooms/lobby", **{"user[name]": "Ada", **fields})
        assert answer.status_code == 422
        assert sentence in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert fields.get("user[email]", "alice@example.org") in answer.text
        assert fields.get("user[name]", "Ada") in answer.text
        assert 'value="/rooms/lobby"' in answer.text
        assert PASSWORD not in answer.text
        assert "datchat_session" not in cookies_set(answer)


async def test_what_was_typed_comes_back_as_text(served: Served) -> None:
    """Markup in a field stays what was typed."""
    client = served.client()
    answer = await send(client, "/auth/sign_up", **{"user[email]": '"><script>alert(1)</script>'})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


async def test_a_second_sign_up_is_refused_at_the_form(served: Served) -> None:
    """However the e-mail is cased; nobody is signed in by it."""
    await served.person("alice")
    client = served.client()
    answer = await send(
        client, "/auth/sign_up", **{"user[email]": "Alice@EXAMPLE.org", "user[password]": "another one"}
    )
    assert answer.status_code == 422
    assert "There is an account with this e-mail already." in answer.text
    assert "datchat_session" not in cookies_set(answer)


async def test_a_wrong_password_and_an_unknown_email_look_alike(served: Served) -> None:
    """The same form with the same sentence."""
    await served.person("alice")
    wrong = await send(served.client(), "/auth/sign_in", **{"user[password]": "wrong password"})
    unknown = await send(served.client(), "/auth/sign_in", **{"user[email]": "alicf@example.org"})
    assert wrong.status_code == unknown.status_code == 422
    assert "The e-mail or the password is wrong." in wrong.text

    def plain(answer: httpx.Response) -> str:
        return answer.text.replace(csrf_token(answer.text), "").replace("alicf", "alice")

    assert plain(wrong) == plain(unknown)


async def test_a_form_needs_the_token_of_its_browser(served: Served) -> None:
    """Without it, with a wrong one or another browser's: 403, the form again, and nobody signed in."""
    await served.person("alice")
    client, other = served.client(), served.client()
    stranger = csrf_token((await other.get("/auth/sign_in")).text)
    await client.get("/auth/sign_in")
    for token in ("", "nonsense", stranger, "é"):
        answer = await client.post("/auth/sign_in", data={**FIELDS, "csrf_token": token})
        assert answer.status_code == 403
        assert "Please send it again." in answer.text
        assert "datchat_session" not in cookies_set(answer)
    bare = await served.client().post("/auth/sign_up", data={**FIELDS, "csrf_token": stranger})
    assert bare.status_code == 403
    again = await client.post("/auth/sign_in", data={**FIELDS, "csrf_token": csrf_token(answer.text)})
    assert again.status_code == 303


async def test_two_forms_of_one_browser_are_both_good(served: Served) -> None:
    """Opening a second tab does not spoil the first."""
    await served.person("alice")
    client = served.client()
    first = csrf_token((await client.get("/auth/sign_in")).text)
    await client.get("/auth/sign_up")
    assert (await client.post("/auth/sign_in", data={**FIELDS, "csrf_token": first})).status_code == 303


async def test_every_sign_in_is_a_new_session(served: Served) -> None:
    """No session can be planted: a new token each time, and the browser's old session is ended."""
    alice = await served.browser("alice")
    before = alice.cookies["datchat_session"]
    assert (await alice.get("/auth/sign_in")).headers["location"] == "/"
    fresh = served.client()
    token = csrf_token((await fresh.get("/auth/sign_in")).text)
    fresh.cookies.set("datchat_session", before)
    answer = await fresh.post("/auth/sign_in", data={**FIELDS, "csrf_token": token})
    assert answer.status_code == 303
    assert cookies_set(answer)["datchat_session"].split(";")[0] != f"datchat_session={before}"
    assert (await alice.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("planted", ["x", "A" * 43, "A" * 5000, "é", '"', "../../etc", "A" * 43 + "\x00"])
async def test_a_cookie_of_ones_own_making_opens_nothing(served: Served, planted: str) -> None:
    """It is no session, and no error either."""
    client = served.client()
    headers = {
        "cookie": f"datchat_session={planted}; datchat_csrf={planted}; datchat_flash={planted}".encode("latin-1")
    }
    if "\x00" in planted:
        headers = {"cookie": f"datchat_session={planted[:-1]}%00".encode()}
    answer = await client.get("/", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign_in")
    assert (await client.get("/auth/sign_in", headers=headers)).status_code == 200


@pytest.mark.parametrize("way", ["form", "delete"])
async def test_signing_out_ends_the_session(served: Served, way: str) -> None:
    """By DELETE, or by a form's POST with ``_method=delete``: dead at once, cookie gone, back at the form."""
    alice = await served.browser("alice")
    token = alice.headers.pop("x-csrf-token")
    held = alice.cookies["datchat_session"]
    if way == "form":
        answer = await alice.post("/auth/sign_out", data={"_method": "delete", "csrf_token": token})
    else:
        answer = await alice.delete("/auth/sign_out", headers={"x-csrf-token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign_in")
    assert "Max-Age=0" in cookies_set(answer)["datchat_session"]
    assert "You are signed out." in (await alice.get("/auth/sign_in")).text
    thief = served.client(headers={"authorization": f"Bearer {held}"})
    assert (await thief.get("/api/v1/me")).status_code == 401


async def test_signing_out_needs_the_token(served: Served) -> None:
    """Another site's form can't sign anybody out."""
    alice = await served.browser("alice")
    alice.headers.pop("x-csrf-token")
    for fields in ({"_method": "delete"}, {"_method": "delete", "csrf_token": "nonsense"}):
        assert (await alice.post("/auth/sign_out", data=fields)).status_code == 403
    assert (await alice.delete("/auth/sign_out")).status_code == 403
    assert (await alice.post("/auth/sign_out", data={"_method": "put"})).status_code == 422
    assert (await alice.get("/api/v1/me")).status_code == 200


async def test_signing_out_twice_is_no_error(served: Served) -> None:
    """Whoever is out is out."""
    answer = await served.client().post("/auth/sign_out", data={"_method": "delete"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign_in")


async def test_cookies_are_secure_behind_tls(served: Served) -> None:
    """When a trusted proxy says that the request came by https; then HSTS is told as well."""
    client = served.client(headers={"x-forwarded-proto": "https"})
    form = await client.get("/auth/sign_up")
    assert form.headers["strict-transport-security"].startswith("max-age=")
    headers = {"cookie": cookies_set(form)["datchat_csrf"].split(";")[0]}
    fields = {**FIELDS, "csrf_token": csrf_token(form.text)}
    answer = await client.post("/auth/sign_up", data=fields, headers=headers)
    assert answer.status_code == 303
    for cookie in (*cookies_set(form).values(), *cookies_set(answer).values()):
        assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize(("chosen", "scheme", "secure"), [("always", "http", True), ("never", "https", False)])
async def test_secure_cookies_can_be_forced(chosen: str, scheme: str, secure: bool) -> None:
    """Whatever the request says."""
    async with serving(secure_cookies=chosen) as served:
        form = await served.client(headers={"x-forwarded-proto": scheme}).get("/auth/sign_in")
        assert ("Secure" in cookies_set(form)["datchat_csrf"].split("; ")) is secure


async def test_a_limited_sign_in_says_so_in_the_form() -> None:
    """429 with Retry-After; the form stays."""
    async with serving(sign_in_rate=0.02) as served:
        client = served.client()
        assert (await send(client, "/auth/sign_in")).status_code == 422
        answer = await send(client, "/auth/sign_in")
        assert answer.status_code == 429
        assert "Too many failed attempts, try again later." in answer.text
        assert int(answer.headers["retry-after"]) > 0


async def test_a_store_that_is_away_is_said_in_the_form() -> None:
    """503, with what was typed still there."""
    backend = MemoryBackend()
    async with serving(backend) as served:
        client = served.client()
        token = csrf_token((await client.get("/auth/sign_in")).text)
        backend.accounts.by_email = _away  # type: ignore[method-assign]
        answer = await client.post("/auth/sign_in", data={**FIELDS, "csrf_token": token})
        assert answer.status_code == 503
        assert "The store is away." in answer.text
        assert "alice@example.org" in answer.text


async def _away(email: str) -> None:
    raise Unavailable("the store is away")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 422),
        ("application/x-www-form-urlencoded", b"user[email]=%ff", 422),
        ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(21)), 422),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 131_072, 413),
    ],
)
async def test_a_body_that_is_no_form(served: Served, content_type: str, body: bytes, status: int) -> None:
    """A page with a fitting status."""
    for path in ("/auth/sign_in", "/auth/sign_up", "/auth/sign_out"):
        answer = await served.client().post(path, content=body, headers={"content-type": content_type})
        assert answer.status_code == status
        if status != 413:
            assert answer.headers["content-type"].startswith("text/html")

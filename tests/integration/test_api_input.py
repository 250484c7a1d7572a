"""Bad input to HTTP: whatever comes, an error with its code; never a 500, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.serving import PASSWORD, Served, serving

LIMIT = 4096
CALLS = [
    ("POST", "/api/v1/accounts"),
    ("POST", "/api/v1/sessions"),
    ("POST", "/api/v1/rooms"),
    ("PATCH", "/api/v1/rooms/lobby"),
    ("POST", "/api/v1/rooms/lobby/members"),
    ("PUT", "/api/v1/rooms/lobby/read"),
    ("POST", "/api/v1/rooms/lobby/entries"),
]
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"text":"\xff\xfe"}',
    "not UTF-8 where nobody looks": b'{"x":"\xff"}',
    "overlong UTF-8": b'{"text":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"text":"\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": b'{"text":"\\ud800","nonce":"n","email":"\\udc00","id":"\\ud800","title":"\\udfff"}',
    "deep": b'{"x":' + b"[" * 1900 + b"]" * 1900 + b"}",
    "deeper objects": b'{"x":' * 33 + b"1" + b"}" * 33,
    "NaN": b'{"x":NaN}',
    "infinity": b'{"offset":-Infinity}',
    "a key twice": b'{"email":"a@b.c","email":"d@e.f","password":"12345678"}',
    "a key twice within": b'{"x":{"a":1,"a":2}}',
    "a list": b"[]",
    "null": b"null",
    "a string": b'"text"',
    "two values": b"{} {}",
    "raw control characters": b'{"text":"a\nb\x00"}',
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(max_body_bytes=LIMIT, body_s=0.3) as served:
        yield served


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_can_not_be_read(served: Served, body: bytes) -> None:
    """422 ``bad_command`` from every call that takes one."""
    alice = await served.person()
    for method, path in CALLS:
        answer = await alice.request(method, path, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_command"), path
    assert (await alice.get("/api/v1/rooms/lobby/entries")).json()["entries"] == []


async def test_a_nul_is_a_character_like_others_in_a_message(served: Served) -> None:
    """It is stored and comes back; in names and ids it has no place."""
    alice = await served.person()
    sent = await alice.post("/api/v1/rooms/lobby/entries", json={"nonce": "n", "text": "a\x00b"})
    assert sent.status_code == 201
    assert (await alice.get("/api/v1/rooms/lobby/messages")).json()["messages"][0]["text"] == "a\x00b"
    for call, body in (
        ("rooms", {"id": "a\x00", "title": "x"}),
        ("rooms", {"id": "a", "title": "x\x00"}),
        ("accounts", {"email": "a\x00@b.c", "password": PASSWORD}),
        ("rooms/lobby/entries", {"nonce": "a\x00", "text": "x"}),
    ):
        assert (await alice.post(f"/api/v1/{call}", json=body)).status_code == 422


@pytest.mark.parametrize("number", ["9" * 4000, "1e999999", "-1e400", "1e400", "0.5", "1.0", "-0", "2e3"])
async def test_numbers_that_are_no_offset(served: Served, number: str) -> None:
    """Too large, fractions or written like ones: 422."""
    alice = await served.person()
    headers = {"content-type": "application/json"}
    body = f'{{"offset":{number}}}'.encode()
    answer = await alice.put("/api/v1/rooms/lobby/read", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_command")


async def test_unknown_fields_are_ignored(served: Served) -> None:
    """As on the socket: an older node may meet a newer client."""
    alice = await served.person()
    body = {"nonce": "n", "text": "x", "colour": {"deep": [1, 2, {}]}}
    assert (await alice.post("/api/v1/rooms/lobby/entries", json=body)).status_code == 201


async def test_a_body_over_the_limit(served: Served) -> None:
    """413 whether its size is told before or not, and the connection is not kept."""
    alice = await served.person()
    padded = json.dumps({"nonce": "n", "text": "x", "pad": "y" * LIMIT}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(padded), 1000):
            yield padded[start : start + 1000]

    for body in (padded, chunks()):
        headers = {"content-type": "application/json"}
        answer = await alice.post("/api/v1/rooms/lobby/entries", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["connection"] == "close"
    exact = json.dumps({"nonce": "n", "text": "x", "pad": ""}).encode()
    exact = exact.replace(b'"pad": "', b'"pad": "' + b"y" * (LIMIT - len(exact)))
    assert len(exact) == LIMIT
    headers = {"content-type": "application/json"}
    assert (await alice.post("/api/v1/rooms/lobby/entries", content=exact, headers=headers)).status_code == 201


async def test_a_body_that_does_not_come(served: Served) -> None:
    """408 after a while; the connection is not held for ever."""
    head = "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    answer = await raw(served, head.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"timeout"' in answer


async def raw(served: Served, request: bytes) -> bytes:
    """Send bytes as they are and read until the server closes or has said nothing for a while."""
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(3):
            while piece := await reader.read(65536):
                answer += piece
                if b"\r\n\r\n" in answer and b"connection: close" not in answer.lower():
                    break
    finally:
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n",
        b"GET /rooms/%00 HTTP/1.1\r\nHost: x\r\n",
        b"GET /?return_to=%ff%00 HTTP/1.1\r\nHost: x\r\n",
        b"GET /auth/sign_in?return_to=/%ed%a0%80 HTTP/1.1\r\nHost: x\r\n",
        b"GET / HTTP/1.1\r\nHost: [\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b?c#d@e:999999\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: [::1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: x\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"datchat_session=x; " * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: \xff=\xfe; datchat_flash=\xff.\xfe\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \xff, [, 1.2.3.4:99999999\r\nX-Forwarded-Proto: \xff\r\n",
        b"GET /static/%2e%2e/%2e%2e/errors.py HTTP/1.1\r\nHost: x\r\n",
        b"POST /auth/sign_in HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n",
        b"POST /auth/sign_in HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n",
        b"NONSENSE\r\n",
    ],
)
async def test_requests_that_no_browser_sends(served: Served, line: bytes) -> None:
    """An answer below 500, and the next visitor is served."""
    answer = await raw(served, line + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer[9:10] in (b"2", b"3", b"4")
    assert (await served.client().get("/healthz")).status_code == 200


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["email", "password", "name", "id", "title", "private", "archived", "user", "offset", "nonce", "text", "reply_to"]
)


async def test_no_value_in_any_field_is_a_500(served: Served) -> None:
    """Whatever stands in a field, each call answers below 500, and with a code where it refuses."""
    alice = await served.person()
    loop = asyncio.get_running_loop()

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.dictionaries(fields, anything, max_size=5).map(lambda found: json.dumps(found).encode())
        | st.binary(max_size=200)
    )
    def drive(body: bytes) -> None:
        async def send() -> list[httpx.Response]:
            headers = {"content-type": "application/json"}
            return [await alice.request(method, path, content=body, headers=headers) for method, path in CALLS]

        for answer in asyncio.run_coroutine_threadsafe(send(), loop).result(20):
            assert answer.status_code < 500
            assert answer.status_code < 400 or {"code", "message"} <= set(answer.json())

    await asyncio.to_thread(drive)

"""
A Docker engine, by its API (https://docs.docker.com/reference/api/engine/).

httpx, which is there anyway, and not the library ``docker``: what a drill asks is a dozen plain calls, several at once,
and that library waits in threads. It takes two things off one: ``docker context``, for which ``DOCKER_HOST`` has to
stand in here, and SSH.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx

from datchat.drills.targets import TargetError
from datchat.errors import ConfigurationError

SOCKET: Final = "unix:///var/run/docker.sock"
"""Where an engine listens unless ``DOCKER_HOST`` says otherwise."""
LIMIT_S: Final = 20.0
"""How long it may take to answer."""
STOP_S: Final = 150.0
"""How long it may take to end a container in order, whose time for that is its own setting."""
_HEAD: Final = 8
"""Bytes before each piece of what a container said: its stream, three zeros, its length."""


class Refused(TargetError):
    """The engine did not do it. ``status`` is that of HTTP: 404 there is no such thing, 409 it is so already."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the Docker engine says: {message}")
        self.status = status


class Engine:
    """An engine. Every call raises ``Refused``, or ``TargetError`` when it does not answer."""

    def __init__(self, client: httpx.AsyncClient, place: str, tls: ssl.SSLContext | None = None) -> None:
        self._client = client
        self.tls = tls
        """What a connection to it needs besides, where it speaks TLS."""
        self.place = place
        """Where it is, as ``DOCKER_HOST`` says it."""

    @property
    def host(self) -> str:
        """The host on which it publishes ports."""
        return urlsplit(self.place).hostname or "127.0.0.1"

    async def ask(self, path: str, **query: object) -> Any:
        """What it answers to a GET."""
        return (await self._call("GET", path, query)).json()

    async def do(self, path: str, body: object = None, limit_s: float = LIMIT_S, **query: object) -> Any:
        """Have something done. None when the answer is empty."""
        answer = await self._call("POST", path, query, body, limit_s)
        return answer.json() if answer.content else None

    async def stop(self, container: str) -> None:
        """Have a container end in order, in the time that it is given."""
        await self.do(f"/containers/{container}/stop", limit_s=STOP_S)

    async def remove(self, path: str) -> None:
        """Remove something."""
        await self._call("DELETE", path, {})

    async def containers(self, *labels: str) -> list[dict[str, Any]]:
        """The containers that bear these labels, running or not, as the engine lists them."""
        found: list[dict[str, Any]] = await self.ask("/containers/json", all=1, filters={"label": labels})
        return found

    async def run_in(self, container: str, *words: str) -> str:
        """
        What a command prints that is run in a container, with nothing to read.

        Raises:
            Refused: It can't be run, or fails; its own last words are told.
        """
        wanted = {"AttachStdout": True, "AttachStderr": True, "Cmd": words}
        number = (await self.do(f"/containers/{container}/exec", wanted))["Id"]
        answer = await self._call("POST", f"/exec/{number}/start", {}, {"Detach": False, "Tty": False})
        code = (await self.ask(f"/exec/{number}/json"))["ExitCode"]
        said = spoken(answer.content, 1)
        if code != 0:
            raise Refused(500, f"{words[0]} failed with {code}: {spoken(answer.content, 2).strip() or said.strip()}")
        return said

    async def log(self, container: str, since: float) -> str:
        """What a container has said since a moment (in seconds since 1970), a line each, with its time in UTC."""
        query = {"stdout": 1, "stderr": 1, "timestamps": 1, "since": f"{since:.3f}"}
        return spoken((await self._call("GET", f"/containers/{container}/logs", query)).content)

    async def _call(
        self, method: str, path: str, query: Mapping[str, object], body: object = None, limit_s: float = LIMIT_S
    ) -> httpx.Response:
        plain = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in query.items()}
        try:
            answer = await self._client.request(method, path, params=plain, json=body, timeout=limit_s)
        except httpx.TimeoutException:
            raise TargetError(f"the Docker engine did not answer within {limit_s:g} s") from None
        except httpx.HTTPError as error:
            raise TargetError(f"the Docker engine at {self.place} can't be asked: {error}") from error
        if answer.is_error:
            raise Refused(answer.status_code, _message(answer))
        return answer


def spoken(content: bytes, *streams: int) -> str:
    """What was said on these streams (1 standard output, 2 error; else all), out of the engine's framing."""
    said = []
    while content:
        stream, length = content[0], int.from_bytes(content[4:_HEAD])
        if stream > 2 or content[1:4] != b"\0\0\0":  # a container with a terminal is not framed
            said.append(content)
            break
        if not streams or stream in streams:
            said.append(content[_HEAD : _HEAD + length])
        content = content[_HEAD + length :]
    return b"".join(said).decode(errors="replace")


@asynccontextmanager
async def engine(environment: Mapping[str, str] = os.environ) -> AsyncIterator[Engine]:
    """
    The engine that ``DOCKER_HOST`` names, or this machine's; ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` are
    honoured as by ``docker``.

    Raises:
        ConfigurationError: It is not there, or may not be asked; or ``DOCKER_HOST`` names none.
    """
    place = environment.get("DOCKER_HOST") or SOCKET
    async with _client(place, environment) as client:
        try:
            (await client.get("/_ping", timeout=LIMIT_S)).raise_for_status()
        except httpx.HTTPError as error:
            raise ConfigurationError(_why_not(error, place)) from error
        yield Engine(client, place, _tls(urlsplit(place), environment))


def _client(place: str, environment: Mapping[str, str]) -> httpx.AsyncClient:
    parts = urlsplit(place)
    if parts.scheme == "unix":
        transport = httpx.AsyncHTTPTransport(uds=parts.path)
        return httpx.AsyncClient(transport=transport, base_url="http://docker", trust_env=False)
    if parts.scheme in ("tcp", "http", "https") and parts.hostname:
        tls = _tls(parts, environment)
        port = parts.port or (2376 if tls else 2375)
        url = f"{'https' if tls else 'http'}://{parts.hostname}:{port}"
        return httpx.AsyncClient(base_url=url, verify=tls or False, trust_env=False)
    raise ConfigurationError(f"DOCKER_HOST is {place}: a drill needs unix:///PATH or tcp://HOST:PORT")


def _tls(parts: SplitResult, environment: Mapping[str, str]) -> ssl.SSLContext | None:
    wanted = bool(environment.get("DOCKER_TLS_VERIFY")) or parts.scheme == "https"
    return _trust(environment) if wanted and parts.scheme != "unix" else None


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext:
    folder = Path(environment.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except OSError as error:
        raise ConfigurationError(f"DOCKER_CERT_PATH: no usable ca.pem, cert.pem and key.pem in {folder}") from error
    return context


def _why_not(error: httpx.HTTPError, place: str) -> str:
    causes: Sequence[BaseException] = _causes(error)
    if any(isinstance(cause, PermissionError) for cause in causes):
        return f"you may not use the Docker engine at {place}: run it as root, or as a member of the group docker"
    return f"no Docker engine answers at {place}: start it, or say where it is with DOCKER_HOST"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"

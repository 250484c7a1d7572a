"""
A Kubernetes cluster, by its API (https://kubernetes.io/docs/reference/using-api/).

From outside through ``kubectl proxy``, so that a kubeconfig means what it means to kubectl, sign-in plugins and all;
within a pod by its service account. httpx, which is there anyway, and not the library ``kubernetes``: what a drill asks
is a dozen plain calls, several at once, and that library waits in threads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from datchat.drills.targets import TargetError
from datchat.drills.targets.command import Spoken
from datchat.errors import ConfigurationError

LIMIT_S: Final = 10.0
"""How long the API server may take to answer."""
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds what it may say of itself."""


class Refused(TargetError):
    """The API server did not do it. ``status`` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Kubernetes says: {message}")
        self.status = status


class ApiServer:
    """The API server. Every call raises ``Refused``, or ``TargetError`` when it does not answer."""

    def __init__(self, client: httpx.AsyncClient, *, within: bool) -> None:
        self._client = client
        self.within = within
        """Whether this process is in a pod of the cluster."""

    async def ask(self, path: str, **query: str | float) -> Any:
        """What it answers to a GET."""
        return (await self._call("GET", path, query)).json()

    async def read(self, path: str, **query: str | float) -> str:
        """The same, of what is plain text: a log."""
        return (await self._call("GET", path, query)).text

    async def remove(self, path: str, **options: object) -> None:
        """Delete something, with options of DeleteOptions."""
        await self._call("DELETE", path, {}, options)

    async def make(self, path: str, body: Mapping[str, object]) -> Any:
        """Have something made; returns what it is."""
        return (await self._call("POST", path, {}, body)).json()

    async def change(self, path: str, patch: Mapping[str, object]) -> Any:
        """Merge a patch into something; returns what it is now."""
        return (await self._call("PATCH", path, {}, patch, "application/merge-patch+json")).json()

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | float],
        body: Mapping[str, object] | None = None,
        kind: str = "application/json",
    ) -> httpx.Response:
        headers = {} if body is None else {"Content-Type": kind}
        try:
            answer = await self._client.request(method, path, params=dict(query), json=body, headers=headers)
        except httpx.TimeoutException:
            raise TargetError(f"Kubernetes did not answer within {LIMIT_S:g} s") from None
        except httpx.HTTPError as error:
            raise TargetError(f"Kubernetes can't be asked: {error}") from error
        if answer.is_error:
            raise Refused(answer.status_code, _message(answer))
        return answer


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text.strip() or answer.reason_phrase


@asynccontextmanager
async def api_server(environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> AsyncIterator[ApiServer]:
    """
    The cluster in which this process is, or else the one that kubectl is set to (``KUBECONFIG``, its present context).

    Raises:
        ConfigurationError: There is neither, or it does not answer, or doesn't know who asks.
    """
    if "KUBERNETES_SERVICE_HOST" in environment and "KUBECONFIG" not in environment:
        async with _within(environment, account) as client:
            yield await _proved(ApiServer(client, within=True), "")
    else:
        async with _proxied() as (client, said):
            yield await _proved(ApiServer(client, within=False), said)


async def _proved(server: ApiServer, said: str) -> ApiServer:
    try:
        await server.ask("/version")
    except TargetError as error:
        raise ConfigurationError(f"{error}{said}") from error
    return server


@asynccontextmanager
async def _within(environment: Mapping[str, str], account: Path) -> AsyncIterator[httpx.AsyncClient]:
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
    # Clusters' own authorities often lack an extension on which Python 3.13 insists; nobody else is trusted here.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT

    async def sign(request: httpx.Request) -> None:
        # Read anew each time: the token is replaced within the hour.
        token = await asyncio.to_thread((account / "token").read_text)
        request.headers["Authorization"] = f"Bearer {token.strip()}"

    hooks = {"request": [sign]}
    async with httpx.AsyncClient(
        base_url=url, verify=tls, timeout=LIMIT_S, trust_env=False, event_hooks=hooks
    ) as client:
        yield client


@asynccontextmanager
async def _proxied() -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    if shutil.which("kubectl") is None:
        raise ConfigurationError("kubectl is missing: install it, or run the drill in the cluster, as a Job")
    # A socket in a directory of our own: on a port everybody on this machine would be whoever we are to the cluster.
    folder = Path(tempfile.mkdtemp(prefix="datchat-drill-"))
    path = folder / "api"
    proxy = Spoken("kubectl", "proxy", f"--unix-socket={path}", "--reject-methods=^$")
    try:
        try:
            await proxy.until("Starting to serve")
        except TargetError as error:
            raise ConfigurationError(f"kubectl reaches no cluster: {error}") from error
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(
            base_url="http://localhost", transport=transport, timeout=LIMIT_S, trust_env=False
        ) as client:
            yield client, " (is KUBECONFIG set to a cluster that runs?)"
    finally:
        await proxy.end()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

"""A whole node behind the real server, on a free port of this machine, within the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from datchat.backends.memory import MemoryBackend
from datchat.node.lifecycle import Node
from datchat.node.limits import Limits
from datchat.ports import Backend
from datchat.web.proxies import Proxies
from datchat.web.server import Server, bind, configure
from datchat.web.site import SiteOptions, create_site
from datchat.web.sockets import upgrade_for

SECRET = b"a secret of thirty-two bytes, all"
PASSWORD = "correct horse"


@dataclass
class Served:
    """A node that serves, and the people who came."""

    url: str
    node: Node
    backend: Any
    site: Any
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A browser of its own, that follows no redirects."""
        # Plain HTTP: not verifying saves reading the system's certificates for every client.
        made = httpx.AsyncClient(base_url=self.url, timeout=10, trust_env=False, verify=False, **options)
        self.clients.append(made)
        return made

    async def person(self, name: str = "alice") -> httpx.AsyncClient:
        """Somebody who has signed up and in over the API and sends a bearer token."""
        client = self.client()
        account = {"email": f"{name}@example.org", "password": PASSWORD, "name": name}
        assert (await client.post("/api/v1/accounts", json=account)).status_code == 201
        session = await client.post("/api/v1/sessions", json={"email": account["email"], "password": PASSWORD})
        assert session.status_code == 201
        client.cookies.clear()
        client.headers["authorization"] = f"Bearer {session.json()['token']}"
        return client

    async def browser(self, name: str = "alice") -> httpx.AsyncClient:
        """Somebody who has signed up through the form and holds the cookie; the CSRF token is sent along."""
        client = self.client()
        fields = {"user[email]": f"{name}@example.org", "user[password]": PASSWORD, "user[name]": name}
        token = csrf_token((await client.get("/auth/sign_up")).text)
        answer = await client.post("/auth/sign_up", data={**fields, "csrf_token": token})
        assert answer.status_code == 303, answer.text
        client.headers["x-csrf-token"] = (await client.get("/api/v1/me")).json()["csrf_token"]
        return client


def csrf_token(page: str) -> str:
    """The token of the first form of a page."""
    return page.split('name="csrf_token" value="')[1].split('"')[0]


@asynccontextmanager
async def serving(
    backend: Backend | None = None, limits: Limits | None = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve a node on a backend (a fresh memory one, when None); ``options`` go to the site."""
    store: Any = backend or MemoryBackend()
    node = Node(store, name="web7", addresses=["10.0.0.7"], limits=limits or Limits(post_rate=0, drain_s=0))
    await node.start()
    chosen = {"secret": SECRET, "password_hash": "cheap", "sign_in_rate": 0.0, **options}
    site = create_site(node, SiteOptions(**chosen))
    listener = bind("127.0.0.1", 0)
    server = Server(
        configure(site, upgrade_for(node, site.state.doorkeeper, Proxies("127.0.0.1")), "127.0.0.1"), node.drain
    )
    started = asyncio.Event()
    server.on_started = started.set
    task = asyncio.create_task(server.serve([listener]))
    served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}", node, store, site)
    try:
        await started.wait()
        yield served
    finally:
        for client in served.clients:
            await client.aclose()
        server.should_exit = True
        await task
        await node.stop()
        await store.close()
        listener.close()

"""Health, readiness and metrics, as balancers and Prometheus see them."""

from __future__ import annotations

from datchat.backends.memory import MemoryBackend
from datchat.errors import Unavailable
from support.serving import serving


async def test_healthz_asks_nothing_of_the_store() -> None:
    """A node whose store is gone still lives."""
    backend = MemoryBackend()
    async with serving(backend) as served:
        backend.broker.check = _fail  # type: ignore[method-assign]
        answer = await served.client().get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_readyz_says_that_the_node_can_serve() -> None:
    """The store takes a write and the canary is heard: 200, to GET and HEAD."""
    async with serving() as served:
        client = served.client()
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        assert (await client.head("/readyz")).status_code == 200


async def test_readyz_tells_why_not() -> None:
    """A store that takes no write: 503 with the reason."""
    backend = MemoryBackend()
    async with serving(backend) as served:
        backend.broker.check = _fail  # type: ignore[method-assign]
        answer = await served.client().get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"code": "unavailable", "message": "the disk is full"}
        assert answer.headers["retry-after"] == "1"


async def test_readyz_answers_404_while_draining() -> None:
    """Balancers then take the node out of turn and leave its connections alone."""
    async with serving() as served:
        await served.node.drain(0)
        answer = await served.client().get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (404, "draining")


async def test_metrics_count_what_happened() -> None:
    """Requests by area and status, sign-ups, sign-ins by outcome, entries: in Prometheus' format."""
    async with serving() as served:
        alice = await served.person()
        await alice.post("/api/v1/rooms/lobby/entries", json={"nonce": "n1", "text": "hello"})
        await alice.post("/api/v1/sessions", json={"email": "alice@example.org", "password": "wrong one"})
        answer = await alice.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        lines = answer.text.splitlines()
        assert 'datchat_http_requests_total{area="api",method="POST",status="201"} 3.0' in lines
        assert 'datchat_sign_ins_total{outcome="fine"} 1.0' in lines
        assert 'datchat_sign_ins_total{outcome="wrong"} 1.0' in lines
        assert "datchat_sign_ups_total 1.0" in lines
        assert "datchat_entries_appended_total 1.0" in lines


async def _fail() -> None:
    raise Unavailable("the disk is full")

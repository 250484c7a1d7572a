"""``/healthz``, ``/readyz`` and ``/metrics``: for balancers, supervisors and Prometheus."""

from __future__ import annotations

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from datchat.errors import BackendError
from datchat.web.context import site_of
from datchat.web.problems import JSON, json_problem


async def healthz(request: Request) -> Response:
    """This process's loop runs. Asks nothing of the store: a store that is down is no reason to restart a node."""
    return Response(b'{"status":"ok"}', media_type=JSON)


async def readyz(request: Request) -> Response:
    """
    Whether this node should get requests: 200; 503 with the reason; 404 while it drains.

    HAProxy's ``disable-on-404`` takes a draining server out of turn and leaves its connections alone, where a 503
    would cut them all at once.
    """
    node = site_of(request).node
    if node.draining:
        body = msgspec.json.encode({"code": "draining", "message": "the node is going down"})
        return Response(body, 404, media_type=JSON)
    try:
        await node.ready()
    except BackendError as error:
        return json_problem(error)
    return Response(b'{"status":"ready"}', media_type=JSON)


async def metrics(request: Request) -> Response:
    """What this process counts, in Prometheus' text format."""
    return Response(generate_latest(site_of(request).node.registry), media_type=CONTENT_TYPE_LATEST)


ROUTES = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]

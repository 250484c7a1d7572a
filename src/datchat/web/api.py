"""
The JSON API, under ``/api/v1``: what the protocol says, and the little more that the page needs.

Handlers read, call what does the work, and answer; every rule stands elsewhere.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from datchat.web import api_log, api_people, api_rooms, schema
from datchat.web.callers import SIGNED, Reader, reply
from datchat.web.context import site_of
from datchat.web.openapi import answers

router = APIRouter(prefix="/api/v1")
for part in (api_people, api_rooms, api_log):
    router.include_router(part.router)


@router.get(
    "/cluster",
    summary="What is where now",
    tags=["Cluster"],
    response_class=Response,
    responses=answers({200: schema.ClusterFields}, 401, 503),
    openapi_extra=SIGNED,
)
async def cluster(request: Request, visit: Reader) -> Response:
    node = site_of(request).node
    store = node.store_state()
    this = schema.NodeFields(
        name=node.name, addresses=list(node.addresses), state="draining" if node.draining else "running"
    )
    return reply(
        schema.ClusterFields(
            nodes=[this],
            servers=[] if store.master is None else [schema.ServerFields(address=store.master, role="master")],
            sentinels=[],
            last_failover=None,
            store=schema.StoreFields(
                state=store.state, master=store.master, copies=store.copies, since_ms=store.since_ms
            ),
        )
    )

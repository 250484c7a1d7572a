"""
The composition root: settings → backend → node → site → server. Nothing else builds these, reads the environment or
installs signal handlers.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog
from prometheus_client import ProcessCollector

from datchat.backends import open_backend
from datchat.data import data_directory, secret_for, store_url
from datchat.errors import ConfigurationError
from datchat.node.lifecycle import Node
from datchat.node.limits import Limits
from datchat.settings import Settings, own_addresses
from datchat.web.proxies import Proxies
from datchat.web.server import Server, allow_descriptors, bind, configure
from datchat.web.site import SiteOptions, create_site
from datchat.web.sockets import upgrade_for

log = structlog.get_logger("datchat")

OWN_DESCRIPTORS = 200
"""Files and sockets that a node has open besides its clients' sockets: the store, HTTP requests, pipes."""


def ack_of(settings: Settings) -> str:
    """
    The rule by which posts are acknowledged.

    Raises:
        ConfigurationError: It breaks the promise, and this is no drill.
    """
    if settings.ack != "all" and not settings.drill:
        raise ConfigurationError(
            f"--ack {settings.ack} loses posts that people were told are stored: leave it out, or run `datchat drill`"
        )
    return settings.ack


def limits_of(settings: Settings) -> Limits:
    """The node's share of the settings; fewer connections when the system gives fewer descriptors."""
    limits = Limits(**{name: getattr(settings, name) for name in Limits.__dataclass_fields__})
    allowed = allow_descriptors(settings.connections + OWN_DESCRIPTORS) - OWN_DESCRIPTORS
    if allowed < settings.connections:
        log.warning("fewer sockets than --connections: raise the limit of open files (ulimit -n)", sockets=allowed)
    return replace(limits, connections=max(1, min(settings.connections, allowed)))


def site_options_of(settings: Settings, secret: bytes) -> SiteOptions:
    """The site's share of the settings."""
    return SiteOptions(
        secret=secret,
        session_days=settings.session_days,
        secure_cookies=settings.secure_cookies,
        origins=tuple(origin.strip().rstrip("/") for origin in settings.origins.split(",") if origin.strip()),
        password_hash=settings.password_hash,
        sign_in_rate=settings.sign_in_rate,
        max_body_bytes=settings.max_body_bytes,
    )


async def serve(settings: Settings, announce: Callable[[str, Path | None], None]) -> None:
    """
    Run a node until SIGTERM or SIGINT. ``announce`` gets the chat's URL and the data directory once it serves.

    Raises:
        ConfigurationError: It can't start; nothing was changed.
    """
    listener = bind(settings.host, settings.port)
    try:
        folder = data_directory(settings)
        backend = await open_backend(store_url(settings), nonce_window_s=settings.nonce_window_s, ack=ack_of(settings))
        try:
            secret = secret_for(settings, folder)
            if settings.secret is None and (settings.store or "").startswith("redis"):
                log.warning("no --secret: other nodes' forms and signed sessions don't count here; give all the same")
            node = Node(backend, name=settings.name, addresses=own_addresses(settings.host), limits=limits_of(settings))
            # What the process takes, by the names that dashboards know (process_resident_memory_bytes and so on).
            ProcessCollector(registry=node.registry)
            await node.start()
            try:
                site = create_site(node, site_options_of(settings, secret))
                upgrade = upgrade_for(node, site.state.doorkeeper, Proxies(settings.trusted_proxies))

                async def drain(number: int) -> None:
                    # Ctrl-C at a terminal should feel like one; whoever sends SIGTERM wants an orderly drain.
                    await node.drain(0 if number == signal.SIGINT else settings.drain_s)

                server = Server(configure(site, upgrade, settings.trusted_proxies), drain)
                server.on_started = lambda: announce(_url(settings.host, listener.getsockname()[1]), folder)
                await server.serve([listener])
            finally:
                await node.stop()
        finally:
            await backend.close()
    finally:
        listener.close()


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"

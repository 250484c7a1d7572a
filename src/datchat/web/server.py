"""
uvicorn, told what we want of it: one port for pages, API and sockets, and a drain before it stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog
import uvicorn

from datchat.errors import ConfigurationError

log = structlog.get_logger("datchat.web")


def bind(host: str, port: int) -> socket.socket:
    """
    A socket that listens.

    Raises:
        ConfigurationError: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(4096)
    except PermissionError:
        listener.close()
        raise ConfigurationError(f"no right to listen on port {port}: choose one above 1023 with --port") from None
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} on {host} is in use: stop what listens there or choose another with --port"
        else:
            message = f"can't listen on {host}: {error.strerror or error}; choose another address with --host"
        raise ConfigurationError(message) from None
    listener.setblocking(False)
    return listener


def allow_descriptors(wanted: int) -> int:
    """
    Let this process open so many files and sockets, as far as the system lets it; returns how many it may.

    The usual soft limit of 1024 would turn away the 1,000th person; the hard limit is there to be asked for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


class Server(uvicorn.Server):
    """
    Serves until SIGTERM or SIGINT, then drains.

    ``drain`` is awaited with the signal while the server still answers, so that readiness can tell the load balancer;
    a second signal cuts it short.
    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[int], Awaitable[None]]) -> None:
        self._exit = asyncio.Event()
        super().__init__(config)
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None
        self.on_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()

    @property
    def should_exit(self) -> bool:
        """Whether the server is to end."""
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._exit.set()
        else:
            self._exit.clear()

    async def main_loop(self) -> None:
        """Refresh the Date header each second until the end; uvicorn's own looks for it ten times a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._exit.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear signals through the loop, where a task may be begun; uvicorn hears them in a signal handler."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        if self._draining is None and self.started:
            log.info("going down", signal=signal.Signals(number).name)
            self._draining = asyncio.get_running_loop().create_task(self._drain_and_exit(number), name="drain")
        else:
            self.should_exit = self.force_exit = True

    async def _drain_and_exit(self, number: int) -> None:
        try:
            await self._drain(number)
        except Exception:
            log.exception("the drain failed")
        finally:
            self.should_exit = True


def configure(site: Any, ws: type[asyncio.Protocol], trusted_proxies: str) -> uvicorn.Config:
    """uvicorn's configuration for a site and the class of its sockets."""
    return uvicorn.Config(
        site,
        loop="uvloop",
        http="httptools",
        ws=ws,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=True,
        forwarded_allow_ips=trusted_proxies,
        backlog=4096,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=5,
    )

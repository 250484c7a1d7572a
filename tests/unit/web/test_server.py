"""The server: descriptors, the listening socket, how often it looks about."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
import time

import pytest
import uvicorn

from datchat.errors import ConfigurationError
from datchat.web.server import Server, bind
from support.eventually import eventually


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed"),
    [(1024, 4096, 2000, 2000), (1024, 4096, 50_000, 4096), (3000, 4096, 2000, 3000)],
)
def test_descriptors_are_asked_for(soft: int, hard: int, wanted: int, allowed: int) -> None:
    """The soft limit is raised as far as wanted and possible, and never lowered."""
    script = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from datchat.web.server import allow_descriptors
print(allow_descriptors({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip(f"this machine gives a process fewer than {hard} descriptors")
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ})

    assert run.stdout.split() == [str(allowed), str(allowed)]


def test_a_port_in_use_is_told_in_a_sentence() -> None:
    """It names the port and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigurationError, match=rf"port {port} on 127\.0\.0\.1 is in use.*--port"):
            bind("127.0.0.1", port)


def test_an_address_of_another_machine_is_told_in_a_sentence() -> None:
    """It can't be listened on; the sentence names --host."""
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1.*--host"):
        bind("192.0.2.1", 0)


class Ticking(Server):
    """Notes when it looks whether to end."""

    def __init__(self) -> None:
        super().__init__(uvicorn.Config(lambda: None, date_header=True), drain=self._nothing)
        self.looks: list[float] = []

    @staticmethod
    async def _nothing(number: int) -> None: ...

    async def on_tick(self, counter: int) -> bool:
        self.looks.append(time.monotonic())
        return await super().on_tick(counter)


async def test_an_idle_server_rests() -> None:
    """It refreshes the Date header each second, not ten times, and ends at once when it is told to."""
    server = Ticking()
    loop = asyncio.create_task(server.main_loop())
    await eventually(lambda: len(server.looks) == 2)
    assert server.looks[1] - server.looks[0] > 0.9
    assert [name for name, _ in server.server_state.default_headers] == [b"date"]
    assert not server.should_exit
    told_at = time.monotonic()
    server.should_exit = True
    await loop
    assert time.monotonic() - told_at < 0.5

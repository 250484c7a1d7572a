"""A server that takes a connection and ends it before it has answered, as one that is going down does."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from datchat.client.clock import boottime
from datchat.client.socket import Socket

_RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("reads", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
async def test_a_handshake_that_is_hung_up_on_fails(reads: bool, resets: bool) -> None:
    """It is an error at once: a client that waited for more would wait for ever."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reads:
            await reader.readuntil(b"\r\n\r\n")
        if resets:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        line = Socket(lambda line, frame: None, boottime)
        with pytest.raises(OSError, match=r"hung up|reset|Broken"):
            await line.open(f"ws://127.0.0.1:{port}/ws", None, 5.0, None)

"""A plain WebSocket for pages of rivals: text out, text in, nothing asked and nothing answered by itself but pings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from datchat.drills.rivals.rival import Gone

OPEN_S: Final = 5.0
MAX_FRAME_BYTES: Final = 32 * 2**20
_logger = logging.getLogger("datchat.drills.picows")
_logger.addHandler(logging.NullHandler())


class Socket(WSListener):
    """An open connection. ``receive`` is called with each text message; ``closed`` is set at the end."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._transport: WSTransport | None = None
        self._pieces = b""
        self.closed = asyncio.Event()

    def send(self, text: bytes) -> None:
        """
        Send a text message. Never waits.

        Raises:
            Gone: It is closed.
        """
        if self._transport is None or self.closed.is_set():
            raise Gone("the page is closed")
        self._transport.send(WSMsgType.TEXT, text)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._pieces += frame.get_payload_as_bytes()
            if frame.fin:
                whole, self._pieces = self._pieces, b""
                self._receive(whole)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed.set()


@asynccontextmanager
async def opened(url: str, headers: Mapping[str, str], receive: Callable[[bytes], None]) -> AsyncIterator[Socket]:
    """
    A connection, cut at the end as by somebody who leaves.

    Raises:
        Gone: It can't be opened.
    """
    try:
        async with asyncio.timeout(OPEN_S):
            transport, socket = await ws_connect(
                lambda: Socket(receive),
                url.replace("http", "ws", 1),
                websocket_handshake_timeout=OPEN_S,
                logger_name=_logger.name,
                max_frame_size=MAX_FRAME_BYTES,
                extra_headers=dict(headers),
                max_redirects=0,
            )
    except (OSError, WSError, TimeoutError) as error:
        raise Gone(f"no socket: {type(error).__name__}: {error}") from error
    assert isinstance(socket, Socket)
    try:
        yield socket
    finally:
        transport.disconnect(False)

"""One WebSocket connection of a client, on picows. It knows frames and close codes, nothing of what is said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

from picows import WSCloseCode, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from datchat.chat import wire

MAX_FRAME_BYTES = 32 * 2**20
"""Of one frame that comes. A ``joined`` of 500 entries with 4000 control characters each, escaped, has 12 MB."""
READ_BUFFER_BYTES = 4096

ABNORMAL = 1006
"""The connection went without a close frame (RFC 6455, section 7.4.1)."""

# What picows would log is told by close codes and exceptions; whoever wants the lines gives the logger a handler. An
# adapter, because picows makes a child logger of a logger for every connection.
_logger = logging.getLogger("datchat.client.picows")
_logger.addHandler(logging.NullHandler())
_log = logging.LoggerAdapter(_logger, {})


async def connect(host: str, port: int) -> socket.socket:
    """
    A socket that is connected to the first address of a host that takes it.

    Raises:
        OSError: None does.
    """
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        line = socket.socket(family, kind, protocol)
        line.setblocking(False)
        try:
            await loop.sock_connect(line, address)
        except OSError as error:
            refusal = error
            line.close()
        except BaseException:
            line.close()
            raise
        else:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return line
    raise refusal or OSError(f"{host} has no address")


class Loss(NamedTuple):
    """How a connection ended: a close code, and the reason given with it."""

    code: int
    reason: str


class HandshakeRefused(Exception):
    """The server answered the handshake with an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class Socket(WSListener):
    """
    A connection from ``open`` to ``lost``.

    ``receive`` is called with each text message, in order; what it raises ends the connection and is kept in
    ``fault``. ``seen_at`` moves with every frame of any kind, by ``clock``.
    """

    def __init__(self, receive: Callable[[Socket, bytes], None], clock: Callable[[], float]) -> None:
        self._receive = receive
        self._clock = clock
        self._transport: WSTransport | None = None
        self._fragments: list[bytes] | None = None
        self.seen_at = clock()
        self.lost: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()
        self.fault: Exception | None = None
        self._loss = Loss(ABNORMAL, "")
        self._reading = True

    async def open(self, url: str, token: str | None, timeout_s: float, ssl_context: ssl.SSLContext | None) -> None:
        """
        Connect and shake hands.

        Raises:
            HandshakeRefused: The server answered, but not with 101.
            OSError, TimeoutError: It can't be reached, or didn't answer in time.
        """
        line: socket.socket | None = None

        async def dial(address: Any) -> socket.socket:
            nonlocal line
            line = await connect(address.host, address.port)
            return line

        headers = {"Sec-WebSocket-Protocol": wire.SUBPROTOCOL}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with asyncio.timeout(timeout_s):
                await ws_connect(
                    lambda: self,
                    url,
                    ssl_context=ssl_context,
                    websocket_handshake_timeout=timeout_s,
                    logger_name=_log,
                    enable_auto_pong=False,  # answered below, where it counts as a sign of life
                    max_frame_size=MAX_FRAME_BYTES,
                    extra_headers=headers,
                    max_redirects=0,
                    read_buffer_init_size=READ_BUFFER_BYTES,
                    socket_factory=dial,
                )
                if self._transport is None:
                    # picows takes a connection that ends during the handshake for one that was opened and closed.
                    raise ConnectionError("the server hung up during the handshake")  # noqa: TRY301
        except BaseException as error:
            # Given up in the handshake, picows would hold on to the connection until its own time is out.
            if line is not None and line.fileno() != -1:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            if not isinstance(error, WSHandshakeError):
                raise
            if error.response is None:
                raise ConnectionError(str(error)) from error
            body = (error.raw_body or b"")[:200].decode(errors="replace")
            raise HandshakeRefused(int(error.response.status), body) from error

    # From picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.seen_at = self._clock()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.seen_at = self._clock()
        kind = frame.msg_type
        if kind == WSMsgType.TEXT and frame.fin:
            self._deliver(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._loss = Loss(int(frame.get_close_code().value), frame.get_close_reason() or "")
            if not transport.is_close_frame_sent:
                transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._piece(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.lost.done():
            self.lost.set_result(self._loss)

    def _piece(self, frame: WSFrame) -> None:
        """A piece of a message in fragments (RFC 6455, section 5.4)."""
        if frame.msg_type == WSMsgType.TEXT:
            self._fragments = []
        if self._fragments is None:
            return  # the rest of a binary message, which this protocol doesn't know
        self._fragments.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole, self._fragments = b"".join(self._fragments), None
            self._deliver(whole)

    def _deliver(self, message: bytes) -> None:
        if self.fault is not None:
            return
        try:
            self._receive(self, message)
        except Exception as error:  # told to whoever owns this socket, see ``fault``
            self.fault = error
            self.abort("a push that can't be read")

    # From the client

    def send(self, payload: bytes) -> None:
        """Hand over a text frame. Never waits; ignored once the connection is closing."""
        if self._transport is not None and not self._transport.is_close_frame_sent:
            self._transport.send(WSMsgType.TEXT, payload)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._transport is not None and not self._transport.is_close_frame_sent:
            self._transport.send_ping()

    def close(self) -> None:
        """Say goodbye (1000). The server answers by closing."""
        if self._transport is not None and not self._transport.is_close_frame_sent:
            self._loss = Loss(WSCloseCode.OK.value, "closed by this client")
            self._transport.send_close(WSCloseCode.OK)

    def abort(self, reason: str) -> None:
        """Cut the connection at once."""
        self._loss = Loss(ABNORMAL, reason)
        if self._transport is not None:
            self._transport.disconnect(False)

    def pause_reading(self) -> None:
        """Leave what comes to the kernel, until ``resume_reading``: what a client that hangs looks like."""
        if self._transport is not None and self._reading and not self._transport.is_disconnected:
            self._reading = False
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._reading and not self._transport.is_disconnected:
            self._reading = True
            self._transport.underlying_transport.resume_reading()

"""
The WebSocket end: picows behind uvicorn's HTTP, on one port.

uvicorn parses the request and hands the connection to the class in ``Config(ws=…)``. ``Upgrade`` finds the session
first, which may take a look at the store, and only then lets picows answer the handshake; nothing of uvicorn's own
WebSocket layers, nor of ASGI, is on a message's way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSError,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from datchat.chat import wire
from datchat.errors import BackendError, CloseCode

if TYPE_CHECKING:
    from datchat.node.connection import Connection
    from datchat.node.lifecycle import Node
    from datchat.ports import Session
    from datchat.web.auth import Doorkeeper
    from datchat.web.proxies import Proxies

log = structlog.get_logger("datchat.web")

CLOSE_GRACE_S = 2.0
"""How long a peer has to answer a close frame, and to read what was sent before it."""
READ_BUFFER_BYTES = 2048
"""picows' read buffer of a connection to begin with; it grows with what comes."""
_AUTH_STATUS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}


class _PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """
    What picows has to say. What clients do wrong is told to them by a close code and is no error of ours; an exception
    that escaped our own code is. (An adapter: of a plain logger picows makes a child for every connection.)
    """

    def isEnabledFor(self, level: int) -> bool:
        return False

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        if level >= logging.ERROR and error is not None and not isinstance(error, WSError):
            log.exception("a socket failed")


_picows_log = _PicowsLog(logging.getLogger("picows"), {})


class Socket(WSListener):
    """One client's WebSocket: picows' listener on one side, the node's Transport on the other."""

    __slots__ = ("_connection", "_fragments", "_loop", "_size", "_transport", "send")

    def __init__(self, node: Node, session: Session) -> None:
        self.send: Callable[[bytes], None] = _nothing
        self._connection: Connection = node.connect(self, session)
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._fragments: list[bytes] | None = None
        self._size = 0

    # From picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.send = sender(transport.underlying_transport)
        self._connection.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        connection = self._connection
        connection.last_seen = self._loop.time()
        kind = frame.msg_type
        if frame.rsv1:
            # picows rejects the other two itself, but leaves this one to an extension that was not agreed on.
            connection.close(CloseCode.PROTOCOL, "a reserved bit is set")
        elif kind == WSMsgType.TEXT and frame.fin and self._fragments is None:
            connection.received(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PONG:
            pass
        elif kind == WSMsgType.PING:
            # Not by picows: whatever is written has to go through ``send``, which keeps the order.
            if not connection.closing:
                self.send(_control_frame(WSMsgType.PONG, frame.get_payload_as_bytes()))
        elif kind == WSMsgType.CLOSE:
            self._answer_close(frame)
        else:
            self._fragment(kind, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._connection.closed()

    def pause_writing(self) -> None:
        self._connection.paused_writing()

    def resume_writing(self) -> None:
        self._connection.resumed_writing()

    def _fragment(self, kind: Any, frame: WSFrame) -> None:
        """A piece of a fragmented message (RFC 6455, section 5.4), or a binary one."""
        if (kind == WSMsgType.CONTINUATION) == (self._fragments is None):
            self._connection.close(CloseCode.PROTOCOL, "fragments out of order")
            return
        if self._fragments is None:
            self._fragments, self._size = [b"binary" if kind == WSMsgType.BINARY else b"text"], 0
        self._size += frame.payload_size
        if self._size > wire.MAX_FRAME:
            self._fragments = None
            self._connection.close(CloseCode.TOO_BIG, f"a frame has at most {wire.MAX_FRAME} bytes")
            return
        self._fragments.append(frame.get_payload_as_bytes())
        if frame.fin:
            (sort, *parts), self._fragments = self._fragments, None
            if sort == b"binary":
                self._connection.malformed("a binary frame; commands are text")
            else:
                self._connection.received(b"".join(parts))

    def _answer_close(self, frame: WSFrame) -> None:
        transport = self._transport
        self._connection.retire()
        if not transport.is_close_frame_sent:
            code = frame.get_close_code()
            transport.send_close(code if code else WSCloseCode.OK)
        transport.disconnect()
        self._cut_later()

    # From the node

    def ping(self) -> None:
        self.send(_PING)

    def close(self, code: int, reason: str) -> None:
        self._transport.send_close(code, reason)
        self._cut_later()

    def pause_reading(self) -> None:
        self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    def _cut_later(self) -> None:
        self._loop.call_later(CLOSE_GRACE_S, self._transport.underlying_transport.abort)


def sender(transport: Any) -> Callable[[bytes], None]:
    """
    The way of frames to a socket: straight to the kernel while nothing is buffered, else behind what is.

    Delivery calls it once a member, and then the cost of memory that is not in the cache counts more than that of
    Python: a closure over a descriptor touches neither picows' nor the event loop's objects (docs/decisions/001).
    Everything that is written to the socket has to come this way. The descriptor is ours until ``connection_lost``.
    """
    descriptor = transport.get_extra_info("socket").fileno()
    write, size = transport.write, transport.get_write_buffer_size
    buffered = False

    def send(frames: bytes, os_write: Callable[[int, bytes], int] = os.write) -> None:
        nonlocal buffered
        if buffered:
            if size():
                write(frames)
                return
            buffered = False
        try:
            sent = os_write(descriptor, frames)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the loop finds the same error when it reads, and ends the connection
        if sent != len(frames):
            buffered = True
            write(frames[sent:])

    return send


def _nothing(frames: bytes) -> None:
    """Where frames go before the handshake is done."""


def _control_frame(kind: Any, payload: bytes) -> bytes:
    """A control frame of at most 125 bytes (RFC 6455, section 5.5)."""
    return bytes((0x80 | int(kind), len(payload))) + payload


_PING = _control_frame(WSMsgType.PING, b"")


class Upgrade(asyncio.Protocol):
    """
    What uvicorn hands an upgrade request to: authenticates, then puts picows in its own place.

    Made for one site by ``upgrade_for``.
    """

    node: Node
    doorkeeper: Doorkeeper
    proxies: Proxies

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        self._transport: Any = None
        self._tasks: set[asyncio.Task[Any]] = server_state.tasks
        self._lost = False
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    def data_received(self, data: bytes) -> None:
        if self._early or self._started:
            # A client must not send before the answer (RFC 6455, section 4.1); what it sends anyway is kept, so far.
            self._early += data
            if len(self._early) > wire.MAX_FRAME:
                self._transport.abort()
            return
        self._started = True
        task = asyncio.get_running_loop().create_task(self._admit(bytes(data)), name="upgrade")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    _started = False

    async def _admit(self, request: bytes) -> None:
        try:
            await self._judge(request)
        except Exception:
            log.exception("a handshake failed", node=self.node.name)
            self._transport.abort()

    async def _judge(self, request: bytes) -> None:
        path, headers = _parse(request)
        if path.split("?", 1)[0] != "/ws":
            self._refuse(404, "not_found", "the socket is at /ws")
            return
        if self.node.full():
            self._refuse(503, "unavailable", "this node takes no further sockets")
            return
        try:
            session = await self.doorkeeper.admit(headers)
        except BackendError as error:
            self._refuse(503, error.code, str(error))
            return
        if isinstance(session, int):
            reason = "sign in first" if session == 401 else "a page of another origin may not use this cookie"
            self._refuse(session, "unauthenticated" if session == 401 else "forbidden", reason)
            return
        peer = self._transport.get_extra_info("peername")
        client = await self.proxies.client(peer[0] if peer else None, headers)
        if self._lost:
            return
        if self._hand_over(request, headers, session):
            log.info("GET /ws HTTP/1.1 101", node=self.node.name, client=client)

    def _hand_over(self, request: bytes, headers: Mapping[str, str], session: Session) -> bool:
        """Whether the socket is open."""
        offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
        extra = {"Sec-WebSocket-Protocol": wire.SUBPROTOCOL} if wire.SUBPROTOCOL in offered else None
        socket = Socket(self.node, session)

        def listen(upgrade: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(extra), socket)

        protocol = _picows(listen)
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        _feed(protocol, request)
        _feed(protocol, bytes(self._early))
        return protocol.transport.request is not None and not protocol.transport.is_disconnected

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self._lost:
            return  # whoever asked has not waited for the answer
        body = wire.encode({"code": code, "message": message})
        head = (
            f"HTTP/1.1 {status} {_AUTH_STATUS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()


def upgrade_for(node: Node, doorkeeper: Doorkeeper, proxies: Proxies) -> type[Upgrade]:
    """The protocol class for uvicorn's ``Config(ws=…)``."""
    return type("NodeUpgrade", (Upgrade,), {"node": node, "doorkeeper": doorkeeper, "proxies": proxies})


def _picows(listen: Any) -> Any:
    return WSProtocol(
        None,
        None,
        False,
        listen,
        _picows_log,
        True,
        None,
        False,
        20,
        20,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,
        wire.MAX_FRAME,
        None,
        READ_BUFFER_BYTES,
    )


def _feed(protocol: Any, data: bytes) -> None:
    """Give a buffered protocol bytes that were read before its time."""
    while data:
        buffer = protocol.get_buffer(len(data))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]


def _parse(request: bytes) -> tuple[str, dict[str, str]]:
    """Path and headers (names in lower case) of the request that uvicorn has parsed and put together again."""
    head, *lines = request.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            headers[name.lower()] = value.strip()
    return head.split(" ")[1], headers

"""
A server that does as a test says: it speaks the protocol over real sockets and keeps one honest log a room, and can be
told to leave out, repeat, refuse, fall silent, close and die.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from datchat.chat import wire
from datchat.chat.chain import extend
from datchat.chat.model import START, Cursor, Draft, Entry, Kind, RoomId, User

ALICE = User("u_alice", "alice")
BOB = User("u_bob", "bob")

Command = dict[str, Any]


class Log:
    """A room's log, as the real server keeps it."""

    def __init__(self, room: str) -> None:
        self.room = RoomId(room)
        self.entries: list[Entry] = []
        self.nonces: dict[str, Entry] = {}

    @property
    def cursor(self) -> Cursor:
        return self.entries[-1].cursor if self.entries else START

    def append(self, text: str, nonce: str | None = None, author: User = BOB) -> Entry:
        nonce = nonce or f"n{len(self.entries)}"
        draft = Draft(room=self.room, kind=Kind.MESSAGE, author=author, nonce=nonce, at=0, via="script", text=text)
        body = wire.stored_bytes(draft)
        entry = Entry(self.room, self.cursor.offset + 1, extend(self.cursor.chain, body), body)
        self.entries.append(entry)
        self.nonces[nonce] = entry
        return entry

    def holds(self, cursor: Cursor) -> bool:
        return cursor == START or (
            cursor.offset <= len(self.entries) and self.entries[cursor.offset - 1].cursor == cursor
        )

    def after(self, cursor: Cursor) -> list[Entry]:
        return self.entries[cursor.offset :]


class Peer(WSListener):
    """One connection, as the server sees it. ``heard`` are the commands that came on it."""

    def __init__(self, server: ScriptedServer, request: WSUpgradeRequest) -> None:
        self.server = server
        self.request = request
        self.heard: list[Command] = []
        self.closed_with: int | None = None
        self.gone = True
        self.pongs = 0
        self.pings = 0
        self.transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.gone = False
        if self.server.hello:
            self.say(self.server.hello_push())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if self.gone:
            return
        if kind == WSMsgType.TEXT:
            command = json.loads(frame.get_payload_as_bytes())
            self.heard.append(command)
            if not self.server.deaf:
                self.server.answer(self, command)
        elif kind == WSMsgType.CLOSE:
            self.closed_with = frame.get_close_code().value
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind == WSMsgType.PONG:
            self.pongs += 1
        elif kind == WSMsgType.PING:
            self.pings += 1
            if self.server.pongs:
                transport.send_pong(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.gone = True

    def of(self, kind: str) -> list[Command]:
        """The commands of one type that came on this connection."""
        return [command for command in self.heard if command["type"] == kind]

    def say(self, payload: bytes | dict[str, Any]) -> None:
        if not self.gone:
            self.transport.send(WSMsgType.TEXT, payload if isinstance(payload, bytes) else json.dumps(payload))

    def push(self, *entries: Entry) -> None:
        for entry in entries:
            self.say(wire.entry_json(entry))

    def close(self, code: int, reason: str = "") -> None:
        """Close as the server does; codes above 1015 are the protocol's."""
        message = code.to_bytes(2, "big") + reason.encode()
        self.transport.send(WSMsgType.CLOSE, message)
        self.transport.disconnect()

    def cut(self) -> None:
        """Break the connection: what came on it and was not looked at is lost."""
        self.gone = True
        self.transport.disconnect(False)


class ScriptedServer:
    """
    Honest by default. ``answers[type]`` replaces what is done with a type of command; ``deaf`` answers nothing at all;
    ``status`` answers handshakes with it instead of 101.
    """

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {"lobby": Log("lobby")}
        self.peers: list[Peer] = []
        self.answers: dict[str, Callable[[Peer, Command], None]] = {}
        self.page = wire.MAX_JOIN
        self.ping_s = 15.0
        self.protocol = 1
        self.hello = True
        self.deaf = False
        self.pongs = True
        self.status: int | None = None
        self.ssl: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lobby(self) -> Log:
        return self.logs["lobby"]

    @property
    def peer(self) -> Peer:
        """The newest connection."""
        return self.peers[-1]

    async def start(self) -> None:
        self._server = await ws_create_server(
            self._admit,
            "127.0.0.1",
            self.port,
            enable_auto_pong=False,
            max_frame_size=wire.MAX_FRAME,
            ssl=self.ssl,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die as a killed process does: every connection is cut, the port refuses."""
        if self._server is not None:
            self._server.close()
            for peer in self.peers:
                if not peer.gone:
                    peer.cut()
            await self._server.wait_closed()
            self._server = None

    def _admit(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        if self.status is not None:
            response = WSUpgradeResponse.create_error_response(self.status, b'{"code":"no","message":"no"}')
            return WSUpgradeResponseWithListener(response, None)
        peer = Peer(self, request)
        self.peers.append(peer)
        chosen = {"Sec-WebSocket-Protocol": wire.SUBPROTOCOL}
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(chosen), peer)

    def hello_push(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "protocol": self.protocol,
            "node": {"name": "script", "addresses": ["127.0.0.1"]},
            "user": {"id": ALICE.id, "name": ALICE.name},
            "ping_s": self.ping_s,
            "limits": {"text": 4000, "frame": 65536},
            "store": {"state": "ok", "master": None, "copies": 1, "since_ms": 0},
        }

    def answer(self, peer: Peer, command: Command) -> None:
        """Carry out a command, as scripted or else honestly."""
        scripted = self.answers.get(command["type"])
        if scripted is not None:
            scripted(peer, command)
        elif command["type"] == "join":
            self.join(peer, command)
        elif command["type"] in ("post", "edit", "delete", "react"):
            self.store(peer, command)
        elif command["type"] == "leave":
            peer.say({"type": "left", "id": command.get("id"), "room": command["room"]})

    def join(self, peer: Peer, command: Command, **changes: Any) -> None:
        log = self.logs[command["room"]]
        reset = False
        entries: list[Entry]
        if command.get("cursor") is not None and log.holds(Cursor.parse(command["cursor"])):
            after = Cursor.parse(command["cursor"])
            rest = log.after(after)
            entries, more = rest[: self.page], len(rest) > self.page
        else:
            reset = command.get("cursor") is not None
            after, entries, more = log.cursor, log.entries[-command.get("limit", 50) :], False
        cursor = entries[-1].cursor if entries else after
        answer = wire.Join(room=log.room, id=command.get("id"))
        push = json.loads(wire.joined(answer, [], cursor, more=more, reset=reset, members=[ALICE, BOB], count=2))
        push |= changes
        told = ",".join(wire.entry_json(entry).decode() for entry in entries)
        peer.say(json.dumps(push).replace('"entries": []', f'"entries": [{told}]').encode())

    def store(self, peer: Peer, command: Command) -> Entry:
        """Store (once a nonce), acknowledge, and push to every connection."""
        entry, duplicate = self.keep(command)
        self.acknowledge(peer, command, entry, duplicate)
        if not duplicate:
            for each in self.peers:
                each.push(entry)
        return entry

    def keep(self, command: Command) -> tuple[Entry, bool]:
        log = self.logs[command["room"]]
        known = log.nonces.get(command["nonce"])
        if known is not None:
            return known, True
        return log.append(command.get("text", ""), command["nonce"], ALICE), False

    def acknowledge(self, peer: Peer, command: Command, entry: Entry, duplicate: bool = False) -> None:
        peer.say(wire.stored(command.get("id"), entry.room, command["nonce"], entry.cursor, 1, duplicate))

    def refuse(self, peer: Peer, command: Command, code: str, retry: bool = False, after_ms: int | None = None) -> None:
        peer.say(
            {
                "type": "refused",
                "id": command.get("id"),
                "code": code,
                "message": f"no: {code}",
                "retry": retry,
                "retry_after_ms": after_ms,
            }
        )


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port, until the block ends."""
    server = ScriptedServer()
    await server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            await server.stop()

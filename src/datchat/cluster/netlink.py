"""
Links, addresses and routes of one network namespace, over rtnetlink(7): what ``ip`` does, without needing it.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Self

from datchat.cluster.kernel import WithinNetwork

_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_ERROR: Final = 2
_IFNAME, _MASTER, _LINKINFO, _NET_NS_FD = 3, 10, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_DESTINATION, _OUT = 1, 4
_MAIN_TABLE, _STATIC, _ON_LINK, _UNICAST = 254, 4, 253, 1
_UP: Final = 1

_Header = struct.Struct("=IHHII")


def _attribute(kind: int, value: bytes) -> bytes:
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + bytes(-size % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _link(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


class Links:
    """
    The links of a network namespace (of this process's own, when None). To be used in a ``with`` statement.

    Every method raises ``OSError`` when the kernel refuses: ``FileExistsError`` for a name that is taken.
    """

    def __init__(self, namespace: int | None = None) -> None:
        self._namespace = namespace
        with self._there():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def add_bridge(self, name: str) -> None:
        """Make a bridge and set it up."""
        info = _text(_INFO_KIND, "bridge")
        self._send(_NEWLINK, _CREATE | _EXCL, _link(0, _UP, _UP) + _text(_IFNAME, name) + _attribute(_LINKINFO, info))

    def add_pair(self, name: str, peer: str, peer_namespace: int) -> None:
        """Make a virtual cable: one end here, the other in another namespace. The end of either is the end of both."""
        other = _link() + _text(_IFNAME, peer) + _number(_NET_NS_FD, peer_namespace)
        info = _text(_INFO_KIND, "veth") + _attribute(_INFO_DATA, _attribute(_VETH_PEER, other))
        self._send(_NEWLINK, _CREATE | _EXCL, _link() + _text(_IFNAME, name) + _attribute(_LINKINFO, info))

    def set_up(self, name: str) -> None:
        self._send(_NEWLINK, 0, _link(self.index(name), _UP, _UP))

    def plug(self, name: str, bridge: str) -> None:
        """Put a link into a bridge, out of the one that it was in."""
        self._send(_NEWLINK, 0, _link(self.index(name)) + _number(_MASTER, self.index(bridge)))

    def add_address(self, name: str, address: str, prefix: int) -> None:
        packed = socket.inet_aton(address)
        message = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, self.index(name))
        message += _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed)
        self._send(_NEWADDR, _CREATE | _EXCL, message)

    def add_route(self, name: str, network: str, prefix: int) -> None:
        """Have what is for a network go out by this link. Of two routes the longer prefix counts."""
        message = struct.pack("=8BI", socket.AF_INET, prefix, 0, 0, _MAIN_TABLE, _STATIC, _ON_LINK, _UNICAST, 0)
        message += _attribute(_DESTINATION, socket.inet_aton(network)) + _number(_OUT, self.index(name))
        self._send(_NEWROUTE, _CREATE | _EXCL, message)

    def remove(self, name: str) -> None:
        self._send(_DELLINK, 0, _link(self.index(name)))

    def index(self, name: str) -> int:
        with self._there():
            return socket.if_nametoindex(name)

    def _there(self) -> AbstractContextManager[None]:
        return nullcontext() if self._namespace is None else WithinNetwork(self._namespace)

    def _send(self, kind: int, flags: int, message: bytes) -> None:
        size = _Header.size + len(message)
        self._socket.send(_Header.pack(size, kind, flags | _REQUEST | _ACK, 1, 0) + message)
        answer = self._socket.recv(65536)
        _, what, *_ = _Header.unpack_from(answer)
        (number,) = struct.unpack_from("=i", answer, _Header.size)
        if what == _ERROR and number != 0:
            raise OSError(-number, os.strerror(-number))

"""
A link that is slow in one direction, without help from the kernel's own delay line, which not every kernel has.

Within the part's network a tunnel takes over the routes to the others. What the part sends comes out of the tunnel
here, waits, and goes out by the cable that it would have taken. What others send comes in as ever. When this process
ends, however it ends, the kernel takes the tunnel away, and all is as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import ipaddress
import os
import socket
import struct
from collections import deque
from pathlib import Path
from typing import Final

from datchat.client.clock import boottime
from datchat.cluster.kernel import WithinNetwork
from datchat.cluster.netlink import Links

DEVICE: Final = Path("/dev/net/tun")
_SET_INTERFACE: Final = 0x400454CA
_TUN, _NO_HEADER = 0x0001, 0x1000
_NAME: Final = "slow"
_CABLE: Final = "eth0"
_MOST: Final = 65536


class SlowLink:
    """A part's way out, each packet ``delay_s`` late. To be opened and closed on one event loop."""

    def __init__(self, network: int, address: str, delay_s: float) -> None:
        self._network = network
        self._subnet = ipaddress.ip_network(f"{address}/24", strict=False)
        self._delay_s = delay_s
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._tunnel = -1
        self._out: socket.socket | None = None

    def open(self) -> None:
        """
        Begin.

        Raises:
            OSError: The kernel does not allow it.
        """
        try:
            with WithinNetwork(self._network):
                self._tunnel = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
                fcntl.ioctl(self._tunnel, _SET_INTERFACE, struct.pack("16sH22x", _NAME.encode(), _TUN | _NO_HEADER))
                # What comes in by the cable is not what the routes would now expect there.
                for name in ("all", _CABLE):
                    Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").write_text("0")
                self._out = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW)
                self._out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _CABLE.encode())
            with Links(self._network) as links:
                links.set_up(_NAME)
                for half in self._subnet.subnets():
                    links.add_route(_NAME, str(half.network_address), half.prefixlen)
        except BaseException:
            self.close()
            raise
        asyncio.get_running_loop().add_reader(self._tunnel, self._take)

    def close(self) -> None:
        """End; what still waits goes out at once."""
        if self._tunnel >= 0:
            # Closed in the midst of opening there is no reader, and that is as well.
            asyncio.get_running_loop().remove_reader(self._tunnel)
            os.close(self._tunnel)
            self._tunnel = -1
        if self._timer is not None:
            self._timer.cancel()
        if self._out is not None:
            while self._waiting:
                self._send(self._waiting.popleft()[1])
            self._out.close()
            self._out = None

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._waiting.append((boottime() + self._delay_s, os.read(self._tunnel, _MOST)))
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(self._delay_s, self._let_out)

    def _let_out(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0][0] <= boottime():
            self._send(self._waiting.popleft()[1])
        if self._waiting:
            wait_s = max(0.001, self._waiting[0][0] - boottime())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._let_out)

    def _send(self, packet: bytes) -> None:
        # IPv4 only: a tunnel that comes up says a few things in IPv6, which no part of a cluster speaks.
        if self._out is not None and packet[0] >> 4 == 4:
            # A packet that can't be sent is lost, as on any link.
            with contextlib.suppress(OSError):
                self._out.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))

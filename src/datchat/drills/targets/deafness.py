"""
A node that no longer hears the feed, while all its other connections work.

Within the node's network nftables drops what comes to its subscription, and every SUBSCRIBE that it says anew. Nothing
is closed: it is the silence of a lost route or a full connection table, which looks like a quiet evening.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from typing import Final

from datchat.cluster.kernel import WithinNetwork
from datchat.cluster.recipes import search_path

NFT: Final = "nft"
_TABLE: Final = "datchat_deaf"
_SUBSCRIBE: Final = b"\r\n$9\r\nSUBSCRIBE"
"""What follows the number of a command's words, by RESP."""
_DIGITS: Final = range(1, 5)
_RUN_S: Final = 10


def nft() -> str | None:
    """Where it is; None when it isn't there."""
    return shutil.which(NFT, path=search_path())


def deafen(network: int, subscriptions: Collection[tuple[str, int, int]]) -> None:
    """
    Begin, in a network, for connections given as the server's address and port and the node's own port.

    Raises:
        OSError: The kernel does not allow it.
    """
    ports = {port for _, port, _ in subscriptions}
    rules = [f"ip saddr {host} tcp sport {port} tcp dport {own} drop" for host, port, own in subscriptions]
    says = [
        f"tcp dport {port} @ih,{8 * (1 + digits)},{8 * len(_SUBSCRIBE)} 0x{_SUBSCRIBE.hex()} drop"
        for port in sorted(ports)
        for digits in _DIGITS
    ]
    _run(
        network,
        f"table inet {_TABLE} {{",
        "chain came { type filter hook input priority 0;",
        *rules,
        "}",
        "chain goes { type filter hook output priority 0;",
        *says,
        "}",
        "}",
    )


def hear_again(network: int) -> None:
    """
    End.

    Raises:
        OSError: The kernel does not allow it.
    """
    _run(network, f"delete table inet {_TABLE}")


def _run(network: int, *lines: str) -> None:
    with WithinNetwork(network):
        done = subprocess.run(
            [nft() or NFT, "-f", "-"],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=_RUN_S,
            check=False,
        )
    if done.returncode != 0:
        raise OSError(f"nft: {done.stderr.strip()}")

"""The pods of Dat Chat in a namespace, as what Kubernetes lists says, and the ways to their ports."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from datchat.drills.targets import TargetError
from datchat.drills.targets.command import Spoken

LABEL: Final = "app.kubernetes.io/name=datchat"
KIND: Final = "app.kubernetes.io/component"
PORTS: Final = {"redis": 6379, "sentinel": 26379, "web": 8080}
"""The kinds of parts, each with the port on which its pods serve."""
CONNECT_S: Final = 3.0
"""How long a pod may take to accept a connection."""
NEAR_S: Final = 0.5
"""The same, where it is to be found out whether pods are reached from here at all."""
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Pod:
    """A pod as it is now."""

    name: str
    uid: str
    kind: str
    """``redis``, ``sentinel`` or ``web``."""
    host: str
    """The node that it is on; empty while it is on none."""
    address: str
    """Empty while it has none."""
    state: str
    """As a part's."""
    ready: bool
    going: bool
    """Whether it was deleted, and is not gone yet."""

    @property
    def port(self) -> int:
        """Where it serves."""
        return PORTS[self.kind]


def pods(listed: Iterable[Mapping[str, Any]]) -> list[Pod]:
    """The parts among the pods of a namespace, in the order of their names."""
    found = [_pod(item) for item in listed if item["metadata"].get("labels", {}).get(KIND) in PORTS]
    return sorted(found, key=lambda pod: pod.name)


def _pod(item: Mapping[str, Any]) -> Pod:
    metadata, status = item["metadata"], item["status"]
    containers = status.get("containerStatuses", [])
    runs = bool(containers) and all("running" in container["state"] for container in containers)
    waits = next((c["state"]["waiting"].get("reason", "") for c in containers if "waiting" in c["state"]), "")
    going = "deletionTimestamp" in metadata
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    if runs and not going:
        state = "running"
    else:
        state = "failed" if waits in ("CrashLoopBackOff", "CreateContainerConfigError", "ErrImagePull") else "stopped"
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        kind=metadata["labels"][KIND],
        host=item["spec"].get("nodeName", ""),
        address=status.get("podIP", ""),
        state=state,
        ready=ready and not going,
        going=going,
    )


class Ways:
    """
    Ways to pods: straight, where the pods' network is reached from here, as it is within the cluster; elsewhere through
    ``kubectl port-forward``, one for each pod that is asked for.
    """

    def __init__(self, namespace: str, *, straight: bool) -> None:
        self._namespace = namespace
        self._straight = straight
        self._forwards: dict[str, tuple[Spoken, int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def place(self, pod: Pod) -> tuple[str, int]:
        """
        Where a pod is reached from here.

        Raises:
            TargetError: Nowhere.
        """
        if not pod.address:
            raise TargetError(f"{pod.name} has no address yet")
        if self._straight:
            return pod.address, pod.port
        async with self._locks.setdefault(pod.uid, asyncio.Lock()):
            forward, port = self._forwards.get(pod.uid, (None, 0))
            if forward is None or not forward.runs:
                words = ("port-forward", "-n", self._namespace, f"pod/{pod.name}", f":{pod.port}")
                forward = Spoken("kubectl", *words)
                said = _FORWARDING.search(await forward.until("Forwarding from 127.0.0.1:"))
                assert said is not None
                port = int(said[1])
                self._forwards[pod.uid] = forward, port
            return "127.0.0.1", port

    async def connect(self, pod: Pod) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """
        A connection to a pod.

        Raises:
            OSError: There is none.
        """
        try:
            host, port = await self.place(pod)
        except TargetError as error:
            raise ConnectionError(str(error)) from error
        async with asyncio.timeout(CONNECT_S):
            return await asyncio.open_connection(host, port)

    async def keep(self, uids: Iterable[str]) -> None:
        """Let go of the ways to all pods but these."""
        for uid in self._forwards.keys() - set(uids):
            forward, _ = self._forwards.pop(uid)
            self._locks.pop(uid, None)
            await forward.end()

    async def close(self) -> None:
        """Let go of all of them."""
        await self.keep(())


async def reached(pod: Pod) -> bool:
    """Whether a pod's port is reached from here straight."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(NEAR_S):
            _, writer = await asyncio.open_connection(pod.address, pod.port)
            writer.transport.abort()
            return True
    return False

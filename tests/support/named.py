"""Redis servers and sentinels of this machine that find each other by name, each by a list of names of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from datchat.cluster.recipes import search_path
from support.deployments import ROOT
from support.eventually import eventually_now
from support.redis_servers import HOST, NAME, Process, free_port

REDIS: Final = ROOT / "deploy" / "redis"
PASSWORD: Final = 'a "quoted" one'

# Names are looked up in the file alone: no DNS is asked, which could take its time to say that it knows none.
_BEGIN = 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && exec "$@"'


class Named(Process):
    """A part, and which names it knows."""

    def __init__(self, folder: Path, name: str, port: int, configuration: str, password: str = "") -> None:
        super().__init__(folder / name, name, port, configuration, password)
        self.name = name
        self._hosts = self.folder / "hosts"
        (self.folder / "nsswitch.conf").write_text("hosts: files\n")

    def knows(self, *names: str) -> None:
        """It knows these names and no other ones from now on."""
        # In place: it is this file that the part sees.
        self._hosts.write_text("".join(f"{HOST} {name}\n" for name in names))

    def begin(self, script: str, *words: str, **told: str) -> None:
        """Start it by a script of deploy/redis, with its configuration, these words and variables."""
        self.run(
            ["unshare", "--mount", "sh", "-c", _BEGIN, self.folder, "/bin/sh", REDIS / script, self.file, *words],
            cwd=self.folder,
            env={**os.environ, "PATH": search_path(), **told},
        )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def answer(self, *command: str) -> Any:
        """The answer to a command; None while there is none."""
        try:
            answer = self.ask(*command)
        except OSError:
            return None
        return None if isinstance(answer, Exception) else answer


class NamedCluster:
    """``redis0`` as master, ``redis1`` as its replica, three sentinels ``sentinel0`` to ``sentinel2``; a password."""

    def __init__(self, folder: Path) -> None:
        self.servers = [_server(folder, f"redis{number}") for number in range(2)]
        template = (REDIS / "sentinel.conf").read_text()
        self.sentinels = [Named(folder, f"sentinel{number}", free_port(), template) for number in range(3)]
        self.names = [part.name for part in (*self.servers, *self.sentinels)]
        for part in (*self.servers, *self.sentinels):
            part.knows(*self.names)

    @property
    def _told(self) -> Mapping[str, str]:
        listed = " ".join(f"{sentinel.name}:{sentinel.port}" for sentinel in self.sentinels)
        return {"REDIS_PASSWORD": PASSWORD, "SENTINELS": listed}

    def serve(self, server: Named, *words: str) -> None:
        """Start a server through the boot guard, with these words after its configuration."""
        server.begin("boot-guard", *words, REDIS_SELF=f"{server.name} {server.port}", **self._told)

    def watch(self, sentinel: Named, **told: str) -> None:
        """Start a sentinel."""
        master = self.servers[0]
        own = {"SENTINEL_SELF": sentinel.name, "SENTINEL_PORT": str(sentinel.port), "SENTINEL_LIVE": "live.conf"}
        first = {"MASTER_HOST": master.name, "MASTER_PORT": str(master.port)}
        sentinel.begin("sentinel-start", **{**self._told, "FOLLOW_S": "0.5", **own, **first, **told})

    def start(self, **told: str) -> None:
        """All of it, until the sentinels know each other and the replica; what is told is told to the sentinels."""
        master, replica = self.servers
        self.serve(master, "master")
        self.serve(replica, "replica", master.name, str(master.port))
        eventually_now(lambda: follows(replica), 20)
        for sentinel in self.sentinels:
            self.watch(sentinel, **told)
        eventually_now(lambda: all(whole(fields(sentinel)) for sentinel in self.sentinels), 20)

    def kill(self) -> None:
        for part in (*self.sentinels, *self.servers):
            part.kill()


def _server(folder: Path, name: str) -> Named:
    port = free_port()
    text = f"include {REDIS}/redis.conf\nport {port}\ndir {folder / name}\n"
    return Named(folder, name, port, text, PASSWORD)


def follows(replica: Named) -> bool:
    """Whether a server is a replica that reaches its master."""
    role = replica.answer("ROLE") or [""]
    return role[0] == "slave" and role[3] == "connected"


def fields(sentinel: Named) -> Mapping[str, str]:
    """What a sentinel says of the master; nothing while it doesn't answer or knows none."""
    answer = sentinel.answer("SENTINEL", "MASTER", NAME) or []
    return dict(zip(answer[::2], answer[1::2], strict=True))


def whole(master: Mapping[str, str]) -> bool:
    """Whether a sentinel that says this knows the others and the replica, and has its master's ear."""
    counts = (master.get("num-other-sentinels"), master.get("num-slaves"))
    return counts == ("2", "1") and master["flags"] == "master"


@contextmanager
def named_cluster(folder: Path) -> Iterator[NamedCluster]:
    """A cluster that has not been started."""
    cluster = NamedCluster(folder)
    try:
        yield cluster
    finally:
        cluster.kill()

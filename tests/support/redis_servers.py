"""Real Redis servers and sentinels on free ports of this machine, each with a folder and a log of its own."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis

from support.eventually import eventually_now

HOST = "127.0.0.1"
NAME = "mymaster"
DOWN_AFTER_MS = 1500
START_S = 10.0

# The directives that the promise was measured with.
_SERVER = """
bind {host}
port {port}
dir {folder}
save ""
appendonly yes
appendfsync always
maxmemory-policy noeviction
repl-backlog-size 64mb
repl-diskless-sync-delay 0
client-output-buffer-limit pubsub 64mb 16mb 60
min-replicas-to-write 0
"""

_SENTINEL = """
bind {host}
port {port}
dir {folder}
sentinel monitor {name} {host} {master} 2
sentinel down-after-milliseconds {name} {down_after_ms}
sentinel failover-timeout {name} 5000
sentinel parallel-syncs {name} 2
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def ask(
    port: int,
    *command: str | int,
    user: str = "default",
    password: str = "",
    timeout_s: float = 2.0,
    host: str = HOST,
) -> Any:
    """The answer to one command; text instead of bytes, error replies as exceptions in their places."""
    reader = hiredis.Reader(encoding="utf-8")
    commands = [("AUTH", user, password), command] if password else [command]
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(b"".join(map(hiredis.pack_command, commands)))  # type: ignore[arg-type]
        for _ in commands:
            while (reply := reader.gets()) is False:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("closed")
                reader.feed(data)
        return reply


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """A server or sentinel. What it is told stands in ``<kind>.conf`` in its folder."""

    def __init__(self, folder: Path, binary: str, port: int, configuration: str, password: str = "") -> None:
        self.port = port
        self.folder = folder
        self.password = password
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self.file = folder / f"{binary}.conf"
        self.file.write_text(configuration)

    def start(self, *options: str) -> None:
        """Begin the process; ``ready`` says when it serves."""
        self.run([self._binary, self.file, *options])

    def run(self, words: Sequence[str | Path], **how: Any) -> None:
        """Begin it by these words, and otherwise as Popen is told."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, preexec_fn=_die_with_parent, **how)

    def ready(self) -> bool:
        """Whether it answers."""
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            return not isinstance(self.ask("PING"), hiredis.ReplyError)
        except OSError:
            return False

    def ask(self, *command: str | int) -> Any:
        """The answer to one command, as ``ask`` gives it."""
        return ask(self.port, *command, password=self.password)

    def wait_until_ready(self) -> None:
        eventually_now(self.ready, START_S)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def unpause(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()


class RedisServer(Process):
    """A Redis server. ``start`` with ``--replicaof host port`` makes it a replica."""

    def __init__(self, folder: Path, extra: str = "", password: str = "") -> None:
        port = free_port()
        text = _SERVER.format(host=HOST, port=port, folder=folder) + extra
        if password:
            text += f"requirepass {password}\nmasterauth {password}\n"
        super().__init__(folder, "redis-server", port, text, password)

    @property
    def url(self) -> str:
        return f"redis://{self.address}"

    def cpu_s(self) -> float:
        """The processor time that it has used."""
        said = dict(line.split(":", 1) for line in self.ask("INFO", "cpu").split("\r\n") if ":" in line)
        return float(said["used_cpu_user"]) + float(said["used_cpu_sys"])

    def role(self) -> Any:
        """The answer to ROLE, None while it doesn't answer."""
        try:
            answer = self.ask("ROLE")
        except OSError:
            return None
        return None if isinstance(answer, Exception) else answer


class SentinelProcess(Process):
    """A sentinel that watches ``master``."""

    def __init__(self, folder: Path, master: RedisServer, down_after_ms: int, password: str = "") -> None:
        port = free_port()
        text = _SENTINEL.format(
            host=HOST, port=port, folder=folder, name=NAME, master=master.port, down_after_ms=down_after_ms
        )
        if master.password:
            text += f"sentinel auth-pass {NAME} {master.password}\n"
        if password:
            text += f"requirepass {password}\nsentinel sentinel-pass {password}\n"
        super().__init__(folder, "redis-sentinel", port, text, password)

    def fields(self) -> dict[str, str]:
        """The answer to SENTINEL MASTER."""
        answer = self.ask("SENTINEL", "MASTER", NAME)
        return dict(zip(answer[::2], answer[1::2], strict=True))


class RedisCluster:
    """A master, two replicas and three sentinels, as they are at first; ``master`` says who it is now."""

    def __init__(
        self,
        folder: Path,
        *,
        replicas: int = 2,
        sentinels: int = 3,
        down_after_ms: int = DOWN_AFTER_MS,
        password: str = "",
        sentinel_password: str = "",
    ) -> None:
        self.options = ""
        self.servers = [RedisServer(folder / f"redis{number}", password=password) for number in range(1 + replicas)]
        self.sentinels = [
            SentinelProcess(folder / f"sentinel{number}", self.servers[0], down_after_ms, sentinel_password)
            for number in range(sentinels)
        ]

    @property
    def processes(self) -> Sequence[Process]:
        return [*self.servers, *self.sentinels]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(sentinel.address for sentinel in self.sentinels)}/{NAME}{self.options}"

    def start(self) -> None:
        """Begin everything, and wait until all know each other."""
        first, *others = self.servers
        first.start()
        for replica in others:
            replica.start("--replicaof", f"{HOST} {first.port}")
        for server in self.servers:
            server.wait_until_ready()
        eventually_now(lambda: self.attached() == len(others), START_S)
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            sentinel.wait_until_ready()
        eventually_now(self._acquainted, START_S)

    def _acquainted(self) -> bool:
        wanted = (str(len(self.servers) - 1), str(len(self.sentinels) - 1))
        found = [sentinel.fields() for sentinel in self.sentinels]
        return all((fields["num-slaves"], fields["num-other-sentinels"]) == wanted for fields in found)

    def attached(self) -> int:
        """Replicas that are attached to the master, 0 while there is none."""
        for server in self.servers:
            role = server.role()
            if role is not None and role[0] == "master" and role[2]:
                return len(role[2])
        return 0

    @property
    def master(self) -> RedisServer:
        """Whom the sentinels name."""
        port = int(self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
        return next(server for server in self.servers if server.port == port)

    @property
    def replicas(self) -> Sequence[RedisServer]:
        """All but the master."""
        master = self.master
        return [server for server in self.servers if server is not master]

    def stop(self) -> None:
        """End everything that was begun here."""
        for process in self.processes:
            process.kill()


@contextmanager
def redis_server(folder: Path, extra: str = "", password: str = "") -> Iterator[RedisServer]:
    """One server, running, with these further directives."""
    server = RedisServer(folder, extra, password)
    try:
        server.start()
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


@contextmanager
def redis_cluster(folder: Path, **options: Any) -> Iterator[RedisCluster]:
    """A cluster with these options of ``RedisCluster``, running and acquainted."""
    cluster = RedisCluster(folder, **options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def pass_time(port: int, seconds: float) -> None:
    """Let time pass for everything that ends by the server's clock: what expires, and leases."""
    script = """
        local ms = tonumber(ARGV[1])
        for _, key in ipairs(redis.call('KEYS', '*')) do
            local left = redis.call('PTTL', key)
            if left >= 0 then
                redis.call('PEXPIRE', key, left - ms)
            end
            if key:match(':leases$') then
                for _, lease in ipairs(redis.call('ZRANGE', key, 0, -1)) do
                    redis.call('ZINCRBY', key, -ms, lease)
                end
            end
        end
    """
    answer = ask(port, "EVAL", script, 0, round(seconds * 1000))
    assert not isinstance(answer, hiredis.ReplyError), answer

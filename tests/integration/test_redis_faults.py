"""Redis that is away, wrong, full or deaf: one sentence each, and back to work by itself where that can be."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from shutil import which
from typing import TypeVar

import pytest

from datchat.backends import open_backend
from datchat.backends.redis import RedisBackend, ack, keys, open_redis, scripts
from datchat.backends.redis.batch import Append
from datchat.backends.redis.link import connect
from datchat.backends.redis.url import Access, Address
from datchat.backends.verify import verify
from datchat.chat.model import LOBBY, START, Room, RoomId
from datchat.errors import ConfigurationError, Unavailable
from datchat.ports import Account
from support.drafts import ALICE, message
from support.eventually import eventually
from support.listening import listening
from support.proxy import proxy
from support.redis_servers import HOST, NAME, RedisCluster, RedisServer, ask, free_port, redis_cluster, redis_server

T = TypeVar("T")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own."""
    with redis_server(tmp_path / "server") as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster that nobody breaks."""
    with redis_cluster(tmp_path_factory.mktemp("faults") / "cluster") as cluster:
        yield cluster


# Away


CALLS: list[Callable[[RedisBackend], Awaitable[object]]] = [
    lambda backend: backend.broker.append(message()),
    lambda backend: backend.broker.view(LOBBY, None, 10),
    lambda backend: backend.broker.check(),
    lambda backend: backend.broker.signal(LOBBY, None),  # type: ignore[arg-type]
    lambda backend: backend.accounts.by_id("u_1"),
    lambda backend: backend.rooms.all(),
    lambda backend: backend.presence.roster(LOBBY),
]


@pytest.mark.parametrize("kind", ["redis://{at}", "redis+sentinel://{at}/mymaster"])
async def test_a_store_that_is_away_is_no_reason_not_to_start(kind: str) -> None:
    """Opening succeeds; every call says at once, in one sentence, that the store is not there."""
    at = f"{HOST}:{free_port()}"
    backend = await open_redis(kind.format(at=at))
    try:
        assert backend.broker.state().state == "failing_over"
        await backend.broker.subscribe(LOBBY)
        for call in CALLS:
            took_s = []
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(Unavailable, match=at):
                    await call(backend)
                took_s.append(time.monotonic() - began)
            assert min(took_s) < 0.5
    finally:
        await backend.close()


async def test_a_store_that_comes_later_is_found(tmp_path: Path) -> None:
    """A node that started first works as soon as Redis is there, and hears what it had subscribed to."""
    server = RedisServer(tmp_path / "server")
    backend = await open_redis(server.url)
    try:
        async with listening(backend.broker, LOBBY) as ear:
            server.start()
            await eventually(lambda: backend.broker.state().state == "ok", 10)
            await eventually(lambda: ear.interruptions)
            receipt = await backend.broker.append(message())
            await eventually(lambda: ear.entries)
            assert [entry.cursor for entry in ear.entries] == [receipt.cursor]
    finally:
        await backend.close()
        server.kill()


async def test_waiting_for_a_store_costs_next_to_nothing() -> None:
    """No busy loop: a second without Redis takes a few looks."""
    looks = 0
    port = free_port()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looks
        looks += 1
        writer.close()

    backend = await open_redis(f"redis://{HOST}:{port}")
    refusing = await asyncio.start_server(refuse, HOST, port)
    try:
        cpu = time.process_time()
        await asyncio.sleep(3)
        assert 1 <= looks <= 6
        assert time.process_time() - cpu < 0.3
    finally:
        refusing.close()
        await backend.close()


async def test_posts_wait_for_a_server_that_restarts(server: RedisServer) -> None:
    """A restart in place is felt as a delay: what waits is stored, in order, and what was there still is."""
    backend = await open_redis(server.url)
    try:
        await backend.broker.append(message("before"))
        server.kill()
        waiting = [asyncio.ensure_future(backend.broker.append(message(f"{n}"))) for n in range(20)]
        await eventually(lambda: backend.broker.state().state == "failing_over")
        server.start()
        receipts = await asyncio.gather(*waiting)
        assert [receipt.cursor.offset for receipt in receipts] == list(range(2, 22))
    finally:
        await backend.close()


# Wrong


async def refused(url: str) -> str:
    """The one sentence with which a URL is refused for good."""
    with pytest.raises(ConfigurationError) as caught:
        await open_backend(url)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "secret" not in sentence
    return sentence


async def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    """Wrong, missing, and right."""
    with redis_server(tmp_path / "server", password="secret") as server:
        assert "user or password is wrong" in await refused(f"redis://:wrong-secret@{server.address}")
        assert "wants a password" in await refused(server.url)
        backend = await open_redis(f"redis://:secret@{server.address}")
        assert (await backend.broker.append(message())).cursor.offset == 1
        await backend.close()


async def test_passwords_of_servers_and_sentinels(tmp_path: Path) -> None:
    """Each kind of server has its own credentials."""
    with redis_cluster(tmp_path / "cluster", replicas=1, password="secret", sentinel_password="secret2") as cluster:
        whole = cluster.url.replace("://", "://:secret@") + "?sentinel_password=secret2"
        backend = await open_redis(whole)
        assert (await backend.broker.append(message())).copies == 2
        await backend.close()
        assert "wants a password" in await refused(whole.partition("?")[0])
        assert "user or password is wrong" in await refused(whole + "-not")
        assert "wants a password" in await refused(cluster.url + "?sentinel_password=secret2")


async def test_other_peoples_keys_are_left_alone(server: RedisServer) -> None:
    """A database with keys and none of ours is refused, and nothing is written; another number is fine."""
    server.ask("SET", "their", "key")
    assert "keys that are not Dat Chat's" in await refused(server.url)
    assert server.ask("KEYS", "*") == ["their"]
    backend = await open_redis(server.url + "/1")
    await backend.broker.append(message())
    await backend.close()
    assert server.ask("KEYS", "*") == ["their"]
    assert "no database of that number" in await refused(server.url + "/99")


async def test_a_newer_store_is_left_alone(server: RedisServer) -> None:
    """A later version's keys are not touched."""
    server.ask("SET", keys.SCHEMA, "2")
    assert "version 2" in await refused(server.url)


async def test_kinds_of_servers_are_told_apart(cluster: RedisCluster) -> None:
    """A sentinel is no server, a server no sentinel, and the name has to be right."""
    sentinel, server = cluster.sentinels[0], cluster.servers[0]
    assert "is a sentinel: use redis+sentinel://" in await refused(f"redis://{sentinel.address}")
    assert "is no sentinel: use redis://" in await refused(f"redis+sentinel://{server.address}/{NAME}")
    wrong = cluster.url.replace(NAME, "yourmaster")
    assert "no sentinel knows a master named 'yourmaster'" in await refused(wrong)


async def test_a_cluster_is_not_served_yet(tmp_path: Path) -> None:
    """Redis Cluster is told apart too."""
    # Its second port would be 10,000 above the first, which is none for the highest of them.
    with redis_server(tmp_path / "server", f"cluster-enabled yes\ncluster-port {free_port()}\n") as server:
        assert "Redis Cluster" in await refused(server.url)


async def test_an_old_redis_is_refused() -> None:
    """Before 6.2 Redis lacks what is needed, and says so in its greeting, or knows no greeting."""
    answers = {
        "7 fields": b"*4\r\n$7\r\nversion\r\n$6\r\n6.0.16\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n",
        "an error": b"-ERR unknown command `HELLO`, with args beginning with: `2`, \r\n",
    }
    for answer in answers.values():

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = answer) -> None:
            await reader.read(100)
            writer.write(said)
            await reader.read(100)
            writer.close()

        old = await asyncio.start_server(serve, HOST, 0)
        async with old:
            port = old.sockets[0].getsockname()[1]
            assert "version 6.2 or later is needed" in await refused(f"redis://{HOST}:{port}")


async def test_a_replica_is_waited_for(cluster: RedisCluster) -> None:
    """A URL of a replica may become right: a failover may make it the master."""
    replica = cluster.replicas[0]
    backend = await open_redis(replica.url)
    try:
        with pytest.raises(Unavailable, match="is a replica of"):
            await backend.broker.append(message())
    finally:
        await backend.close()


async def test_one_listed_sentinel_is_enough_to_find_the_others(cluster: RedisCluster) -> None:
    """The others are asked for; a majority is of all, not of those that the URL names."""
    backend = await open_redis(f"redis+sentinel://{cluster.sentinels[1].address}/{NAME}")
    try:
        receipt = await _patiently(lambda: backend.broker.append(message()))
        assert receipt.copies == 3
    finally:
        await backend.close()


async def test_sentinels_that_disagree_are_not_believed(tmp_path: Path) -> None:
    """Two that each watch a master of their own make no majority."""
    with (
        redis_cluster(tmp_path / "one", replicas=0, sentinels=1) as one,
        redis_cluster(tmp_path / "two", replicas=0, sentinels=1) as two,
    ):
        backend = await open_redis(f"redis+sentinel://{one.sentinels[0].address},{two.sentinels[0].address}/{NAME}")
        try:
            with pytest.raises(Unavailable, match=r"the sentinels disagree about who is master: 1 for .*, 1 for"):
                await backend.broker.append(message())
        finally:
            await backend.close()


@pytest.mark.skipif(which("openssl") is None, reason="openssl makes the certificate: apt-get install openssl")
async def test_tls(tmp_path: Path) -> None:
    """``rediss://`` speaks TLS, looks at the certificate, and says when it does not hold."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*make, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    port = free_port()
    files = f"tls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {certificate}\n"
    with redis_server(tmp_path / "server", f"tls-port {port}\ntls-auth-clients no\n{files}"):
        backend = await open_redis(f"rediss://{HOST}:{port}?ca={certificate}")
        assert (await backend.broker.append(message())).cursor.offset == 1
        await backend.close()
        backend = await open_redis(f"rediss://{HOST}:{port}?verify=none")
        assert (await backend.broker.top(LOBBY)).offset == 1
        await backend.close()
        assert "certificate" in await refused(f"rediss://{HOST}:{port}")


# Full, read only


async def test_a_full_store_refuses_posts_and_is_read(server: RedisServer) -> None:
    """Out of memory: a post is refused with the reason, reading goes on, and it heals by itself."""
    backend = await open_redis(server.url)
    try:
        receipt = await backend.broker.append(message())
        server.ask("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(Unavailable, match="out of memory"):
            await backend.broker.append(message())
        with pytest.raises(Unavailable, match="out of memory"):
            await backend.broker.check()
        assert (await backend.broker.read(LOBBY, START, 10)).cursor == receipt.cursor
        server.ask("CONFIG", "SET", "maxmemory", 0)
        assert (await backend.broker.append(message())).cursor.offset == 2
    finally:
        await backend.close()


async def test_a_store_without_rights_says_so(server: RedisServer) -> None:
    """A user that Redis does not let write is told by name of the thing to mend."""
    server.ask("ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+@all", "-@write")
    assert "ACL" in str(await _trouble(f"redis://reader:secret@{server.address}"))


async def test_the_rights_that_the_documents_name_are_enough(server: RedisServer) -> None:
    """A user with the rights of docs/redis.md can do everything that a node does, and not read other keys."""
    rights = re.search(r"`(~datchat:\* [^`]+)`", (Path(__file__).parents[2] / "docs" / "redis.md").read_text())
    assert rights is not None
    server.ask("ACL", "SETUSER", "chat", "on", ">secret", *rights[1].split())
    backend = await open_redis(f"redis://chat:secret@{server.address}")
    try:
        async with listening(backend.broker, LOBBY) as ear:
            await backend.broker.append(message())
            await eventually(lambda: ear.entries)
        await backend.accounts.create(Account(id="u_1", email="a@b.c", name="ann", password_hash="x", created_at=1))
        await backend.presence.touch(LOBBY, "web0", [ALICE], 10)
        assert await backend.presence.roster(LOBBY) == [ALICE]
        assert list(await backend.inspect()) == []
        assert "NOPERM" in str(ask(server.port, "GET", "other", user="chat", password="secret"))
    finally:
        await backend.close()


async def test_a_demoted_server_is_not_written_to(server: RedisServer, tmp_path: Path) -> None:
    """READONLY: posts wait; when it is master again they go on."""
    backend = await open_redis(server.url)
    try:
        await backend.broker.append(message())
        with redis_server(tmp_path / "other"):
            server.ask("REPLICAOF", HOST, 1)
            waiting = asyncio.ensure_future(backend.broker.append(message()))
            await eventually(lambda: backend.broker.state().state == "failing_over")
            server.ask("REPLICAOF", "NO", "ONE")
            assert (await waiting).cursor.offset == 2
    finally:
        await backend.close()


# Damaged


async def test_a_hole_is_not_read_over(server: RedisServer) -> None:
    """A log without one of its entries is served by nobody, and the walk over all logs names the place."""
    backend = await open_redis(server.url)
    try:
        for _ in range(5):
            await backend.broker.append(message())
        server.ask("XDEL", keys.log(LOBBY), "3-0")
        for read in (
            lambda: backend.broker.read(LOBBY, START, 10),
            lambda: backend.broker.before(LOBBY, None, 10),
            lambda: backend.broker.view(LOBBY, None, 10),
        ):
            with pytest.raises(Unavailable, match="restore it from a backup"):
                await read()
        (finding,) = [finding async for finding in verify(backend)]
        assert "offset 4 follows 2" in finding.faults
        assert [fault.partition(": ")[0] for fault in await backend.inspect()] == ["lobby", "lobby"]
    finally:
        await backend.close()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (("SETRANGE", keys.messages(LOBBY), 5, "x"), "the index of its messages"),
        (("HSET", keys.room(LOBBY), "top", 9), "but its top is 9"),
        (("HSET", keys.NAMES, "somebody", "u_9"), "0 accounts have 0 e-mails and 1 names"),
    ],
)
async def test_indexes_that_lie_are_found(server: RedisServer, damage: tuple[str | int, ...], sentence: str) -> None:
    """``inspect`` compares what stands beside the logs with what they say."""
    backend = await open_redis(server.url)
    try:
        await backend.broker.append(message())
        await backend.broker.append(message())
        assert list(await backend.inspect()) == []
        server.ask(*damage)
        assert sentence in " ".join(await backend.inspect())
    finally:
        await backend.close()


# Deaf


async def test_a_deaf_feed_says_so_and_hears_again(server: RedisServer) -> None:
    """A subscription whose packets are lost is noticed within two seconds, told as Interrupted, and renewed."""
    async with proxy(server.port) as between:
        deaf = await open_redis(f"redis://{HOST}:{between.port}")
        other = await open_redis(server.url)
        try:
            async with listening(deaf.broker, LOBBY) as ear:
                await other.broker.append(message("heard"))
                await eventually(lambda: ear.entries)
                assert between.deafen() == 1
                await other.broker.append(message("missed"))
                began = time.monotonic()
                await eventually(lambda: ear.interruptions)
                assert time.monotonic() - began < 3
                await other.broker.append(message("heard again"))
                await eventually(lambda: ear.entries[-1].offset == 3)
        finally:
            await deaf.close()
            await other.close()


async def test_what_nobody_told_of_is_found(server: RedisServer) -> None:
    """A node that dies between storing an entry and telling of it: the others find it within seconds."""
    backend = await open_redis(server.url)
    try:
        async with listening(backend.broker, LOBBY) as ear:
            await store_silently(server)
            await eventually(lambda: ear.entries)
            assert ear.entries[0].cursor == await backend.broker.top(LOBBY)
            assert ear.interruptions == []
    finally:
        await backend.close()


async def test_a_log_that_went_back_is_an_interruption(server: RedisServer) -> None:
    """When the store has lost what was heard, every room is read again, and cursors are found to be lost."""
    backend = await open_redis(server.url)
    try:
        async with listening(backend.broker, LOBBY) as ear:
            await backend.broker.append(message())
            await eventually(lambda: ear.entries)
            server.ask("HSET", keys.room(LOBBY), "top", 0, "chain", START.chain)
            await eventually(lambda: any("not the one" in event.reason for event in ear.interruptions))
    finally:
        await backend.close()


async def store_silently(server: RedisServer) -> None:
    """Append to the lobby and tell nobody."""
    post = Append(0.0, message(), "attempt", 60_000)
    places = [keys.room(LOBBY), keys.log(LOBBY), keys.messages(LOBBY), keys.changes(LOBBY)]
    link = await connect(Address(HOST, server.port), Access())
    await scripts.load(link)
    answer = await link.call(*scripts.APPEND(places, 60_000, *post.words), deadline_s=1)
    assert answer[0][0] == 1
    link.abort()


# Accounts and rooms, twice


async def test_nodes_share_one_store(cluster: RedisCluster) -> None:
    """What one node does the other finds at once: accounts, sessions, rooms, presence."""
    one, other = await open_redis(cluster.url), await open_redis(cluster.url)
    try:
        account = Account(id="u_1", email="a@b.c", name="ann", password_hash="x", created_at=1)
        await one.accounts.create(account)
        assert await other.accounts.by_email("A@B.C") == account
        garden = Room(id=RoomId("garden"), title="Garden")
        await one.rooms.create(garden)
        assert await other.rooms.get(garden.id) == garden
        await one.presence.touch(LOBBY, "web1", [account.user], 10)
        assert await other.presence.roster(LOBBY) == [account.user]
    finally:
        await one.close()
        await other.close()


# Figures


async def test_two_confirmations_cost_less_than_twice_none(cluster: RedisCluster) -> None:
    """The median post with both replicas confirmed takes at most twice as long as without confirmation."""
    confirmed, unconfirmed = await open_redis(cluster.url), await open_redis(cluster.url, rule=ack.NONE)
    times: dict[RedisBackend, list[float]] = {confirmed: [], unconfirmed: []}
    try:
        for _ in range(20):
            for backend, taken in times.items():
                for _ in range(20):
                    began = time.perf_counter()
                    receipt = await backend.broker.append(message())
                    taken.append(time.perf_counter() - began)
                assert receipt.copies == 3 or backend is unconfirmed
        assert statistics.median(times[confirmed]) <= 2 * statistics.median(times[unconfirmed])
    finally:
        await confirmed.close()
        await unconfirmed.close()


async def test_thousands_of_posts_a_second(cluster: RedisCluster) -> None:
    """
    Node and master together take less than a fifth of a millisecond of CPU for a post that is on three servers: 5,000 a
    second on one core. Of five rounds the cheapest is judged: what else the machine does makes none cheaper.
    """
    backend = await open_redis(cluster.url)
    master = cluster.master
    posts = 2000
    spent: list[float] = []
    try:
        for _ in range(5):
            before = time.process_time() + master.cpu_s()
            receipts = await asyncio.gather(*(backend.broker.append(message()) for _ in range(posts)))
            spent.append((time.process_time() + master.cpu_s() - before) / posts)
            assert all(receipt.copies == 3 for receipt in receipts)
        assert min(spent) < 0.000_2, spent
    finally:
        await backend.close()


async def _patiently(act: Callable[[], Awaitable[T]]) -> T:
    """The answer of an act, as soon as it is not ``Unavailable`` any more."""
    for _ in range(100):
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(0.05)
    return await act()


async def _trouble(url: str) -> Exception:
    """Why a store can't be used: on opening, or on the first post."""
    try:
        backend = await open_redis(url)
    except ConfigurationError as error:
        return error
    try:
        with pytest.raises(Unavailable) as caught:
            await backend.broker.append(message())
        return caught.value
    finally:
        await backend.close()

"""The Kubernetes target: what `deploy/kubernetes` runs in a namespace. It brings back what is killed by itself."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import httpx

from datchat.client.clock import boottime
from datchat.drills.targets import Ability, Part, TargetError, Usage, entrance, redis
from datchat.drills.targets.apiserver import ApiServer, Refused, api_server
from datchat.drills.targets.door import Streams
from datchat.drills.targets.orchestrated import DRAIN_S, Orchestrated, until, usage_by_metrics
from datchat.drills.targets.pods import LABEL, Pod, Ways, pods, reached
from datchat.errors import ConfigurationError

Way = Callable[[], Awaitable[Streams]]

WORKLOADS: Final = {"web": "deployments/web", "redis": "statefulsets/redis", "sentinel": "statefulsets/sentinel"}
SECRET: Final = "datchat"
ROLL_S: Final = 300.0
"""How long a roll may take: each pod in turn ends in order, starts, and has to have been ready for a while."""
STOP_S: Final = 120.0
"""How long a pod may take to end in order."""
KEPT_S: Final = 30.0
"""For how long the eviction of a pod is tried that a disruption budget keeps."""
TOO_MANY, GONE = 429, 404
"""What Kubernetes answers to an eviction that a budget forbids, and to one of nobody."""
ANSWER_S: Final = 2.0
"""How long a node may take to answer a question about itself."""


class KubernetesCluster(Orchestrated):
    """A ``Target``: the Dat Chat of a namespace. Its parts are pods."""

    name = "kubernetes"
    tool = "Kubernetes"
    not_made_for = MappingProxyType(
        {
            Ability.PAUSE: "a pod can't be frozen",
            Ability.BREAK_BALANCER: "nothing stands before the nodes but the Service",
        }
    )

    def __init__(
        self, api: ApiServer, namespace: str, ways: Ways, password: str, crash: str | None, restore: str | None
    ) -> None:
        super().__init__(crash, restore)
        self._api = api
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}"
        self._ways = ways
        self._password = password
        self._since = time.time() - 1
        self._servers: dict[str, str] = {}
        """The Redis servers' names, by the addresses of their Services."""
        self._stands: dict[str, Pod] = {}
        """Which pod each door leads to now, by the name of the one that it was made for."""
        self._http = httpx.AsyncClient(timeout=ANSWER_S, trust_env=False)
        self._may_drain = False

    @property
    def lacks(self) -> Mapping[Ability, str]:
        found = dict(super().lacks)
        if not self._may_drain:
            found[Ability.DRAIN] = "whoever drills may not change nodes"
        return found

    async def open(self) -> None:
        """
        Find the way in, what runs there, and what may be done.

        Raises:
            TargetError: It can't be.
        """
        service = await self._api.ask(f"{self._path}/services/web")
        for item in (await self._api.ask(f"{self._path}/services", labelSelector=LABEL))["items"]:
            self._servers[item["spec"]["clusterIP"]] = item["metadata"]["name"]
        self.url = await self._way_in(service)
        wanted = {"verb": "patch", "resource": "nodes"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        said = await self._api.make(path, {**kind, "spec": {"resourceAttributes": wanted}})
        self._may_drain = bool(said["status"]["allowed"])
        self.versions = {"Kubernetes": (await self._api.ask("/version"))["gitVersion"]}
        (answer,) = await redis.ask(await self._place(await self._of("redis")), ["INFO", "server"])
        self.versions["Redis"] = answer.partition("redis_version:")[2].split()[0]
        for item in (await self._api.ask(f"{self._path}/pods", labelSelector=LABEL))["items"]:
            image = item["spec"]["containers"][0]["image"]
            self.versions[f"image of {item['metadata']['labels']['app.kubernetes.io/component']}"] = image

    async def _way_in(self, service: Mapping[str, Any]) -> str:
        if self._api.within:
            return f"http://web.{self._namespace}:{service['spec']['ports'][0]['port']}"
        if (balanced := entrance.balanced(service)) is not None:
            return balanced
        way: Way = self._any_node
        if (port := entrance.node_port(service)) is not None:
            by_port = entrance.by_node_port(self._node_addresses, port)
            try:
                _, writer = await by_port()
                writer.transport.abort()
                way = by_port
            except (OSError, TargetError):
                pass  # not reached from here, or nobody may look at nodes
        return await self._doors.url("the way in", way)

    async def _node_addresses(self) -> list[str]:
        return list(entrance.ready_nodes(await self._api.ask("/api/v1/nodes")).values())

    async def _any_node(self) -> Streams:
        return await self._ways.connect(await self._of("web"))

    # The parts

    async def parts(self) -> Sequence[Part]:
        # One that goes and was replaced is none of the cluster's any more; a server keeps its name and its place.
        found = [pod for pod in await self._pods() if pod.kind != "web" or not pod.going]
        roles = await asyncio.gather(*(self._role(pod) for pod in found))
        return [Part(pod.name, pod.kind, pod.state, role, pod.host) for pod, role in zip(found, roles, strict=True)]

    async def _pods(self) -> list[Pod]:
        found = pods((await self._api.ask(f"{self._path}/pods", labelSelector=LABEL))["items"])
        await self._ways.keep(pod.uid for pod in found)
        return found

    async def _pod(self, name: str) -> Pod:
        for pod in await self._pods():
            if pod.name == name:
                return pod
        raise TargetError(f"there is no pod {name}")

    async def _of(self, kind: str) -> Pod:
        """A pod of this kind that serves."""
        for pod in await self._pods():
            if pod.kind == kind and pod.state == "running" and pod.ready:
                return pod
        raise ConnectionError(f"no {kind} is ready")

    async def _place(self, pod: Pod) -> redis.Place:
        return redis.Place(*await self._ways.place(pod), self._password)

    async def _role(self, pod: Pod) -> str | None:
        if pod.kind != "redis" or pod.state != "running":
            return None
        try:
            return await redis.role_of(await self._place(pod))
        except TargetError:
            return None

    async def door(self, node: str) -> str:
        if node not in self._stands:
            self._stands[node] = await self._pod(node)
        return await self._doors.url(node, partial(self._stand_beside, node))

    async def _stand_beside(self, node: str) -> Streams:
        """A killed node never comes back: whoever stood beside it stands beside the one that came in its place."""
        found = {pod.uid: pod for pod in await self._pods() if pod.kind == "web" and not pod.going}
        if self._stands[node].uid not in found:
            taken = {pod.uid for pod in self._stands.values()}
            free = [pod for uid, pod in found.items() if uid not in taken]
            if not free:
                raise ConnectionError(f"nobody has come in the place of {node}")
            self._stands[node] = free[0]
        return await self._ways.connect(found.get(self._stands[node].uid, self._stands[node]))

    async def usage(self, part: str) -> Usage | None:
        try:
            host, port = await self._ways.place(await self._pod(part))
        except TargetError:
            return None
        return await usage_by_metrics(self._http, host, port)

    async def log(self, part: str) -> str:
        since = datetime.fromtimestamp(self._since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        try:
            return await self._api.read(f"{self._path}/pods/{part}/log", timestamps="true", sinceTime=since)
        except TargetError:
            return ""  # it is gone, and its log with it

    # How it is

    async def trouble(self) -> str | None:
        found = await self._pods()
        for kind, workload in WORKLOADS.items():
            if (unrolled := await self._unrolled(workload)) is not None:
                return f"{kind}: {unrolled}"
        for pod in found:
            if pod.kind != "web" and pod.state != "running":
                return f"{pod.name} is {pod.state}"
        answers = await asyncio.gather(*(self._ill(pod, found) for pod in found if not pod.going))
        return next((answer for answer in answers if answer is not None), None)

    async def _ill(self, pod: Pod, found: Sequence[Pod]) -> str | None:
        try:
            if pod.kind == "web":
                host, port = await self._ways.place(pod)
                answer = await self._http.get(f"http://{host}:{port}/readyz")
                return None if answer.status_code == 200 else f"{pod.name}: /readyz says {answer.text}"
            place = await self._place(pod)
            if pod.kind == "redis":
                await redis.check_server(place, sum(other.kind == "redis" for other in found) - 1)
            else:
                roles = await asyncio.gather(*(self._role(other) for other in found))
                masters = [other.name for other, role in zip(found, roles, strict=True) if role == "master"]
                addresses = {address for address, name in self._servers.items() if name in masters}
                await redis.check_sentinel(place, addresses)
        except (TargetError, httpx.HTTPError) as reason:
            return f"{pod.name}: {reason}"
        return None

    async def _unrolled(self, workload: str) -> str | None:
        """Why a workload is not what it is meant to be; None when it is."""
        it = await self._api.ask(f"/apis/apps/v1/namespaces/{self._namespace}/{workload}")
        wanted, status = it["spec"]["replicas"], it["status"]
        if status.get("observedGeneration", 0) < it["metadata"]["generation"]:
            return "its change was not seen yet"
        for count in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
            # A StatefulSet that is not rolled counts all as of its one revision.
            if (status.get(count, 0)) != wanted and not (
                count == "updatedReplicas" and status.get("currentRevision") == status.get("updateRevision", 0)
            ):
                return f"{count} are {status.get(count, 0)}, not {wanted}"
        return None

    # What is done to it

    async def kill(self, *parts: str) -> None:
        await asyncio.gather(*(self._delete(part, gracePeriodSeconds=0) for part in parts))

    async def stop(self, *parts: str) -> None:
        going = {(await self._pod(part)).uid for part in parts}
        await asyncio.gather(*(self._delete(part) for part in parts))

        async def gone() -> bool:
            return not going & {pod.uid for pod in await self._pods()}

        await until(gone, STOP_S, f"{', '.join(parts)} did not end")

    async def _delete(self, part: str, **options: object) -> None:
        await self._api.remove(f"{self._path}/pods/{part}", **options)

    async def switch_master(self) -> None:
        await redis.switch_master(await self._place(await self._of("sentinel")))

    async def cut_feeds(self) -> None:
        for pod in await self._pods():
            if await self._role(pod) == "master":
                await redis.cut_feeds(await self._place(pod))

    async def _host_of(self, part: str) -> str:
        return (await self._pod(part)).host

    async def _drain(self, host: str) -> None:
        """As kubectl does it: no new pods, and an eviction for each that is there, as the disruption budgets allow."""
        await self._api.change(f"/api/v1/nodes/{host}", {"spec": {"unschedulable": True}})
        going = {pod.uid: pod.name for pod in await self._pods() if pod.host == host}
        kept: set[str] = set()

        async def gone() -> bool:
            there = {pod.uid for pod in await self._pods() if pod.host == host}
            for uid in there & going.keys():
                try:
                    await self._evict(going[uid])
                    kept.discard(uid)
                except Refused as refusal:
                    if refusal.status == TOO_MANY:
                        kept.add(uid)
                    elif refusal.status != GONE:
                        raise
            # A budget whose other pod has no place but this host keeps this one for as long as it is drained.
            return not there & going.keys() - (kept if boottime() > patience else set())

        patience = boottime() + KEPT_S
        await until(gone, DRAIN_S, f"{host} was not drained")

    async def _evict(self, pod: str) -> None:
        named = {"name": pod, "namespace": self._namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named}
        await self._api.make(f"{self._path}/pods/{pod}/eviction", eviction)

    async def _readmit(self, host: str) -> None:
        await self._api.change(f"/api/v1/nodes/{host}", {"spec": {"unschedulable": False}})

    async def roll(self, kind: str) -> None:
        workload = WORKLOADS[kind]
        stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat(timespec="seconds")}
        await self._api.change(
            f"/apis/apps/v1/namespaces/{self._namespace}/{workload}",
            {"spec": {"template": {"metadata": {"annotations": stamp}}}},
        )

        async def done() -> bool:
            return await self._unrolled(workload) is None

        await until(done, ROLL_S, f"{kind} was not rolled")

    async def close(self) -> None:
        await super().close()
        await self._ways.close()
        await self._http.aclose()


@asynccontextmanager
async def opened(namespace: str | None, crash: str | None, restore: str | None) -> AsyncIterator[KubernetesCluster]:
    """
    The Dat Chat in a namespace (``datchat``) of the cluster that kubectl is set to, or in which this process is.

    Raises:
        ConfigurationError: It is not there, or not whole.
    """
    namespace = namespace or "datchat"
    async with api_server() as api:
        try:
            straight = api.within or await _reached(api, namespace)
            ways = Ways(namespace, straight=straight)
            cluster = KubernetesCluster(api, namespace, ways, await _password(api, namespace), crash, restore)
        except TargetError as error:
            raise ConfigurationError(str(error)) from error
        try:
            try:
                await cluster.open()
            except (TargetError, OSError) as error:
                raise ConfigurationError(f"the Dat Chat in the namespace {namespace} is not whole: {error}") from error
            yield cluster
        finally:
            await cluster.close()


async def _reached(api: ApiServer, namespace: str) -> bool:
    found = pods((await api.ask(f"/api/v1/namespaces/{namespace}/pods", labelSelector=LABEL))["items"])
    if not found:
        raise ConfigurationError(
            f"there is no Dat Chat in the namespace {namespace}: apply deploy/kubernetes, or say --namespace"
        )
    servers = [pod for pod in found if pod.kind == "redis" and pod.state == "running"]
    return bool(servers) and await reached(servers[0])


async def _password(api: ApiServer, namespace: str) -> str:
    if (given := os.environ.get("REDIS_PASSWORD")) is not None:
        return given
    try:
        secret = await api.ask(f"/api/v1/namespaces/{namespace}/secrets/{SECRET}")
    except Refused as error:
        if error.status != 403:
            raise
        raise ConfigurationError(f"the Secret {SECRET} may not be read: set REDIS_PASSWORD ({error})") from error
    return base64.b64decode(secret["data"]["redis-password"]).decode()

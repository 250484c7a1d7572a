"""A Kubernetes cluster in memory: pods and workloads, as its API shows them. What was done to it stands in ``done``."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx

from datchat.drills.targets.apiserver import ApiServer

NAMESPACE = "chat"


def pod(name: str, component: str, host: str = "node1", **more: Any) -> dict[str, Any]:
    """A pod that runs and is ready, as the API lists it."""
    return {
        "metadata": {"name": name, "uid": f"uid of {name}", "labels": {"app.kubernetes.io/component": component}},
        "spec": {"nodeName": host, "containers": [{"image": f"{component}:1"}]},
        "status": {
            "podIP": "127.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"state": {"running": {}}}],
        },
        **more,
    }


def workload(replicas: int) -> dict[str, Any]:
    """A Deployment or StatefulSet that is what it is meant to be."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    return {
        "metadata": {"generation": 1},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, **counts},
    }


class FakeKubernetes:
    """Answers as an API server does, as far as drills ask it."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {item["metadata"]["name"]: item for item in pods}
        self.workloads = {"deployments/web": workload(2), "statefulsets/redis": workload(0)}
        self.workloads["statefulsets/sentinel"] = workload(0)
        self.done: list[tuple[str, ...]] = []
        self.refused: dict[str, int] = {}
        """Paths that are refused, with the status."""
        self.kept: set[str] = set()
        """Pods that a disruption budget keeps."""

    def client(self) -> ApiServer:
        """An API server of the drill's that talks to this one."""
        transport = httpx.MockTransport(self._handle)
        return ApiServer(httpx.AsyncClient(transport=transport, base_url="http://localhost"), within=False)

    def replace(self, old: str, new: dict[str, Any]) -> None:
        """A pod has gone, and another has come."""
        del self.pods[old]
        self.pods[new["metadata"]["name"]] = new

    def _handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if (status := self.refused.get(path)) is not None:
            return httpx.Response(status, json={"kind": "Status", "message": "you may not"})
        own = path.partition(f"/namespaces/{NAMESPACE}/")[2]
        if request.method == "DELETE":
            return self._delete(own.rpartition("/")[2], json.loads(request.content or b"{}"))
        if request.method == "POST":
            return self._evict(own.split("/")[1])
        if request.method == "PATCH":
            return self._patch(request, own)
        if own == "pods":
            return httpx.Response(200, json={"items": list(self.pods.values())})
        if own.endswith("/log"):
            return httpx.Response(200, text="2026-01-01T00:00:00Z hello\n")
        if own in self.workloads:
            return httpx.Response(200, json=self.workloads[own])
        if own == "secrets/datchat":
            return httpx.Response(200, json={"data": {"redis-password": base64.b64encode(b"word").decode()}})
        if path == "/version":
            return httpx.Response(200, json={"gitVersion": "v1.34.4"})
        return httpx.Response(404, json={"kind": "Status", "message": f"{path} not found"})

    def _patch(self, request: httpx.Request, own: str) -> httpx.Response:
        if own in self.workloads:
            self.done.append(("patch", own, request.headers["Content-Type"]))
            return httpx.Response(200, json=self.workloads[own])
        self.done.append(("patch", request.url.path, request.content.decode()))
        return httpx.Response(200, json={})

    def _evict(self, name: str) -> httpx.Response:
        if name in self.kept:
            return httpx.Response(429, json={"kind": "Status", "message": "it would violate the disruption budget"})
        self.done.append(("evict", name))
        del self.pods[name]
        return httpx.Response(201, json={})

    def _delete(self, name: str, options: dict[str, Any]) -> httpx.Response:
        if name not in self.pods:
            return httpx.Response(404, json={"kind": "Status", "message": f'pods "{name}" not found'})
        self.done.append(("delete", name, str(options.get("gracePeriodSeconds", "its own"))))
        del self.pods[name]
        return httpx.Response(200, json={})

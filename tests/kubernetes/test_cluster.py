"""What a cluster says to deploy/kubernetes, and what it then does with the pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.eventually import eventually_now
from support.kubernetes import (
    DEPLOY,
    NAMESPACE,
    chat,
    kubectl,
    listed,
    needs_cluster,
    pods,
    roles,
    wait_until_whole,
)

pytestmark = [needs_cluster, pytest.mark.timeout(400)]
PLAIN = ["run", "plain", "--image=datchat:0.1.0", "--image-pull-policy=IfNotPresent", "--restart=Never"]


@pytest.mark.parametrize("overlay", ["overlays/demo", "overlays/production", "drill"])
def test_the_server_accepts_every_overlay(overlay: str, running: str) -> None:
    """Each object, by its schema and by admission, without a warning."""
    said = kubectl("apply", "--dry-run=server", "-k", DEPLOY / overlay)
    lines = [line for line in said.splitlines() if line.strip()]
    assert lines
    assert all(line.endswith("(server dry run)") for line in lines), said


def test_a_pod_that_is_not_restricted_is_refused(running: str) -> None:
    """The namespace takes only what the strictest of the Pod Security Standards lets through; ours all run in it."""
    namespace = json.loads(kubectl("get", "namespace", NAMESPACE, "-o", "json"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    said = chat(*PLAIN, code=1)

    assert "violates PodSecurity" in said
    assert all(pods(part) for part in ("web", "redis", "sentinel"))


@pytest.mark.parametrize("part", ["web", "redis", "sentinel"])
def test_the_second_eviction_is_stopped(part: str, running: str) -> None:
    """A drain of nodes takes one pod of a kind along, and has to wait for the next until that one is back."""
    # Kubernetes counts the pods that are ready a moment after they are.
    eventually_now(lambda: allowed(part) == 1, 60, describe=lambda: listed("poddisruptionbudgets"))
    first, second, *_ = pods(part)

    def evict(pod: dict[str, Any], code: int | None) -> str:
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
        return kubectl("create", "--raw", path, "-f", "-", given=json.dumps(body), code=code)

    evict(first, 0)
    assert "disruption budget" in evict(second, 1)


def allowed(part: str) -> int:
    """How many pods of a part may be evicted now."""
    return int(json.loads(chat("get", "poddisruptionbudget", part, "-o", "json"))["status"]["disruptionsAllowed"])


def test_without_the_secret_a_pod_says_which(running: str) -> None:
    """Nothing starts with a default in its place: the pod waits, and one sentence names what is missing."""
    template = json.loads(chat("get", "deployment", "web", "-o", "json"))["spec"]["template"]
    spec = template["spec"]
    for container in spec["containers"]:
        for variable in container["env"]:
            if "secretKeyRef" in variable.get("valueFrom", {}):
                variable["valueFrom"]["secretKeyRef"]["name"] = "nowhere"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": NAMESPACE}, "spec": spec}
    kubectl("apply", "-f", "-", given=json.dumps(pod))
    try:

        def waiting() -> dict[str, str]:
            status = json.loads(chat("get", "pod", "bare", "-o", "json"))["status"]
            return dict((status.get("containerStatuses") or [{}])[0].get("state", {}).get("waiting") or {})

        state = eventually_now(lambda: found if "message" in (found := waiting()) else None, 60, describe=waiting)
        assert state["reason"] == "CreateContainerConfigError"
        assert 'secret "nowhere" not found' in state["message"]
    finally:
        chat("delete", "pod", "bare", "--grace-period=1")


def test_parts_are_spread(running: str) -> None:
    """No node has all of a kind; of two nodes the one with the first server has fewer sentinels."""
    nodes = len(json.loads(kubectl("get", "nodes", "-o", "json"))["items"])
    if nodes < 2:
        pytest.skip("the cluster has one node")
    for part in ("web", "redis", "sentinel"):
        assert len({pod["spec"]["nodeName"] for pod in pods(part)}) == min(nodes, 3), part


def test_what_is_written_outlives_the_pods(running: str) -> None:
    """Servers and sentinels are on volumes of their own."""
    claims = {claim["metadata"]["name"]: claim["status"]["phase"] for claim in listed("persistentvolumeclaims")}
    assert claims == {f"data-{part}-{number}": "Bound" for part in ("redis", "sentinel") for number in range(3)}


def test_sentinels_rest_after_a_pod_was_replaced(running: str) -> None:
    """
    Their connections to a server that went may bear an error that Redis never reads, and looks for all the time: they
    are made anew. Nobody who has died is left in the servers' pods.
    """
    replica = next(name for name, role in roles().items() if role == "slave")
    chat("delete", "pod", replica, "--grace-period=0", "--force")
    wait_until_whole()

    eventually_now(lambda: max(busy()) < 0.2, 60, describe=busy)
    for number in range(3):
        states = chat("exec", f"redis-{number}", "-c", "redis", "--", "sh", "-c", STATES).split()
        assert states.count("Z") < 3, states


STATES = "sed 's/.*) //' /proc/[0-9]*/stat 2>/dev/null | cut -c 1"
"""A letter for each process of a pod."""
USED = "sed -n 's/^.*(redis-server) //p' /proc/[0-9]*/stat 2>/dev/null | awk '{ print $12 + $13 }'"
"""The time on a CPU that a pod's server has taken, in hundredths of a second."""


def busy() -> list[float]:
    """How much of a core each sentinel takes."""
    found = []
    for number in range(3):
        said = chat("exec", f"sentinel-{number}", "-c", "sentinel", "--", "sh", "-c", f"{USED}; sleep 2; {USED}")
        before, after = map(int, said.split())
        found.append((after - before) / 200)
    return found

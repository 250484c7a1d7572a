"""What kustomize makes of deploy/kubernetes: the same everywhere, without secrets, every pod restricted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes import DEPLOY, ROOT, kubectl, needs_kubectl

pytestmark = needs_kubectl
OVERLAYS = ["overlays/demo", "overlays/production", "drill"]


def objects(folder: Path) -> list[dict[str, Any]]:
    """What a folder is rendered to, in its order."""
    text = kubectl("kustomize", folder)
    done = subprocess.run(
        ["kubectl", "patch", "--local", "-f", "-", "-p", "{}", "--type=merge", "-o", "json"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    decoder, found = json.JSONDecoder(), []
    rest = done.stdout.strip()
    while rest:
        item, end = decoder.raw_decode(rest)
        found.append(item)
        rest = rest[end:].strip()
    return found


def workloads(overlay: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, object and pod's specification of whatever makes pods."""
    for item in objects(DEPLOY / overlay):
        if item["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield item["metadata"]["name"], item, item["spec"]["template"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_clean_clone_renders_the_same(overlay: str, tmp_path: Path) -> None:
    """Nothing that is rendered comes from beside the repository's files."""
    archive = subprocess.run(["git", "archive", "HEAD", "deploy"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", tmp_path], input=archive, check=True)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "deploy/kubernetes", "deploy/redis"], cwd=ROOT, capture_output=True, check=True
    )

    clone = kubectl("kustomize", tmp_path / "deploy" / "kubernetes" / overlay)

    if not changed.stdout:
        assert clone == kubectl("kustomize", DEPLOY / overlay)
    assert clone


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_rendered(overlay: str) -> None:
    """Secrets are named and nowhere made; whoever needs one does not start without it."""
    needed = set()
    for item in objects(DEPLOY / overlay):
        assert item["kind"] != "Secret"
    for _, _, spec in workloads(overlay):
        for variable in (v for container in spec["containers"] for v in container.get("env", [])):
            source = variable.get("valueFrom", {}).get("secretKeyRef")
            assert source or "value" in variable or "fieldRef" in variable["valueFrom"]
            if source:
                assert not source.get("optional", False)
                needed.add((source["name"], source["key"]))
    assert needed <= {("datchat", "redis-password"), ("datchat", "secret")}
    assert ("datchat", "redis-password") in needed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_restricted(overlay: str) -> None:
    """By its own words, so that a cluster without admission runs it so, too: no root, nothing to gain or to write."""
    found = list(workloads(overlay))
    assert found
    for name, _, spec in found:
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["securityContext"]["runAsUser"] >= 999, name
        assert spec.get("automountServiceAccountToken", name == "drill") is (name == "drill")
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert container["imagePullPolicy"] == "IfNotPresent", name


@pytest.mark.parametrize("overlay", OVERLAYS[:2])
def test_what_probes_leave_is_buried_by_the_pod(overlay: str) -> None:
    """Not by Redis, which would be late for its own children."""
    sharing = {name for name, _, spec in workloads(overlay) if spec.get("shareProcessNamespace")}

    assert {"redis", "sentinel"} <= sharing


@pytest.mark.parametrize("overlay", OVERLAYS[:2])
def test_nodes_come_before_others_go(overlay: str) -> None:
    """An update takes no node away before another is ready, and gives it the time that a drain takes."""
    web, spec = next((item, spec) for name, item, spec in workloads(overlay) if name == "web")
    container = spec["containers"][0]
    env = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    leads_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    finishes_s = 3

    assert web["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["terminationGracePeriodSeconds"] > leads_s + int(env["DATCHAT_DRAIN_S"]) + finishes_s
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    # A failover of the store must not empty the Service.
    assert container["readinessProbe"]["periodSeconds"] * container["readinessProbe"]["failureThreshold"] >= 10
    scaled = any(item["kind"] == "HorizontalPodAutoscaler" for item in objects(DEPLOY / overlay))
    assert scaled == ("replicas" not in web["spec"])


@pytest.mark.parametrize("component", ["gateway", "servicemonitor", "ephemeral", "ingress"])
def test_every_component_renders(component: str, tmp_path: Path) -> None:
    """Also those that no overlay uses, added to the demo as a user would."""
    deploy = tmp_path / "deploy"
    subprocess.run(["cp", "-r", ROOT / "deploy", deploy], check=True)
    overlay = deploy / "kubernetes" / "overlays" / "mine"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [../../base]\ncomponents: [../../components/{component}]\n"
    )
    text = kubectl("kustomize", overlay)

    wanted = {
        "gateway": "kind: HTTPRoute",
        "servicemonitor": "kind: ServiceMonitor",
        "ephemeral": "emptyDir: {}",
        "ingress": "kind: Ingress",
    }
    assert wanted[component] in text
    assert ("volumeClaimTemplates" in text) == (component != "ephemeral")

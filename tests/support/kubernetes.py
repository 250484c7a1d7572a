"""A Kubernetes cluster as the tests meet it: the one that kubectl is set to, and the chat in a namespace of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.eventually import eventually_now

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "kubernetes"
NAMESPACE = "datchat"
WHOLE_S = 180.0
NODE_PORT = 30080

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing")
needs_cluster = pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="KUBECONFIG names no cluster")


def kubectl(*words: str | Path, given: str | None = None, code: int | None = 0, timeout_s: float = 240) -> str:
    """
    What kubectl says; on standard error as well when it fails, as it must when ``code`` is another. None takes any.
    """
    done = subprocess.run(
        ["kubectl", *map(str, words)],
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert code is None or done.returncode == code, f"kubectl {words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def chat(*words: str, **options: Any) -> str:
    """kubectl in the chat's namespace."""
    return kubectl("-n", NAMESPACE, *words, **options)


def listed(kind: str, *words: str) -> list[dict[str, Any]]:
    """The objects of a kind in the chat's namespace."""
    return list(json.loads(chat("get", kind, *words, "-o", "json"))["items"])


def pods(component: str) -> list[dict[str, Any]]:
    """The pods of a part that were not deleted."""
    found = listed("pods", "-l", f"app.kubernetes.io/component={component}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def roles() -> dict[str, str]:
    """Which Redis pod is master, which replica; empty for one that doesn't say."""
    said = {}
    for pod in ("redis-0", "redis-1", "redis-2"):
        said[pod] = chat("exec", pod, "-c", "redis", "--", "redis-cli", "role", code=None).partition("\n")[0]
    return said


def wait_until_whole() -> None:
    """Return when every part is what it is meant to be, and two servers follow a third."""
    for workload in ("statefulset/sentinel", "statefulset/redis", "deployment/web"):
        chat("rollout", "status", workload, f"--timeout={WHOLE_S:.0f}s")
    eventually_now(lambda: sorted(roles().values()) == ["master", "slave", "slave"], WHOLE_S, describe=roles)


def address() -> str:
    """Where people come in: the port of a node."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    host = next(a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP")
    return f"http://{host}:{NODE_PORT}"


def said(lines: int = 30) -> str:
    """The last that every pod has said, and what happened to it, for whoever looks for the reason of a failure."""
    told = [chat("get", "pods", "-o", "wide", code=None), chat("get", "events", code=None)[-4000:]]
    for part in ("web", "redis", "sentinel"):
        selected = f"app.kubernetes.io/component={part}"
        told.append(chat("logs", "-l", selected, f"--tail={lines}", "--prefix", "--timestamps", code=None))
    return "\n".join(told)


def runs() -> bool:
    """Whether the chat is there already, whatever state it is in."""
    return chat("get", "deployment", "web", "-o", "name", code=None).strip() == "deployment.apps/web"


class Deployed:
    """The demo overlay in a namespace that was not there before, as a context manager that takes it away again."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def __enter__(self) -> None:
        kubectl("apply", "-f", DEPLOY / "base" / "namespace.yaml")
        literals = [f"--from-literal={secret}" for secret in self._secrets]
        chat("create", "secret", "generic", "datchat", *literals)
        kubectl("apply", "-k", DEPLOY / "overlays" / "demo")
        try:
            wait_until_whole()
        except BaseException:
            print(said())
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        chat("delete", "pods", "--all", "--grace-period=1", "--wait=false", code=None)
        deadline = time.monotonic() + WHOLE_S
        while kubectl("get", "namespace", NAMESPACE, code=None).startswith(NAMESPACE) and time.monotonic() < deadline:
            time.sleep(0.5)

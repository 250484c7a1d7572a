"""Which cluster a drill finds, and what it says when there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datchat.drills.targets.apiserver import Refused, api_server
from datchat.drills.targets.kubernetes import opened
from datchat.errors import ConfigurationError
from unit.drills.targets.fake_kubernetes import NAMESPACE, FakeKubernetes


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which programs are found, besides the system's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def program(folder: Path, script: str) -> None:
    file = folder / "kubectl"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


async def test_without_kubectl_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the way to a cluster from outside; within one nobody needs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="kubectl is missing: install it, or run the drill in the cluster"):
        async with opened(None, None, None):
            pass


async def test_a_kubectl_that_knows_no_cluster_is_told(path: Path) -> None:
    """In its own last words."""
    program(path, "echo 'error: no configuration has been provided' >&2; exit 1")
    with pytest.raises(ConfigurationError, match="kubectl reaches no cluster: error: no configuration"):
        async with api_server({}):
            pass


async def test_a_cluster_that_does_not_answer_is_told(path: Path) -> None:
    """Its proxy runs, and nothing is behind it."""
    program(path, "echo 'Starting to serve on x'; exec sleep 60")
    with pytest.raises(ConfigurationError, match=r"Kubernetes can't be asked: .*is KUBECONFIG set"):
        async with api_server({}):
            pass


async def test_within_a_pod_the_account_signs(tmp_path: Path) -> None:
    """Its certificate has to be there; kubectl is not asked for."""
    variables = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    with pytest.raises(FileNotFoundError):
        async with api_server(variables, tmp_path):
            pass


async def test_a_refusal_has_its_status() -> None:
    """So that what may not be read is told from what is not there."""
    api = FakeKubernetes().client()
    with pytest.raises(Refused, match="not found") as caught:
        await api.ask(f"/api/v1/namespaces/{NAMESPACE}/secrets/another")
    assert caught.value.status == 404

"""The compose files: clean for both Composes, told what they need, and silent about secrets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from datchat.cluster.recipes import search_path
from support.compose import PASSWORD, REDIS, ROOT, SECRET, SENTINELS, WEB, Project, docker, needs_engine
from support.composes import COMPOSES

pytestmark = [needs_engine, pytest.mark.timeout(600)]

FURTHER = ["compose.ha.yaml", "compose.scale.yaml", "compose.secrets.yaml", "compose.tls.yaml"]
FILES = [(), *(("compose.yaml", further) for further in FURTHER)]


@pytest.fixture(params=COMPOSES, ids=lambda compose: compose.__name__)
def compose(request: pytest.FixtureRequest) -> Sequence[str]:
    words: Sequence[str] = request.param()
    return words


@pytest.mark.parametrize("files", FILES, ids=lambda files: files[-1] if files else "alone")
def test_it_is_clean(compose: Sequence[str], files: Sequence[str]) -> None:
    """Neither Compose has anything to say about the files."""
    project = Project(*files, compose=compose, CERTIFICATE_FILE=__file__)
    done = subprocess.run(
        [*project.words, "config", "-q"], cwd=ROOT, env=project.environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("further", [("compose.cfg",), ("scale.cfg",), ("compose.cfg", "to-https.cfg")], ids=" ".join)
def test_the_balancer_of_debian_12_takes_it_too(further: Sequence[str]) -> None:
    """HAProxy 2.6, which this machine has, finds nothing wrong with the containers' configuration."""
    files = ("haproxy.cfg", "docker.cfg", *further)
    words = ["haproxy", "-c", *(word for file in files for word in ("-f", f"deploy/haproxy/{file}"))]
    told = {"DATCHAT_BIND": "*:8081", "DATCHAT_BIND_HTTP": "*:8080", "DATCHAT_ADMIN": "unix@/tmp/haproxy.sock"}
    environment = {**os.environ, **told, "PATH": search_path()}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "[WARNING]" not in done.stderr


@pytest.mark.parametrize("missing", ["REDIS_PASSWORD", "DATCHAT_SECRET"])
def test_a_missing_secret_is_one_sentence(compose: Sequence[str], missing: str) -> None:
    """A start without a secret does nothing but to say in one line which one is missing, and how to get it."""
    project = Project(compose=compose)
    del project.environment[missing]
    done = subprocess.run(
        [*project.words, "up", "-d"], cwd=ROOT, env=project.environment, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert done.stderr.strip().endswith(f"set {missing}, or run script/secrets, which makes one in .env")
    assert "\n" not in done.stderr.strip()
    assert project.containers() == {}


@pytest.mark.parametrize("script", ["boot-guard", "sentinel-start"])
def test_an_empty_password_is_refused(script: str) -> None:
    """A server or sentinel whose password is empty does not start without one: it says so in one line."""
    folder = f"{ROOT}/deploy/redis:/deploy/redis:ro"
    words = ("run", "--rm", "-v", folder, "-e", "REDIS_PASSWORD=", "-e", "MASTER_HOST=x", "-e", "SENTINELS=x:1")
    said = docker(*words, "--entrypoint", "/bin/sh", "redis:7.2-bookworm", f"/deploy/redis/{script}", "x", code=2)

    assert said.count("\n") == 1
    assert "REDIS_PASSWORD is empty" in said


def test_secrets_in_files(image: str, tmp_path: Path) -> None:
    """Given as files, the secrets are in no environment, on no command line and in no log, and everything works."""
    for name, value in (("redis_password", PASSWORD), ("datchat_secret", SECRET)):
        (tmp_path / name).write_text(value + "\n")
    told = {"REDIS_PASSWORD_FILE": f"{tmp_path}/redis_password", "DATCHAT_SECRET_FILE": f"{tmp_path}/datchat_secret"}
    files = ("compose.yaml", "compose.secrets.yaml")
    with Project(*files, REDIS_PASSWORD="", DATCHAT_SECRET="", **told) as project:
        project.wait_until_whole()
        containers = project.containers()
        shown = str(containers) + project.logs() + "".join(map(command_lines, containers.values()))

        assert sorted(containers) == sorted((*REDIS, *SENTINELS, *WEB, "haproxy"))
        assert PASSWORD not in shown
        assert PASSWORD.replace("\\", "\\\\") not in shown
        assert SECRET not in shown
        project.do("exec", "-T", "web0", "datchat", "verify")


def command_lines(container: dict[str, Any]) -> str:
    """The command lines of a container's processes."""
    return docker("top", container["Id"], "-eo", "pid,args")


def test_no_secret_on_a_command_line(project: Project) -> None:
    """What every process of the host can see of the others holds no secret, however the project was told."""
    shown = "".join(map(command_lines, project.containers().values()))

    assert PASSWORD not in shown
    assert SECRET not in shown


def test_every_part_is_locked(project: Project) -> None:
    """Each part has a read-only root file system, no capability, no way to get one, a bound on its log and memory."""
    for name, container in project.containers().items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"]), name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name
        assert host["Memory"] > 0, name
        assert container["Config"]["User"] not in ("", "0", "root"), name
        status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
        assert re.findall(r"^(?:CapEff|CapPrm):\s+(\S+)", status, re.MULTILINE) == ["0" * 16] * 2, name
        assert re.search(r"^Uid:\s+[1-9]\d*\s", status, re.MULTILINE), name


def clone(folder: Path) -> Path:
    """A directory that stands for a clone: the script, and nothing that was made before."""
    (folder / "script").mkdir(parents=True)
    shutil.copy(ROOT / "script" / "secrets", folder / "script")
    return folder


def make(folder: Path, *arguments: str) -> str:
    done = subprocess.run([folder / "script" / "secrets", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """The script makes what is missing, for its owner's eyes, long enough and never the same; what is there stays."""
    folder, other = clone(tmp_path / "a"), clone(tmp_path / "b")
    make(folder)
    made = (folder / ".env").read_text()
    values = dict(line.split("=") for line in made.splitlines())

    assert sorted(values) == ["DATCHAT_SECRET", "REDIS_PASSWORD"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in values.values())
    assert (folder / ".env").stat().st_mode & 0o077 == 0
    assert "already" in make(folder)
    assert (folder / ".env").read_text() == made
    make(other)
    assert not set(values.values()) & set(chain(*(line.split("=") for line in (other / ".env").read_text().split())))


def test_secrets_are_made_as_files(tmp_path: Path) -> None:
    """As files they are closed to others of this machine, and .env says where they are instead of holding them."""
    folder = clone(tmp_path)
    make(folder, "files")
    files = sorted((folder / "secrets").iterdir())

    assert [file.name for file in files] == ["datchat_secret", "redis_password"]
    assert (folder / "secrets").stat().st_mode & 0o077 == 0
    assert all(len(file.read_text()) == 64 for file in files)
    held = (folder / ".env").read_text()
    assert not [file for file in files if file.read_text() in held]
    assert "COMPOSE_FILE=compose.yaml:compose.secrets.yaml\n" in held
    before = [file.read_text() for file in files]
    make(folder, "files")
    assert [file.read_text() for file in files] == before
    assert os.stat(files[0]).st_mode & 0o444 == 0o444, "the containers' users read it"

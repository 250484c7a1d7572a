"""``script/testbed``: a command finds a cluster, its code is passed on, and nothing stays behind unsaid."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.documents import ROOT


def _hindrance() -> str:
    if os.geteuid() != 0:
        return "a cluster of its own needs root"
    there = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=False).stdout
    return "a cluster of Kubernetes runs on this machine" if "k8s-" in there else ""


makes_its_own = pytest.mark.skipif(bool(_hindrance()), reason=_hindrance())
MAKER = """\
#!/bin/sh
home=$TESTBED_HOME/kubernetes
echo "$1" >>"$(dirname "$0")/asked"
case $1 in
up) mkdir -p "$home/run" && echo "$home/run/config" ;;
down) [ ! -e "$(dirname "$0")/end" ] || . "$(dirname "$0")/end" ;;
esac
"""


@pytest.fixture
def alone() -> Iterator[None]:
    """Namespaces and links are the machine's: of these tests one at a time."""
    with (Path(tempfile.gettempdir()) / "datchat-test-testbed").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone beside which a maker of clusters lies that makes none."""
    (tmp_path / "chat" / "script").mkdir(parents=True)
    for script in ("testbed", "beds"):
        shutil.copy(ROOT / "script" / script, tmp_path / "chat" / "script")
    (tmp_path / "chat" / "script" / "archive").write_text("#!/bin/sh\necho /images.tar\n")
    maker = tmp_path / "shared" / "testbeds" / "kubernetes" / "cluster"
    maker.parent.mkdir(parents=True)
    maker.write_text(MAKER)
    build = maker.with_name("build")
    build.write_text('#!/bin/sh\necho "build in $TESTBED_HOME" >>"$(dirname "$0")/asked"\n')
    for program in (maker, build, tmp_path / "chat" / "script" / "archive"):
        program.chmod(0o755)
    return tmp_path / "chat"


def testbed(clone: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the script does, without a cluster that the environment names."""
    named = ("KUBECONFIG", "NOMAD_ADDR", "DOCKER_HOST")
    kept = {name: value for name, value in os.environ.items() if name not in named}
    environment = {**kept, "TESTBED_HOME": str(clone.parent / "built"), **variables}
    return subprocess.run(
        [clone / "script" / "testbed", *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


testbed.__test__ = False  # type: ignore[attr-defined]


def asked(clone: Path) -> list[str]:
    """What the maker of clusters was asked for."""
    return (clone.parent / "shared" / "testbeds" / "kubernetes" / "asked").read_text().splitlines()


@makes_its_own
@pytest.mark.usefixtures("alone")
def test_a_command_has_a_cluster_of_its_own(clone: Path) -> None:
    """With the images, and with commands that crash its hosts; it goes down, and the command's code is the script's."""
    look = 'echo "$KUBECONFIG"; $(echo "$DATCHAT_CRASH_COMMAND" | sed s/{host}/node2/); exit 3'
    done = testbed(clone, "kubernetes", "sh", "-c", look)

    assert done.returncode == 3, done.stderr
    assert done.stdout.rstrip().endswith("/kubernetes/run/config")
    assert asked(clone) == [f"build in {clone.parent}/built", "up", "image", "kill-node", "down"]
    home = done.stdout.strip().removesuffix("/kubernetes/run/config")
    assert not Path(home).exists()


@makes_its_own
@pytest.mark.usefixtures("alone")
def test_what_stays_behind_is_said(clone: Path) -> None:
    """A process, a mount, a link and a namespace that are there after the end, each by its name."""
    (clone.parent / "shared" / "testbeds" / "kubernetes" / "end").write_text(
        "setsid sh -c 'sleep 300; :' $TESTBED_HOME/left >/dev/null 2>&1 & echo $! >$(dirname $0)/pid\n"
        "mkdir $TESTBED_HOME/held && mount -t tmpfs left $TESTBED_HOME/held && ip netns add k8s-left\n"
        "ip link add k8sh0 type bridge\n"
    )
    try:
        done = testbed(clone, "kubernetes", "true")
        assert done.returncode == 1
        said = done.stderr.strip().splitlines()[-1]
        assert said.startswith("testbed: the cluster left behind: ")
        assert "namespace k8s-left;" in said
        assert "/held;" in said
        assert "link k8sh0;" in said
        assert "process " in said
    finally:
        subprocess.run(["ip", "netns", "del", "k8s-left"], check=True)
        subprocess.run(["ip", "link", "del", "k8sh0"], check=True)
        for line in Path("/proc/mounts").read_text().splitlines():
            if "/datchat-testbed." in line and line.startswith("left "):
                home = Path(line.split()[1]).parent
                subprocess.run(["umount", line.split()[1]], check=True)
                shutil.rmtree(home)
        os.killpg(int((clone.parent / "shared" / "testbeds" / "kubernetes" / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("tool", "variable"), [("kubernetes", "KUBECONFIG"), ("nomad", "NOMAD_ADDR"), ("swarm", "DOCKER_HOST")]
)
def test_a_cluster_that_is_named_is_used(tool: str, variable: str, clone: Path) -> None:
    """And none is made."""
    done = testbed(clone, tool, "sh", "-c", f"echo ${variable}; exit 3", **{variable: "there"})

    assert (done.returncode, done.stdout, done.stderr) == (3, "there\n", "")


def test_without_a_cluster_it_is_left_out(clone: Path) -> None:
    """In a sentence that says what to do, which is no failure."""
    done = testbed(clone, "nomad", "false")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "testbed: left out: there is no cluster of nomad; set NOMAD_ADDR to one, with the images where its hosts get "
        "them\n"
    )


@pytest.mark.parametrize("words", [(), ("kubernetes",), ("marathon", "true")])
def test_wrong_words(words: tuple[str, ...], clone: Path) -> None:
    """A tool that it knows, and a command."""
    done = testbed(clone, *words)

    assert done.returncode == 64
    assert done.stderr == "testbed: give kubernetes, nomad or swarm, and a command\n"

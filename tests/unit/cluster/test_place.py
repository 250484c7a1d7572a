"""The directory of a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from datchat.cluster.place import claim, clear, remove, runs
from datchat.cluster.process import identity, left_over
from datchat.errors import ConfigurationError


def test_a_directory_is_made(tmp_path: Path) -> None:
    """One that is missing is made, for its owner alone."""
    os.close(claim(tmp_path / "deep" / "cluster"))
    assert (tmp_path / "deep" / "cluster").stat().st_mode & 0o077 == 0


def test_only_one_cluster_runs_in_a_directory(tmp_path: Path) -> None:
    """While one is claimed nobody else can claim it; afterwards anybody can."""
    claimed = claim(tmp_path)
    assert runs(tmp_path)
    with pytest.raises(ConfigurationError, match=r"already runs a cluster: take it down with `datchat down --dir /"):
        claim(tmp_path)
    os.close(claimed)
    assert not runs(tmp_path)
    os.close(claim(tmp_path))


def test_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    """Where other things lie no cluster is put, since `down` removes what is there."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigurationError, match=r"holds other things, as thesis\.tex"):
        claim(tmp_path)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """One sentence when something else has the name."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is no directory"):
        claim(tmp_path / "file")


def test_nothing_runs_where_nothing_is(tmp_path: Path) -> None:
    """Asking does not make the directory."""
    assert not runs(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_removing_leaves_what_others_put_there(tmp_path: Path) -> None:
    """Parts, sockets and files of the cluster go; somebody's notes, and so the directory, stay."""
    os.close(claim(tmp_path))
    (tmp_path / "cluster.json").touch()
    (tmp_path / "redisslave12" / "data").mkdir(parents=True)
    (tmp_path / "notes").touch()

    assert not remove(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes"]
    (tmp_path / "notes").unlink()
    assert remove(tmp_path)
    assert not tmp_path.exists()


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


def test_what_was_left_running_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """The process that a pid file tells of is killed; the file and stale sockets go."""
    (tmp_path / "web0").mkdir()
    (tmp_path / "web0" / "pid").write_text(f"{identity(sleeper.pid)}\n")
    (tmp_path / "supervisor.sock").touch()
    (tmp_path / "web0" / "admin.sock").touch()
    assert left_over(tmp_path / "web0") == sleeper.pid
    clear(tmp_path)

    assert sleeper.wait(5) == -signal.SIGKILL
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["web0"]


def test_another_process_with_the_same_number_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """A pid file of a process that started at another time, or before the last boot, tells of nobody."""
    (tmp_path / "web0").mkdir()
    pid, start, boot = identity(sleeper.pid).split()
    for told in (f"{pid} {int(start) - 1} {boot}", f"{pid} {start} another-boot", pid, "nonsense", ""):
        (tmp_path / "web0" / "pid").write_text(told)
        assert left_over(tmp_path / "web0") is None
        clear(tmp_path)
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()

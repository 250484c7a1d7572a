"""Which rivals there are, and what is said when one can't be drilled here."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from datchat.cli import main
from datchat.drills.rivals import kinds
from datchat.errors import ConfigurationError


@pytest.mark.parametrize("name", kinds.KINDS)
def test_each_has_its_program_and_says_what_it_is(name: str) -> None:
    """Beside a page that tells each choice; the same Python runs it as the drill."""
    program = kinds.FOLDER / name / "app.py"

    assert kinds.variables(name) == {"DATCHAT_WEB_COMMAND": shlex.join([sys.executable, str(program)])}
    assert f"script/rival {name} " in (kinds.FOLDER / name / "README.md").read_text()


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what brings it."""
    kind = kinds.Kind("a chat", "original.Original", ("sqlite3", "no_such_module"))
    monkeypatch.setattr(kinds, "KINDS", {"channels": kind})
    with pytest.raises(ConfigurationError) as caught:
        kinds.rival("channels")

    assert str(caught.value) == "no_such_module missing: run it as `script/rival channels`, which brings them"


def test_outside_of_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package alone has no rivals, and says so."""
    monkeypatch.setattr(kinds, "FOLDER", tmp_path)
    with pytest.raises(ConfigurationError, match="rivals are drilled from a clone of the repository"):
        kinds.variables("original")


@pytest.mark.parametrize("words", [["--ack", "one"], ["--dir", "."], ["--target", "compose"]], ids=" ".join)
def test_only_on_a_cluster_of_its_own(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Where the nodes run already it is known who they are."""
    with pytest.raises(SystemExit) as ended:
        main(["drill", "web-kill", "--rival", "original", *words])

    assert ended.value.code == 64
    assert "--rival is for a cluster of the drill's own" in capsys.readouterr().err

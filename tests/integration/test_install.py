"""``pip install .``: what comes with the package, and that it runs from where it was installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from datchat import __version__
from support.eventually import eventually_now
from support.process import environment

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "datchat"
HERE = sysconfig.get_path("purelib")
"""Where this environment's packages are."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment's Python, which has pip and nothing else."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=60)
    return folder / "bin" / "python"


def pip(python: Path, *arguments: str | Path) -> None:
    """
    Run pip without a network; its words are shown when it fails.

    What a build needs and what the package depends on come from this environment: that they can be had is the business
    of script/setup.
    """
    command = [python, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": HERE},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def tracked() -> list[Path]:
    """The files of the package that are under version control, or all when this is no clone."""
    done = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "src/datchat"], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode == 0 and done.stdout:
        return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]
    return [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def wheel(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``pip install .`` makes."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(python, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def datchat(python: Path, wheel: Path) -> Path:
    """The command, installed into the fresh environment."""
    pip(python, "install", "--no-deps", "--no-index", wheel)
    # Behind its own packages, so that the installed copy is found first and the editable one of this tree never.
    site = next(python.parent.parent.glob("lib/python*/site-packages"))
    (site / "others.pth").write_text(f"{HERE}\n")
    return python.parent / "datchat"


def test_the_wheel_holds_everything(wheel: Path) -> None:
    """Every file of the package, templates and static files and py.typed with it; the licence; and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
        packed = {name: archive.read(name) for name in names if not name.split("/")[0].endswith(".dist-info")}

    for path in tracked():
        assert packed.get(str(path.relative_to(PACKAGE.parent))) == path.read_bytes(), path
    assert {"datchat/py.typed", "datchat/web/templates/chat.html"} <= packed.keys()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in packed} == {"datchat"}
    assert f"Version: {__version__}" in metadata
    assert "License-Expression: MIT" in metadata


def test_the_source_distribution_can_be_built_from(tmp_path: Path) -> None:
    """The sdist holds what a wheel is made from, and the licence; and no data of somebody's trial."""
    built = subprocess.run(
        [sys.executable, "-c", "import hatchling.build as b, sys; print(b.build_sdist(sys.argv[1]))", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with tarfile.open(tmp_path / built.stdout.strip()) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}

    assert {"pyproject.toml", "LICENSE", "README.md", "src/datchat/py.typed"} <= names
    assert {str(path.relative_to(ROOT)) for path in tracked()} <= names
    assert not [name for name in names if re.match(r"(\.venv|\.cache|datchat-data)/", name)]


def test_the_installed_command_runs(datchat: Path, tmp_path: Path) -> None:
    """``datchat`` is there and says its version."""
    done = subprocess.run(
        [datchat, "--version"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (0, f"datchat {__version__}\n"), done.stderr


def test_the_installed_copy_is_what_runs(python: Path, datchat: Path, tmp_path: Path) -> None:
    """The package that is imported is the installed one, and not this working tree's."""
    done = subprocess.run(
        [python, "-c", "import datchat; print(datchat.__file__)"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert Path(done.stdout.strip()).is_relative_to(datchat.parent.parent)


def test_the_installed_copy_serves(datchat: Path, tmp_path: Path) -> None:
    """It serves pages, and static files of its own."""
    server = subprocess.Popen(
        [datchat, "serve", "--port", "0", "--data", tmp_path / "data"],
        env=environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        eventually_now(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        page = httpx.get(f"{url}/auth/sign_in")
        assert page.status_code == 200
        assert 'name="user[email]"' in page.text
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert any(".css" in file for file in files)
        assert {httpx.get(f"{url}{file}").status_code for file in files} == {200}
    finally:
        server.terminate()
        assert server.wait(20) == 0
        if server.stdout is not None:
            server.stdout.close()

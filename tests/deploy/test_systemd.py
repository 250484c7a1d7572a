"""The units for plain hosts: what systemd says of them, and that what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.documents import ROOT

SYSTEMD = ROOT / "deploy" / "systemd"
UNITS = sorted((SYSTEMD / "system").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
THRESHOLDS = {"datchat-keepalived.service": 33, "datchat-haproxy.service": 17}
"""The exposure that is borne, in tenths, of 100: keepalived changes addresses, HAProxy listens on low ports."""
USUAL = 13
PROGRAMS = ("usr/sbin/haproxy", "bin/kill", "opt/datchat/bin/datchat")
"""What others install."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host's file system with everything installed, and programs of others that do nothing."""
    subprocess.run([SYSTEMD / "install", tmp_path], check=True, capture_output=True, timeout=30)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for program in PROGRAMS:
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return tmp_path


def verified(host: Path) -> str:
    """What ``systemd-analyze verify`` has to say; nothing when all is well."""
    units = sorted((host / "etc/systemd/system").iterdir())
    words = ["systemd-analyze", "verify", f"--root={host}", "--man=no", "--recursive-errors=no"]
    done = subprocess.run([*words, *units], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr + (f"it ended with {done.returncode}" if done.returncode else "")


@needs_systemd
def test_the_units_are_right(host: Path) -> None:
    """``systemd-analyze verify`` finds nothing."""
    assert verified(host) == ""


@needs_systemd
@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Restart=always", "Restart=sometimes"),
        ("/opt/datchat/bin/datchat", "/opt/datchat/bin/dat-chat"),
        ("LimitNOFILE=", "LimitFILES="),
    ],
)
def test_a_wrong_unit_is_found(host: Path, was: str, now: str) -> None:
    """That check sees a wrong value, a program that is not there and a name that there is none."""
    unit = host / "etc/systemd/system/datchat-web@.service"
    unit.write_text(unit.read_text().replace(was, now))

    assert verified(host) != ""


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_units_are_closed(unit: Path) -> None:
    """``systemd-analyze security`` rates each below its threshold."""
    threshold = THRESHOLDS.get(unit.name, USUAL)
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={threshold}", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_users_are_made() -> None:
    """Every user of a unit is made by sysusers, or comes with a package."""
    made = set(re.findall(r"^u (\S+)", (SYSTEMD / "sysusers.d/datchat.conf").read_text(), re.MULTILINE))
    wanted = {user for unit in SERVICES for user in re.findall(r"^User=(.+)$", unit.read_text(), re.MULTILINE)}

    assert wanted - {"haproxy"} == made


def test_secrets_come_as_credentials() -> None:
    """Each secret is a credential of the unit, asked for by name before the start, and stands in no file of ours."""
    for unit in SERVICES:
        text = unit.read_text()
        loaded = re.findall(r"^LoadCredential=(\w+):(\S+)$", text, re.MULTILINE)
        asked = re.findall(r"^AssertPathExists=(\S+)$", text, re.MULTILINE)
        assert sorted(path for _, path in loaded) == sorted(asked), unit.name
        assert all(f"%d/{name}" in text for name, _ in loaded), unit.name
    for file in [*SYSTEMD.glob("*.env"), *UNITS]:
        assert not re.search(r"(PASSWORD|SECRET)=(?!%d)", file.read_text()), file.name


def test_what_is_installed_stays(tmp_path: Path) -> None:
    """Installing again keeps what was changed in /etc/datchat, and renews the rest."""
    subprocess.run([SYSTEMD / "install", tmp_path], check=True, capture_output=True, timeout=30)
    told, unit = tmp_path / "etc/datchat/web.env", tmp_path / "etc/systemd/system/datchat.target"
    told.write_text("mine")
    unit.write_text("old")

    done = subprocess.run([SYSTEMD / "install", tmp_path], check=True, capture_output=True, text=True, timeout=30)

    assert told.read_text() == "mine"
    assert unit.read_text() == (SYSTEMD / "system/datchat.target").read_text()
    assert "/etc/datchat/web.env stays as it is" in done.stdout

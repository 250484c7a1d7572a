"""deploy/nomad/backup, with a stand-in for Nomad's command line that loses what Nomad 1.11 loses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.deployments import ROOT

BYTES = 3_000_000
"""More than any pipe holds."""

NOMAD = f"""#!{sys.executable}
# Runs the command, passes on what it says a little later, and throws away what is left of it when the command ends.
import os, subprocess, sys, threading, time

if os.environ["ANSWERS"] not in sys.argv:
    sys.exit("no such allocation")
command = subprocess.Popen(sys.argv[-3:], stdout=subprocess.PIPE)
said = []

def hear():
    while block := command.stdout.read1(65536):
        said.append(block)

def pass_on():
    while True:
        time.sleep(0.01)
        if said:
            os.write(1, said.pop(0))
            if "--rdb" in sys.argv[-1] and os.environ["BREAKS"]:
                os._exit(1)

for doing in (hear, pass_on):
    threading.Thread(target=doing, daemon=True).start()
os._exit(command.wait())
"""
REDIS_CLI = f"""#!/bin/sh
# A server that holds so many bytes.
case "$*" in
*replication) printf 'role:slave\\r\\nmaster_link_status:%s\\r\\n' "$LINK" ;;
*--rdb*) for file; do :; done && head -c {BYTES} /dev/zero >"$file" ;;
esac
"""
REDIS_CHECK = f"""#!/bin/sh
[ "$(wc -c <"$1")" = {BYTES} ]
"""


def backup(folder: Path, *, answers: str = "redismaster", link: str = "up", breaks: str = "") -> tuple[int, int, str]:
    """What the script ended with, how many bytes it wrote, and what it said."""
    for name, text in (("nomad", NOMAD), ("redis-cli", REDIS_CLI), ("redis-check-rdb", REDIS_CHECK)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "password").write_text("a password")
    told = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "REDIS_DATA": str(folder),
        "REDIS_PASSWORD_FILE": str(folder / "password"),
        "NOMAD_PORT_redis": "6379",
        "ANSWERS": answers,
        "LINK": link,
        "BREAKS": breaks,
    }
    done = subprocess.run(
        [ROOT / "deploy" / "nomad" / "backup"],
        env={**os.environ, **told},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert not [path for path in folder.iterdir() if path.name.startswith(("backup.", "check."))], (
        "nothing stays behind"
    )
    return done.returncode, len(done.stdout), done.stderr.decode()


@pytest.mark.parametrize("server", ["redismaster", "redisslave2"])
def test_nothing_of_it_is_lost(server: str, tmp_path: Path) -> None:
    """The first server that follows its master is asked, and its command lives until everything has come."""
    assert backup(tmp_path, answers=server) == (0, BYTES, "")


def test_the_stand_in_loses(tmp_path: Path) -> None:
    """A command that ends when it has said everything loses some of it."""
    backup(tmp_path)
    words = ["-group", "redismaster", "datchat", "sh", "-c", f"head -c {BYTES} /dev/zero"]
    environment = {**os.environ, "ANSWERS": "redismaster", "BREAKS": ""}
    done = subprocess.run([tmp_path / "nomad", *words], env=environment, capture_output=True, timeout=30, check=True)

    assert len(done.stdout) < BYTES


def test_what_is_cut_off_is_no_backup(tmp_path: Path) -> None:
    """Nothing comes out that is not whole."""
    code, given, said = backup(tmp_path, breaks="yes")

    assert (code, given) == (2, 0)
    assert said == "this is no backup, or not all of one: redis-check-rdb refuses it\n"


def test_without_a_replica_it_says_so(tmp_path: Path) -> None:
    """A server that does not follow may lack something."""
    assert backup(tmp_path, link="down") == (2, 0, "backup: no replica that follows its master answers\n")

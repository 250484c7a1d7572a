"""Passwords of Redis servers that are given by themselves: by a variable or a file, to nodes, commands and servers."""

from __future__ import annotations

from pathlib import Path

from support.process import ServerProcess, datchat
from support.redis_servers import redis_server


def test_store_password(tmp_path: Path) -> None:
    """A node and the commands beside it sign in to a server with a password that only a file or a variable holds."""
    password = "p@ss:w/rd%41"
    (tmp_path / "password").write_text(password + "\n")
    with redis_server(tmp_path / "server", password=password) as store:
        told = {"DATCHAT_STORE": store.url, "DATCHAT_STORE_PASSWORD_FILE": str(tmp_path / "password")}

        with ServerProcess(**told) as server:
            assert server.ready()

        assert datchat("verify", DATCHAT_STORE=store.url, DATCHAT_STORE_PASSWORD=password).returncode == 0
        refused = datchat("verify", DATCHAT_STORE=store.url)
        assert refused.returncode == 2
        assert "password" in refused.stderr

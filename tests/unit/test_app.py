"""The composition root hands every setting on to the part that heeds it, and finds data and secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from datchat.app import ack_of, limits_of, site_options_of
from datchat.backends.redis.url import parse
from datchat.data import data_directory, secret_for, store_url
from datchat.errors import ConfigurationError
from datchat.node.limits import Limits
from datchat.settings import Settings, load

UNUSUAL = {
    "secure_cookies": "always",
    "password_hash": "cheap",
    "origins": "https://a.example.org",
}
FROM_ELSEWHERE = {"secret", "hash_threads", "hash_waiting", "body_s"}
"""Options of the site that are no settings; the secret may be made."""
SECRET = b"x" * 32


def unusual(field: str) -> Any:
    """A value that is not the default of a setting."""
    default = Settings.model_fields[field].default
    return UNUSUAL.get(field, default + 2 if isinstance(default, int | float) else None)


@pytest.mark.parametrize("field", list(Limits.__dataclass_fields__))
def test_limits_come_from_settings(field: str) -> None:
    """Each limit of the node is the setting of its name, and has the same default."""
    changed = load({field: unusual(field)}, {})

    assert getattr(limits_of(changed), field) == unusual(field)
    assert limits_of(Settings()) == Limits()


def test_site_options_come_from_settings() -> None:
    """Each option of the site that is a setting is handed on, with the same default."""
    usual = site_options_of(Settings(), SECRET)
    fields = {name for name in type(usual).__dataclass_fields__ if name not in FROM_ELSEWHERE}
    changed = site_options_of(load({name: unusual(name) for name in fields}, {}), SECRET)

    assert usual == type(usual)(secret=SECRET)
    assert {name for name in fields if getattr(changed, name) == getattr(usual, name)} == set()


def test_origins_are_a_list() -> None:
    """Commas divide, spaces and a final slash don't matter."""
    options = site_options_of(load({"origins": " https://a.example.org/ ,, https://b.example.org"}, {}), SECRET)

    assert options.origins == ("https://a.example.org", "https://b.example.org")


def test_the_data_directory_is_made_for_its_owner(tmp_path: Path) -> None:
    """It is made with its parents, and nobody else may look into it; another store needs none."""
    wanted = tmp_path / "a" / "b"

    assert data_directory(load({"data": str(wanted)}, {})) == wanted
    assert stat.S_IMODE(wanted.stat().st_mode) & 0o077 == 0
    assert data_directory(load({"data": str(tmp_path / "c"), "store": "memory://"}, {})) is None
    assert not (tmp_path / "c").exists()


def test_the_store_lies_in_the_data_directory(tmp_path: Path) -> None:
    """Without a URL the store is the database in ``data``."""
    assert store_url(load({"data": str(tmp_path)}, {})) == f"sqlite://{tmp_path}/chat.db"
    assert store_url(load({"store": "memory://"}, {})) == "memory://"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/1", "redis://:p%40s%2Fs%25@host:6379/1"),
        ("redis+sentinel://a:1,b:2/m?degraded=refuse", "redis+sentinel://:p%40s%2Fs%25@a:1,b:2/m?degraded=refuse"),
        ("rediss://nodes@host?ca=/etc/ca.pem", "rediss://nodes:p%40s%2Fs%25@host?ca=/etc/ca.pem"),
        ("redis://:other@host", "redis://:other@host"),
    ],
)
def test_the_password_of_the_store_goes_into_its_url(url: str, expected: str) -> None:
    """A password that is given by itself stands in the URL, escaped; one that stands there already wins."""
    chosen = load({"store": url, "store_password": "p@s/s%"}, {})

    assert store_url(chosen) == expected
    parse(store_url(chosen.model_copy(update={"store": url.partition("?")[0]})))


def test_a_password_for_a_store_without_one_is_refused() -> None:
    """Whoever gives a password to a file believes something that is not so."""
    with pytest.raises(ConfigurationError, match="--store-password is for Redis servers"):
        store_url(load({"store": "memory://", "store_password": "p"}, {}))


def test_the_secret_is_kept(tmp_path: Path) -> None:
    """It is made once, for its owner's eyes, and found again; a given one wins and is not written."""
    first = secret_for(Settings(), tmp_path)

    assert len(first) >= 32
    assert secret_for(Settings(), tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert secret_for(load({"secret": "y" * 32}, {}), other) == b"y" * 32
    assert os.listdir(other) == []
    assert secret_for(Settings(), None) != secret_for(Settings(), None)


def test_a_secret_that_was_cut_is_refused(tmp_path: Path) -> None:
    """What is too short to be a secret is not used as one, nor overwritten."""
    (tmp_path / "secret").write_bytes(b"short")

    with pytest.raises(ConfigurationError, match="holds no secret"):
        secret_for(Settings(), tmp_path)
    assert (tmp_path / "secret").read_bytes() == b"short"


def test_a_weaker_rule_is_for_drills() -> None:
    """A rule that loses posts is taken only by a node that is told that it is part of a drill."""
    assert ack_of(Settings()) == "all"
    assert ack_of(load({"ack": "one", "drill": "1"}, {})) == "one"
    with pytest.raises(ConfigurationError, match="--ack fenced loses posts"):
        ack_of(load({"ack": "fenced"}, {"DATCHAT_DRILL": "0"}))

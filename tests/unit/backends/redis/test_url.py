"""What a Redis URL says, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from datchat.backends.redis.url import Access, Address, RedisUrl, parse
from datchat.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", RedisUrl(Access(), server=Address("localhost", 6379))),
        ("redis://h:1/3", RedisUrl(Access(db=3), server=Address("h", 1))),
        ("redis://[::1]:7000", RedisUrl(Access(), server=Address("::1", 7000))),
        ("redis://[::1]", RedisUrl(Access(), server=Address("::1", 6379))),
        ("redis://u:p%40ss@h", RedisUrl(Access("u", "p@ss"), server=Address("h", 6379))),
        ("redis://:p@h", RedisUrl(Access(None, "p"), server=Address("h", 6379))),
        (
            "redis+sentinel://u:p@a,b:2,a/main/4?sentinel_user=su&sentinel_password=sp&degraded=refuse&failover=hasten",
            RedisUrl(
                Access("u", "p", db=4),
                sentinels=(Address("a", 26379), Address("b", 2)),
                sentinel_access=Access("su", "sp"),
                master_name="main",
                accept_degraded=False,
                hasten=True,
            ),
        ),
    ],
)
def test_a_url_is_read(url: str, expected: RedisUrl) -> None:
    """Host, port, user, password, database, sentinels (each once), their credentials, and options."""
    assert parse(url) == expected


def test_tls_is_looked_at_unless_told_otherwise() -> None:
    """``rediss`` verifies host and certificate; ``verify=none`` neither; the sentinels get the same."""
    strict = parse("rediss://h").access.tls
    assert strict is not None
    assert strict.check_hostname
    lax = parse("rediss+sentinel://h/main?verify=none")
    assert lax.access.tls is not None
    assert not lax.access.tls.check_hostname
    assert lax.sentinel_access.tls is lax.access.tls


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://", "no host and port"),
        ("redis://h:port", "no host and port"),
        ("redis://h:70000", "no host and port"),
        ("redis://h:0", "no host and port"),
        ("redis://h/one", "number of a database"),
        ("redis://h/1/2", "number of a database"),
        ("redis://a,b", r"use redis\+sentinel://a,b/mymaster"),
        ("redis+sentinel://a,b", "the master's name"),
        ("redis+sentinel://a,,b/main", "no host and port"),
        ("redis://h?timeout=3", "there is no option 'timeout'"),
        ("redis://h?degraded=maybe", "accept or refuse"),
        ("redis://h?degraded", "can't be read"),
        ("redis+sentinel://h/main?failover=now", "wait or hasten"),
        ("rediss://h?verify=half", "full or none"),
        ("rediss://h?ca=/nowhere/ca.pem", "a file for TLS"),
        ("redis://[::1", "can't be read"),
    ],
)
def test_a_wrong_url_is_refused_in_one_sentence(url: str, sentence: str) -> None:
    """Each mistake has a sentence of its own, and none of them shows a password."""
    secret = url.replace("://", "://user:secret@", 1)
    for text in (url, secret):
        with pytest.raises(ConfigurationError, match=sentence) as caught:
            parse(text)
        assert "secret" not in str(caught.value)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    """The files are read when the URL is."""
    file = tmp_path / "cert.pem"
    file.write_text("no certificate")
    for option in ("ca", "cert"):
        with pytest.raises(ConfigurationError, match="a file for TLS"):
            parse(f"rediss://h?{option}={file}")


def test_an_address_is_shown_as_it_is_written() -> None:
    """IPv6 in brackets."""
    assert [str(Address("h", 1)), str(Address("::1", 2))] == ["h:1", "[::1]:2"]

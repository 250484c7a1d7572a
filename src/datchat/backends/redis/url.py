"""
What a Redis URL says: where the servers are and how to speak to them.

::

    redis://[user:password@]host[:port][/db]                        one server
    rediss://…                                                      the same over TLS
    redis+sentinel://[user:password@]host[:port],host[:port]…/name[/db]   the master that Sentinel calls ``name``
    rediss+sentinel://…                                             the same, TLS to sentinels and servers

User and password are those of the servers. Options follow a ``?``: ``sentinel_user`` and ``sentinel_password`` (those
of the sentinels), ``ca``, ``cert``, ``key`` (files), ``verify=none`` (TLS without a look at the certificate),
``degraded=refuse`` (nothing is stored while only one of several servers is left) and ``failover=hasten`` (a master that
refuses connections is replaced at once, not after Sentinel's detection time: ``haste.py``).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from datchat.errors import ConfigurationError

SERVER_PORT = 6379
SENTINEL_PORT = 26379

SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_OPTIONS = ("sentinel_user", "sentinel_password", "ca", "cert", "key", "verify", "degraded", "failover")
_EXAMPLES = "redis://localhost:6379 or redis+sentinel://host:26379,host:26379,host:26379/mymaster"


class Address(NamedTuple):
    """Where a server or sentinel listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Access:
    """What opens a connection to servers of one kind."""

    user: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    db: int = 0


@dataclass(frozen=True)
class RedisUrl:
    """A URL, read. ``sentinels`` is empty for one server, which is then ``server``."""

    access: Access
    server: Address | None = None
    sentinels: tuple[Address, ...] = ()
    sentinel_access: Access = Access()
    master_name: str = ""
    accept_degraded: bool = True
    hasten: bool = False


def parse(url: str) -> RedisUrl:
    """
    Read a URL. The files that it names are read too.

    Raises:
        ConfigurationError: It is wrong; the sentence shows no password.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise ConfigurationError(f"the store's URL can't be read ({error}): it looks like {_EXAMPLES}") from None
    credentials, _, hosts = parts.netloc.rpartition("@")
    shown = f"{parts.scheme}://{hosts}{parts.path}"
    for option in options:
        if option not in _OPTIONS:
            raise ConfigurationError(f"{shown}: there is no option {option!r}: use {', '.join(_OPTIONS)}")
    secure, behind_sentinel = parts.scheme.startswith("rediss"), parts.scheme.endswith("+sentinel")
    path = [unquote(step) for step in parts.path.split("/")[1:] if step]
    name = ""
    if behind_sentinel:
        if not path:
            raise ConfigurationError(f"{shown}: after the sentinels comes the master's name, as in {_EXAMPLES}")
        name, *path = path
    tls = _tls(shown, options) if secure else None
    user, password = _credentials(credentials)
    access = Access(user, password, tls, _db(shown, path))
    degraded = options.get("degraded", "accept")
    if degraded not in ("accept", "refuse"):
        raise ConfigurationError(f"{shown}: degraded is accept or refuse")
    failover = options.get("failover", "wait")
    if failover not in ("wait", "hasten"):
        raise ConfigurationError(f"{shown}: failover is wait or hasten")
    if not behind_sentinel:
        if "," in hosts:
            raise ConfigurationError(f"{shown}: several hosts are sentinels': use redis+sentinel://{hosts}/mymaster")
        return RedisUrl(access, server=_address(shown, hosts, SERVER_PORT), accept_degraded=degraded == "accept")
    return RedisUrl(
        access,
        sentinels=tuple(dict.fromkeys(_address(shown, host, SENTINEL_PORT) for host in hosts.split(","))),
        sentinel_access=Access(options.get("sentinel_user"), options.get("sentinel_password"), tls),
        master_name=name,
        accept_degraded=degraded == "accept",
        hasten=failover == "hasten",
    )


def _credentials(text: str) -> tuple[str | None, str | None]:
    if not text:
        return None, None
    user, _, password = text.partition(":")
    return unquote(user) or None, unquote(password) or None


def _address(shown: str, text: str, default_port: int) -> Address:
    host, port = text, str(default_port)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else rest or port
    elif ":" in text:
        host, _, port = text.partition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"{shown}: {text!r} is no host and port, as in {_EXAMPLES}")
    return Address(host, int(port))


def _db(shown: str, path: list[str]) -> int:
    if not path:
        return 0
    if len(path) > 1 or not path[0].isascii() or not path[0].isdigit():
        raise ConfigurationError(f"{shown}: the path ends with the number of a database, as in redis://localhost/1")
    return int(path[0])


def _tls(shown: str, options: dict[str, str]) -> ssl.SSLContext:
    verify = options.get("verify", "full")
    if verify not in ("full", "none"):
        raise ConfigurationError(f"{shown}: verify is full or none")
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        if options.get("cert"):
            context.load_cert_chain(options["cert"], options.get("key"))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(f"{shown}: a file for TLS can't be used ({reason}): see ca, cert and key") from None
    if verify == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

"""
Every setting: one field = one ``DATCHAT_*`` variable = one flag of ``datchat serve`` = one row of docs/settings.md.

A setting's type, default, unit and meaning stand here and nowhere else. Once read they don't change.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from datchat.errors import ConfigurationError, WrongUsage

PREFIX = "DATCHAT_"
FILE = "_FILE"
"""After the variable of a secret: names a file that holds it, as the secrets of Compose, Swarm and Kubernetes do."""
SECRETS = ("secret", "store_password")

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """What a node is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8081, ge=0, le=65535, description="Port to listen on; 0 takes a free one and says which.")
    name: str = Field(
        "web0", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="This node's name, as everybody sees it."
    )
    data: str = Field("./datchat-data", min_length=1, description="Directory of the embedded store.")
    store: str | None = Field(
        None,
        description="URL of another store: sqlite:///path, redis://host:port, rediss://host:port, "
        "redis+sentinel://host:port,host:port/master, or memory:// (which forgets everything at the end).",
    )
    store_password: SecretStr | None = Field(
        None, min_length=1, description="Password of the Redis servers, where the store's URL holds none."
    )
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs sessions, CSRF tokens and flashes, the same on every node. "
        "Made and kept in --data when unset.",
    )
    origins: str = Field(
        "", description="Further origins whose pages may open the socket, as https://chat.example.org, comma-separated."
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses of proxies whose X-Forwarded-* headers count, comma-separated."
    )
    secure_cookies: Literal["auto", "always", "never"] = Field(
        "auto", description="Secure on cookies: always, never, or auto, which is when the request came by https."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How the log is written: text for people, json for machines."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="From which level on the log is written: debug, info, warning or error."
    )

    session_days: float = Field(30, gt=0, le=3650, description="Days after which a session ends by itself.")
    password_hash: Literal["standard", "cheap"] = Field(
        "standard",
        description="Argon2id parameters: standard is RFC 9106's low-memory one; cheap is for tests alone.",
    )
    sign_in_rate: Rate = Field(
        0.2, description="Failed sign-ins a second and account (a burst of fifty times as many); 0 lifts it."
    )

    ping_s: Seconds = Field(15, description="Seconds between two pings; a socket silent for two of them is closed.")
    slow_s: Seconds = Field(60, description="Seconds that a socket may take no data before it is closed as slow.")
    post_rate: Rate = Field(
        20, description="Posts a second and account, with a burst of ten times as many; 0 lifts it."
    )
    command_rate: Rate = Field(
        50, description="Other commands a second and connection, with a burst of ten times as many; 0 lifts it."
    )
    post_deadline_s: Seconds = Field(
        10, description="Seconds until a post that the store has not confirmed is refused."
    )
    nonce_window_s: Seconds = Field(600, description="Seconds in which a post may be sent again with its nonce.")
    roster_s: Seconds = Field(1, description="Seconds for which arrivals and departures are gathered into one push.")
    lease_s: Seconds = Field(30, description="Seconds until the people of a node that died are taken for gone.")
    session_check_s: Seconds = Field(
        5,
        description="Seconds between two looks whether people in sockets may still be there: sessions, private rooms.",
    )
    session_grace_s: float = Field(
        60,
        ge=0,
        allow_inf_nan=False,
        description="Seconds for which a signed session is honoured while the store is away; 0: never.",
    )
    hold_s: Seconds = Field(2, description="Seconds that a client has to ask for the rest after more: true.")
    linger_s: Seconds = Field(30, description="Seconds that an empty room stays subscribed.")
    ready_s: Seconds = Field(2, description="Seconds that the store and the feed have to prove themselves to /readyz.")
    drain_s: float = Field(3, ge=0, description="Seconds over which the sockets are closed when the node goes down.")
    connections: int = Field(10_000, gt=0, description="Open sockets at most; further ones get 503.")
    max_body_bytes: int = Field(131_072, ge=1024, description="Size of a request's body at most, in bytes.")

    ack: Literal["all", "none", "one", "fenced"] = Field(
        "all",
        description="When a post in Redis counts as stored: all keeps the promise; none, one and fenced lose posts, "
        "and are refused without --drill.",
    )
    drill: bool = Field(False, description="1: this node is part of a drill, and may be told to lose posts.")


class Setting(NamedTuple):
    """One setting as people see it."""

    field: str
    variable: str
    flag: str
    default: str
    meaning: str


def listing() -> Iterator[Setting]:
    """Every setting, in order."""
    for name, field in Settings.model_fields.items():
        default = (
            "" if field.default is None else f"{field.default:g}" if _numeric(field.default) else str(field.default)
        )
        yield Setting(name, PREFIX + name.upper(), "--" + name.replace("_", "-"), default, field.description or "")


_TITLE = (
    "# Settings",
    "",
    "Each is a flag of `datchat serve` and a variable; the flag wins, an empty variable counts as unset. They are read",
    "once, at the start. A secret may lie in a file instead, which `DATCHAT_SECRET_FILE` or",
    "`DATCHAT_STORE_PASSWORD_FILE` names. This page is what `datchat settings --markdown` prints.",
    "",
)


def _numeric(value: Any) -> bool:
    return isinstance(value, float | bool)


def markdown() -> str:
    """All of docs/settings.md."""
    rows = [*_TITLE, "| flag | variable | default | meaning |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `{s.flag}` | `{s.variable}` | {f'`{s.default}`' if s.default else ''} | {s.meaning} |" for s in listing()
    ]
    return "\n".join(rows) + "\n"


def load(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """
    The settings from flags (which win) and the environment; a flag that is None was not given.

    Raises:
        WrongUsage: A flag's value is wrong; the sentence names it.
        ConfigurationError: A variable's value, or the file that it names, is wrong; the sentence names it.
    """
    sources: dict[str, str] = {}
    values: dict[str, Any] = {}
    for setting in listing():
        if flags.get(setting.field) is not None:
            values[setting.field], sources[setting.field] = flags[setting.field], setting.flag
        elif environment.get(setting.variable, "") != "":
            values[setting.field], sources[setting.field] = environment[setting.variable], setting.variable
        elif setting.field in SECRETS and environment.get(setting.variable + FILE, "") != "":
            sources[setting.field] = setting.variable + FILE
            values[setting.field] = _read(sources[setting.field], environment[sources[setting.field]])
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        reason = re.sub(r"^(Input|Value|String) ", "", first["msg"])
        shown = "" if field in SECRETS else f" {values[field]!r}"
        wrong = WrongUsage if sources[field].startswith("--") else ConfigurationError
        raise wrong(f"{sources[field]}{shown}: {reason[0].lower()}{reason[1:]}") from None


def _read(variable: str, path: str) -> str:
    """What the file of a secret holds, without the end of its line."""
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigurationError(f"{variable} {path!r}: it can't be read ({reason})") from None


def unknown(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that look like settings and are none: misspelt, most likely."""
    known = {setting.variable for setting in listing()}
    known |= {PREFIX + field.upper() + FILE for field in SECRETS}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def own_addresses(host: str) -> tuple[str, ...]:
    """The addresses at which a node that listens on ``host`` can be found, for the banner."""
    if host not in ("0.0.0.0", "::", ""):
        return (host,)
    found: list[str] = []
    try:
        for *_, address in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM):
            if str(address[0]) not in found:
                found.append(str(address[0]))
    except OSError:
        pass  # a host that can't resolve its own name is found by loopback at least
    return tuple(found) or ("127.0.0.1",)

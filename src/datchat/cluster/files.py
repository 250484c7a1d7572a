"""
The configuration files of the parts, written into the cluster's directory from those in ``deploy/``.

What is written here is only what depends on this machine: addresses, ports, directories.
"""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from string import Template
from typing import Final

from datchat.cluster.parts import MASTER_NAME, Kind, Part, Plan
from datchat.errors import ConfigurationError

LOG: Final = "log"
DATA: Final = "data"
ERRORS: Final = "errors"
ADMIN: Final = "admin.sock"
SECRET: Final = "secret"

_PACKAGED: Final = Path(__file__).with_name("deploy")
_CHECKOUT: Final = Path(__file__).parents[3] / "deploy"


def deployed(name: str) -> Path:
    """A file of ``deploy/``, as ``redis/redis.conf``: from the installed package, else from the checkout."""
    for root in (_PACKAGED, _CHECKOUT):
        if (root / name).is_file():
            return root / name
    raise ConfigurationError(f"deploy/{name} is missing: install Dat Chat again")


def write_files(directory: Path, plan: Plan) -> None:
    """Write every part's files, over what an earlier cluster has left; data and logs stay."""
    for part in plan.parts:
        (directory / part.name).mkdir(mode=0o700, exist_ok=True)
        (directory / part.name / LOG).touch(mode=0o600)
    identities = {part.name: secrets.token_hex(20) for part in plan.of(Kind.SENTINEL)}
    shutil.copyfile(deployed("redis/boot-guard"), directory / "boot-guard")
    for part in plan.of(Kind.REDIS):
        (directory / part.name / DATA).mkdir(mode=0o700, exist_ok=True)
        (directory / part.name / "redis.conf").write_text(redis_conf(part))
    for part in plan.of(Kind.SENTINEL):
        (directory / part.name / "sentinel.conf").write_text(sentinel_conf(part, plan, identities))
    for part in plan.of(Kind.HAPROXY):
        (directory / part.name / "haproxy.cfg").write_text(haproxy_cfg(plan))
    secret = directory / SECRET
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(32))


def redis_conf(part: Part) -> str:
    """A Redis server's configuration. It runs in its directory."""
    return f"""{deployed("redis/redis.conf").read_text()}
# Of this cluster: nobody but its parts and this machine reaches the address.
{_listening(part)}
dir ./{DATA}
"""


def sentinel_conf(part: Part, plan: Plan, identities: dict[str, str]) -> str:
    """
    A sentinel's configuration. It knows the replicas and the other sentinels from the start, so that a failover is
    possible as soon as everything runs, and not when Sentinel has found them (up to 10 s).
    """
    master = plan.part(plan.master)
    text = Template(deployed("redis/sentinel.conf").read_text())
    servers, sentinels = plan.of(Kind.REDIS), plan.of(Kind.SENTINEL)
    lines = [text.safe_substitute(MASTER_HOST=master.host, MASTER_PORT=str(master.port))]
    lines += ["# Of this cluster:", _listening(part), "dir .", f"sentinel myid {identities[part.name]}"]
    lines += [f"sentinel known-replica {MASTER_NAME} {o.host} {o.port}" for o in servers if o is not master]
    lines += [
        f"sentinel known-sentinel {MASTER_NAME} {other.host} {other.port} {identities[other.name]}"
        for other in sentinels
        if other is not part
    ]
    return "\n".join(lines) + "\n"


def _listening(part: Part) -> str:
    hosts = dict.fromkeys((part.host, "127.0.0.1"))
    return f"port {part.port}\nbind {' '.join(hosts)}\nprotected-mode no"


def haproxy_cfg(plan: Plan) -> str:
    """The load balancer's configuration."""
    lines = [deployed("haproxy/haproxy.cfg").read_text()]
    for backend in ("backend web from ready", "backend living from alive"):
        lines += [backend, *(f"    server {part.name} {part.address}" for part in plan.of(Kind.WEB)), ""]
    return "\n".join(lines)


def last_master(directory: Path, plan: Plan) -> str | None:
    """
    The Redis server of an earlier cluster that was master last: the one that the newest failover of any sentinel chose.

    None when no sentinel has left a word about it.
    """
    newest: tuple[int, str] | None = None
    for part in plan.of(Kind.SENTINEL):
        try:
            text = (directory / part.name / "sentinel.conf").read_text()
        except FileNotFoundError:
            continue
        named = re.search(rf"^sentinel monitor {MASTER_NAME} (\S+) (\d+) ", text, re.MULTILINE)
        epoch = re.search(rf"^sentinel config-epoch {MASTER_NAME} (\d+)", text, re.MULTILINE)
        if named:
            found = (int(epoch[1]) if epoch else 0, f"{named[1]}:{named[2]}")
            newest = max(newest, found) if newest else found
    for part in plan.of(Kind.REDIS):
        if newest and part.address == newest[1]:
            return part.name
    return None


def has_data(directory: Path, name: str) -> bool:
    """Whether a Redis server has left a log of its own in this directory."""
    return (directory / name / DATA / "appendonlydir").is_dir()

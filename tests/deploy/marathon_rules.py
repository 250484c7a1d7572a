"""
Marathon's published rules for an application group, restated: what its API refuses.

Source: ``docs/docs/rest-api/public/api/v2/types/*.raml`` of mesosphere/marathon (types, patterns, enumerations, limits)
and what its documentation says beyond them (an app needs one of ``cmd``, ``args`` and ``container``; port indices;
port mappings or port definitions by the mode of the network; one Mesos health check an app; secrets that are declared).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]

_NAME: Final = r"(?:[a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])"
PATH_ID: Final = re.compile(rf"/?(?:(?:\.\.|{_NAME}(?:\.{_NAME})*)(?:/|$))+")
PORT_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
OPERATORS: Final = frozenset({"UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"})
WITHOUT_VALUE: Final = frozenset({"UNIQUE"})
WITH_VALUE: Final = frozenset({"LIKE", "UNLIKE", "MAX_PER"})
IS_VALUE: Final = re.compile(r"[a-zA-Z0-9_/.-]*")
NETWORK_MODES: Final = frozenset({"container", "container/bridge", "host"})
BY_MARATHON: Final = frozenset({"HTTP", "HTTPS", "TCP"})
BY_MESOS: Final = frozenset({"MESOS_TCP", "MESOS_HTTP", "MESOS_HTTPS"})
PORT_PROTOCOLS: Final = frozenset({"tcp", "udp", "udp,tcp"})

GROUP_FIELDS: Final = frozenset({"id", "apps", "groups", "dependencies", "scaleBy", "version", "enforceRole"})
APP_FIELDS: Final = frozenset(
    {
        "id", "acceptedResourceRoles", "args", "backoffFactor", "backoffSeconds", "check", "cmd", "constraints",
        "container", "cpus", "dependencies", "disk", "env", "executor", "executorResources", "fetch", "gpus",
        "healthChecks", "instances", "killSelection", "labels", "maxLaunchDelaySeconds", "mem", "networks",
        "portDefinitions", "readinessChecks", "requirePorts", "resourceLimits", "role", "secrets",
        "taskKillGracePeriodSeconds", "tty", "unreachableStrategy", "upgradeStrategy", "user",
    }
)  # fmt: skip
"""What is not deprecated."""
HEALTH_FIELDS: Final = frozenset(
    {
        "command", "delaySeconds", "gracePeriodSeconds", "ignoreHttp1xx", "intervalSeconds", "ipProtocol",
        "maxConsecutiveFailures", "path", "port", "portIndex", "protocol", "timeoutSeconds",
    }
)  # fmt: skip


def faults(group: Json, base: str = "") -> Iterator[str]:
    """Every rule that a group breaks, in words. Nothing: Marathon would take it."""
    where = _absolute(str(group.get("id", "")), base)
    yield from _id(group, where)
    yield from _unknown(group, GROUP_FIELDS, where)
    known = {_absolute(app.get("id", ""), where) for app in group.get("apps", ())}
    if len(known) != len(group.get("apps", ())):
        yield f"{where}: two apps have one id"
    for app in group.get("apps", ()):
        yield from app_faults(app, where)
    for inner in group.get("groups", ()):
        yield from faults(inner, where)
    if not base:
        yield from _dependency_faults(group)


def app_faults(app: Json, base: str = "") -> Iterator[str]:
    """Every rule that an app breaks."""
    where = _absolute(str(app.get("id", "")), base)
    yield from _id(app, where)
    yield from _unknown(app, APP_FIELDS, where)
    yield from _command(app, where)
    yield from _numbers(app, where)
    yield from _ports(app, where)
    yield from _health(app, where)
    yield from _constraints(app, where)
    yield from _secrets(app, where)
    yield from _volumes(app, where)
    yield from _strategies(app, where)


def _id(thing: Json, where: str) -> Iterator[str]:
    if "id" not in thing:
        yield f"{where or '(a group or app)'}: it has no id"
    elif PATH_ID.fullmatch(thing["id"]) is None:
        yield f"{where}: {thing['id']!r} is no id: lower-case letters, digits, dashes, dots and slashes"


def _unknown(thing: Json, fields: frozenset[str], where: str) -> Iterator[str]:
    for field in sorted(thing.keys() - fields):
        yield f"{where}: there is no field {field!r}, or it is deprecated"


def _command(app: Json, where: str) -> Iterator[str]:
    if "cmd" in app and "args" in app:
        yield f"{where}: it has both cmd and args"
    container = app.get("container")
    if not ("cmd" in app or "args" in app or container):
        yield f"{where}: it has neither cmd nor args nor a container"
    if container is None:
        return
    if container.get("type") not in ("MESOS", "DOCKER"):
        yield f"{where}: container.type is MESOS or DOCKER"
    if container.get("type") == "DOCKER" and "docker" not in container:
        yield f"{where}: a container of type DOCKER names a docker image"
    if "docker" in container and not container["docker"].get("image"):
        yield f"{where}: container.docker.image is missing"


_LEAST: Final = {
    "cpus": 0.001, "mem": 0, "disk": 0, "gpus": 0, "instances": 0, "backoffFactor": 1, "backoffSeconds": 0,
    "maxLaunchDelaySeconds": 0, "taskKillGracePeriodSeconds": 0,
}  # fmt: skip


def _numbers(app: Json, where: str) -> Iterator[str]:
    for field, least in _LEAST.items():
        value = app.get(field, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            yield f"{where}: {field} is a number of {least} or more"


def _ports(app: Json, where: str) -> Iterator[str]:
    modes = [network.get("mode", "container") for network in app.get("networks", ())]
    for mode in modes:
        if mode not in NETWORK_MODES:
            yield f"{where}: there is no mode {mode!r} of networks"
    if len(modes) > 1 and set(modes) != {"container"}:
        yield f"{where}: one host network, one bridge, or container networks"
    for network in app.get("networks", ()):
        if network.get("mode") != "container" and "mode" in network and "name" in network:
            yield f"{where}: only container networks have names"
    mappings = (app.get("container") or {}).get("portMappings", [])
    definitions = app.get("portDefinitions", [])
    if mappings and "host" in modes:
        yield f"{where}: port mappings are not for host networking"
    if definitions and set(modes) - {"host"}:
        yield f"{where}: port definitions are for host networking"
    yield from _port_list(definitions, ("port",), where)
    yield from _port_list(mappings, ("containerPort", "hostPort", "servicePort"), where)
    given = [definition.get("port", 0) for definition in definitions if definition.get("port", 0)]
    if len(set(given)) != len(given):
        yield f"{where}: two port definitions have one port"
    if app.get("requirePorts") and not given:
        yield f"{where}: requirePorts without a port"


def _port_list(ports: Sequence[Json], numbers: Sequence[str], where: str) -> Iterator[str]:
    names = [port["name"] for port in ports if "name" in port]
    if len(set(names)) != len(names):
        yield f"{where}: two ports have one name"
    for name in names:
        if PORT_NAME.fullmatch(name) is None:
            yield f"{where}: {name!r} is no name of a port"
    for port in ports:
        if port.get("protocol", "tcp") not in PORT_PROTOCOLS:
            yield f"{where}: {port['protocol']!r} is no protocol of a port"
        for number in numbers:
            if not 0 <= port.get(number, 0) <= 65535:
                yield f"{where}: {number} is between 0 and 65535"


def _health(app: Json, where: str) -> Iterator[str]:
    ports = (app.get("container") or {}).get("portMappings") or app.get("portDefinitions", [])
    checks = app.get("healthChecks", ())
    if sum(check.get("protocol") in BY_MESOS for check in checks) > 1:
        yield f"{where}: Mesos makes one health check an app"
    for check in checks:
        yield from _unknown(check, HEALTH_FIELDS, f"{where}: a health check")
        protocol = check.get("protocol", "HTTP")
        if protocol not in BY_MARATHON | BY_MESOS | {"COMMAND"}:
            yield f"{where}: there is no protocol {protocol!r} of health checks"
        if protocol == "COMMAND" and not check.get("command", {}).get("value"):
            yield f"{where}: a health check by command has none"
        if protocol in BY_MARATHON:
            yield from _asked_port(check, len(ports), where)
        if "path" in check and not protocol.endswith(("HTTP", "HTTPS")):
            yield f"{where}: a health check by {protocol} has no path"
        for field in ("gracePeriodSeconds", "intervalSeconds", "timeoutSeconds", "delaySeconds"):
            if not isinstance(check.get(field, 0), int) or check.get(field, 0) < 0:
                yield f"{where}: {field} is a whole number of 0 or more"


def _asked_port(check: Json, ports: int, where: str) -> Iterator[str]:
    index = check.get("portIndex")
    if index is not None and not 0 <= index < ports:
        yield f"{where}: a health check asks port {index} of {ports}"
    if index is None and "port" not in check and ports != 1:
        yield f"{where}: a health check says which port"


def _constraints(app: Json, where: str) -> Iterator[str]:
    for constraint in app.get("constraints", ()):
        if not 2 <= len(constraint) <= 3 or not all(isinstance(word, str) for word in constraint):
            yield f"{where}: a constraint is a field, an operator, and for some a value: {constraint}"
            continue
        operator = constraint[1]
        if operator not in OPERATORS:
            yield f"{where}: there is no operator {operator!r}"
        if operator in WITHOUT_VALUE and len(constraint) == 3:
            yield f"{where}: {operator} takes no value"
        if operator in WITH_VALUE and len(constraint) == 2:
            yield f"{where}: {operator} takes a value"
        if operator in ("GROUP_BY", "MAX_PER") and len(constraint) == 3 and not constraint[2].isdigit():
            yield f"{where}: {operator} takes a number"
        if operator == "IS" and len(constraint) == 3 and IS_VALUE.fullmatch(constraint[2]) is None:
            yield f"{where}: IS compares with a text or a number"
        if operator in ("LIKE", "UNLIKE") and len(constraint) == 3:
            try:
                re.compile(constraint[2])
            except re.error:
                yield f"{where}: {constraint[2]!r} is no pattern"


def _secrets(app: Json, where: str) -> Iterator[str]:
    declared = app.get("secrets", {})
    for name, secret in declared.items():
        if not secret.get("source"):
            yield f"{where}: the secret {name} has no source"
    for variable, value in app.get("env", {}).items():
        if isinstance(value, str):
            continue
        if not isinstance(value, Mapping) or set(value) != {"secret"}:
            yield f"{where}: {variable} is a text or a secret"
        elif value["secret"] not in declared:
            yield f"{where}: {variable} takes the secret {value['secret']}, which is not declared"
    for volume in (app.get("container") or {}).get("volumes", ()):
        if "secret" in volume and volume["secret"] not in declared:
            yield f"{where}: a volume takes the secret {volume['secret']}, which is not declared"


def _volumes(app: Json, where: str) -> Iterator[str]:
    for volume in (app.get("container") or {}).get("volumes", ()):
        if not volume.get("containerPath"):
            yield f"{where}: a volume without containerPath"
        kinds = {"persistent", "external", "secret", "hostPath"} & volume.keys()
        if len(kinds) != 1:
            yield f"{where}: a volume is one of persistent, external, secret and hostPath"
        if "persistent" in volume:
            if "/" in volume.get("containerPath", ""):
                yield f"{where}: a persistent volume's containerPath has no slash"
            if volume.get("mode") != "RW" or volume["persistent"].get("size", 0) <= 0:
                yield f"{where}: a persistent volume has mode RW and a size"


def _strategies(app: Json, where: str) -> Iterator[str]:
    upgrade = app.get("upgradeStrategy", {})
    for field in ("minimumHealthCapacity", "maximumOverCapacity"):
        if not 0 <= upgrade.get(field, 0) <= 1:
            yield f"{where}: {field} is between 0 and 1"
    resident = any("persistent" in volume for volume in (app.get("container") or {}).get("volumes", ()))
    unreachable = app.get("unreachableStrategy")
    if resident:
        if upgrade.get("maximumOverCapacity") != 0:
            yield f"{where}: with a persistent volume maximumOverCapacity is 0"
        if unreachable not in (None, "disabled"):
            yield f"{where}: with a persistent volume unreachableStrategy is disabled"
    if isinstance(unreachable, Mapping) and not (
        0 <= unreachable.get("inactiveAfterSeconds", 0) <= unreachable.get("expungeAfterSeconds", 0)
    ):
        yield f"{where}: inactiveAfterSeconds is not above expungeAfterSeconds"


def _dependency_faults(root: Json) -> Iterator[str]:
    """Dependencies lead to what is there, and not round in a circle."""
    paths = set(_paths(root, ""))
    edges: dict[str, set[str]] = {}
    for where, thing in _things(root, ""):
        for dependency in thing.get("dependencies", ()):
            to = _absolute(dependency, where)
            edges.setdefault(where, set()).add(to)
            if to not in paths:
                yield f"{where}: depends on {to}, which is not there"
    for start in edges:
        seen: set[str] = set()
        ahead = set(edges[start])
        while ahead:
            here = ahead.pop()
            if here == start:
                yield f"{start}: depends on itself"
                break
            if here not in seen:
                seen.add(here)
                ahead |= edges.get(here, set())


def _things(group: Json, base: str) -> Iterator[tuple[str, Json]]:
    where = _absolute(group.get("id", ""), base)
    yield where, group
    for app in group.get("apps", ()):
        yield _absolute(app.get("id", ""), where), app
    for inner in group.get("groups", ()):
        yield from _things(inner, where)


def _paths(group: Json, base: str) -> Iterator[str]:
    for where, _ in _things(group, base):
        yield where


def _absolute(path: str, base: str) -> str:
    """A path as seen from the root; ``..`` leads up."""
    steps: list[str] = []
    for step in (path if path.startswith("/") else f"{base}/{path}").split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step:
            steps.append(step)
    return "/" + "/".join(steps)

"""Marathon's application group keeps Marathon's published rules, and ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from deploy.marathon_rules import app_faults, faults
from docs.documents import ROOT
from support.clusters import REDIS, SENTINELS

GROUP = json.loads((ROOT / "deploy" / "marathon" / "datchat.json").read_text())
STORE = {app["id"]: app for app in GROUP["groups"][0]["apps"]}
APPS = {**STORE, **{app["id"]: app for app in GROUP["apps"]}}

Change = Callable[[dict[str, Any]], object]


def test_marathon_would_take_it() -> None:
    """No published rule is broken."""
    assert list(faults(GROUP)) == []


WRONG: dict[str, tuple[str, Change]] = {
    "upper case in an id": ("is no id", lambda app: app.update(id="Web")),
    "no id": ("it has no id", lambda app: app.pop("id")),
    "cmd and args": ("both cmd and args", lambda app: app.update(args=["x"])),
    "nothing to run": ("neither cmd nor args", lambda app: (app.pop("cmd"), app.pop("container"))),
    "a misspelt field": ("no field 'instance'", lambda app: app.update(instance=3)),
    "a deprecated field": ("no field 'ports'", lambda app: app.update(ports=[8080])),
    "negative instances": ("instances is a number", lambda app: app.update(instances=-1)),
    "no image": ("image is missing", lambda app: app["container"]["docker"].pop("image")),
    "an unknown container": ("MESOS or DOCKER", lambda app: app["container"].update(type="RKT")),
    "an unknown network": ("no mode 'bridge'", lambda app: app.update(networks=[{"mode": "bridge"}])),
    "two networks": ("one host network", lambda app: app["networks"].append({"mode": "container/bridge"})),
    "a named host network": ("only container networks", lambda app: app["networks"][0].update(name="x")),
    "mappings on the host": ("not for host networking", lambda app: app["container"].update(portMappings=[{}])),
    "definitions elsewhere": ("for host networking", lambda app: app.update(networks=[{"mode": "container"}])),
    "a port too high": ("between 0 and 65535", lambda app: app["portDefinitions"][0].update(port=70000)),
    "a port's bad name": ("no name of a port", lambda app: app["portDefinitions"][0].update(name="HTTP")),
    "a port's bad protocol": ("no protocol of a port", lambda app: app["portDefinitions"][0].update(protocol="sctp")),
    "a port twice": ("two port definitions have one port", lambda app: app["portDefinitions"].append({"port": 8080})),
    "a port's name twice": ("two ports have one name", lambda app: app["portDefinitions"].append({"name": "http"})),
    "required ports without one": ("requirePorts without", lambda app: app.update(portDefinitions=[])),
    "an unknown check": ("no protocol 'GRPC'", lambda app: app["healthChecks"][0].update(protocol="GRPC")),
    "a check's misspelt field": ("no field 'interval'", lambda app: app["healthChecks"][0].update(interval=1)),
    "a check of no port": ("asks port 4", lambda app: app["healthChecks"][0].update(protocol="HTTP", portIndex=4)),
    "a command that is none": ("has none", lambda app: app["healthChecks"][0].update(protocol="COMMAND")),
    "a path for TCP": ("has no path", lambda app: app["healthChecks"][0].update(protocol="MESOS_TCP")),
    "half a second": ("a whole number", lambda app: app["healthChecks"][0].update(intervalSeconds=0.5)),
    "two checks of Mesos": (
        "one health check an app",
        lambda app: app["healthChecks"].append({"protocol": "MESOS_TCP"}),
    ),
    "an unknown operator": ("no operator 'NEAR'", lambda app: app.update(constraints=[["hostname", "NEAR"]])),
    "a value too many": ("takes no value", lambda app: app.update(constraints=[["hostname", "UNIQUE", "1"]])),
    "a value too few": ("takes a value", lambda app: app.update(constraints=[["hostname", "LIKE"]])),
    "no number": ("takes a number", lambda app: app.update(constraints=[["rack", "MAX_PER", "two"]])),
    "no pattern": ("is no pattern", lambda app: app.update(constraints=[["rack", "LIKE", "("]])),
    "no text": ("a text or a number", lambda app: app.update(constraints=[["rack", "IS", "a b"]])),
    "one word": ("a field, an operator", lambda app: app.update(constraints=[["hostname"]])),
    "an undeclared secret": ("not declared", lambda app: app["env"].update(X={"secret": "nothing"})),
    "a secret without source": ("has no source", lambda app: app["secrets"].update(x={})),
    "a number in the environment": ("a text or a secret", lambda app: app["env"].update(X=1)),
    "a capacity": ("between 0 and 1", lambda app: app["upgradeStrategy"].update(minimumHealthCapacity=2)),
    "expunged before inactive": (
        "not above",
        lambda app: app.update(unreachableStrategy={"inactiveAfterSeconds": 9, "expungeAfterSeconds": 1}),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_marathon_would_refuse(name: str) -> None:
    """Each rule finds an app that breaks it."""
    app = copy.deepcopy(APPS["web"])
    words, change = WRONG[name]
    change(app)

    assert any(words in fault for fault in app_faults(app)), list(app_faults(app))


WRONG_VOLUMES: dict[str, tuple[str, Change]] = {
    "a slash": ("no slash", lambda app: app["container"]["volumes"][0].update(containerPath="/data")),
    "no path": ("without containerPath", lambda app: app["container"]["volumes"][0].pop("containerPath")),
    "read-only": ("mode RW", lambda app: app["container"]["volumes"][0].update(mode="RO")),
    "two kinds": ("is one of", lambda app: app["container"]["volumes"][0].update(hostPath="/x")),
    "a second copy": ("maximumOverCapacity is 0", lambda app: app["upgradeStrategy"].update(maximumOverCapacity=1)),
    "moved": ("unreachableStrategy is disabled", lambda app: app.update(unreachableStrategy={})),
}


@pytest.mark.parametrize("name", WRONG_VOLUMES)
def test_what_marathon_would_refuse_of_volumes(name: str) -> None:
    """Each rule of volumes finds an app that breaks it."""
    app = copy.deepcopy(APPS["redismaster"])
    words, change = WRONG_VOLUMES[name]
    change(app)

    assert any(words in fault for fault in app_faults(app)), list(app_faults(app))


def test_dependencies_that_lead_nowhere_or_round() -> None:
    """A dependency on nothing, and one in a circle, are found."""
    nowhere, round_and_round = copy.deepcopy(GROUP), copy.deepcopy(GROUP)
    nowhere["apps"][0]["dependencies"] = ["../stores"]
    round_and_round["groups"][0]["dependencies"] = ["/datchat/haproxy"]

    assert any("which is not there" in fault for fault in faults(nowhere))
    assert any("depends on itself" in fault for fault in faults(round_and_round))


def test_our_own_rules() -> None:
    """Servers and sentinels on three hosts, with volumes; nodes after the store; no secret in the file."""
    assert set(APPS) == {*REDIS, *SENTINELS, "web", "haproxy"}
    for kind in ("redis", "sentinel"):
        hosts = [app["constraints"][0][2] for app in STORE.values() if app["labels"]["kind"] == kind]
        assert sorted(hosts) == ["1", "2", "3"]
    assert all("persistent" in app["container"]["volumes"][0] for app in STORE.values())
    assert APPS["web"]["dependencies"] == ["/datchat/store"]
    assert APPS["haproxy"]["dependencies"] == ["/datchat/web"]
    for app in APPS.values():
        assert app["healthChecks"]
        secret = {name: value for name, value in app.get("env", {}).items() if name.endswith(("PASSWORD", "_SECRET"))}
        assert all(set(value) == {"secret"} for value in secret.values())
    assert "boot-guard" in APPS["redismaster"]["cmd"]

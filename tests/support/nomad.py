"""Nomad as the tests meet it: the one that NOMAD_ADDR names, and the job on it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.deployments import CHEAP, ROOT, WHOLE_S, run, wait_until_ready
from support.eventually import eventually_now

FILES = ROOT / "deploy" / "nomad"
JOB = FILES / "datchat.nomad.hcl"
VARIABLE = "nomad/jobs/datchat"
END = "that was all"
SENTINELS = ("redissentinel", "redissentinel2", "redissentinel3")

needs_nomad = pytest.mark.skipif(
    "NOMAD_ADDR" not in os.environ or shutil.which("nomad") is None,
    reason="NOMAD_ADDR names no cluster, or the program nomad is missing",
)


def nomad(*words: str) -> str:
    """What Nomad says."""
    return run(["nomad", *words])


def api(path: str) -> Any:
    """What Nomad's API answers; its commands say a sentence where a list is empty."""
    return json.loads(nomad("operator", "api", path))


def allocations() -> list[dict[str, Any]]:
    return list(api("/v1/job/datchat/allocations"))


def running() -> list[dict[str, Any]]:
    return [allocation for allocation in allocations() if allocation["ClientStatus"] == "running"]


def placed() -> dict[str, dict[str, Any]]:
    """What runs of each group, one of each."""
    return {allocation["TaskGroup"]: allocation for allocation in running()}


def hosts() -> dict[str, str]:
    """The addresses of the clients that are ready, by name."""
    return {node["Name"]: node["Address"] for node in api("/v1/nodes") if node["Status"] == "ready"}


def urls() -> list[str]:
    """Where people come in: the hosts that have a load balancer."""
    on = {allocation["NodeName"] for allocation in running() if allocation["TaskGroup"] == "haproxy"}
    return [f"http://{address}:8081" for name, address in sorted(hosts().items()) if name in on]


def within(allocation: dict[str, Any], command: str) -> str:
    """What a command of a shell says in an allocation; asked again where Nomad loses the end of it."""
    words = ("alloc", "exec", "-i=false", "-t=false", allocation["ID"], "sh", "-c", f"{command}; echo {END}")
    said = eventually_now(lambda: found if (found := nomad(*words)).rstrip().endswith(END) else "", 30)
    return said.rstrip().removesuffix(END)


def ask_sentinel(question: str) -> str:
    return within(placed()["redissentinel"], f"redis-cli -p $SENTINEL_PORT sentinel {question}")


def host_of_master() -> str:
    address = ask_sentinel("get-master-addr-by-name mymaster").split()[0]
    return next(name for name, there in hosts().items() if there == address)


def hosts_of_sentinels() -> list[str]:
    on = placed()
    return [on[name]["NodeName"] for name in SENTINELS]


def runs() -> bool:
    """Whether the chat is there already."""
    return "datchat" in [job["ID"] for job in api("/v1/jobs")]


def deploy(*words: str) -> None:
    told = ", ".join(f'{name} = "{value}"' for name, value in CHEAP.items())
    nomad("job", "run", "-detach", "-var", f"root={ROOT}", "-var", f"environment={{{told}}}", *words, str(JOB))


def rolled_out() -> bool:
    """Whether the last deployment has come to its good end."""
    return bool(api("/v1/job/datchat/deployment")["Status"] == "successful")


def wait_until_whole() -> None:
    eventually_now(lambda: len(urls()) == len(hosts()) > 0, WHOLE_S, describe=lambda: nomad("job", "status", "datchat"))
    wait_until_ready(urls())
    eventually_now(rolled_out, WHOLE_S, describe=lambda: nomad("job", "status", "datchat"))


def missing(group: str) -> str:
    """What Nomad says of the tasks of a group of which something is missing."""
    events = [
        event["DisplayMessage"]
        for allocation in allocations()
        if allocation["TaskGroup"] == group
        for state in (allocation["TaskStates"] or {}).values()
        for event in state["Events"]
    ]
    return "\n".join(event for event in events if event.startswith("Missing"))


def tell_secrets() -> None:
    nomad("var", "put", VARIABLE, f"redis_password={secrets.token_hex(32)}", f"secret={secrets.token_hex(32)}")


@contextmanager
def prepared() -> Iterator[None]:
    """The volumes, and no job; afterwards there is nothing of the chat."""
    run([str(FILES / "volumes")])
    try:
        yield
    finally:
        nomad("job", "stop", "-purge", "datchat")
        nomad("var", "purge", VARIABLE)
        remove_volumes()


def remove_volumes() -> None:
    """What the servers and sentinels have stored goes with them."""
    for volume in api("/v1/volumes?type=host"):
        nomad("volume", "delete", "-type", "host", volume["ID"])

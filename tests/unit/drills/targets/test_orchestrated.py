"""What targets have in common whose tool brings back by itself what is killed."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from datchat.drills.targets import Ability, TargetError, Usage
from datchat.drills.targets.orchestrated import Orchestrated, until, usage_by_metrics

METRICS = "process_start_time_seconds 12.34\nprocess_resident_memory_bytes 5e6\nprocess_open_fds 17\n"


class Rack(Orchestrated):
    """A tool whose parts are on hosts of their own."""

    tool = "Rack"
    not_made_for = MappingProxyType({Ability.PAUSE: "nothing here stands still"})

    def __init__(self, crash: str | None, restore: str | None) -> None:
        super().__init__(crash, restore)
        self.done: list[str] = []

    async def _host_of(self, part: str) -> str:
        return f"host of {part}"

    async def _drain(self, host: str) -> None:
        self.done.append(f"drain {host}")
        if host.endswith("stuck"):
            raise TargetError("it was not drained")

    async def _readmit(self, host: str) -> None:
        self.done.append(f"readmit {host}")


async def test_a_host_whose_crash_failed_is_had_back_all_the_same(tmp_path: Path) -> None:
    """It may be down or not: what was begun is undone, and the name is one word for the shell."""
    done = tmp_path / "done"
    rack = Rack(f"echo {{host}} >>{done}; exit 1", f"echo back {{host}} >>{done}")
    with pytest.raises(TargetError, match="failed with 1"):
        await rack.crash_host_of("redis-0")
    await rack.restore_hosts()
    await rack.restore_hosts()

    assert done.read_text() == "host of redis-0\nback host of redis-0\n"


async def test_one_command_alone_crashes_nothing() -> None:
    """Whoever can't have a host back is not made to lose it in a drill; own reasons go before the usual one."""
    rack = Rack("true", None)

    assert rack.lacks[Ability.CRASH] == "give --crash-command and --restore-command"
    assert rack.lacks[Ability.PAUSE] == "nothing here stands still"
    assert Ability.CRASH not in Rack("true", "true").lacks
    with pytest.raises(TargetError, match="redis-0: give --crash-command and --restore-command"):
        await rack.crash_host_of("redis-0")


async def test_a_drained_host_is_used_again_once() -> None:
    """Also one that was not drained to the end."""
    rack = Rack(None, None)
    await rack.drain_host_of("redis-0")
    with pytest.raises(TargetError, match="not drained"):
        await rack.drain_host_of("stuck")
    await rack.readmit_hosts()
    await rack.readmit_hosts()

    assert Ability.DRAIN not in rack.lacks
    assert rack.done == [
        "drain host of redis-0",
        "drain host of stuck",
        "readmit host of redis-0",
        "readmit host of stuck",
    ]


async def test_waiting_ends() -> None:
    """When it is so, or with the sentence and the time."""
    looks = iter([False, True])

    async def soon() -> bool:
        return next(looks)

    async def never() -> bool:
        return False

    await until(soon, 5, "it lasts")
    with pytest.raises(TargetError, match=r"it lasts after 0\.01 s"):
        await until(never, 0.01, "it lasts")


@pytest.mark.parametrize(
    ("status", "said", "usage"),
    [
        (200, METRICS, Usage(1234, 5_000_000, 17)),
        (200, "other_metric 1\n", None),
        (503, METRICS, None),
    ],
    ids=["whole", "lacking", "refused"],
)
async def test_usage_is_what_a_node_says_of_itself(status: int, said: str, usage: Usage | None) -> None:
    """Its start stands for its number, which is the same in every container."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(status, text=said)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        assert await usage_by_metrics(http, "10.0.0.7", 8080) == usage

    assert asked == ["http://10.0.0.7:8080/metrics"]

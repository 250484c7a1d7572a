"""The Elastic IP follows the leading balancer: the program that keepalived runs, against moto's EC2 API."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from balancer.aws import REGION, Metadata
from support.balancers import KEEPALIVED

PROGRAM = KEEPALIVED / "elastic_ip.py"
IMAGE = "ami-12c6146b"
"""One of those that moto knows."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ec2(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client("ec2", region_name=REGION, endpoint_url=endpoint, **keys)


@pytest.fixture
def allocation(ec2: Any) -> str:
    return str(ec2.allocate_address(Domain="vpc")["AllocationId"])


@pytest.fixture
def instances(ec2: Any) -> list[str]:
    made = ec2.run_instances(ImageId=IMAGE, MinCount=2, MaxCount=2)["Instances"]
    return [instance["InstanceId"] for instance in made]


@pytest.fixture
def run(endpoint: str) -> Run:
    """Runs the program on an instance."""

    def program(metadata: Metadata | str, *arguments: str, aws: str = endpoint) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata if isinstance(metadata, str) else metadata.url,
            "AWS_ENDPOINT_URL_EC2": aws,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        command = [sys.executable, str(PROGRAM), "--settle-s", "0.3", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return program


def owner(ec2: Any, allocation: str) -> str | None:
    (address,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
    return address.get("InstanceId") or None


def test_the_address_comes_to_whoever_leads(ec2: Any, allocation: str, instances: list[str], run: Run) -> None:
    """From nowhere, from the other instance and back; a line each time, with where it was."""
    first, second = instances
    with Metadata(first) as here, Metadata(second) as there:
        done = run(here, allocation)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"elastic ip: {allocation} was moved from nowhere to {first}, after ")
        assert owner(ec2, allocation) == first
        assert f"was moved from {first} to {second}" in run(there, allocation).stdout
        assert owner(ec2, allocation) == second
        assert run(here, allocation).stdout.count("\n") == 1
        assert owner(ec2, allocation) == first
        assert here.refused == there.refused == 0


def test_asking_again_moves_nothing(ec2: Any, allocation: str, instances: list[str], run: Run) -> None:
    """AWS charges for an association that is repeated: what is so already is left as it is."""
    with Metadata(instances[0]) as here:
        run(here, allocation)
        (before,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
        done = run(here, allocation)
        (after,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]

    assert f"is at {instances[0]} already" in done.stdout
    assert before["AssociationId"] == after["AssociationId"]


def test_it_tries_again(ec2: Any, allocation: str, instances: list[str], run: Run) -> None:
    """A metadata service that answers 503 three times costs a second, and no move."""
    with Metadata(instances[0], fails=3) as here:
        assert run(here, allocation).returncode == 0
        assert here.fails == 0
    assert owner(ec2, allocation) == instances[0]


def test_it_gives_up_in_time(ec2: Any, allocation: str, instances: list[str], run: Run) -> None:
    """Without an API, without a metadata service, or for an address that is not ours: a line that says so, code 1."""
    limit = ("--limit-s", "1")
    with Metadata(instances[0]) as here:
        assert "Could not connect" in run(here, allocation, *limit, aws="http://127.0.0.1:9").stderr
        unknown = run(here, "eipalloc-00000000", *limit)
    gone = run(here, allocation, *limit)

    assert (unknown.returncode, gone.returncode) == (1, 1)
    assert "InvalidAllocationID.NotFound" in unknown.stderr
    assert "(tried for 1 s)" in gone.stderr
    assert gone.stderr.count("\n") == 1
    assert owner(ec2, allocation) is None


def test_it_stops_when_the_host_leads_no_more(ec2: Any, allocation: str, instances: list[str], run: Run) -> None:
    """A late try must not take the address from the host that leads since: without keepalived's address it gives up."""
    with Metadata(instances[0]) as here:
        refused = run(here, allocation, "--holding", "192.0.2.250/24")
        assert owner(ec2, allocation) is None
        held = run(here, allocation, "--holding", "127.0.0.1/8")

    assert refused.returncode == 1
    assert "does not hold 192.0.2.250/24 any more" in refused.stderr
    assert held.returncode == 0
    assert owner(ec2, allocation) == instances[0]


def test_of_two_that_led_at_once_the_one_that_still_does_gets_it(
    ec2: Any, allocation: str, instances: list[str], run: Run
) -> None:
    """The address is looked at again after the move: somebody else's later move is undone."""
    associate = ec2.associate_address

    class Rival:
        """The API, to which another instance speaks in between."""

        moves = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(ec2, name)

        def associate_address(self, **asked: Any) -> None:
            associate(**asked)
            self.moves += 1
            if self.moves == 1:
                associate(AllocationId=allocation, InstanceId=instances[1], AllowReassociation=True)

    rival = Rival()
    with Metadata(instances[0]) as here, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", here.url)
        program = runpy.run_path(str(PROGRAM))
        program["move"].__globals__["connect"] = lambda region: rival
        program["move"](allocation, None, 20, 0.3)

    assert rival.moves == 2
    assert owner(ec2, allocation) == instances[0]


def test_pauses_grow_and_end() -> None:
    """From a fifth of a second to five seconds, never past the limit."""
    times = [0.0]
    program = runpy.run_path(str(PROGRAM))
    tried = list(program["tries"](60, lambda: times[0], lambda pause_s: times.__setitem__(0, times[0] + pause_s)))
    pauses = [later - sooner for sooner, later in pairwise(tried)]

    assert 0.1 <= pauses[0] <= 0.2
    assert all(2.5 <= pause <= 5 for pause in pauses[5:])
    assert 12 < len(tried) < 40
    assert times[0] == pytest.approx(60)


def test_the_policy_allows_what_is_asked_and_no_more() -> None:
    """Every call that the program makes, nothing else; moving only this address, only to what bears the tag."""
    policy = json.loads((KEEPALIVED / "iam-policy.json").read_text())
    called = {"associate_address": "ec2:AssociateAddress", "describe_addresses": "ec2:DescribeAddresses"}
    text = PROGRAM.read_text()

    assert all(f"ec2.{name}(" in text for name in called)
    assert text.count("ec2.") == len(called)
    assert {statement["Action"] for statement in policy["Statement"]} == set(called.values())
    moving = [s for s in policy["Statement"] if s["Action"] == "ec2:AssociateAddress"]
    assert all(s["Resource"] != "*" for s in moving)
    assert all("Condition" in s for s in moving if "elastic-ip" not in str(s["Resource"]))

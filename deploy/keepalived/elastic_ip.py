#!/usr/bin/env python3
"""
Moves an Elastic IP address to this EC2 instance: what keepalived runs when its host becomes the one that leads.

It knows nothing of Dat Chat, and needs boto3 (Debian: python3-boto3). Asking again for what is so already changes
nothing. It tries with growing pauses until the address is found here twice, some seconds apart: two hosts that took
themselves for the leading one at the same moment end up with the address at the one that still is. It says one line,
and ends by itself, whatever AWS does: keepalived does not wait for it.

Sources: AssociateAddress and DescribeAddresses (EC2 API reference), "Use IMDSv2" (EC2 user guide).
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

METADATA: Final = "http://169.254.169.254"
METADATA_S: Final = 1.0
"""How long the metadata service may take; it is in the same machine."""
CALL_S: Final = 5
"""How long one call of the EC2 API may take."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0


class Instance(NamedTuple):
    """This machine, as AWS knows it."""

    id: str
    region: str


class GaveUp(Exception):
    """The address is not here, and won't be; the text says why."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Move an Elastic IP address to this EC2 instance.", prog="elastic_ip")
    parser.add_argument("allocation", help="the address's allocation, as eipalloc-0123456789abcdef0")
    parser.add_argument(
        "--holding", metavar="ADDRESS", help="give up as soon as this host does not hold this address of keepalived's"
    )
    parser.add_argument("--limit-s", type=float, default=60, help="give up after so long [60]")
    parser.add_argument("--settle-s", type=float, default=2, help="look again after so long [2]")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        came_from = move(options.allocation, options.holding, options.limit_s, options.settle_s)
    except GaveUp as reason:
        return say(1, f"{options.allocation} is not moved here: {reason}")
    except ImportError:
        return say(2, "boto3 is missing: apt-get install python3-boto3")
    took_s = time.monotonic() - began - options.settle_s
    return say(0, f"{options.allocation} {came_from}, after {took_s:.1f} s")


def say(code: int, text: str) -> int:
    print(f"elastic ip: {text}", file=sys.stderr if code else sys.stdout, flush=True)
    return code


def move(allocation: str, holding: str | None, limit_s: float, settle_s: float) -> str:
    """
    Bring the address here; returns what had to be done.

    Raises:
        GaveUp: It could not be done in time, or this host is not the leading one any more.
        ImportError: boto3 is missing.
    """
    import botocore.exceptions as failures

    said = ""
    seen_since: float | None = None
    trouble: object = "AWS did not answer"
    ec2: Any = None
    for now in tries(limit_s):
        if holding and not holds(holding):
            raise GaveUp(f"this host does not hold {holding} any more")
        try:
            if ec2 is None:
                instance = who_am_i()
                ec2 = connect(instance.region)
            owner = where(ec2, allocation)
            if owner != instance.id:
                ec2.associate_address(AllocationId=allocation, InstanceId=instance.id, AllowReassociation=True)
                said = f"was moved from {owner or 'nowhere'} to {instance.id}"
                seen_since = None
                continue
        except (OSError, ValueError, KeyError, failures.BotoCoreError, failures.ClientError) as error:
            trouble = error
            continue
        seen_since = now if seen_since is None else seen_since
        if now - seen_since >= settle_s:
            return said or f"is at {instance.id} already"
    raise GaveUp(f"{trouble} (tried for {limit_s:g} s)")


def tries(
    limit_s: float, clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep
) -> Iterator[float]:
    """The times of tries until the limit: soon at first, then ever more rarely, with jitter."""
    began, longest_s = clock(), FIRST_PAUSE_S
    while (now := clock()) - began < limit_s:
        yield now
        pause(min(random.uniform(longest_s / 2, longest_s), max(0.0, began + limit_s - clock())))
        longest_s = min(2 * longest_s, LONGEST_PAUSE_S)


def holds(address: str) -> bool:
    """Whether an address is this host's: only such a one can be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address.partition("/")[0], 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
    return True


def who_am_i() -> Instance:
    """
    This instance, by the metadata service, version 2: a token first, which a forged request from outside can't get.

    Raises:
        OSError: It does not answer.
        ValueError, KeyError: It answers something else.
    """
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA).rstrip("/")
    token = _ask(base + "/latest/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    text = _ask(base + "/latest/dynamic/instance-identity/document", "GET", {"X-aws-ec2-metadata-token": token})
    document = json.loads(text)
    return Instance(document["instanceId"], document["region"])


def _ask(url: str, method: str, headers: dict[str, str]) -> str:
    # No proxy of the environment's: the address is this machine's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers, method=method), timeout=METADATA_S) as answer:
        return str(answer.read(65536).decode())


def connect(region: str) -> Any:
    """The EC2 API of a region, without retries of its own: they are counted here."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=CALL_S, read_timeout=CALL_S, retries={"total_max_attempts": 1})
    endpoint = os.environ.get("AWS_ENDPOINT_URL_EC2") or os.environ.get("AWS_ENDPOINT_URL")
    return boto3.client("ec2", region_name=region, config=config, endpoint_url=endpoint)


def where(ec2: Any, allocation: str) -> str | None:
    """The instance that has the address now, or whatever else does; None when nothing has it."""
    (address,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
    return address.get("InstanceId") or address.get("NetworkInterfaceId")


if __name__ == "__main__":
    sys.exit(main())

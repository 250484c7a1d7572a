"""What befalls the host that holds the shared address, and how it is mended."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from datchat.cluster.files import haproxy_cfg
from support.balancers import Host, Pair

Deed = Callable[[Pair, Host], None]


@dataclass(frozen=True)
class Fault:
    """Something that befalls a host."""

    name: str
    strike: Deed
    mend: Deed
    alone_s: float = 1.0
    """After how long the old holder has given the address up, once there is a new one."""


def kill_haproxy(pair: Pair, host: Host) -> None:
    host.haproxy.signal(signal.SIGKILL)


def start_haproxy(pair: Pair, host: Host) -> None:
    host.start_haproxy(haproxy_cfg(pair.plan))


def hang_haproxy(pair: Pair, host: Host) -> None:
    host.haproxy.signal(signal.SIGSTOP)


def wake_haproxy(pair: Pair, host: Host) -> None:
    host.haproxy.signal(signal.SIGCONT)


def pull_the_cable(pair: Pair, host: Host) -> None:
    host.set_link("down")


def plug_the_cable(pair: Pair, host: Host) -> None:
    host.set_link("up")


def cut_off(pair: Pair, host: Host) -> None:
    pair.network.cut([host.name])


def heal(pair: Pair, host: Host) -> None:
    pair.network.heal()


def kill_keepalived(pair: Pair, host: Host) -> None:
    host.signal_keepalived(signal.SIGKILL)


def hang_keepalived(pair: Pair, host: Host) -> None:
    host.signal_keepalived(signal.SIGSTOP)


def kill_the_keeper(pair: Pair, host: Host) -> None:
    """keepalived dies with it; the service manager then runs what it was told to run after the end."""
    host.balancer.signal(signal.SIGKILL)
    host.release()


def start_keepalived(pair: Pair, host: Host) -> None:
    pair.start_balancer(host)


FAULTS = (
    Fault("haproxy killed", kill_haproxy, start_haproxy),
    Fault("haproxy hung", hang_haproxy, wake_haproxy),
    Fault("cable pulled", pull_the_cable, plug_the_cable),
    Fault("host cut off", cut_off, heal),
    Fault("keepalived killed", kill_keepalived, start_keepalived),
    Fault("keeper killed", kill_the_keeper, start_keepalived),
    Fault("keepalived hung", hang_keepalived, start_keepalived, alone_s=9.0),
)

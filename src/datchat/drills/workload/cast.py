"""Who takes part in a drill, by names that say what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from datchat.drills.workload.crowd import Crowd
from datchat.drills.workload.people import Person
from datchat.drills.workload.posters import post, post_over_http
from datchat.drills.workload.readers import read, read_slowly, wander
from datchat.drills.workload.visitors import visit_often

_MORE: Final = ("poster", "reader", "poster", "wanderer", "poster", "slow-reader", "caller")


def roles(clients: int, doors: int) -> list[str]:
    """Who takes part: at least one of each kind, a neighbour for each node, and posters with what is left."""
    names = [f"neighbour-{number}" for number in range(1, doors + 1)]
    names += ["poster-1", "caller-1", "reader-1", "late-reader-1", "slow-reader-1", "wanderer-1", "visitor-1"]
    count = 2
    while len(names) < clients:
        names.append(f"{_MORE[count % len(_MORE)]}-{count}")
        count += 1
    return names


def let_in(crowd: Crowd, people: Sequence[Person], lasts_s: float) -> None:
    """Let everybody begin what their names say."""
    posters = sum(person.name.startswith(("poster", "neighbour", "caller")) for person in people)
    rate = crowd.size.rate / max(1, posters)
    for number, person in enumerate(people):
        rng = crowd.rng(person.name)
        door = crowd.doors[number % len(crowd.doors)]
        match person.name.rpartition("-")[0]:
            case "poster":
                life = post(crowd, person, [crowd.url], rate)
            case "neighbour":
                life = post(crowd, person, [door], rate)
            case "caller":
                life = post_over_http(crowd, person, crowd.url, rate)
            case "reader":
                life = read(crowd, person, [crowd.url])
            case "late-reader":
                life = read(crowd, person, [crowd.url], rng.uniform(0.2, 0.6) * lasts_s)
            case "slow-reader":
                life = read_slowly(crowd, person, [crowd.url])
            case "wanderer":
                life = wander(crowd, person, [*crowd.doors, crowd.url])
            case _:
                life = visit_often(crowd, person.name, crowd.doors)
        crowd.begin(person.name, life)

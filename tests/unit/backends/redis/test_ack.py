"""The ack rule, on what can be seen of a batch. Rows of the table in docs/guarantees.md are cases here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.backends.redis.ack import (
    ALONE,
    EVERY_PROMOTABLE,
    FENCED,
    NONE,
    ONE,
    Acknowledge,
    AskReplicas,
    AskSentinels,
    Replica,
    Role,
    Seen,
    Sentinel,
    Unknown,
    parse_role,
)
from datchat.backends.redis.url import Address

MASTER, ONE_REPLICA, OTHER, THIRD = (Address("10.0.0.1", port) for port in (6379, 6380, 6381, 6382))
judge = EVERY_PROMOTABLE.judge


def role(offset: int, **replicas: int) -> Role:
    """A master with replicas ``one`` and ``other`` that have confirmed so much."""
    names = {"one": ONE_REPLICA, "other": OTHER, "third": THIRD}
    return Role(master=True, offset=offset, replicas={names[name]: at for name, at in replicas.items()})


def sentinel(number: int, master: Address | None = MASTER, epoch: int = 1, **replicas: Replica) -> Sentinel:
    """A sentinel that sees everything well, but for the replicas given."""
    seen = {ONE_REPLICA: UP, OTHER: UP} | {{"one": ONE_REPLICA, "other": OTHER}[n]: r for n, r in replicas.items()}
    return Sentinel(f"s{number}", master, epoch=epoch, replicas=seen, others=2)


UP = Replica(down=False, promotable=True)
DOWN = Replica(down=True, promotable=True)
NEVER = Replica(down=False, promotable=False)

ALL_SEE_OTHER_DOWN = [sentinel(n, other=DOWN) for n in range(3)]


def seen(after: Role, **more: object) -> Seen:
    """A batch that ended at offset 100 on a master with two replicas."""
    facts: dict[str, object] = {"known": {ONE_REPLICA, OTHER}, "majority": 2, **more}
    return Seen(MASTER, role(100, one=0, other=0), after, **facts)  # type: ignore[arg-type]


# Everybody has it


def test_all_replicas_are_enough() -> None:
    """When every replica has confirmed it nobody else is asked."""
    assert judge(seen(role(120, one=100, other=120))) == Acknowledge(copies=3)


def test_a_master_without_replicas_is_all_there_is() -> None:
    """A store that never had a replica keeps its entries on one server."""
    lone = Seen(MASTER, role(100), role(100), majority=2)
    assert judge(lone) == Acknowledge(copies=1)


def test_a_replica_that_is_one_byte_behind_has_it_not() -> None:
    """What counts is the offset after the batch's last write."""
    assert isinstance(judge(seen(role(120, one=100, other=99))), AskReplicas)


@pytest.mark.parametrize("unknown_to", ["sentinels", "ROLE"])
def test_replicas_count_however_they_are_known(unknown_to: str) -> None:
    """One that the sentinels have not found yet, and one that is not attached, are both missed."""
    if unknown_to == "sentinels":
        batch = seen(role(120, one=100, other=100, third=50))
        assert judge(batch) == AskReplicas(frozenset({THIRD}))
    else:
        assert judge(seen(role(120, one=100))) == AskReplicas(frozenset({OTHER}))


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_is_no_master_acknowledges_nothing(when: str) -> None:
    """A server that was or has become a replica keeps nothing that it is told."""
    whole = seen(role(120, one=100, other=100))
    assert isinstance(judge(replace(whole, **{when: Role(master=False)})), Unknown)


# In which order is asked


def test_replicas_are_asked_before_sentinels() -> None:
    """What the sentinels say has to be the last word: it is what the others' words are held against."""
    batch = seen(role(120, one=100))
    assert judge(batch) == AskReplicas(frozenset({OTHER}))
    assert judge(replace(batch, words={})) == AskSentinels()


def test_a_deposed_master_is_not_asked() -> None:
    """This node saw itself that it was deposed."""
    assert judge(seen(role(120, one=100), deposed=[OTHER])) == AskSentinels()


# Proof that the missing one can't be made master


@pytest.mark.parametrize(
    "proof",
    [
        {"words": {OTHER: Role(master=False, follows=MASTER, connected=False)}},
        {"words": {}, "deposed": [OTHER]},
        {"words": {}, "sentinels": ALL_SEE_OTHER_DOWN},
        {"words": {}, "sentinels": [sentinel(0, other=DOWN), sentinel(1, other=DOWN)]},
        {"words": {}, "sentinels": [sentinel(0, other=NEVER), sentinel(1, other=NEVER), sentinel(2)]},
    ],
    ids=["it joins", "it was deposed", "three hold it down", "two hold it down", "its priority is 0"],
)
def test_one_replica_and_proof_are_enough(proof: dict[str, object]) -> None:
    """With a replica that has it, and proof about the other, two servers hold the entry."""
    well = {"sentinels": [sentinel(n) for n in range(3)]}
    assert judge(seen(role(120, one=100), **{**well, **proof})) == Acknowledge(copies=2)


@pytest.mark.parametrize(
    "no_proof",
    [
        {"words": {}},
        {"words": {OTHER: Role(master=False, follows=MASTER, connected=True)}},
        {"words": {OTHER: Role(master=False, follows=THIRD, connected=False)}},
        {"words": {OTHER: Role(master=True)}},
        {"words": {}, "sentinels": [sentinel(0, other=DOWN), sentinel(1), sentinel(2)]},
        {"words": {}, "sentinels": [sentinel(0, other=NEVER), sentinel(1), sentinel(2)]},
        {"words": {}, "sentinels": [sentinel(0, other=DOWN)]},
        {"words": {OTHER: Role(master=True)}, "sentinels": ALL_SEE_OTHER_DOWN},
        {"words": {OTHER: Role(master=False, follows=MASTER, connected=True)}, "sentinels": ALL_SEE_OTHER_DOWN},
    ],
    ids=[
        "silent",
        "connected",
        "follows another",
        "a master",
        "one holds it down",
        "one says 0",
        "one",
        "held down, and a master",
        "held down, and connected",
    ],
)
def test_without_proof_one_replica_is_not_enough(no_proof: dict[str, object]) -> None:
    """The missing one might be made master and know nothing of the entry."""
    well = {"sentinels": [sentinel(n) for n in range(3)]}
    assert isinstance(judge(seen(role(120, one=100), **{**well, **no_proof})), Unknown)


# Proof that the sentinels hold to this master


@pytest.mark.parametrize(
    "voices",
    [
        [],
        [sentinel(0, other=DOWN)],
        [replace(s, down=True) for s in ALL_SEE_OTHER_DOWN],
        [replace(s, failing_over=True) for s in ALL_SEE_OTHER_DOWN],
        [sentinel(0, other=DOWN), sentinel(1, other=DOWN), replace(sentinel(2), failing_over=True)],
        [sentinel(0, other=DOWN), replace(sentinel(1, other=DOWN), down=True), sentinel(2, master=THIRD, epoch=0)],
        [sentinel(0, other=DOWN), sentinel(1, other=DOWN), sentinel(2, master=ONE_REPLICA, epoch=1)],
        [sentinel(0, other=DOWN), sentinel(1, other=DOWN), sentinel(2, master=ONE_REPLICA, epoch=2)],
        [replace(s, master=None) for s in ALL_SEE_OTHER_DOWN],
    ],
    ids=[
        "nobody answers",
        "one answers",
        "they see it down",
        "they fail over",
        "one fails over, as it was told",
        "only one is sure",
        "one as new names another",
        "a newer one names another",
        "they know no master",
    ],
)
def test_the_sentinels_have_to_hold_to_this_master(voices: list[Sentinel]) -> None:
    """A master that is being deposed must not acknowledge, whatever its replicas have."""
    assert isinstance(judge(seen(role(120, one=100), words={}, sentinels=voices)), Unknown)


def test_a_sentinel_that_is_behind_does_not_count() -> None:
    """One that slept through the last failover still names the master before."""
    voices = [sentinel(0, epoch=5, other=DOWN), sentinel(1, epoch=5, other=DOWN), sentinel(2, master=THIRD, epoch=4)]
    assert judge(seen(role(120, one=100), words={}, sentinels=voices)) == Acknowledge(copies=2)


def test_a_majority_is_of_all_sentinels() -> None:
    """Of five, two are not enough."""
    batch = seen(role(120, one=100), words={}, sentinels=ALL_SEE_OTHER_DOWN[:2], majority=3)
    assert isinstance(judge(batch), Unknown)


# Degraded


ALL_DOWN = [sentinel(n, one=DOWN, other=DOWN) for n in range(3)]


def test_the_last_server_goes_on_alone() -> None:
    """With all others held down an entry is as safe as it can be, and that is said."""
    assert judge(seen(role(120), words={}, sentinels=ALL_DOWN)) == Acknowledge(copies=1, degraded=True)


def test_the_last_server_stops_when_it_is_set_so() -> None:
    """A setting refuses to store on one server alone."""
    assert isinstance(judge(seen(role(120), words={}, sentinels=ALL_DOWN, accept_degraded=False)), Unknown)


@pytest.mark.parametrize("other", [UP, NEVER])
def test_alone_needs_all_others_out(other: Replica) -> None:
    """A replica that is up may be made master; one of priority 0 never is."""
    voices = [sentinel(n, one=DOWN, other=other) for n in range(3)]
    verdict = judge(seen(role(120), words={}, sentinels=voices))
    assert isinstance(verdict, Acknowledge if other is NEVER else Unknown)


def test_a_deposition_does_not_make_the_last_server() -> None:
    """That a deposed master is not made master again holds for half a minute, not for as long as it takes."""
    voices = [sentinel(n, one=DOWN) for n in range(3)]
    assert isinstance(judge(seen(role(120), words={}, deposed=[OTHER], sentinels=voices)), Unknown)


def test_a_copy_that_is_never_made_master_saves_nothing() -> None:
    """A replica of priority 0 counts as a copy, not as one that keeps the entry through a failover."""
    voices = [sentinel(n, one=NEVER, other=DOWN) for n in range(3)]
    verdict = judge(seen(role(120, one=100), words={}, sentinels=voices))
    assert verdict == Acknowledge(copies=2, degraded=True)


# Rows of the table: a moment in which one replica has the entry, which WAIT 1 takes for safe. It is lost: the other one
# was or will be made master.


ROWS = {
    "master paused 1-2.8 s: between the promotion of one replica and the re-pointing of the other": {
        "words": {OTHER: Role(master=True)},
        "sentinels": [sentinel(0, master=OTHER, epoch=2), sentinel(1, epoch=1), sentinel(2, epoch=1)],
    },
    "master paused: the leader's election is under way": {
        "words": {OTHER: Role(master=False, follows=MASTER, connected=True)},
        "sentinels": [replace(sentinel(0), failing_over=True), sentinel(1), sentinel(2)],
    },
    "master paused: the leader has promoted, and its own view is stale": {
        "words": {OTHER: Role(master=True)},
        "sentinels": [sentinel(0, master=OTHER, epoch=1), sentinel(1, other=DOWN), sentinel(2, other=DOWN)],
    },
    "master's host cut off: no sentinel but its own is heard": {
        "words": {},
        "sentinels": [sentinel(0, other=DOWN)],
    },
    "master and a replica cut from the rest: the minority's sentinel alone is heard": {
        "words": {},
        "sentinels": [sentinel(0, other=DOWN)],
    },
    "the same, and the node sees both sides": {
        "words": {OTHER: Role(master=True)},
        "sentinels": [sentinel(0, other=DOWN), sentinel(1, OTHER, 2), sentinel(2, OTHER, 2)],
    },
    "SENTINEL FAILOVER: the replica has been told, the others have not": {
        "words": {OTHER: Role(master=True)},
        "sentinels": [replace(sentinel(0, OTHER, 2), failing_over=True), sentinel(1), sentinel(2)],
    },
    "the lagging replica has the better priority": {
        "words": {OTHER: Role(master=False, follows=MASTER, connected=True)},
        "sentinels": [sentinel(n) for n in range(3)],
    },
    "the good replica hiccups during the election": {
        "words": {OTHER: Role(master=False, follows=MASTER, connected=True)},
        "sentinels": [replace(sentinel(n, one=DOWN), down=True) for n in range(3)],
    },
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_what_wait_1_loses_is_not_acknowledged(row: dict[str, object]) -> None:
    """Every moment in which WAIT 1 lost entries is unknown to the rule."""
    moment = seen(role(120, one=100), **row)
    assert ONE.judge(moment) == Acknowledge(copies=2)
    assert isinstance(judge(moment), Unknown)


def test_a_killed_master_acknowledges_nothing() -> None:
    """No answer is no ROLE, and no ROLE is no master."""
    dead = Seen(MASTER, Role(master=False), Role(master=False), known={ONE_REPLICA, OTHER})
    assert isinstance(judge(dead), Unknown)


def test_asking_the_sentinels_alone_is_not_enough() -> None:
    """When the node sees both sides of a partition, two sentinels that were re-pointed a moment later prove nothing."""
    moment = seen(role(120, one=100), words={OTHER: Role(master=True)}, sentinels=[sentinel(0), sentinel(1)])
    assert FENCED.judge(moment) == Acknowledge(copies=2)
    assert isinstance(judge(moment), Unknown)


# Weaker rules, for drills


def test_the_weaker_rules_are_weaker() -> None:
    """Without any replica ``none`` is content, ``one`` and ``fenced`` are not; ``fenced`` asks the sentinels."""
    nobody, somebody = seen(role(120, one=99)), seen(role(120, one=100))
    assert NONE.judge(nobody) == Acknowledge(copies=1)
    assert isinstance(ONE.judge(nobody), Unknown)
    assert isinstance(FENCED.judge(nobody), Unknown)
    assert FENCED.judge(somebody) == AskSentinels()
    assert isinstance(FENCED.judge(replace(somebody, sentinels=[])), Unknown)
    assert [rule.waits_for for rule in (NONE, ONE, FENCED)] == [0, 1, 1]


def test_one_server_is_its_own_witness() -> None:
    """Without Sentinel nobody is promoted: the server's word counts, as long as it is a master."""
    assert ALONE.judge(seen(role(120, one=100))) == Acknowledge(copies=2)
    assert isinstance(ALONE.judge(seen(Role(master=False))), Unknown)


# Properties


offsets = st.sampled_from([0, 99, 100, 120])
replicas = st.dictionaries(st.sampled_from([ONE_REPLICA, OTHER, THIRD]), offsets)
roles = st.builds(Role, master=st.just(True), offset=st.sampled_from([100, 120]), replicas=replicas)
words = st.dictionaries(
    st.sampled_from([ONE_REPLICA, OTHER, THIRD]),
    st.builds(Role, st.booleans(), follows=st.sampled_from([MASTER, OTHER]), connected=st.booleans()),
)
views = st.dictionaries(
    st.sampled_from([ONE_REPLICA, OTHER, THIRD]), st.builds(Replica, st.booleans(), st.booleans()), max_size=3
)
voices = st.lists(
    st.builds(
        Sentinel,
        id=st.sampled_from(["a", "b", "c"]),
        master=st.sampled_from([MASTER, MASTER, MASTER, ONE_REPLICA, None]),
        epoch=st.integers(0, 2),
        down=st.sampled_from([False, False, True]),
        failing_over=st.sampled_from([False, False, True]),
        replicas=views,
    ),
    unique_by=lambda voice: voice.id,
    max_size=3,
)
moments = st.builds(
    Seen,
    master=st.just(MASTER),
    before=st.just(role(100)),
    after=roles,
    known=st.sets(st.sampled_from([ONE_REPLICA, OTHER, THIRD])),
    deposed=st.sets(st.sampled_from([ONE_REPLICA, OTHER])),
    words=words,
    sentinels=voices,
    majority=st.just(2),
    accept_degraded=st.booleans(),
)


@given(moments)
def test_nothing_is_acknowledged_without_a_majority_or_everybody(moment: Seen) -> None:
    """When a replica is missing, two sentinels hold to this master, undisturbed, and none as new to another."""
    if isinstance(judge(moment), Acknowledge) and moment.missing:
        holding = [v for v in moment.sentinels or () if v.master == MASTER and not v.down and not v.failing_over]
        assert len(holding) >= 2
        newest = sorted(v.epoch for v in holding)[-2]
        assert all(v.master in (None, MASTER) or v.epoch < newest for v in moment.sentinels or ())


@given(moments)
def test_every_missing_replica_is_accounted_for(moment: Seen) -> None:
    """Each that may be without the entry joins, was deposed, is silent and down for two, or is never made master."""
    if isinstance(judge(moment), Acknowledge):
        for replica in moment.missing:
            word = (moment.words or {}).get(replica)
            joins = word is not None and word.follows == MASTER and not word.connected
            out = [v for v in moment.sentinels or () if replica in v.replicas]
            down = word is None and sum(v.replicas[replica].down for v in out) >= 2
            never = sum(not v.replicas[replica].promotable for v in out) >= 2
            assert joins or replica in moment.deposed or down or never


@given(moments, st.data())
def test_less_evidence_never_makes_it_safe(moment: Seen, data: st.DataObject) -> None:
    """Taking away a confirmation, a sentinel or what was seen never turns unknown into acknowledged."""
    less = [
        replace(moment, after=moment.after._replace(replicas=dict.fromkeys(moment.after.replicas, 0))),
        replace(moment, sentinels=(moment.sentinels or ())[1:]),
        replace(moment, deposed=()),
        replace(moment, known={*moment.known, THIRD}),
    ]
    if isinstance(judge(moment), Unknown):
        weaker = data.draw(st.sampled_from(less))
        # A dissenting sentinel that falls silent may make a difference; so may one that is left out of the others.
        if weaker.sentinels == moment.sentinels and weaker.after == moment.after:
            assert not isinstance(judge(weaker), Acknowledge)


@given(moments)
def test_copies_are_the_servers_that_have_it(moment: Seen) -> None:
    """``copies`` counts the master and every replica that confirmed; degraded only when no promotable one did."""
    verdict = judge(moment)
    if isinstance(verdict, Acknowledge):
        assert verdict.copies == 1 + len(moment.have)
        if verdict.degraded:
            assert moment.accept_degraded


def test_role_is_read() -> None:
    """The three answers to ROLE, and anything else, which is no master."""
    master = parse_role([b"master", 120, [[b"10.0.0.1", b"6380", b"100"]]])
    assert master == Role(master=True, offset=120, replicas={ONE_REPLICA: 100})
    replica = parse_role([b"slave", b"10.0.0.1", 6379, b"sync", 7])
    assert replica == Role(master=False, offset=7, follows=MASTER, connected=False)
    assert parse_role([b"slave", b"10.0.0.1", 6379, b"connected", 7]).connected is True
    assert parse_role([b"sentinel", [b"mymaster"]]) == Role(master=False)
    assert parse_role(ValueError("an error")) == Role(master=False)

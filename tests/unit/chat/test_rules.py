"""What may be appended."""

from __future__ import annotations

from itertools import product

import pytest

from datchat.chat import rules
from datchat.chat.model import Draft, Kind
from datchat.chat.rules import Named
from datchat.errors import Forbidden, NoSuchEntry, NoSuchRoom
from support.drafts import ALICE, BOB, deletion, draft, edit, message, reaction

OWN, OTHERS = Named(ALICE.id, deleted=False), Named(BOB.id, deleted=False)
DRAFTS = {
    "message": message(),
    "reply": message(reply_to=1),
    "edit": edit(1),
    "deletion": deletion(1),
    "moderation": deletion(1, moderator=True),
    "reaction": reaction(1),
}


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ("message", None),
        ("reply", OWN),
        ("reply", OTHERS),
        ("edit", OWN),
        ("deletion", OWN),
        ("moderation", OWN),
        ("moderation", OTHERS),
        ("reaction", OWN),
        ("reaction", OTHERS),
    ],
)
def test_what_is_allowed(sent: str, named: Named | None) -> None:
    """These go through."""
    rules.judge(DRAFTS[sent], archived=False, named=named)


@pytest.mark.parametrize(("sent", "named"), [("edit", OTHERS), ("deletion", OTHERS)])
def test_what_is_somebody_elses(sent: str, named: Named) -> None:
    """Edits and deletions of other people's messages are forbidden."""
    with pytest.raises(Forbidden):
        rules.judge(DRAFTS[sent], archived=False, named=named)


@pytest.mark.parametrize("sent", [name for name in DRAFTS if name != "message"])
def test_what_is_not_there(sent: str) -> None:
    """Nothing names what is no message, or a deleted one, one's own or not."""
    for named in (None, Named(ALICE.id, deleted=True), Named(BOB.id, deleted=True)):
        with pytest.raises(NoSuchEntry):
            rules.judge(DRAFTS[sent], archived=False, named=named)


@pytest.mark.parametrize(("sent", "named"), list(product(DRAFTS, [None, OWN, OTHERS])))
def test_an_archived_room_takes_nothing(sent: str, named: Named | None) -> None:
    """Whatever it is, and whatever it names."""
    with pytest.raises(NoSuchRoom):
        rules.judge(DRAFTS[sent], archived=True, named=named)


@pytest.mark.parametrize(
    ("sent", "offset"),
    [
        (message(), None),
        (message(reply_to=7), 7),
        (draft(Kind.MESSAGE, target=7), None),
        (edit(7), 7),
        (deletion(7), 7),
        (reaction(7), 7),
        (draft(Kind.EDIT, reply_to=7), None),
    ],
)
def test_what_a_draft_names(sent: Draft, offset: int | None) -> None:
    """A message names what it replies to, everything else its target."""
    assert rules.names(sent) == offset

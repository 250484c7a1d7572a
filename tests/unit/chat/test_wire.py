"""The protocol's JSON: every command's limits, every push's form, and that nothing a client sends is unexpected."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datchat.chat import wire
from datchat.chat.chain import extend
from datchat.chat.model import (
    GENESIS,
    START,
    Content,
    Cursor,
    Draft,
    Entry,
    Kind,
    Message,
    RoomId,
    StoreState,
    User,
)
from datchat.errors import BadCommand, ClientError, Empty, Forbidden, Indeterminate, RateLimited, TooLarge, Unavailable

ALICE = User("u_1", "alice")

COMMANDS: dict[str, dict[str, Any]] = {
    "join": {"room": "lobby", "cursor": "42:9f0c2d1e5a7b3c48", "limit": 500},
    "leave": {"room": "lobby"},
    "post": {"room": "lobby", "nonce": "n-1_A", "text": "hello", "reply_to": 41, "age_ms": 0},
    "edit": {"room": "lobby", "nonce": "n", "target": 42, "text": "hallo", "age_ms": 1},
    "delete": {"room": "lobby", "nonce": "n", "target": 42, "age_ms": 1},
    "react": {"room": "lobby", "nonce": "n", "target": 42, "emoji": "👍", "on": True, "age_ms": 1},
    "typing": {"room": "lobby"},
    "read": {"room": "lobby", "offset": 42},
    "ping": {},
}
"""Each command with every field that it has."""

OPTIONAL = {"cursor", "limit", "reply_to", "age_ms"}

WRONG: dict[str, list[Any]] = {
    "room": ["", "Lobby", "-lobby", "a b", "ä", "x" * 65, "lobby\n", None, 7, ["lobby"], {}],
    "cursor": [
        "",
        "42",
        "42:",
        ":9f0c2d1e5a7b3c48",
        "42:9F0C2D1E5A7B3C48",
        "042:9f0c2d1e5a7b3c48",
        "-1:" + GENESIS,
        42,
    ],
    "limit": [0, -1, 501, 1.5, "50", None, True],
    "nonce": ["", "a b", "x" * 65, "ü", "n\n", None, 7],
    "text": [None, 7, True, ["hello"], {}],
    "reply_to": [0, -1, 1.5, "41", True, 2**53],
    "age_ms": [-1, 1.5, "0", True, 2**53],
    "target": [0, -1, 1.5, "42", True, None, 2**53, 10**30],
    "offset": [0, -1, 1.5, "42", True, None, 2**53],
    "emoji": [None, 7, "a\u0007", "a b", "\u202e"],
    "on": [None, 0, 1, "true"],
}
"""For each field, values that are refused as ``bad_command``."""


def frame(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def refusal(data: bytes) -> ClientError:
    """The error with which a frame is refused."""
    with pytest.raises(ClientError) as caught:
        wire.decode_command(data)
    return caught.value


# Commands


@pytest.mark.parametrize("kind", COMMANDS)
def test_reads_every_command(kind: str) -> None:
    """Each command comes out with the fields that went in."""
    command = wire.decode_command(frame(kind, id=7, **COMMANDS[kind]))

    assert msgspec.to_builtins(command) == {"type": kind, "id": 7, **COMMANDS[kind]}


def test_the_table_above_is_whole() -> None:
    """COMMANDS and WRONG name every command and every field that the wire knows."""
    structs: dict[str, Any] = {cls.__struct_config__.tag: cls for cls in wire.Command.__subclasses__()}
    fields = {kind: {*cls.__struct_fields__} - {"id"} for kind, cls in structs.items()}

    assert {kind: set(known) for kind, known in COMMANDS.items()} == fields
    assert set(WRONG) == set().union(*fields.values())


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in COMMANDS.items() for field in fields if field in OPTIONAL]
)
def test_optional_fields_may_be_missing(kind: str, field: str) -> None:
    """A command without one of its optional fields is served."""
    fields = {name: value for name, value in COMMANDS[kind].items() if name != field}

    wire.decode_command(frame(kind, **fields))


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind, fields in COMMANDS.items() for field in fields if field not in OPTIONAL],
)
def test_required_fields_must_be_there(kind: str, field: str) -> None:
    """A command without one of its required fields is a bad command whose reason names the field."""
    fields = {name: value for name, value in COMMANDS[kind].items() if name != field}

    error = refusal(frame(kind, id="c-1", **fields))

    assert (error.code, error.id) == ("bad_command", "c-1")  # type: ignore[attr-defined]
    assert f"`{field}`" in str(error)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(kind, field, value) for kind, fields in COMMANDS.items() for field in fields for value in WRONG[field]],
)
def test_wrong_values_are_bad_commands(kind: str, field: str, value: Any) -> None:
    """Every wrong value of every field is refused as bad_command, and the id is echoed."""
    error = refusal(frame(kind, id=3, **{**COMMANDS[kind], field: value}))

    assert (error.code, error.id) == ("bad_command", 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", COMMANDS)
def test_unknown_fields_are_ignored(kind: str) -> None:
    """A field that the protocol doesn't know changes nothing: newer clients may send more."""
    plain = wire.decode_command(frame(kind, **COMMANDS[kind]))

    assert wire.decode_command(frame(kind, **COMMANDS[kind], colour={"of": ["the", "sea"]})) == plain


@pytest.mark.parametrize("command_id", [None, 0, -1, 7, 2.5, 2**64, "", "a", "ü" * 64])
def test_ids_are_numbers_or_short_strings(command_id: Any) -> None:
    """An id of any permitted form is kept as it is."""
    assert wire.decode_command(frame("ping", id=command_id)).id == command_id


@pytest.mark.parametrize("command_id", ["x" * 65, True, [], {}])
def test_other_ids_are_refused_and_not_echoed(command_id: Any) -> None:
    """An id that is no id is a bad command, and what it was does not come back."""
    error = refusal(frame("ping", id=command_id))

    assert (error.code, error.id) == ("bad_command", None)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"ping"',
        b"{}",
        b'{"type":"pang"}',
        b'{"type":7}',
        b'{"type":"ping"',
        b'{"type":"ping"} {}',
        b'\xef\xbb\xbf{"type":"ping"}',
        b'{"type":"ping","id":NaN}',
        b'{"type":"ping","id":1e400}',
        b'{"type":"ping","id":"\\ud800"}',
        b'{"type":"ping","more":"\xff"}',
        b'{"type":"ping","id":' + b"9" * 60_000 + b"}",
        b'{"type":"react","room":"a","nonce":"n","target":1,"emoji":"\\ud83d","on":true}',
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_no_command_is_refused(data: bytes) -> None:
    """No JSON, no object, no known type, broken UTF-8, half a surrogate pair: each is a bad command."""
    assert refusal(data).code == "bad_command"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_json_is_refused(opening: bytes) -> None:
    """JSON as deep as a frame allows is refused before any parser climbs down into it."""
    closing = b"]" if opening == b"[" else b"}"
    depth = 60_000 // (len(opening) + 1)

    assert "nested" in str(refusal(b'{"type":"ping","x":' + opening * depth + b"1" + closing * depth + b"}"))


def test_looking_at_the_nesting_takes_linear_time() -> None:
    """A full frame of escaped quotation marks in a string without an end costs no more than another."""
    hostile = b'{"type":"ping","x":' + b"[" * 33 + b'"' + b'\\"' * 32_000
    began = time.process_time()

    with pytest.raises(BadCommand):
        wire.decode_command(hostile)

    assert time.process_time() - began < 0.5, "the square of the length would be many seconds"


def test_nesting_within_the_limit_and_in_strings_is_fine() -> None:
    """Exactly 32 levels are served, and brackets inside a string are no levels."""
    deep = b"[" * (wire.MAX_NESTING - 1) + b"]" * (wire.MAX_NESTING - 1)

    assert wire.decode_command(b'{"type":"ping","x":' + deep + b"}") == wire.Ping()
    assert wire.decode_command(frame("ping", x='\\"' + "[{" * 1000)) == wire.Ping()
    assert refusal(b'{"type":"ping","x":[' + deep + b"]}").code == "bad_command"


@pytest.mark.parametrize("kind", ["post", "edit"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Empty),
        (" \t\n\u00a0\u3000", Empty),
        ("x" * 4001, TooLarge),
        (" " * 4001, TooLarge),
        ("x", None),
        ("x" * 4000, None),
        ("👍" * 4000, None),
        ("a\x00b", None),
    ],
    ids=["empty", "white space", "4001", "4001 spaces", "one", "4000", "4000 emoji", "NUL"],
)
def test_limits_of_text(kind: str, text: str, expected: type[ClientError] | None) -> None:
    """A text has 1 to 4000 characters, counted as characters and not as bytes, and is not only white space."""
    data = frame(kind, **{**COMMANDS[kind], "id": 9, "text": text})
    if expected is None:
        assert wire.decode_command(data).text == text  # type: ignore[union-attr]
    else:
        error = refusal(data)
        assert (type(error), error.id) == (expected, 9)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("emoji", "expected"),
    [
        ("", Empty),
        ("👍" * 9, TooLarge),
        ("a\nb", BadCommand),
        ("a\u00a0b", BadCommand),
        ("👍" * 8, None),
        ("👩‍👩‍👧", None),
        ("❤️", None),
        ("1️⃣", None),
        ("🏴\U000e0067\U000e0062\U000e007f", None),
        ("+1", None),
    ],
    ids=["none", "36 bytes", "line break", "space", "32 bytes", "family", "heart", "keycap", "flag", "text"],
)
def test_limits_of_emoji(emoji: str, expected: type[ClientError] | None) -> None:
    """An emoji has 1 to 32 bytes of UTF-8, without white space and control characters; joiners are welcome."""
    data = frame("react", **{**COMMANDS["react"], "emoji": emoji})
    if expected is None:
        assert wire.decode_command(data).emoji == emoji  # type: ignore[union-attr]
    else:
        assert type(refusal(data)) is expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
@example(b'{"type":"ping"}')
def test_no_bytes_do_anything_unexpected(data: bytes) -> None:
    """Whatever bytes come, they are a command or a client's error; nothing else escapes."""
    answer: Any
    try:
        answer = wire.decode_command(data)
    except ClientError as error:
        answer = error

    assert isinstance(answer, wire.Command | ClientError)


@given(st.sampled_from(sorted(COMMANDS)), st.data())
def test_no_value_of_a_field_does_anything_unexpected(kind: str, data: st.DataObject) -> None:
    """Any JSON value in any field of any command is served or refused, and a refusal can be told to the client."""
    fields: dict[str, Any] = {"id": 1, **COMMANDS[kind]}
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(json_values)
    try:
        command = wire.decode_command(frame(kind, **fields))
    except ClientError as error:
        push = json.loads(wire.refused(getattr(error, "id", None), error))
        assert push["code"] in {"bad_command", "empty", "too_large"}
    else:
        assert json.loads(wire.encode(command))["type"] == kind


def test_identify_reads_the_id_of_what_is_otherwise_wrong() -> None:
    """The id of a command of unknown type is found; of what is no JSON, it is None."""
    assert wire.identify(b'{"type":"pang","id":"x"}') == "x"
    assert wire.identify(b'{"id":"x"') is None
    assert wire.identify(b'"x"') is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("post", Kind.MESSAGE), ("edit", Kind.EDIT), ("delete", Kind.DELETION), ("react", Kind.REACTION)],
)
def test_posting_kind(kind: str, expected: Kind) -> None:
    """Each command that adds to the log asks for its kind of entry."""
    command = wire.decode_command(frame(kind, **COMMANDS[kind]))

    assert isinstance(command, wire.Posting)
    assert wire.posting_kind(command) is expected


# Entries


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
drafts = st.builds(
    Draft,
    room=st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True).map(RoomId),
    kind=st.sampled_from(Kind),
    author=st.builds(User, names, names),
    nonce=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    at=st.integers(0, wire.MAX_OFFSET),
    via=names,
    text=st.none() | names,
    reply_to=st.none() | st.integers(1, wire.MAX_OFFSET),
    target=st.none() | st.integers(1, wire.MAX_OFFSET),
    emoji=st.none() | names,
    on=st.none() | st.booleans(),
    moderator=st.booleans(),
)


@given(drafts, st.integers(1, wire.MAX_OFFSET), st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
def test_a_push_gives_the_entry_back(draft: Draft, offset: int, chain: str) -> None:
    """An entry push can be read back into the very entry, stored bytes and all: a client can check the chain."""
    entry = Entry(draft.room, offset, chain, wire.stored_bytes(draft))

    push = wire.entry_json(entry)

    assert wire.parse_entry(push) == entry
    said = json.loads(push)
    assert said == {
        "type": "entry",
        "room": draft.room,
        "offset": offset,
        "chain": chain,
        **json.loads(entry.body),
    }


@given(drafts)
def test_stored_bytes_say_the_draft(draft: Draft) -> None:
    """The stored bytes hold every field of the draft but its room and its moderator flag; absent ones take no place."""
    content = wire.content(Entry(draft.room, 1, GENESIS, wire.stored_bytes(draft)))

    for field in Content.__struct_fields__:
        assert getattr(content, field) == getattr(draft, field)
    assert None not in json.loads(wire.stored_bytes(draft)).values()
    assert not {"room", "moderator"} & set(json.loads(wire.stored_bytes(draft)))


def test_stored_bytes_are_for_good() -> None:
    """The order of fields and the way of encoding never change: the chains of all existing logs run over them."""
    draft = Draft(
        room=RoomId("lobby"),
        kind=Kind.MESSAGE,
        author=ALICE,
        nonce="n-1",
        at=1_795_503_600_123,
        via="web0",
        text='grüße "👋" </script>\n',
        reply_to=3,
    )
    body = wire.stored_bytes(draft)

    assert body.decode() == (
        '{"kind":"message","author":{"id":"u_1","name":"alice"},"at":1795503600123,"nonce":"n-1","via":"web0",'
        '"text":"grüße \\"👋\\" </script>\\n","reply_to":3}'
    )
    assert extend(GENESIS, body) == "691a7d86aba896db"


@pytest.mark.parametrize(
    "push",
    [b"", b"{}", b'{"type":"pong","id":1}', b'{"type":"entry","room":"a","offset":1,"chain":"xyz","kind":"message"}'],
)
def test_other_pushes_are_no_entries(push: bytes) -> None:
    """What is no entry push is refused."""
    with pytest.raises(ValueError, match="not an entry push"):
        wire.parse_entry(push)


def test_damaged_stored_bytes_are_noticed() -> None:
    """Stored bytes that say no entry raise instead of showing something else."""
    with pytest.raises(msgspec.DecodeError):
        wire.content(Entry(RoomId("lobby"), 1, GENESIS, b'{"kind":"message"}'))


# Replies and pushes


def test_hello() -> None:
    """The first frame names protocol, node, user, limits and the store's state."""
    assert json.loads(wire.hello("web0", ("10.0.0.3",), ALICE, 15.0, StoreState())) == {
        "type": "hello",
        "protocol": 1,
        "node": {"name": "web0", "addresses": ["10.0.0.3"]},
        "user": {"id": "u_1", "name": "alice"},
        "ping_s": 15.0,
        "limits": {"text": 4000, "frame": 65536},
        "store": {"state": "ok", "master": None, "copies": 1, "since_ms": 0},
    }


def test_joined_names_a_hundred_members_at_most() -> None:
    """``members`` is cut after the first 100; ``count`` counts them all; entries are whole entry pushes."""
    body = b'{"kind":"message","author":{"id":"u_1","name":"alice"},"at":1,"nonce":"n","via":"web0","text":"hi"}'
    entry = Entry(RoomId("lobby"), 1, extend(GENESIS, body), body)
    users = [User(f"u_{n}", f"user {n}") for n in range(101)]

    reply = json.loads(
        wire.joined(
            wire.Join(id="j", room=RoomId("lobby")),
            [entry],
            entry.cursor,
            more=True,
            reset=False,
            members=users,
            count=101,
        )
    )

    assert reply["entries"] == [json.loads(wire.entry_json(entry))]
    assert (reply["id"], reply["room"], reply["cursor"]) == ("j", "lobby", f"1:{entry.chain}")
    assert (reply["more"], reply["reset"], reply["count"], len(reply["members"])) == (True, False, 101, 100)


def test_stored() -> None:
    """The acknowledgement holds the cursor, the number of copies and whether it was a double."""
    reply = json.loads(wire.stored(2, "lobby", "n", Cursor(42, "9f0c2d1e5a7b3c48"), 1, True))

    assert reply == {
        "type": "stored",
        "id": 2,
        "room": "lobby",
        "nonce": "n",
        "offset": 42,
        "cursor": "42:9f0c2d1e5a7b3c48",
        "copies": 1,
        "duplicate": True,
    }


@pytest.mark.parametrize(
    ("error", "code", "retry", "retry_after_ms"),
    [
        (Forbidden("no"), "forbidden", False, None),
        (RateLimited("slow down", 1500), "rate_limited", True, 1500),
        (Unavailable("no"), "unavailable", True, None),
        (Indeterminate("perhaps"), "unavailable", True, None),
    ],
)
def test_refused(error: ClientError | Unavailable, code: str, retry: bool, retry_after_ms: int | None) -> None:
    """A refusal holds code, sentence, whether and when to try again."""
    assert json.loads(wire.refused(2, error)) == {
        "type": "refused",
        "id": 2,
        "code": code,
        "message": str(error),
        "retry": retry,
        "retry_after_ms": retry_after_ms,
    }


@pytest.mark.parametrize(
    ("push", "expected"),
    [
        (wire.left(wire.Leave(id=1, room=RoomId("a"))), {"type": "left", "id": 1, "room": "a"}),
        (wire.pong(wire.Ping(id="p")), {"type": "pong", "id": "p"}),
        (wire.typing("a", ALICE), {"type": "typing", "room": "a", "user": {"id": "u_1", "name": "alice"}}),
        (
            wire.roster("a", 1, [ALICE], []),
            {"type": "roster", "room": "a", "count": 1, "joined": [{"id": "u_1", "name": "alice"}], "left": []},
        ),
        (wire.read("a", 4), {"type": "read", "room": "a", "offset": 4}),
        (wire.room_changed("created", {"id": "a"}), {"type": "room", "change": "created", "room": {"id": "a"}}),
        (
            wire.room_changed("member_added", {"id": "a"}, "u_2"),
            {"type": "room", "change": "member_added", "room": {"id": "a"}, "user": "u_2"},
        ),
        (
            wire.store(StoreState(state="degraded", master="redis1", copies=1, since_ms=7)),
            {"type": "store", "state": "degraded", "master": "redis1", "copies": 1, "since_ms": 7},
        ),
        (wire.bye("draining", 40), {"type": "bye", "reason": "draining", "retry_after_ms": 40}),
        (wire.bye("session ended", None), {"type": "bye", "reason": "session ended", "retry_after_ms": None}),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_pushes(push: bytes, expected: dict[str, Any]) -> None:
    """Every other push has exactly the fields of the protocol."""
    assert json.loads(push) == expected


def test_a_message_of_a_view() -> None:
    """A view's message says what the viewer has on; absent fields take no place."""
    message = Message(
        offset=7,
        author=ALICE,
        at=1,
        via="web0",
        nonce="n",
        text="hi",
        reactions={"👍": ("u_1", "u_2")},
        replies=2,
        revision=9,
    )
    expected = {
        "offset": 7,
        "author": ALICE,
        "at": 1,
        "via": "web0",
        "nonce": "n",
        "text": "hi",
        "deleted": False,
        "reactions": [{"emoji": "👍", "count": 2, "mine": True, "users": ("u_1", "u_2")}],
        "replies": 2,
        "revision": 9,
    }

    assert wire.message_fields(message, "u_1") == expected
    changed = msgspec.structs.replace(message, reply_to=3, edited_at=5)
    assert wire.message_fields(changed, "u_3") == {
        **expected,
        "reply_to": 3,
        "edited_at": 5,
        "reactions": [{"emoji": "👍", "count": 2, "mine": False, "users": ("u_1", "u_2")}],
    }


# Frames and cursors


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_text_frames(size: int, head: bytes) -> None:
    """A frame has the shortest length form (RFC 6455, section 5.2), is final and unmasked."""
    payload = b"x" * size

    assert wire.text_frame(payload) == head + payload


@given(st.integers(0, 10**16 - 1), st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
def test_cursors_read_back(offset: int, chain: str) -> None:
    """A cursor's text gives the cursor back, and is what the wire takes for one."""
    cursor = Cursor(offset, chain)

    assert Cursor.parse(str(cursor)) == cursor
    assert wire.decode_command(frame("join", room="a", cursor=str(cursor))).cursor == str(cursor)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["", "1", "1:abc", f"01:{GENESIS}", f"-1:{GENESIS}", f"1:{GENESIS}\n", f"\u0661:{GENESIS}"]
)
def test_what_is_no_cursor(text: str) -> None:
    """Anything else is no cursor."""
    with pytest.raises(ValueError, match="a cursor looks like"):
        Cursor.parse(text)


def test_the_start_is_a_cursor() -> None:
    """The place before the first entry can be joined from."""
    assert Cursor.parse(f"0:{GENESIS}") == START

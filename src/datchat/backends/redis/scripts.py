"""The Lua scripts: read once, loaded on each new connection, called by their SHA."""

from __future__ import annotations

from hashlib import sha1
from importlib import resources
from typing import Any

from datchat.backends.redis.faults import ReplyFault
from datchat.backends.redis.link import Command, Link, Word

LOAD_S = 0.7

_FILES = resources.files(__package__).joinpath("scripts")
_PLACES = _FILES.joinpath("places.lua").read_text()


class Script:
    """One script; what its file says first is what it wants and answers."""

    def __init__(self, name: str, *, places: bool = False) -> None:
        text = _FILES.joinpath(f"{name}.lua").read_text()
        self.source = f"{_PLACES}\n{text}" if places else text
        self._sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        ALL.append(self)

    def __call__(self, keys: list[str], *args: Word) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self._sha, len(keys), *keys, *args)


ALL: list[Script] = []

APPEND = Script("append", places=True)
READ = Script("read", places=True)
BEFORE = Script("before", places=True)
VIEW = Script("view", places=True)
STANDING = Script("standing", places=True)
CREATE_ROOM = Script("create_room")
LIST_ROOM = Script("list_room")
UPDATE_ROOM = Script("update_room")
MARK = Script("mark")
ADD_MEMBER = Script("add_member")
CREATE_ACCOUNT = Script("create_account")
ACCOUNT_BY_EMAIL = Script("account_by_email")
CHANGE_ACCOUNT = Script("change_account")
OPEN_SESSION = Script("open_session")
END_SESSION = Script("end_session")
SESSIONS = Script("sessions")
TOUCH = Script("touch")
ROSTER = Script("roster")
SETTLE = Script("settle")


async def load(link: Link) -> None:
    """
    Give all scripts to the server.

    Raises:
        ReplyFault, TimeoutError, ConnectionError: It did not take them.
    """
    for reply in await link.pipeline([("SCRIPT", "LOAD", script.source) for script in ALL], LOAD_S):
        if isinstance(reply, ReplyFault):
            raise reply
    link.scripts_loaded = True


def missing(reply: Any) -> bool:
    """Whether an answer says that the server has lost its scripts."""
    return isinstance(reply, ReplyFault) and reply.code == "NOSCRIPT"

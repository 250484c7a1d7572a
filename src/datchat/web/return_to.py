"""Where to go after signing in: only ever to a path of this site."""

from __future__ import annotations

import re

MAX_PATH = 512
# One slash, then neither a second nor a backslash, which browsers read as one (WHATWG URL, "special authority
# slashes"); and no control characters or white space, which they drop before they look.
_LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?", re.ASCII)


def local_path(text: str | None) -> str | None:
    """The text, if it is a path of this site that a sign-in may end on, else None."""
    if text is None or len(text) > MAX_PATH or _LOCAL.fullmatch(text) is None or text.startswith("/auth/"):
        return None
    return text

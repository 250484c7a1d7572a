"""Where a sign-in may end."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datchat.web.return_to import MAX_PATH, local_path


@pytest.mark.parametrize("path", ["/", "/rooms/lobby", "/cluster?x=//y", "/a/../b", "/a%2Fb", "/x" * (MAX_PATH // 2)])
def test_paths_of_this_site_are_kept(path: str) -> None:
    """As they are."""
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "rooms/lobby",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "/ /evil",
        "/a\\b",
        "https://evil.example",
        "javascript:alert(1)",
        "/\x00",
        "/\x7f",
        "/é",
        "/\ud800",
        "/\u2028",
        "/auth/sign_out",
        "/x" * MAX_PATH,
        "/a\r\nSet-Cookie: x=y",
    ],
)
def test_everything_else_is_not(text: str | None) -> None:
    """Other sites, however they are spelt, other headers, and the forms themselves."""
    assert local_path(text) is None


@given(st.text(alphabet="/\\.:@ab%?#\t\n \u2044é") | st.text())
@example("/.//evil.example")
def test_no_accepted_path_leaves_the_site(text: str) -> None:
    """Resolved as a browser does, scheme and host stay."""
    path = local_path(text)
    if path is not None:
        parts = urlsplit(urljoin("https://chat.example/auth/sign_in", path))
        assert (parts.scheme, parts.netloc) == ("https", "chat.example")
        assert path.isascii()
        assert path.isprintable()

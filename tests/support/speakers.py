"""What runs beside the tests and has something to say: it is shown when a test fails."""

from __future__ import annotations

from collections.abc import Callable

alive: dict[str, Callable[[], str]] = {}
"""By the name of what runs, how to ask what its parts said last. Whoever starts it puts it here, and takes it out."""

"""
What is imported for no use of ours is left out, before anything else of a command is loaded.

structlog loads rich where it is installed, for tracebacks that nobody here asks for: 0.28 of the 0.74 CPU seconds, and
3 of the 39 MB, that a node took until it could begin (Python 3.11). A name that is None in ``sys.modules`` can't be
imported (the language reference, 5.3.1).
"""

import gc
import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


def start() -> None:
    """While a program is loaded there is next to no garbage: nobody looks for it. ``started`` has to follow."""
    gc.disable()


def started() -> None:
    """From here on garbage is looked for, among what has come since: what was loaded stays as long as the process."""
    gc.freeze()
    gc.enable()

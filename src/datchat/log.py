"""How the log is written: one line an event, as text for people or JSON for machines."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_log(style: str, level: str, node: str) -> None:
    """Set up logging of the whole process, to standard error. ``style`` is ``text`` or ``json``."""

    def name_node(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, "node": node}

    render: Any = structlog.processors.JSONRenderer()
    if style == "text":
        # Plain: rich tracebacks show local variables, and with them passwords and tokens.
        plain = structlog.dev.plain_traceback
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=plain)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_node,
            *([structlog.processors.format_exc_info] if style == "json" else []),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(_LEVELS[level], logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )


def warn_of(variables: Sequence[str]) -> None:
    """Say which variables of the environment look like settings and are none."""
    if variables:
        structlog.get_logger("datchat").warning("not a setting: see datchat settings", variables=" ".join(variables))

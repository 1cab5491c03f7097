"""
Write a line for each recorded event, while the logger `chaukas.sdk` is at DEBUG.

For people who wonder whether their program is recorded: names and ids, no content.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import Any

__all__ = ["log_event"]

_LOGGER = logging.getLogger("chaukas.sdk")
_PREFIX = "EVENT_TYPE_"
_here = threading.local()


def log_event(event: dict[str, Any]) -> None:
    """
    Log that *event* was recorded, if anybody reads such lines.

    A handler that records events itself, or that fails, is the host's affair: its own
    events get no line, and nothing that it raises comes out here.
    """
    # A look into a cache, which is all that it costs a program that has them off.
    if not _LOGGER.isEnabledFor(logging.DEBUG):
        return
    if getattr(_here, "is_logging", False):
        return
    _here.is_logging = True
    try:
        with suppress(Exception):
            _LOGGER.debug(
                "chaukas: recorded %s: session %r, agent %r, span %s below %s",
                event["type"].removeprefix(_PREFIX),
                event.get("session_id", ""),
                event.get("agent_name", ""),
                event.get("span_id", ""),
                event.get("parent_span_id") or "none",
            )
    finally:
        _here.is_logging = False

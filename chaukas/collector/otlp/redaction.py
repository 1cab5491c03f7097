"""
Hides secrets in events that other instrumentations made.

What chaukas records was redacted in the application; what comes as spans was not. The
same rules hold for it, and are held to before anything is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.capture.limits import Limits as CaptureLimits
from chaukas.sdk.capture.snapshot import Capture, Rules, shrink
from chaukas.sdk.system.bounded import bounded

if TYPE_CHECKING:
    from chaukas.sdk.typing import Event

__all__ = ("redacted",)

_TREES: Final = (
    "llm_invocation tool_call tool_response mcp_call agent_handoff policy data_access"
    " state_update error message retry cost metadata"
).split()
_TEXTS: Final = ("agent_id", "agent_name", "session_id", "branch", "response_id")
_DEPTH: Final = 24
_TIME_S: Final = 0.05
"""What one event may take: counted in steps, not measured."""


def _no_time() -> int:
    """Return the same moment always: what is sent again must be cut the same way."""
    return 0


_RULES: Final = Rules(
    limits=CaptureLimits(depth=_DEPTH, time_s=_TIME_S), monotonic_ns=_no_time
)


def redacted(event: Event, most_bytes: int) -> Event:
    """
    Return an event without secrets, of bounded size.

    Args:
        event: The event; it is changed.
        most_bytes: Its size as JSON.
    """
    capture = Capture(_RULES)
    for name in _TREES:
        if name in event:
            event[name] = capture.tree(event[name], name)
    for name in _TEXTS:
        if name in event:
            event[name] = bounded(capture.text(event[name], name))
    if "tags" in event:
        tags: Any = capture.tree(event["tags"], "tags")
        event["tags"] = tags
    hidden = capture.redacted
    if hidden:
        event["redaction"] = {"fields": hidden, "method": "mask"}
    return shrink(event, most_bytes)

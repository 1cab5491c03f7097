"""
Events in one line: `SESSION{AGENT{INPUT, MODEL{}, OUTPUT}}`.

Braces mark what has a beginning and an end; numbers, times and names are left out, so
that the same program gives the same line on every machine.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("shape", "value_at")

Event = dict[str, Any]

_SHORT = {
    "AGENT_HANDOFF": "HANDOFF",
    "DATA_ACCESS": "DATA",
    "INPUT_RECEIVED": "INPUT",
    "MCP_CALL": "MCP",
    "MODEL_INVOCATION": "MODEL",
    "OUTPUT_EMITTED": "OUTPUT",
    "POLICY_DECISION": "POLICY",
    "STATE_UPDATE": "STATE",
    "TOOL_CALL": "TOOL",
}


def shape(events: Iterable[Event]) -> str:
    """
    Return the tree that the events of a session make, in one line.

    Equal neighbours are counted; pieces of a stream are not, since how many there are
    is a matter of time. What chaukas tells of itself is left out.
    """
    children: dict[str, list[Event]] = defaultdict(list)
    ends: dict[str, Event] = {}
    for event in events:
        kind = _kind_of(event)
        if kind.endswith("_END"):
            ends[event["span_id"]] = event
        elif not _is_own(event):
            children[event.get("parent_span_id", "")].append(event)
    return ", ".join(_counted(_drawn(top, children, ends) for top in children[""]))


def value_at(events: Iterable[Event], path: str) -> Any:
    """
    Return what the first event that has it tells at *path*; None if none has it.

    Args:
        events: The events of a session.
        path: Such as `TOOL_CALL_START.tool_call.arguments`.
    """
    kind, *names = path.split(".")
    for event in events:
        value: Any = event if _kind_of(event) == kind else None
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _drawn(
    event: Event, children: dict[str, list[Event]], ends: dict[str, Event]
) -> str:
    kind = _kind_of(event)
    base = kind.removesuffix("_START")
    name = _SHORT.get(base, base)
    if base == kind:
        return " ".join(filter(None, (name, _about(event))))
    end = ends.get(event["span_id"], {"status": "EVENT_STATUS_OPEN"})
    status = end["status"].removeprefix("EVENT_STATUS_").replace("COMPLETED", "")
    if end.get("metadata", {}).get("waiting"):
        status = "WAITING"
    inner = children[event["span_id"]]
    below = _counted(_drawn(each, children, ends) for each in inner)
    return f"{' '.join(filter(None, (name, status)))}{{{', '.join(below)}}}"


def _is_own(event: Event) -> bool:
    name = event["metadata"].get("name")
    return _kind_of(event) == "SYSTEM" and str(name).startswith("chaukas.")


def _about(event: Event) -> str:
    if _kind_of(event) == "SYSTEM":
        return str(event["metadata"]["name"])
    if "policy" in event:
        return str(event["policy"]["outcome"])
    if event.get("is_partial"):
        return "piece"
    return "recoverable" if event.get("error", {}).get("recoverable") else ""


def _counted(texts: Iterable[str]) -> list[str]:
    found = []
    for text, group in groupby(texts):
        count = len(list(group))
        is_counted = count > 1 and not text.endswith(" piece")
        found.append(f"{text} x{count}" if is_counted else text)
    return found


def _kind_of(event: Event) -> str:
    return str(event["type"]).removeprefix("EVENT_TYPE_")

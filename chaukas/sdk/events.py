"""
The vocabulary of the spec: event types and what goes with each.

One table, because status, severity and author follow from the type in almost
every event; `docs/EVENTS.md` is checked against it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = [
    "END_OF",
    "TRAITS",
    "Author",
    "EventStatus",
    "EventType",
    "Severity",
    "Traits",
]


class EventType(str, Enum):
    """The 19 types of the spec, by their full names on the wire."""

    SESSION_START = "EVENT_TYPE_SESSION_START"
    SESSION_END = "EVENT_TYPE_SESSION_END"
    AGENT_START = "EVENT_TYPE_AGENT_START"
    AGENT_END = "EVENT_TYPE_AGENT_END"
    AGENT_HANDOFF = "EVENT_TYPE_AGENT_HANDOFF"
    MODEL_INVOCATION_START = "EVENT_TYPE_MODEL_INVOCATION_START"
    MODEL_INVOCATION_END = "EVENT_TYPE_MODEL_INVOCATION_END"
    TOOL_CALL_START = "EVENT_TYPE_TOOL_CALL_START"
    TOOL_CALL_END = "EVENT_TYPE_TOOL_CALL_END"
    MCP_CALL_START = "EVENT_TYPE_MCP_CALL_START"
    MCP_CALL_END = "EVENT_TYPE_MCP_CALL_END"
    INPUT_RECEIVED = "EVENT_TYPE_INPUT_RECEIVED"
    OUTPUT_EMITTED = "EVENT_TYPE_OUTPUT_EMITTED"
    ERROR = "EVENT_TYPE_ERROR"
    RETRY = "EVENT_TYPE_RETRY"
    POLICY_DECISION = "EVENT_TYPE_POLICY_DECISION"
    DATA_ACCESS = "EVENT_TYPE_DATA_ACCESS"
    STATE_UPDATE = "EVENT_TYPE_STATE_UPDATE"
    SYSTEM = "EVENT_TYPE_SYSTEM"

    # Looked up with every event; the hash that Enum brings is written in Python.
    __hash__ = str.__hash__


class EventStatus(str, Enum):
    """How far the thing that an event tells of has come."""

    STARTED = "EVENT_STATUS_STARTED"
    IN_PROGRESS = "EVENT_STATUS_IN_PROGRESS"
    COMPLETED = "EVENT_STATUS_COMPLETED"
    FAILED = "EVENT_STATUS_FAILED"
    CANCELLED = "EVENT_STATUS_CANCELLED"


class Severity(str, Enum):
    """How loud an event is; the spec knows no WARNING and no CRITICAL."""

    DEBUG = "SEVERITY_DEBUG"
    INFO = "SEVERITY_INFO"
    WARN = "SEVERITY_WARN"
    ERROR = "SEVERITY_ERROR"


class Author(str, Enum):
    """Who caused an event."""

    USER = "AUTHOR_USER"
    AGENT = "AUTHOR_AGENT"
    TOOL = "AUTHOR_TOOL"
    SYSTEM = "AUTHOR_SYSTEM"
    LLM = "AUTHOR_LLM"


class Traits(NamedTuple):
    """What goes with a type unless the event says otherwise, as wire text."""

    wire: str
    status: str
    severity: str
    author: str
    is_end: bool
    vital: bool
    """May use the reserve when memory is full: ERROR, *_END, SYSTEM."""


def _traits(
    kind: EventType, author: Author, status: EventStatus, severity: Severity
) -> Traits:
    is_end = kind.value.endswith("_END")
    vital = is_end or kind in (EventType.ERROR, EventType.SYSTEM)
    return Traits(kind.value, status.value, severity.value, author.value, is_end, vital)


_AUTHORS = {
    Author.SYSTEM: "SESSION_START SESSION_END MCP_CALL_START MCP_CALL_END ERROR RETRY "
    "POLICY_DECISION DATA_ACCESS STATE_UPDATE SYSTEM",
    Author.AGENT: "AGENT_START AGENT_END AGENT_HANDOFF OUTPUT_EMITTED",
    Author.LLM: "MODEL_INVOCATION_START MODEL_INVOCATION_END",
    Author.TOOL: "TOOL_CALL_START TOOL_CALL_END",
    Author.USER: "INPUT_RECEIVED",
}
_STATUSES = {
    EventType.ERROR: EventStatus.FAILED,
    EventType.RETRY: EventStatus.IN_PROGRESS,
}
_SEVERITIES = {EventType.ERROR: Severity.ERROR, EventType.RETRY: Severity.WARN}


def _status_of(kind: EventType) -> EventStatus:
    if kind.value.endswith("_START"):
        return EventStatus.STARTED
    return _STATUSES.get(kind, EventStatus.COMPLETED)


TRAITS: dict[EventType, Traits] = {
    kind: _traits(kind, author, _status_of(kind), _SEVERITIES.get(kind, Severity.INFO))
    for author, names in _AUTHORS.items()
    for kind in (EventType[name] for name in names.split())
}
"""Traits of each type, for encoding without a branch per event."""

END_OF = {
    kind: EventType[kind.name.replace("_START", "_END")]
    for kind in EventType
    if kind.name.endswith("_START")
}
"""The END type that closes each START."""

"""
One event as a row: what is counted, compared and shown of it.

Pure, and the same for every store: what two stores answer can only differ in how
they add it up.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from chaukas.sdk.events import EventType
from chaukas.sdk.integrity import is_event

from .buckets import bucket_of
from .content import cause_of, object_of, one_line, said_by, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("KINDS", "PICO", "Facts", "event_of", "facts_of", "json_of")

PICO: Final = 1_000_000_000_000
"""Parts of a dollar in which costs are added up: whole numbers, in any order."""

_ID_CHARS: Final = 256
_SHOWN_CHARS: Final = 500
_LARGEST: Final = 1 << 53
_MOST_USD: Final = 1e6
_BOM: Final = b"\xef\xbb\xbf"

KINDS: Final[Mapping[str, str]] = {
    "SESSION_START": "session_start",
    "SESSION_END": "session_end",
    "AGENT_START": "agent_start",
    "AGENT_END": "agent_end",
    "AGENT_HANDOFF": "handoff",
    "MODEL_INVOCATION_START": "model_start",
    "MODEL_INVOCATION_END": "model_end",
    "TOOL_CALL_START": "tool_start",
    "TOOL_CALL_END": "tool_end",
    "MCP_CALL_START": "mcp_start",
    "MCP_CALL_END": "mcp_end",
    "INPUT_RECEIVED": "input",
    "OUTPUT_EMITTED": "output",
    "ERROR": "error",
    "RETRY": "retry",
    "POLICY_DECISION": "policy",
    "DATA_ACCESS": "data",
    "STATE_UPDATE": "state",
    "SYSTEM": "system",
}
"""Types without prefix, and what they are called here."""

_NUMBERS: Final = {
    1: "SESSION_START", 2: "SESSION_END", 10: "AGENT_START", 11: "AGENT_END",
    12: "AGENT_HANDOFF", 20: "MODEL_INVOCATION_START", 21: "MODEL_INVOCATION_END",
    22: "TOOL_CALL_START", 23: "TOOL_CALL_END", 24: "MCP_CALL_START",
    25: "MCP_CALL_END", 30: "INPUT_RECEIVED", 31: "OUTPUT_EMITTED", 40: "ERROR",
    41: "RETRY", 60: "POLICY_DECISION", 61: "DATA_ACCESS", 62: "STATE_UPDATE",
    63: "SYSTEM",
}  # fmt: skip
"""Types as published dumps may have them."""

_TYPES: Final = {kind.value: kind.value[11:] for kind in EventType}
_STATUSES: Final = {
    f"EVENT_STATUS_{name.upper()}": name
    for name in ("started", "in_progress", "completed", "failed", "cancelled")
}
_OF: Final = {
    "AGENT_END": "agent",
    "MODEL_INVOCATION_END": "model",
    "TOOL_CALL_END": "tool",
    "MCP_CALL_END": "mcp",
    "AGENT_HANDOFF": "handoff",
    "RETRY": "retry",
}
_OWN: Final = "chaukas."
_SCORE: Final = "chaukas.score"


class Facts(NamedTuple):
    """What a store keeps of one event beside the event itself."""

    event_id: str
    tenant: str
    project: str
    session: str
    trace: str
    span: str
    parent: str
    at_us: int
    type: str
    kind: str
    """As `EventRow.kind`."""
    status: str
    agent: str
    name: str
    text: str
    words: str
    """For the full text; empty for none."""
    user: str
    framework: str
    workflow: str
    path: str
    """The agent by which the path of its run goes on here; empty for none."""
    stream: str
    seq: int | None
    side: int
    """1 for a START, -1 for an END, 0 for a single event."""
    of: str
    """Of what ended: `agent model tool mcp handoff`; `retry`; empty for the rest."""
    outcome: str
    """Of a decision; `waiting` of an AGENT_END; `partial` of a piece of output."""
    duration_ms: float | None
    bucket: int | None
    first_token_ms: float | None
    wait_ms: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_pico: int | None
    unpriced: int
    end_rank: int
    """How much it says about the end of its run: 0 for nothing."""
    end_status: str
    end_ms: float | None
    cause: str
    """Of trouble, for grouping; empty for none."""
    shown: str
    """Of input and output, one line of at most 500 characters."""
    is_own: bool
    """Chaukas says it of itself, or somebody judges: it is no part of a run's time."""
    is_partial: bool
    ended_stream: str
    """The stream that this event says to have ended; empty for none."""
    dropped: int
    """Events that a process reports as lost, in all."""
    line: bytes
    """The event as recorded."""


def event_of(line: bytes) -> dict[str, Any] | None:
    """Return the event that stands in a line; None for anything else."""
    text = line.strip()
    if text.startswith(_BOM):
        text = text[3:]
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return event if is_event(event) else None


def json_of(event: Mapping[str, Any]) -> bytes:
    """Return an event as a line of JSON, without a line break."""
    return orjson.dumps(event)


def facts_of(event: dict[str, Any], line: bytes) -> Facts:
    """
    Return what a store keeps of an event.

    Args:
        event: As `event_of` returned it.
        line: The line in which it stood.
    """
    metadata = object_of(event.get("metadata"))
    own = object_of(metadata.get("chaukas"))
    kind_name = _type_of(event.get("type"))
    full_kind = KINDS.get(kind_name, kind_name.lower())
    kind, _, side_name = full_kind.partition("_")
    side = _SIDES.get(side_name, 0)
    said = said_by(full_kind, event)
    status = _STATUSES.get(text_of(event.get("status")), "")
    counts = _counts(kind_name, event, metadata) if side < 0 else _NOTHING
    system = text_of(metadata.get("name")) if kind == "system" else ""
    is_own = system.startswith(_OWN)
    is_partial = kind == "output" and event.get("is_partial") is True
    outcome, cause, wait = _trouble(kind, side, event, said.text)
    duration = counts.duration_ms
    return Facts(
        *_place(event, line, metadata, system),
        _moment(event.get("timestamp")),
        kind_name,
        kind,
        status,
        one_line(text_of(event.get("agent_name")) or text_of(event.get("agent_id"))),
        *said,
        _id(metadata.get("user_id")),
        _id(metadata.get("framework")),
        one_line(text_of(metadata.get("workflow_name"))) if kind == "agent" else "",
        said.name if _is_in_path(kind, side, event, metadata) else "",
        _id(own.get("stream")),
        _whole(own.get("seq")),
        side,
        _OF.get(kind_name, ""),
        outcome,
        duration,
        None if duration is None else bucket_of(duration),
        counts.first_token_ms,
        wait,
        counts.input_tokens,
        counts.output_tokens,
        counts.cached_tokens,
        counts.reasoning_tokens,
        counts.cost_pico,
        counts.unpriced,
        *_end(kind, status, event, metadata, duration),
        cause,
        _shown(event) if kind in _SHOWN and not is_partial else "",
        is_own,
        is_partial,
        *(_stream_facts(system, metadata, own) if is_own else ("", 0)),
        line,
    )


def _place(
    event: dict[str, Any], line: bytes, metadata: dict[str, Any], system: str
) -> tuple[str, str, str, str, str, str, str]:
    """Return the ids of an event: what it is, whose, and where in the tree."""
    trace = _id(event.get("trace_id"))
    if system == _SCORE and not trace:
        trace = _id(object_of(metadata.get("score")).get("trace_id"))
    return (
        _id(event.get("event_id")) or _made_id(event, line),
        _id(event.get("tenant_id")) or "default",
        _id(event.get("project_id")) or "default",
        _id(event.get("session_id")),
        trace,
        _id(event.get("span_id")),
        _id(event.get("parent_span_id")),
    )


_SIDES: Final = {"start": 1, "end": -1}
_SHOWN: Final = frozenset({"input", "output"})


class _Counts(NamedTuple):
    duration_ms: float | None = None
    first_token_ms: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_pico: int | None = None
    unpriced: int = 0


_NOTHING: Final = _Counts()


def _counts(kind: str, event: dict[str, Any], metadata: dict[str, Any]) -> _Counts:
    """Return what the END of a pair says in numbers."""
    performance = object_of(event.get("performance"))
    duration = _number(performance.get("duration_ms"))
    if kind == "MODEL_INVOCATION_END":
        call = object_of(event.get("llm_invocation"))
        if duration is None:
            duration = _number(call.get("duration_ms"))
        cost = object_of(event.get("cost"))
        amount = _pico(cost)
        inner = object_of(call.get("metadata"))
        is_unpriced = amount is None and (
            bool(cost)
            or "unknown" in (inner.get("price"), metadata.get("price"))
            or bool(_whole(call.get("total_tokens")))
        )
        return _Counts(
            duration,
            _number(call.get("time_to_first_token_ms")),
            _whole(call.get("prompt_tokens")) or 0,
            _whole(call.get("completion_tokens")) or 0,
            _whole(call.get("cached_tokens")) or 0,
            _whole(call.get("reasoning_tokens")) or 0,
            amount,
            int(is_unpriced),
        )
    if duration is None:
        for content in ("tool_response", "mcp_call"):
            inner = object_of(event.get(content))
            duration = _number(inner.get("execution_time_ms"))
            if duration is not None:
                break
    return _Counts(duration)


def _pico(cost: dict[str, Any]) -> int | None:
    """Return dollars in parts; None for another currency, which is not added up."""
    total = _number(cost.get("total_cost"))
    if total is None or total > _MOST_USD:
        return None
    if (text_of(cost.get("currency")) or "USD").upper() != "USD":
        return None
    return round(total * PICO)


def _trouble(
    kind: str, side: int, event: dict[str, Any], text: str
) -> tuple[str, str, float | None]:
    """Return outcome, cause and wait; the cause of what is no trouble is empty."""
    if side:
        metadata = object_of(event.get("metadata"))
        is_orphan = side < 0 and metadata.get("orphan") is True
        outcome = "waiting" if kind == "agent" and _is_waiting(metadata) else ""
        return outcome, "orphan" if is_orphan else "", None
    if kind == "policy":
        outcome = text_of(object_of(event.get("policy")).get("outcome"))
        return outcome, cause_of(text) if outcome == "deny" else "", None
    if kind == "retry":
        retry = object_of(event.get("retry"))
        cause = cause_of(text_of(retry.get("error_message")))
        return "", cause or "retry", _number(retry.get("backoff_ms"))
    if kind == "output" and event.get("is_partial") is True:
        return "partial", "", None
    return "", (cause_of(text) or "error") if kind == "error" else "", None


def _end(
    kind: str,
    status: str,
    event: dict[str, Any],
    metadata: dict[str, Any],
    duration_ms: float | None,
) -> tuple[int, str, float | None]:
    """Return how much an END says about its run, and what: its status and duration."""
    if status not in _ENDED or kind not in _ENDING:
        return 0, "", None
    if kind != "agent":
        return (1, status, None) if kind != "mcp" else (0, "", None)
    if _is_waiting(metadata):
        status = "waiting"
    run = metadata.get("run")
    if type(run) is dict:
        outcome = text_of(run.get("outcome"))
        known = outcome if outcome in _OUTCOMES else status
        return 4, known, _number(run.get("duration_ms"))
    run_id = text_of(metadata.get("run_id"))
    if not run_id:
        return 2, status, None
    is_first = run_id == text_of(event.get("span_id"))
    # The first agent of a run whose last one is not here; nested ones say nothing.
    return (3, status, duration_ms) if is_first else (2, status, None)


_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
_OUTCOMES: Final = _ENDED | {"waiting"}
_ENDING: Final = frozenset({"agent", "model", "tool", "mcp"})


def _stream_facts(
    system: str, metadata: dict[str, Any], own: dict[str, Any]
) -> tuple[str, int]:
    """Return which stream an event of chaukas itself ends, and what was lost."""
    data = object_of(metadata.get("data"))
    if system == "chaukas.disabled":
        return _id(own.get("stream")), 0
    if system == "chaukas.adopted":
        return _id(data.get("stream")), 0
    dropped = data.get("dropped")
    if type(dropped) is dict:
        return "", sum(_whole(number) or 0 for number in dropped.values())
    return "", _whole(dropped) or 0


def _is_waiting(metadata: dict[str, Any]) -> bool:
    return metadata.get("waiting") is True or metadata.get("interrupted") is True


def _is_in_path(
    kind: str, side: int, event: dict[str, Any], metadata: dict[str, Any]
) -> bool:
    """Return whether a run begins here or is handed over; nested agents are inside."""
    if kind == "handoff":
        return "run_id" in metadata
    if kind != "agent" or side < 0:
        return False
    return metadata.get("run_id", "") in {"", event.get("span_id")}


def _shown(event: dict[str, Any]) -> str:
    message = object_of(event.get("message"))
    return one_line(text_of(message.get("text")), _SHOWN_CHARS)


def _type_of(value: object) -> str:
    if type(value) is str:
        known = _TYPES.get(value)
        return known or one_line(value.removeprefix("EVENT_TYPE_").upper(), 64)
    return _NUMBERS.get(value, "") if type(value) is int else ""


def _id(value: object) -> str:
    if type(value) is not str:
        return ""
    if "\0" in value:
        # SQLite ends a text there at some places, and does not at others.
        value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value if len(value) <= _ID_CHARS else value[:_ID_CHARS]


def _made_id(event: dict[str, Any], line: bytes) -> str:
    """Return an id for an event that has none: of the published spec, or foreign."""
    stated = _id(event.get("content_hash"))
    return "sha256:" + (stated or hashlib.sha256(line.strip()).hexdigest())[:64]


def _whole(value: object) -> int | None:
    is_count = type(value) is int and 0 <= value < _LARGEST
    return value if is_count and type(value) is int else None


def _number(value: object) -> float | None:
    if type(value) is not int and type(value) is not float:
        return None
    number = float(value)
    return number if math.isfinite(number) and 0 <= number < _LARGEST else None


_seconds: dict[str, int] = {}
"""Seconds since 1970 of the last texts up to the second: most events share theirs."""
_KEPT: Final = 4096


def _moment(value: object) -> int:
    """Return a time as microseconds since 1970; 0 for what is none, or before that."""
    if type(value) is not str or len(value) < 19:
        return 0
    head = value[:19]
    seconds = _seconds.get(head)
    if seconds is None:
        seconds = _seconds_of(head)
        if len(_seconds) >= _KEPT:
            _seconds.clear()
        _seconds[head] = seconds
    rest = value[19:].removesuffix("Z").removesuffix("+00:00")
    if not rest:
        return seconds * 1_000_000
    digits = rest[1:7]
    if rest[0] == "." and digits.isascii() and digits.isdigit():
        return seconds * 1_000_000 + int(digits.ljust(6, "0"))
    return _offset_moment(value)


def _seconds_of(head: str) -> int:
    from datetime import datetime, timezone

    try:
        moment = datetime.fromisoformat(head).replace(tzinfo=timezone.utc)
    except ValueError:
        return 0
    return max(0, int(moment.timestamp()))


def _offset_moment(value: str) -> int:
    from datetime import datetime, timezone

    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0, int(moment.timestamp() * 1_000_000))

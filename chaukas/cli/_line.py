"""
What one line of the tree says about a pair of events, or about a single one.

Files come from anywhere: a value of an unexpected type is passed over, and no
character of a text reaches the terminal as a command to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("line_of", "shown")

Event = dict[str, Any]

_TEXT_CHARS = 72
_NAME_CHARS = 48
_MINUTE_S = 60

_MARKS = {"EVENT_STATUS_FAILED": "✗", "EVENT_STATUS_CANCELLED": "⊘"}

_CONTENTS = (
    "session_start",
    "session_end",
    "llm_invocation",
    "tool_call",
    "tool_response",
    "mcp_call",
    "message",
    "error",
    "retry",
    "policy",
    "data_access",
    "agent_handoff",
)


def line_of(base: str, start: Event | None, end: Event | None, *, paired: bool) -> str:
    """
    Return the line: what it is, how it went, how long, how much, what went wrong.

    Args:
        base: Type of the events without EVENT_TYPE_, _START and _END.
        start: The earlier event of a pair, or the single event.
        end: The later event of a pair.
        paired: Whether there should be two events.
    """
    facts = _facts(start, end)
    word, describe = _KINDS.get(base, (base.lower().replace("_", " "), _nothing))
    parts = [
        f"{shown(word, _NAME_CHARS)} {describe(facts)}".rstrip(),
        f"{_mark(end)} {_duration(start, end, facts)}".strip() if paired else "",
        _tokens(facts),
        _cost(facts),
        _trouble(base, facts),
    ]
    return "  ".join(part for part in parts if part)


def shown(value: object, limit_chars: int) -> str:
    """
    Return text in one line of at most `limit_chars` characters, safe to print.

    Everything that does not print (escape sequences, changes of the writing
    direction) appears as its escape. What is not text is left out.
    """
    if type(value) is not str:
        return ""
    head = value[: limit_chars * 4]
    line = " ".join("".join(_printable(char) for char in head).split())
    if len(line) > limit_chars or len(head) < len(value):
        return line[: limit_chars - 1] + "…"
    return line


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else char.encode("unicode_escape").decode("ascii")


def _facts(start: Event | None, end: Event | None) -> Event:
    """Return the fields of the events and of their contents; the later ones count."""
    facts: Event = {}
    for event in (start or {}, end or {}):
        facts.update({k: v for k, v in event.items() if k not in _CONTENTS})
        for name in _CONTENTS:
            content = _object(event.get(name))
            # The event's own metadata says more about the line.
            facts.update({k: v for k, v in content.items() if k != "metadata"})
    return facts


def _mark(end: Event | None) -> str:
    if end is None:
        return "…"
    return _MARKS.get(str(end.get("status")), "✓")


def _duration(start: Event | None, end: Event | None, facts: Event) -> str:
    if end is None:
        return ""
    measured = _object(end.get("performance")).get("duration_ms")
    for value in (measured, facts.get("duration_ms"), facts.get("execution_time_ms")):
        if _is_number(value):
            return _time(value)
    if start is None:
        return ""
    try:
        begun, ended = (_moment(event.get("timestamp")) for event in (start, end))
        return _time((ended - begun).total_seconds() * 1000)
    except (TypeError, ValueError):
        return ""


def _moment(value: object) -> datetime:
    if type(value) is not str:
        raise TypeError
    return datetime.fromisoformat(value.removesuffix("Z"))


def _time(milliseconds: float) -> str:
    seconds = milliseconds / 1000
    if seconds >= _MINUTE_S:
        minutes, rest = divmod(seconds, _MINUTE_S)
        return f"{minutes:.0f} min {rest:.0f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 1 else f"{milliseconds:.1f} ms"


def _tokens(facts: Event) -> str:
    usage = _object(_object(facts.get("metadata")).get("usage"))
    counts = {**usage, **facts}
    given = counts.get("prompt_tokens", usage.get("input_tokens"))
    made = counts.get("completion_tokens", usage.get("output_tokens"))
    if _is_number(given) or _is_number(made):
        return f"{_count(given)}+{_count(made)} tokens"
    total = counts.get("total_tokens")
    return f"{_count(total)} tokens" if _is_number(total) else ""


def _cost(facts: Event) -> str:
    cost = _object(facts.get("cost"))
    total = cost.get("total_cost")
    if not _is_number(total):
        return ""
    return f"{total:.6f}".rstrip("0").rstrip(".") + f" {shown(cost.get('currency'), 8)}"


def _trouble(base: str, facts: Event) -> str:
    if base in {"ERROR", "RETRY"}:
        return ""
    metadata = _object(facts.get("metadata"))
    return shown(facts.get("error_message") or metadata.get("error"), _TEXT_CHARS)


def _nothing(_facts: Event) -> str:
    return ""


def _session(facts: Event) -> str:
    name = shown(facts.get("session_name"), _NAME_CHARS)
    session = shown(facts.get("session_id"), _NAME_CHARS)
    return f"{name} ({session})" if name else session


def _agent(facts: Event) -> str:
    metadata = _object(facts.get("metadata"))
    name = facts.get("agent_name") or metadata.get("name") or facts.get("agent_id")
    return shown(name, _NAME_CHARS)


def _model(facts: Event) -> str:
    return shown(facts.get("model"), _NAME_CHARS)


def _tool(facts: Event) -> str:
    # The published spec says `name`.
    return shown(facts.get("tool_name") or facts.get("name"), _NAME_CHARS)


def _mcp(facts: Event) -> str:
    server = shown(facts.get("server_name"), _NAME_CHARS)
    return f"{server} {shown(facts.get('operation'), _NAME_CHARS)}".strip()


def _message(facts: Event) -> str:
    return f'"{shown(facts.get("text"), _TEXT_CHARS)}"'


def _handoff(facts: Event) -> str:
    names = (
        shown(
            facts.get(f"{end}_agent_name") or facts.get(f"{end}_agent_id"), _NAME_CHARS
        )
        for end in ("from", "to")
    )
    return " → ".join(names)


def _error(facts: Event) -> str:
    code = shown(facts.get("error_code"), _NAME_CHARS)
    text = shown(facts.get("error_message"), _TEXT_CHARS)
    return f"{code}: {text}" if code and text else code or text


def _retry(facts: Event) -> str:
    attempt, limit, wait = (
        facts.get(name) for name in ("attempt", "max_attempts", "backoff_ms")
    )
    parts = [
        _count(attempt) + (f" of {_count(limit)}" if _is_number(limit) else ""),
        f"after {_time(wait)}" if _is_number(wait) else "",
        shown(facts.get("error_message"), _TEXT_CHARS),
    ]
    return "  ".join(part for part in parts if part)


def _policy(facts: Event) -> str:
    outcome = shown(facts.get("outcome"), _NAME_CHARS)
    rationale = shown(facts.get("rationale"), _TEXT_CHARS)
    name = shown(facts.get("policy_id"), _NAME_CHARS)
    return "  ".join(part for part in (f"{name} {outcome}".strip(), rationale) if part)


def _data(facts: Event) -> str:
    documents = facts.get("document_ids")
    count = f" ({len(documents)} documents)" if type(documents) is list else ""
    return shown(facts.get("datasource"), _NAME_CHARS) + count


def _state(facts: Event) -> str:
    changes = _object(facts.get("state_update")).items()
    told = ", ".join(_change(name, value) for name, value in changes)
    return shown(told, _TEXT_CHARS)


def _change(name: str, value: object) -> str:
    """Return what changed, and what was done to it if the event says so."""
    facts = _object(value)
    operation, count = facts.get("operation"), facts.get("count")
    words = [name]
    if type(operation) is str:
        words.append(operation)
        words += [_count(count)] if type(count) is int else []
    return " ".join(words)


def _system(facts: Event) -> str:
    metadata = _object(facts.get("metadata"))
    return shown(metadata.get("name") or metadata.get("message"), _TEXT_CHARS)


_KINDS: Mapping[str, tuple[str, Callable[[Event], str]]] = {
    "SESSION": ("session", _session),
    "AGENT": ("agent", _agent),
    "AGENT_HANDOFF": ("handoff", _handoff),
    "MODEL_INVOCATION": ("model", _model),
    "TOOL_CALL": ("tool", _tool),
    "MCP_CALL": ("mcp", _mcp),
    "INPUT_RECEIVED": ("input", _message),
    "OUTPUT_EMITTED": ("output", _message),
    "ERROR": ("error", _error),
    "RETRY": ("retry", _retry),
    "POLICY_DECISION": ("policy", _policy),
    "DATA_ACCESS": ("data", _data),
    "STATE_UPDATE": ("state", _state),
    "SYSTEM": ("system", _system),
}


def _object(value: object) -> Event:
    return value if type(value) is dict else {}


def _is_number(value: object) -> TypeGuard[int | float]:
    return type(value) is int or type(value) is float


def _count(value: object) -> str:
    return f"{value:,}" if type(value) is int else "0"

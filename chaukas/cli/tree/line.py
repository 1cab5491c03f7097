"""
Renders one line of the tree, for a pair of events or for a single one.

Files come from anywhere: a value of an unexpected type is passed over, and no
character of a text reaches the terminal as a command to it.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeGuard

from chaukas.cli.output import count, ms, printable
from chaukas.store.content import said_by

from .nesting import is_waiting
from .totals import object_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .totals import Totals

__all__ = ("line_of", "shown")

Event = dict[str, Any]

_TEXT_CHARS = 72
_NAME_CHARS = 48
_ARGUMENTS_CHARS = 60
_SAID_CHARS = 200
_MINUTE_MS = 60_000

_ANSWERS = {"MODEL_INVOCATION": "model_end", "TOOL_CALL": "tool_end"}
_OUTCOMES = ("failed", "cancelled", "waiting")
_MARKS = {"EVENT_STATUS_FAILED": "✗", "EVENT_STATUS_CANCELLED": "⊘"}

_INNER = "metadata of the contents"
"""Key of a line's facts; no field of an event has blanks."""

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


def line_of(
    base: str,
    start: Event | None,
    end: Event | None,
    *,
    paired: bool,
    is_cut: bool = False,
    is_continued: bool = False,
    is_run: bool = False,
    is_top: bool = False,
    is_full: bool = False,
    totals: Totals | None = None,
) -> str:
    """
    Return the line: what it is, when, how it went, how long, how much, what failed.

    Args:
        base: Type of the events without EVENT_TYPE_, _START and _END.
        start: The earlier event of a pair, or the single event.
        end: The later event of a pair.
        paired: Whether there should be two events.
        is_cut: Whether the second will never come.
        is_continued: Whether a session's beginning is in none of the files.
        is_run: Whether it is an agent right below a session.
        is_top: Whether it is at the top, and something below it.
        is_full: Whether its time to the millisecond is shown, and what was answered.
        totals: What a session adds up to.
    """
    facts = _facts(start, end)
    word, describe = _KINDS.get(base, (base.lower().replace("_", " "), _nothing))
    if facts.get("is_partial") is True:
        word = "partial"
    parts = [
        f"{shown(word, _NAME_CHARS)} {describe(facts)}".rstrip(),
        _when(base, start or end or {}, (is_top, is_run, is_full)),
        _owner(facts) if base == "SESSION" else "",
        "begins in another file" if is_continued else "",
        _outcome(start, end, facts, is_cut, totals) if paired else "",
        *(_of_totals(totals) if totals else (_tokens(facts), _cost(facts))),
        _trouble(base, facts) or (_said(base, end) if is_full else ""),
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
    line = " ".join(printable(head).split())
    if len(line) > limit_chars or len(head) < len(value):
        return line[: limit_chars - 1] + "…"
    return line


def _facts(start: Event | None, end: Event | None) -> Event:
    """Return the fields of the events and of their contents; the later ones count."""
    facts: Event = {}
    inner: Event = {}
    for event in (start or {}, end or {}):
        facts.update({k: v for k, v in event.items() if k not in _CONTENTS})
        for name in _CONTENTS:
            content = object_of(event.get(name))
            # The event's own metadata says more about the line.
            facts.update({k: v for k, v in content.items() if k != "metadata"})
            inner.update(object_of(content.get("metadata")))
    return {**facts, _INNER: inner}


def _when(base: str, event: Event, how: tuple[bool, bool, bool]) -> str:
    """Return date and time of what is at the top, and the time of a run's agent."""
    is_top, is_run, is_full = how
    is_top |= base in {"SESSION", "PROCESS"}
    if not (is_top or is_run or is_full):
        return ""
    try:
        moment = _moment(event.get("timestamp"))
        if moment.tzinfo is not None:
            moment = moment.astimezone(timezone.utc)
    except (TypeError, ValueError, OverflowError):
        return ""
    clock = f"{moment:%H:%M:%S}"
    if is_full:
        clock = f"{clock}.{moment.microsecond // 1000:03d}"
    return f"{moment:%Y-%m-%d} {clock}" if is_top else clock


def _owner(facts: Event) -> str:
    """Return whose session it is, where the application said so."""
    parts = [
        f"{word} {name}"
        for word in ("tenant", "project")
        if (name := shown(facts.get(f"{word}_id"), _NAME_CHARS)) not in {"", "default"}
    ]
    return "  ".join(parts)


def _outcome(
    start: Event | None,
    end: Event | None,
    facts: Event,
    is_cut: bool,  # noqa: FBT001 - handed on, not chosen
    totals: Totals | None,
) -> str:
    if end is None:
        return "cut" if is_cut else "…"
    mark = _MARKS.get(str(end.get("status")), "✓")
    if totals is not None and totals.is_failure:
        mark = "✗"
    elif mark == "✓" and is_waiting(end):
        mark = "waiting"
    return f"{mark} {_duration(start, end, facts)}".strip()


def _of_totals(totals: Totals) -> tuple[str, ...]:
    """Return what a session adds up to; nothing for one without a run."""
    parts = []
    if totals.runs:
        parts.append(count(totals.runs, "run"))
        outcomes = {name: getattr(totals, name) for name in _OUTCOMES}
        parts += [f"{number:,} {name}" for name, number in outcomes.items() if number]
    given, made = totals.prompt_tokens, totals.completion_tokens
    money = [f"{_amount(cost)} {shown(name, 8)}" for name, cost in totals.costs.items()]
    if totals.unpriced:
        money.append(f"{count(totals.unpriced, 'call')} of unknown price")
    tokens = f"{given:,}+{made:,} tokens" if given or made else ""
    return ", ".join(parts), tokens, " + ".join(money)


def _duration(start: Event | None, end: Event | None, facts: Event) -> str:
    if end is None:
        return ""
    measured = object_of(end.get("performance")).get("duration_ms")
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
    if milliseconds < _MINUTE_MS:
        return ms(milliseconds)
    minutes, rest = divmod(milliseconds / 1000, 60)
    return f"{minutes:.0f} min {rest:.0f} s"


def _tokens(facts: Event) -> str:
    usage = object_of(object_of(facts.get("metadata")).get("usage"))
    counts = {**usage, **facts}
    given = counts.get("prompt_tokens", usage.get("input_tokens"))
    made = counts.get("completion_tokens", usage.get("output_tokens"))
    if _is_number(given) or _is_number(made):
        return f"{_count(given)}+{_count(made)} tokens"
    total = counts.get("total_tokens")
    return f"{_count(total)} tokens" if _is_number(total) else ""


def _cost(facts: Event) -> str:
    cost = object_of(facts.get("cost"))
    total = cost.get("total_cost")
    if _is_number(total):
        return f"{_amount(total)} {shown(cost.get('currency'), 8)}".rstrip()
    metadata = object_of(facts.get("metadata"))
    return "price unknown" if metadata.get("price") == "unknown" else ""


def _amount(money: float) -> str:
    """Return an amount with cents, or with six digits if it has not even one."""
    return f"{money:,.2f}" if money >= 1 else f"{money:.6f}"


def _trouble(base: str, facts: Event) -> str:
    if base in {"ERROR", "RETRY"}:
        return ""
    metadata = object_of(facts.get("metadata"))
    return shown(facts.get("error_message") or metadata.get("error"), _TEXT_CHARS)


def _said(base: str, end: Event | None) -> str:
    """Return what a model or a tool answered."""
    kind = _ANSWERS.get(base)
    text = said_by(kind, end).text if kind and end else ""
    return f"→ {shown(text.removeprefix('→ '), _SAID_CHARS)}" if text else ""


def _nothing(_facts: Event) -> str:
    return ""


def _session(facts: Event) -> str:
    name = shown(facts.get("session_name"), _NAME_CHARS)
    session = shown(facts.get("session_id"), _NAME_CHARS)
    framework = object_of(facts.get(_INNER)).get("framework")
    # A name that nobody gave says nothing.
    if not name or name in {session, f"{framework}_session"}:
        return session
    return f"{name} ({session})"


def _process(facts: Event) -> str:
    own = object_of(object_of(facts.get("metadata")).get("chaukas"))
    return shown(own.get("stream"), _NAME_CHARS)


def _agent(facts: Event) -> str:
    metadata = object_of(facts.get("metadata"))
    name = facts.get("agent_name") or metadata.get("name") or facts.get("agent_id")
    return shown(name, _NAME_CHARS)


def _model(facts: Event) -> str:
    return shown(facts.get("model"), _NAME_CHARS)


def _tool(facts: Event) -> str:
    # The published spec says `name`.
    name = shown(facts.get("tool_name") or facts.get("name"), _NAME_CHARS)
    arguments = object_of(facts.get("arguments"))
    text = ", ".join(f"{key}={_json(value)}" for key, value in arguments.items())
    return f"{name}({shown(text, _ARGUMENTS_CHARS)})" if text else name


def _json(value: object) -> str:
    """Return a value of an event as JSON; it came from there."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "…"


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
    parts = (f"{name} {outcome}".strip(), _call_of(facts), rationale)
    return "  ".join(part for part in parts if part)


def _call_of(facts: Event) -> str:
    """Return tool and id of the call that a decision is about."""
    known = {**object_of(facts.get(_INNER)), **object_of(facts.get("metadata"))}
    call = known.get("tool_call_id")
    rules = facts.get("rule_ids")
    # Older files name the tool of an approval as its rule.
    rule = rules[0] if type(call) is str and type(rules) is list and rules else ""
    names = (known.get("tool_name") or rule, call)
    return " ".join(text for name in names if (text := shown(name, _NAME_CHARS)))


def _data(facts: Event) -> str:
    documents = facts.get("document_ids")
    text = f" ({count(len(documents), 'document')})" if type(documents) is list else ""
    return shown(facts.get("datasource"), _NAME_CHARS) + text


def _state(facts: Event) -> str:
    changes = object_of(facts.get("state_update")).items()
    text = ", ".join(_change(name, value) for name, value in changes)
    return shown(text, _TEXT_CHARS)


def _change(name: str, value: object) -> str:
    """Return what changed, and what was done to it if the event says so."""
    facts = object_of(value)
    operation, count = facts.get("operation"), facts.get("count")
    words = [name]
    if type(operation) is str:
        words.append(operation)
        words += [_count(count)] if type(count) is int else []
    return " ".join(words)


def _system(facts: Event) -> str:
    metadata = object_of(facts.get("metadata"))
    name = shown(metadata.get("name") or metadata.get("message"), _TEXT_CHARS)
    score = object_of(metadata.get("score"))
    if not score:
        return name
    value = f"{shown(score.get('name'), _NAME_CHARS)}={_json(score.get('value'))}"
    parts = (name, shown(value, _TEXT_CHARS), shown(score.get("comment"), _TEXT_CHARS))
    return "  ".join(part for part in parts if part)


_KINDS: Mapping[str, tuple[str, Callable[[Event], str]]] = {
    "PROCESS": ("process", _process),
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


def _is_number(value: object) -> TypeGuard[int | float]:
    return type(value) is int or type(value) is float


def _count(value: object) -> str:
    return f"{value:,}" if type(value) is int else "0"

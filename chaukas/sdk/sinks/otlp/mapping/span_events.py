"""What happened in a span: its errors, retries and changes of state, and its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .content import CHARS, Builder
from .join import WORKFLOW, Joined, kind_of, time_ns_of
from .messages import json_text
from .span import Link, SpanEvent, span_id_of, trace_id_of
from .values import error_type_of

if TYPE_CHECKING:
    from chaukas.sdk.typing import Event

__all__ = ["error_attributes", "events_of", "links_of", "retry_attributes"]


def events_of(joined: Joined, builder: Builder) -> list[SpanEvent]:
    """Return errors, retries and changes of state as events of the span."""
    made: list[SpanEvent] = []
    retries = 0
    for each in joined.more:
        kind, at_ns = kind_of(each), time_ns_of(each)
        if kind == "ERROR":
            made.append(SpanEvent("exception", at_ns, error_attributes(each)))
        elif kind == "RETRY":
            retries += 1
            made.append(SpanEvent("chaukas.retry", at_ns, retry_attributes(each)))
        elif kind in ("STATE_UPDATE", "DATA_ACCESS"):
            name = f"chaukas.{kind.lower()}"
            made.append(SpanEvent(name, at_ns, _change(each)))
    if joined.kind != WORKFLOW:
        builder.put("retry.count", retries or None)
    return made


def error_attributes(event: Event) -> dict[str, Any]:
    """Return an ERROR as the attributes of an exception."""
    error = event.get("error", {})
    code = str(error.get("error_code", ""))
    made: dict[str, Any] = {
        "exception.type": error_type_of(code),
        "exception.message": str(error.get("error_message", ""))[:CHARS],
        "exception.stacktrace": str(error.get("stack_trace", ""))[:CHARS],
        "exception.escaped": not error.get("recoverable", False),
        "chaukas.error.code": code,
        "chaukas.error.recovery_action": str(error.get("recovery_action", "")),
    }
    return {name: value for name, value in made.items() if value != ""}


def retry_attributes(event: Event) -> dict[str, Any]:
    """Return a RETRY as attributes."""
    retry = event.get("retry", {})
    metadata = retry.get("metadata", {})
    made: dict[str, Any] = {
        "attempt": retry.get("attempt"),
        "max_attempts": retry.get("max_attempts"),
        "backoff_ms": retry.get("backoff_ms"),
        "strategy": retry.get("strategy"),
        "layer": metadata.get("layer"),
        "model": metadata.get("model"),
        "error": retry.get("error_message"),
        "error.code": metadata.get("error_code"),
        "status": metadata.get("status"),
    }
    return {
        f"chaukas.retry.{name}": value
        for name, value in made.items()
        if type(value) in (str, int, float, bool)
    }


def _change(event: Event) -> dict[str, Any]:
    content = event.get("state_update") or event.get("data_access") or {}
    return {"chaukas.content": json_text(content)[:CHARS]}


def links_of(joined: Joined) -> list[Link]:
    """Return the handoff by which an agent came to work, as a link."""
    if joined.kind != "AGENT":
        return []
    return [
        Link(trace_id_of(str(each.get("trace_id", ""))), span_id_of(each["span_id"]))
        for each in joined.more
        if kind_of(each) == "AGENT_HANDOFF"
        and each.get("parent_span_id") != joined.start.get("span_id")
    ]

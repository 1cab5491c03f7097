"""
Maps to log records what the conventions do not have as spans.

Sessions, scores, exceptions, and what chaukas says of itself: an event whose span has
ended already is told here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .content import CHARS
from .join import Joined, kind_of, time_ns_of
from .messages import json_text
from .span import Log, Span, span_id_of, trace_id_of
from .span_events import error_attributes, retry_attributes
from .spans import owner_of

if TYPE_CHECKING:
    from chaukas.sdk.typing import Event

__all__ = ["exception_logs", "log_of"]

_SEVERITIES: Final = {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "CRITICAL": 21}
_SCORE: Final = "chaukas.score"
_EXCEPTION: Final = "gen_ai.client.operation.exception"


def log_of(joined: Joined) -> Log:
    """Return the log record that an event without a span is."""
    event = joined.start
    kind = kind_of(event)
    if kind == "SESSION_END":
        return _log(event, joined, "chaukas.session", "", _session(event))
    if kind == "ERROR":
        text = str(event.get("error", {}).get("error_message", ""))
        return _log(event, joined, _EXCEPTION, text, error_attributes(event))
    if kind == "RETRY":
        text = str(event.get("retry", {}).get("error_message", ""))
        return _log(event, joined, "chaukas.retry", text, retry_attributes(event))
    metadata = event.get("metadata", {})
    if metadata.get("name") == _SCORE:
        return _score(event, joined)
    if kind == "SYSTEM":
        text = str(metadata.get("message") or metadata.get("name") or "")
        facts: dict[str, Any] = {"chaukas.name": str(metadata.get("name", ""))}
        if metadata.get("data"):
            facts["chaukas.data"] = json_text(metadata["data"])[:CHARS]
        return _log(event, joined, "chaukas.system", text, facts)
    content = event.get(_MEMBERS.get(kind, "message")) or {}
    return _log(event, joined, f"chaukas.{kind.lower()}", json_text(content), {})


_MEMBERS: Final = {"STATE_UPDATE": "state_update", "DATA_ACCESS": "data_access"}


def exception_logs(span: Span) -> list[Log]:
    """Return the exceptions of a model call as the events that they are since 1.41."""
    if span.attributes.get("gen_ai.operation.name") not in _INFERENCE:
        return []
    return [
        Log(
            span.owner,
            _EXCEPTION,
            event.time_ns,
            _SEVERITIES["WARN"],
            str(event.attributes.get("exception.message", "")),
            span.trace_id,
            span.span_id,
            {k: v for k, v in event.attributes.items() if k.startswith("exception.")},
            span.line,
        )
        for event in span.events
        if event.name == "exception"
    ]


_INFERENCE: Final = frozenset(
    {"chat", "embeddings", "transcription", "speech_generation"}
)


def _log(
    event: Event, joined: Joined, name: str, body: str, attributes: dict[str, Any]
) -> Log:
    severity = str(event.get("severity", "")).removeprefix("SEVERITY_")
    facts = {
        "session.id": event.get("session_id"),
        "user.id": event.get("metadata", {}).get("user_id"),
        "chaukas.event_ids": [event["event_id"]] if "event_id" in event else None,
        **attributes,
    }
    return Log(
        owner_of(event),
        name,
        time_ns_of(event),
        _SEVERITIES.get(severity, _SEVERITIES["INFO"]),
        body[:CHARS],
        trace_id_of(str(event.get("trace_id", ""))),
        span_id_of(joined.parent_span_id),
        {key: value for key, value in facts.items() if value not in (None, "", [])},
        joined.line,
    )


def _session(event: Event) -> dict[str, Any]:
    end = event.get("session_end", {})
    metadata = end.get("metadata", {})
    usage, cost = metadata.get("usage") or {}, metadata.get("cost") or {}
    return {
        "chaukas.session.name": end.get("session_name"),
        "chaukas.session.reason": metadata.get("reason"),
        "chaukas.session.runs": metadata.get("runs"),
        "chaukas.session.failed_runs": metadata.get("failed_runs"),
        "chaukas.session.input_tokens": usage.get("input_tokens"),
        "chaukas.session.output_tokens": usage.get("output_tokens"),
        "chaukas.session.cost": cost.get("total_cost"),
        "chaukas.session.duration_ms": event.get("performance", {}).get("duration_ms"),
    }


def _score(event: Event, joined: Joined) -> Log:
    """Return a score; its parent is what was judged."""
    score = event.get("metadata", {}).get("score") or {}
    value = score.get("value")
    try:
        # Numbers stand there as texts: it is a fact, as names are.
        number: float | None = float(value if type(value) is bool else str(value))
    except ValueError:
        number = None
    facts: dict[str, Any] = {
        "gen_ai.evaluation.name": str(score.get("name", "")),
        "gen_ai.evaluation.score.value": number,
        "gen_ai.evaluation.score.label": None if number is not None else str(value),
        "gen_ai.evaluation.explanation": score.get("comment"),
        "chaukas.run_id": score.get("run_id"),
    }
    log = _log(event, joined, "gen_ai.evaluation.result", "", facts)
    judged = score.get("span_id") or score.get("run_id")
    if judged:
        log.span_id = span_id_of(str(judged))
    if score.get("trace_id"):
        log.trace_id = trace_id_of(str(score["trace_id"]))
    return log

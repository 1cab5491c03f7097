"""What happened at one moment: decisions, handoffs, reads, failures, repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .attributes import parsed
from .envelope import milliseconds, present
from .messages import text_in, texts_of
from .pairs import tool_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaukas.sdk.typing import Event

    from .attributes import Attributes
    from .envelope import Envelope
    from .messages import Said
    from .received import Occurrence

__all__ = ("EXCEPTION", "input_and_output", "moments_of", "point_of")

EXCEPTION: Final = "exception"
_SHORTEST_NS: Final = 1_000
_MOMENTS: Final = 64
"""Errors, retries and changes that one span may bring."""
_DOCUMENTS: Final = 256
_DATA: Final = 64
_DATA_CHARS: Final = 1024
_OWN_NAMES: Final = "chaukas."


def point_of(envelope: Envelope) -> list[Event]:
    """Return the one event that a span is which is no pair."""
    return [_POINTS[envelope.kind.kind](envelope)]


def _point(envelope: Envelope, kind: str, **content: Any) -> Event:
    """Return a single event."""
    span = envelope.span
    took_ns = span.end_ns - span.start_ns
    has_length = took_ns > _SHORTEST_NS
    performance = {"duration_ms": milliseconds(span)} if has_length else None
    # Chaukas records it when it is over; below others' spans there may be more.
    is_at_end = has_length and envelope.is_own
    at_ns = span.end_ns if is_at_end else span.start_ns
    return envelope.event(
        kind, side="point", at_ns=at_ns, performance=performance, **content
    )


def _policy(envelope: Envelope) -> Event:
    attributes = envelope.attributes
    outcome = attributes.text("policy.outcome")
    is_denied = attributes.any("guardrail.triggered") is True
    outcome = outcome or ("deny" if is_denied or envelope.span.is_failed else "allow")
    name = attributes.text("guardrail.name")
    rules = attributes.any("policy.rule_ids")
    policy = {
        "policy_id": name or envelope.span.name.removeprefix("run_guardrail "),
        "outcome": outcome,
        "rule_ids": _texts(rules),
        "rationale": attributes.text("policy.rationale"),
        "metadata": present(
            {
                "waited_ms": attributes.number("policy.waited_ms"),
                "tool_name": attributes.text("policy.tool_name"),
            }
        ),
    }
    if not policy["rationale"] and not envelope.is_own:
        policy["rationale"] = attributes.text("output.value")
    event = _point(envelope, "POLICY_DECISION", policy=present(policy))
    if outcome == "deny":
        event["severity"] = "SEVERITY_WARN"
    return event


def _texts(value: Any) -> list[str]:
    return [each for each in value if type(each) is str] if type(value) is list else []


def _handoff(envelope: Envelope) -> Event:
    attributes = envelope.attributes
    graph = attributes.named
    source = attributes.text("handoff.from") or envelope.agent_name()
    source = source or graph("graph.node.parent_id")
    target = attributes.text("handoff.to") or attributes.text("transfer.target.name")
    target = target or graph("graph.node.id")
    arguments = attributes.tree("tool.call.arguments")
    data = {
        "tool_call_id": attributes.text("tool.call.id"),
        "arguments": arguments,
    }
    handoff = {
        "from_agent_id": graph("graph.node.parent_id") or source,
        "from_agent_name": source,
        "to_agent_id": graph("graph.node.id") or target,
        "to_agent_name": target,
        "handoff_data": present(data),
        "reason": tool_name(envelope),
        "handoff_type": "sequential" if envelope.is_own else "",
    }
    return _point(envelope, "AGENT_HANDOFF", agent_handoff=present(handoff))


def _data(envelope: Envelope) -> Event:
    attributes = envelope.attributes
    documents = _documents(attributes)
    query = attributes.text("retrieval.query.text") or attributes.text("input.value")
    scores = [score for _, score in documents if score is not None]
    access = {
        "datasource": attributes.text("data_source.id") or _source(envelope),
        "document_ids": [name for name, _ in documents],
        "metadata": present(
            {
                "queries": [query] if query else None,
                "count": len(documents) or None,
                "scores": scores,
                "top_k": attributes.number("request.top_k"),
                "error": envelope.span.status_message,
            }
        ),
    }
    status = "FAILED" if envelope.span.is_failed else "COMPLETED"
    return _point(envelope, "DATA_ACCESS", status=status, data_access=present(access))


def _source(envelope: Envelope) -> str:
    return envelope.span.name.removeprefix("retrieval ").strip() or "retrieval"


def _documents(attributes: Attributes) -> list[tuple[str, Any]]:
    """Return ids and scores of what was found."""
    told = attributes.tree("retrieval.documents")
    if type(told) is not list:
        told = [
            entry.get("document")
            for prefix in ("retrieval.documents", "reranker.output_documents")
            for entry in attributes.numbered(prefix)
            if type(entry) is dict
        ]
    found = []
    for index, document in enumerate(told[:_DOCUMENTS]):
        if type(document) is not dict:
            continue
        score = document.get("score")
        name = document.get("id")
        shown = name if type(name) is str and name else f"#{index}"
        found.append((shown, score if type(score) in (int, float) else None))
    return found


def _state(envelope: Envelope) -> Event:
    operation = envelope.attributes.text("operation")
    store = envelope.attributes.text("data_source.id") or envelope.span.name
    change = {"memory": {"operation": operation, "store": store}}
    return _point(envelope, "STATE_UPDATE", state_update=change)


def _plain(envelope: Envelope) -> Event:
    """Return what keeps its place in the tree, and is nothing that an agent does."""
    span = envelope.span
    # What chaukas says of itself begins so: nobody else may say it.
    is_like_own = span.name.startswith(_OWN_NAMES)
    about = dict(list(span.attributes.items())[:_DATA])
    data = {
        name: value[:_DATA_CHARS] if type(value) is str else value
        for name, value in about.items()
    }
    event = envelope.event(
        "SYSTEM",
        side="point",
        at_ns=span.start_ns,
        performance={"duration_ms": milliseconds(span)},
        status="FAILED" if span.is_failed else "COMPLETED",
        metadata=present(
            {
                "name": f"span {span.name}" if is_like_own else span.name or "span",
                "message": span.status_message,
                "data": data,
            }
        ),
    )
    if span.is_failed:
        event["severity"] = "SEVERITY_WARN"
    return event


_POINTS: Final[Mapping[str, Callable[[Envelope], Event]]] = {
    "policy": _policy,
    "handoff": _handoff,
    "data": _data,
    "state": _state,
    "span": _plain,
}


# --- what came in and went out ---


def input_and_output(envelope: Envelope, said: Said) -> tuple[list[Event], list[Event]]:
    """Return what an agent was asked by its users, and what it answered."""
    span = envelope.span
    asked = _questions(envelope, said)
    inputs = [
        envelope.below(
            "INPUT_RECEIVED",
            side=f"input{index}",
            at_ns=span.start_ns,
            message={"role": role, "text": text},
        )
        for index, (role, text) in enumerate(asked)
    ]
    answer = text_in(said.answered, "assistant")
    is_open = envelope.attributes.any("incomplete") is True
    if not answer or is_open or envelope.attributes.text("handoff_to"):
        return inputs, []
    output = envelope.below(
        "OUTPUT_EMITTED",
        side="output",
        at_ns=span.end_ns,
        message={"role": "assistant", "text": answer},
    )
    return inputs, [output]


def _questions(envelope: Envelope, said: Said) -> list[tuple[str, str]]:
    """Return roles and texts of what came in: of a history only the last question."""
    told = texts_of(said.asked)
    if envelope.is_own:
        return told[:_MOMENTS]
    users = [entry for entry in told if entry[0] == "user"]
    return users[-1:]


# --- what happened within ---


def moments_of(envelope: Envelope, *, has_told: bool) -> list[Event]:
    """
    Return errors, retries and changes that the events of a span are.

    Args:
        envelope: The span.
        has_told: Whether its exceptions are told by a span below it.
    """
    made: list[Event] = []
    for index, moment in enumerate(envelope.span.events[: 4 * _MOMENTS]):
        maker = _MAKERS.get(moment.name)
        if maker is None or (moment.name == EXCEPTION and has_told):
            continue
        made.append(maker(envelope, moment, f"{moment.name}{index}"))
        if len(made) >= _MOMENTS:
            break
    is_silent = all(event.name != EXCEPTION for event in envelope.span.events)
    if is_silent and not has_told and envelope.span.is_failed:
        made += _unsaid(envelope)
    return [*made, *_tool_retry(envelope)]


def _error(envelope: Envelope, moment: Occurrence, side: str) -> Event:
    given = moment.attributes
    named = _text(given, "exception.type")
    error = {
        "error_message": _text(given, "exception.message") or named,
        "error_code": _text(given, "chaukas.error.code") or named,
        "stack_trace": _text(given, "exception.stacktrace"),
        "recoverable": _is_recovered(envelope, given) or None,
        "recovery_action": _text(given, "chaukas.error.recovery_action"),
    }
    return _below(
        envelope, "ERROR", moment, side, status="FAILED", error=present(error)
    )


def _is_recovered(envelope: Envelope, given: Mapping[str, Any]) -> bool:
    """Return whether an exception did not end the span in which it stands."""
    escaped = given.get("exception.escaped")
    if envelope.is_own and escaped is not None:
        return escaped in (False, "False")
    return not envelope.span.is_failed


def _unsaid(envelope: Envelope) -> list[Event]:
    """Return the error of a span that failed without an exception on record."""
    span = envelope.span
    if envelope.kind.kind not in ("model", "tool", "mcp") or not span.status_message:
        return []
    code = envelope.attributes.text("error.code") or envelope.attributes.text(
        "error.type"
    )
    error = present({"error_message": span.status_message, "error_code": code})
    return [
        envelope.below(
            "ERROR", side="failure", at_ns=span.end_ns, status="FAILED", error=error
        )
    ]


def _retry(envelope: Envelope, moment: Occurrence, side: str) -> Event:
    given = moment.attributes
    numbers = ("attempt", "max_attempts", "backoff_ms")
    retry: dict[str, Any] = {
        name: _number(given.get(f"chaukas.retry.{name}")) for name in numbers
    }
    retry["strategy"] = _text(given, "chaukas.retry.strategy")
    retry["error_message"] = _text(given, "chaukas.retry.error")
    retry["retryable"] = True
    retry["metadata"] = present(
        {
            "layer": _text(given, "chaukas.retry.layer"),
            "model": _text(given, "chaukas.retry.model"),
            "error_code": _text(given, "chaukas.retry.error.code"),
            "status": _number(given.get("chaukas.retry.status")),
        }
    )
    content = {"status": "IN_PROGRESS", "retry": present(retry)}
    return _below(envelope, "RETRY", moment, side, **content)


def _tool_retry(envelope: Envelope) -> list[Event]:
    """Return the repetition that Pydantic AI notes on the span of a tool."""
    given = envelope.attributes.given
    attempt = given.get("pydantic_ai.tool.retry.attempt")
    if type(attempt) is not int or not 0 < attempt < 1 << 31:
        return []
    retry = {
        "attempt": attempt,
        "max_attempts": _number(given.get("pydantic_ai.tool.retry.max_retries")),
        "error_message": _text(given, "pydantic_ai.tool.retry.cause"),
        "retryable": True,
        "metadata": {"layer": "tool"},
    }
    return [
        envelope.below(
            "RETRY",
            side="retry",
            at_ns=envelope.span.end_ns,
            status="IN_PROGRESS",
            retry=present(retry),
        )
    ]


def _update(envelope: Envelope, moment: Occurrence, side: str) -> Event:
    content = parsed(moment.attributes.get("chaukas.content"))
    content = content if type(content) is dict else {"value": content}
    return _below(envelope, "STATE_UPDATE", moment, side, state_update=content)


def _access(envelope: Envelope, moment: Occurrence, side: str) -> Event:
    content = parsed(moment.attributes.get("chaukas.content"))
    content = content if type(content) is dict else {}
    return _below(envelope, "DATA_ACCESS", moment, side, data_access=content)


def _below(
    envelope: Envelope, kind: str, moment: Occurrence, side: str, **content: Any
) -> Event:
    span = envelope.span
    is_inside = span.start_ns <= moment.time_ns <= span.end_ns
    at_ns = moment.time_ns if is_inside else span.end_ns
    return envelope.below(kind, side=side, at_ns=at_ns, **content)


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if type(value) is str else ""


def _number(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 1 << 31 else None


_MAKERS: Final[Mapping[str, Callable[[Envelope, Occurrence, str], Event]]] = {
    EXCEPTION: _error,
    "chaukas.retry": _retry,
    "chaukas.state_update": _update,
    "chaukas.data_access": _access,
}

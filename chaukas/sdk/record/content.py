"""
Name the members of an event's content, one function for each content of the spec.

Values are captured already, or names and numbers made here. What proto3 does not write
(0, "", False, None, []) is left out, so that a caller may pass whatever it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .totals import Usage

__all__ = [
    "data_access",
    "error",
    "handoff",
    "message",
    "model_asked",
    "model_ended",
    "model_started",
    "policy",
    "retry",
    "state_update",
    "tool_ended",
    "tool_started",
    "without_defaults",
]


_MODEL_SETTINGS = (
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
)
"""Settings of a model call with fields of their own."""


def without_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """
    Return *content* without what proto3 does not write: 0, "", False, None, [].

    For values that were captured or made here; a stranger's object has no place
    in *content* yet.
    """
    kept = {}
    # A comprehension would be a call more, and this is called for every event.
    for key, value in content.items():
        if value:
            kept[key] = value  # noqa: PERF403
    return kept


def data_access(
    datasource: Any,
    *,
    document_ids: Sequence[str] = (),
    chunk_ids: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of DATA_ACCESS: which source, and what of it."""
    content = {
        "datasource": datasource,
        "document_ids": document_ids,
        "chunk_ids": chunk_ids,
        "metadata": metadata,
    }
    return {"data_access": without_defaults(content)}


def error(
    text: Any,
    code: str,
    *,
    stack_trace: Any = "",
    recoverable: bool = False,
    recovery_action: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    Return the content of ERROR.

    Args:
        text: Its captured message.
        code: Class of the exception, with the service's own code if there is one.
        stack_trace: Captured.
        recoverable: Something handled it and the run goes on.
        recovery_action: What handled it.
        metadata: Further facts.
    """
    content = {
        "error_message": text,
        "error_code": code,
        "stack_trace": stack_trace,
        "recoverable": recoverable,
        "recovery_action": recovery_action,
        "metadata": metadata,
    }
    return {"error": without_defaults(content)}


def handoff(
    from_agent: tuple[Any, Any] | None,
    to_agent: tuple[Any, Any],
    *,
    reason: Any = "",
    kind: str = "sequential",
    data: Any = None,
) -> dict[str, Any]:
    """
    Return the content of AGENT_HANDOFF.

    Args:
        from_agent: Id and name of the agent that hands over, if there is one.
        to_agent: Id and name of the next one.
        reason: Why; the name of the tool that the model called, as a rule.
        kind: How, as `sequential`, `delegation` or `transfer`.
        data: What is handed over, captured.
    """
    from_id, from_name = from_agent or ("", "")
    content = {
        "from_agent_id": from_id,
        "from_agent_name": from_name,
        "to_agent_id": to_agent[0],
        "to_agent_name": to_agent[1],
        "reason": reason,
        "handoff_type": kind,
        "handoff_data": data,
    }
    return {"agent_handoff": without_defaults(content)}


def message(
    role: str, text: Any, metadata: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """
    Return the content of INPUT_RECEIVED and OUTPUT_EMITTED.

    Args:
        role: `user` or `assistant`.
        text: Captured; kept even if it is empty.
        metadata: Further facts of the message.
        **more: Members beside it: `is_final`, `is_partial`.
    """
    content: dict[str, Any] = {"role": role, "text": text}
    if metadata:
        content["metadata"] = metadata
    return {"message": content, **more}


def model_asked(
    provider: str,
    model: str,
    settings: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Return what START and END of a model call have in common, and other settings.

    Args:
        provider: Who serves the model.
        model: Its name, as it is asked for.
        settings: All settings of the call.
        metadata: Further facts.

    Returns:
        Members of `llm_invocation`; and the settings for `request.settings`, which
        have no field of their own there, or are 0, which proto3 does not write.
    """
    own = {
        name: settings[name]
        for name in _MODEL_SETTINGS
        if type(settings.get(name)) in (int, float)
    }
    zeros = {name: value for name, value in own.items() if value == 0}
    others = {name: value for name, value in settings.items() if name not in own}
    content: dict[str, Any] = {"provider": provider, "model": model, **own}
    if metadata:
        content["metadata"] = dict(metadata)
    if zeros:
        content["request"] = {"settings": zeros}
    return without_defaults(content), {**others, **zeros}


def model_started(asked: dict[str, Any], request: Any) -> dict[str, Any]:
    """Return the content of a START: what `model_asked` returned, and the request."""
    return {"llm_invocation": {**asked, "request": request}}


# Named at the call, each is a member of the event.
def model_ended(
    asked: dict[str, Any],
    usage: Usage,
    *,
    response: Any = None,
    finish_reason: str = "",
    duration_ms: float = 0,
    chunk_count: int = 0,
    time_to_first_token_ms: float = 0,
    metadata: dict[str, Any] | None = None,
    response_id: str = "",
    cost: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of an END: what `model_asked` returned, and the answer."""
    told: dict[str, Any] = {
        **asked,
        "metadata": {**asked.get("metadata", {}), **(metadata or {})},
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "finish_reason": finish_reason,
        "duration_ms": duration_ms,
        "chunk_count": chunk_count,
        "time_to_first_token_ms": time_to_first_token_ms,
        "response": response,
    }
    body = {
        "llm_invocation": without_defaults(told),
        "response_id": response_id,
        "cost": cost,
    }
    return without_defaults(body)


def policy(
    policy_id: Any,
    outcome: str,
    *,
    rule_ids: Sequence[Any] = (),
    rationale: Any = "",
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    Return the content of POLICY_DECISION.

    Args:
        policy_id: Which policy decided.
        outcome: `allow`, `deny`, `review` or `override`.
        rule_ids: Rules that led to it.
        rationale: Why, captured.
        metadata: Further facts.
    """
    content = {
        "policy_id": policy_id,
        "outcome": outcome,
        "rule_ids": rule_ids,
        "rationale": rationale,
        "metadata": metadata,
    }
    return {"policy": without_defaults(content)}


def retry(
    *,
    attempt: int,
    max_attempts: int = 0,
    strategy: str = "",
    backoff_ms: int = 0,
    error_message: Any = "",
    is_retryable: bool = True,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    Return the content of RETRY.

    Args:
        attempt: 1 for the first repetition.
        max_attempts: How often it may be tried, if that is known.
        strategy: `exponential`, `linear`, `immediate` …
        backoff_ms: Time really waited before this attempt.
        error_message: Captured text of what it was tried again for.
        is_retryable: The error is one that another attempt may mend.
        metadata: Further facts, without those that are not known.
    """
    content = {
        "attempt": attempt,
        "max_attempts": max_attempts,
        "strategy": strategy,
        "backoff_ms": backoff_ms,
        "error_message": error_message,
        "retryable": is_retryable,
        "metadata": without_defaults(dict(metadata or {})),
    }
    return {"retry": without_defaults(content)}


def state_update(**changes: Any) -> dict[str, Any]:
    """Return the content of STATE_UPDATE: what changed, captured, by its name."""
    return {"state_update": changes}


def tool_started(
    name: str,
    call_id: str = "",
    arguments: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of TOOL_CALL_START; *arguments* captured."""
    content = {
        "tool_name": name,
        "tool_id": call_id,
        "arguments": arguments,
        "metadata": metadata,
    }
    return {"tool_call": without_defaults(content)}


def tool_ended(name: str, call_id: str = "", **more: Any) -> dict[str, Any]:
    """
    Return the content of TOOL_CALL_END.

    Args:
        name: As in the START.
        call_id: As in the START.
        **more: Of `output`, `error_message`, `execution_time_ms`, `http_status` and
            `metadata` what there is, captured.
    """
    content = {"tool_name": name, "tool_call_id": call_id, **more}
    return {"tool_response": without_defaults(content)}
